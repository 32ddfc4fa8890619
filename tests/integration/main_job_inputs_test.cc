// What the API may hold that nobody meant: one odd item beside a good one. The good one is served
// at once, the odd one is served, refused with a reason or left alone - and nothing dies.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <ostream>

#include "tests/integration/support/crash_dir.h"
#include "tests/integration/support/scenario.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Matches;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

Change good_create() {
    return {.ddl = "CREATE TABLE good (id INT PRIMARY KEY)",
            .table = "good",
            .action = 0,
            .runtype = 2};
}

// Odd fields.

enum class Fate {
    kServed,     // the oddity does not matter: prepared like any other
    kFailed,     // 10 with a reason
    kLeftAlone,  // not claimed, or claimed and kept; never moved on
};

struct OddField {
    const char* name;
    const char* overrides;  // JSON object
    const char* without;    // one member taken away, or ""
    Fate fate;
};
void PrintTo(const OddField& odd, std::ostream* out) {
    *out << odd.name;
}

class OddFieldTest : public ::testing::TestWithParam<OddField> {};

TEST_P(OddFieldTest, DoesNotDisturbTheGoodItemBesideIt) {
    const OddField& odd = GetParam();
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 100);
    ApiModel::Spec spec;
    spec.database = "app";
    spec.table = "t";
    spec.ddl_statement = "ALTER TABLE t ADD COLUMN extra INT";
    spec.port = s.server().port();
    const std::vector<std::string> without =
        odd.without[0] == '\0' ? std::vector<std::string>{} : std::vector<std::string>{odd.without};
    // The supervisor must not see the odd one alone first: both are staged before the next poll.
    const MigrationId bad = s.model().create_odd(spec, *parse_json(odd.overrides), without);
    const MigrationId good = s.submit(good_create());
    s.await_status(good, 1);
    const int polls = s.api().count("staged");
    s.await("three polls more",
            [&] { return s.api().count("staged") >= polls + 3 && s.supervisor().running(); });
    EXPECT_FALSE(s.supervisor().status().is_null()) << "the supervisor lives and answers";
    switch (odd.fate) {
        case Fate::kServed:
            s.await_status(bad, 1);
            break;
        case Fate::kFailed:
            s.await_status(bad, 10);
            EXPECT_NE(s.text(bad, "error_message"), "");
            break;
        case Fate::kLeftAlone:
            EXPECT_THAT(s.model().history(bad), IsEmpty());
            break;
    }
    EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
    // One that is prepared still has its check of the TRIGGER right in place.
    s.await("no trigger left", [&] { return s.db().triggers("app").empty(); });
    // A restart meets the same list and the same journal.
    s.supervisor().kill9();
    s.supervisor().start();
    EXPECT_FALSE(s.supervisor().status().is_null());
}

