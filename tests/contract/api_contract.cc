#include "tests/contract/api_contract.h"

#include <fmt/format.h>

namespace shift::testing {
namespace {

// status, staged, lock_version, as most answers are told apart.
Json at(int status, bool staged, int lock_version) {
    return {{"status", status}, {"staged", staged}, {"lock_version", lock_version}};
}

Json with(Json shown, const Json& more) {
    shown.update(more);
    return shown;
}

// The answers of the endpoints that people use wrap the migration.
Json wrapped(const Json& shown) {
    return {{"migration", shown}};
}

ContractCall post(const char* action, const Json& shows, Json body = Json::object()) {
    return {"POST", std::string("migrations/") + action, std::move(body), 200, shows};
}
ContractCall act(const char* action, const Json& shown, Json body = Json::object()) {
    body["lock_version"] = "now";
    return {"POST", std::string("migrations/") + action, std::move(body), 200, wrapped(shown)};
}
ContractCall refused(const char* action, Json body = Json::object()) {
    return {"POST", std::string("migrations/") + action, std::move(body), 400, nullptr};
}
ContractCall put(const Json& shows, Json body) {
    return {"PUT", "migrations/{id}", std::move(body), 200, shows};
}
ContractCall show(const Json& shown) {
    return {"GET", "migrations/{id}", nullptr, 200, wrapped(shown)};
}

const Json kUs = {{"run_host", "us"}, {"claim_id", "c1"}};
const Json kThem = {{"run_host", "them"}, {"claim_id", "c2"}};

// From filed to awaiting start.
std::vector<ContractCall> prepared(const std::vector<ContractCall>& rest) {
    std::vector<ContractCall> calls = {
        post("unstage", at(0, false, 1)), post("next_step", at(1, false, 2)),
        act("approve", with(at(2, false, 3), {{"runtype", 1}}), {{"runtype", "long"}})};
    calls.insert(calls.end(), rest.begin(), rest.end());
    return calls;
}

std::vector<ContractCall> running(const std::vector<ContractCall>& rest) {
    std::vector<ContractCall> calls = {
        act("start", at(3, true, 4)),
        post("unstage", with(at(3, false, 5), {{"run_host", "us"}}), kUs)};
    calls.insert(calls.end(), rest.begin(), rest.end());
    return prepared(calls);
}

std::vector<ContractCase> lives() {
    return {
        {.name = "AWholeLife",
         .calls = running({
             put(with(at(3, false, 6), {{"copy_percentage", 50}}), {{"copy_percentage", 50}}),
             put(at(3, false, 6), {{"copy_percentage", 50}}),
             act("pause", at(11, true, 7)),
             post("unstage", at(11, false, 8), kUs),
             post("unpin_run_host", with(at(11, false, 9), {{"run_host", nullptr}})),
             post("next_step", at(12, false, 10)),
             act("resume", at(3, true, 11)),
             post("unstage", at(3, false, 12), kUs),
             post("offer", with(at(3, true, 13), {{"run_host", "us"}})),
             post("unstage", at(3, false, 14), kUs),
             post("next_step", at(4, false, 15)),
             post("next_step", at(4, false, 15)),
             act("rename", at(5, true, 16)),
             post("unstage", at(5, false, 17), kUs),
             put(with(at(5, false, 18), {{"table_rows_end", 7}}),
                 {{"table_rows_end", 7}, {"table_size_end", nullptr}}),
             post("complete", at(8, false, 19)),
             post("complete", at(8, false, 20)),
         })},
        {.name = "AShortLife",
         .ddl = "CREATE TABLE fresh (id INT)",
         .calls = {post("unstage", at(0, false, 1)), post("next_step", at(1, false, 2)),
                   refused("approve", {{"runtype", "long"}, {"lock_version", "now"}}),
                   act("approve", with(at(2, false, 3), {{"runtype", 2}}), {{"runtype", "short"}}),
                   act("start", at(3, true, 4)), post("unstage", at(3, false, 5)), refused("pause"),
                   post("complete", at(8, false, 6))}},
        {.name = "ASmallTableIsApprovedShortOnly",
         .calls = {post("unstage", at(0, false, 1)),
                   put(at(0, false, 2), {{"table_rows_start", 5000}}),
                   post("next_step", at(1, false, 3)),
                   refused("approve", {{"runtype", "long"}, {"lock_version", "now"}}),
                   act("approve", with(at(2, false, 4), {{"runtype", 2}}),
                       {{"runtype", "short"}})}},
        {.name = "AnErrorIsResumed",
         .calls = running({post("error", with(at(13, false, 6), {{"error_message", "it broke"}}),
                                {{"error_message", "it broke"}}),
                           post("error", at(13, false, 6), {{"error_message", "again"}}),
                           act("resume", with(at(3, true, 7), {{"error_message", nullptr}}))})},
        {.name = "AFailureIsFinal",
         .calls = running({post("fail", with(at(10, false, 6), {{"error_message", "no"}}),
                                {{"error_message", "no"}}),
                           refused("resume", {{"lock_version", "now"}}), refused("cancel_cli")})},
    };
}

std::vector<ContractCase> claims() {
    return {
        {.name = "ARepeatOfTheSameClaimIsAnsweredAsTheFirst",
         .calls = {post("unstage", with(at(0, false, 1), {{"run_host", "us"}}), kUs),
                   post("unstage", with(at(0, false, 1), {{"run_host", "us"}}), kUs),
                   post("unstage", Json::object(), kThem), post("unstage", Json::object())}},
        {.name = "StagingEndsTheClaim",
         .calls = running({post("offer", at(3, true, 6)), post("unstage", at(3, false, 7)),
                           post("unstage", Json::object(), kUs)})},
        {.name = "WithoutAClaimARepeatIsEmpty",
         .calls = {post("unstage", with(at(0, false, 1), {{"run_host", nullptr}})),
                   post("unstage", Json::object())}},
        {.name = "APinnedMigrationIsUnstagedByItsOwnHost",
         .calls = running({act("pause", with(at(11, true, 6), {{"run_host", "us"}})),
                           post("unstage", Json::object(), kThem),
                           show(with(at(11, true, 6), {{"run_host", "us"}})),
                           post("unstage", with(at(11, false, 7), {{"run_host", "us"}}), kUs)})},
        {.name = "ARunnerThatDoesNotSayWhoItIsIsNotRefused",
         .calls = running({act("pause", at(11, true, 6)),
                           post("unstage", with(at(11, false, 7), {{"run_host", "us"}}))})},
        {.name = "NextStepWaitsForTheUnstage",
         .calls = {post("next_step", at(0, true, 0)), post("unstage", at(0, false, 1)),
                   post("next_step", at(1, false, 2)), post("next_step", at(1, false, 2))}},
        {.name = "OfferAndErrorAreForRunsOnly",
         .calls = prepared({post("offer", at(2, false, 3)), post("error", at(2, false, 3))})},
        {.name = "ACancelledMigrationBecomesFailedByNextStep",
         .calls =
             running({act("cancel_cli", at(9, true, 6)), post("next_step", at(9, true, 6)),
                      post("unstage", at(9, false, 7), kUs), post("next_step", at(10, false, 8))})},
        {.name = "CompleteAndFailHaveNoGuard",
         .calls = running({act("cancel_cli", at(9, true, 6)), post("complete", at(8, true, 7)),
                           post("fail", at(10, true, 8))})},
        {.name = "CancelOfARunner",
         .calls = running({post("cancel", at(9, true, 6)), post("cancel", at(9, true, 6))})},
    };
}

std::vector<ContractCase> people() {
    return {
        {.name = "AnOldLockVersionIsRefused",
         .calls = prepared({refused("start", {{"lock_version", 2}}), refused("start"),
                            act("start", at(3, true, 4))})},
        {.name = "PauseAndCancelNeedNone",
         .calls = running(
             {{"POST", "migrations/pause", Json::object(), 200, wrapped(at(11, true, 6))},
              {"POST", "migrations/cancel_cli", Json::object(), 200, wrapped(at(9, true, 7))}})},
        {.name = "EnqueueAndDequeue",
         .calls = prepared({act("enqueue", with(at(14, false, 4), {{"auto_run", true}})),
                            refused("start", {{"lock_version", "now"}}),
                            act("dequeue", with(at(2, false, 5), {{"auto_run", false}}))})},
        {.name = "AutoRun",
         .calls =
             prepared({act("start", with(at(3, true, 4), {{"auto_run", true}, {"editable", false}}),
                           {{"auto_run", true}})})},
        {.name = "Unapprove",
         .calls = prepared({act("unapprove", with(at(1, false, 4), {{"runtype", 0}}))})},
        {.name = "WhatIsRunningIsNotDeleted",
         .calls = running({{"DELETE", "migrations/{id}", {{"lock_version", "now"}}, 400, nullptr},
                           show(at(3, false, 5))})},
        {.name = "WhatIsFiledIsDeleted",
         .calls = {{"DELETE", "migrations/{id}", {{"lock_version", 7}}, 400, nullptr},
                   {"DELETE", "migrations/{id}", {{"lock_version", "now"}}, 200, Json::object()},
                   {"GET",
                    "migrations/{id}",
                    nullptr,
                    404,
                    {{"status", 404}, {"errors", {"Migration not found."}}}},
                   {"POST", "migrations/next_step", Json::object(), 404, nullptr},
                   {"PUT", "migrations/{id}", {{"copy_percentage", 1}}, 404, nullptr}}},
        {.name = "NonsenseIsNoMigration",
         .ddl = "",
         .calls = {{"POST",
                    "migrations",
                    {{"cluster_name", "main"},
                     {"database", "d"},
                     {"ddl_statement", "DROP IT"},
                     {"pr_url", "x"},
                     {"requestor", "r"}},
                    400,
                    nullptr}}},
    };
}

std::vector<ContractCase> files() {
    const auto file = [](const char* call, int type, const char* text) {
        return ContractCall{"POST",
                            std::string("migrations/") + call,
                            {{"file_type", type}, {"contents", text}},
                            200,
                            {{"file_type", type}}};
    };
    const auto get = [](int type, int status, const Json& shows) {
        return ContractCall{
            "GET", fmt::format("migrations/get_file?migration_id={{id}}&file_type={}", type),
            nullptr, status, shows};
    };
    return {
        {.name = "ALogGrows",
         .calls = {get(0, 404, {{"message", "File not found"}}), file("append_to_file", 0, "a\n"),
                   file("append_to_file", 0, "\xc3\xa9\n"),
                   get(0, 200, {{"contents", "a\n\xc3\xa9\n"}})}},
        {.name = "AStateFileIsReplaced",
         .calls = {file("write_file", 1, "old"), file("write_file", 1, "new"),
                   get(1, 200, {{"contents", "new"}}), get(0, 404, nullptr)}},
        {.name = "EachKindHasItsCall",
         .calls = {{"POST",
                    "migrations/append_to_file",
                    {{"file_type", 1}, {"contents", "x"}},
                    400,
                    {{"message", "File type not appendable"}}},
                   {"POST",
                    "migrations/write_file",
                    {{"file_type", 0}, {"contents", "x"}},
                    400,
                    {{"message", "File type not writable"}}}}},
        {.name = "PutChangesOnlyWhatItMay",
         .calls = {put(with(at(0, true, 1), {{"run_host", "us"}, {"work_directory", "w"}}),
                       {{"run_host", "us"},
                        {"work_directory", "w"},
                        {"status", 8},
                        {"staged", false},
                        {"lock_version", 99}}),
                   put(with(at(0, true, 2), {{"run_host", nullptr}}), {{"run_host", nullptr}})}},
        {.name = "StagedShowsWhatARunnerNeeds",
         .calls = {{"GET", "migrations/staged", nullptr, 200,
                    Json::array({{{"id", "{id}"},
                                  {"status", 0},
                                  {"staged", true},
                                  {"table", "t"},
                                  {"mode", 0},
                                  {"action", 2},
                                  {"runtype", 1},
                                  {"host", "db"},
                                  {"port", 3306}}})},
                   post("unstage", at(0, false, 1)),
                   {"GET", "migrations/staged", nullptr, 200, Json::array()}}},
    };
}

// -- running a case ---------------------------------------------------------------------------

std::string difference(const Json& wanted, const Json& got, const std::string& where) {
    if (wanted.is_null()) {
        return got.is_null() ? "" : fmt::format("{} is {}, not null", where, to_line(got));
    }
    if (wanted.is_object() && !wanted.empty() && got.is_object()) {
        for (const auto& [key, value] : wanted.items()) {
            if (!got.contains(key)) {
                return fmt::format("{} has no {}", where, key);
            }
            if (std::string text = difference(value, got[key], where + "." + key); !text.empty()) {
                return text;
            }
        }
        return "";
    }
    if (wanted.is_array() && got.is_array() && wanted.size() == got.size()) {
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            std::string text = difference(wanted[i], got[i], fmt::format("{}[{}]", where, i));
            if (!text.empty()) {
                return text;
            }
        }
        return "";
    }
    return wanted == got ? ""
                         : fmt::format("{} is {}, not {}", where, to_line(got), to_line(wanted));
}

// "{id}" in texts becomes the number; a value that is nothing else becomes a number itself.
Json with_id(Json value, std::int64_t id) {
    if (value.is_string() && value == "{id}") {
        return id;
    }
    if (value.is_structured()) {
        for (auto& item : value) {
            item = with_id(std::move(item), id);
        }
    }
    return value;
}

std::string path_with_id(std::string path, std::int64_t id) {
    if (const std::size_t found = path.find("{id}"); found != std::string::npos) {
        path.replace(found, 4, std::to_string(id));
    }
    return path;
}

class Runner {
  public:
    explicit Runner(const ContractApi& api) : api_(api) {}

