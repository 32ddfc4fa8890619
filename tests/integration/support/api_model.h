#pragma once

#include <cstdint>
#include <map>
#include <mutex>
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

// The shift API as a runner sees it, in memory, with the transition rules of the original. Knows
// no DDL parser and no target database: a test writes down what `staged` shows, also things that
// the real API would never say. Thread-safe.
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
    // As create(), with members replaced by `overrides` (a null stays null) and those named in
    // `without` taken away: for inputs the real API would not produce.
    MigrationId create_odd(const Spec& spec, const Json& overrides,
                           const std::vector<std::string>& without = {});
    // Goes verbatim in front of the list that `staged` answers; "" = nothing.
    void prepend_to_staged(const std::string& raw_items);
    void set_list_limit(int limit);
    // As shift-api and unlike Rails: unstage also pins to `run_host`, and answers a repeat with the
    // same claim_id as the first time.
    void pin_at_unstage();

    // What people do. The status it has then.
    int approve(MigrationId id, int runtype = 0);  // 0: keep
    int start(MigrationId id);
    int pause(MigrationId id);
    int resume(MigrationId id);
    int rename(MigrationId id);
    int cancel(MigrationId id);
    // Any columns at all; lock_version rises.
    void set(MigrationId id, const Json& columns);

    Json get(MigrationId id) const;  // the stored columns
    int status(MigrationId id) const;
    bool staged(MigrationId id) const;
    std::string text(MigrationId id, const char* column) const;
    // file_type 0 = log, 1 = state; "" when there is none.
    std::string file(MigrationId id, int file_type) const;
    void put_file(MigrationId id, int file_type, const std::string& contents);

    // Every change of status by anyone, oldest first: "3>4 next_step".
    std::vector<std::string> history(MigrationId id) const;

    HttpReply handle(const HttpRequest& request);

  private:
    HttpReply staged_list() const;
    HttpReply post(const std::string& action, const Json& args);
    HttpReply append(const Json& args);
    HttpReply write(const Json& args);
    HttpReply read_file(const HttpRequest& request) const;
    void move(Json& row, int status, const std::string& by);
    int human(MigrationId id, const std::vector<int>& from, int to, bool stage, const char* by);

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

// Reads "a=b&c=d" (percent-encoded) into strings.
std::map<std::string, std::string> parse_query(const std::string& query);

}  // namespace shift::testing
