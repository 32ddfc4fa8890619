#include "worker/lhm/pace.h"

#include <gtest/gtest.h>

namespace shift::lhm {
namespace {

using Micros = PaceRule::Micros;

constexpr Micros kFast{2'000};
constexpr Micros kSlow{200'000};

PaceRule rule_of(int hands, Micros idle = kFast) {
    PaceRule rule(hands, std::nullopt);
    for (int i = 0; i < 5; ++i) {
        rule.probed_idle(idle);
    }
    return rule;
}

void probe(PaceRule& rule, Micros time, int times) {
    for (int i = 0; i < times; ++i) {
        (void)rule.probed(time);
    }
}

TEST(PaceRule, TheLimitIsWhatWasUsualAndNeverTiny) {
    EXPECT_EQ(rule_of(1, Micros(100)).limit(), Micros(20'000));
    EXPECT_EQ(rule_of(1, Micros(10'000)).limit(), Micros(80'000));
    EXPECT_EQ(PaceRule(1, std::nullopt).limit(), Micros(20'000));
    PaceRule fixed(1, Micros(5'000));
    fixed.probed_idle(Micros(10'000));
    EXPECT_EQ(fixed.limit(), Micros(5'000));
}

TEST(PaceRule, WorksAtFullSpeedWhileWritesAreFast) {
    PaceRule rule = rule_of(4);
    probe(rule, kFast, 100);
    EXPECT_EQ(rule.hands(), 4);
    EXPECT_EQ(rule.share(), 1.0);
    EXPECT_FALSE(rule.is_held_back());
}

TEST(PaceRule, OneSlowWriteChangesNothing) {
    PaceRule rule = rule_of(4);
    for (int i = 0; i < 10; ++i) {
        probe(rule, kFast, 2);
        EXPECT_FALSE(rule.probed(kSlow));
    }
    EXPECT_FALSE(rule.is_held_back());
}

TEST(PaceRule, ConnectionsRestFirstThenChunksBecomeShorter) {
    PaceRule rule = rule_of(4);
    probe(rule, kSlow, 3);
    EXPECT_EQ(rule.hands(), 2);
    probe(rule, kSlow, 2);  // what was changed is given time
    EXPECT_EQ(rule.hands(), 2);
    probe(rule, kSlow, 1);
    EXPECT_EQ(rule.hands(), 1);
    EXPECT_EQ(rule.share(), 1.0);
    probe(rule, kSlow, 3);
    EXPECT_EQ(rule.share(), 0.5);
    probe(rule, kSlow, 100);
    EXPECT_EQ(rule.hands(), 1);
    EXPECT_EQ(rule.share(), 0.1);
    EXPECT_GE(rule.typical(), kSlow);
}

TEST(PaceRule, ComesBackStepByStepWhenItIsCalm) {
    PaceRule rule = rule_of(2);
    probe(rule, kSlow, 100);
    ASSERT_EQ(rule.share(), 0.1);
    double share = rule.share();
    int steps = 0;
    for (int i = 0; i < 200 && rule.is_held_back(); ++i) {
        if (rule.probed(kFast)) {
            ++steps;
            EXPECT_LE(rule.share(), share * 2 + 1e-9);
            share = rule.share();
        }
    }
    EXPECT_EQ(rule.hands(), 2);
    EXPECT_EQ(rule.share(), 1.0);
    EXPECT_EQ(steps, 5);  // 0.2 0.4 0.8 1 of the time, then the second connection
}

}  // namespace
}  // namespace shift::lhm