const OddField kOddFields[] = {
    {"FinalInsertNull", R"({"final_insert":null})", "", Fate::kServed},
    {"FinalInsertMissing", "{}", "final_insert", Fate::kServed},
    {"FinalInsertNumber", R"({"final_insert":17})", "", Fate::kLeftAlone},
    {"FinalInsertObject", R"({"final_insert":{"a":1}})", "", Fate::kLeftAlone},
    {"HostNull", R"({"host":null})", "", Fate::kLeftAlone},
    {"HostMissing", "{}", "host", Fate::kLeftAlone},
    {"HostEmpty", R"({"host":""})", "", Fate::kLeftAlone},
    {"HostNumber", R"({"host":5})", "", Fate::kLeftAlone},
    {"PortNull", R"({"port":null})", "", Fate::kLeftAlone},
    {"PortMissing", "{}", "port", Fate::kLeftAlone},
    {"PortWord", R"({"port":"mysql"})", "", Fate::kLeftAlone},
    {"PortZero", R"({"port":0})", "", Fate::kLeftAlone},
    {"PortHuge", R"({"port":99999999999})", "", Fate::kLeftAlone},
    {"PortNegative", R"({"port":-1})", "", Fate::kLeftAlone},
    {"TableNull", R"({"table":null})", "", Fate::kLeftAlone},
    {"TableMissing", "{}", "table", Fate::kLeftAlone},
    {"TableEmpty", R"({"table":""})", "", Fate::kLeftAlone},
    {"TableNumber", R"({"table":5})", "", Fate::kLeftAlone},
    {"TableOfAnotherStatement", R"({"table":"other"})", "", Fate::kServed},
    {"TableList", R"({"table":["t"]})", "", Fate::kLeftAlone},
    {"DatabaseNull", R"({"database":null})", "", Fate::kLeftAlone},
    {"DatabaseMissing", "{}", "database", Fate::kLeftAlone},
    {"DatabaseUnknown", R"({"database":"nowhere"})", "", Fate::kFailed},
    {"DdlNull", R"({"ddl_statement":null})", "", Fate::kLeftAlone},
    {"DdlMissing", "{}", "ddl_statement", Fate::kLeftAlone},
    {"DdlEmpty", R"({"ddl_statement":""})", "", Fate::kLeftAlone},
    {"DdlObject", R"({"ddl_statement":{}})", "", Fate::kLeftAlone},
    {"DdlOfAnotherKind", R"({"ddl_statement":"TRUNCATE TABLE t"})", "", Fate::kFailed},
    {"DdlNoSql", R"({"ddl_statement":"please add a column"})", "", Fate::kFailed},
    {"RuntypeNull", R"({"runtype":null})", "", Fate::kServed},
    {"RuntypeMissing", "{}", "runtype", Fate::kServed},
    {"RuntypeUnknown", R"({"runtype":99})", "", Fate::kLeftAlone},
    {"RuntypeWord", R"({"runtype":"long"})", "", Fate::kLeftAlone},
    {"ModeNull", R"({"mode":null})", "", Fate::kLeftAlone},
    {"ModeMissing", "{}", "mode", Fate::kLeftAlone},
    {"ModeUnknown", R"({"mode":7})", "", Fate::kLeftAlone},
    {"ActionNull", R"({"action":null})", "", Fate::kLeftAlone},
    {"ActionMissing", "{}", "action", Fate::kLeftAlone},
    {"ActionUnknown", R"({"action":9})", "", Fate::kLeftAlone},
    {"ActionOfAnotherStatement", R"({"action":1})", "", Fate::kFailed},
    {"RunHostMissing", "{}", "run_host", Fate::kServed},
    {"RunHostEmpty", R"({"run_host":""})", "", Fate::kServed},
    {"RunHostNumber", R"({"run_host":5})", "", Fate::kLeftAlone},
    {"OptionsNull", R"({"custom_options":null})", "", Fate::kServed},
    {"OptionsMissing", "{}", "custom_options", Fate::kServed},
    {"OptionsEmpty", R"({"custom_options":""})", "", Fate::kServed},
    {"OptionsNumbers",
     R"({"custom_options":"{\"max_threads_running\":200,\"max_replication_lag\":1}"})", "",
     Fate::kServed},
    {"OptionsNulls", R"({"custom_options":"{\"max_threads_running\":null,\"config_path\":null}"})",
     "", Fate::kServed},
    {"OptionsWords", R"({"custom_options":"{\"max_threads_running\":\"many\"}"})", "",
     Fate::kFailed},
    {"OptionsZero", R"({"custom_options":"{\"max_threads_running\":0}"})", "", Fate::kFailed},
    {"OptionsNoJson", R"({"custom_options":"{{{"})", "", Fate::kFailed},
    {"OptionsList", R"({"custom_options":[1]})", "", Fate::kLeftAlone},
    {"OptionsNoFile", R"({"custom_options":"{\"config_path\":\"/nonexistent/x.cnf\"}"})", "",
     Fate::kFailed},
    {"LockVersionNull", R"({"lock_version":null})", "", Fate::kServed},
    {"LockVersionMissing", "{}", "lock_version", Fate::kServed},
    {"LockVersionWord", R"({"lock_version":"x"})", "", Fate::kLeftAlone},
    {"StatusNull", R"({"status":null})", "", Fate::kLeftAlone},
    {"StatusMissing", "{}", "status", Fate::kLeftAlone},
    {"StatusWord", R"({"status":"running"})", "", Fate::kLeftAlone},
    {"StatusUnknown", R"({"status":42})", "", Fate::kLeftAlone},
    {"StatusNegative", R"({"status":-3})", "", Fate::kLeftAlone},
    {"StatusOfNoStep", R"({"status":77,"staged":true})", "", Fate::kLeftAlone},
    {"IdNull", R"({"id":null})", "", Fate::kLeftAlone},
    {"IdMissing", "{}", "id", Fate::kLeftAlone},
    {"IdWord", R"({"id":"abc"})", "", Fate::kLeftAlone},
    {"IdFraction", R"({"id":1.5})", "", Fate::kLeftAlone},
    {"IdNegative", R"({"id":-1})", "", Fate::kLeftAlone},
    {"ClusterNameNull", R"({"cluster_name":null})", "", Fate::kServed},
};
INSTANTIATE_TEST_SUITE_P(Inputs, OddFieldTest, ::testing::ValuesIn(kOddFields),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(OddList, ItemsThatAreNoObjectsAreSkipped) {
    Scenario s;
    s.model().prepend_to_staged(R"(null,17,"text",[],{},[[{}]],true)");
    const MigrationId good = s.submit(good_create());
    s.await_status(good, 1);
    EXPECT_TRUE(s.supervisor().running());
}

TEST(OddList, TheSameMigrationTwiceIsServedOnce) {
    Scenario s;
    s.api().inject({.endpoint = "staged",
                    .wrong = Wrong::kRewrite,
                    .times = -1,
                    .rewrite = [](const std::string& body) {
                        const std::string items = body.substr(1, body.size() - 2);
                        return items.empty() ? body : "[" + items + "," + items + "]";
                    }});
    const MigrationId good = s.submit(good_create());
    s.await_status(good, 1);
    EXPECT_EQ(s.api().count("unstage", good), 1);
    EXPECT_EQ(s.api().count("next_step", good), 1);
    EXPECT_THAT(s.model().history(good), SizeIs(1));
}

// A page that was made before our unstage and arrives after it (a slow answer, a cache) still lists
// what is ours by now: claiming it again would be answered {}, which means "another runner has it".
TEST(OddList, AStalePageDoesNotTakeAwayWhatIsOurs) {
    Scenario s({.start = false});
    std::string old_page;
    int stale = 0;
    s.api().inject({.endpoint = "staged",
                    .wrong = Wrong::kRewrite,
                    .times = -1,
                    .rewrite = [&](const std::string& body) {
                        if (body != "[]") {
                            old_page = body;
                        } else if (!old_page.empty() && stale < 3) {
                            ++stale;
                            return old_page;
                        }
                        return body;
                    }});
    const MigrationId good = s.submit(good_create());
    s.supervisor().start();
    s.await_status(good, 1);
    EXPECT_EQ(s.api().count("next_step", good), 1);
    EXPECT_THAT(s.supervisor().attempts(), SizeIs(1));
}

// Odd statements.

// Driven by the model: the real API's parser would refuse most of them at once.
struct OddStatement {
    const char* name;
    const char* ddl;
    int action;
    bool works;
};
void PrintTo(const OddStatement& odd, std::ostream* out) {
    *out << odd.name;
}

class OddStatementTest : public ::testing::TestWithParam<OddStatement> {};

// Whatever the statement does or does not do, the other table and its rows are untouched.
TEST_P(OddStatementTest, TouchesNothingElse) {
    const OddStatement& odd = GetParam();
    for (const int runtype : {1, 2}) {
        if (odd.action != 2 && runtype == 1) {
            continue;
        }
        SCOPED_TRACE("runtype " + std::to_string(runtype));
        Scenario s;
        Writers::make_table(s.db(), "app", "t", 60);
        Writers::make_table(s.db(), "app", "precious", 60);
        const std::string precious = s.db().show_create("app", "precious");
        const MigrationId id = s.submit({.ddl = odd.ddl,
                                         .table = odd.action == 0 ? "fresh" : "t",
                                         .action = odd.action,
                                         .runtype = runtype});
        s.await("prepared or refused", [&] { return s.status(id) == 1 || s.status(id) == 10; });
        if (s.status(id) == 1) {
            s.approve(id);
            s.start_run(id);
            s.await("over", [&] {
                const int status = s.status(id);
                if (status == 4) {
                    s.rename(id);
                }
                return status == 8 || status == 10 || status == 13;
            });
        }
        const bool is_done = odd.action == 0   ? s.db().table_exists("app", "fresh")
                             : odd.action == 1 ? !s.db().table_exists("app", "t")
                                               : Matches(Contains("x"))(s.db().columns("app", "t"));
        EXPECT_EQ(is_done, odd.works);
        if (odd.works) {
            EXPECT_EQ(s.status(id), 8) << s.text(id, "error_message");
        } else {
            EXPECT_EQ(s.status(id), 10) << s.text(id, "error_message");
            EXPECT_NE(s.text(id, "error_message"), "");
        }
        EXPECT_EQ(s.db().show_create("app", "precious"), precious);
        EXPECT_EQ(Writers::difference(s.db(), "app", "precious"), "");
        EXPECT_THAT(s.db().triggers("app"), IsEmpty());
        EXPECT_EQ(s.shadow_table(id), "");
        if (odd.action != 1 && s.db().table_exists("app", "t")) {
            EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
        }
    }
}

const OddStatement kOddStatements[] = {
    {"TwoStatements", "ALTER TABLE t ADD COLUMN x INT; DROP TABLE precious", 2, false},
    {"TwoStatementsDrop", "DROP TABLE t; DROP TABLE precious", 1, false},
    {"TwoStatementsCreate", "CREATE TABLE fresh (id INT); DROP TABLE precious", 0, false},
    {"TwoTables", "DROP TABLE t, precious", 1, false},
    {"TrailingSemicolon", "ALTER TABLE t ADD COLUMN x INT;", 2, false},
    {"TrailingSemicolonAndComment", "ALTER TABLE t ADD COLUMN x INT ; -- a note", 2, false},
    {"TrailingSemicolonDrop", "DROP TABLE t;\n", 1, false},
    {"TrailingSemicolonCreate", "CREATE TABLE fresh (id INT PRIMARY KEY);", 0, false},
    {"TrailingComment", "ALTER TABLE t ADD COLUMN x INT -- a note", 2, true},
    {"LeadingComment", "/* a note */ ALTER TABLE t ADD COLUMN x INT", 2, true},
    {"InnerComment", "ALTER /* a */ TABLE t # b\n ADD COLUMN x INT", 2, true},
    {"SemicolonInAString", "ALTER TABLE t ADD COLUMN x VARCHAR(9) DEFAULT 'a;b'", 2, true},
    {"QuotesInAString", "ALTER TABLE t ADD COLUMN x VARCHAR(9) DEFAULT 'it''s \"`'", 2, true},
    {"Newlines", "ALTER TABLE t\n\tADD COLUMN x INT,\r\n\tADD COLUMN y INT", 2, true},
    {"LowerCase", "alter table t add column x int", 2, true},
    {"UnclosedQuote", "ALTER TABLE t ADD COLUMN x VARCHAR(9) DEFAULT 'oops", 2, false},
    {"UnclosedComment", "ALTER TABLE t ADD COLUMN x INT /* oops", 2, false},
    {"AnotherDatabase", "ALTER TABLE app_ledger.t ADD COLUMN x INT", 2, false},
};
INSTANTIATE_TEST_SUITE_P(Inputs, OddStatementTest, ::testing::ValuesIn(kOddStatements),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(OddDdl, ATrailingSemicolonIsRefusedAtPrepareInAllRuns) {
    for (const int runtype : {1, 2}) {
        Scenario s;
        Writers::make_table(s.db(), "app", "t", 60);
        const MigrationId id =
            s.submit({.ddl = "ALTER TABLE t ADD COLUMN x INT; ", .runtype = runtype});
        s.await_status(id, 10);
        EXPECT_THAT(s.text(id, "error_message"), HasSubstr("holds a semicolon"));
        EXPECT_EQ(s.leftovers("app", {"t"}), "");
    }
}

TEST(OddDdl, ACopyCannotRenameTheTable) {
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 60);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t RENAME TO elsewhere"});
    s.await_status(id, 10);
    EXPECT_NE(s.text(id, "error_message"), "");
    EXPECT_EQ(s.leftovers("app", {"t"}), "");
}

TEST(OddDdl, CreateOfAnExistingTableFailsAndKeepsIt) {
    for (const char* ddl : {"CREATE TABLE t (id INT PRIMARY KEY)",
                            "CREATE TABLE IF NOT EXISTS t (id INT PRIMARY KEY)"}) {
        SCOPED_TRACE(ddl);
        Scenario s;
        Writers::make_table(s.db(), "app", "t", 60);
        const MigrationId id = s.submit({.ddl = ddl, .table = "t", .action = 0, .runtype = 2});
        s.await_status(id, 10);
        EXPECT_THAT(s.text(id, "error_message"), HasSubstr("exists"));
        EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
    }
}

// Between the check and the run a user creates the table: it is his, and says so.
TEST(OddDdl, ATableThatAppearsBeforeTheRunIsNotDropped) {
    for (const char* ddl : {"CREATE TABLE fresh (id INT PRIMARY KEY)",
                            "CREATE TABLE IF NOT EXISTS fresh (id INT PRIMARY KEY)"}) {
        SCOPED_TRACE(ddl);
        Scenario s;
        const MigrationId id = s.submit({.ddl = ddl, .table = "fresh", .action = 0, .runtype = 2});
        s.bring_to_prepared(id);
        s.db().execute("CREATE TABLE app.fresh (mine INT PRIMARY KEY)");
        s.db().execute("INSERT INTO app.fresh VALUES (1)");
        s.approve(id);
        s.start_run(id);
        s.await_status(id, 10);
        EXPECT_THAT(s.text(id, "error_message"), HasSubstr("exists already"));
        EXPECT_EQ(s.db().integer("SELECT mine FROM app.fresh"), 1);
    }
}

// Triggers of the user.

void add_user_trigger(Scenario& s) {
    s.db().execute("CREATE TABLE app.audit (id BIGINT)");
    s.db().execute(
        "CREATE TRIGGER app.users_own AFTER INSERT ON app.t FOR EACH ROW "
        "INSERT INTO audit VALUES (NEW.id)");
}

TEST(UserTrigger, LongAlterIsRefusedAndTheTriggerStays) {
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 60);
    add_user_trigger(s);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.await_status(id, 10);
    EXPECT_THAT(s.text(id, "error_message"), HasSubstr("users_own"));
    EXPECT_THAT(s.db().triggers("app"), ElementsAre("users_own"));
}

TEST(UserTrigger, AddedDuringTheCopyIsAnErrorThatNamesItAndKeepsIt) {
    ScenarioOptions options;
    options.chunk_rows = 100;
    Scenario s(options);
    Writers::make_table(s.db(), "app", "t", 2000);
    CopyGate gate(s);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.bring_to_running(id);
    s.await_copying(id);
    s.db().execute("CREATE TABLE app.audit (id BIGINT)");
    s.await("the user's trigger is made", [&] {
        return s.db().try_execute(
                   "CREATE TRIGGER app.users_own BEFORE INSERT ON app.t FOR EACH ROW "
                   "INSERT INTO audit VALUES (NEW.id)") == 0;
    });
    gate.open();
    s.await_status(id, 13);
    EXPECT_THAT(s.text(id, "error_message"), HasSubstr("users_own"));
    EXPECT_NE(s.shadow_table(id), "") << "the copy is kept";
    s.cancel(id);
    s.await("the clean-up is done", [&] { return s.shadow_table(id).empty(); });
    s.await_idle();
    EXPECT_THAT(s.db().triggers("app"), ElementsAre("users_own"));
}

// A swap would leave it on the old table, and the application without it.
TEST(UserTrigger, AddedAfterTheCopyHoldsTheSwapUntilItIsGone) {
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 60);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.bring_to_copied(id);
    add_user_trigger(s);
    s.rename(id);
    s.await("the reason is shown", [&] {
        return s.supervisor().migration(id).dump().find("users_own") != std::string::npos;
    });
    EXPECT_EQ(s.status(id), 5);
    EXPECT_THAT(s.db().columns("app", "t"), Not(Contains("extra")));
    EXPECT_THAT(s.db().triggers("app"), Contains("users_own"));
    s.db().execute("DROP TRIGGER app.users_own");
    s.await_status(id, 8);
    EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
    EXPECT_EQ(s.leftovers("app", {"t", "audit"}), "");
}

