#include "worker/lhm/settings.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "common/config.h"
#include "worker/lhm/flavour.h"
#include "worker/lhm/retry.h"

namespace shift::lhm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::string failure(const char* name, const char* value) {
    Options options;
    const Status status = apply_setting(name, value, options);
    return status.ok() ? "" : status.error().message;
}

TEST(LhmSettings, HaveEveryNameThatAConfigurationMayHold) {
    int count = 0;
    for (const std::string& key : config_keys()) {
        if (!key.starts_with("lhm_")) {
            continue;
        }
        ++count;
        std::string name = key.substr(4);
        std::replace(name.begin(), name.end(), '_', '-');
        EXPECT_TRUE(std::any_of(settings().begin(), settings().end(), [&](const Setting& setting) {
            return name == setting.name;
        })) << key;
    }
    EXPECT_GT(count, 10);
}

TEST(LhmSettings, AreSetByName) {
    Options options;
    ASSERT_TRUE(apply_settings({{"throttler", "slave_lag,threads_running"},
                                {"stride", "500"},
                                {"delay", "0.25"},
                                {"rollback-window", "24h"},
                                {"no-verify", ""},
                                {"kill-users", "app,web"},
                                {"tries", "3"},
                                {"critical_load", "Threads_running=200"}},
                               options)
                    .ok());
    EXPECT_EQ(options.chunk.rows, 500);
    EXPECT_EQ(options.chunk.target.count(), 0);
    EXPECT_EQ(options.throttle.delay, milliseconds(250));
    EXPECT_EQ(options.throttle.threads_running_max, 50);
    EXPECT_EQ(options.swap.rollback_window, seconds(86400));
    EXPECT_FALSE(options.verify);
    EXPECT_EQ(options.swap.kill.users.size(), 2u);
    EXPECT_TRUE(options.retry.count_lock_waits);
    EXPECT_EQ(options.throttle.critical_load[0].value_max, 200);
}

// LHM's throttler sets stride and delay; what is said besides wins.
TEST(LhmSettings, AThrottlerGoesFirst) {
    Options options;
    ASSERT_TRUE(
        apply_settings({{"delay", "0"}, {"stride", "10"}, {"throttler", "time"}}, options).ok());
    EXPECT_EQ(options.throttle.delay.count(), 0);
    EXPECT_EQ(options.chunk.rows, 10);
}

TEST(LhmSettings, WhatIsWrongIsNamed) {
    EXPECT_EQ(failure("strid", "5"), "there is no setting strid; did you mean stride?");
    for (const auto& [name, value] :
         std::vector<std::pair<const char*, const char*>>{{"stride", "0"},
                                                          {"stride", "x"},
                                                          {"stride", "1e30"},
                                                          {"backoff-factor", "1"},
                                                          {"backoff-factor", "0"},
                                                          {"min-stride", "0"},
                                                          {"delay", "-1"},
                                                          {"delay", "5 parsecs"},
                                                          {"throttler", "sloth"},
                                                          {"max-load", "Threads_running"},
                                                          {"max-load", "a b=1"},
                                                          {"filter", "id > 5"},
                                                          {"conflicts", "shrug"},
                                                          {"no-verify", "maybe"}}) {
        EXPECT_NE(failure(name, value), "") << name << " " << value;
    }
}

TEST(LhmSettings, FiltersAreTakenApart) {
    EXPECT_EQ(parse_filter("where foo.a > '2013' or foo.baz = 'where'")->where,
              "foo.a > '2013' or foo.baz = 'where'");
    const auto join =
        parse_filter("INNER JOIN users ON (users.id = p.user_id) WHERE p.id in (1,2)");
    EXPECT_EQ(join->join, "INNER JOIN users ON (users.id = p.user_id)");
    EXPECT_EQ(join->where, "p.id in (1,2)");
    EXPECT_EQ(parse_filter("inner join u on u.id = p.`where`")->where, "");
    for (const char* bad : {"", "where", "a = 1", "order by x"}) {
        EXPECT_FALSE(parse_filter(bad).ok()) << bad;
    }
}

TEST(LhmFlavour, IsReadFromTheVersion) {
    EXPECT_EQ(parse_flavour("10.11.19-MariaDB-log").version, 101119);
    EXPECT_EQ(parse_flavour("5.5.5-10.6.4-MariaDB").version, 100604);
    EXPECT_EQ(parse_flavour("8.4.4").version, 80404);
    EXPECT_EQ(parse_flavour("garbage").version, 0);
    EXPECT_EQ(parse_flavour("8.0.36").share_lock_nowait(), "FOR SHARE NOWAIT");
    EXPECT_EQ(parse_flavour("5.7.44").share_lock_nowait(), "LOCK IN SHARE MODE");
    EXPECT_EQ(parse_flavour("10.11.19-MariaDB").share_lock_nowait(), "LOCK IN SHARE MODE NOWAIT");
    EXPECT_TRUE(parse_flavour("8.0.36").renames_locked_tables());
    EXPECT_FALSE(parse_flavour("10.11.19-MariaDB").renames_locked_tables());
}

// LHM's list (sql_retry.rb), by number.
TEST(LhmRetry, KnowsWhatMaySucceedLater) {
    for (const int native : {1205, 1213, 1317, 2013, 2006, 9001, 2005, 9006, 1290, 3572}) {
        EXPECT_TRUE(is_retriable(Error{Errc::kUnavailable, "", native})) << native;
    }
    for (const int native : {1062, 1146, 1064, 1406, 0}) {
        EXPECT_FALSE(is_retriable(Error{Errc::kInvalidArgument, "", native})) << native;
    }
    EXPECT_TRUE(is_data_error(Error{Errc::kInvalidArgument, "", 1406}));
    EXPECT_FALSE(is_data_error(Error{Errc::kInvalidArgument, "", 1146}));
}

}  // namespace
}  // namespace shift::lhm
