#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "supervisor/supervisor.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_upstream.h"
#include "tests/fakes/fake_workers.h"
#include "tests/fakes/memory_journal.h"

namespace shift {

// A supervisor among fakes: an API, workers and a disk that outlive it.
class World : public ::testing::Test {
  protected:
    World() {
        config.rest_api = "http://api/";
        config.log_dir = "/log/";
        config.state_dir = "/state";
        config.run_host = "us";
        start();
    }

    // A new supervisor on the same disk: what a restart after kill -9 is.
    void start() {
        api.forget_waiting();
        supervisor = std::make_unique<Supervisor>(clock, config, log, api, workers, [this] {
            return MemoryJournal::open(disk, journal_faults);
        });
        const Status status = supervisor->recover();
        ASSERT_TRUE(status.ok());
    }
    void restart() { start(); }

    // Ticks and answers for `seconds` of fake time.
    void run(double seconds = 3) {
        const int ticks = static_cast<int>(seconds * 10);
        for (int i = 0; i < ticks; ++i) {
            supervisor->tick();
            api.deliver();
            clock.advance(Millis(100));
        }
    }
    FakeWorkers::Worker& worker(MigrationId id) {
        FakeWorkers::Worker* found = workers.of(id);
        CHECK(found != nullptr, "no worker was spawned for the migration");
        return *found;
    }
    Json status_of(MigrationId id) {
        const Json status = *supervisor->command("status", Json::object());
        for (const Json& migration : status["migrations"]) {
            if (migration["id"] == id) {
                return migration;
            }
        }
        return nullptr;
    }
    int api_status(MigrationId id) { return api.at(id)["status"].get<int>(); }

    FakeClock clock;
    Config config;
    Logger log{LogLevel::kError};
    FakeUpstream api;
    FakeWorkers workers;
    MemoryDisk disk;
    MemoryJournalFaults journal_faults;
    std::unique_ptr<Supervisor> supervisor;
};

}  // namespace shift