TEST(UserTrigger, ACancelledShortAlterKeepsItAndTheTable) {
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 60);
    add_user_trigger(s);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t DROP INDEX by_name", .runtype = 2});
    s.bring_to_prepared(id);
    s.approve(id);
    {
        // The ALTER cannot get its lock, so the cancel comes while it waits.
        Db reader = s.server().connect("app");
        reader.execute("START TRANSACTION");
        reader.execute("SELECT * FROM t LIMIT 1");
        s.start_run(id);
        s.await("the ALTER is tried", [&] {
            return s.db().integer(
                       "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO "
                       "LIKE 'ALTER TABLE%'") > 0;
        });
        s.cancel(id);
        s.await("the cancel is taken", [&] { return !s.model().staged(id); });
        s.await_idle();
    }
    EXPECT_EQ(s.status(id), 9);
    EXPECT_THAT(s.db().triggers("app"), ElementsAre("users_own"));
    EXPECT_THAT(s.db().show_create("app", "t"), HasSubstr("by_name"));
}

TEST(UserTrigger, IsDroppedWithItsTableAndTheRowsAreInTheTrash) {
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 60);
    add_user_trigger(s);
    const std::string content = s.db().checksum("app", "t");
    const MigrationId id = s.submit({.ddl = "DROP TABLE t", .action = 1, .runtype = 2});
    s.bring_to_running(id);
    s.await_status(id, 8);
    const auto trash = s.db().tables("pending_drops");
    ASSERT_THAT(trash, SizeIs(1));
    EXPECT_EQ(s.db().checksum("pending_drops", trash[0]), content);
    EXPECT_THAT(s.db().tables("app"), ElementsAre("audit"));
    EXPECT_THAT(s.db().triggers("app"), IsEmpty());
    EXPECT_THAT(s.file(id, 0), HasSubstr("INSERT INTO audit VALUES (NEW.id)"));
}

