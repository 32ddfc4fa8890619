// What prepare refuses before anything is copied, on a real MariaDB: the reason, what people are
// told, and that nothing is left. Beside every refusal stands a neighbour that must pass.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "common/event_log.h"
#include "tests/integration/support/mariadb_server.h"
#include "tests/integration/support/temp_dir.h"
#include "tests/integration/support/wait.h"
#include "tests/integration/support/worker_driver.h"

namespace shift::testing {
namespace {

using Names = std::vector<std::string>;

class Preflight : public ::testing::Test {
  protected:
    Preflight() : server_(shared_server()), db_(connect_to_empty(server_)) {
        db_.execute("CREATE DATABASE shop");
        db_.execute("USE shop");
    }
    static Db connect_to_empty(MariadbServer& server) {
        server.reset();
        return server.connect();
    }
    WorkerDriver driver(const std::string& table,
                        const std::string& change = "ADD COLUMN extra INT") {
        WorkerDriver d(server_, dir_, ++id_, "ALTER TABLE " + quote_name(table) + " " + change,
                       table);
        d.job.enable_trash = false;
        return d;
    }
    // The reason word of prepare, "" when it is prepared; nothing may be left either way.
    std::string prepare(WorkerDriver& d) {
        const Names tables = db_.tables("shop");
        const Names triggers = db_.triggers("shop");
        const Json outcome = d.run(Step::kPrepare);
        EXPECT_EQ(db_.tables("shop"), tables);
        EXPECT_EQ(db_.triggers("shop"), triggers);
        message_ = string_or(outcome, "message", "");
        if (outcome.value("outcome", "") == "prepared") {
            return "";
        }
        EXPECT_EQ(outcome.value("outcome", ""), "failed") << message_;
        return string_or(outcome, "reason", "");
    }
    std::string prepare(const std::string& table,
                        const std::string& change = "ADD COLUMN extra INT") {
        WorkerDriver d = driver(table, change);
        return prepare(d);
    }
    // The whole way; the rows must be those from before.
    void expect_completes(const std::string& table, const std::string& columns) {
        WorkerDriver d = driver(table);
        const std::string before = db_.checksum("shop", table, columns);
        EXPECT_EQ(prepare(d), "") << message_;
        EXPECT_EQ(d.outcome_of(Step::kRun), "copied") << d.log();
        EXPECT_EQ(d.outcome_of(Step::kRename), "completed");
        EXPECT_EQ(db_.checksum("shop", table, columns), before);
        EXPECT_EQ(db_.triggers("shop"), Names{});
    }

