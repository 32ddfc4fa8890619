#include "tests/integration/support/ctl.h"

#include <gtest/gtest.h>

#include "tests/integration/support/programs.h"
#include "tests/integration/support/temp_dir.h"

namespace shift::testing {

ToolResult ctl(Scenario& s, const std::vector<std::string>& words, milliseconds deadline) {
    std::vector<std::string> argv = {program("shift-supervisorctl"), "--config",
                                     s.supervisor().config_file()};
    argv.insert(argv.end(), words.begin(), words.end());
    return run_tool(argv, {}, deadline);
}

Json ctl_json(Scenario& s, const std::vector<std::string>& words, int code) {
    std::vector<std::string> with_json = {"--json"};
    with_json.insert(with_json.end(), words.begin(), words.end());
    const ToolResult result = ctl(s, with_json);
    EXPECT_EQ(result.status.code, code) << result.out << result.err;
    auto json = parse_json(result.out);
    EXPECT_TRUE(json.ok()) << result.out << result.err;
    return json.ok() ? *std::move(json) : Json::object();
}

std::string why_code(Scenario& s, MigrationId id) {
    const ToolResult result = ctl(s, {"--json", "why", std::to_string(id)});
    const auto json = parse_json(result.out);
    return json.ok() ? string_or(*json, "code", "none") : "none";
}

std::string against_status_schema(const std::string& json) {
    const std::string schema = std::string(SHIFT_SOURCE_ROOT) + "/docs/status.schema.json";
    const TempDir dir;
    spit(dir / "status.json", json);
    const ToolResult result = run_tool(
        {"python3", "-c",
         "import json, sys, jsonschema\n"
         "schema = json.load(open(sys.argv[1]))\n"
         "jsonschema.Draft7Validator.check_schema(schema)\n"
         "for e in jsonschema.Draft7Validator(schema).iter_errors(json.load(open(sys.argv[2]))):\n"
         "    print(list(e.path), e.message)\n",
         schema, dir / "status.json"});
    return result.out + (result.status.code == 0 ? "" : result.err);
}

}  // namespace shift::testing
