#include "worker/lhm/ledger.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "worker/lhm/checkpoint.h"

namespace shift::lhm {
namespace {

KeyValue key(std::int64_t number) {
    return {std::to_string(number)};
}
std::int64_t number(const KeyValue& key) {
    return std::stoll(key.at(0));
}

// A table with the keys 1 to `rows`.
Ledger::FindEnd finder(std::int64_t rows, std::int64_t step) {
    return [rows, step](const auto& after, const auto& up_to) -> Result<std::optional<KeyValue>> {
        const std::int64_t end = (after ? number(*after) : 0) + step;
        const std::int64_t last = up_to ? std::min(rows, number(*up_to)) : rows;
        return end > last ? std::optional<KeyValue>() : std::optional(key(end));
    };
}

std::optional<Range> claim(Ledger& ledger, std::int64_t rows, std::int64_t step) {
    return *ledger.claim(step, finder(rows, step));
}

TEST(Ledger, GivesEachRowOnce) {
    Ledger ledger(key(10));
    const auto one = claim(ledger, 10, 4);
    const auto two = claim(ledger, 10, 4);
    const auto three = claim(ledger, 10, 4);
    ASSERT_TRUE(one && two && three);
    EXPECT_EQ(one->after, std::nullopt);
    EXPECT_EQ(one->up_to, key(4));
    EXPECT_EQ(two->after, key(4));
    EXPECT_EQ(three->up_to, key(10));
    EXPECT_FALSE(claim(ledger, 10, 4));
    EXPECT_FALSE(ledger.is_complete());
    for (const Range& range : {*three, *one, *two}) {
        ledger.finish(range);
    }
    EXPECT_TRUE(ledger.is_complete());
}

TEST(Ledger, WhatIsGivenBackIsClaimedFirst) {
    Ledger ledger(key(100));
    const auto one = claim(ledger, 100, 10);
    const auto two = claim(ledger, 100, 10);
    ledger.advance(*one, key(6));
    ledger.give_back(*one);
    const auto again = claim(ledger, 100, 10);
    EXPECT_EQ(again->after, key(6));  // what was done is not done again
    EXPECT_EQ(again->up_to, key(10));
    EXPECT_EQ(claim(ledger, 100, 10)->after, two->up_to);
}

TEST(Ledger, AnOpenEndIsOneRangeMore) {
    Ledger ledger(std::nullopt);
    const auto one = claim(ledger, 10, 6);
    const auto two = claim(ledger, 10, 6);
    EXPECT_EQ(two->after, key(6));
    EXPECT_EQ(two->up_to, std::nullopt);
    ledger.finish(*two);
    // The first is still out: going on must not take the ledger for complete.
    Ledger resumed(std::nullopt, ledger.state());
    EXPECT_FALSE(resumed.is_complete());
    const auto rest = claim(resumed, 10, 6);
    EXPECT_EQ(rest->after, std::nullopt);
    EXPECT_EQ(rest->up_to, key(6));
    resumed.finish(*rest);
    EXPECT_TRUE(resumed.is_complete());
    (void)one;
}

TEST(Ledger, ATinyTableInFlightIsNotComplete) {
    Ledger ledger(std::nullopt);
    (void)claim(ledger, 3, 10);
    Ledger resumed(std::nullopt, ledger.state());
    EXPECT_FALSE(resumed.is_complete());
    EXPECT_TRUE(claim(resumed, 3, 10));
}

TEST(Ledger, AFailedLookUpClaimsNothing) {
    Ledger ledger(key(10));
    const auto failed =
        ledger.claim(4, [](const auto&, const auto&) -> Result<std::optional<KeyValue>> {
            return Error{Errc::kUnavailable, "gone"};
        });
    EXPECT_FALSE(failed.ok());
    EXPECT_EQ(claim(ledger, 10, 4)->up_to, key(4));
}

// Workers that finish in any order, give back, advance, and die (only the saved state survives):
// at the end every row was done, and after a death no more than what was in flight is done again.
TEST(Ledger, EveryRowIsDoneWhateverDies) {
    constexpr std::int64_t kRows = 500;
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937_64 random(seed);
        const bool open_end = seed % 2 == 0;
        const auto end = open_end ? std::nullopt : std::optional(key(kRows));
        std::optional<Ledger> ledger(std::in_place, end);
        std::vector<int> done(kRows + 1, 0);
        std::vector<Range> claimed;
        int deaths = 0;
        const auto mark = [&](const std::optional<KeyValue>& after,
                              const std::optional<KeyValue>& up_to) {
            const std::int64_t last = up_to ? number(*up_to) : kRows;
            for (std::int64_t row = (after ? number(*after) : 0) + 1; row <= last; ++row) {
                ++done[static_cast<std::size_t>(row)];
            }
        };
        for (int turn = 0; !ledger->is_complete(); ++turn) {
            ASSERT_LT(turn, 20'000);
            const auto step = static_cast<std::int64_t>(1 + random() % 30);
            const auto what = random() % 100;
            if (what < 45 && claimed.size() < 4) {
                if (auto range = claim(*ledger, kRows, step)) {
                    claimed.push_back(*range);
                }
            } else if (what < 80 && !claimed.empty()) {
                const std::size_t at = random() % claimed.size();
                mark(claimed[at].after, claimed[at].up_to);
                ledger->finish(claimed[at]);
                claimed.erase(claimed.begin() + static_cast<std::ptrdiff_t>(at));
            } else if (what < 90 && !claimed.empty()) {
                Range& range = claimed[random() % claimed.size()];
                const std::int64_t from = range.after ? number(*range.after) : 0;
                const std::int64_t to = range.up_to ? number(*range.up_to) : kRows;
                if (to - from > 1) {
                    mark(range.after, key(from + 1));
                    range.after = key(from + 1);
                    ledger->advance(range, *range.after);
                }
            } else if (what < 95 && !claimed.empty()) {
                ledger->give_back(claimed.back());
                claimed.pop_back();
            } else if (what >= 98) {
                Checkpoint checkpoint;
                checkpoint.copy_id = "x";
                checkpoint.stage = Stage::kCopy;
                checkpoint.end = end;
                checkpoint.ledger = ledger->state();
                const Checkpoint read = checkpoint_of(to_state_file(checkpoint)).value();
                ledger.emplace(read.end, read.ledger);
                claimed.clear();
                ++deaths;
            }
        }
        for (std::size_t row = 1; row <= kRows; ++row) {
            ASSERT_GE(done[row], 1) << "row " << row;
            ASSERT_LE(done[row], 1 + deaths) << "row " << row;
        }
    }
}

}  // namespace
}  // namespace shift::lhm
