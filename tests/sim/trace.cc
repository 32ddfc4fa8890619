#include "tests/sim/trace.h"

#include <fmt/format.h>

namespace shift::sim {
namespace {

// FNV-1a, 64 bits.
constexpr std::uint64_t kPrime = 0x100000001b3U;

}  // namespace

void Trace::mix(std::uint64_t number) {
    hash_ = (hash_ ^ number) * kPrime;
}

void Trace::mix(std::string_view text) {
    for (const char c : text) {
        mix(static_cast<unsigned char>(c));
    }
    mix(text.size());
}

void Trace::note(std::string_view who, std::string_view what, std::int64_t number,
                 std::string_view detail) {
    mix(static_cast<std::uint64_t>(events_.now().count()));
    mix(who);
    mix(what);
    mix(static_cast<std::uint64_t>(number));
    mix(detail);
    if (sink_) {
        remark(who, fmt::format("{} {} {}", what, number, detail));
    }
}

void Trace::remark(std::string_view who, std::string_view text) {
    if (sink_) {
        const auto now = events_.now().count();
        sink_(fmt::format("{:>7}.{:03} {:<6} {}", now / 1000, now % 1000, who, text));
    }
}

}  // namespace shift::sim
