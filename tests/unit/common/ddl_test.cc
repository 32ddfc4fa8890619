#include "common/ddl.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

namespace shift {
namespace {

using Columns = std::vector<DdlTarget::Column>;

std::string numbered_values(int count) {
    std::string list;
    for (int i = 1; i <= count; ++i) {
        list += (i == 1 ? "'" : ",'") + std::to_string(i) + "'";
    }
    return list;
}

std::string ddl_error(const std::string& statement, const DdlTarget* target = nullptr) {
    const auto parsed = parse_ddl(statement, target);
    return parsed.ok() ? "accepted: " + parsed->statement : parsed.error().message;
}

std::string normal_form(const std::string& statement) {
    const auto parsed = parse_ddl(statement);
    return parsed.ok() ? parsed->statement : "refused: " + parsed.error().message;
}

std::string run_of(const std::string& statement, const DdlTarget* target = nullptr) {
    const auto parsed = parse_ddl(statement, target);
    return parsed.ok() ? ddl_run_name(parsed->run) : "refused: " + parsed.error().message;
}

// The 50 examples of the original's own specification, with the results recorded from it.
struct Example {
    int number;
    std::string input;
    Columns columns;
    std::string run;  // "error" when the original refuses
    Action action;
    std::string table;
    std::string result;  // normal form, or the error; empty = the input
    Mode mode = Mode::kTable;
    std::optional<bool> avoids_temporal_upgrade = {};
};

void PrintTo(const Example& example, std::ostream* out) {
    *out << example.input;
}

class OriginalExample : public testing::TestWithParam<Example> {};

TEST_P(OriginalExample, GivesTheRecordedResult) {
    const Example& example = GetParam();
    DdlTargetFacts facts;
    if (!example.columns.empty()) {
        facts.column_list = example.columns;
    }
    facts.avoids_temporal_upgrade = example.avoids_temporal_upgrade;
    const auto parsed = parse_ddl(example.input, &facts);
    if (example.run == "error") {
        ASSERT_FALSE(parsed.ok());
        EXPECT_EQ(parsed.error().message, example.result);
        EXPECT_EQ(parsed.error().code, Errc::kInvalidArgument);
        return;
    }
    ASSERT_TRUE(parsed.ok()) << parsed.error().message;
    EXPECT_EQ(ddl_run_name(parsed->run), example.run);
    EXPECT_EQ(parsed->action, example.action);
    EXPECT_EQ(parsed->mode, example.mode);
    EXPECT_EQ(parsed->table, example.table);
    EXPECT_EQ(parsed->statement, example.result.empty() ? example.input : example.result);
}

const Columns kXEnum = {{"x", "enum('1','2')"}};
const Columns kEnumYAndX = {{"y", "enum('a','b')"}, {"x", "enum('a','d')"}};

std::vector<Example> original_examples() {
    constexpr Action kAlter = Action::kAlter;
    constexpr Action kCreate = Action::kCreate;
    constexpr Action kDrop = Action::kDrop;
    return {
        {1,
         "ALTER TABLE Orders DROP FOREIGN KEY\n      fk_PerOrders /* ignore this */  , DROP "
         "FOREIGN KEY `a\n\nbc` -- , DROP FOREIGN KEY def",
         {},
         "long",
         kAlter,
         "Orders",
         "ALTER TABLE Orders DROP FOREIGN KEY _fk_PerOrders , DROP FOREIGN KEY `_a\n\nbc`"},
        {2,
         "ALTERTABLE Orders DROP FOREIGN KEY fk_PerOrder",
         {},
         "error",
         kAlter,
         "",
         "parse error on value \"ALTERTABLE\""},
        {3,
         "ALTER ONLINE IGNORE TAbLE`myTaBle` ROW_FORMAT DYNAMIC, CHECKSUM = 0",
         {},
         "long",
         kAlter,
         "myTaBle",
         "ALTER ONLINE IGNORE TAbLE `myTaBle` ROW_FORMAT DYNAMIC , CHECKSUM = 0"},
        {4, "ALTER TABLE bogus DROP INDEX abc", {}, "maybeshort", kAlter, "bogus", ""},
        {5,
         "ALTER TABLE bogus DROP INDEX abc, DROP INDEX def",
         {},
         "maybeshort",
         kAlter,
         "bogus",
         "ALTER TABLE bogus DROP INDEX abc , DROP INDEX def"},
        {6,
         "ALTER TABLE bogus DROP INDEX abc, MODIFY COLUMN x ENUM ('a', 'b', 'c')",
         {},
         "maybeshort",
         kAlter,
         "bogus",
         "ALTER TABLE bogus DROP INDEX abc , MODIFY COLUMN x ENUM ('a','b','c')"},
        {7,
         "ALTER TABLE bogus ENABLE KEYS, MODIFY COLUMN x ENUM ('a', 'b', 'c')",
         {},
         "long",
         kAlter,
         "bogus",
         "ALTER TABLE bogus ENABLE KEYS , MODIFY COLUMN x ENUM ('a','b','c')"},
        {8,
         "ALTER TABLE bogus MODIFY COLUMN x ENUM ('a''def', 'b'     ,    'c''d'      ), MODIFY "
         "COLUMN y ENUM ('a', 'b', 'c')",
         {},
         "maybeshort",
         kAlter,
         "bogus",
         "ALTER TABLE bogus MODIFY COLUMN x ENUM ('a''def','b','c''d') , MODIFY COLUMN y ENUM "
         "('a','b','c')"},
        {9,
         "ALTER TABLE bogus MODIFY COLUMN x ENUM (\"def\", 'b'     , 'c'), MODIFY COLUMN y ENUM "
         "('a', 'b', 'c')",
         {},
         "error",
         kAlter,
         "",
         "only single quoted string supported"},
        {10,
         "ALTER TABLE bogus MODIFY COLUMN x ENUM ('a', 'b', 'c'), MODIFY COLUMN y INT",
         {},
         "long",
         kAlter,
         "bogus",
         "ALTER TABLE bogus MODIFY COLUMN x ENUM ('a','b','c') , MODIFY COLUMN y INT"},
        {11,
         "ALTER TABLE bogus MODIFY COLUMN x ENUM ('a', 'b', 'c')",
         {{"y", "enum('a','b')"}},
         "error",
         kAlter,
         "",
         "column not found"},
        {12,
         "ALTER TABLE bogus MODIFY COLUMN x ENUM ('a', 'b', 'c')",
         {{"y", "enum('a','b')"}, {"x", "enum('a','b')"}},
         "maybeshort",
         kAlter,
         "bogus",
         "ALTER TABLE bogus MODIFY COLUMN x ENUM ('a','b','c')"},
        {13,
         "ALTER TABLE bogus MODIFY COLUMN x ENUM ('a', 'b', 'c'),\n      MODIFY COLUMN y ENUM "
         "('a', 'b', 'c')",
         {{"z", "enum('a','b')"}, {"x", "enum('a','b')"}},
         "error",
         kAlter,
         "",
         "column not found"},
        {14,
         "ALTER TABLE bogus MODIFY COLUMN x ENUM ('z', 'x', 'yyy'),\n      MODIFY COLUMN y ENUM "
         "('', 'b', 'c')",
         {{"y", "enum('','b')"}, {"x", "enum('z','x')"}},
         "maybeshort",
         kAlter,
         "bogus",
         "ALTER TABLE bogus MODIFY COLUMN x ENUM ('z','x','yyy') , MODIFY COLUMN y ENUM "
         "('','b','c')"},
        {15,
         "ALTER TABLE bogus MODIFY COLUMN y ENUM ('a', 'd')",
         {{"y", "enum('a','b')"}},
         "long",
         kAlter,
         "bogus",
         "ALTER TABLE bogus MODIFY COLUMN y ENUM ('a','d')"},
        {16,
         "ALTER TABLE bogus MODIFY COLUMN x ENUM ('a', 'd','e'), MODIFY COLUMN y ENUM ('a', "
         "'d')",
         kEnumYAndX, "long", kAlter, "bogus",
         "ALTER TABLE bogus MODIFY COLUMN x ENUM ('a','d','e') , MODIFY COLUMN y ENUM ('a','d')"},
        {17,
         "ALTER TABLE bogus MODIFY COLUMN y ENUM ('a', 'd'), MODIFY COLUMN x ENUM ('a', "
         "'d','e')",
         kEnumYAndX, "long", kAlter, "bogus",
         "ALTER TABLE bogus MODIFY COLUMN y ENUM ('a','d') , MODIFY COLUMN x ENUM ('a','d','e')"},
        {18, "ALTER TABLE bogus MODIFY COLUMN x ENUM ('a')", kEnumYAndX, "long", kAlter, "bogus",
         ""},
        {19, "ALTER TABLE bogus MODIFY COLUMN x ENUM (" + numbered_values(255) + ")", kXEnum,
         "maybeshort", kAlter, "bogus", ""},
        {20, "ALTER TABLE bogus MODIFY COLUMN x ENUM (" + numbered_values(256) + ")", kXEnum,
         "long", kAlter, "bogus", ""},
        {21,
         "ALTER TABLE bogus ENGINE=InnoDB , ROW_FORMAT=COMPRESSED, KEY_BLOCK_SIZE=4, "
         "CHECKSUM=1, DROP FOREIGN KEY fk1",
         {},
         "long",
         kAlter,
         "bogus",
         "ALTER TABLE bogus ENGINE = InnoDB , ROW_FORMAT = COMPRESSED , KEY_BLOCK_SIZE = 4 , "
         "CHECKSUM = 1 , DROP FOREIGN KEY _fk1"},
        {22,
         "ALTER TABLE bogus ENGINE=InnoDB , ROW_FORMAT=COMPRESSED, KEY_BLOCK_SIZE=4, "
         "CHECKSUM=1, DROP FOREIGN KEY _fk3",
         {},
         "long",
         kAlter,
         "bogus",
         "ALTER TABLE bogus ENGINE = InnoDB , ROW_FORMAT = COMPRESSED , KEY_BLOCK_SIZE = 4 , "
         "CHECKSUM = 1 , DROP FOREIGN KEY fk3"},
        {23,
         "alter table abc MAX_ROWS = 1, UNION = (a, b, c), MIN_ROWS=0",
         {},
         "long",
         kAlter,
         "abc",
         "alter table abc MAX_ROWS = 1 , UNION = ( a , b , c ) , MIN_ROWS = 0"},
        {24, "alter table `add` add column abc DATE", {}, "long", kAlter, "add", ""},
        {25,
         "alter table select add column abc DATE",
         {},
         "error",
         kAlter,
         "",
         "parse error on value \"select\""},
        {26,
         "ALTER TABLE Persons\nADD DateOfBirth date",
         {},
         "long",
         kAlter,
         "Persons",
         "ALTER TABLE Persons ADD DateOfBirth date"},
        {27,
         "ALTER TABLE Persons\nDISCARD TABLESPACE",
         {},
         "long",
         kAlter,
         "Persons",
         "ALTER TABLE Persons DISCARD TABLESPACE"},
        {28,
         "ALTER TABLE Persons\nREMOVE PARTITIONING",
         {},
         "long",
         kAlter,
         "Persons",
         "ALTER TABLE Persons REMOVE PARTITIONING"},
        {29,
         "ALTER TABLE Persons ENABLE KEYS\nREMOVE PARTITIONING",
         {},
         "long",
         kAlter,
         "Persons",
         "ALTER TABLE Persons ENABLE KEYS REMOVE PARTITIONING"},
        {30,
         "ALTER TABLE transmission_entries ADD COLUMN live boolean DEFAULT NULL",
         {},
         "long",
         kAlter,
         "transmission_entries",
         ""},
        {31,
         "ALTER TABLE invoices DROP INDEX `merchant_invoice_number`, DROP INDEX "
         "`invoices_merchant_token_state_index`, CHANGE COLUMN merchant_token VARCHAR(255) NULL",
         {},
         "error",
         kAlter,
         "",
         "parse error on value \"VARCHAR\""},
        {32, "ALTER TABLE invoices", {}, "maybeshort", kAlter, "invoices", ""},
        {33, "DROP TABLE asd.dsa", {}, "short", kDrop, "asd.dsa", ""},
        {34, "DROP TABLE asd.dsa.def", {}, "error", kDrop, "", "parse error on value \".\""},
        {35,
         "CREATE TABLE Persons (PersonID int)",
         {},
         "short",
         kCreate,
         "Persons",
         "CREATE TABLE Persons ( PersonID int )"},
        {36, "ALTER TABLE abc ORDER BY a, b, c", {}, "error", kAlter, "", "order by not supported"},
        {37, "ALTER TABLE abc REMOVE PARTITIONING", {}, "long", kAlter, "abc", ""},
        {38,
         "  ALTER TABLE abc REMOVE PARTITIONING",
         {},
         "long",
         kAlter,
         "abc",
         "ALTER TABLE abc REMOVE PARTITIONING"},
        {39,
         "CREATE TABLE Persons\n(\nPersonID int,\nLastName varchar(255),\nFirstName "
         "varchar(255),\nAddress varchar(255),\nCity varchar(255)\n)",
         {},
         "short",
         kCreate,
         "Persons",
         "CREATE TABLE Persons ( PersonID int , LastName varchar ( 255 ) , FirstName varchar ( 255 "
         ") , Address varchar ( 255 ) , City varchar ( 255 ) )"},
        {40, "CREATE VIEW asd AS def", {}, "short", kCreate, "asd", "", Mode::kView},
        {41, "DROP TABLE abc", {}, "short", kDrop, "abc", ""},
        {42, "DROP VIEW asd", {}, "short", kDrop, "asd", "", Mode::kView},
        {43,
         "ALTER TABLE asd CHANGE COLUMN dd dd ENUM('a', 'b')",
         {{"dd", "enum('a')"}},
         "maybeshort",
         kAlter,
         "asd",
         "ALTER TABLE asd CHANGE COLUMN dd dd ENUM ('a','b')"},
        {44,
         "ALTER TABLE asd CHANGE COLUMN dd de ENUM('a', 'b')",
         {{"dd", "enum('a')"}},
         "maybenocheckalter",
         kAlter,
         "asd",
         "ALTER TABLE asd CHANGE COLUMN dd de ENUM ('a','b')"},
        {45,
         "ALTER TABLE asd CHANGE COLUMN dd dd int(11)",
         {{"dd", "enum('a')"}},
         "long",
         kAlter,
         "asd",
         "ALTER TABLE asd CHANGE COLUMN dd dd int ( 11 )"},
        {46,
         "ALTER TABLE asd CHANGE COLUMN dd de int(11)",
         {{"dd", "int(11)"}},
         "maybenocheckalter",
         kAlter,
         "asd",
         "ALTER TABLE asd CHANGE COLUMN dd de int ( 11 )"},
        {47,
         "ALTER TABLE asd CHANGE COLUMN dd de ENUM('a', 'b')",
         {{"de", "enum('a')"}},
         "error",
         kAlter,
         "",
         "column not found"},
        {48, "ALTER TABLE abc", {}, "long", kAlter, "abc", "", Mode::kTable, false},
        {49, "ALTER TABLE abc", {}, "maybeshort", kAlter, "abc", "", Mode::kTable, true},
        {50, "DROP TABLE abc", {}, "short", kDrop, "abc", "", Mode::kTable, false},
    };
}

INSTANTIATE_TEST_SUITE_P(Ddl, OriginalExample, testing::ValuesIn(original_examples()),
                         [](const testing::TestParamInfo<Example>& test) {
                             return "Row" + std::to_string(test.param.number);
                         });

// -- the original's refusals ----------------------------------------------------------------------

TEST(Ddl, RefusesWithTheTextsOfTheOriginal) {
    const std::vector<std::pair<std::string, std::string>> refusals = {
        {"ALTER TABLE t ADD a INT NOT NULL", "NOT NULL column needs a default value"},
        {"ALTER TABLE t ADD (a INT, b INT NOT NULL)", "NOT NULL column needs a default value"},
        {"ALTER TABLE t ADD a INT NOT NULL AUTO_INCREMENT",
         "NOT NULL column needs a default value"},
        {"DROP TABLE a, b", "dropping multiple tables is not supported!"},
        {"DROP VIEW a, b", "dropping multiple views is not supported!"},
        {"ALTER TABLE t ADD a GEOMETRY", "spatial type not supported"},
        {"CREATE TABLE t (p POINT)", "spatial type not supported"},
        {"CREATE TABLE t (a INT) PARTITION BY HASH(a)", "partition by not supported"},
        {"ALTER TABLE t PARTITION BY HASH(a) PARTITIONS 4", "partition by not supported"},
        {"ALTER TABLE t ADD SPATIAL INDEX (p)", "spatial not supported"},
        {"ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u (a)", "foreign key not supported"},
        {"ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES u (a)",
         "foreign key not supported"},
        {"CREATE TABLE t (a INT REFERENCES u (a))", "foreign key not supported"},
        {"ALTER TABLE t DROP PRIMARY KEY", "drop primary key not supported"},
        {"ALTER TABLE t ORDER BY a", "order by not supported"},
        {"ALTER TABLE t CONNECTION = 'x'", "connection not supported"},
        {"ALTER TABLE t ADD PARTITION (PARTITION p VALUES LESS THAN (-1))",
         "only natural number (>= 0) supported"},
        {"ALTER TABLE t ADD PARTITION (PARTITION p VALUES LESS THAN (1.5))",
         "only natural number (>= 0) supported"},
        {"ALTER TABLE t ADD PARTITION (PARTITION p VALUES LESS THAN (1) NODEGROUP = 1)",
         "nodegroup not supported"},
        {"ALTER TABLE t COMMENT = \"x\"", "only single quoted string supported"},
        {"ALTER TABLE `` ADD a INT", "empty identifier not supported"},
        {"ALTER TABLE t ADD `` INT", "empty identifier not supported"},
        {"CREATE TABLE t (CHECK (a > 1))", "check not supported"},
        {"ALTER TABLE t ADD CONSTRAINT c CHECK (a > 1)", "check not supported"},
        {"TRUNCATE TABLE t", "parse error on value \"TRUNCATE\""},
        {"RENAME TABLE a TO b", "parse error on value \"RENAME\""},
        {"CREATE INDEX i ON t (a)", "parse error on value \"INDEX\""},
        {"CREATE OR REPLACE TABLE t (a INT)", "parse error on value \"TABLE\""},
        {"ALTER VIEW v AS SELECT 1", "parse error on value \"VIEW\""},
        {"DROP TABLE 'a'", "parse error on value \"'\""},
        {"ALTER TABLE t DROP COLUMN a b", "parse error on value \"b\""},
        {"ALTER TABLE t ADD a INT,", "parse error on value \"$\" (the statement ends too early)"},
        {"", "parse error on value \"$\" (the statement ends too early)"},
        {"DROP TABLE t;", "can not match: '; '"},
    };
    for (const auto& [statement, text] : refusals) {
        EXPECT_EQ(ddl_error(statement), text) << statement;
    }
}

TEST(Ddl, TwoStatementsAreRefusedAndSaidToBeTwo) {
    EXPECT_EQ(ddl_error("DROP TABLE a; DROP TABLE b"),
              "can not match: '; DROP TABLE b ' (only one statement is supported)");
    EXPECT_EQ(normal_form("ALTER TABLE a COMMENT='x;y'"), "ALTER TABLE a COMMENT = 'x;y'");
}

TEST(Ddl, OpenQuotesAndCommentsAreRefused) {
    EXPECT_EQ(ddl_error("ALTER TABLE t COMMENT='x"),
              "can not match: ''x ' (a quote is not closed)");
    EXPECT_EQ(ddl_error("ALTER TABLE `t ADD a INT"),
              "can not match: '`t ADD a INT ' (a quote is not closed)");
    EXPECT_EQ(ddl_error("ALTER TABLE t /* x"), "can not match: '/* x ' (a comment is not closed)");
}

TEST(Ddl, DashesThatMayOrMayNotBeACommentAreRefused) {
    // A comment for the original, two minus signs for the server.
    EXPECT_EQ(ddl_error("ALTER TABLE t ADD a INT DEFAULT 1--1"),
              "can not match: '--1 ' (a comment with -- needs a blank after it)");
    EXPECT_EQ(normal_form("ALTER TABLE t ADD a INT --"), "ALTER TABLE t ADD a INT");
}

// -- checks against the target --------------------------------------------------------------------

TEST(Ddl, ExistenceIsCheckedWhateverIfExistsSays) {
    DdlTargetFacts facts;
    facts.table_exists = true;
    facts.view_exists = true;
    EXPECT_EQ(ddl_error("CREATE TABLE t (a INT)", &facts), "table already exists!");
    EXPECT_EQ(ddl_error("CREATE TABLE IF NOT EXISTS t (a INT)", &facts), "table already exists!");
    EXPECT_EQ(ddl_error("CREATE OR REPLACE VIEW v AS SELECT 1", &facts), "view already exists!");
    EXPECT_EQ(run_of("DROP TABLE t", &facts), "short");
    facts.table_exists = false;
    facts.view_exists = false;
    EXPECT_EQ(ddl_error("DROP TABLE IF EXISTS t", &facts), "table does not exist!");
    EXPECT_EQ(ddl_error("DROP VIEW v", &facts), "view does not exist!");
    EXPECT_EQ(ddl_error("ALTER TABLE t", &facts), "table does not exist!");
    EXPECT_EQ(run_of("CREATE TABLE t (a INT)", &facts), "short");
}

TEST(Ddl, ForeignKeysStopAnAlterUnlessAllAreDropped) {
    DdlTargetFacts facts;
    facts.foreign_key_names = std::vector<std::string>{"fk1", "fk2"};
    EXPECT_EQ(ddl_error("ALTER TABLE t DROP FOREIGN KEY fk1", &facts),
              "table has foreign keys which are not all being dropped");
    EXPECT_EQ(run_of("ALTER TABLE t DROP FOREIGN KEY fk1, DROP FOREIGN KEY `FK2`", &facts), "long");
    EXPECT_EQ(run_of("DROP TABLE t", &facts), "short");
    facts.referenced = true;
    for (const char* statement : {"ALTER TABLE t", "DROP TABLE t", "CREATE TABLE t (a INT)"}) {
        EXPECT_EQ(ddl_error(statement, &facts), "table is referenced by foreign keys");
    }
}

TEST(Ddl, OnlyTextsBecomeAnEnum) {
    DdlTargetFacts facts;
    facts.column_list = Columns{{"n", "int(11)"}, {"v", "varchar(9)"}, {"E", "enum('a','b''c')"}};
    EXPECT_EQ(ddl_error("ALTER TABLE t MODIFY n ENUM('a')", &facts),
              "n can't be converted to ENUM");
    EXPECT_EQ(run_of("ALTER TABLE t MODIFY v ENUM('a')", &facts), "long");
    EXPECT_EQ(run_of("ALTER TABLE t MODIFY e ENUM('a','b''c','d')", &facts), "maybeshort");
    EXPECT_EQ(run_of("ALTER TABLE t MODIFY e ENUM('a','b''cd')", &facts), "long");
    EXPECT_EQ(ddl_error("ALTER TABLE t RENAME COLUMN missing TO x", &facts), "column not found");
}

TEST(Ddl, AnEnumValueThatOnlyBeginsLikeAnOldOneIsNotAppended) {
    // 'a','b' and 'a','b''c' begin with the same characters, but b becomes b'c.
    DdlTargetFacts facts;
    facts.column_list = Columns{{"x", "enum('a','b')"}};
    EXPECT_EQ(run_of("ALTER TABLE t MODIFY x ENUM('a','b''c')", &facts), "long");
}

TEST(Ddl, AnUnreachableTargetEndsTheParseWithItsError) {
    struct Down final : DdlTarget {
        Result<std::optional<bool>> exists(Mode, const TableName&) const override {
            return Error{Errc::kUnavailable, "away"};
        }
    };
    const Down down;
    const auto parsed = parse_ddl("DROP TABLE t", &down);
    ASSERT_FALSE(parsed.ok());
    EXPECT_EQ(parsed.error().code, Errc::kUnavailable);
}

// -- more than the original -----------------------------------------------------------------------

TEST(Ddl, AcceptsWhatModernServersOffer) {
    const std::vector<std::string> statements = {
        "ALTER TABLE t ADD j JSON",
        "ALTER TABLE t ADD j JSON CHECK (json_valid(j))",
        "ALTER TABLE t ADD d DECIMAL(10,2) UNSIGNED DEFAULT 0.5",
        "ALTER TABLE t ADD d DECIMAL(10) UNSIGNED ZEROFILL",
        "ALTER TABLE t ADD f FLOAT(5)",
        "ALTER TABLE t ADD d DOUBLE PRECISION DEFAULT -1.5",
        "ALTER TABLE t ADD b BIT(1) DEFAULT b'0'",
        "ALTER TABLE t ADD b VARBINARY(4) DEFAULT x'00ff'",
        "ALTER TABLE t ADD b BIGINT DEFAULT 0x1F",
        "ALTER TABLE t ADD c INT DEFAULT 0 NOT NULL COMMENT 'x' AFTER b",
        "ALTER TABLE t ADD COLUMN IF NOT EXISTS c INT FIRST",
        "ALTER TABLE t ADD c INT GENERATED ALWAYS AS (a + b * 2) STORED NOT NULL",
        "ALTER TABLE t ADD c INT AS (a) VIRTUAL",
        "ALTER TABLE t ADD c INT AS (count(a) -> '$.x') PERSISTENT INVISIBLE",
        "ALTER TABLE t ADD u CHAR(36) DEFAULT (uuid())",
        "ALTER TABLE t ADD ts TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE "
        "CURRENT_TIMESTAMP(6)",
        "ALTER TABLE t ADD ts DATETIME NOT NULL DEFAULT NOW()",
        "ALTER TABLE t ADD v VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT "
        "''",
        "ALTER TABLE t ADD v VARCHAR(9) CHARSET binary NULL UNIQUE KEY",
        "ALTER TABLE t ADD INDEX i (a(10) DESC, b) USING BTREE COMMENT 'x'",
        "ALTER TABLE t ADD UNIQUE INDEX (a), ADD KEY k (b), ADD PRIMARY KEY (c)",
        "ALTER TABLE t ADD FULLTEXT KEY ft (a) WITH PARSER ngram",
        "ALTER TABLE t ADD CONSTRAINT u UNIQUE (a)",
        "ALTER TABLE t ADD INDEX fi ((lower(a)))",
        "ALTER TABLE t ALTER INDEX i INVISIBLE",
        "ALTER TABLE t ALTER a SET DEFAULT 'x', ALTER COLUMN b DROP DEFAULT",
        "ALTER TABLE t RENAME INDEX a TO b",
        "ALTER TABLE t ADD a INT, ALGORITHM=INPLACE, LOCK=NONE",
        "ALTER TABLE t FORCE",
        "ALTER TABLE t COLLATE utf8mb4_general_ci",
        "ALTER TABLE t DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin",
        "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        "ALTER TABLE t STATS_PERSISTENT=1 PAGE_COMPRESSED=1 ENGINE='InnoDB'",
        "ALTER TABLE t DROP COLUMN IF EXISTS a",
        "ALTER TABLE IF EXISTS t DROP COLUMN a",
        "ALTER TABLE t ADD status INT, ADD date DATE, ADD comment TEXT, ADD `select` INT",
        "ALTER TABLE t TRUNCATE PARTITION ALL",
        "ALTER TABLE t DROP PARTITION p0, p1",
        "ALTER TABLE t REORGANIZE PARTITION p0 INTO (PARTITION a VALUES LESS THAN (10), PARTITION "
        "b VALUES LESS THAN MAXVALUE)",
        "ALTER TABLE t ADD PARTITION (PARTITION p VALUES IN (1, -2) ENGINE = InnoDB)",
    };
    for (const std::string& statement : statements) {
        EXPECT_EQ(run_of(statement), "long") << statement;
    }
}

TEST(Ddl, RenamingAColumnIsMaybeNoCheckAlter) {
    EXPECT_EQ(run_of("ALTER TABLE t RENAME COLUMN a TO b"), "maybenocheckalter");
    EXPECT_EQ(run_of("ALTER TABLE t ADD c INT, CHANGE a b INT"), "maybenocheckalter");
    EXPECT_EQ(run_of("ALTER TABLE t RENAME COLUMN a TO a"), "long");
}

TEST(Ddl, AcceptsCreatesAndViews) {
    const std::vector<std::string> statements = {
        "CREATE TABLE IF NOT EXISTS t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, v TEXT, KEY "
        "(v(9)))"
        " ENGINE=InnoDB, DEFAULT CHARSET=utf8mb4 COMMENT='x'",
        "CREATE TABLE t LIKE u",
        "CREATE TABLE t (LIKE d.u)",
        "CREATE TABLE t AS SELECT * FROM u WHERE a > 1",
        "CREATE TABLE t (a INT) IGNORE SELECT 1",
        "CREATE TEMPORARY TABLE t (a INT)",
        "CREATE OR REPLACE VIEW v AS SELECT * FROM t",
        "CREATE ALGORITHM=MERGE DEFINER=`root`@`%` SQL SECURITY INVOKER VIEW d.v (a, b) AS SELECT "
        "1, 2",
        "CREATE DEFINER=CURRENT_USER VIEW v AS SELECT a->>'$.b' FROM t WHERE a <=> 1",
        "DROP TABLE IF EXISTS t RESTRICT",
        "DROP TEMPORARY TABLE t",
        "DROP VIEW IF EXISTS v CASCADE",
    };
    for (const std::string& statement : statements) {
        EXPECT_EQ(run_of(statement), "short") << statement;
    }
}

TEST(Ddl, CommentsAreDroppedAndCarriageReturnsRemoved) {
    EXPECT_EQ(normal_form("ALTER /* a\nb */ TABLE t # x\n ADD a INT -- y\n, ADD b INT\r\n"),
              "ALTER TABLE t ADD a INT , ADD b INT");
    EXPECT_EQ(normal_form("ALTER TABLE t ADD a INT /*!50000 , ADD b INT */"),
              "ALTER TABLE t ADD a INT");
    EXPECT_EQ(normal_form("ALTER TABLE t COMMENT = '/* no comment */ -- # '"),
              "ALTER TABLE t COMMENT = '/* no comment */ -- # '");
}

TEST(Ddl, QuotedTextIsKeptByteForByte) {
    EXPECT_EQ(normal_form("ALTER TABLE `a  b``c` COMMENT='it''s \\' \t x', ADD `\xc3\xa4` INT"),
              "ALTER TABLE `a  b``c` COMMENT = 'it''s \\' \t x' , ADD `\xc3\xa4` INT");
}

TEST(Ddl, LiteralsWithAPrefixStayInOnePiece) {
    EXPECT_EQ(normal_form("ALTER TABLE t ADD b BIT DEFAULT b'0', ADD c TEXT DEFAULT _utf8mb4'x'"),
              "ALTER TABLE t ADD b BIT DEFAULT b'0' , ADD c TEXT DEFAULT _utf8mb4'x'");
}

TEST(Ddl, AFunctionKeepsItsParenthesis) {
    EXPECT_EQ(normal_form("CREATE VIEW v AS SELECT count(*), max( a ), f(b) FROM t"),
              "CREATE VIEW v AS SELECT count( * ) , max( a ) , f ( b ) FROM t");
}

TEST(Ddl, TheDefinerIsWrittenAsTheOriginalWroteIt) {
    EXPECT_EQ(normal_form("CREATE DEFINER=root@localhost VIEW v AS SELECT 1"),
              "CREATE DEFINER = root @localhost VIEW v AS SELECT 1");
    EXPECT_EQ(normal_form("CREATE DEFINER='a'@'%' VIEW v AS SELECT 1"),
              "CREATE DEFINER = 'a' @'%' VIEW v AS SELECT 1");
}

TEST(Ddl, NormalFormsOfNormalFormsAreTheSame) {
    for (const Example& example : original_examples()) {
        const auto parsed = parse_ddl(example.input);
        if (parsed.ok()) {
            const auto again = parse_ddl(parsed->statement_as_written);
            ASSERT_TRUE(again.ok()) << parsed->statement_as_written;
            EXPECT_EQ(again->statement_as_written, parsed->statement_as_written);
        }
    }
}

// -- names ----------------------------------------------------------------------------------------

TEST(Ddl, NamesComeInParts) {
    const auto name_of = [](const std::string& statement) {
        const auto parsed = parse_ddl(statement);
        return parsed.ok() ? parsed->name : TableName{std::nullopt, parsed.error().message};
    };
    EXPECT_EQ(name_of("DROP TABLE t"), (TableName{std::nullopt, "t"}));
    EXPECT_EQ(name_of("DROP TABLE d.t"), (TableName{"d", "t"}));
    EXPECT_EQ(name_of("DROP TABLE `d.x`.`t.y`"), (TableName{"d.x", "t.y"}));
    EXPECT_EQ(name_of("DROP TABLE `d` . `t`"), (TableName{"d", "t"}));
    EXPECT_EQ(name_of("DROP TABLE `a``b c-d`"), (TableName{std::nullopt, "a`b c-d"}));
    EXPECT_EQ(name_of("DROP TABLE \xc3\xa4\xc3\xb6"),
              (TableName{std::nullopt, "\xc3\xa4\xc3\xb6"}));
    const std::string longest(64, 'x');
    EXPECT_EQ(name_of("DROP TABLE " + longest).name, longest);
    EXPECT_EQ((TableName{"d.x", "t`y"}).quoted(), "`d.x`.`t``y`");
    EXPECT_EQ((TableName{"d", "t"}).text(), "d.t");
    EXPECT_EQ(quote_identifier("a`b"), "`a``b`");
}

TEST(Ddl, FlagsOfTheHeadAreVisible) {
    EXPECT_TRUE(parse_ddl("ALTER IGNORE TABLE t ADD a INT").value().ignore);
    EXPECT_TRUE(parse_ddl("DROP TABLE IF EXISTS t").value().if_exists);
    EXPECT_TRUE(parse_ddl("CREATE TABLE IF NOT EXISTS t (a INT)").value().if_not_exists);
    EXPECT_TRUE(parse_ddl("CREATE OR REPLACE VIEW v AS SELECT 1").value().or_replace);
    EXPECT_TRUE(parse_ddl("DROP TEMPORARY TABLE t").value().temporary);
    const auto plain = parse_ddl("ALTER TABLE t ADD a INT").value();
    EXPECT_FALSE(plain.ignore || plain.if_exists || plain.or_replace || plain.temporary);
}

TEST(Ddl, DroppedForeignKeysAreToggledAndBack) {
    const std::string statement = "ALTER TABLE t DROP FOREIGN KEY fk , DROP FOREIGN KEY `_f``k`";
    const auto parsed = parse_ddl(statement);
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(parsed->statement, "ALTER TABLE t DROP FOREIGN KEY _fk , DROP FOREIGN KEY `f``k`");
    EXPECT_EQ(parsed->statement_as_written, statement);
    EXPECT_EQ(parsed->dropped_foreign_keys, (std::vector<std::string>{"fk", "_f`k"}));
    EXPECT_EQ(toggle_dropped_foreign_keys(parsed->statement).value(), statement);
    EXPECT_EQ(toggle_dropped_foreign_keys("DROP TABLE t").value(), "DROP TABLE t");
    EXPECT_EQ(normal_form("ALTER TABLE t DROP FOREIGN KEY _set"),
              "ALTER TABLE t DROP FOREIGN KEY `set`");
}

TEST(CanonicalDdl, IsTheSameHoweverTheStatementWasSpaced) {
    const std::string expected = "ALTER TABLE t ADD INDEX i ( a ) , ADD b INT DEFAULT 'x  y'";
    for (const char* text : {"ALTER TABLE t ADD INDEX i ( a ) , ADD b INT DEFAULT 'x  y'",
                             "ALTER TABLE t\n ADD INDEX i (a), ADD b INT DEFAULT 'x  y'",
                             "ALTER TABLE t /* why */ ADD INDEX i(a),ADD b INT DEFAULT 'x  y'"}) {
        EXPECT_EQ(canonical_ddl(text), expected) << text;
    }
    EXPECT_EQ(canonical_ddl("ADD INDEX (a)"), canonical_ddl("ADD INDEX ( a )"));
    EXPECT_EQ(canonical_ddl("'open"), "'open");
    EXPECT_EQ(canonical_ddl(""), "");
}

TEST(AlterSpecification, IsWhatFollowsTheTableName) {
    const std::vector<std::pair<std::string, std::string>> expected = {
        {"ALTER TABLE t ADD a INT , DROP b", "ADD a INT , DROP b"},
        {"ALTER TABLE `a b` . `c ``d` ADD `x y` ENUM ('a','b')", "ADD `x y` ENUM ('a','b')"},
        {"alter online ignore table`t`add a int", "add a int"},
        {"ALTER TABLE IF EXISTS t ENGINE = InnoDB", "ENGINE = InnoDB"},
        {"ALTER TABLE t", ""},
        {"ALTER TABLE t /* x */ ADD a INT/*y*/,DROP b", "ADD a INT ,DROP b"},
        {"ALTER TABLE t SOMETHING NEW", "SOMETHING NEW"},
    };
    for (const auto& [statement, text] : expected) {
        const auto rest = alter_specification(statement);
        ASSERT_TRUE(rest.ok()) << statement;
        EXPECT_EQ(rest->specification, text) << statement;
    }
}

TEST(AlterSpecification, OfANormalFormIsVerbatim) {
    for (const Example& example : original_examples()) {
        const auto parsed = parse_ddl(example.input);
        if (!parsed.ok() || parsed->action != Action::kAlter) {
            continue;
        }
        const auto rest = alter_specification(parsed->statement);
        ASSERT_TRUE(rest.ok());
        EXPECT_TRUE(parsed->statement.ends_with(rest->specification)) << parsed->statement;
        EXPECT_EQ(rest->name, parsed->name);
    }
}

TEST(AlterSpecification, ShowsTheFlagsAndTheName) {
    const auto rest = alter_specification("ALTER OFFLINE IGNORE TABLE `d.b`.`t` ADD a INT");
    ASSERT_TRUE(rest.ok());
    EXPECT_TRUE(rest->offline);
    EXPECT_FALSE(rest->online);
    EXPECT_TRUE(rest->ignore);
    EXPECT_EQ(rest->name, (TableName{"d.b", "t"}));
    EXPECT_FALSE(alter_specification("DROP TABLE t").ok());
    EXPECT_FALSE(alter_specification("ALTER TABLE").ok());
}

TEST(WithCreatedName, ReplacesOnlyTheName) {
    const TableName scratch{"d", "scr`atch"};
    const std::vector<std::pair<std::string, std::string>> expected = {
        {"CREATE TABLE t (a INT)", "CREATE TABLE `d`.`scr``atch` (a INT)"},
        {"CREATE TABLE IF NOT EXISTS `x`.`t`(t INT)", "CREATE TABLE `d`.`scr``atch` (t INT)"},
        {"CREATE TEMPORARY TABLE t LIKE t", "CREATE TEMPORARY TABLE `d`.`scr``atch` LIKE t"},
        {"CREATE OR REPLACE ALGORITHM = MERGE VIEW v AS SELECT 1",
         "CREATE ALGORITHM = MERGE VIEW `d`.`scr``atch` AS SELECT 1"},
        {"CREATE OR REPLACE VIEW v (a) AS SELECT 1", "CREATE VIEW `d`.`scr``atch` (a) AS SELECT 1"},
    };
    for (const auto& [statement, text] : expected) {
        const auto rewritten = with_created_name(statement, scratch);
        ASSERT_TRUE(rewritten.ok()) << rewritten.error().message;
        EXPECT_EQ(*rewritten, text);
    }
    EXPECT_FALSE(with_created_name("DROP TABLE t", scratch).ok());
}

TEST(Ddl, NoPrefixOfAStatementBreaksTheParser) {
    for (const Example& example : original_examples()) {
        const std::string text = example.input.substr(0, 200);
        for (std::size_t length = 0; length <= text.size(); ++length) {
            (void)parse_ddl(text.substr(0, length));
            (void)alter_specification(text.substr(length));
            (void)with_created_name(text.substr(0, length), {std::nullopt, "x"});
        }
    }
}

}  // namespace
}  // namespace shift
