#include "worker/lhm/chunk_size.h"

#include <gtest/gtest.h>

namespace shift::lhm {
namespace {

using std::chrono::milliseconds;

TEST(ChunkSize, GrowsAndShrinksTowardsItsTarget) {
    ChunkSize::Options options;
    options.rows = 100;
    options.target = milliseconds(100);
    ChunkSize size(options);
    for (int i = 0; i < 50; ++i) {
        size.took(size.rows(), milliseconds(size.rows() / 10));  // 10 rows a ms
    }
    EXPECT_NEAR(static_cast<double>(size.rows()), 1000, 20);
    for (int i = 0; i < 50; ++i) {
        size.took(size.rows(), milliseconds(size.rows()));  // 1 row a ms
    }
    EXPECT_NEAR(static_cast<double>(size.rows()), 100, 10);
}

TEST(ChunkSize, GrowsByHalfAtMost) {
    ChunkSize size({.rows = 100, .target = milliseconds(1000)});
    size.took(100, milliseconds(1));
    EXPECT_LE(size.rows(), 151);
}

TEST(ChunkSize, AFixedOneStays) {
    ChunkSize size({.rows = 2000, .target = milliseconds(0)});
    size.took(2000, milliseconds(1));
    EXPECT_EQ(size.rows(), 2000);
}

// LHM: 100 rows become 80, with a factor of 0.5 they become 50.
TEST(ChunkSize, BacksOffByItsFactorDownToItsLeast) {
    ChunkSize usual({.rows = 100, .target = milliseconds(0)});
    ASSERT_TRUE(usual.back_off().ok());
    EXPECT_EQ(usual.rows(), 80);
    ChunkSize half({.rows = 100, .rows_min = 30, .target = milliseconds(0), .backoff_factor = 0.5});
    ASSERT_TRUE(half.back_off().ok());
    EXPECT_EQ(half.rows(), 50);
    const Status least = half.back_off();
    ASSERT_FALSE(least.ok());
    EXPECT_NE(least.error().message.find("below 30"), std::string::npos);
    ChunkSize one({.rows = 1, .target = milliseconds(0)});
    EXPECT_FALSE(one.back_off().ok());
}

TEST(ChunkSize, WhatTheServerCannotTakeIsNotTriedAgain) {
    ChunkSize size({.rows = 1000, .target = milliseconds(100)});
    ASSERT_TRUE(size.back_off().ok());
    for (int i = 0; i < 20; ++i) {
        size.took(800, milliseconds(1));
    }
    EXPECT_EQ(size.rows(), 800);
}

}  // namespace
}  // namespace shift::lhm