// Gone before the table is, it would miss what is written until the drop has its lock.
TEST(UserTrigger, IsThereWhileTheDropWaitsAndAfterItsCancel) {
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 60);
    add_user_trigger(s);
    const MigrationId id = s.submit({.ddl = "DROP TABLE t", .action = 1, .runtype = 2});
    s.bring_to_prepared(id);
    s.approve(id);
    {
        Db reader = s.server().connect("app");
        reader.execute("START TRANSACTION");
        reader.execute("SELECT * FROM t LIMIT 1");
        s.start_run(id);
        s.await("the move is tried", [&] {
            return s.db().integer(
                       "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO "
                       "LIKE 'RENAME TABLE%'") > 0;
        });
        EXPECT_THAT(s.db().triggers("app"), ElementsAre("users_own"));
        s.cancel(id);
        s.await("the cancel is taken", [&] { return !s.model().staged(id); });
        s.await_idle();
    }
    EXPECT_EQ(s.status(id), 9);
    EXPECT_THAT(s.db().triggers("app"), ElementsAre("users_own"));
    EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
}

// The worker dies with the table set aside: its trigger stays with it until it is in the trash.
TEST(UserTrigger, ADropThatDiedHalfwayIsFinished) {
    for (const char* point : {"sql-done/RENAME TABLE", "sql-done/DROP TRIGGER"}) {
        SCOPED_TRACE(point);
        Scenario s({.start = false});
        CrashDir crash(s.dir() / "crash");
        s.supervisor().set_environment("SHIFT_CRASH_DIR", crash.path());
        s.supervisor().start();
        Writers::make_table(s.db(), "app", "t", 60);
        add_user_trigger(s);
        const std::string content = s.db().checksum("app", "t");
        const MigrationId id = s.submit({.ddl = "DROP TABLE t", .action = 1, .runtype = 2});
        s.bring_to_prepared(id);
        s.approve(id);
        crash.arm({std::string(point) + " 1"});
        s.start_run(id);
        s.await_status(id, 8);
        EXPECT_EQ(crash.left(), 0U) << "nobody died";
        const auto trash = s.db().tables("pending_drops");
        ASSERT_THAT(trash, SizeIs(1));
        EXPECT_EQ(s.db().checksum("pending_drops", trash[0]), content);
        EXPECT_THAT(s.db().tables("app"), ElementsAre("audit"));
    }
}

