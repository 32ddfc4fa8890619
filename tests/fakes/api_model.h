#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/json.h"
#include "common/migration.h"

namespace shift::testing {

struct HttpRequest {
    std::string method = {};
    std::string path = {};  // without the query
    std::string query = {};
    std::string body = {};
};
struct HttpReply {
    int status = 200;
    std::string content_type = "application/json; charset=utf-8";
    std::string body = {};
    std::map<std::string, std::string> headers = {};
};

// An answer before it is put into HTTP. A null body stands for an HTML page.
struct ApiReply {
    int status = 200;
    Json body = {};
};

// The shift API in memory, with the transition rules of the original. One model serves the unit
// tests, the simulation and the integration tests; tests/contract holds it to the real shift-api.
// Knows no target database: a test writes down what `staged` shows, also things that the real API
// would never say. Thread-safe, except row().
class ApiModel {
  public:
    // What the columns and the `staged` list show for a new migration: status 0, staged.
    struct Spec {
        std::string database = {};
        std::string table = {};
        std::string ddl_statement = {};
        std::string final_insert = {};
        int mode = 0;     // 0 table, 1 view
        int action = 2;   // 0 create, 1 drop, 2 alter
        int runtype = 1;  // 0 undecided, 1 long, 2 short, 4 nocheckalter
        std::string host = "127.0.0.1";
        int port = 0;
        std::string custom_options =
            R"({"max_threads_running":"200","max_replication_lag":"1","config_path":"",)"
            R"("recursion_method":""})";
        int status = 0;
    };
    MigrationId create(const Spec& spec);
    // With a number of the caller's; what was there is replaced.
    void create_as(MigrationId id, const Spec& spec);
    // As create(), with members replaced by `overrides` (a null stays null) and those named in
    // `without` taken away: for inputs the real API would not produce.
    MigrationId create_odd(const Spec& spec, const Json& overrides,
                           const std::vector<std::string>& without = {});
    // Goes verbatim in front of the list that `staged` answers; "" = nothing.
    void prepend_to_staged(const std::string& raw_items);
    void set_list_limit(int limit);
    // As shift-api and unlike Rails: unstage also pins to `run_host`, and answers a repeat with the
    // same claim_id as the first time.
    void pin_at_unstage(bool on = true);

    // What people do. The status it has then.
    int approve(MigrationId id, int runtype = 0);  // 0: keep
    int start(MigrationId id);
    int pause(MigrationId id);
    int resume(MigrationId id);
    int rename(MigrationId id);
    int cancel(MigrationId id);
    // Any columns at all; lock_version rises.
    void set(MigrationId id, const Json& columns);

    // What the scheduler does every few seconds: starts what is enqueued, renames what was copied
    // with auto_run. The parallel limit of the original is not modelled.
    void run_scheduler();

    bool has(MigrationId id) const;
    Json get(MigrationId id) const;  // the stored columns
    // The columns themselves, to be looked at or changed in place by a single-threaded test.
    Json& row(MigrationId id) { return rows_.at(id); }
    int status(MigrationId id) const;
    bool staged(MigrationId id) const;
    std::string text(MigrationId id, const char* column) const;
    // file_type 0 = log, 1 = state; "" when there is none.
    std::string file(MigrationId id, int file_type) const;
    void put_file(MigrationId id, int file_type, const std::string& contents);

    // Every change of status by anyone, oldest first: "3>4 next_step".
    std::vector<std::string> history(MigrationId id) const;
    // The same, told while it happens, before the row changes; unstage and pins too (`to` is the
    // status then). `args` of the call; null for what people do through the functions above.
    struct Change {
        const Json& row;
        std::string by;
        int to = 0;
        const Json& args;
    };
    std::function<void(const Change&)> on_change;

    // One call; `path` begins behind /api/v1/ and may end in a query.
    ApiReply call(const std::string& method, const std::string& path, Json args);
    HttpReply handle(const HttpRequest& request);

  private:
    ApiReply route(const std::string& method, const std::string& rest, const Json& args);
    ApiReply by_id(const std::string& method, MigrationId id, const Json& args);
    ApiReply staged_list() const;
    ApiReply update(Json& row, const Json& args);
    ApiReply post(const std::string& action, const Json& args);
    ApiReply unstage(Json& row, const Json& args);
    ApiReply append(const Json& args);
    ApiReply write(const Json& args);
    ApiReply read_file(const Json& args) const;
    ApiReply not_found(const std::string& method) const;

    // What people's tools call (api_people.cc).
    ApiReply create_from(const Json& args);
    std::optional<ApiReply> people(const std::string& action, Json& row, const Json& args);
    ApiReply destroy(MigrationId id, const Json& args);
    static ApiReply shown_to_people(const Json& row);

    void insert(MigrationId id, const Spec& spec);
    void tell(const Json& row, const std::string& by, int to, const Json& args);
    void move(Json& row, int status, const std::string& by, const Json& args = {});
    void stage(Json& row);
    int human(MigrationId id, const std::vector<int>& from, int to, bool stages, const char* by);

    mutable std::mutex mutex_;
    std::map<MigrationId, Json> rows_;
    std::map<MigrationId, std::vector<std::string>> history_;
    std::map<std::pair<MigrationId, int>, std::string> files_;
    std::string raw_items_;
    std::int64_t now_ = 0;  // stands for updated_at
    MigrationId next_id_ = 1;
    int list_limit_ = 2;
    bool pins_at_unstage_ = false;
};

// What people may do with a migration: "approve_long", "start" ...
std::vector<std::string> available_actions(const Json& row);

// Reads "a=b&c=d" (percent-encoded) into strings.
std::map<std::string, std::string> parse_query(const std::string& query);

}  // namespace shift::testing
