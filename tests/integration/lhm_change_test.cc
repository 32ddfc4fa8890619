// What a change does to a table, through shift-lhm on a real MariaDB: the integration specs of
// Large Hadron Migrator (spec/integration/lhm_spec.rb), and what it cannot do.

#include <gtest/gtest.h>

#include "tests/integration/support/lhm_fixture.h"

namespace shift::testing {
namespace {

class LhmChange : public LhmTest {};

// ---- keys

TEST_F(LhmChange, WalksATableByItsId) {
    make_users(23);
    const auto answer = change("users", {"--add-column", "logins int(12) default '0'"});
    EXPECT_EQ(column("users", "logins"), "int(12), YES, 0");
    EXPECT_EQ(count("users"), 23);
    EXPECT_EQ(leftovers(), "");
    EXPECT_TRUE(answer.says("copy: 100% complete")) << answer.text;
}

TEST_F(LhmChange, WalksATableWhoseIdIsNotThePrimaryKey) {
    db_.execute(
        "CREATE TABLE custom_primary_key (id INT NOT NULL, pk VARCHAR(255), PRIMARY KEY (pk), "
        "UNIQUE KEY index_custom_primary_key_on_id (id))");
    db_.execute("INSERT INTO custom_primary_key SELECT seq, CONCAT('é', seq) FROM seq_1_to_50");
    change("custom_primary_key", {"--add-column", "logins int(12) default '0'"});
    EXPECT_EQ(count("custom_primary_key"), 50);
    EXPECT_EQ(column("custom_primary_key", "logins"), "int(12), YES, 0");
}

TEST_F(LhmChange, WalksACompositePrimaryKey) {
    db_.execute(
        "CREATE TABLE composite_primary_key (id BIGINT NOT NULL, shop_id BIGINT NOT NULL, "
        "PRIMARY KEY (shop_id, id))");
    db_.execute("INSERT INTO composite_primary_key SELECT seq % 7, seq DIV 7 FROM seq_1_to_500");
    change("composite_primary_key",
           {"--add-column", "logins int(12) default '0'", "--stride", "9"});
    EXPECT_EQ(count("composite_primary_key"), 500);
}

TEST_F(LhmChange, ChangesThePrimaryKeyInSteps) {
    make_users(40);
    db_.execute("UPDATE users SET username = CONCAT('u', id % 5)");
    change("users", {"--ddl", "ALTER TABLE %s CHANGE id id BIGINT(20) NOT NULL", "--ddl",
                     "ALTER TABLE %s MODIFY username VARCHAR(255) NOT NULL", "--ddl",
                     "ALTER TABLE %s DROP PRIMARY KEY, ADD PRIMARY KEY (username, id)", "--ddl",
                     "ALTER TABLE %s ADD INDEX by_id (id)", "--ddl",
                     "ALTER TABLE %s CHANGE id id BIGINT(20) NOT NULL AUTO_INCREMENT"});
    EXPECT_EQ(index("users", "PRIMARY"), "username,id unique");
    EXPECT_EQ(count("users"), 40);
    EXPECT_EQ(column("users", "id"), "bigint(20), NO, NULL");
}

// ---- filters

TEST_F(LhmChange, CopiesOnlyRowsThatAJoinFinds) {
    make_users(10);
    db_.execute(
        "CREATE TABLE permissions (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, user_id INT)");
    db_.execute("INSERT INTO permissions (user_id) SELECT seq FROM seq_1_to_15");
    db_.execute("INSERT INTO permissions (user_id) VALUES (3)");
    change("permissions", {"--filter", "inner join users on (users.id = permissions.user_id)",
                           "--add-column", "flag int"});
    EXPECT_EQ(count("permissions"), 11);
}

TEST_F(LhmChange, WritesDuringAFilteredCopyAreKept) {
    make_users(10);
    db_.execute(
        "CREATE TABLE permissions (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, user_id INT)");
    db_.execute("INSERT INTO permissions (user_id) SELECT seq FROM seq_1_to_600");
    lhm_.start(
        Lhm::quick("change-table", "app.permissions",
                   {"--filter",
                    "inner join users on users.id = permissions.user_id where "
                    "permissions.user_id in (1,2,3,4,5,6,7,8,9,10)",
                    "--add-column", "flag int", "--stride", "20", "--delay", "50ms", "--execute"}));
    await_copying("permissions");
    db_.execute("INSERT INTO permissions (user_id) VALUES (1000), (1001)");
    db_.execute("UPDATE permissions SET user_id = 2000 WHERE id = 600");  // neither was it taken
    const auto answer = lhm_.finish();
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_EQ(count("permissions"), 13);
}

TEST_F(LhmChange, AFilterThatDoesNotWorkIsRefusedAtOnce) {
    make_users(5);
    const auto answer =
        lhm_.plan("app.users", {"--filter", "where nonsense = 1", "--add-column", "x int"});
    EXPECT_EQ(answer.code, 1);
    EXPECT_TRUE(answer.says("the filter does not work")) << answer.text;
    EXPECT_EQ(db_.tables("app"), Names{"users"});
}

// ---- columns

TEST_F(LhmChange, RemovesAColumn) {
    make_users(3);
    change("users", {"--remove-column", "comment"});
    EXPECT_EQ(column("users", "comment"), "");
}

TEST_F(LhmChange, ChangesAColumn) {
    make_users(3);
    change("users", {"--change-column", "comment varchar(20) DEFAULT 'none' NOT NULL"});
    EXPECT_EQ(column("users", "comment"), "varchar(20), NO, none");
    change("users", {"--change-column", "comment DROP DEFAULT"});
    EXPECT_EQ(column("users", "comment"), "varchar(20), NO, NULL");
}

TEST_F(LhmChange, ChangesTheOnlyColumn) {
    db_.execute("CREATE TABLE small_table (id INT NOT NULL PRIMARY KEY)");
    db_.execute("INSERT INTO small_table VALUES (1), (2)");
    change("small_table", {"--change-column", "id int(5)"});
    EXPECT_EQ(column("small_table", "id"), "int(5), NO, NULL");
    EXPECT_EQ(count("small_table"), 2);
}

TEST_F(LhmChange, ARenamedColumnKeepsDataAndDefinition) {
    make_users(0);
    db_.execute(
        "ALTER TABLE users ADD COLUMN `fnord` VARCHAR(20) CHARACTER SET utf8mb4 COLLATE "
        "utf8mb4_bin NOT NULL DEFAULT 'x' COMMENT 'a comment', ADD nullable INT NULL");
    db_.execute("INSERT INTO users (username, comment, fnord) VALUES ('a user', NULL, 'é')");
    change("users", {"--rename-column", "username:login", "--rename-column", "comment:wisdom",
                     "--rename-column", "fnord:glorp", "--rename-column", "nullable:maybe",
                     "--rename-column", "group:fnord"});
    EXPECT_EQ(
        db_.scalar("SELECT CONCAT(login, '/', glorp, '/', COALESCE(wisdom, 'NULL')) FROM users"),
        "a user/é/NULL");
    EXPECT_EQ(column("users", "wisdom"), "varchar(20), YES, Superfriends");
    EXPECT_EQ(column("users", "glorp"), "varchar(20), NO, x");
    EXPECT_EQ(column("users", "maybe"), "int(11), YES, NULL");
    EXPECT_EQ(
        db_.scalar("SELECT CONCAT(COLLATION_NAME, COLUMN_COMMENT) FROM information_schema.COLUMNS "
                   "WHERE TABLE_SCHEMA = 'app' AND TABLE_NAME = 'users' AND COLUMN_NAME = 'glorp'"),
        "utf8mb4_bina comment");
}

TEST_F(LhmChange, NewNotNullColumnsHoldWhatAlterTableFillsIn) {
    make_users(5);
    change("users", {"--alter",
                     "ADD a INT NOT NULL, ADD b VARCHAR(5) NOT NULL, ADD c ENUM('x','y') NOT "
                     "NULL, ADD d INT NOT NULL DEFAULT 7, ADD e DECIMAL(5,2) NOT NULL"});
    EXPECT_EQ(db_.scalar("SELECT GROUP_CONCAT(DISTINCT CONCAT_WS(':', a, b, c, d, e)) FROM users"),
              "0::x:7:0.00");
}

TEST_F(LhmChange, GeneratedColumnsAreComputedAgain) {
    db_.execute(
        "CREATE TABLE gen (id INT PRIMARY KEY, first VARCHAR(9), last VARCHAR(9), initials CHAR(2) "
        "AS (CONCAT(LEFT(first, 1), LEFT(last, 1))) VIRTUAL, n INT AS (id + 1) STORED)");
    db_.execute("INSERT INTO gen (id, first, last) VALUES (1, 'laurence', 'fishburne')");
    change("gen", {"--add-column", "a int"});
    change("gen", {"--add-column", "b int"});
    EXPECT_EQ(db_.scalar("SELECT CONCAT(initials, n) FROM gen"), "lf2");
    // A generated column becomes a plain one with its values, and the other way round.
    change("gen", {"--alter", "MODIFY n INT"});
    EXPECT_EQ(db_.scalar("SELECT CONCAT(initials, n) FROM gen"), "lf2");
    change("gen", {"--alter", "MODIFY n INT AS (id * 10) STORED"});
    EXPECT_EQ(db_.scalar("SELECT n FROM gen"), "10");
}

TEST_F(LhmChange, ColumnsAndTablesMayBeReservedWords) {
    db_.execute(
        "CREATE TABLE `lines` (id INT NOT NULL AUTO_INCREMENT, `between` VARCHAR(10), `by` "
        "VARCHAR(10), `key` INT, PRIMARY KEY (id))");
    db_.execute("INSERT INTO `lines` (`between`, `by`) VALUES ('foo', 'bar'), ('x', NULL)");
    change("lines", {"--change-column", "`by` varchar(20)", "--add-index", "key,by(5)",
                     "--rename-column", "between:`select`"});
    EXPECT_EQ(count("lines"), 2);
    EXPECT_EQ(db_.scalar("SELECT `select` FROM `lines` WHERE id = 1"), "foo");
    EXPECT_EQ(index("lines", "index_lines_on_key_and_by"), "key,by(5)");
}

// ---- indexes

TEST_F(LhmChange, AddsIndexesOfAllKinds) {
    make_users(5);
    change("users", {"--add-index", "comment,created_at", "--add-index", "my_index_name=comment",
                     "--add-index", "group", "--add-unique-index", "comment,id", "--add-index",
                     "username(6),group (10),comment     (10)"});
    EXPECT_EQ(index("users", "index_users_on_comment_and_created_at"), "comment,created_at");
    EXPECT_EQ(index("users", "my_index_name"), "comment");
    EXPECT_EQ(index("users", "index_users_on_group"), "group");
    EXPECT_EQ(index("users", "index_users_on_comment_and_id"), "comment,id unique");
    EXPECT_EQ(index("users", "index_users_on_username_and_group_and_comment"),
              "username(6),group(10),comment(10)");
}

TEST_F(LhmChange, RemovesIndexesByColumnsAndByName) {
    make_users(5);
    change("users", {"--remove-index", "username,created_at"});
    EXPECT_EQ(index("users", "index_users_on_username_and_created_at"), "");
    change("users", {"--remove-index", "username,group"});  // its name is a custom one
    EXPECT_EQ(index("users", "index_with_a_custom_name"), "");
    db_.execute("ALTER TABLE users ADD INDEX other (username, `group`)");
    change("users", {"--remove-index", "other=irrelevant"});
    EXPECT_EQ(index("users", "other"), "");
}

// ---- raw statements, engines

TEST_F(LhmChange, RunsAnyStatementOnTheShadow) {
    make_users(5);
    change("users",
           {"--ddl", "alter table %s add column flag tinyint(1) default 1, add index (flag)",
            "--ddl", "CREATE INDEX spare ON %s (comment(3))", "--alter",
            "COMMENT='changed', ROW_FORMAT=DYNAMIC"});
    EXPECT_EQ(column("users", "flag"), "tinyint(1), YES, 1");
    EXPECT_EQ(index("users", "spare"), "comment(3)");
    EXPECT_NE(db_.show_create("app", "users").find("COMMENT='changed'"), std::string::npos);
}

TEST_F(LhmChange, AnEngineStaysUnlessTheDefaultOneIsForced) {
    db_.execute("CREATE TABLE m (id INT NOT NULL PRIMARY KEY, a INT) ENGINE=MyISAM");
    db_.execute("INSERT INTO m VALUES (1, 1), (2, 2)");
    change("m", {"--add-column", "b int"});
    EXPECT_NE(db_.show_create("app", "m").find("ENGINE=MyISAM"), std::string::npos);
    db_.execute("DROP TABLE " + quote_name(archive_of(db_, "app")));
    change("m", {"--add-column", "c int", "--force-default-engine"});
    EXPECT_NE(db_.show_create("app", "m").find("ENGINE=InnoDB"), std::string::npos);
    EXPECT_EQ(count("m"), 2);
}

TEST_F(LhmChange, MyIsamBecomesInnoDbUnderWrites) {
    db_.execute("CREATE TABLE m (id INT NOT NULL PRIMARY KEY, a INT) ENGINE=MyISAM");
    db_.execute("INSERT INTO m SELECT seq, seq FROM seq_1_to_2000");
    lhm_.start(Lhm::quick(
        "change-table", "app.m",
        {"--alter", "ENGINE=InnoDB", "--stride", "100", "--delay", "30ms", "--execute"}));
    await_copying("m");
    db_.execute("UPDATE m SET a = -a WHERE id % 3 = 0");
    db_.execute("DELETE FROM m WHERE id % 7 = 0");
    db_.execute("INSERT INTO m VALUES (5000, 1), (5001, 2)");
    const auto answer = lhm_.finish();
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_TRUE(answer.says("no differences")) << answer.text;
    EXPECT_EQ(row_difference(db_, "SELECT * FROM m ORDER BY id",
                             "SELECT * FROM " + archive_of(db_, "app") + " ORDER BY id"),
              "");
}

TEST_F(LhmChange, FulltextSpatialAndPartitionsAreCarriedOver) {
    db_.execute(
        "CREATE TABLE f (id INT NOT NULL PRIMARY KEY, body TEXT, place POINT NOT NULL, FULLTEXT "
        "KEY "
        "words (body), SPATIAL KEY places (place))");
    db_.execute(
        "INSERT INTO f VALUES (1, 'a quick brown fox', POINT(1, 2)), (2, 'lazy dogs', POINT(3, "
        "4))");
    change("f", {"--add-column", "n int"});
    EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM f WHERE MATCH (body) AGAINST ('fox')"), 1);
    EXPECT_EQ(db_.scalar("SELECT ST_AsText(place) FROM f WHERE id = 2"), "POINT(3 4)");
    EXPECT_EQ(index("f", "places").substr(0, 5), "place");
    db_.execute(
        "CREATE TABLE p (id INT NOT NULL, day DATE NOT NULL, PRIMARY KEY (id, day)) PARTITION BY "
        "RANGE "
        "(YEAR(day)) (PARTITION old VALUES LESS THAN (2020), PARTITION new VALUES LESS THAN "
        "MAXVALUE)");
    db_.execute(
        "INSERT INTO p SELECT seq, DATE_ADD('2019-01-01', INTERVAL seq DAY) FROM seq_1_to_700");
    change("p", {"--add-column", "n int"});
    EXPECT_NE(db_.show_create("app", "p").find("PARTITION `old`"), std::string::npos);
    EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM p PARTITION (old)"), 364);
    change("p", {"--alter", "REMOVE PARTITIONING"});
    EXPECT_EQ(count("p"), 700);
}

TEST_F(LhmChange, InvisibleColumnsKeepTheirValues) {
    db_.execute(
        "CREATE TABLE i (id INT NOT NULL PRIMARY KEY, secret INT INVISIBLE DEFAULT 3, a INT)");
    db_.execute("INSERT INTO i (id, secret) VALUES (1, 42)");
    change("i", {"--add-column", "b int"});
    EXPECT_EQ(db_.scalar("SELECT secret FROM i"), "42");
    EXPECT_EQ(db_.rows("SELECT * FROM i")[0].size(), 3u);
}

// What a statement of people means in the server's time zone.
TEST_F(LhmChange, ATimestampsDefaultIsReadInTheServersTimeZone) {
    db_.execute("SET GLOBAL time_zone = '+05:00'");
    Db people = server_.connect("app");
    for (const char* table : {"t", "twin"}) {
        people.execute("CREATE TABLE " + std::string(table) + " (id INT PRIMARY KEY)");
        people.execute("INSERT INTO " + std::string(table) + " VALUES (1), (2)");
    }
    const std::string column = "ts TIMESTAMP NOT NULL DEFAULT '2020-01-01 00:00:00'";
    const auto answer = lhm_.change("app.t", {"--add-column", column});
    db_.execute("SET GLOBAL time_zone = 'SYSTEM'");
    ASSERT_EQ(answer.code, 0) << answer.text;
    people.execute("ALTER TABLE twin ADD COLUMN " + column);
    people.execute("INSERT INTO t (id) VALUES (3)");
    people.execute("INSERT INTO twin (id) VALUES (3)");
    EXPECT_EQ(row_difference(people, "SELECT id, UNIX_TIMESTAMP(ts) FROM t ORDER BY id",
                             "SELECT id, UNIX_TIMESTAMP(ts) FROM twin ORDER BY id"),
              "");
}

TEST_F(LhmChange, CharacterSetsAndCollationsAreConverted) {
    db_.execute(
        "CREATE TABLE c (name VARCHAR(20) CHARACTER SET latin1 NOT NULL PRIMARY KEY, note TEXT "
        "CHARACTER SET latin1)");
    db_.execute("INSERT INTO c VALUES ('caf\u00e9', '\u00fcber'), ('x', NULL), ('y ', '')");
    change("c", {"--alter", "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"});
    EXPECT_EQ(db_.scalar("SELECT CONCAT(name, note) FROM c WHERE name = 'caf\u00e9'"),
              "caf\u00e9\u00fcber");
    EXPECT_EQ(count("c"), 3);
    EXPECT_EQ(leftovers(), "");
}

TEST_F(LhmChange, TheAutoIncrementCounterIsCarriedOver) {
    make_users(10);
    db_.execute("ALTER TABLE users AUTO_INCREMENT = 5000");
    change("users", {"--add-column", "x int"});
    db_.execute("INSERT INTO users (username) VALUES ('next')");
    EXPECT_GE(db_.integer("SELECT MAX(id) FROM users"), 5000);
}

// What the dry run tried leaves no trace in the new table.
TEST_F(LhmChange, ANewCounterBeginsWithOne) {
    db_.execute("CREATE TABLE n (name VARCHAR(9) NOT NULL PRIMARY KEY)");
    db_.execute("INSERT INTO n SELECT CONCAT('n', seq) FROM seq_1_to_50");
    change("n", {"--add-column", "id INT NOT NULL AUTO_INCREMENT UNIQUE", "--threads", "1"});
    EXPECT_EQ(db_.integer("SELECT MIN(id) FROM n"), 1);
    EXPECT_EQ(count("n"), 50);
}

TEST_F(LhmChange, AnEmptyTableIsChangedToo) {
    make_users(0);
    change("users", {"--add-column", "x int"});
    EXPECT_EQ(column("users", "x"), "int(11), YES, NULL");
}

// ---- verifier hook

TEST_F(LhmChange, AFailingVerifierStopsBeforeTheFirstRowAndTheSwap) {
    make_users(23);
    const auto answer =
        lhm_.change("app.users", {"--add-column", "x int", "--verifier-query", "SELECT 0"});
    EXPECT_EQ(answer.code, 1);
    EXPECT_TRUE(answer.says("Verification failed, aborting early")) << answer.text;
    EXPECT_EQ(count("lhmn_users"), 0);
    EXPECT_EQ(column("users", "x"), "");
}

// ---- parallel writes

TEST_F(LhmChange, ParallelInsertsAreInTheNewTable) {
    make_users(50);
    lhm_.start(Lhm::quick(
        "change-table", "app.users",
        {"--rename-column", "group:fnord", "--stride", "10", "--delay", "97ms", "--execute"}));
    await_copying("users");
    for (int i = 0; i < 10; ++i) {
        db_.execute("INSERT INTO users (reference) VALUES (" + std::to_string(1000 + i) + ")");
    }
    EXPECT_EQ(lhm_.finish().code, 0) << lhm_.output();
    EXPECT_EQ(count("users"), 60);
}

TEST_F(LhmChange, ParallelDeletesAreInTheNewTable) {
    make_users(50);
    lhm_.start(Lhm::quick(
        "change-table", "app.users",
        {"--rename-column", "group:fnord", "--stride", "10", "--delay", "97ms", "--execute"}));
    await_copying("users");
    for (int i = 0; i < 10; ++i) {
        db_.execute("DELETE FROM users WHERE id = " + std::to_string(i * 5 + 1));
    }
    EXPECT_EQ(lhm_.finish().code, 0) << lhm_.output();
    EXPECT_EQ(count("users"), 40);
}

// Keys of another type whose values stay what they are, under writes.
TEST_F(LhmChange, AKeyMayBecomeWider) {
    db_.execute(
        "CREATE TABLE k (d DECIMAL(8,2) NOT NULL, t DATETIME(3) NOT NULL, f FLOAT NOT NULL, b "
        "VARBINARY(4) NOT NULL, c CHAR(4) NOT NULL, day DATE NOT NULL, a INT, PRIMARY KEY (d, t, "
        "f, b, c, day))");
    db_.execute(
        "INSERT INTO k SELECT seq / 7, '2020-01-01' + INTERVAL seq * 1001 MICROSECOND, seq / 3, "
        "UNHEX(LPAD(HEX(seq), 8, '0')), seq, '2020-01-01', seq FROM seq_1_to_300");
    lhm_.start(Lhm::quick("change-table", "app.k",
                          {"--alter",
                           "MODIFY d DECIMAL(12,4) NOT NULL, MODIFY t DATETIME(6) NOT NULL, MODIFY "
                           "f DOUBLE NOT NULL, MODIFY b VARBINARY(9) NOT NULL, MODIFY c "
                           "VARCHAR(9) NOT NULL, MODIFY day DATETIME NOT NULL",
                           "--stride", "20", "--delay", "20ms", "--execute"}));
    await_copying("k");
    db_.execute("UPDATE k SET a = -a WHERE a % 3 = 0");
    db_.execute("DELETE FROM k WHERE a % 7 = 0");
    db_.execute("UPDATE k SET f = f + 1000 WHERE a % 5 = 0");
    const auto answer = lhm_.finish();
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_TRUE(answer.says("no differences")) << answer.text;
    EXPECT_EQ(row_difference(db_, "SELECT a, ROUND(d, 2), HEX(b), c FROM k ORDER BY a",
                             "SELECT a, d, HEX(b), c FROM " + quote_name(archive_of(db_, "app")) +
                                 " ORDER BY a"),
              "");
    EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM k JOIN " + quote_name(archive_of(db_, "app")) +
                          " o USING (a) WHERE k.t = o.t AND k.f = o.f AND k.day = o.day"),
              count("k"));
}

