#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/http.h"
#include "common/json.h"
#include "common/migration.h"
#include "common/result.h"

namespace shift::ctl {

// A migration and what people may do with it now.
struct ApiAnswer {
    Json migration = Json::object();
    std::vector<std::string> actions;  // available_actions: "start", "approve_long" ...
};

// The part of the shift API that people use. Source: /api/v1/migrations of square/shift ui/.
// Errors of all calls: kNotFound - no such migration; kInvalidArgument - refused, with the API's
// reasons; kConflict - somebody else changed it again and again; kUnavailable - not reachable,
// nothing was done; kDeadline - no answer: look before trying again.
class ApiClient {
  public:
    using Transport = std::function<Result<HttpAnswer>(const std::string& method,
                                                       const std::string& path, const Json& body)>;

    explicit ApiClient(Transport transport) : transport_(std::move(transport)) {}
    // `base` is the configuration's rest_api.
    static ApiClient over_http(const std::string& base, const HttpOptions& options);

    Result<ApiAnswer> show(MigrationId id) const;
    Result<ApiAnswer> create(const Json& fields) const;
    // POST migrations/<path> with id, the current lock_version and `fields`. The runner's progress
    // moves lock_version on, so a refusal for that alone is answered by reading it and trying
    // again.
    Result<ApiAnswer> act(const std::string& path, MigrationId id, const Json& fields) const;
    // The same for the two actions that take no lock_version: pause and cancel_cli.
    Result<ApiAnswer> act_unlocked(const std::string& path, MigrationId id) const;
    Status remove(MigrationId id) const;
    // The migrations that wait for a machine step and are pinned to `run_host`, as `staged` lists
    // them. shift-api only; nullopt: this API has no such list (the Rails app).
    Result<std::optional<std::vector<Json>>> of_run_host(const std::string& run_host) const;
    // The log that runners have sent. Errors: kNotFound - none was sent yet.
    Result<std::string> log_text(MigrationId id) const;

  private:
    Result<HttpAnswer> locked_call(
        MigrationId id, const std::function<Result<HttpAnswer>(std::int64_t lock)>& call) const;

    Transport transport_;
};

}  // namespace shift::ctl