// Final insert.

class FinalInsertTest : public ::testing::TestWithParam<const char*> {};

TEST_P(FinalInsertTest, WhatCannotWorkIsRefusedBeforeAnythingIsChanged) {
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 60);
    s.db().execute("CREATE TABLE app.versions (v INT PRIMARY KEY)");
    s.db().execute("INSERT INTO app.versions VALUES (1)");
    const MigrationId id =
        s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT", .final_insert = GetParam()});
    s.await_status(id, 10);
    EXPECT_THAT(s.text(id, "error_message"), HasSubstr("final insert"));
    EXPECT_THAT(s.db().columns("app", "t"), Not(Contains("extra")));
    EXPECT_EQ(s.db().integer("SELECT COUNT(*) FROM app.versions"), 1);
    EXPECT_EQ(s.leftovers("app", {"t", "versions"}), "");
}
INSTANTIATE_TEST_SUITE_P(
    Inputs, FinalInsertTest,
    ::testing::Values("INSERT INTO versions (v) VALUES (1)",     // duplicate key
                      "INSERT INTO versions (nope) VALUES (2)",  // no such column
                      "INSERT INTO nowhere (v) VALUES (2)",      // no such table
                      "INSERT INTO versions (v) VALUES (2); DELETE FROM versions",
                      "INSERT INTO versions (v) VALUES (2);",
                      "DELETE FROM versions",             // no insert at all
                      "INSERT INTO versions VALUES ("));  // no SQL

