// What people ask at night: why does it not move, who holds it, what happened; and the one decision
// that only they can take.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/integration/support/ctl.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// A session with a transaction left open over `table`, as an application forgets one.
class Forgotten {
  public:
    Forgotten(Scenario& s, const std::string& table) : db_(s.server().connect_tcp("app")) {
        db_.execute("BEGIN");
        (void)db_.rows("SELECT id FROM " + table + " WHERE name='secret row' AND id=4711");
    }
    std::uint64_t thread() const { return db_.thread_id(); }
    void commit() { db_.execute("COMMIT"); }

  private:
    Db db_;
};

// `why` names `holder`; certain where the server lists locks.
void expect_blocked_by(Scenario& s, MigrationId id, const Forgotten& holder, bool certain) {
    s.await("why says blocked-by-lock", [&] { return why_code(s, id) == "blocked-by-lock"; });
    const Json why = ctl_json(s, {"why", std::to_string(id)});
    const Json holders = why["evidence"].value("holders", Json::array());
    ASSERT_FALSE(holders.empty()) << to_line(why);
    EXPECT_EQ(holders[0]["thread"], holder.thread()) << to_line(why);
    EXPECT_EQ(holders[0]["certain"], certain) << to_line(why);
    EXPECT_EQ(holders[0]["idle"], true) << to_line(why);
    EXPECT_EQ(holders[0]["user"], MariadbServer::user()) << to_line(why);
    EXPECT_THAT(why["text"].get<std::string>(),
                HasSubstr("thread " + std::to_string(holder.thread())));
    EXPECT_THAT(ctl(s, {"status"}).out, HasSubstr("held by thread"));
    // What the application looked for is not ours to tell.
    EXPECT_THAT(to_line(why), Not(HasSubstr("secret row")));
    EXPECT_THAT(to_line(why), Not(HasSubstr("4711")));
}

TEST(BlockedByLock, ASwapNamesTheForgottenTransactionAndGoesOnByItself) {
    ScenarioOptions options;
    options.own_server = true;
    options.server.arguments = {"--performance-schema=ON",
                                "--performance-schema-instrument=wait/lock/metadata/sql/mdl=ON",
                                "--performance-schema-instrument=statement/%=ON",
                                "--performance-schema-consumer-events-statements-current=ON"};
    Scenario s(options);
    Writers::make_table(s.db(), "app", "t", 300);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.bring_to_copied(id);
    Forgotten holder(s, "t");
    s.rename(id);
    expect_blocked_by(s, id, holder, true);
    const Json why = ctl_json(s, {"why", std::to_string(id)});
    EXPECT_THAT(to_line(why), HasSubstr("SELECT id FROM t WHERE name=? AND id=?")) << "masked";
    holder.commit();
    s.await_status(id, 8);
    s.await("why says finished", [&] { return why_code(s, id) == "finished"; });
    EXPECT_THAT(slurp(s.supervisor().files_dir(id) + "ptosc-output.log"),
                HasSubstr("its lock is held by thread"));
}

TEST(BlockedByLock, WhereTheServerDoesNotListLocksTheLikeliestIsNamed) {
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 300);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT", .runtype = 2});
    s.bring_to_prepared(id);
    Forgotten holder(s, "t");
    s.approve(id);
    s.start_run(id);
    expect_blocked_by(s, id, holder, false);
    EXPECT_THAT(ctl_json(s, {"why", std::to_string(id)})["text"].get<std::string>(),
                HasSubstr("probably held by"));
    holder.commit();
    s.await_status(id, 8);
}

TEST(BlockedByLock, ACopyThatCannotMakeItsTriggersSaysSo) {
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 300);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.bring_to_prepared(id);
    Forgotten holder(s, "t");
    s.approve(id);
    s.start_run(id);
    expect_blocked_by(s, id, holder, false);
    holder.commit();
    s.await_status(id, 4);
}

// A final insert into a table without transactions that takes as long as `naps` says: its worker
// can be killed in the middle, and nobody can know what happened.
class UnknownFinalInsert {
  public:
    explicit UnknownFinalInsert(Scenario& s) : s_(s) {
        s.db().execute("CREATE TABLE app.naps (s INT) ENGINE=InnoDB");
        s.db().execute("CREATE TABLE app.isam (v INT) ENGINE=MyISAM");
    }
    static constexpr const char* kStatement = "INSERT INTO isam (v) SELECT SLEEP(s)+7 FROM naps";

    // Brings `id` to the final insert and kills its worker in it.
    void kill_inside(MigrationId id) {
        s_.await("the final insert runs", [&] {
            return !s_.db()
                        .rows(
                            "SELECT 1 FROM information_schema.PROCESSLIST WHERE INFO LIKE "
                            "'INSERT INTO isam%' AND STATE LIKE 'User sleep%'")
                        .empty();
        });
        const Json worker = s_.supervisor().migration(id);
        ASSERT_GT(int_or(worker, "worker_pid", 0), 0) << to_line(worker);
        ::kill(static_cast<pid_t>(int_or(worker, "worker_pid", 0)), SIGKILL);
        s_.await("a decision is asked for", [&] { return why_code(s_, id) == "needs-decision"; });
    }
    void naps(int seconds) {
        s_.db().execute("DELETE FROM app.naps");
        s_.db().execute("INSERT INTO app.naps VALUES (" + std::to_string(seconds) + ")");
    }
    std::int64_t rows() { return s_.db().integer("SELECT COUNT(*) FROM app.isam"); }

  private:
    Scenario& s_;
};

