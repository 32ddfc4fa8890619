#include "tests/integration/support/held_copy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

namespace shift::testing {
namespace {

ScenarioOptions with_chunks(ScenarioOptions options) {
    options.chunk_rows = 50;
    options.start = false;
    return options;
}

}  // namespace

Change HeldCopy::change() {
    return {.ddl = "ALTER TABLE t ADD COLUMN extra INT NOT NULL DEFAULT 7",
            .final_insert = "INSERT INTO versions (v) VALUES (1)"};
}

HeldCopy::HeldCopy(ScenarioOptions options, bool start) : s(with_chunks(std::move(options))) {
    Writers::make_table(s.db(), "app", "t", kRows);
    s.db().execute("CREATE TABLE app.versions (v INT)");
    Invariants::make_bystanders(s.db());
    if (start) {
        s.supervisor().start();
    }
    s.set_watch([this] { invariants.look(); });
    writers.set_rest(milliseconds{10});
    writers.start();
}

void HeldCopy::copy() {
    id = s.submit(change());
    s.bring_to_running(id);
    s.await_copying(id);
    worker = pid_of("worker_pid");
}

pid_t HeldCopy::pid_of(const char* which) {
    return static_cast<pid_t>(int_or(s.supervisor().migration(id), which, 0));
}

void HeldCopy::finish() {
    gate.open();
    s.await_status(id, 4);
    s.rename(id);
    s.await_status(id, 8);
    s.await_idle();
    writers.stop();
    EXPECT_THAT(writers.errors(), ::testing::IsEmpty());
    EXPECT_THAT(invariants.violations(
                    {.id = id, .changed = true, .kept = {"t", "versions"}, .with_content = true}),
                ::testing::IsEmpty());
}

}  // namespace shift::testing
