#include "ctl/api_client.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <deque>

namespace shift::ctl {
namespace {

// Answers in the order they were scripted and remembers what was asked.
struct ScriptedApi {
    std::vector<std::string> asked;
    std::deque<Result<HttpAnswer>> answers;

    ApiClient client() {
        return ApiClient(
            [this](const std::string& method, const std::string& path, const Json& body) {
                asked.push_back(fmt::format("{} {}{}", method, path,
                                            body.is_null() ? "" : " " + to_line(body)));
                if (answers.empty()) {
                    return Result<HttpAnswer>(Error{Errc::kInternal, "nothing scripted"});
                }
                auto answer = answers.front();
                answers.pop_front();
                return answer;
            });
    }
    void migration(int lock, const Json& actions = Json::array()) {
        answers.push_back(HttpAnswer{
            200, to_line(Json{{"migration", {{"id", 7}, {"status", 2}, {"lock_version", lock}}},
                              {"available_actions", actions}})});
    }
    void refuse(long status, const std::string& body) {
        answers.push_back(HttpAnswer{status, body});
    }
};

const std::string kStale = R"({"status":400,"errors":["Incorrect lock_version supplied."]})";
const std::string kInvalid = R"({"status":400,"errors":["Invalid action."]})";
const std::string kBoth =
    R"({"status":400,"errors":["Invalid action.","Incorrect lock_version supplied."]})";

TEST(ApiClient, SendsTheLockVersionItRead) {
    ScriptedApi api;
    api.migration(4);
    api.migration(5, {"rename"});
    const auto answer = api.client().act("start", 7, Json{{"auto_run", true}});
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    EXPECT_EQ(answer->actions, std::vector<std::string>{"rename"});
    EXPECT_EQ(api.asked,
              (std::vector<std::string>{
                  "GET migrations/7",
                  R"(POST migrations/start {"auto_run":true,"id":7,"lock_version":4})"}));
}

TEST(ApiClient, ReadsAgainWhenTheRunnerWasFaster) {
    ScriptedApi api;
    api.migration(4);
    api.refuse(400, kStale);
    api.migration(5);
    api.refuse(409, "");
    api.migration(6);
    api.migration(7);
    ASSERT_TRUE(api.client().act("rename", 7, Json::object()).ok());
    EXPECT_EQ(api.asked.back(), R"(POST migrations/rename {"id":7,"lock_version":6})");
}

TEST(ApiClient, GivesUpWhenItIsAlwaysTooLate) {
    ScriptedApi api;
    for (int lock = 1; lock < 20; ++lock) {
        api.migration(lock);
        api.refuse(400, kStale);
    }
    EXPECT_EQ(api.client().act("rename", 7, Json::object()).error().code, Errc::kConflict);
    EXPECT_EQ(api.asked.size(), 10U);
}

TEST(ApiClient, DoesNotRetryAnActionThatIsNotPossible) {
    ScriptedApi api;
    api.migration(4);
    api.refuse(400, kBoth);
    const auto answer = api.client().act("rename", 7, Json::object());
    EXPECT_EQ(answer.error().code, Errc::kInvalidArgument);
    EXPECT_EQ(api.asked.size(), 2U);
}

TEST(ApiClient, PausesAndCancelsWithoutALock) {
    ScriptedApi api;
    api.migration(4);
    ASSERT_TRUE(api.client().act_unlocked("cancel_cli", 7).ok());
    EXPECT_EQ(api.asked, std::vector<std::string>{R"(POST migrations/cancel_cli {"id":7})"});
    // Refusals then always name a lock_version too, which misleads.
    api.refuse(400, kBoth);
    EXPECT_EQ(api.client().act_unlocked("pause", 7).error().message, "Invalid action.");
}

TEST(ApiClient, DeletesWithTheLockInTheQuery) {
    ScriptedApi api;
    api.migration(3);
    api.refuse(200, "{}");
    ASSERT_TRUE(api.client().remove(7).ok());
    EXPECT_EQ(api.asked.back(), "DELETE migrations/7?lock_version=3");
    api.migration(3);
    api.refuse(400, kInvalid);
    EXPECT_EQ(api.client().remove(7).error().message, "Invalid action.");
}

TEST(ApiClient, TellsRefusalsApart) {
    const std::tuple<long, std::string, Errc, std::string> cases[] = {
        {404, R"({"status":404,"errors":["Migration not found."]})", Errc::kNotFound,
         "no such migration"},
        {404, "<html>", Errc::kNotFound, "no such migration"},
        {400, R"({"status":400,"errors":[]})", Errc::kInvalidArgument,
         "the API refused it without saying why"},
        {400, R"({"errors":["A.","B."]})", Errc::kInvalidArgument, "A. B."},
        {400, "not json", Errc::kInvalidArgument, "the API refused it without saying why"},
        {500, "<html>", Errc::kInvalidArgument, "the API answered HTTP 500 (its log says why)"},
        {503, "", Errc::kUnavailable, "the API answered HTTP 503"},
        {200, "<html>", Errc::kInvalidArgument,
         "the answer is none of a shift API (is rest_api right?)"},
        {200, R"({"migration":null})", Errc::kInvalidArgument,
         "the answer is none of a shift API (is rest_api right?)"},
    };
    for (const auto& [status, body, code, message] : cases) {
        ScriptedApi api;
        api.refuse(status, body);
        const auto answer = api.client().show(7);
        ASSERT_FALSE(answer.ok());
        EXPECT_EQ(answer.error().code, code) << body;
        EXPECT_EQ(answer.error().message, message);
    }
}

TEST(ApiClient, PassesTransportErrorsOn) {
    ScriptedApi api;
    api.migration(4);
    api.answers.push_back(Error{Errc::kDeadline, "POST x: timed out"});
    EXPECT_EQ(api.client().act("start", 7, Json::object()).error().code, Errc::kDeadline);
}

TEST(ApiClient, ReadsTheLog) {
    ScriptedApi api;
    api.refuse(200, R"({"id":1,"contents":"a\nb\n"})");
    api.refuse(200, R"({"id":1,"contents":null})");
    api.refuse(404, R"({"message":"File not found"})");
    EXPECT_EQ(*api.client().log_text(7), "a\nb\n");
    EXPECT_EQ(api.asked.back(), "GET migrations/get_file?migration_id=7&file_type=0");
    EXPECT_EQ(*api.client().log_text(7), "");
    EXPECT_EQ(api.client().log_text(7).error().code, Errc::kNotFound);
}

}  // namespace
}  // namespace shift::ctl
