// The host turns against us: full disks, a damaged journal, a clock that steps, no descriptors, a
// frozen worker, a reused pid, two daemons on one folder, a folder that moved. Nothing is lost, the
// daemon says what is wrong, and once it is put right the migrations end well.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "common/clock.h"
#include "common/file.h"
#include "common/job.h"
#include "tests/integration/support/full_disk.h"
#include "tests/integration/support/held_copy.h"
#include "tests/integration/support/invariants.h"
#include "tests/integration/support/programs.h"
#include "tests/integration/support/scenario.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Held = HeldCopy;
constexpr int kRows = HeldCopy::kRows;

void give_environment(SupervisorProcess& supervisor, const FullDisk& disk) {
    for (const auto& [name, value] : disk.environment()) {
        supervisor.set_environment(name, value);
    }
}

TEST(DiskFull, OfTheStateDirStopsClaimsAndCallsButNoWorker) {
    Held held({}, false);
    FullDisk disk(held.s.supervisor().state_dir(), held.s.dir().path());
    give_environment(held.s.supervisor(), disk);
    held.s.supervisor().start();
    held.copy();
    disk.fill();
    held.s.model().pause(held.id);  // something that must be written
    held.s.await("the journal's failure", [&] { return !held.journal_error().empty(); });
    EXPECT_THAT(held.journal_error(), HasSubstr("full"));
    EXPECT_TRUE(held.s.supervisor().running());
    const int claims = held.s.api().count("unstage");
    EXPECT_TRUE(stays_true([&] { return held.s.api().count("unstage") == claims; }, seconds{2}));
    EXPECT_THAT(command_line(held.worker), HasSubstr("--attempt-dir"));
    disk.free();
    held.s.await("the journal's recovery", [&] { return held.journal_error().empty(); });
    held.s.await_status(held.id, 12);
    held.s.resume(held.id);
    held.finish();
}

TEST(DiskFull, AtTheStartOfAnAttemptIsWaitedOut) {
    Held held({}, false);
    FullDisk disk(held.s.supervisor().state_dir() + "/attempts", held.s.dir().path());
    give_environment(held.s.supervisor(), disk);
    held.s.supervisor().start();
    disk.fill();
    held.id = held.s.submit(HeldCopy::change());
    held.s.await("a failed spawn", [&] {
        const std::string reason = string_or(held.s.supervisor().migration(held.id), "reason", "");
        return !reason.empty();
    });
    EXPECT_EQ(held.s.status(held.id), 0);
    disk.free();
    held.s.bring_to_running(held.id);
    held.finish();
}

TEST(DiskFull, UnderALivingWorkerLosesNoOutcome) {
    Held held({}, false);
    FullDisk disk(held.s.supervisor().state_dir() + "/attempts", held.s.dir().path());
    give_environment(held.s.supervisor(), disk);
    held.s.supervisor().start();
    held.copy();
    disk.fill();
    held.gate.open();
    // The copy ends while its worker cannot write; its outcome is there when it can.
    held.s.await("the last chunk", [&] {
        const std::string shadow = held.s.shadow_table(held.id);
        return !shadow.empty() &&
               held.s.db().integer("SELECT COUNT(*) FROM app." + quote_name(shadow)) >= kRows / 2;
    });
    std::this_thread::sleep_for(seconds{2});
    disk.free();
    held.finish();
}

TEST(DiskFull, OfTheLogDirLosesNoCopyThatGoesOnMeanwhile) {
    Held held({}, false);
    FullDisk disk(held.s.supervisor().log_dir(), held.s.dir().path());
    give_environment(held.s.supervisor(), disk);
    held.s.supervisor().start();
    held.copy();
    disk.fill();
    held.gate.open();
    // Every chunk wants to save where it is and none can, nor that it was the last.
    const auto outcomes = [&] {
        return held.s.supervisor().journal_rows(
            "SELECT outcome FROM attempt WHERE step = 'run' AND outcome <> '' ORDER BY id");
    };
    const std::string shadow = held.s.shadow_table(held.id);
    held.s.await("an end that nobody can prove", [&] { return !outcomes().empty(); });
    EXPECT_EQ(outcomes().front().front(), "retry");
    EXPECT_EQ(held.s.status(held.id), 3);
    EXPECT_EQ(held.s.shadow_table(held.id), shadow) << "the copy is kept";
    disk.free();
    held.finish();
    EXPECT_EQ(outcomes().back().front(), "copied");
}