TEST(FinalInsert, FailingAfterTheSwapSaysThatTheTableWasChanged) {
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 60);
    s.db().execute("CREATE TABLE app.versions (v INT PRIMARY KEY)");
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT",
                                     .final_insert = "INSERT INTO versions (v) VALUES (1)"});
    s.bring_to_copied(id);
    s.db().execute("INSERT INTO app.versions VALUES (1)");  // now it cannot work
    s.rename(id);
    s.await_status(id, 10);
    EXPECT_THAT(s.text(id, "error_message"), StartsWith("table WAS changed:"));
    EXPECT_THAT(s.db().columns("app", "t"), Contains("extra"));
    EXPECT_EQ(s.leftovers("app", {"t", "versions"}), "");
    EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
}

TEST(FinalInsert, IntoATableThatCannotRollBackIsNotRunTwice) {
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 60);
    s.db().execute("CREATE TABLE app.log (v INT) ENGINE=MyISAM");
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT",
                                     .final_insert = "INSERT INTO log (v) VALUES (1)"});
    s.bring_to_completed(id);
    EXPECT_EQ(s.db().integer("SELECT COUNT(*) FROM app.log"), 1);
}

// The tool.

TEST(Tool, DryRunThatExits3SilentlyIsNotApproved) {
    Scenario s;
    const std::string script = s.dir() / "pt-osc-3";
    spit(script,
         "#!/bin/sh\ncase \" $* \" in\n*\" --dry-run \"*) exit 3 ;;\nesac\nexec "
         "/usr/bin/pt-online-schema-change \"$@\"\n",
         0755);
    s.supervisor().set("pt_osc_path", script);
    s.supervisor().restart();
    Writers::make_table(s.db(), "app", "t", 60);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.await_status(id, 10);
    EXPECT_THAT(s.text(id, "error_message"), HasSubstr("ended with exit 3 and said nothing"));
    EXPECT_EQ(s.leftovers("app", {"t"}), "");
}

class BrokenToolTest : public ::testing::TestWithParam<const char*> {
  protected:
    static std::string break_tool(Scenario& s) {
        const std::string path = s.dir() / "broken-tool";
        if (std::string(GetParam()) == "not executable") {
            spit(path, "#!/bin/sh\nexit 0\n", 0644);
        } else if (std::string(GetParam()) == "no program") {
            spit(path,
                 "\x7f"
                 "ELF nonsense",
                 0755);
        } else if (std::string(GetParam()) == "killed") {
            spit(path, "#!/bin/sh\nkill -9 $$\n", 0755);
        }
        return path;
    }
};

