// The database goes away under every step: its server is killed or restarted, the connection is cut
// around one statement. What happened is found out by looking, nothing is sent twice, and at the
// end everything is as tests/integration/support/invariants.h says.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <optional>
#include <random>

#include "tests/integration/support/programs.h"
#include "tests/integration/support/route.h"
#include "tests/integration/support/tcp_proxy.h"

namespace shift::testing {
namespace {

using ::testing::IsEmpty;

std::string name_of(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](unsigned char c) { return !std::isalnum(c); }, '_');
    return text;
}

struct ServerDeath {
    const char* moment;
    const char* route;
    int status;      // of the API, in which it happens
    bool mid_copy;   // not before rows were copied
    bool is_killed;  // else stopped in good order
};
void PrintTo(const ServerDeath& death, std::ostream* out) {
    *out << death.moment << (death.is_killed ? " killed" : " restarted");
}

// Also one that has not said its outcome: what it does is not done.
bool has_worker(Scenario& s) {
    const std::vector<std::string> attempts = s.supervisor().attempts();
    return !s.supervisor().workers().empty() && !attempts.empty() &&
           slurp(attempts.back() + "/events.jsonl").find(R"("event":"outcome")") ==
               std::string::npos;
}

class ServerDies : public ::testing::TestWithParam<ServerDeath> {};

TEST_P(ServerDies, AndTheMigrationEndsWell) {
    const ServerDeath& death = GetParam();
    const std::uint64_t seed = base_seed();
    SCOPED_TRACE("SHIFT_SEED=" + std::to_string(seed));
    for (int round = 0; round < sized(1, 10); ++round) {
        std::mt19937_64 random(seed + static_cast<std::uint64_t>(round));
        bool is_dead = false;
        bool is_missed = false;
        std::uint64_t longest = 400;
        // Holds a swap or a direct statement that must not be over before anybody looks; begun in
        // the status before, since a copy's triggers would wait for it as well.
        std::optional<Db> reader;
        const bool is_direct = death.status == 3 && !death.mid_copy;
        const auto meddle = [&](Scenario& s, MigrationId id, int status) {
            const bool comes_next =
                (death.status == 5 && status == 4) || (is_direct && status == 2);
            if (comes_next && longest < 400 && !reader) {
                reader.emplace(s.server().connect("app"));
                reader->execute("START TRANSACTION");
                reader->scalar("SELECT COUNT(*) FROM t");
            }
            if (is_dead || is_missed || status != death.status || !has_worker(s)) {
                return;
            }
            if (death.mid_copy) {
                const std::string shadow = s.shadow_table(id);
                if (shadow.empty() ||
                    s.db().integer("SELECT COUNT(*) FROM app." + quote_name(shadow)) == 0) {
                    return;
                }
            }
            // Somewhere in the step: from its first to about its last statement. One that is over
            // by then is another round's.
            std::this_thread::sleep_for(milliseconds(random() % longest));
            if (s.status(id) != status || !has_worker(s)) {
                is_missed = true;
                reader.reset();
                return;
            }
            if (death.is_killed) {
                s.server().kill9();
            } else {
                s.server().stop();
            }
            is_dead = true;
            std::this_thread::sleep_for(milliseconds(random() % 1500));
            s.server().start();
            s.reconnect();
        };
        for (int tries = 0; tries < 5 && !is_dead; ++tries, longest = longest / 2 + 1) {
            is_missed = false;
            reader.reset();
            const RouteEnd end =
                drive(route_of(death.route), {.own_server = true, .meddle = meddle}, seed);
            EXPECT_THAT(end.violations, IsEmpty());
        }
        EXPECT_TRUE(is_dead) << "the moment never came";
    }
}
INSTANTIATE_TEST_SUITE_P(Moments, ServerDies,
                         ::testing::Values(ServerDeath{"prepare", "LongAlter", 0, false, true},
                                           ServerDeath{"prepare", "LongAlter", 0, false, false},
                                           ServerDeath{"copy", "LongAlter", 3, true, true},
                                           ServerDeath{"copy", "LongAlter", 3, true, false},
                                           ServerDeath{"swap", "LongAlter", 5, false, true},
                                           ServerDeath{"swap", "LongAlter", 5, false, false},
                                           ServerDeath{"direct", "ShortAlter", 3, false, true},
                                           ServerDeath{"cancel", "Cancel", 9, false, true},
                                           ServerDeath{"pause", "PauseAndResume", 11, false, true}),
                         [](const auto& one) {
                             return std::string(one.param.moment) +
                                    (one.param.is_killed ? "_killed" : "_restarted");
                         });

struct CutStatement {
    const char* route;
    const char* statement;  // as it is sent
};
void PrintTo(const CutStatement& cut, std::ostream* out) {
    *out << cut.route << " " << cut.statement;
}

