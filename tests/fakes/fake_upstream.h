#pragma once

#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/upstream/upstream.h"
#include "tests/fakes/api_model.h"

namespace shift {

// The answer of the modelled API as the supervisor's HTTP client would give it.
inline ApiAnswer answer_of(testing::ApiReply reply) {
    ApiAnswer answer;
    answer.status = reply.status;
    answer.sent = true;
    if (reply.status != 200) {
        answer.error = reply.body.is_null() ? "<!DOCTYPE html>" : to_line(reply.body);
    }
    if ((reply.status == 200 || reply.status == 404) && !reply.body.is_null()) {
        answer.is_json = true;
        answer.body = std::move(reply.body);
    }
    return answer;
}

// The modelled shift API as an Upstream. Answers wait until deliver(); faults are asked for per
// call.
class FakeUpstream final : public Upstream {
  public:
    enum class Fault {
        kNone,
        kLoseRequest,  // never reaches the API, no answer
        kLoseAnswer,   // the API does it, no answer
        kServerError,  // 500, nothing done
        kBadGateway,   // 502 from a proxy, nothing done
    };

    FakeUpstream() { model.pin_at_unstage(); }

    testing::ApiModel model;
    // The fault of the next call.
    std::function<Fault(const ApiRequest&)> fault = [](const ApiRequest&) { return Fault::kNone; };
    std::vector<std::string> calls;  // "POST migrations/unstage"

    // A staged migration; its columns may be changed.
    Json& add(MigrationId id, int status) {
        testing::ApiModel::Spec spec;
        spec.database = "shop";
        spec.table = "orders";
        spec.ddl_statement = "ALTER TABLE orders ADD COLUMN c INT";
        spec.host = "db1";
        spec.port = 3306;
        spec.status = status;
        model.create_as(id, spec);
        return at(id);
    }
    Json& at(MigrationId id) { return model.row(id); }
    // What a person does in the web page: a new status, staged for a runner.
    void stage(MigrationId id, int status) {
        model.set(id, {{"status", status}, {"staged", true}});
        at(id).erase("_claim");
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
            done(answer(request));
        }
        return batch.size();
    }
    void forget_waiting() { waiting_.clear(); }  // the process that asked is gone

  private:
    ApiAnswer answer(const ApiRequest& request) {
        const Fault what = fault(request);
        if (what == Fault::kLoseRequest) {
            return {.status = 0, .sent = true, .body = {}, .error = "timeout"};
        }
        if (what == Fault::kServerError || what == Fault::kBadGateway) {
            const int status = what == Fault::kServerError ? 500 : 502;
            return {.status = status, .sent = true, .body = {}, .error = "<html>"};
        }
        calls.push_back(request.method + " " + request.path.substr(0, request.path.find('?')));
        Json args = request.body.is_null() ? Json::object() : request.body;
        auto reply = model.call(request.method, request.path, std::move(args));
        if (what == Fault::kLoseAnswer) {
            return {.status = 0, .sent = true, .body = {}, .error = "reset"};
        }
        return answer_of(std::move(reply));
    }

    std::deque<std::pair<ApiRequest, Done>> waiting_;
};

}  // namespace shift
