// Two supervisors with their own names and folders on one API: each migration is run by exactly
// one, also when no answer to a claim ever arrives; and one takes over from the other when that is
// gone for good, or only seems to be.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <memory>

#include "tests/integration/support/invariants.h"
#include "tests/integration/support/programs.h"
#include "tests/integration/support/scenario.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

const Change kChange = {.ddl = "ALTER TABLE t ADD COLUMN extra INT NOT NULL DEFAULT 7",
                        .final_insert = "INSERT INTO versions (v) VALUES (1)"};

// What Scenario::leftovers() says of a table of the user's that only looks like ours.
const char* const kBystander = " trigger pt_osc_app_keep_me_ins";

// kRails: the model, whose unstage does not pin, as the Rails app's; kPinning: it does; kShiftApi:
// the real shift-api.
enum class Api { kRails, kPinning, kShiftApi };
const char* api_name(Api api) {
    return api == Api::kRails ? "Rails" : api == Api::kPinning ? "Pinning" : "ShiftApi";
}

class TwoHosts : public ::testing::TestWithParam<Api> {
  protected:
    TwoHosts() {
        if (GetParam() == Api::kPinning) {
            s.model().pin_at_unstage();
        }
        std::filesystem::create_directory(s.dir() / "b");
        b = std::make_unique<SupervisorProcess>(
            s.dir() / "b", s.api().url(),
            std::map<std::string, std::string>{
                {"run_host", "host-b"}, {"pt_osc_path", small_step_pt_osc(s.dir().path(), 50, 0)}});
        Invariants::make_bystanders(s.db());
        s.db().execute("CREATE TABLE app.versions (v INT)");
        invariants.also(*b);
        s.set_watch([this] { invariants.look(); });
    }
    // In every wait: what only shows while it lasts.
    ~TwoHosts() override { EXPECT_THAT(invariants.seen(), IsEmpty()); }
    SupervisorProcess& a() { return s.supervisor(); }
    // shift-api offers a new index as a long run only.
    static bool is_long(std::size_t i) { return i % 2 == 0 || GetParam() == Api::kShiftApi; }
    // Names of the tables of `count` migrations, long and short ones in turn.
    std::vector<MigrationId> submit_many(int count) {
        std::vector<MigrationId> ids;
        for (int i = 0; i < count; ++i) {
            const std::string table = "t" + std::to_string(i);
            Writers::make_table(s.db(), "app", table, 150);
            tables_.push_back(table);
            ids.push_back(s.submit({.ddl = "ALTER TABLE " + table + " ADD INDEX (amount)",
                                    .table = table,
                                    .runtype = is_long(static_cast<std::size_t>(i)) ? 1 : 2}));
        }
        return ids;
    }
    // People do their part until every migration is completed.
    void complete(const std::vector<MigrationId>& ids) {
        s.await(
            "all completed",
            [&] {
                bool all = true;
                for (const MigrationId one : ids) {
                    const int status = s.status(one);
                    if (status == 1) {
                        s.approve(one);
                    } else if (status == 2) {
                        s.start_run(one);
                    } else if (status == 4) {
                        s.rename(one);
                    }
                    all = all && status == 8;
                }
                return all;
            },
            seconds{180});
    }
    // Each step of each migration was run once and told once, by one of the two.
    void expect_run_once(const std::vector<MigrationId>& ids) {
        for (std::size_t i = 0; i < ids.size(); ++i) {
            const MigrationId one = ids[i];
            for (const char* step : {"prepare", "run", "rename"}) {
                int runs = 0;
                for (const SupervisorProcess* host : {&a(), b.get()}) {
                    for (const auto& row :
                         host->journal_rows("SELECT outcome FROM attempt WHERE migration_id = " +
                                            std::to_string(one) + " AND step = '" + step + "'")) {
                        runs += row[0] == "retry" || row[0].empty() ? 0 : 1;
                    }
                }
                const bool has_step = is_long(i) || std::string(step) != "rename";
                EXPECT_EQ(runs, has_step ? 1 : 0) << one << " " << step;
            }
            const std::string table = tables_[i];
            EXPECT_EQ(Writers::difference(s.db(), "app", table), "") << table;
            EXPECT_EQ(s.db().integer("SELECT COUNT(DISTINCT INDEX_NAME) FROM "
                                     "information_schema.STATISTICS WHERE TABLE_SCHEMA = 'app' "
                                     "AND COLUMN_NAME = 'amount' AND TABLE_NAME = '" +
                                     table + "'"),
                      1)
                << table;
        }
    }
    static ScenarioOptions small_chunks() {
        ScenarioOptions options;
        options.start = false;
        options.chunk_rows = 50;
        options.real_api = GetParam() == Api::kShiftApi;
        return options;
    }
    // A copy of host a, in its middle, under traffic.
    void start_copy_on_a() {
        Writers::make_table(s.db(), "app", "t", 400);
        writers = std::make_unique<Writers>(s.server(), "app", "t", 1, base_seed());
        writers->set_rest(milliseconds{10});
        writers->start();
        gate = std::make_unique<CopyGate>(s);
        a().start();
        id = s.submit(kChange);
        s.bring_to_running(id);
        s.await_copying(id);
        await_state_file();
    }
    void await_state_file() {
        s.await("the API has the state of the copy",
                [&] { return s.file(id, 1).find("step: copy") != std::string::npos; });
    }
    void kill_host_a() {
        a().kill9();
        a().kill_workers();
    }
    void take_over_on_b() {
        Json row = s.columns(id);
        row["host"] = "127.0.0.1";
        row["port"] = s.server().port();
        const auto answer = b->control("takeover", {{"migration", row}});
        ASSERT_TRUE(answer.ok()) << answer.error().message;
    }
    void finish() {
        gate->open();
        s.await_status(id, 4);
        s.rename(id);
        s.await_status(id, 8);
        s.await("nothing owed", [&] {
            return b->journal_rows("SELECT 1 FROM v_owed UNION SELECT 1 FROM v_status").empty();
        });
        writers->stop();
        EXPECT_THAT(writers->errors(), IsEmpty());
        EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
        EXPECT_EQ(s.db().integer("SELECT COUNT(*) FROM app.versions"), 1);
        EXPECT_EQ(s.leftovers("app", {"t", "versions", "keep_me", "_77_t_new"}), kBystander);
        EXPECT_EQ(s.api().count("complete", id, true), 1);
    }
    // Host a comes back to a migration that is no longer its own: it says nothing to the API.
    void expect_a_lets_go() {
        s.api().forget_calls();
        a().start();
        s.await("a has let go", [&] {
            const auto rows = a().journal_rows("SELECT state, reason FROM migration WHERE id = " +
                                               std::to_string(id));
            return !rows.empty() && rows[0][0] == "let go" && !rows[0][1].empty();
        });
        EXPECT_THAT(a().workers(), IsEmpty());
    }
    // Since forget_calls().
    void expect_told_nothing(const FakeApi& api) {
        for (const ApiCall& call : api.calls()) {
            EXPECT_FALSE(call.method != "GET" && call.migration == id) << call.endpoint;
        }
    }