// ---- what a plan says, and refusals

TEST_F(LhmChange, WithoutExecuteNothingIsChanged) {
    make_users(7);
    const std::string before = db_.show_create("app", "users");
    const auto answer =
        lhm_.plan("app.users", {"--add-column", "x int", "--rename-column", "group:team"});
    EXPECT_EQ(answer.code, 0) << answer.text;
    for (const char* part : {"copy key    PRIMARY (id)", "renamed     group to team",
                             "lhmt_del_users", "nothing was changed"}) {
        EXPECT_TRUE(answer.says(part)) << part << "\n" << answer.text;
    }
    EXPECT_EQ(db_.show_create("app", "users"), before);
    EXPECT_EQ(db_.tables("app"), Names{"users"});
    EXPECT_EQ(db_.triggers("app"), Names{});
}

struct Refused {
    const char* name;
    std::vector<std::string> before;  // statements
    std::vector<std::string> arguments;
    const char* says;
};

class LhmRefuses : public LhmTest, public ::testing::WithParamInterface<Refused> {};

TEST_P(LhmRefuses, AtTheDryRunWithAReason) {
    for (const std::string& sql : GetParam().before) {
        db_.execute(sql);
    }
    const Names tables = db_.tables("app");
    const Names triggers = db_.triggers("app");
    const std::string before = db_.show_create("app", "t");
    for (const bool executes : {false, true}) {
        const auto answer = executes ? lhm_.change("app.t", GetParam().arguments)
                                     : lhm_.plan("app.t", GetParam().arguments);
        EXPECT_EQ(answer.code, 1) << answer.text;
        EXPECT_TRUE(answer.says(GetParam().says)) << answer.text;
        EXPECT_EQ(db_.tables("app"), tables);
        EXPECT_EQ(db_.triggers("app"), triggers);
        EXPECT_EQ(db_.show_create("app", "t"), before);
    }
}

