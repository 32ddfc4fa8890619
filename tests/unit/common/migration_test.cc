#include "common/migration.h"

#include <gtest/gtest.h>

namespace shift {
namespace {

Json staged_item() {
    return *parse_json(R"({"id":17,"status":3,"lock_version":6,"staged":true,
        "cluster_name":"main","database":"shop","ddl_statement":"ALTER TABLE t ADD c INT",
        "final_insert":null,"table":"t","mode":0,"action":2,"runtype":1,"run_host":null,
        "host":"db1","port":3306,"custom_options":"{\"max_threads_running\":\"150\"}",
        "created_at":"2016-06-07T01:20:10.000Z","meta_request_id":null})");
}

std::string migration_error(const Json& item) {
    const auto parsed = parse_migration(item);
    return parsed.ok() ? "" : parsed.error().message;
}

TEST(ParseMigration, ReadsAStagedItem) {
    const auto migration = parse_migration(staged_item());
    ASSERT_TRUE(migration.ok()) << migration.error().message;
    EXPECT_EQ(migration->id, 17);
    EXPECT_EQ(migration->status, 3);
    EXPECT_EQ(migration->lock_version, 6);
    EXPECT_TRUE(migration->staged);
    EXPECT_EQ(migration->final_insert, "");
    EXPECT_EQ(migration->mode, Mode::kTable);
    EXPECT_EQ(migration->action, Action::kAlter);
    EXPECT_EQ(migration->runtype, Runtype::kLong);
    EXPECT_EQ(migration->run_host, "");
    EXPECT_EQ(migration->port, 3306);
    EXPECT_EQ(missing_for_step(*migration, Step::kRun), "");
}

TEST(ParseMigration, TakesNumbersInStrings) {
    Json item = staged_item();
    item["id"] = "17";
    item["port"] = "3306";
    item["mode"] = "1";
    item["runtype"] = "4";
    const auto migration = parse_migration(item);
    ASSERT_TRUE(migration.ok()) << migration.error().message;
    EXPECT_EQ(migration->id, 17);
    EXPECT_EQ(migration->port, 3306);
    EXPECT_EQ(migration->mode, Mode::kView);
    EXPECT_EQ(migration->runtype, Runtype::kNoCheckAlter);
}

TEST(ParseMigration, NeedsOnlyIdAndStatus) {
    EXPECT_TRUE(parse_migration(Json{{"id", 1}, {"status", 8}}).ok());
    EXPECT_EQ(migration_error(Json{{"status", 8}}), "migration: id: missing");
    EXPECT_EQ(migration_error(Json{{"id", 1}}), "migration 1: status: missing");
    EXPECT_EQ(migration_error(Json{{"id", 0}, {"status", 8}}), "migration: id: not positive");
    EXPECT_EQ(migration_error(Json::object()), "migration: id: missing");
    EXPECT_EQ(migration_error(Json::array()), "migration: not a JSON object");
}

TEST(ParseMigration, TakesNullAndEmptyModeAndActionForAbsent) {
    Json item = staged_item();
    item["mode"] = nullptr;
    item["action"] = "";
    const auto migration = parse_migration(item);
    ASSERT_TRUE(migration.ok());
    EXPECT_EQ(migration->mode, std::nullopt);
    EXPECT_EQ(migration->action, std::nullopt);
}

TEST(ParseMigration, NamesTheFieldThatIsMistyped) {
    const std::pair<const char*, Json> cases[] = {
        {"port", Json::array({1})},
        {"port", "many"},
        {"status", Json::object()},
        {"host", Json::object()},
        {"table", Json{"a"}},
        {"table", 5},
        {"host", 5},
        {"database", true},
        {"ddl_statement", 1.5},
        {"final_insert", 17},
        {"run_host", 5},
        {"custom_options", 5},
        {"mode", 7},
        {"action", -1},
        {"runtype", 3},
        {"runtype", "long"},
        {"lock_version", "x"},
        {"staged", "perhaps"},
        {"status", 4'000'000'000},
        {"port", 99'999'999'999LL},
    };
    for (const auto& [field, value] : cases) {
        Json item = staged_item();
        item[field] = value;
        const std::string error = migration_error(item);
        EXPECT_EQ(error.rfind(std::string("migration 17: ") + field + ": ", 0), 0U)
            << field << "=" << value.dump() << " gave '" << error << "'";
    }
}

TEST(ParseMigration, RefusesNulInNames) {
    Json item = staged_item();
    item["table"] = std::string("t\0x", 3);
    EXPECT_EQ(migration_error(item), "migration 17: table: holds a NUL character");
}

TEST(ParseMigration, NeverSkipsACancelOrPauseForAFieldItDoesNotNeed) {
    for (const int status : {9, 11}) {
        Json item = staged_item();
        item["status"] = status;
        item["runtype"] = 5;
        item["mode"] = 9;
        item["port"] = "none";
        item["table"] = Json::array();
        const auto migration = parse_migration(item);
        ASSERT_TRUE(migration.ok()) << migration.error().message;
        EXPECT_EQ(migration->runtype, Runtype::kUndecided);
        EXPECT_EQ(migration->table, "");
        EXPECT_EQ(missing_for_step(*migration, *step_of_status(status)), "");
    }
}

TEST(ParseMigration, TakesCustomOptionsGivenAsAnObject) {
    Json item = staged_item();
    item["custom_options"] = Json{{"max_threads_running", 7}};
    const auto migration = parse_migration(item);
    ASSERT_TRUE(migration.ok());
    EXPECT_EQ(parse_custom_options(migration->custom_options)->max_threads_running, 7);
}

TEST(MissingForStep, NamesWhatARunCannotDoWithout) {
    const Migration complete = *parse_migration(staged_item());
    const auto without = [&](void (*cut)(Migration&), Step step) {
        Migration migration = complete;
        cut(migration);
        return missing_for_step(migration, step);
    };
    for (const Step step : {Step::kPrepare, Step::kRun, Step::kRename}) {
        EXPECT_EQ(without([](Migration& m) { m.host.clear(); }, step), "host");
        EXPECT_EQ(without([](Migration& m) { m.port = 0; }, step), "port");
        EXPECT_EQ(without([](Migration& m) { m.port = 65536; }, step), "port");
        EXPECT_EQ(without([](Migration& m) { m.database.clear(); }, step), "database");
        EXPECT_EQ(without([](Migration& m) { m.table.clear(); }, step), "table");
        EXPECT_EQ(without([](Migration& m) { m.mode.reset(); }, step), "mode");
        EXPECT_EQ(without([](Migration& m) { m.action.reset(); }, step), "action");
        EXPECT_EQ(without([](Migration& m) { m.ddl_statement = "  "; }, step), "ddl_statement");
    }
    const auto undecided = [](Migration& m) { m.runtype = Runtype::kUndecided; };
    EXPECT_EQ(without(undecided, Step::kRun), "runtype");
    EXPECT_EQ(without(undecided, Step::kPrepare), "");
}

TEST(MissingForStep, IsNeverAnythingForPauseAndCancel) {
    EXPECT_EQ(missing_for_step(Migration{}, Step::kPause), "");
    EXPECT_EQ(missing_for_step(Migration{}, Step::kCancel), "");
}

TEST(CustomOptions, HaveDefaultsForMissingNullAndEmpty) {
    for (const char* text :
         {"", "null", " ", "{}", R"({"max_threads_running":"","config_path":null})",
          R"({"max_threads_running":null,"max_replication_lag":" "})"}) {
        const auto options = parse_custom_options(text);
        ASSERT_TRUE(options.ok()) << text;
        EXPECT_EQ(options->max_threads_running, 200);
        EXPECT_EQ(options->max_replication_lag, 1);
        EXPECT_EQ(options->config_path, "");
    }
}

TEST(CustomOptions, MayBeNumbersOrStrings) {
    const auto options = parse_custom_options(
        R"({"max_threads_running":150,"max_replication_lag":"5","config_path":"/etc/osc.conf",
            "recursion_method":"none","engine":"pt-osc","later":[1]})");
    ASSERT_TRUE(options.ok());
    EXPECT_EQ(options->max_threads_running, 150);
    EXPECT_EQ(options->max_replication_lag, 5);
    EXPECT_EQ(options->config_path, "/etc/osc.conf");
    EXPECT_EQ(options->recursion_method, "none");
    EXPECT_EQ(options->engine, "pt-osc");
}

TEST(CustomOptions, AllowLossIsTrueOrFalse) {
    for (const char* value : {"true", "\"true\"", "1", "\"1\""}) {
        EXPECT_TRUE(
            parse_custom_options(std::string(R"({"allow_loss":)") + value + "}")->allow_loss)
            << value;
    }
    for (const char* value : {"false", "\"0\"", "null", "\"\""}) {
        EXPECT_FALSE(
            parse_custom_options(std::string(R"({"allow_loss":)") + value + "}")->allow_loss)
            << value;
    }
    for (const char* value : {"\"perhaps\"", "2", "[true]", "{}"}) {
        const auto options = parse_custom_options(std::string(R"({"allow_loss":)") + value + "}");
        ASSERT_FALSE(options.ok()) << value;
        EXPECT_NE(options.error().message.find("allow_loss: not true or false"), std::string::npos);
    }
}

TEST(CustomOptions, RefuseWhatIsNoPositiveNumber) {
    for (const char* value :
         {"0", "-1", "\"abc\"", "1.5", "\"12x\"", "99999999999", "true", "[1]"}) {
        const auto options =
            parse_custom_options(std::string(R"({"max_threads_running":)") + value + "}");
        ASSERT_FALSE(options.ok()) << value;
        EXPECT_EQ(options.error().code, Errc::kInvalidArgument);
        EXPECT_NE(options.error().message.find("max_threads_running"), std::string::npos);
    }
    EXPECT_FALSE(parse_custom_options("[1]").ok());
    EXPECT_FALSE(parse_custom_options("{").ok());
    EXPECT_FALSE(parse_custom_options(R"({"config_path":{}})").ok());
}

TEST(CustomOptions, RefuseAnEngineThatIsNotThere) {
    for (const char* name : {"gh-ost", "LHM", "direct", "PT-OSC"}) {
        const auto options = parse_custom_options(std::string(R"({"engine":")") + name + "\"}");
        ASSERT_FALSE(options.ok()) << name;
        EXPECT_EQ(options.error().code, Errc::kInvalidArgument);
        EXPECT_TRUE(options.error().message.starts_with(std::string("custom option engine: '") +
                                                        name + "' is no engine"))
            << options.error().message;
    }
    const auto direct = parse_custom_options(R"({"engine":"direct"})");
    EXPECT_NE(direct.error().message.find("approve the migration as short"), std::string::npos);
    EXPECT_TRUE(parse_custom_options(R"({"engine":""})").ok());
    EXPECT_TRUE(parse_custom_options(R"({"engine":null})").ok());
}

TEST(CustomOptions, SurviveJson) {
    CustomOptions options;
    options.max_threads_running = 12;
    options.recursion_method = "hosts";
    const auto again = parse_custom_options(to_line(to_json(options)));
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(again->max_threads_running, 12);
    EXPECT_EQ(again->recursion_method, "hosts");
}

TEST(Names, AreInversesOfTheirParsers) {
    for (const Step step :
         {Step::kPrepare, Step::kRun, Step::kRename, Step::kPause, Step::kCancel}) {
        EXPECT_EQ(parse_step(step_name(step)), step);
        EXPECT_EQ(step_of_status(status_of_step(step)), step);
    }
    for (const Runtype runtype :
         {Runtype::kUndecided, Runtype::kLong, Runtype::kShort, Runtype::kNoCheckAlter}) {
        EXPECT_EQ(parse_runtype(runtype_name(runtype)), runtype);
    }
    for (const Action action : {Action::kCreate, Action::kDrop, Action::kAlter}) {
        EXPECT_EQ(parse_action(action_name(action)), action);
    }
    EXPECT_EQ(parse_mode(mode_name(Mode::kView)), Mode::kView);
    EXPECT_EQ(parse_step("dance"), std::nullopt);
}

TEST(Statuses, OfPeopleAreNoStep) {
    for (const int status : {-1, 1, 2, 4, 6, 7, 8, 10, 12, 13, 14, 15}) {
        EXPECT_EQ(step_of_status(status), std::nullopt) << status;
    }
}

TEST(Statuses, HaveNamesEvenWhenUnknown) {
    EXPECT_STREQ(api_status_name(4), "awaiting rename");
    EXPECT_STREQ(api_status_name(42), "status 42");
}

}  // namespace
}  // namespace shift