    Scenario s{small_chunks()};
    std::unique_ptr<SupervisorProcess> b;
    Invariants invariants{s};
    std::unique_ptr<Writers> writers;
    std::unique_ptr<CopyGate> gate;
    MigrationId id = 0;

  private:
    std::vector<std::string> tables_;
};

TEST_P(TwoHosts, RunEachMigrationOnce) {
    const auto ids = submit_many(sized(6, 20));
    a().start();
    b->start();
    complete(ids);
    expect_run_once(ids);
    EXPECT_FALSE(a().attempts().empty());
    EXPECT_FALSE(b->attempts().empty());
}

TEST_P(TwoHosts, RunEachMigrationOnceThoughEveryClaimsAnswerIsLost) {
    s.api().inject({.endpoint = "unstage", .wrong = Wrong::kResetAfter, .times = -1});
    const auto ids = submit_many(sized(4, 20));
    a().start();
    b->start();
    complete(ids);
    expect_run_once(ids);
}

TEST_P(TwoHosts, TheOtherGoesOnWithTheCopyOfADeadHost) {
    start_copy_on_a();
    kill_host_a();
    b->start();
    EXPECT_TRUE(stays_true([&] { return b->attempts().empty(); }, seconds{2})) << "it is pinned";
    take_over_on_b();
    s.await("b at work", [&] { return !b->workers().empty(); });
    EXPECT_EQ(s.text(id, "run_host"), "host-b");
    finish();
    EXPECT_THAT(slurp(b->files_dir(id) + "ptosc-output.log"), HasSubstr("going on with the copy"));
    expect_a_lets_go();
    expect_told_nothing(s.api());
}

