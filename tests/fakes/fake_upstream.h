#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/upstream/upstream.h"

namespace shift {

// A shift API in memory with the rules the supervisor relies on (staging, pins, lock_version,
// transitions), as an Upstream. Answers wait until deliver(); faults are asked for per call.
class FakeUpstream final : public Upstream {
  public:
    enum class Fault {
        kNone,
        kLoseRequest,  // never reaches the API, no answer
        kLoseAnswer,   // the API does it, no answer
        kServerError,  // 500, nothing done
        kBadGateway,   // 502 from a proxy, nothing done
    };
    struct Row {
        Json fields;
        std::string claim_id;
    };

    // The fault for the n-th next call whose path contains `text`.
    std::function<Fault(const ApiRequest&)> fault = [](const ApiRequest&) { return Fault::kNone; };
    bool speaks_claim_id = true;  // shift-api does, the Rails app does not
    std::map<MigrationId, Row> rows;
    std::map<std::pair<MigrationId, std::string>, std::string> files;  // (id, file_type)
    std::vector<std::string> calls;                                    // "POST migrations/unstage"

    Json& add(MigrationId id, int status) {
        Row row;
        row.fields = Json{{"id", id},
                          {"status", status},
                          {"staged", true},
                          {"lock_version", 0},
                          {"cluster_name", "c"},
                          {"database", "shop"},
                          {"table", "orders"},
                          {"mode", 0},
                          {"action", 2},
                          {"runtype", 1},
                          {"ddl_statement", "ALTER TABLE orders ADD COLUMN c INT"},
                          {"final_insert", nullptr},
                          {"host", "db1"},
                          {"port", 3306},
                          {"run_host", nullptr},
                          {"custom_options", nullptr}};
        return rows.insert_or_assign(id, std::move(row)).first->second.fields;
    }
    Json& at(MigrationId id) { return rows.at(id).fields; }
    // What a person does in the web page: a new status, staged for a runner.
    void stage(MigrationId id, int status) {
        change(id, {{"status", status}, {"staged", true}});
        rows.at(id).claim_id.clear();
    }
    std::size_t count(const std::string& call) const {
        std::size_t n = 0;
        for (const std::string& made : calls) {
            n += made == call ? 1 : 0;
        }
        return n;
    }

    void call(ApiRequest request, Done done) override {
        waiting_.emplace_back(std::move(request), std::move(done));
    }
    // Lets every waiting call end. Returns how many there were.
    std::size_t deliver() {
        auto batch = std::exchange(waiting_, {});
        for (auto& [request, done] : batch) {
            const Fault what = fault(request);
            if (what == Fault::kLoseRequest) {
                done(ApiAnswer{.status = 0, .sent = true, .body = {}, .error = "timeout"});
                continue;
            }
            if (what == Fault::kServerError || what == Fault::kBadGateway) {
                const int status = what == Fault::kServerError ? 500 : 502;
                done(ApiAnswer{.status = status, .sent = true, .body = {}, .error = "<html>"});
                continue;
            }
            ApiAnswer answer = serve(request);
            if (what == Fault::kLoseAnswer) {
                answer = ApiAnswer{.status = 0, .sent = true, .body = {}, .error = "reset"};
            }
            done(std::move(answer));
        }
        return batch.size();
    }
    void forget_waiting() { waiting_.clear(); }  // the process that asked is gone

  private:
    static ApiAnswer ok(Json body) {
        return {.status = 200, .sent = true, .body = std::move(body), .is_json = true, .error = {}};
    }
    void change(MigrationId id, const Json& values) {
        Json& fields = at(id);
        fields.update(values);
        fields["lock_version"] = fields["lock_version"].get<int>() + 1;
    }

    ApiAnswer serve(const ApiRequest& request) {
        calls.push_back(request.method + " " + request.path.substr(0, request.path.find('?')));
        const std::string tail = request.path.substr(std::string("migrations/").size());
        if (tail == "staged") {
            Json page = Json::array();
            for (const auto& [id, row] : rows) {
                if (row.fields["staged"].get<bool>() && page.size() < 2) {
                    page.push_back(row.fields);
                }
            }
            return ok(std::move(page));
        }
        if (tail.rfind("get_file", 0) == 0) {
            const auto value = [&tail](const std::string& name) {
                const std::size_t at = tail.find(name + "=");
                const std::size_t from = at + name.size() + 1;
                return at == std::string::npos ? ""
                                               : tail.substr(from, tail.find('&', from) - from);
            };
            const auto file = files.find({std::stoll(value("migration_id")), value("file_type")});
            return file == files.end()
                       ? ApiAnswer{.status = 404, .sent = true, .body = {}, .error = {}}
                       : ok({{"contents", file->second}});
        }
        const bool by_path = tail.find_first_not_of("0123456789") == std::string::npos;
        const auto id =
            by_path ? std::stoll(tail)
                    : get_int(request.body, "id").value_or(int_or(request.body, "migration_id", 0));
        if (!rows.contains(id)) {
            return {.status = 404, .sent = true, .body = {}, .is_json = false, .error = {}};
        }
        if (request.method == "GET") {
            return ok({{"migration", at(id)}, {"available_actions", Json::array()}});
        }
        return request.method == "PUT" ? update(id, request.body) : post(id, tail, request.body);
    }
    ApiAnswer update(MigrationId id, const Json& body) {
        Json values = body;
        values.erase("id");
        change(id, values);
        return ok(at(id));
    }
    ApiAnswer post(MigrationId id, const std::string& what, const Json& body) {
        Row& row = rows.at(id);
        const int status = row.fields["status"].get<int>();
        const bool staged = row.fields["staged"].get<bool>();
        if (what == "unstage") {
            const std::string claim = string_or(body, "claim_id", "");
            if (!staged) {
                const bool repeat = speaks_claim_id && !claim.empty() && claim == row.claim_id;
                return ok(repeat ? row.fields : Json::object());
            }
            change(id, {{"staged", false}});
            if (speaks_claim_id) {
                row.claim_id = claim;
                row.fields["run_host"] = body["run_host"];
            }
        } else if (what == "next_step" && !staged && step_of_status(status)) {
            change(id, {{"status", status + 1}});
        } else if (what == "complete") {
            change(id, {{"status", 8}});
        } else if (what == "fail") {
            change(id, {{"status", 10}, {"error_message", body["error_message"]}});
        } else if (what == "error" && status == 3) {
            change(id, {{"status", 13}, {"error_message", body["error_message"]}});
        } else if (what == "offer" && status == 3) {
            change(id, {{"staged", true}});
        } else if (what == "unpin_run_host") {
            change(id, {{"run_host", nullptr}});
        } else if (what == "append_to_file" || what == "write_file") {
            std::string& file = files[{id, string_or(body, "file_type", "0")}];
            const std::string contents = string_or(body, "contents", "");
            file = what == "write_file" ? contents : file + contents;
            return ok({{"migration_id", id}});
        }
        return ok(row.fields);
    }

    std::deque<std::pair<ApiRequest, Done>> waiting_;
};

}  // namespace shift
