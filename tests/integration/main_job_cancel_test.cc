// A cancel that meets a swap: one of the two wins, and whichever it is, wins alone. The original
// ran both at once: the clean-up took the triggers away while the swap still waited for its lock.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <iostream>
#include <random>
#include <stdexcept>
#include <thread>

#include "tests/integration/support/crash_dir.h"
#include "tests/integration/support/scenario.h"
#include "tests/integration/support/tcp_proxy.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// A copied migration whose swap waits for the lock that a reader's transaction holds, under writes.
struct WaitingSwap {
    Scenario s{{.start = false}};
    CrashDir crash{s.dir() / "crash"};
    Writers writers{s.server(), "app", "t", 2, base_seed()};
    Db reader = s.server().connect();
    MigrationId id = 0;
    std::size_t attempts = 0;  // with that of the swap

    WaitingSwap() {
        s.supervisor().set_environment("SHIFT_CRASH_DIR", crash.path());
        s.supervisor().start();
        Writers::make_table(s.db(), "app", "t", 300);
        writers.start();
        id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
        s.bring_to_copied(id);
        reader.execute("START TRANSACTION");
        reader.execute("SELECT * FROM app.t LIMIT 1");
        s.rename(id);
        s.await("the swap waits for its lock", [&] { return swap_waits(); });
        attempts = s.supervisor().attempts().size();
    }
    bool swap_waits() {
        return s.db().integer(
                   "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE "
                   "'RENAME TABLE%' AND STATE LIKE 'Waiting for table metadata lock%'") > 0;
    }
    void let_go() { reader.execute("ROLLBACK"); }
    void kill_worker() {
        for (const pid_t pid : s.supervisor().workers()) {
            ::kill(pid, SIGKILL);
        }
    }

    // A cancel that came too late stays staged for ever: the API's complete leaves that as it is.
    void settle() {
        s.await("nobody has to claim it",
                [&] { return !s.model().staged(id) || s.status(id) == 8; });
        s.await_idle();
    }
    void expect_cancelled() {
        EXPECT_EQ(s.status(id), 9);
        EXPECT_EQ(s.api().count("complete", id), 0);
        EXPECT_THAT(s.db().columns("app", "t"), Not(Contains("extra")));
        expect_whole();
    }
    void expect_completed() {
        EXPECT_EQ(s.status(id), 8);
        EXPECT_EQ(s.api().count("complete", id), 1);
        EXPECT_THAT(s.db().columns("app", "t"), Contains("extra"));
        expect_whole();
    }
    // No trigger and no table of ours, and every write is in the table that the application has.
    void expect_whole() {
        writers.stop();
        EXPECT_THAT(writers.errors(), IsEmpty());
        EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
        EXPECT_EQ(s.leftovers("app", {"t"}), "");
    }
};

TEST(CancelMeetsSwap, WhileTheSwapWaitsForItsLockTheCancelWins) {
    WaitingSwap w;
    w.s.cancel(w.id);
    // The clean-up wants the lock that the swap wanted.
    w.s.await("the swap is given up and the clean-up begun",
              [&] { return w.s.supervisor().attempts().size() > w.attempts; });
    w.let_go();
    w.settle();
    w.expect_cancelled();
}

// Its statement is in the server without anybody who waits for it.
TEST(CancelMeetsSwap, WhoseWorkerDiedWhileItWaitedTheCancelWins) {
    WaitingSwap w;
    w.s.supervisor().kill9();
    w.kill_worker();
    w.s.await("the statement gives up", [&] { return !w.swap_waits(); });
    w.s.cancel(w.id);
    w.s.supervisor().start();
    w.let_go();
    w.settle();
    w.expect_cancelled();
}

// The worker lives without its supervisor, gets the lock, swaps and dies at once; then the cancel.
TEST(CancelMeetsSwap, AfterTheSwapHasHappenedTheSwapWins) {
    WaitingSwap w;
    w.s.supervisor().kill9();
    w.crash.arm({"sql-done/RENAME TABLE 1"});
    w.let_go();
    w.s.await("swapped and dead", [&] { return w.crash.left() == 0; });
    w.s.cancel(w.id);
    w.s.supervisor().start();
    w.s.await_status(w.id, 8);
    w.settle();
    w.expect_completed();
}