// Bytes of pages changed at random. Either the daemon refuses, naming file and way out, or it never
// needed those bytes: no crash, no hang, no wild claim.
TEST(DamagedJournal, IsRefusedWithTheWayOut) {
    Held held;
    held.copy();
    held.s.supervisor().kill9();
    const std::string journal = held.s.supervisor().journal();
    std::filesystem::copy_file(journal, held.s.dir() / "good.db");
    std::filesystem::copy_file(journal + "-wal", held.s.dir() / "good.wal");
    const std::uint64_t seed = base_seed();
    SCOPED_TRACE("SHIFT_SEED=" + std::to_string(seed));
    std::mt19937_64 random(seed);
    const auto restore = [&] {
        std::filesystem::remove(journal + "-shm");
        std::filesystem::copy_file(held.s.dir() / "good.db", journal,
                                   std::filesystem::copy_options::overwrite_existing);
        std::filesystem::copy_file(held.s.dir() / "good.wal", journal + "-wal",
                                   std::filesystem::copy_options::overwrite_existing);
    };
    int refused = 0;
    for (int round = 0; round < sized(6, 60); ++round) {
        restore();
        {
            // The WAL's frames would hide the damage: into the file with them first.
            sqlite3* db = nullptr;
            sqlite3_open(journal.c_str(), &db);
            sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", nullptr, nullptr, nullptr);
            sqlite3_close(db);
            std::fstream file(journal, std::ios::in | std::ios::out | std::ios::binary);
            const auto size = std::filesystem::file_size(journal);
            // A header of a page, or of the file, and some bytes anywhere.
            const std::size_t page = random() % (size / 4096);
            for (std::size_t i = 0; i < 64; ++i) {
                file.seekp(static_cast<std::streamoff>(page * 4096 + random() % 128));
                file.put(static_cast<char>(random()));
            }
        }
        spit(held.s.supervisor().log_file(), "");
        const std::size_t calls_before = held.s.api().calls().size();
        held.s.supervisor().start(false);
        held.s.await("an end or an answer", [&] {
            return !held.s.supervisor().running() || !held.s.supervisor().status().is_null();
        });
        if (held.s.supervisor().running()) {
            // It did not need those bytes: then it goes on with what it had, and nothing else.
            const auto calls = [&] {
                std::map<std::string, int> counts;
                const std::vector<ApiCall> all = held.s.api().calls();
                for (std::size_t at = calls_before; at < all.size(); ++at) {
                    ++counts[all[at].endpoint];
                }
                return counts;
            };
            held.s.await("some polls", [&] { return calls()["staged"] > 2; });
            for (const char* call :
                 {"unstage", "next_step", "complete", "fail", "error", "offer", "unpin_run_host"}) {
                EXPECT_EQ(calls()[call], 0) << call;
            }
            EXPECT_EQ(held.s.status(held.id), 3);
            EXPECT_THAT(command_line(held.worker), HasSubstr("--attempt-dir"));
            held.s.supervisor().kill9();
            continue;
        }
        ++refused;
        const auto exit = held.s.supervisor().wait();
        ASSERT_TRUE(exit);
        EXPECT_EQ(exit->signo, 0);
        EXPECT_TRUE(exit->code == 74 || exit->code == 78) << exit->code;
        const std::string said = slurp(held.s.supervisor().log_file());
        EXPECT_THAT(said, HasSubstr(journal));
        EXPECT_THAT(said, HasSubstr("Way out"));
    }
    EXPECT_GT(refused, 0);
    restore();
    held.s.supervisor().start();
    held.finish();
}

