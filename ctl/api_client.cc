#include "ctl/api_client.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/text.h"

namespace shift::ctl {
namespace {

// A runner reports progress every few seconds; losing this often in a row is somebody else's work.
constexpr int kLockTries = 5;
constexpr std::string_view kWrongLock = "Incorrect lock_version";
constexpr std::string_view kWrongAction = "Invalid action";

std::vector<std::string> texts_of(const Json& value) {
    std::vector<std::string> texts;
    if (value.is_array()) {
        for (const Json& item : value) {
            texts.push_back(item.is_string() ? item.get<std::string>() : to_line(item));
        }
    }
    return texts;
}

std::vector<std::string> errors_of(const HttpAnswer& answer) {
    const auto body = parse_json(answer.body);
    if (!body.ok() || !body->is_object()) {
        return {};
    }
    if (body->contains("errors")) {
        return texts_of((*body)["errors"]);
    }
    const auto message = get_string(*body, "message");
    return message ? std::vector<std::string>{*message} : std::vector<std::string>{};
}

bool mentions(const std::vector<std::string>& errors, std::string_view what) {
    return std::any_of(errors.begin(), errors.end(), [what](const std::string& error) {
        return error.find(what) != std::string::npos;
    });
}

// The only complaint is the lock: the migration moved on between our read and our call.
bool is_stale(const HttpAnswer& answer) {
    if (answer.status == 409) {
        return true;
    }
    const auto errors = errors_of(answer);
    return answer.status == 400 && mentions(errors, kWrongLock) && !mentions(errors, kWrongAction);
}

// The error that an HTTP status other than 200 stands for.
Error refusal(const HttpAnswer& answer) {
    const auto status = static_cast<int>(answer.status);
    const auto errors = errors_of(answer);
    if (status == 404) {
        return Error{Errc::kNotFound, "no such migration", status};
    }
    if (status == 400 && !errors.empty()) {
        return Error{Errc::kInvalidArgument, fmt::format("{}", fmt::join(errors, " ")), status};
    }
    if (status == 400) {
        return Error{Errc::kInvalidArgument, "the API refused it without saying why", status};
    }
    // A proxy in front of an API that is away.
    if (status >= 502 && status <= 504) {
        return Error{Errc::kUnavailable, fmt::format("the API answered HTTP {}", status), status};
    }
    return Error{Errc::kInvalidArgument,
                 fmt::format("the API answered HTTP {} (its log says why)", status), status};
}

Result<ApiAnswer> read_answer(const HttpAnswer& answer) {
    if (answer.status != 200) {
        return refusal(answer);
    }
    const auto body = parse_json(answer.body);
    if (!body.ok() || !body->is_object() || !body->contains("migration") ||
        !(*body)["migration"].is_object()) {
        return Error{Errc::kInvalidArgument,
                     "the answer is none of a shift API (is rest_api right?)"};
    }
    ApiAnswer read;
    read.migration = (*body)["migration"];
    read.actions = texts_of(body->value("available_actions", Json::array()));
    return read;
}

}  // namespace

ApiClient ApiClient::over_http(const std::string& base, const HttpOptions& options) {
    return ApiClient(
        [base, options](const std::string& method, const std::string& path, const Json& body) {
            return http_call(method, join_url(base, path), body, options);
        });
}

Result<ApiAnswer> ApiClient::show(MigrationId id) const {
    ASSIGN_OR_RETURN(const HttpAnswer answer,
                     transport_("GET", fmt::format("migrations/{}", id), nullptr));
    return read_answer(answer);
}

Result<ApiAnswer> ApiClient::create(const Json& fields) const {
    ASSIGN_OR_RETURN(const HttpAnswer answer, transport_("POST", "migrations", fields));
    return read_answer(answer);
}

Result<HttpAnswer> ApiClient::locked_call(
    MigrationId id, const std::function<Result<HttpAnswer>(std::int64_t lock)>& call) const {
    for (int tried = 1;; ++tried) {
        ASSIGN_OR_RETURN(const ApiAnswer current, show(id));
        ASSIGN_OR_RETURN(HttpAnswer answer, call(int_or(current.migration, "lock_version", 0)));
        if (!is_stale(answer)) {
            return answer;
        }
        if (tried == kLockTries) {
            return Error{Errc::kConflict, "somebody else keeps changing this migration",
                         static_cast<int>(answer.status)};
        }
    }
}

Result<ApiAnswer> ApiClient::act(const std::string& path, MigrationId id,
                                 const Json& fields) const {
    ASSIGN_OR_RETURN(const HttpAnswer answer, locked_call(id, [&](std::int64_t lock) {
                         Json body = fields;
                         body["id"] = id;
                         body["lock_version"] = lock;
                         return transport_("POST", "migrations/" + path, body);
                     }));
    return read_answer(answer);
}

Result<ApiAnswer> ApiClient::act_unlocked(const std::string& path, MigrationId id) const {
    ASSIGN_OR_RETURN(const HttpAnswer answer,
                     transport_("POST", "migrations/" + path, Json{{"id", id}}));
    // Without a lock_version a refusal names one as well; that is not the reason.
    if (answer.status == 400 && mentions(errors_of(answer), kWrongAction)) {
        return Error{Errc::kInvalidArgument, "Invalid action.", 400};
    }
    return read_answer(answer);
}

Status ApiClient::remove(MigrationId id) const {
    ASSIGN_OR_RETURN(const HttpAnswer answer, locked_call(id, [&](std::int64_t lock) {
                         return transport_("DELETE",
                                           fmt::format("migrations/{}?lock_version={}", id, lock),
                                           nullptr);
                     }));
    if (answer.status != 200) {
        return refusal(answer);
    }
    return Ok{};
}

Result<std::optional<std::vector<Json>>> ApiClient::of_run_host(const std::string& run_host) const {
    ASSIGN_OR_RETURN(const HttpAnswer answer,
                     transport_("GET", "migrations?run_host=" + url_encoded(run_host), nullptr));
    const auto body = parse_json(answer.body);
    if (answer.status != 200 || !body.ok() || !body->is_array()) {
        if (answer.status >= 502 && answer.status <= 504) {
            return refusal(answer);
        }
        return std::optional<std::vector<Json>>();
    }
    return std::optional(std::vector<Json>(body->begin(), body->end()));
}

Result<std::string> ApiClient::log_text(MigrationId id) const {
    ASSIGN_OR_RETURN(
        const HttpAnswer answer,
        transport_("GET", fmt::format("migrations/get_file?migration_id={}&file_type=0", id),
                   nullptr));
    if (answer.status == 404) {
        return Error{Errc::kNotFound, "no log was sent to the API", 404};
    }
    if (answer.status != 200) {
        return refusal(answer);
    }
    const auto body = parse_json(answer.body);
    if (!body.ok() || !body->is_object()) {
        return Error{Errc::kInvalidArgument, "the answer is none of a shift API"};
    }
    return string_or(*body, "contents", "");
}

}  // namespace shift::ctl