class ConnectionIsCut : public ::testing::TestWithParam<std::tuple<CutStatement, TcpProxy::Cut>> {};

TEST_P(ConnectionIsCut, AndWhatHappenedIsFoundByLooking) {
    const auto& [cut, how] = GetParam();
    TcpProxy proxy(shared_server().port());
    bool is_set = false;
    // The statements of prepare's dry run look like the copy's: the trap is for what comes after.
    const auto meddle = [&, cut = cut, how = how](Scenario&, MigrationId, int status) {
        if (!is_set && status >= 1) {
            is_set = true;
            proxy.cut_on(cut.statement, how);
        }
    };
    const std::uint64_t seed = base_seed();
    SCOPED_TRACE("SHIFT_SEED=" + std::to_string(seed));
    const RouteEnd end = drive(
        route_of(cut.route),
        {.settings = {{"port_override", std::to_string(proxy.port())}}, .meddle = meddle}, seed);
    EXPECT_EQ(proxy.cuts(), 1) << "the statement never came";
    EXPECT_THAT(end.violations, IsEmpty());
}
INSTANTIATE_TEST_SUITE_P(
    Statements, ConnectionIsCut,
    ::testing::Combine(
        ::testing::Values(
            CutStatement{"LongAlter", "RENAME TABLE `app`.`t` TO"},
            CutStatement{"LongAlter", "DROP TRIGGER"}, CutStatement{"LongAlter", "CREATE TRIGGER"},
            CutStatement{"LongAlter", "INSERT LOW_PRIORITY IGNORE INTO"},
            CutStatement{"LongAlter", "XA COMMIT"}, CutStatement{"ShortAlter", "ALTER TABLE"},
            CutStatement{"ShortAlter", "XA PREPARE"},
            CutStatement{"ShortAlter", "INSERT INTO versions"},
            CutStatement{"ShortDrop", "RENAME TABLE"}, CutStatement{"Cancel", "DROP TRIGGER"},
            CutStatement{"Cancel", "RENAME TABLE"}),
        ::testing::Values(TcpProxy::Cut::kBefore, TcpProxy::Cut::kSent, TcpProxy::Cut::kDone)),
    [](const auto& one) {
        const CutStatement& cut = std::get<0>(one.param);
        const TcpProxy::Cut how = std::get<1>(one.param);
        return name_of(std::string(cut.route) + "_" + cut.statement) +
               (how == TcpProxy::Cut::kBefore ? "_before"
                : how == TcpProxy::Cut::kSent ? "_sent"
                                              : "_done");
    });

TEST(Swap, WhoseAnswerIsLostIsSentOnce) {
    TcpProxy proxy(shared_server().port());
    proxy.cut_on("RENAME TABLE `app`.`t` TO", TcpProxy::Cut::kDone);
    std::int64_t sent = 0;
    const auto meddle = [&](Scenario& s, MigrationId, int status) {
        if (status == 0) {
            s.db().execute("SET GLOBAL log_output = 'TABLE'");
            s.db().execute("SET GLOBAL general_log = 1");
        }
        sent = s.db().integer(
            "SELECT COUNT(*) FROM mysql.general_log WHERE command_type = 'Query' AND argument LIKE "
            "'RENAME TABLE `app`.`t` TO%'");
    };
    const RouteEnd end =
        drive(route_of("LongAlter"),
              {.settings = {{"port_override", std::to_string(proxy.port())}}, .meddle = meddle},
              base_seed());
    shared_server().connect().execute("SET GLOBAL general_log = 0");
    shared_server().connect().execute("TRUNCATE TABLE mysql.general_log");
    EXPECT_THAT(end.violations, IsEmpty());
    EXPECT_EQ(proxy.cuts(), 1);
    EXPECT_EQ(sent, 1);
}

TEST(Network, ThatIsAwayForAWhileInEachStepHoldsItUpAndNoMore) {
    TcpProxy proxy(shared_server().port());
    std::vector<int> met;
    const auto meddle = [&](Scenario& s, MigrationId, int status) {
        const bool is_machine = status == 0 || status == 3 || status == 5;
        if (status == 4) {
            proxy.down();  // a swap with the network up is over before anybody looks
        }
        if (!is_machine || s.supervisor().workers().empty() ||
            std::find(met.begin(), met.end(), status) != met.end()) {
            return;
        }
        met.push_back(status);
        std::this_thread::sleep_for(milliseconds{150});
        proxy.down();
        std::this_thread::sleep_for(seconds{2});
        proxy.up();
    };
    const RouteEnd end =
        drive(route_of("LongAlter"),
              {.settings = {{"port_override", std::to_string(proxy.port())}}, .meddle = meddle},
              base_seed());
    EXPECT_THAT(end.violations, IsEmpty());
    EXPECT_THAT(met, ::testing::ElementsAre(0, 3, 5));
}

}  // namespace
}  // namespace shift::testing
