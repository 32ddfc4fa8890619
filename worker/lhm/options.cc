#include "worker/lhm/options.h"

#include <fmt/format.h>

#include <cctype>
#include <charconv>

#include "common/text.h"

namespace shift::lhm {
namespace {

// Where the bare word `word` stands outside of quotes, comments and parentheses; npos when nowhere.
std::size_t find_word(std::string_view text, std::string_view word) {
    int depth = 0;
    for (std::size_t at = 0; at < text.size();) {
        const char c = text[at];
        if (c == '\'' || c == '"' || c == '`') {
            for (++at; at < text.size() && text[at] != c; ++at) {
                at += text[at] == '\\' && c != '`' ? 1U : 0U;
            }
            ++at;
            continue;
        }
        depth += c == '(' ? 1 : c == ')' ? -1 : 0;
        if (std::isalpha(static_cast<unsigned char>(c)) == 0) {
            ++at;
            continue;
        }
        std::size_t end = at;
        while (end < text.size() && (std::isalnum(static_cast<unsigned char>(text[end])) != 0 ||
                                     text[end] == '_' || text[end] == '.')) {
            ++end;
        }
        if (depth == 0 && iequals_ascii(text.substr(at, end - at), word)) {
            return at;
        }
        at = end;
    }
    return std::string_view::npos;
}

}  // namespace

Result<Filter> parse_filter(const std::string& text) {
    constexpr std::string_view kWhere = "WHERE";
    const std::string_view all = trim(text);
    const std::size_t where = find_word(all, kWhere);
    Filter filter;
    filter.join =
        std::string(trim(all.substr(0, where == std::string_view::npos ? all.size() : where)));
    if (where != std::string_view::npos) {
        filter.where = std::string(trim(all.substr(where + kWhere.size())));
    }
    const bool bad_join =
        !filter.join.empty() && find_word(filter.join, "JOIN") == std::string::npos;
    if (bad_join || (where != std::string_view::npos && filter.where.empty()) || all.empty()) {
        return Error{
            Errc::kInvalidArgument,
            fmt::format("filter '{}': it must be \"where CONDITION\" or \"inner join TABLE "
                        "on CONDITION [where CONDITION]\"",
                        text)};
    }
    return filter;
}

Result<std::vector<LoadLimit>> parse_load_limits(const std::string& text) {
    std::vector<LoadLimit> limits;
    for (const std::string& part : split(text, ',')) {
        const std::string_view one = trim(part);
        if (one.empty()) {
            continue;
        }
        const std::size_t at = one.find_first_of("=:");
        LoadLimit limit;
        bool good = at != std::string_view::npos && at > 0;
        if (good) {
            limit.variable = std::string(trim(one.substr(0, at)));
            const std::string number(trim(one.substr(at + 1)));
            const auto [end, error] =
                std::from_chars(number.data(), number.data() + number.size(), limit.value_max);
            good = error == std::errc{} && end == number.data() + number.size() &&
                   limit.value_max >= 0;
        }
        for (const char c : limit.variable) {
            good = good && (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_');
        }
        if (!good) {
            return Error{
                Errc::kInvalidArgument,
                fmt::format("'{}' is no limit of a status variable (Threads_running=25)", one)};
        }
        limits.push_back(std::move(limit));
    }
    return limits;
}

}  // namespace shift::lhm