    void create(const std::string& ddl) {
        const auto made = api_("POST", "migrations",
                               {{"cluster_name", "main"},
                                {"database", "d"},
                                {"ddl_statement", ddl},
                                {"pr_url", "http://example.org/1"},
                                {"requestor", "me"}});
        id_ =
            int_or(made.body.is_object() ? made.body.value("migration", Json()) : Json(), "id", 0);
    }

    std::string call(const ContractCall& call) {
        Json body = call.body;
        if (body.is_object() && call.path != "migrations") {
            const bool is_file = call.path.find("_file") != std::string::npos;
            if (call.method == "POST") {
                body[is_file ? "migration_id" : "id"] = id_;
            }
            if (string_or(body, "lock_version", "") == "now") {
                body["lock_version"] = lock_version();
            }
        }
        const ContractAnswer answer = api_(call.method, path_with_id(call.path, id_), body);
        const std::string what = fmt::format("{} {} {}", call.method, call.path, to_line(body));
        if (answer.status != call.status) {
            return fmt::format("{}: answered {}, not {}: {}", what, answer.status, call.status,
                               to_line(answer.body));
        }
        if (call.shows.is_null() || !answer.body_is_known) {
            return "";
        }
        const std::string text = difference(with_id(call.shows, id_), answer.body, "body");
        return text.empty() ? "" : what + ": " + text;
    }

    // Nothing staged is left to the next case's list.
    void tidy_up() {
        if (id_ > 0) {
            (void)api_("POST", "migrations/unstage", {{"id", id_}});
        }
    }

  private:
    std::int64_t lock_version() {
        const auto shown = api_("GET", path_with_id("migrations/{id}", id_), nullptr);
        return int_or(shown.body["migration"], "lock_version", -1);
    }

    const ContractApi& api_;
    std::int64_t id_ = 0;
};

}  // namespace

std::vector<ContractCase> api_contract() {
    std::vector<ContractCase> all;
    for (auto part : {lives(), claims(), people(), files()}) {
        std::move(part.begin(), part.end(), std::back_inserter(all));
    }
    return all;
}

std::string run_contract_case(const ContractCase& test, const ContractApi& api) {
    Runner runner(api);
    if (!test.ddl.empty()) {
        runner.create(test.ddl);
    }
    std::string found;
    for (const ContractCall& call : test.calls) {
        found = runner.call(call);
        if (!found.empty()) {
            break;
        }
    }
    runner.tidy_up();
    return found;
}

}  // namespace shift::testing