// The way out when nothing can be recovered: a new journal, and what the API says is ours is taken
// over from ourselves. Numbers of old attempts are not given again.
TEST(LostJournal, IsMadeAnewAndItsMigrationsAreTakenOverByName) {
    Held held;
    held.copy();
    held.s.supervisor().kill9();
    held.s.supervisor().kill_workers();
    const auto attempts = held.s.supervisor().attempts();
    for (const char* suffix : {"", "-wal", "-shm"}) {
        std::filesystem::remove(held.s.supervisor().journal() + suffix);
    }
    held.s.supervisor().start();
    EXPECT_TRUE(stays_true([&] { return held.s.supervisor().attempts() == attempts; }, seconds{1}));
    const auto answer =
        held.s.supervisor().control("takeover", {{"migration", held.s.columns(held.id)}});
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    held.s.await("a new attempt",
                 [&] { return held.s.supervisor().attempts().size() == attempts.size() + 1; });
    held.finish();
}

TEST(HeldJournal, ByAnOpenTransactionOfAPersonStopsNothingForGood) {
    Held held;
    held.copy();
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(held.s.supervisor().journal().c_str(), &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 30'000);
    ASSERT_EQ(sqlite3_exec(db, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
    held.s.model().pause(held.id);
    held.s.await("the journal's failure", [&] { return !held.journal_error().empty(); });
    EXPECT_THAT(command_line(held.worker), HasSubstr("--attempt-dir"));
    sqlite3_close(db);
    held.s.await_status(held.id, 12);
    EXPECT_THAT(held.journal_error(), IsEmpty());
    held.s.resume(held.id);
    held.finish();
}

TEST(Clock, ThatStepsBackAndForthChangesNothing) {
    Held held({}, false);
    const std::string step = held.s.dir() / "clock";
    spit(step, "+0");
    held.s.supervisor().set_environment("LD_PRELOAD", libfaketime());
    held.s.supervisor().set_environment("FAKETIME_TIMESTAMP_FILE", step);
    held.s.supervisor().set_environment("FAKETIME_NO_CACHE", "1");
    held.s.supervisor().set_environment("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    held.s.supervisor().start();
    held.copy();
    for (const char* offset : {"+90d", "-90d", "+1h", "-1h", "+0"}) {
        spit(step, offset);
        EXPECT_TRUE(
            stays_true([&] { return held.pid_of("worker_pid") == held.worker; }, seconds{1}));
    }
    spit(step, "-30d");
    held.s.supervisor().kill9();
    held.s.supervisor().start();
    held.s.await("adoption", [&] { return held.pid_of("worker_pid") == held.worker; });
    held.finish();
}

// A whole day of the daemon's time in a minute. Its workers and their tools keep real time.
TEST(Outage, OfADayWithThreeMigrationsInFlightLosesNothing) {
    // Slower where everything is slow: a call may take rest_timeout / speed.
    const auto speed =
        sized(2880, 720) / std::max<std::int64_t>(1, stretched(seconds{1}) / seconds{1});
    ScenarioOptions options;
    options.chunk_rows = 50;
    options.start = false;
    options.settings = {{"max_running_per_host", "3"},
                        {"rest_timeout", "7200"},
                        {"recheck_interval", "7200"},
                        {"report_flush_timeout", "7200"}};
    Scenario s(options);
    const std::string worker = s.dir() / "worker";
    spit(worker,
         "#!/bin/sh\nunset LD_PRELOAD FAKETIME\nexec " + program("shift-worker") + " \"$@\"\n",
         0755);
    s.supervisor().set("worker_path", worker);
    s.supervisor().set_environment("LD_PRELOAD", libfaketime());
    s.supervisor().set_environment("FAKETIME", "+0 x" + std::to_string(speed));
    std::vector<MigrationId> ids;
    std::vector<std::unique_ptr<Writers>> writers;
    CopyGate gate(s);
    s.supervisor().start();
    for (int i = 0; i < 3; ++i) {
        const std::string table = "t" + std::to_string(i);
        Writers::make_table(s.db(), "app", table, kRows);
        writers.push_back(std::make_unique<Writers>(s.server(), "app", table, 1, base_seed()));
        writers.back()->set_rest(milliseconds{20});
        writers.back()->start();
        ids.push_back(
            s.submit({.ddl = "ALTER TABLE " + table + " ADD COLUMN extra INT", .table = table}));
        s.bring_to_running(ids.back());
    }
    for (const MigrationId id : ids) {
        s.await_copying(id);
    }
    s.api().down();
    gate.open();  // they end during the outage, and nobody can be told
    const auto time_of = [&s](const char* key) {
        return parse_iso_time(string_or(s.supervisor().status()["api"], key, ""));
    };
    s.await(
        "a day without the API",
        [&] { return time_of("last_error_at") - time_of("last_ok") > std::chrono::hours(24); },
        seconds{300});
    const auto owed = s.supervisor().journal_rows("SELECT count(*) FROM v_owed");
    EXPECT_LT(std::stoi(owed[0][0]), 40) << "what is owed does not grow with the outage";
    s.api().up();
    for (const MigrationId id : ids) {
        s.await_status(id, 4);
        EXPECT_THAT(s.file(id, 0), HasSubstr("Successfully altered"));
        s.rename(id);
    }
    for (std::size_t i = 0; i < ids.size(); ++i) {
        s.await_status(ids[i], 8);
        writers[i]->stop();
        EXPECT_EQ(Writers::difference(s.db(), "app", "t" + std::to_string(i)), "");
        for (const char* call : {"next_step", "complete"}) {
            EXPECT_EQ(s.api().count(call, ids[i], true), std::string(call) == "complete" ? 1 : 2);
        }
    }
    s.await_idle();
    EXPECT_EQ(s.leftovers("app", {"t0", "t1", "t2"}), "");
}

// What descriptors of a process are: "socket:[7566098]", paths.
std::set<std::string> descriptors_of(pid_t pid) {
    std::set<std::string> names;
    for (const auto& fd :
         std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
        std::error_code gone;
        names.insert(std::filesystem::read_symlink(fd.path(), gone).string());
    }
    return names;
}

// A connection to the API that a worker holds as well stays open when the daemon closes it.
TEST(Descriptors, OfTheDaemonAreNotInherited) {
    Held held;
    held.copy();
    const auto engine = held.pid_of("engine_pid");
    ASSERT_GT(engine, 0);
    std::set<std::string> shared;
    const auto daemons = descriptors_of(held.s.supervisor().pid());
    for (const pid_t child : {held.worker, static_cast<pid_t>(engine)}) {
        for (const std::string& name : descriptors_of(child)) {
            if (name.starts_with("socket:") && daemons.contains(name)) {
                shared.insert(name);
            }
        }
    }
    EXPECT_THAT(shared, IsEmpty());
    EXPECT_TRUE(held.s.supervisor().running());
}

TEST(Descriptors, ThatRanOutStopNothingForGood) {
    Held held;
    held.copy();
    const auto limit = [&](rlim_t soft) {
        rlimit now{};
        ASSERT_EQ(::prlimit(held.s.supervisor().pid(), RLIMIT_NOFILE, nullptr, &now), 0);
        now.rlim_cur = soft;
        ASSERT_EQ(::prlimit(held.s.supervisor().pid(), RLIMIT_NOFILE, &now, nullptr), 0);
    };
    std::size_t open = 0;
    for ([[maybe_unused]] const auto& fd : std::filesystem::directory_iterator(
             "/proc/" + std::to_string(held.s.supervisor().pid()) + "/fd")) {
        ++open;
    }
    limit(open);  // not one more
    held.s.db().execute("CREATE TABLE app.other (id INT PRIMARY KEY)");
    const MigrationId other =
        held.s.submit({.ddl = "ALTER TABLE other ADD COLUMN c INT", .table = "other"});
    held.s.await("the limit is felt", [&] {
        const std::string log = slurp(held.s.supervisor().log_file());
        return log.find("oo many open files") != std::string::npos;
    });
    EXPECT_TRUE(stays_true([&] { return held.s.supervisor().running(); }, seconds{4}));
    EXPECT_EQ(held.s.status(other), 0);
    EXPECT_FALSE(command_line(held.worker).empty());
    limit(1024);
    held.s.await_status(other, 1);
    held.s.db().execute("DROP TABLE app.other");
    EXPECT_EQ(held.pid_of("worker_pid"), held.worker);
    held.finish();
}

TEST(Frozen, WorkerIsEndedByThePauseAndItsCopyGoesOn) {
    Held held;
    held.copy();
    ASSERT_EQ(::kill(held.worker, SIGSTOP), 0);
    held.s.pause(held.id);
    held.s.await_status(held.id, 12, seconds{150});
    EXPECT_EQ(command_line(held.worker), "");
    held.s.resume(held.id);
    held.finish();
}

// The attempt's worker is gone and its engine seems to live, under a pid that another process has
// by now: the daemon would end the engine, and must not end that.
TEST(Pid, OfAnotherProcessIsNeverSignalled) {
    Held held;
    held.copy();
    held.s.supervisor().kill9();
    held.s.supervisor().kill_workers();
    ChildProcess innocent({.argv = {"sleep", "600"}});
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(held.s.supervisor().journal().c_str(), &db), SQLITE_OK);
    const std::string sql = "UPDATE attempt SET pid = " + std::to_string(innocent.pid()) +
                            ", engine_pid = " + std::to_string(innocent.pid());
    ASSERT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(db);
    {
        // The engine ends by the TERM of its worker's death, some time after it.
        UniqueFd lock;
        held.s.await("the engine's end", [&] {
            auto taken =
                lock_file(AttemptFiles(held.s.supervisor().attempts().back()).engine_lock());
            if (!taken.ok()) {
                return false;
            }
            lock = *std::move(taken);
            return true;
        });
        held.s.supervisor().start();
        held.s.await("the daemon wants to end the engine", [&] {
            return !held.s.supervisor()
                        .journal_rows("SELECT 1 FROM event WHERE kind = 'orphan_engine'")
                        .empty();
        });
        // TERM comes at once, KILL after ten seconds.
        EXPECT_TRUE(stays_true([&] { return innocent.running(); }, seconds{full_run() ? 15 : 1}));
    }
    held.finish();
    EXPECT_TRUE(innocent.running());
}

TEST(StateDir, BelongsToOneDaemon) {
    Held held;
    held.copy();
    const ToolResult second =
        run_tool({program("shift-supervisord"), "--config", held.s.supervisor().config_file()});
    EXPECT_EQ(second.status.code, 75);
    EXPECT_THAT(second.err, HasSubstr("another shift-supervisord"));
    EXPECT_THAT(second.err, HasSubstr(held.s.supervisor().state_dir()));
    EXPECT_EQ(held.pid_of("worker_pid"), held.worker);
    held.finish();
}

TEST(StateDir, MayBeMovedUnderALivingWorker) {
    Held held;
    held.copy();
    held.s.supervisor().terminate();
    const std::string moved = held.s.dir() / "moved";
    std::filesystem::rename(held.s.supervisor().state_dir(), moved);
    std::filesystem::create_directory_symlink(moved, held.s.supervisor().state_dir());
    held.s.supervisor().set("state_dir", moved);
    held.s.supervisor().start();
    held.s.await("adoption", [&] { return held.pid_of("worker_pid") == held.worker; });
    held.finish();
}

}  // namespace
}  // namespace shift::testing
