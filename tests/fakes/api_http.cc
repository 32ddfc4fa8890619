// The model behind HTTP: texts instead of values.

#include <algorithm>

#include "tests/fakes/api_model.h"

namespace shift::testing {
namespace {

HttpReply in_http(const ApiReply& answer) {
    HttpReply reply;
    reply.status = answer.status;
    if (answer.body.is_null()) {
        reply.content_type = "text/html; charset=utf-8";
        reply.body = "<!DOCTYPE html><html><body><h1>" + std::to_string(answer.status) +
                     "</h1></body></html>";
    } else {
        reply.body = to_line(answer.body);
    }
    return reply;
}

int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::string percent_decode(const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+') {
            out += ' ';
        } else if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
                   hex_value(text[i + 2]) >= 0) {
            out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

}  // namespace

std::map<std::string, std::string> parse_query(const std::string& query) {
    std::map<std::string, std::string> out;
    std::size_t at = 0;
    while (at < query.size()) {
        const std::size_t end = std::min(query.find('&', at), query.size());
        const std::string pair = query.substr(at, end - at);
        const std::size_t equals = pair.find('=');
        if (equals != std::string::npos) {
            out[percent_decode(pair.substr(0, equals))] = percent_decode(pair.substr(equals + 1));
        }
        at = end + 1;
    }
    return out;
}

HttpReply ApiModel::handle(const HttpRequest& request) {
    const std::string prefix = "/api/v1/";
    if (request.path.rfind(prefix, 0) != 0) {
        return in_http({404, {}});
    }
    Json args = Json::object();
    if (!request.body.empty()) {
        Result<Json> parsed = parse_json(request.body);
        if (!parsed.ok() || !parsed->is_object()) {
            return in_http({400, {}});
        }
        args = std::move(parsed).value();
    }
    const std::string question = request.query.empty() ? "" : "?";
    const ApiReply answer =
        call(request.method, request.path.substr(prefix.size()) + question + request.query,
             std::move(args));
    HttpReply reply = in_http(answer);
    const std::lock_guard guard(mutex_);
    if (!raw_items_.empty() && request.path == prefix + "migrations/staged") {
        const bool alone = answer.body.empty();
        reply.body = "[" + raw_items_ + (alone ? "" : ",") + reply.body.substr(1);
    }
    return reply;
}

}  // namespace shift::testing
