#include "tests/sim/network.h"

#include <optional>
#include <utility>

#include "tests/fakes/fake_upstream.h"
#include "tests/sim/host.h"

namespace shift::sim {
namespace {

ApiAnswer no_answer(bool sent, const char* why) {
    return {.status = 0, .sent = sent, .body = {}, .is_json = false, .error = why};
}

ApiAnswer page(int status) {
    return {.status = status, .sent = true, .body = {}, .is_json = false, .error = "<html>"};
}

ApiAnswer json(Json body) {
    return {.status = 200, .sent = true, .body = std::move(body), .is_json = true, .error = {}};
}

}  // namespace

struct Network::Fate {
    const char* name = "";
    bool delivered = true;
    bool twice = false;
    Millis there{0};
    Millis back{0};
    bool times_out = false;
    std::optional<ApiAnswer> instead = std::nullopt;
};

struct Network::Exchange {
    ApiRequest request;
    Done done;
    Fate fate;
    std::int64_t call = 0;  // outbox row
    std::uint64_t life = 0;
    bool answered = false;
};

// What a proxy or a broken server says. `refusals` too: answers that mean that nothing was done.
ApiAnswer Network::odd_answer(bool refusals) const {
    switch (world_.random.below(refusals ? 11 : 9)) {
        case 0:
            return page(502);
        case 1:
            return page(503);
        case 2:
            return page(504);
        case 3:
            return page(408);
        case 4:
            return page(200);  // a login page
        case 5:
            return json(nullptr);
        case 6:
            return json(Json::array());
        case 7:
            return json("ok");
        case 9:
            return page(429);
        case 10:
            return page(409);  // Rails: a lost optimistic lock
        default:
            return page(500);
    }
}

Network::Fate Network::fate_in_outage() const {
    Fate fate{.name = "outage", .delivered = false, .back = world_.random.millis(1, 200)};
    switch (world_.outage) {
        case World::Outage::kRefused:
            fate.instead = no_answer(false, "connection refused");
            break;
        case World::Outage::kBadGateway:
            fate.instead = page(502);
            break;
        case World::Outage::kServerError:
            fate.instead = page(500);
            break;
        case World::Outage::kNotFound:
            fate.instead = page(404);
            break;
        case World::Outage::kTimeout:
        case World::Outage::kNone:
            fate.times_out = true;
            break;
    }
    return fate;
}

Network::Fate Network::draw_fate(const ApiRequest& request) const {
    if (host_.cut_off()) {
        return {.name = "cut off", .delivered = false, .times_out = true};
    }
    if (world_.outage != World::Outage::kNone) {
        return fate_in_outage();
    }
    Random& random = world_.random;
    const Profile& p = world_.profile;
    const bool is_put = request.method == "PUT";
    Fate fate;
    // A request does not travel for longer than its sender waits.
    const Millis timeout = host_.config().rest_timeout;
    fate.there = random.millis(1, std::min(p.delay_max, timeout * 9 / 10).count());
    fate.back = random.millis(1, p.delay_max.count());
    fate.twice = (is_put || request.method == "GET") && random.chance(p.twice);
    if (random.chance(p.refused)) {
        fate.name = "refused";
        fate.delivered = false;
        fate.instead = no_answer(false, "connection refused");
    } else if (random.chance(p.lost_before)) {
        fate.name = "lost before";
        fate.delivered = false;
        fate.times_out = random.chance(0.5);
        fate.instead = no_answer(true, "connection reset");
    } else if (random.chance(p.lost_after)) {
        fate.name = "lost after";
        fate.times_out = random.chance(0.5);
        fate.instead = no_answer(true, "connection reset");
    } else if (random.chance(p.error_before)) {
        fate.name = "error before";
        fate.delivered = false;
        fate.instead = odd_answer(true);
    } else if (random.chance(p.error_after)) {
        fate.name = "error after";
        fate.instead = odd_answer(false);
    } else if (random.chance(p.not_found)) {
        fate.name = "not found";
        fate.delivered = false;
        fate.instead = page(404);
    }
    if (fate.delivered && fate.there + fate.back > timeout) {
        fate.times_out = true;
    }
    return fate;
}

void Network::call(ApiRequest request, Done done) {
    host_.effect();
    auto exchange = std::make_shared<Exchange>();
    exchange->call = world_.checks.on_call(host_, request);
    exchange->fate = draw_fate(request);
    exchange->request = std::move(request);
    exchange->done = std::move(done);
    exchange->life = life_;
    const Fate& fate = exchange->fate;
    ++world_.counts.calls;
    world_.counts.calls_disturbed += *fate.name != '\0' ? 1 : 0;
    world_.trace.note(host_.name(), exchange->request.method + " " + exchange->request.path,
                      exchange->call, fate.name);
    if (fate.times_out) {
        answer(exchange, host_.config().rest_timeout, no_answer(true, "timeout"));
    }
    if (fate.delivered) {
        world_.events.after(fate.there, [this, exchange] { deliver(exchange); });
        if (fate.twice) {
            // By a proxy that lost the first answer: while the caller still waits.
            const Millis again = fate.there + world_.random.millis(0, fate.back.count());
            world_.events.after(again, [this, exchange] { deliver(exchange); });
        }
    } else if (!fate.times_out) {
        answer(exchange, fate.there + fate.back, *fate.instead);
    }
    host_.effect();
}

ApiAnswer Network::serve(const ApiRequest& request) {
    Json args = request.body.is_null() ? Json::object() : request.body;
    return answer_of(world_.api.call(request.method, request.path, std::move(args)));
}

void Network::deliver(const std::shared_ptr<Exchange>& exchange) {
    if (const Millis stall = world_.api_stalled_until - world_.events.now(); stall > Millis(0)) {
        world_.events.after(stall, [this, exchange] { deliver(exchange); });
        return;
    }
    const bool is_late = exchange->answered || exchange->life != life_;
    world_.checks.caller = {&host_, exchange->call, is_late};
    ApiAnswer own = serve(exchange->request);
    world_.checks.caller = {};
    if (!exchange->fate.times_out && !exchange->answered) {
        answer(exchange, exchange->fate.back,
               exchange->fate.instead ? *exchange->fate.instead : std::move(own));
    }
}

void Network::answer(const std::shared_ptr<Exchange>& exchange, Millis delay, ApiAnswer given) {
    world_.events.after(delay, [this, exchange, given = std::move(given)]() mutable {
        if (exchange->answered || exchange->life != life_) {
            exchange->answered = true;
            return;
        }
        exchange->answered = true;
        world_.trace.note(host_.name(), "answer", given.status, exchange->request.path);
        host_.turn([&] { exchange->done(std::move(given)); });
    });
}

}  // namespace shift::sim