// The daemon of host a is gone, its worker is not: the table's lock keeps b from acting until the
// worker of a has ended, by itself or because its session was killed.
TEST_P(TwoHosts, ALivingWorkerOfTheOtherIsNotWorkedBeside) {
    start_copy_on_a();
    a().kill9();
    b->start();
    take_over_on_b();
    s.await("b waits for the lock", [&] {
        return string_or(b->migration(id), "reason", "").find("busy") != std::string::npos;
    });
    const auto worker_of_a = a().workers();
    ASSERT_FALSE(worker_of_a.empty());
    s.db().execute("KILL CONNECTION " +
                   s.db().scalar("SELECT IS_USED_LOCK(CONCAT('shift:', SHA1(CONCAT('app', CHAR(0), "
                                 "'t'))))"));
    s.await("b at work", [&] { return !b->workers().empty() && a().workers().empty(); });
    finish();
    expect_a_lets_go();
    expect_told_nothing(s.api());
}

// Host a returns while its worker still lives, and b waits for that worker's lock: a reads before
// it sends, finds the migration b's, stops its worker with the copy kept, tells the API nothing and
// says why; b goes on with the copy.
TEST_P(TwoHosts, ALivingWorkerOfAHostThatReturnsIsStoppedAndItsCopyIsKept) {
    FakeApi asked_by_a;  // so that it is told apart from what b asks
    asked_by_a.forward_to(s.api().port());
    a().set("rest_api", yaml_quoted(asked_by_a.url()));
    start_copy_on_a();
    a().kill9();
    b->start();
    take_over_on_b();
    s.await("b waits for the lock", [&] {
        return string_or(b->migration(id), "reason", "").find("busy") != std::string::npos;
    });
    ASSERT_THAT(a().workers(), ::testing::Not(IsEmpty()));
    const std::string shadow = s.shadow_table(id);
    asked_by_a.forget_calls();
    a().start();
    s.await("a has let go", [&] {
        const auto rows = a().journal_rows("SELECT state, reason FROM migration WHERE id = " +
                                           std::to_string(id));
        return !rows.empty() && rows[0][0] == "let go" &&
               rows[0][1].find("host-b") != std::string::npos;
    });
    EXPECT_THAT(a().workers(), IsEmpty());
    EXPECT_THAT(slurp(a().log_file()), HasSubstr("event=disowned"));
    EXPECT_EQ(a().journal_rows("SELECT outcome FROM attempt ORDER BY id DESC LIMIT 1"),
              (std::vector<std::vector<std::string>>{{"stopped"}}));
    EXPECT_EQ(s.shadow_table(id), shadow) << "the copy is kept";
    s.await("b at work", [&] { return int_or(b->migration(id), "engine_pid", 0) != 0; });
    expect_told_nothing(asked_by_a);
    a().terminate();  // it would be right to claim the next step
    finish();
    EXPECT_THAT(slurp(b->files_dir(id) + "ptosc-output.log"), HasSubstr("going on with the copy"));
}

// As a person does it: with the command, on the host that is there.
TEST_P(TwoHosts, TakeoverByCommandShowsWhoWorksAndEndsItWhenTold) {
    start_copy_on_a();
    a().kill9();
    b->start();
    const auto takeover = [&](std::vector<std::string> words) {
        words.insert(words.begin(),
                     {program("shift-supervisorctl"), "--config", b->config_file(), "takeover"});
        return run_tool(words);
    };
    const ToolResult nobody = takeover({"host-x", "--yes"});
    EXPECT_EQ(nobody.status.code, 1);
    EXPECT_THAT(nobody.err, HasSubstr("host-x"));
    const ToolResult unasked = takeover({"host-a"});
    EXPECT_EQ(unasked.status.code, 64) << unasked.out << unasked.err;
    EXPECT_THAT(unasked.out, HasSubstr("app.t"));
    const ToolResult unknown = takeover({"host-a", "--yes"});
    EXPECT_EQ(unknown.status.code, 75);
    // shift-api tells which server a cluster is.
    EXPECT_THAT(unknown.out, HasSubstr(GetParam() == Api::kShiftApi ? "--kill" : "--server"));
    const std::string server = "127.0.0.1:" + std::to_string(s.server().port());
    const ToolResult busy = takeover({"host-a", "--yes", "--server", server});
    EXPECT_EQ(busy.status.code, 75) << busy.out << busy.err;
    EXPECT_THAT(busy.out, HasSubstr("worked on by thread"));
    EXPECT_EQ(s.text(id, "run_host"), "host-a");
    const ToolResult done = takeover({"host-a", "--yes", "--kill", "--server", server});
    EXPECT_EQ(done.status.code, 0) << done.out << done.err;
    EXPECT_THAT(done.out, HasSubstr("was ended"));
    EXPECT_THAT(done.out, HasSubstr("ours now"));
    s.await("b at work", [&] { return !b->workers().empty() && a().workers().empty(); });
    finish();
    expect_a_lets_go();
    expect_told_nothing(s.api());
}