TEST(FinalInsert, AnUnknownResultWaitsForAPersonWhoSaysRunAgain) {
    ScenarioOptions options;
    options.real_api = true;
    Scenario s(options);
    Writers::make_table(s.db(), "app", "t", 300);
    UnknownFinalInsert insert(s);
    insert.naps(60);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT",
                                     .final_insert = UnknownFinalInsert::kStatement});
    s.bring_to_copied(id);
    s.rename(id);
    insert.kill_inside(id);
    const std::int64_t before = insert.rows();  // 0 or 1: that is what nobody can know
    EXPECT_THAT(s.db().columns("app", "t"), Contains("extra")) << "the table is changed";
    EXPECT_EQ(s.status(id), 5) << "and the API is told neither completed nor failed";
    const Json why = ctl_json(s, {"why", std::to_string(id)});
    EXPECT_EQ(why["evidence"]["statement"], UnknownFinalInsert::kStatement);
    EXPECT_THAT(why["advice"].get<std::string>(),
                HasSubstr("final-insert " + std::to_string(id) + " --done or --run-again"));
    EXPECT_THAT(ctl(s, {"status"}).out, HasSubstr("needs decision"));
    // Who only sees the API finds it in the log.
    s.await("the API's log has it", [&] {
        return s.file(id, 0).find("whether its final insert happened is not known") !=
               std::string::npos;
    });
    EXPECT_THAT(ctl(s, {"retry", std::to_string(id)}).err, HasSubstr("needs a decision first"));
    // It is asked for across a restart, and nothing is tried meanwhile.
    const auto attempts = s.supervisor().attempts().size();
    s.supervisor().restart();
    EXPECT_TRUE(
        stays_true([&] { return s.supervisor().attempts().size() == attempts; }, seconds{1}));
    EXPECT_EQ(why_code(s, id), "needs-decision");

    insert.naps(0);
    const ToolResult decided = ctl(s, {"final-insert", std::to_string(id), "--run-again"});
    EXPECT_EQ(decided.status.code, 0) << decided.err;
    s.await_status(id, 8);
    EXPECT_EQ(insert.rows(), before + 1);
    EXPECT_EQ(ctl(s, {"final-insert", std::to_string(id), "--done"}).status.code, 1);
}

TEST(FinalInsert, AnUnknownResultWaitsForAPersonWhoSaysDone) {
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 300);
    UnknownFinalInsert insert(s);
    insert.naps(60);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT",
                                     .runtype = 2,
                                     .final_insert = UnknownFinalInsert::kStatement});
    s.bring_to_running(id);
    insert.kill_inside(id);
    EXPECT_EQ(s.status(id), 3);
    const std::int64_t before = insert.rows();
    EXPECT_EQ(ctl(s, {"final-insert", std::to_string(id), "--done"}).status.code, 0);
    s.await_status(id, 8);
    EXPECT_EQ(insert.rows(), before) << "not sent again";
    const std::string story = ctl(s, {"events", std::to_string(id)}).out;
    EXPECT_THAT(story, HasSubstr("operator   fact"));
    EXPECT_THAT(story, HasSubstr("state=done"));
}

TEST(Inquiries, TheJournalAnswersWhenTheDaemonDoesNot) {
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 300);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT", .runtype = 2});
    s.bring_to_running(id);
    s.await_status(id, 8);
    const MigrationId failed =
        s.submit({.ddl = "ALTER TABLE gone ADD COLUMN c INT", .table = "gone"});
    s.await_status(failed, 10);
    s.await_idle();
    const std::string number = std::to_string(id);
    const auto ask = [&](int code) {
        Json all;
        all["history"] = ctl_json(s, {"history"}, code)["migrations"];
        all["of_t"] = ctl_json(s, {"history", "--table", "app.t"}, code)["migrations"];
        all["of_x"] = ctl_json(s, {"history", "--table", "x"}, code)["migrations"];
        all["recent"] = ctl_json(s, {"history", "--since", "1h"}, code)["migrations"].size();
        all["events"] = ctl_json(s, {"events", number}, code)["events"];
        return all;
    };
    const Json from_daemon = ask(0);
    EXPECT_EQ(from_daemon["history"].size(), 2U);
    EXPECT_EQ(from_daemon["history"][0]["id"], failed);
    EXPECT_THAT(from_daemon["history"][0]["message"].get<std::string>(),
                HasSubstr("does not exist"));
    EXPECT_EQ(from_daemon["of_t"].size(), 1U);
    EXPECT_EQ(from_daemon["of_x"].size(), 0U);
    EXPECT_EQ(from_daemon["recent"], 2);
    EXPECT_GT(from_daemon["events"].size(), 10U);
    s.supervisor().terminate();
    const Json from_journal = ask(69);
    EXPECT_EQ(from_journal, from_daemon);
    EXPECT_EQ(ctl(s, {"why", number}).status.code, 69);
    EXPECT_EQ(ctl(s, {"log", number}).status.code, 0) << "a file needs no daemon";
}

TEST(Inquiries, LogFollowsAndBeginsWhereAsked) {
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 300);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.bring_to_copied(id);
    const std::string all = ctl(s, {"log", std::to_string(id)}).out;
    EXPECT_THAT(all, HasSubstr("Successfully altered"));
    EXPECT_EQ(ctl(s, {"log", std::to_string(id), "--since", "1h"}).out, all);
    EXPECT_EQ(ctl(s, {"log", std::to_string(id), "--since", "2099-01-01"}).out, "");
}

}  // namespace
}  // namespace shift::testing
