// Names that are legal and that code likes to trip over.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>

#include "tests/integration/support/scenario.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

struct OddName {
    const char* label;
    std::string name;
    // pt-osc 3.2.1 cannot (as a table or as a column): refused at prepare with the name.
    bool copy_is_refused;
};
void PrintTo(const OddName& name, std::ostream* out) {
    *out << name.label;
}

std::vector<OddName> names() {
    return {
        {"Space", "my table", false},
        {"Spaces", "a  b c", false},
        {"Backtick", "a`b", true},
        {"Backticks", "``", true},
        {"Hyphen", "order-items", false},
        {"ReservedWord", "select", false},
        {"ReservedWordTable", "table", false},
        {"Quote", "it's", true},
        {"DoubleQuote", "say \"hi\"", false},
        {"Comma", "a,b", false},
        {"Dot", "a.b", false},
        {"Equals", "a=b", false},
        {"Dollar", "$money$", false},
        {"Digits", "2026", false},
        {"Semicolon", "a;b", false},
        {"Comment", "a--b/*c*/#d", false},
        {"Backslash", "a\\b", true},
        {"Percent", "100%", true},
        {"Underscores", "_a_new", false},
        {"Longest", std::string(64, 'x'), false},
        {"LongestOdd", std::string(60, 'y') + "-`;'", true},
        {"NonAscii", "t\xc3\xa4glich", true},
        {"NonAsciiLong", "\xe8\xa1\xa8\xe8\xa1\xa8\xe8\xa1\xa8", true},
        {"ShellWords", "$(touch x) && rm *", false},
    };
}

class NameTest : public ::testing::TestWithParam<OddName> {
  protected:
    // A small table called `name` with a column called so too, and its content.
    static std::string make(Scenario& s, const std::string& name) {
        const std::string quoted = "app." + quote_name(name);
        s.db().execute("CREATE TABLE " + quoted + " (id INT PRIMARY KEY, " +
                       quote_name("c" + name.substr(0, 60)) + " VARCHAR(20) NULL, filler INT)");
        s.db().execute("INSERT INTO " + quoted +
                       " SELECT seq, CONCAT('v', seq), seq FROM app.seq_1_to_200");
        return s.db().checksum("app", name);
    }
    static std::string make_alter(const std::string& name) {
        return "ALTER TABLE " + quote_name(name) + " ADD COLUMN " +
               quote_name("n" + name.substr(0, 60)) + " INT NULL";
    }
    static void expect_altered(Scenario& s, const std::string& name, const std::string& content) {
        const std::string columns = "id, " + quote_name("c" + name.substr(0, 60)) + ", filler";
        EXPECT_THAT(s.db().columns("app", name), Contains("n" + name.substr(0, 60)));
        EXPECT_EQ(s.db().checksum("app", name, columns), content);
        EXPECT_EQ(s.leftovers("app", {name}), "");
    }
};

TEST_P(NameTest, LongAlterThroughItsWholeLife) {
    Scenario s;
    const std::string& name = GetParam().name;
    const std::string content = make(s, name);
    const MigrationId id = s.submit({.ddl = make_alter(name), .table = name});
    if (GetParam().copy_is_refused) {
        s.await_status(id, 10);
        EXPECT_THAT(s.text(id, "error_message"), HasSubstr("cannot work on the name"));
        EXPECT_EQ(s.leftovers("app", {name}), "");
        EXPECT_EQ(s.db().checksum("app", name), content);
        return;
    }
    s.await_status(id, 1);
    s.approve(id);
    s.start_run(id);
    s.await_status(id, 4);
    s.rename(id);
    s.await_status(id, 8);
    expect_altered(s, name, content);
    const auto trash = s.db().tables("pending_drops");
    ASSERT_THAT(trash, SizeIs(1));
    EXPECT_EQ(s.db().checksum("pending_drops", trash[0]), content);
}

TEST_P(NameTest, ShortAlterThenCancelOfACopyThenDrop) {
    Scenario s;
    const std::string& name = GetParam().name;
    const std::string content = make(s, name);
    const MigrationId alter = s.submit({.ddl = make_alter(name), .table = name, .runtype = 2});
    s.bring_to_running(alter);
    s.await_status(alter, 8);
    expect_altered(s, name, content);

    const MigrationId copy = s.submit(
        {.ddl = "ALTER TABLE " + quote_name(name) + " ADD COLUMN more INT", .table = name});
    if (GetParam().copy_is_refused) {
        s.await_status(copy, 10);
    } else {
        s.await_status(copy, 1);
        s.approve(copy);
        s.start_run(copy);
        s.await_status(copy, 4);
        s.cancel(copy);
        s.await("the clean-up is done", [&] { return s.leftovers("app", {name}).empty(); });
        s.await_idle();
    }

    const std::size_t trash_before = s.db().tables("pending_drops").size();
    const MigrationId drop = s.submit(
        {.ddl = "DROP TABLE " + quote_name(name), .table = name, .action = 1, .runtype = 2});
    s.bring_to_running(drop);
    s.await_status(drop, 8);
    EXPECT_THAT(s.db().tables("app"), IsEmpty());
    EXPECT_THAT(s.db().tables("pending_drops"), SizeIs(trash_before + 1));
}

TEST_P(NameTest, CreateWithFinalInsert) {
    Scenario s;
    const std::string& name = GetParam().name;
    const MigrationId id =
        s.submit({.ddl = "CREATE TABLE " + quote_name(name) + " (id INT PRIMARY KEY, " +
                         quote_name("c" + name.substr(0, 60)) + " INT)",
                  .table = name,
                  .action = 0,
                  .runtype = 2});
    s.bring_to_prepared(id);
    EXPECT_THAT(s.db().tables("app"), IsEmpty());
    s.approve(id);
    s.start_run(id);
    s.await_status(id, 8);
    EXPECT_THAT(s.db().tables("app"), ElementsAre(name));
}

