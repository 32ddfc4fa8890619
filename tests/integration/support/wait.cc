#include "tests/integration/support/wait.h"

#include <cstdlib>
#include <random>
#include <thread>

namespace shift::testing {

std::chrono::milliseconds stretched(std::chrono::milliseconds deadline) {
    static const double kFactor = [] {
        const char* text = std::getenv("SHIFT_DEADLINE_FACTOR");
        const double factor = text == nullptr ? 1.0 : std::strtod(text, nullptr);
        return factor >= 1.0 ? factor : 1.0;
    }();
    return std::chrono::milliseconds(
        static_cast<std::int64_t>(static_cast<double>(deadline.count()) * kFactor));
}

bool poll_until(const std::function<bool()>& done, milliseconds deadline) {
    const auto end = std::chrono::steady_clock::now() + stretched(deadline);
    milliseconds pause{2};
    while (true) {
        if (done()) {
            return true;
        }
        if (std::chrono::steady_clock::now() >= end) {
            return false;
        }
        std::this_thread::sleep_for(pause);
        pause = std::min(pause * 2, milliseconds{50});
    }
}

bool stays_true(const std::function<bool()>& holds, milliseconds time) {
    return !poll_until([&] { return !holds(); }, time);
}

bool full_run() {
    const char* text = std::getenv("SHIFT_FULL");
    return text != nullptr && std::string(text) == "1";
}

int sized(int ci, int full) {
    return full_run() ? full : ci;
}

std::uint64_t base_seed() {
    if (const char* text = std::getenv("SHIFT_SEED"); text != nullptr) {
        return std::strtoull(text, nullptr, 10);
    }
    std::random_device device;
    return device() % 1'000'000'000U;
}

}  // namespace shift::testing