    TempDir dir_;
    MariadbServer& server_;
    Db db_;
    MigrationId id_ = 400;
    std::string message_;
};

// ---- the key that the tool walks by

struct KeyCase {
    const char* name;
    const char* definition;  // of table t; x is filled with the row's number
    const char* values;      // for the columns in front of x
    const char* reason;      // "" = passes
};
std::ostream& operator<<(std::ostream& out, const KeyCase& one) {
    return out << one.name;
}

class PreflightKeys : public Preflight, public ::testing::WithParamInterface<KeyCase> {};

TEST_P(PreflightKeys, AreRefusedOrCopiedWhole) {
    const KeyCase& one = GetParam();
    db_.execute(std::string("CREATE TABLE t (") + one.definition + ") ENGINE=InnoDB");
    // More than the tool takes as one chunk (4 * 1000 rows).
    db_.execute(std::string("INSERT INTO t SELECT ") + one.values + ", seq FROM seq_1_to_6000");
    db_.execute("ANALYZE TABLE t");
    if (std::string(one.reason).empty()) {
        expect_completes("t", "x");
        return;
    }
    EXPECT_EQ(prepare("t"), one.reason);
    EXPECT_NE(message_.find("short (direct) migration"), std::string::npos) << message_;
    WorkerDriver run = driver("t");
    EXPECT_EQ(run.run(Step::kRun).value("reason", ""), one.reason);
    EXPECT_EQ(db_.tables("shop"), Names{"t"});
    WorkerDriver direct = driver("t");
    direct.job.runtype = Runtype::kShort;
    EXPECT_EQ(prepare(direct), "") << message_;
}

INSTANTIATE_TEST_SUITE_P(
    Keys, PreflightKeys,
    ::testing::Values(
        KeyCase{"EnumFirst",
                "k ENUM('z','m','a') NOT NULL, n INT NOT NULL, x INT, PRIMARY KEY (k, n)",
                "ELT(1 + seq % 3, 'z', 'm', 'a'), seq", "enum_key"},
        KeyCase{"EnumInUniqueKey",
                "k ENUM('a','b') NOT NULL, n INT NOT NULL, x INT, UNIQUE KEY (k, n)",
                "ELT(1 + seq % 2, 'a', 'b'), seq", "enum_key"},
        KeyCase{"EnumLast",
                "n INT NOT NULL, k ENUM('z','m','a') NOT NULL, x INT, PRIMARY KEY (n, k)",
                "seq DIV 3, ELT(1 + seq % 3, 'z', 'm', 'a')", ""},
        KeyCase{"EnumOutsideTheKey", "n INT NOT NULL PRIMARY KEY, k ENUM('a','b') NOT NULL, x INT",
                "seq, ELT(1 + seq % 2, 'a', 'b')", ""},
        KeyCase{"EnumInAnotherKey",
                "n INT NOT NULL PRIMARY KEY, k ENUM('a','b') NOT NULL, x INT, UNIQUE KEY (k, x)",
                "seq, ELT(1 + seq % 2, 'a', 'b')", ""},
        KeyCase{"Double", "n INT NOT NULL, d DOUBLE NOT NULL, x INT, PRIMARY KEY (n, d)",
                "seq DIV 100, RAND(3) * POW(10, CAST(seq % 30 AS SIGNED) - 10)", "inexact_key"},
        KeyCase{"Float", "d FLOAT NOT NULL PRIMARY KEY, x INT", "seq / 8", "inexact_key"},
        KeyCase{"Decimal", "d DECIMAL(20,6) NOT NULL PRIMARY KEY, x INT", "seq / 8", ""},
        KeyCase{"Set", "n INT NOT NULL, k SET('z','m','a') NOT NULL, x INT, PRIMARY KEY (n, k)",
                "seq DIV 3, ELT(1 + seq % 3, 'z', 'm', 'a')", "set_key"},
        KeyCase{"Bit", "n INT NOT NULL, b BIT(8) NOT NULL, x INT, PRIMARY KEY (n, b)",
                "seq DIV 200, seq % 200", "bit_key"},
        KeyCase{"Binary", "id BINARY(16) NOT NULL PRIMARY KEY, x INT", "UNHEX(MD5(seq))", ""},
        KeyCase{"BlobPrefix", "b BLOB NOT NULL, x INT, PRIMARY KEY (b(8))", "UNHEX(MD5(seq))", ""}),
    [](const auto& one) { return std::string(one.param.name); });

// ---- foreign keys

TEST_F(Preflight, ForeignKeysThatChangeRowsAreRefused) {
    db_.execute("CREATE TABLE parent (id INT PRIMARY KEY) ENGINE=InnoDB");
    db_.execute("INSERT INTO parent SELECT seq FROM seq_1_to_20");
    for (const std::string rule :
         {"ON DELETE CASCADE", "ON UPDATE CASCADE", "ON DELETE SET NULL", "ON UPDATE SET NULL"}) {
        SCOPED_TRACE(rule);
        db_.execute(
            "CREATE OR REPLACE TABLE t (id INT PRIMARY KEY, p INT, CONSTRAINT to_parent FOREIGN "
            "KEY "
            "(p) REFERENCES parent (id) " +
            rule + ") ENGINE=InnoDB");
        EXPECT_EQ(prepare("t"), "cascading_foreign_key");
        EXPECT_NE(message_.find("to_parent (" + rule + ")"), std::string::npos) << message_;
    }
}

TEST_F(Preflight, PlainForeignKeysGoThroughAndChangeTheirNames) {
    db_.execute("CREATE TABLE parent (id INT PRIMARY KEY) ENGINE=InnoDB");
    db_.execute("INSERT INTO parent SELECT seq FROM seq_1_to_20");
    db_.execute(
        "CREATE TABLE t (id INT PRIMARY KEY, p INT, q INT, CONSTRAINT plain FOREIGN KEY (p) "
        "REFERENCES "
        "parent (id), CONSTRAINT __twice FOREIGN KEY (q) REFERENCES parent (id) ON DELETE RESTRICT "
        "ON UPDATE NO ACTION) ENGINE=InnoDB");
    db_.execute("INSERT INTO t SELECT seq, 1 + seq % 20, 1 + seq % 7 FROM seq_1_to_500");
    expect_completes("t", "id, p, q");
    const std::string definition = db_.show_create("shop", "t");
    EXPECT_NE(definition.find("CONSTRAINT `_plain` FOREIGN KEY"), std::string::npos) << definition;
    EXPECT_NE(definition.find("CONSTRAINT `twice` FOREIGN KEY"), std::string::npos) << definition;
    EXPECT_NE(db_.try_execute("DELETE FROM parent WHERE id = 1"), 0u);
}

TEST_F(Preflight, AForeignKeyToTheTableItselfIsRefused) {
    db_.execute(
        "CREATE TABLE t (id INT PRIMARY KEY, p INT, CONSTRAINT to_self FOREIGN KEY (p) REFERENCES "
        "t "
        "(id)) ENGINE=InnoDB");
    EXPECT_EQ(prepare("t"), "referenced_by_foreign_keys");
    EXPECT_NE(message_.find("to_self"), std::string::npos) << message_;
}

// ---- rights

class PreflightRights : public Preflight {
  protected:
    PreflightRights() {
        db_.execute("CREATE TABLE t (id INT PRIMARY KEY) ENGINE=InnoDB");
        db_.execute("SET GLOBAL log_bin_trust_function_creators = 1");
    }
    ~PreflightRights() override {
        db_.try_execute("DROP USER tool@127.0.0.1");
        db_.try_execute("DROP ROLE migrating");
        db_.try_execute("SET GLOBAL log_bin_trust_function_creators = 0");
    }