INSTANTIATE_TEST_SUITE_P(Names, NameTest, ::testing::ValuesIn([] {
                             // The rest of the list in the full size.
                             std::vector<OddName> chosen;
                             for (const OddName& name : names()) {
                                 const std::string label = name.label;
                                 const bool in_ci = label == "Space" || label == "Backtick" ||
                                                    label == "Hyphen" || label == "ReservedWord" ||
                                                    label == "Longest" || label == "LongestOdd" ||
                                                    label == "NonAscii" || label == "Comma" ||
                                                    label == "Percent" || label == "ShellWords";
                                 if (full_run() || in_ci) {
                                     chosen.push_back(name);
                                 }
                             }
                             return chosen;
                         }()),
                         [](const auto& one) { return std::string(one.param.label); });

// The database, not only the table.
TEST(Names, OddDatabaseAndTrashDatabase) {
    ScenarioOptions options;
    options.settings["pending_drops_db"] = "'old-`tables`'";
    Scenario s(options);
    s.db().execute("CREATE DATABASE `old-``tables```");
    Writers::make_table(s.db(), "my-app db", "order", 300);
    Writers writers(s.server(), "my-app db", "order");
    writers.start();
    const MigrationId id = s.submit({.ddl = "ALTER TABLE `order` ADD COLUMN `group` INT",
                                     .table = "order",
                                     .database = "my-app db"});
    s.bring_to_completed(id);
    writers.stop();
    EXPECT_THAT(writers.errors(), IsEmpty());
    EXPECT_EQ(Writers::difference(s.db(), "my-app db", "order"), "");
    EXPECT_EQ(s.leftovers("my-app db", {"order"}), "");
    EXPECT_THAT(s.db().tables("old-`tables`"), ElementsAre(EndsWith("_order")));
}

// With the real API too: its own parser reads the name.
TEST(Names, OddNamesThroughTheRealApi) {
    ScenarioOptions options;
    options.real_api = true;
    Scenario s(options);
    for (const std::string& name : {std::string("my `odd` table"), std::string("group")}) {
        SCOPED_TRACE(name);
        Writers::make_table(s.db(), "app", name, 100);
        const MigrationId id =
            s.submit({.ddl = "ALTER TABLE " + quote_name(name) + " ADD COLUMN `new col` INT",
                      .table = name});
        s.bring_to_completed(id);
        EXPECT_THAT(s.db().columns("app", name), Contains("new col"));
        EXPECT_EQ(Writers::difference(s.db(), "app", name), "");
    }
}

// Two tables whose trigger names pt-osc makes equal (odd characters become _, long names are cut).
TEST(Names, TablesWithEqualTriggerNamesDoNotHarmEachOther) {
    Scenario s;
    for (const char* name : {"a-b", "a_b"}) {
        Writers::make_table(s.db(), "app", name, 200);
    }
    const MigrationId first =
        s.submit({.ddl = "ALTER TABLE `a-b` ADD COLUMN extra INT", .table = "a-b"});
    const MigrationId second =
        s.submit({.ddl = "ALTER TABLE a_b ADD COLUMN extra INT", .table = "a_b"});
    s.bring_to_prepared(second);
    s.bring_to_copied(first);
    EXPECT_THAT(s.db().triggers("app"), SizeIs(3));
    s.approve(second);
    s.start_run(second);
    s.await("the second is refused, waits or is copied", [&] {
        const int status = s.status(second);
        return status == 10 || status == 13 || status == 4 ||
               !string_or(s.supervisor().migration(second), "error", "").empty();
    });
    EXPECT_NE(s.status(second), 4) << "the triggers' names are taken";
    EXPECT_THAT(s.db().column("SELECT DISTINCT EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS "
                              "WHERE TRIGGER_SCHEMA = 'app'"),
                ElementsAre("a-b"));
    s.rename(first);
    s.await_status(first, 8);
    EXPECT_EQ(Writers::difference(s.db(), "app", "a-b"), "");
    EXPECT_EQ(Writers::difference(s.db(), "app", "a_b"), "");
    EXPECT_THAT(s.db().columns("app", "a_b"), Not(Contains("extra")));
}

// The trigger SQL alone is longer than any pipe or line buffer of the original.
TEST(Names, TableOf600ColumnsWithLongNames) {
    Scenario s;
    std::string columns;
    std::string values;
    for (int i = 0; i < 600; ++i) {
        const std::string number = std::to_string(1000 + i);
        columns += ", `c" + number + std::string(54, 'n') + number.substr(1) + "` TINYINT NULL";
        values += ", seq % 100";
    }
    s.db().execute("CREATE TABLE app.wide (id INT PRIMARY KEY" + columns +
                   ") ENGINE=InnoDB ROW_FORMAT=DYNAMIC");
    s.db().execute("INSERT INTO app.wide SELECT seq" + values + " FROM app.seq_1_to_50");
    const std::string content =
        s.db().scalar("SELECT CONCAT(COUNT(*), ':', SUM(id)) FROM app.wide");
    const MigrationId id =
        s.submit({.ddl = "ALTER TABLE wide ADD COLUMN extra INT", .table = "wide"});
    s.bring_to_completed(id);
    EXPECT_THAT(s.db().columns("app", "wide"), SizeIs(602));
    EXPECT_EQ(s.db().scalar("SELECT CONCAT(COUNT(*), ':', SUM(id)) FROM app.wide"), content);
    EXPECT_EQ(s.leftovers("app", {"wide"}), "");
    EXPECT_EQ(s.file(id, 0), slurp(s.supervisor().files_dir(id) + "ptosc-output.log"));
}

}  // namespace
}  // namespace shift::testing