TEST_P(BrokenToolTest, IsNamedAtPrepareAndLeavesNothing) {
    Scenario s;
    s.supervisor().set("pt_osc_path", break_tool(s));
    s.supervisor().restart();
    Writers::make_table(s.db(), "app", "t", 60);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.await_status(id, 10);
    EXPECT_NE(s.text(id, "error_message"), "");
    EXPECT_EQ(s.leftovers("app", {"t"}), "");
}

TEST_P(BrokenToolTest, AtTheRunCanBeResumedOnceItIsMended) {
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 60);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.bring_to_prepared(id);
    s.approve(id);
    s.supervisor().set("pt_osc_path", break_tool(s));
    s.supervisor().restart();
    s.start_run(id);
    s.await_status(id, 13);
    EXPECT_NE(s.text(id, "error_message"), "");
    s.supervisor().set("pt_osc_path", "/usr/bin/pt-online-schema-change");
    s.supervisor().restart();
    s.resume(id);
    s.await_status(id, 4);
    s.rename(id);
    s.await_status(id, 8);
    EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
}
INSTANTIATE_TEST_SUITE_P(Inputs, BrokenToolTest,
                         ::testing::Values("missing", "not executable", "no program", "killed"),
                         [](const auto& one) {
                             std::string name = one.param;
                             std::replace(name.begin(), name.end(), ' ', '_');
                             return name;
                         });

// The option file of the operator.

class ConfigPath : public ::testing::TestWithParam<const char*> {
  protected:
    static std::string unusable(Scenario& s) {
        const std::string kind = GetParam();
        const std::string path = s.dir() / "options.conf";
        if (kind == "relative") {
            return "options.conf";
        }
        if (kind == "folder") {
            return s.dir().path();
        }
        if (kind == "pipe") {
            EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
        } else if (kind == "second") {
            spit(path, "max-lag=1\n");
            return path + "," + path + ".more";
        }
        return path;
    }
};

TEST_P(ConfigPath, ThatCannotBeReadIsRefusedAtPrepareByItsName) {
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 60);
    const std::string path = unusable(s);
    const MigrationId id = s.submit(
        {.ddl = "ALTER TABLE t ADD COLUMN extra INT", .custom_options = {{"config_path", path}}});
    s.await_status(id, 10);
    const std::string named = path.substr(path.find(',') + 1);
    EXPECT_THAT(s.text(id, "error_message"), AllOf(HasSubstr("config_path"), HasSubstr(named)));
    EXPECT_EQ(s.leftovers("app", {"t"}), "");
}
INSTANTIATE_TEST_SUITE_P(Inputs, ConfigPath,
                         ::testing::Values("missing", "relative", "folder", "pipe", "second"),
                         [](const auto& one) { return std::string(one.param); });

TEST(ConfigPathOdd, IsRefusedAtPrepareInTheToolsOwnWords) {
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 60);
    const std::string path = s.dir() / "options.conf";
    spit(path, "max-lag=1\nno-such-option=3\n");
    const MigrationId id = s.submit(
        {.ddl = "ALTER TABLE t ADD COLUMN extra INT", .custom_options = {{"config_path", path}}});
    s.await_status(id, 10);
    EXPECT_THAT(s.text(id, "error_message"),
                AllOf(HasSubstr(path), HasSubstr("Unknown option: no-such-option")));
    EXPECT_EQ(s.leftovers("app", {"t"}), "");
}

TEST(ConfigPathGone, AtTheRunIsAnErrorThatResumesOnceItIsThere) {
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 60);
    const std::string path = s.dir() / "options.conf";
    spit(path, "max-lag=1\n");
    const MigrationId id = s.submit(
        {.ddl = "ALTER TABLE t ADD COLUMN extra INT", .custom_options = {{"config_path", path}}});
    s.bring_to_prepared(id);
    s.approve(id);
    ASSERT_EQ(::unlink(path.c_str()), 0);
    s.start_run(id);
    s.await_status(id, 13);
    EXPECT_THAT(s.text(id, "error_message"), HasSubstr(path));
    spit(path, "max-lag=1\n");
    s.resume(id);
    s.await_status(id, 4);
    s.rename(id);
    s.await_status(id, 8);
    EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
}

// A short run has no use for it.
TEST(ConfigPathGone, DoesNotMatterToAShortRun) {
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 60);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT",
                                     .runtype = 2,
                                     .custom_options = {{"config_path", "/nonexistent/x.conf"}}});
    s.bring_to_running(id);
    s.await_status(id, 8);
}

// The database.

ScenarioOptions own_server() {
    ScenarioOptions options;
    options.own_server = true;
    options.server.durable = true;
    return options;
}

TEST(DatabaseAway, AtPrepareFailsAfterItsTriesWithTheReason) {
    Scenario s(own_server());
    Writers::make_table(s.db(), "app", "t", 60);
    s.server().stop();
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.await_status(id, 10);
    EXPECT_THAT(s.text(id, "error_message"), HasSubstr("connect"));
    s.server().start();
}