const std::string kPlain = "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a VARCHAR(20), b INT)";
const std::vector<std::string> kAdd = {"--add-column", "x int"};

INSTANTIATE_TEST_SUITE_P(
    Everything, LhmRefuses,
    ::testing::Values(
        Refused{"NoUniqueKey", {"CREATE TABLE t (a INT, b INT, KEY (a))"}, kAdd, "no_unique_key"},
        Refused{"NullableUniqueKey", {"CREATE TABLE t (a INT, UNIQUE (a))"}, kAdd, "may be NULL"},
        Refused{"PrefixUniqueKey",
                {"CREATE TABLE t (a VARCHAR(20) NOT NULL, UNIQUE (a(5)))"},
                kAdd,
                "only prefixes"},
        Refused{
            "ReferencedByForeignKey",
            {kPlain,
             "CREATE TABLE c (id INT PRIMARY KEY, t_id INT, FOREIGN KEY (t_id) REFERENCES t (id))"},
            kAdd,
            "referenced_by_foreign_keys"},
        Refused{"HasForeignKey",
                {"CREATE TABLE p (id INT PRIMARY KEY)",
                 "CREATE TABLE t (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id))"},
                kAdd,
                "has_foreign_keys"},
        Refused{"AddsForeignKey",
                {kPlain, "CREATE TABLE p (id INT PRIMARY KEY)"},
                {"--alter", "ADD FOREIGN KEY (b) REFERENCES p (id)"},
                "adds_foreign_keys"},
        Refused{"HasTriggers",
                {kPlain, "CREATE TRIGGER users_own BEFORE INSERT ON t FOR EACH ROW SET NEW.b = 1"},
                kAdd,
                "users_own"},
        Refused{
            "ChangeDoesNotWork", {kPlain}, {"--alter", "ADD COLUMN id INT"}, "Duplicate column"},
        Refused{"DropsAndAddsAColumn",
                {kPlain},
                {"--alter", "DROP COLUMN b, ADD COLUMN b BIGINT"},
                "MODIFY b"},
        Refused{"LosesTheKey", {kPlain}, {"--alter", "DROP PRIMARY KEY"}, "no_key_left"},
        Refused{"KeyChangesItsKind",
                {kPlain},
                {"--alter", "MODIFY id VARCHAR(20) NOT NULL"},
                "no_key_left"},
        Refused{"KeyLosesItsFraction",
                {"CREATE TABLE t (id DATETIME(6) NOT NULL PRIMARY KEY, a INT)"},
                {"--alter", "MODIFY id DATETIME NOT NULL"},
                "no_key_left"},
        Refused{"KeyLosesDigits",
                {"CREATE TABLE t (id DECIMAL(10,4) NOT NULL PRIMARY KEY, a INT)"},
                {"--alter", "MODIFY id DECIMAL(12,2) NOT NULL"},
                "no_key_left"},
        Refused{"KeyLosesPrecision",
                {"CREATE TABLE t (id DOUBLE NOT NULL PRIMARY KEY, a INT)"},
                {"--alter", "MODIFY id FLOAT NOT NULL"},
                "no_key_left"},
        Refused{"KeyIsPadded",
                {"CREATE TABLE t (id VARBINARY(8) NOT NULL PRIMARY KEY, a INT)"},
                {"--alter", "MODIFY id BINARY(8) NOT NULL"},
                "no_key_left"},
        Refused{"KeyLosesBlanks",
                {"CREATE TABLE t (id VARCHAR(8) COLLATE utf8mb4_nopad_bin NOT NULL PRIMARY KEY)"},
                {"--alter", "MODIFY id CHAR(8) COLLATE utf8mb4_nopad_bin NOT NULL"},
                "no_key_left"},
        Refused{"RenamesTheTable", {kPlain}, {"--alter", "RENAME TO u"}, "cannot be renamed"},
        Refused{"DropsAPartition",
                {"CREATE TABLE t (id INT NOT NULL PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION "
                 "a VALUES LESS "
                 "THAN (10), PARTITION b VALUES LESS THAN MAXVALUE)"},
                {"--alter", "DROP PARTITION a"},
                "DROP PARTITION"},
        Refused{"TimestampToDatetime",
                {"CREATE TABLE t (id INT PRIMARY KEY, a TIMESTAMP NULL)"},
                {"--alter", "MODIFY a DATETIME"},
                "time zone"},
        Refused{"NotNullTimeWithoutDefault",
                {kPlain},
                {"--add-column", "d datetime not null"},
                "DEFAULT"},
        Refused{"ValueTooLong",
                {kPlain, "INSERT INTO t SELECT seq, 'ok', 1 FROM seq_1_to_30",
                 "UPDATE t SET a = 'much too long' WHERE id = 17"},
                {"--alter", "MODIFY a VARCHAR(5)"},
                "row (17): Data too long"},
        Refused{"NullForNotNull",
                {kPlain, "INSERT INTO t VALUES (1, 'x', 1), (2, NULL, 1)"},
                {"--alter", "MODIFY a VARCHAR(20) NOT NULL"},
                "row (2): Column 'a' cannot be null"},
        Refused{"OutOfRange",
                {kPlain, "INSERT INTO t VALUES (1, 'x', 1), (3, 'x', 70000)"},
                {"--alter", "MODIFY b SMALLINT"},
                "row (3): Out of range"},
        Refused{"NoSuchEnumMember",
                {kPlain, "INSERT INTO t VALUES (1, 'x', 1), (4, 'q', 1)"},
                {"--alter", "MODIFY a ENUM('x', 'y')"},
                "row (4): Data truncated"},
        Refused{"NotInTheCharacterSet",
                {kPlain, "INSERT INTO t VALUES (1, 'x', 1), (5, '日', 1)"},
                {"--alter", "MODIFY a VARCHAR(20) CHARACTER SET latin1"},
                "row (5)"},
        Refused{"RefusedByANewCheck",
                {kPlain, "INSERT INTO t SELECT seq, 'x', IF(seq = 17, -1, 1) FROM seq_1_to_30"},
                {"--alter", "ADD CONSTRAINT positive CHECK (b > 0)"},
                "row (17): CONSTRAINT `positive` failed"},
        Refused{"NoPartitionForARow",
                {kPlain, "INSERT INTO t (id) VALUES (1), (5), (50)"},
                {"--alter", "PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (10))"},
                "row (50): Table has no partition"},
        Refused{"AGeneratedColumnOverflows",
                {kPlain, "INSERT INTO t VALUES (1, 'x', 1), (2, 'x', 200)"},
                {"--alter", "ADD g TINYINT AS (b * 2) STORED"},
                "row (2): Out of range"},
        Refused{"TextThatIsNoJson",
                {kPlain, "INSERT INTO t VALUES (1, '{}', 1), (2, 'x', 1)"},
                {"--alter", "MODIFY a JSON"},
                "row (2): CONSTRAINT"},
        Refused{"RoundsADecimal",
                {"CREATE TABLE t (id INT PRIMARY KEY, a DECIMAL(10,4))",
                 "INSERT INTO t VALUES (1, 1.5), (2, 1.2345), (3, NULL)"},
                {"--alter", "MODIFY a DECIMAL(8,2)"},
                "row (2): a '1.2345' would become '1.23'"},
        Refused{"CutsFractionsOfSeconds",
                {"CREATE TABLE t (id INT PRIMARY KEY, a DATETIME(6))",
                 "INSERT INTO t VALUES (1, '2020-01-01 10:00:00'), (2, '2020-01-01 10:00:00.5')"},
                {"--alter", "MODIFY a DATETIME"},
                "row (2): a '2020-01-01 10:00:00.500000' would become"},
        Refused{"LosesPrecision",
                {"CREATE TABLE t (id INT PRIMARY KEY, a DOUBLE)",
                 "INSERT INTO t VALUES (1, 0.5), (2, 0.123456789)"},
                {"--alter", "MODIFY a FLOAT"},
                "row (2): a '0.123456789' would become"},
        Refused{"CutsBlanks",
                {kPlain, "INSERT INTO t VALUES (1, 'x', 1), (2, 'x ', 1)"},
                {"--alter", "MODIFY a CHAR(20)"},
                "row (2): a 'x ' would become 'x'"},
        Refused{"AMemberBecomesItsNumber",
                {"CREATE TABLE t (id INT PRIMARY KEY, a ENUM('5', '2'))",
                 "INSERT INTO t VALUES (1, '2'), (2, '5')"},
                {"--alter", "MODIFY a INT"},
                "row (2): a '5' would become '1'"},
        Refused{"NoWayBackForADroppedColumn",
                {kPlain},
                {"--remove-column", "b", "--rollback-window", "1h"},
                "no_way_back"},
        Refused{"DuplicatesUnderAUniqueKey",
                {kPlain, "INSERT INTO t VALUES (1, 'x', 1), (2, 'dup', 2), (3, 'dup', 3)"},
                {"--add-unique-index", "a"},
                "(dup) 2 times"},
        Refused{
            "DuplicatesUnderACollation",
            {"CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(9) COLLATE utf8mb4_bin, UNIQUE (a))",
             "INSERT INTO t VALUES (1, 'a'), (2, 'A')"},
            {"--alter", "MODIFY a VARCHAR(9) COLLATE utf8mb4_general_ci"},
            "2 times"},
        Refused{"ForeignShadow",
                {kPlain, "CREATE TABLE lhmn_t (id INT)"},
                kAdd,
                "nothing says that we made it"},
        Refused{"ForeignTriggerName",
                {kPlain, "CREATE TABLE other (id INT)",
                 "CREATE TRIGGER lhmt_ins_t AFTER INSERT ON other FOR EACH ROW SET @x = 1"},
                kAdd,
                "nothing says that we made it"},
        Refused{"View",
                {kPlain, "RENAME TABLE t TO base", "CREATE VIEW t AS SELECT * FROM base"},
                kAdd,
                "is a view"},
        Refused{"SystemVersioned",
                {"CREATE TABLE t (id INT PRIMARY KEY, a INT) WITH SYSTEM VERSIONING"},
                kAdd,
                "history"}),
    [](const auto& one) { return std::string(one.param.name); });

