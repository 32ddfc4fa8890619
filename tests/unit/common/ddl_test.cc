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

std::string error_of(const std::string& statement, const DdlTarget* target = nullptr) {
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

void PrintTo(const Example& example, std::ostream* out) { *out << example.input; }

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
        {1, "ALTER TABLE Orders DROP FOREIGN KEY\n      fk_PerOrders /* ignore this */  , DROP "
            "FOREIGN KEY `a\n\nbc` -- , DROP FOREIGN KEY def",
         {}, "long", kAlter, "Orders",
         "ALTER TABLE Orders DROP FOREIGN KEY _fk_PerOrders , DROP FOREIGN KEY `_a\n\nbc`"},
        {2, "ALTERTABLE Orders DROP FOREIGN KEY fk_PerOrder", {}, "error", kAlter, "",
         "parse error on value \"ALTERTABLE\""},
        {3, "ALTER ONLINE IGNORE TAbLE`myTaBle` ROW_FORMAT DYNAMIC, CHECKSUM = 0", {}, "long",
         kAlter, "myTaBle",
         "ALTER ONLINE IGNORE TAbLE `myTaBle` ROW_FORMAT DYNAMIC , CHECKSUM = 0"},
        {4, "ALTER TABLE bogus DROP INDEX abc", {}, "maybeshort", kAlter, "bogus", ""},
        {5, "ALTER TABLE bogus DROP INDEX abc, DROP INDEX def", {}, "maybeshort", kAlter, "bogus",
         "ALTER TABLE bogus DROP INDEX abc , DROP INDEX def"},
        {6, "ALTER TABLE bogus DROP INDEX abc, MODIFY COLUMN x ENUM ('a', 'b', 'c')", {},
         "maybeshort", kAlter, "bogus",
         "ALTER TABLE bogus DROP INDEX abc , MODIFY COLUMN x ENUM ('a','b','c')"},
        {7, "ALTER TABLE bogus ENABLE KEYS, MODIFY COLUMN x ENUM ('a', 'b', 'c')", {}, "long",
         kAlter, "bogus", "ALTER TABLE bogus ENABLE KEYS , MODIFY COLUMN x ENUM ('a','b','c')"},
        {8, "ALTER TABLE bogus MODIFY COLUMN x ENUM ('a''def', 'b'     ,    'c''d'      ), MODIFY "
            "COLUMN y ENUM ('a', 'b', 'c')",
         {}, "maybeshort", kAlter, "bogus",
         "ALTER TABLE bogus MODIFY COLUMN x ENUM ('a''def','b','c''d') , MODIFY COLUMN y ENUM "
         "('a','b','c')"},
        {9, "ALTER TABLE bogus MODIFY COLUMN x ENUM (\"def\", 'b'     , 'c'), MODIFY COLUMN y ENUM "
            "('a', 'b', 'c')",
         {}, "error", kAlter, "", "only single quoted string supported"},
        {10, "ALTER TABLE bogus MODIFY COLUMN x ENUM ('a', 'b', 'c'), MODIFY COLUMN y INT", {},
         "long", kAlter, "bogus",
         "ALTER TABLE bogus MODIFY COLUMN x ENUM ('a','b','c') , MODIFY COLUMN y INT"},
        {11, "ALTER TABLE bogus MODIFY COLUMN x ENUM ('a', 'b', 'c')", {{"y", "enum('a','b')"}},
         "error", kAlter, "", "column not found"},
        {12, "ALTER TABLE bogus MODIFY COLUMN x ENUM ('a', 'b', 'c')",
         {{"y", "enum('a','b')"}, {"x", "enum('a','b')"}}, "maybeshort", kAlter, "bogus",
         "ALTER TABLE bogus MODIFY COLUMN x ENUM ('a','b','c')"},
        {13, "ALTER TABLE bogus MODIFY COLUMN x ENUM ('a', 'b', 'c'),\n      MODIFY COLUMN y ENUM "
             "('a', 'b', 'c')",
         {{"z", "enum('a','b')"}, {"x", "enum('a','b')"}}, "error", kAlter, "",
         "column not found"},
        {14, "ALTER TABLE bogus MODIFY COLUMN x ENUM ('z', 'x', 'yyy'),\n      MODIFY COLUMN y ENUM "
             "('', 'b', 'c')",
         {{"y", "enum('','b')"}, {"x", "enum('z','x')"}}, "maybeshort", kAlter, "bogus",
         "ALTER TABLE bogus MODIFY COLUMN x ENUM ('z','x','yyy') , MODIFY COLUMN y ENUM "
         "('','b','c')"},
        {15, "ALTER TABLE bogus MODIFY COLUMN y ENUM ('a', 'd')", {{"y", "enum('a','b')"}}, "long",
         kAlter, "bogus", "ALTER TABLE bogus MODIFY COLUMN y ENUM ('a','d')"},
        {16, "ALTER TABLE bogus MODIFY COLUMN x ENUM ('a', 'd','e'), MODIFY COLUMN y ENUM ('a', "
             "'d')",
         kEnumYAndX, "long", kAlter, "bogus",
         "ALTER TABLE bogus MODIFY COLUMN x ENUM ('a','d','e') , MODIFY COLUMN y ENUM ('a','d')"},
        {17, "ALTER TABLE bogus MODIFY COLUMN y ENUM ('a', 'd'), MODIFY COLUMN x ENUM ('a', "
             "'d','e')",
         kEnumYAndX, "long", kAlter, "bogus",
         "ALTER TABLE bogus MODIFY COLUMN y ENUM ('a','d') , MODIFY COLUMN x ENUM ('a','d','e')"},
        {18, "ALTER TABLE bogus MODIFY COLUMN x ENUM ('a')", kEnumYAndX, "long", kAlter, "bogus",
         ""},
        {19, "ALTER TABLE bogus MODIFY COLUMN x ENUM (" + numbered_values(255) + ")", kXEnum,
         "maybeshort", kAlter, "bogus", ""},
        {20, "ALTER TABLE bogus MODIFY COLUMN x ENUM (" + numbered_values(256) + ")", kXEnum,
         "long", kAlter, "bogus", ""},
        {21, "ALTER TABLE bogus ENGINE=InnoDB , ROW_FORMAT=COMPRESSED, KEY_BLOCK_SIZE=4, "
             "CHECKSUM=1, DROP FOREIGN KEY fk1",
         {}, "long", kAlter, "bogus",
         "ALTER TABLE bogus ENGINE = InnoDB , ROW_FORMAT = COMPRESSED , KEY_BLOCK_SIZE = 4 , "
         "CHECKSUM = 1 , DROP FOREIGN KEY _fk1"},
        {22, "ALTER TABLE bogus ENGINE=InnoDB , ROW_FORMAT=COMPRESSED, KEY_BLOCK_SIZE=4, "
             "CHECKSUM=1, DROP FOREIGN KEY _fk3",
         {}, "long", kAlter, "bogus",
         "ALTER TABLE bogus ENGINE = InnoDB , ROW_FORMAT = COMPRESSED , KEY_BLOCK_SIZE = 4 , "
         "CHECKSUM = 1 , DROP FOREIGN KEY fk3"},
        {23, "alter table abc MAX_ROWS = 1, UNION = (a, b, c), MIN_ROWS=0", {}, "long", kAlter,
         "abc", "alter table abc MAX_ROWS = 1 , UNION = ( a , b , c ) , MIN_ROWS = 0"},
        {24, "alter table `add` add column abc DATE", {}, "long", kAlter, "add", ""},
        {25, "alter table select add column abc DATE", {}, "error", kAlter, "",
         "parse error on value \"select\""},
        {26, "ALTER TABLE Persons\nADD DateOfBirth date", {}, "long", kAlter, "Persons",
         "ALTER TABLE Persons ADD DateOfBirth date"},
        {27, "ALTER TABLE Persons\nDISCARD TABLESPACE", {}, "long", kAlter, "Persons",
         "ALTER TABLE Persons DISCARD TABLESPACE"},
        {28, "ALTER TABLE Persons\nREMOVE PARTITIONING", {}, "long", kAlter, "Persons",
         "ALTER TABLE Persons REMOVE PARTITIONING"},
        {29, "ALTER TABLE Persons ENABLE KEYS\nREMOVE PARTITIONING", {}, "long", kAlter, "Persons",
         "ALTER TABLE Persons ENABLE KEYS REMOVE PARTITIONING"},
        {30, "ALTER TABLE transmission_entries ADD COLUMN live boolean DEFAULT NULL", {}, "long",
         kAlter, "transmission_entries", ""},
        {31, "ALTER TABLE invoices DROP INDEX `merchant_invoice_number`, DROP INDEX "
             "`invoices_merchant_token_state_index`, CHANGE COLUMN merchant_token VARCHAR(255) NULL",
         {}, "error", kAlter, "", "parse error on value \"VARCHAR\""},
        {32, "ALTER TABLE invoices", {}, "maybeshort", kAlter, "invoices", ""},
        {33, "DROP TABLE asd.dsa", {}, "short", kDrop, "asd.dsa", ""},
        {34, "DROP TABLE asd.dsa.def", {}, "error", kDrop, "", "parse error on value \".\""},
        {35, "CREATE TABLE Persons (PersonID int)", {}, "short", kCreate, "Persons",
         "CREATE TABLE Persons ( PersonID int )"},
        {36, "ALTER TABLE abc ORDER BY a, b, c", {}, "error", kAlter, "", "order by not supported"},
        {37, "ALTER TABLE abc REMOVE PARTITIONING", {}, "long", kAlter, "abc", ""},
        {38, "  ALTER TABLE abc REMOVE PARTITIONING", {}, "long", kAlter, "abc",
         "ALTER TABLE abc REMOVE PARTITIONING"},
        {39, "CREATE TABLE Persons\n(\nPersonID int,\nLastName varchar(255),\nFirstName "
             "varchar(255),\nAddress varchar(255),\nCity varchar(255)\n)",
         {}, "short", kCreate, "Persons",
         "CREATE TABLE Persons ( PersonID int , LastName varchar ( 255 ) , FirstName varchar ( 255 "
         ") , Address varchar ( 255 ) , City varchar ( 255 ) )"},
        {40, "CREATE VIEW asd AS def", {}, "short", kCreate, "asd", "", Mode::kView},
        {41, "DROP TABLE abc", {}, "short", kDrop, "abc", ""},
        {42, "DROP VIEW asd", {}, "short", kDrop, "asd", "", Mode::kView},
        {43, "ALTER TABLE asd CHANGE COLUMN dd dd ENUM('a', 'b')", {{"dd", "enum('a')"}},
         "maybeshort", kAlter, "asd", "ALTER TABLE asd CHANGE COLUMN dd dd ENUM ('a','b')"},
        {44, "ALTER TABLE asd CHANGE COLUMN dd de ENUM('a', 'b')", {{"dd", "enum('a')"}},
         "maybenocheckalter", kAlter, "asd", "ALTER TABLE asd CHANGE COLUMN dd de ENUM ('a','b')"},
        {45, "ALTER TABLE asd CHANGE COLUMN dd dd int(11)", {{"dd", "enum('a')"}}, "long", kAlter,
         "asd", "ALTER TABLE asd CHANGE COLUMN dd dd int ( 11 )"},
        {46, "ALTER TABLE asd CHANGE COLUMN dd de int(11)", {{"dd", "int(11)"}},
         "maybenocheckalter", kAlter, "asd", "ALTER TABLE asd CHANGE COLUMN dd de int ( 11 )"},
        {47, "ALTER TABLE asd CHANGE COLUMN dd de ENUM('a', 'b')", {{"de", "enum('a')"}}, "error",
         kAlter, "", "column not found"},
        {48, "ALTER TABLE abc", {}, "long", kAlter, "abc", "", Mode::kTable, false},
        {49, "ALTER TABLE abc", {}, "maybeshort", kAlter, "abc", "", Mode::kTable, true},
        {50, "DROP TABLE abc", {}, "short", kDrop, "abc", "", Mode::kTable, false},
    };
}

INSTANTIATE_TEST_SUITE_P(Ddl, OriginalExample, testing::ValuesIn(original_examples()),
                         [](const testing::TestParamInfo<Example>& test) {
                             return "Row" + std::to_string(test.param.number);
                         });

}  // namespace
}  // namespace shift