// Made between the last look and the RENAME, it goes along with the old table: which is kept then.
TEST(TriggerMeetsSwap, OneThatWentWithTheOldTableIsKeptAndNamed) {
    WaitingSwap w;
    w.s.supervisor().kill9();
    w.crash.arm({"sql-done/RENAME TABLE 1"});
    w.let_go();
    w.s.await("swapped and dead", [&] { return w.crash.left() == 0; });
    std::string old;
    for (const std::string& name : w.s.db().tables("app")) {
        old = name.ends_with("_t") && name != "t" ? name : old;
    }
    ASSERT_NE(old, "");
    w.s.db().execute("CREATE TRIGGER app.theirs BEFORE INSERT ON app." + quote_name(old) +
                     " FOR EACH ROW SET @seen = 1");
    w.s.supervisor().start();
    w.s.await_status(w.id, 8);
    w.settle();
    EXPECT_THAT(w.s.db().triggers("app"), ElementsAre("theirs"));
    EXPECT_THAT(w.s.db().tables("app"), Contains(old));
    EXPECT_THAT(slurp(w.s.supervisor().files_dir(w.id) + "/ptosc-output.log"),
                HasSubstr("in the moment of the swap: trigger theirs. Make it again on t"));
}

// Whoever is first: the reader's end, the cancel, and in every second run the worker's death.
TEST(CancelMeetsSwap, AtTheSameMomentOneOfThemWinsAlone) {
    int cancelled = 0;
    int completed = 0;
    const auto runs = static_cast<std::uint64_t>(sized(3, 40));
    for (std::uint64_t run = 0; run < runs; ++run) {
        const std::uint64_t seed = base_seed() + run;
        SCOPED_TRACE("SHIFT_SEED=" + std::to_string(seed));
        std::mt19937_64 random(seed);
        const auto until_lock = milliseconds(random() % 1500);
        const auto until_cancel = milliseconds(random() % 1500);
        WaitingSwap w;
        std::thread reader([&] {
            std::this_thread::sleep_for(until_lock);
            w.let_go();
        });
        std::this_thread::sleep_for(until_cancel);
        if (run % 2 == 1) {
            w.kill_worker();
        }
        try {
            w.s.cancel(w.id);
        } catch (const std::runtime_error&) {  // refused: the rename is over
            EXPECT_EQ(w.s.status(w.id), 8);
        }
        reader.join();
        w.settle();
        ASSERT_THAT(w.s.status(w.id), AnyOf(8, 9));
        if (w.s.status(w.id) == 8) {
            ++completed;
            w.expect_completed();
        } else {
            ++cancelled;
            w.expect_cancelled();
        }
    }
    std::cout << "cancelled " << cancelled << ", completed " << completed << std::endl;
}

// Somebody's table with the name of the one to be created, made while the statement is tried.
TEST(CreateMeetsAnotherCreate, WhileItIsTriedTheOtherTableIsKept) {
    for (const char* ddl : {"CREATE TABLE fresh (id INT PRIMARY KEY)",
                            "CREATE TABLE IF NOT EXISTS fresh (id INT PRIMARY KEY)"}) {
        SCOPED_TRACE(ddl);
        TcpProxy proxy(shared_server().port());
        Scenario s({.settings = {{"port_override", std::to_string(proxy.port())}}});
        const MigrationId id = s.submit({.ddl = ddl, .table = "fresh", .action = 0, .runtype = 2});
        std::atomic<bool> made = false;
        proxy.call_on("CREATE TABLE", [&] {
            Db theirs = s.server().connect("app");
            theirs.execute("CREATE TABLE fresh (mine INT PRIMARY KEY)");
            theirs.execute("INSERT INTO fresh VALUES (1)");
            made = true;
        });
        s.await_status(id, 1);
        EXPECT_TRUE(made);
        EXPECT_EQ(s.db().integer("SELECT mine FROM app.fresh"), 1);
        EXPECT_THAT(s.db().tables("app"), ElementsAre("fresh"));
        s.approve(id);
        s.start_run(id);
        s.await_status(id, 10);
        EXPECT_THAT(s.text(id, "error_message"), HasSubstr("exists already"));
        EXPECT_EQ(s.db().integer("SELECT mine FROM app.fresh"), 1);
    }
}

// Prepare tries things under a name of its own; a table there that holds rows is somebody's.
TEST(CreateMeetsAnotherCreate, ATableUnderTheScratchNameIsKeptAndNamed) {
    Scenario s({.start = false});
    const MigrationId id =
        s.submit({.ddl = "CREATE TABLE fresh (id INT PRIMARY KEY)", .table = "fresh", .action = 0});
    const std::string scratch = "_shift_" + std::to_string(id) + "_check";
    s.db().execute("CREATE TABLE app." + scratch + " (mine INT PRIMARY KEY)");
    s.db().execute("INSERT INTO app." + scratch + " VALUES (1)");
    s.supervisor().start();
    s.await_status(id, 10);
    EXPECT_THAT(s.text(id, "error_message"), HasSubstr(scratch));
    EXPECT_EQ(s.db().integer("SELECT mine FROM app." + scratch), 1);
}

}  // namespace
}  // namespace shift::testing