TEST_F(LhmChange, AMissingTableIsNamed) {
    const auto answer = lhm_.plan("app.nothing", {"--add-column", "x int"});
    EXPECT_EQ(answer.code, 1);
    EXPECT_TRUE(answer.says("table app.nothing does not exist")) << answer.text;
}

TEST_F(LhmChange, MistakesOnTheLineAreUsageErrors) {
    EXPECT_EQ(lhm_.run({"change-table", "users", "--add-column", "x int"}).code, 64);
    EXPECT_EQ(lhm_.run({"change-table", "app.users"}).code, 64);
    EXPECT_EQ(lhm_.run({"change-table", "app.users", "--add-column", "x"}).code, 64);
    EXPECT_EQ(
        lhm_.run({"change-table", "app.users", "--alter", "ENGINE=InnoDB", "--stride", "0"}).code,
        64);
    EXPECT_EQ(lhm_.run({"frobnicate"}).code, 64);
    EXPECT_EQ(lhm_.run({"change-table", "app.users", "--plan", "/nonexistent"}).code, 64);
}

TEST_F(LhmChange, APlanFileSaysTheSame) {
    make_users(9);
    const std::string file = dir_ / "plan.yaml";
    spit(file,
         "table: app.users\nchanges:\n  - add_column: arbitrary INT(12)\n  - add_index: "
         "[arbitrary, created_at]\n  - rename_column: {from: group, to: team}\noptions:\n  "
         "stride: 4\n  no_check_replicas: true\n");
    const auto answer = lhm_.run({"change-table", "--plan", file, "--execute"});
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_EQ(index("users", "index_users_on_arbitrary_and_created_at"), "arbitrary,created_at");
    EXPECT_EQ(column("users", "team"), "varchar(255), YES, NULL");
}

TEST_F(LhmChange, EventsAreJsonLines) {
    make_users(9);
    const auto answer = lhm_.change("app.users", {"--add-column", "x int", "--json"});
    EXPECT_EQ(answer.code, 0);
    for (const char* part : {R"("event":"phase")", R"("outcome":"switched")",
                             R"("what":"verified")", R"("percent":100.0)"}) {
        EXPECT_TRUE(answer.says(part)) << part << "\n" << answer.text;
    }
}

}  // namespace
}  // namespace shift::testing