    // Prepares with pt-osc as a user with just these rights.
    std::string prepare_with(const Names& grants) {
        db_.execute("CREATE OR REPLACE USER tool@127.0.0.1 IDENTIFIED BY 'pw'");
        for (const std::string& grant : grants) {
            db_.execute("GRANT " + grant + " TO tool@127.0.0.1");
        }
        WorkerDriver d = driver("t");
        d.job.pt_osc_defaults_file = dir_ / "tool.cnf";
        spit(d.job.pt_osc_defaults_file, "[client]\nuser=tool\npassword=pw\n", 0600);
        return prepare(d);
    }
};

TEST_F(PreflightRights, EveryMissingRightIsNamedWithItsGrant) {
    const Names needed = {"DROP",   "CREATE", "ALTER",  "INSERT",
                          "UPDATE", "SELECT", "DELETE", "TRIGGER"};
    for (const std::string& missing : needed) {
        SCOPED_TRACE(missing);
        std::string list;
        for (const std::string& right : needed) {
            list += right == missing ? "" : (list.empty() ? "" : ", ") + right;
        }
        EXPECT_EQ(prepare_with({list + " ON shop.*"}), "missing_privilege");
        EXPECT_NE(message_.find("GRANT " + missing + " ON `shop`.* TO 'tool'@'127.0.0.1'"),
                  std::string::npos)
            << message_;
        EXPECT_NE(message_.find(missing + " command denied"), std::string::npos) << message_;
    }
}

// What an earlier attempt announced under its name is its own, with rows or without.
TEST_F(PreflightRights, ATableThatAnEarlierAttemptAnnouncedIsCleared) {
    for (const bool announced : {true, false}) {
        WorkerDriver d = driver("t");
        const std::string scratch = "_shift_" + std::to_string(d.job.migration) + "_check";
        db_.execute("CREATE TABLE " + scratch + " AS SELECT 1 AS a");
        if (announced) {
            d.job.history.push_back(
                {{"event", "intent"}, {"what", "scratch"}, {"db", "shop"}, {"table", scratch}});
        }
        const Json outcome = d.run(Step::kPrepare);
        EXPECT_EQ(string_or(outcome, "outcome", ""), announced ? "prepared" : "failed");
        EXPECT_EQ(db_.table_exists("shop", scratch), !announced);
        db_.execute("DROP TABLE IF EXISTS " + scratch);
    }
}

// A dead attempt's table with a row in it would be taken for somebody's.
TEST_F(PreflightRights, TheTableTheyAreTriedOnNeverHoldsARow) {
    db_.execute("RESET MASTER");
    EXPECT_EQ(prepare_with({"ALL PRIVILEGES ON shop.*"}), "") << message_;
    bool is_made = false;
    for (const Row& event : db_.rows("SHOW BINLOG EVENTS")) {
        const std::string info = event[5].value_or("");
        const bool is_ours = info.find("_shift_") != std::string::npos;
        is_made = is_made || (is_ours && info.find("CREATE TABLE") != std::string::npos);
        EXPECT_FALSE(is_ours && event[2] == "Table_map") << info;
    }
    EXPECT_TRUE(is_made);
}

TEST_F(PreflightRights, ABinaryLogThatWantsSuperIsFoundBeforeTheTriggers) {
    db_.execute("SET GLOBAL log_bin_trust_function_creators = 0");
    EXPECT_EQ(prepare_with({"ALL PRIVILEGES ON shop.*"}), "missing_privilege");
    EXPECT_NE(message_.find("SET GLOBAL log_bin_trust_function_creators=1, or GRANT SUPER ON *.*"),
              std::string::npos)
        << message_;
    EXPECT_EQ(prepare_with({"ALL PRIVILEGES ON shop.*", "SUPER ON *.*"}), "") << message_;
}

TEST_F(PreflightRights, TheRightsWeAskForAreEnough) {
    EXPECT_EQ(
        prepare_with({"DROP, CREATE, ALTER, INSERT, UPDATE, SELECT, DELETE, TRIGGER ON shop.*"}),
        "")
        << message_;
    WorkerDriver d = driver("t");
    d.job.pt_osc_defaults_file = dir_ / "tool.cnf";
    EXPECT_EQ(d.outcome_of(Step::kRun), "copied") << d.log();
    EXPECT_EQ(d.outcome_of(Step::kRename), "completed");
}

TEST_F(PreflightRights, RightsOfARoleAndOfTheTableAloneCount) {
    db_.execute("CREATE OR REPLACE ROLE migrating");
    db_.execute("GRANT ALL PRIVILEGES ON shop.* TO migrating");
    db_.execute("CREATE OR REPLACE USER tool@127.0.0.1 IDENTIFIED BY 'pw'");
    db_.execute("GRANT migrating TO tool@127.0.0.1");
    db_.execute("SET DEFAULT ROLE migrating FOR tool@127.0.0.1");
    WorkerDriver d = driver("t");
    d.job.pt_osc_defaults_file = dir_ / "role.cnf";
    spit(d.job.pt_osc_defaults_file, "[client]\nuser=tool\npassword=pw\n", 0600);
    EXPECT_EQ(prepare(d), "") << message_;
    db_.execute("DROP ROLE migrating");
    EXPECT_EQ(prepare_with({"DROP, CREATE, ALTER, INSERT, UPDATE, SELECT, DELETE ON shop.*",
                            "TRIGGER ON shop.t"}),
              "")
        << message_;
}

TEST_F(PreflightRights, ASchemaWithWildcardsInItsNameIsGrantedAsIs) {
    EXPECT_EQ(prepare_with({"ALL PRIVILEGES ON `sh%`.*"}), "") << message_;
}

// ---- the server

TEST_F(Preflight, AServerThatTakesNoWritesIsRefusedAndARunWaits) {
    db_.execute("CREATE TABLE t (id INT PRIMARY KEY) ENGINE=InnoDB");
    db_.execute("SET GLOBAL read_only = 1");
    EXPECT_EQ(prepare("t"), "read_only");
    EXPECT_NE(message_.find("read_only is on"), std::string::npos) << message_;
    WorkerDriver d = driver("t");
    const Json outcome = d.run(Step::kRun);
    EXPECT_EQ(outcome.value("outcome", ""), "retry");
    EXPECT_EQ(outcome.value("reason", ""), "read_only");
    db_.execute("SET GLOBAL read_only = 0");
    EXPECT_EQ(d.outcome_of(Step::kRun), "copied");
    EXPECT_EQ(d.outcome_of(Step::kRename), "completed");
}

TEST_F(Preflight, AReplicaIsRefusedOneThatWasIsNot) {
    MariadbServer replica;
    Db db = replica.connect();
    db.execute("CREATE DATABASE shop");
    db.execute("CREATE TABLE shop.t (id INT PRIMARY KEY) ENGINE=InnoDB");
    const auto prepare_there = [&] {
        WorkerDriver d(replica, dir_, ++id_, "ALTER TABLE t ADD COLUMN extra INT", "t");
        const Json outcome = d.run(Step::kPrepare);
        message_ = string_or(outcome, "message", "");
        return outcome.value("outcome", "") == "prepared" ? "" : string_or(outcome, "reason", "?");
    };
    db.execute("CHANGE MASTER 'far' TO MASTER_HOST='127.0.0.1', MASTER_PORT=1, MASTER_USER='x'");
    EXPECT_EQ(prepare_there(), "") << message_;  // set up, never started
    db.execute("START SLAVE 'far'");
    EXPECT_EQ(prepare_there(), "is_replica");
    EXPECT_NE(message_.find("replica of 127.0.0.1"), std::string::npos) << message_;
    db.execute("STOP SLAVE 'far'");
    EXPECT_EQ(prepare_there(), "") << message_;
    db.execute("SET GLOBAL slave_run_triggers_for_rbr = 'YES'");
    db.execute("START SLAVE 'far'");
    EXPECT_EQ(prepare_there(), "") << message_;
    EXPECT_EQ(db.tables("shop"), Names{"t"});
}

}  // namespace
}  // namespace shift::testing
