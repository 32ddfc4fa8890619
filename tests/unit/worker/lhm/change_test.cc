#include "worker/lhm/change.h"

#include <gtest/gtest.h>

#include "worker/lhm/plan_file.h"

namespace shift::lhm {
namespace {

using Verb = ChangeStep::Verb;

TableShape users() {
    TableShape shape;
    shape.database = "app";
    shape.name = "users";
    shape.definition =
        "CREATE TABLE `users` (\n  `id` int(11) NOT NULL AUTO_INCREMENT,\n"
        "  `nick` varchar(9) COLLATE utf8mb4_bin NOT NULL DEFAULT 'x,y' COMMENT 'a',\n"
        "  PRIMARY KEY (`id`)\n) ENGINE=InnoDB";
    Index custom;
    custom.name = "custom";
    custom.columns = {{"a", false, 0, false}, {"b", false, 0, false}};
    shape.indexes = {custom};
    return shape;
}

std::string sql(Verb verb, const std::string& words, bool renames = true) {
    const auto step = parse_step(verb, words);
    if (!step.ok()) {
        return "bad: " + step.error().message;
    }
    ServerFlavour flavour;
    flavour.is_mariadb = true;
    flavour.version = renames ? 101100 : 100400;
    const auto statement = statement_of(*step, users(), "lhmn_users", flavour);
    return statement.ok() ? statement->sql : "refused: " + statement.error().message;
}

// The statements of LHM's verbs (lib/lhm/migrator.rb), on the shadow.
TEST(Change, VerbsBecomeStatementsOnTheShadow) {
    EXPECT_EQ(sql(Verb::kAddColumn, "logins INT(12) DEFAULT '0'"),
              "ALTER TABLE `app`.`lhmn_users` ADD COLUMN `logins` INT(12) DEFAULT '0'");
    EXPECT_EQ(sql(Verb::kRemoveColumn, "comment"),
              "ALTER TABLE `app`.`lhmn_users` DROP COLUMN `comment`");
    EXPECT_EQ(
        sql(Verb::kChangeColumn, "comment varchar(20) DEFAULT 'none' NOT NULL"),
        "ALTER TABLE `app`.`lhmn_users` MODIFY COLUMN `comment` varchar(20) DEFAULT 'none' NOT "
        "NULL");
    EXPECT_EQ(sql(Verb::kChangeColumn, "comment DROP DEFAULT"),
              "ALTER TABLE `app`.`lhmn_users` ALTER COLUMN `comment` DROP DEFAULT");
    EXPECT_EQ(sql(Verb::kRenameColumn, "nick:name"),
              "ALTER TABLE `app`.`lhmn_users` RENAME COLUMN `nick` TO `name`");
    // LHM loses AUTO_INCREMENT, character set and more here: the definition is the server's own.
    EXPECT_EQ(sql(Verb::kRenameColumn, "nick:name", false),
              "ALTER TABLE `app`.`lhmn_users` CHANGE COLUMN `nick` `name` varchar(9) COLLATE "
              "utf8mb4_bin NOT NULL DEFAULT 'x,y' COMMENT 'a'");
}

TEST(Change, IndexColumnsTakeLengthsAndOddNames) {
    EXPECT_EQ(sql(Verb::kAddIndex, "username(6),group (10),comment     (10)"),
              "CREATE INDEX `index_users_on_username_and_group_and_comment` ON "
              "`app`.`lhmn_users` (`username`(6), `group`(10), `comment`(10))");
    EXPECT_EQ(sql(Verb::kAddUniqueIndex, "mine=`a,b=c`,d desc"),
              "CREATE UNIQUE INDEX `mine` ON `app`.`lhmn_users` (`a,b=c`, `d` desc)");
    EXPECT_EQ(sql(Verb::kAddIndex, "a(1), b) , (c"), "refused: 'b) , (c' is no column of an index");
}

TEST(Change, AnIndexIsRemovedByColumnsOrName) {
    EXPECT_EQ(sql(Verb::kRemoveIndex, "a,b"), "ALTER TABLE `app`.`lhmn_users` DROP INDEX `custom`");
    EXPECT_EQ(sql(Verb::kRemoveIndex, "by_x=irrelevant"),
              "ALTER TABLE `app`.`lhmn_users` DROP INDEX `by_x`");
    EXPECT_EQ(sql(Verb::kRemoveIndex, "custom"),
              "ALTER TABLE `app`.`lhmn_users` DROP INDEX `custom`");
    EXPECT_EQ(sql(Verb::kRemoveIndex, "b,a"),
              "ALTER TABLE `app`.`lhmn_users` DROP INDEX `index_users_on_b_and_a`");
}

TEST(Change, RawStatementsNameTheTableOnce) {
    EXPECT_EQ(sql(Verb::kDdl, "alter table %s add column flag tinyint(1)"),
              "alter table `app`.`lhmn_users` add column flag tinyint(1)");
    EXPECT_EQ(sql(Verb::kDdl, "CREATE FULLTEXT INDEX f ON %s (c)"),
              "CREATE FULLTEXT INDEX f ON `app`.`lhmn_users` (c)");
    for (const char* bad :
         {"ALTER TABLE users ADD x INT", "DROP TABLE %s", "ALTER TABLE %s RENAME TO %s",
          "TRUNCATE %s", "ALTER TABLE %s RENAME TO other", "ALTER TABLE %s DROP PARTITION p0"}) {
        EXPECT_EQ(sql(Verb::kDdl, bad).substr(0, 7), "refused") << bad;
    }
    EXPECT_EQ(sql(Verb::kAlter, "TRUNCATE PARTITION p0").substr(0, 7), "refused");
}

TEST(Change, TablesAreNamedWithTheirDatabase) {
    EXPECT_EQ(parse_qualified_table("app.users")->table, "users");
    EXPECT_EQ(parse_qualified_table("`my.app`.`odd``t`")->database, "my.app");
    EXPECT_EQ(parse_qualified_table("`my.app`.`odd``t`")->table, "odd`t");
    EXPECT_EQ(parse_qualified_table("a.b.c")->table, "b.c");
    for (const char* bad : {"users", ".", "a.", ".b", "`a`b", "`a`.`b`c"}) {
        EXPECT_FALSE(parse_qualified_table(bad).ok()) << bad;
    }
}

constexpr const char* kPlan = R"yaml(
table: "`app`.`us.ers`"
changes:
  - add_column: arbitrary INT(12) DEFAULT 'a:b'
  - rename_column: {from: fnord, to: glorp}
  - add_index: [arbitrary_id, created_at]
  - add_unique_index: {columns: ["name(10)"], name: by_name}
  - remove_index: {name: old}
  - ddl: ALTER TABLE %s ADD COLUMN x INT
  - alter: ENGINE=InnoDB
options:
  throttler: time
  max_lag: 5
  max_load: [Threads_running=50, Innodb_row_lock_current_waits=3]
  no_switch: true
)yaml";

TEST(PlanFile, SaysWhatABlockOfRubySays) {
    const auto plan = parse_plan_file(kPlan);
    ASSERT_TRUE(plan.ok()) << plan.error().message;
    EXPECT_EQ(plan->change.table, "us.ers");
    ASSERT_EQ(plan->change.steps.size(), 7u);
    EXPECT_EQ(plan->change.steps[0].definition, "INT(12) DEFAULT 'a:b'");
    EXPECT_EQ(plan->change.steps[1].to, "glorp");
    EXPECT_EQ(plan->change.steps[3].columns, std::vector<std::string>{"name(10)"});
    EXPECT_TRUE(plan->no_switch);
    Options options;
    ASSERT_TRUE(apply_settings(plan->settings, options).ok());
    EXPECT_EQ(options.throttle.lag_max.count(), 5);
    EXPECT_EQ(options.chunk.rows, 2000);
    EXPECT_EQ(options.throttle.max_load.size(), 2u);
}

TEST(PlanFile, IsWrittenAsItIsRead) {
    const PlanFile plan = parse_plan_file(kPlan).value();
    const auto again = parse_plan_file(format_plan_file(plan));
    ASSERT_TRUE(again.ok()) << again.error().message << format_plan_file(plan);
    EXPECT_EQ(format_plan_file(*again), format_plan_file(plan));
    EXPECT_EQ(again->settings, plan.settings);
}

TEST(PlanFile, MistakesAreNamedWithTheirLine) {
    const auto message = [](const std::string& text) {
        const auto plan = parse_plan_file(text);
        return plan.ok() ? "" : plan.error().message;
    };
    EXPECT_EQ(message("table: a.b\nchanges:\n  - add_colum: x INT\n"),
              "line 3: there is no change 'add_colum'; did you mean add_column?");
    EXPECT_NE(
        message("table: a.b\nchanges:\n  - alter: x\noptions:\n  max_lagg: 1\n").find("line 5"),
        std::string::npos);
    EXPECT_NE(message("table: a.b\nchanges:\n  - rename_column: {from: a}\n").find("missing"),
              std::string::npos);
    EXPECT_NE(message("[1,"), "");
    EXPECT_NE(message("table: a\nchanges: [{alter: x}]\n"), "");
    EXPECT_NE(message("- 1"), "");
    EXPECT_NE(message("table: a.b\nother: 1\n"), "");
}

}  // namespace
}  // namespace shift::lhm