TEST_P(TwoHosts, TakeoverSaysWhichStatementMayHaveBeenRun) {
    Writers::make_table(s.db(), "app", "t", 50);
    Db reader = s.server().connect("app");
    reader.execute("BEGIN");
    reader.integer("SELECT COUNT(*) FROM t");  // the statement waits for it
    a().start();
    id = s.submit({.ddl = "DROP TABLE t", .table = "t", .runtype = 2});
    s.bring_to_running(id);
    s.await("the statement is sent", [&] {
        return s.db().integer(
                   "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE = "
                   "'Waiting for table metadata lock'") == 1;
    });
    kill_host_a();
    b->start();
    const ToolResult taken = run_tool({program("shift-supervisorctl"), "--config", b->config_file(),
                                       "takeover", "host-a", "--yes", "--kill", "--server",
                                       "127.0.0.1:" + std::to_string(s.server().port())});
    EXPECT_EQ(taken.status.code, 0) << taken.out << taken.err;
    EXPECT_THAT(taken.out, HasSubstr("host-a may have run its statement"));
    reader.execute("COMMIT");
    s.await_status(id, 8);
}

// Host a as a whole stood still (a virtual machine that was suspended) while b did everything.
TEST_P(TwoHosts, AFrozenHostThatThawsDoesNoHarm) {
    start_copy_on_a();
    auto frozen = a().workers();
    frozen.push_back(a().pid());
    for (const pid_t pid : frozen) {
        ASSERT_EQ(::kill(pid, SIGSTOP), 0);
    }
    b->start();
    take_over_on_b();
    s.await("b waits for the lock", [&] {
        return string_or(b->migration(id), "reason", "").find("busy") != std::string::npos;
    });
    // What takeover does once it was confirmed: every session of the frozen host. Not by USER
    // alone: the application's (by the socket) show our name while our triggers run in them.
    for (const std::string& thread :
         s.db().column("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '" +
                       MariadbServer::user() + "' AND HOST LIKE '%:%' AND ID <> CONNECTION_ID()")) {
        (void)s.db().try_execute("KILL CONNECTION " + thread);
    }
    s.await("b at work", [&] { return !b->workers().empty(); });
    finish();
    s.api().forget_calls();
    for (const pid_t pid : frozen) {
        (void)::kill(pid, SIGCONT);
    }
    s.await("a has let go", [&] {
        const auto rows = a().journal_rows("SELECT state FROM migration");
        return a().workers().empty() && !rows.empty() && rows[0][0] == "let go";
    });
    expect_told_nothing(s.api());
    EXPECT_EQ(s.status(id), 8);
    EXPECT_EQ(s.leftovers("app", {"t", "versions", "keep_me", "_77_t_new"}), kBystander);
    EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
}

// The Rails app pins nothing at unstage, shift-api does; its model as well, which the contract test
// holds to it.
std::vector<Api> apis() {
    std::vector<Api> all = {Api::kRails, Api::kShiftApi};
    if (sized(0, 1) == 1) {
        all.push_back(Api::kPinning);
    }
    return all;
}

INSTANTIATE_TEST_SUITE_P(Api, TwoHosts, ::testing::ValuesIn(apis()),
                         [](const auto& one) { return api_name(one.param); });

}  // namespace
}  // namespace shift::testing
