#include "worker/state.h"

#include <gtest/gtest.h>

namespace shift {
namespace {

StateFile state(std::int64_t claim, const std::string& saved_at, const std::string& step) {
    StateFile state;
    state.claim = claim;
    state.saved_at = saved_at;
    state.step = step;
    return state;
}

TEST(State, HigherClaimWinsThenLaterSave) {
    const auto older = state(2, "2026-01-01T00:00:00.000Z", "a");
    const auto later = state(2, "2026-01-02T00:00:00.000Z", "b");
    const auto claimed = state(3, "2025-01-01T00:00:00.000Z", "c");
    EXPECT_EQ(choose_state(older, later)->step, "b");
    EXPECT_EQ(choose_state(later, older)->step, "b");
    EXPECT_EQ(choose_state(later, claimed)->step, "c");
    EXPECT_EQ(choose_state(claimed, later)->step, "c");
    EXPECT_EQ(choose_state(older, state(2, older.saved_at, "api"))->step, "a");  // local on a tie
}

TEST(State, OneAloneIsTaken) {
    EXPECT_FALSE(choose_state(std::nullopt, std::nullopt));
    EXPECT_EQ(choose_state(std::nullopt, state(1, "", "api"))->step, "api");
    EXPECT_EQ(choose_state(state(1, "", "local"), std::nullopt)->step, "local");
}

}  // namespace
}  // namespace shift
