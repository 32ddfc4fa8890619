#include "supervisor/metrics/exposition.h"

#include <fmt/format.h>

#include "common/text.h"

namespace shift {
namespace {

std::string escaped(std::string_view value) {
    std::string out;
    for (const char c : clean_utf8(value)) {
        if (c == '\\' || c == '"') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else {
            out += c;
        }
    }
    return out;
}

// Shortest text that reads back the same.
std::string number(double value) {
    return fmt::format("{}", value);
}

}  // namespace

void Exposition::family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void Exposition::sample(Labels labels, double value, std::string_view suffix) {
    text_ += name_;
    text_ += suffix;
    const char* separator = "{";
    for (const auto& [key, text] : labels) {
        text_ += fmt::format("{}{}=\"{}\"", separator, key, escaped(text));
        separator = ",";
    }
    text_ += labels.size() == 0 ? " " : "} ";
    text_ += number(value) + '\n';
}

void Exposition::histogram(const Histogram& histogram) {
    for (std::size_t i = 0; i < Histogram::kBounds.size(); ++i) {
        sample({{"le", number(Histogram::kBounds[i])}}, static_cast<double>(histogram.buckets()[i]),
               "_bucket");
    }
    sample({{"le", "+Inf"}}, static_cast<double>(histogram.count()), "_bucket");
    sample({}, histogram.sum(), "_sum");
    sample({}, static_cast<double>(histogram.count()), "_count");
}

}  // namespace shift