TEST(DatabaseAway, ForAMomentAtPrepareDoesNotMatter) {
    ScenarioOptions options = own_server();
    options.settings["attempts_max"] = "50";
    Scenario s(options);
    Writers::make_table(s.db(), "app", "t", 60);
    s.server().stop();
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.await("a first attempt has ended", [&] { return s.supervisor().attempts().size() >= 2; });
    s.server().start();
    s.await_status(id, 1);
}

TEST(DatabaseAway, DuringTheCopyIsAnErrorThatResumes) {
    ScenarioOptions options = own_server();
    options.chunk_rows = 50;
    Scenario s(options);
    Writers::make_table(s.db(), "app", "t", 2000);
    CopyGate gate(s);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.bring_to_running(id);
    s.await_copying(id);
    s.server().kill9();
    gate.open();
    s.await("the copy ended", [&] { return s.status(id) == 13; });
    s.server().start();
    Db db = s.server().connect();
    s.resume(id);
    s.await_status(id, 4);
    s.rename(id);
    s.await_status(id, 8);
    EXPECT_EQ(Writers::difference(db, "app", "t"), "");
    EXPECT_THAT(db.triggers("app"), IsEmpty());
    EXPECT_THAT(db.tables("app"), ElementsAre("t"));
}

TEST(DatabaseAway, AtTheRenameIsWaitedFor) {
    Scenario s(own_server());
    Writers::make_table(s.db(), "app", "t", 60);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.bring_to_copied(id);
    s.server().kill9();
    s.rename(id);
    const std::size_t before = s.supervisor().attempts().size();
    s.await("two attempts at it", [&] { return s.supervisor().attempts().size() >= before + 2; });
    EXPECT_EQ(s.status(id), 5) << "a rename never fails for database trouble";
    s.server().start();
    s.await_status(id, 8);
    Db db = s.server().connect();
    EXPECT_EQ(Writers::difference(db, "app", "t"), "");
    EXPECT_THAT(db.tables("app"), ElementsAre("t"));
    EXPECT_THAT(db.triggers("app"), IsEmpty());
}

TEST(DatabaseAway, AtTheCancelIsWaitedFor) {
    Scenario s(own_server());
    Writers::make_table(s.db(), "app", "t", 60);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.bring_to_copied(id);
    s.server().kill9();
    s.cancel(id);
    const std::size_t before = s.supervisor().attempts().size();
    s.await("two attempts at it", [&] { return s.supervisor().attempts().size() >= before + 2; });
    EXPECT_EQ(s.status(id), 9);
    s.server().start();
    Db db = s.server().connect();
    s.await("the clean-up is done",
            [&] { return db.tables("app").size() == 1 && db.triggers("app").empty(); });
    EXPECT_EQ(s.status(id), 9);
}

TEST(DatabaseAway, AtAShortRunNothingIsDoneTwice) {
    ScenarioOptions options = own_server();
    options.settings["attempts_max"] = "50";
    Scenario s(options);
    Writers::make_table(s.db(), "app", "t", 60);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD INDEX (amount)", .runtype = 2});
    s.bring_to_prepared(id);
    s.approve(id);
    s.server().kill9();
    s.start_run(id);
    s.await("a first attempt has ended", [&] { return s.supervisor().attempts().size() >= 3; });
    s.server().start();
    Db db = s.server().connect();
    s.await_status(id, 8);
    EXPECT_EQ(
        db.integer("SELECT COUNT(DISTINCT INDEX_NAME) FROM information_schema.STATISTICS WHERE "
                   "TABLE_SCHEMA = 'app' AND TABLE_NAME = 't' AND COLUMN_NAME = 'amount'"),
        1);
}

TEST(PendingDropsDb, MissingIsSaidBeforeTheCopy) {
    ScenarioOptions options;
    options.settings["pending_drops_db"] = "no_such_db";
    Scenario s(options);
    Writers::make_table(s.db(), "app", "t", 60);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.await_status(id, 10);
    EXPECT_THAT(s.text(id, "error_message"), HasSubstr("no_such_db"));
    EXPECT_EQ(s.leftovers("app", {"t"}), "");
}

TEST(PendingDropsDb, DroppedBeforeTheRenameKeepsTheOldTableBesideTheNew) {
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 60);
    const std::string content = s.db().checksum("app", "t");
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.bring_to_copied(id);
    s.db().execute("DROP DATABASE pending_drops");
    s.rename(id);
    s.await_status(id, 8);
    EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
    EXPECT_THAT(s.db().triggers("app"), IsEmpty());
    auto tables = s.db().tables("app");
    std::erase(tables, "t");
    ASSERT_THAT(tables, SizeIs(1));
    EXPECT_EQ(s.db().checksum("app", tables[0]), content);
    EXPECT_THAT(s.file(id, 0), HasSubstr("the old table stays as app." + tables[0]));
}

}  // namespace
}  // namespace shift::testing
