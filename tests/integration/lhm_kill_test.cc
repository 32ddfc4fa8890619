// shift-lhm killed with kill -9 at random moments, again and again, under writers that also move
// and delete keys: every key type ends with the same rows. SHIFT_SEED=<printed> replays a run's
// decisions; SHIFT_FULL=1 runs many more of them on 200,000 rows.

#include <gtest/gtest.h>
#include <signal.h>

#include <random>
#include <thread>

#include "common/state_file.h"
#include "tests/integration/support/key_writers.h"
#include "tests/integration/support/lhm.h"
#include "tests/integration/support/mariadb_server.h"
#include "tests/integration/support/temp_dir.h"
#include "tests/integration/support/wait.h"

namespace shift::testing {
namespace {

using Names = std::vector<std::string>;

constexpr const char* kAlter =
    "ADD COLUMN extra INT NOT NULL DEFAULT 5, MODIFY a VARCHAR(80) CHARACTER SET utf8mb4, "
    "ADD INDEX by_a (a)";

class LhmKills : public ::testing::TestWithParam<KeyKind> {
  protected:
    LhmKills() : server_(shared_server()), db_(connect_to_empty(server_)), lhm_(server_, dir_) {
        db_.execute("CREATE DATABASE shop");
        db_.execute("USE shop");
    }
    static Db connect_to_empty(MariadbServer& server) {
        server.reset();
        return server.connect();
    }
    std::int64_t copied() {
        try {
            return db_.table_exists("shop", "lhmn_t")
                       ? db_.integer("SELECT COUNT(*) FROM shop.lhmn_t")
                       : 0;
        } catch (const SqlError&) {
            return 0;  // dropped or renamed meanwhile
        }
    }
    void await_moment(std::int64_t rows, std::mt19937_64& random);
    Lhm::Answer switch_with_a_kill(std::mt19937_64& random);
    void one_run(const KeyKind& kind, std::uint64_t seed);

    TempDir dir_;
    MariadbServer& server_;
    Db db_;
    Lhm lhm_;
};

// Some time after the start, or when some more rows are there; early enough for all kills.
void LhmKills::await_moment(std::int64_t rows, std::mt19937_64& random) {
    const auto wait_ms = [&](unsigned ms) {
        const auto end = std::chrono::steady_clock::now() + milliseconds(random() % ms);
        while (lhm_.process().running() && std::chrono::steady_clock::now() < end) {
            std::this_thread::sleep_for(milliseconds(2));
        }
    };
    if (random() % 4 == 0) {
        wait_ms(700);
        return;
    }
    const std::int64_t goal =
        copied() + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(rows));
    (void)poll_until([&] { return !lhm_.process().running() || copied() >= goal; });
    wait_ms(60);
}

// Somewhere around the RENAME; then once more, to the end.
Lhm::Answer LhmKills::switch_with_a_kill(std::mt19937_64& random) {
    lhm_.start(Lhm::quick("switch", "shop.t", {}));
    std::this_thread::sleep_for(milliseconds(random() % 400));
    lhm_.process().signal(SIGKILL);
    const auto killed = lhm_.finish();
    if (killed.code == 0) {
        return killed;
    }
    auto answer = lhm_.run(Lhm::quick("switch", "shop.t", {}));
    if (answer.says("nothing is known")) {  // killed behind its last step
        answer.code = 0;
    }
    return answer;
}

void LhmKills::one_run(const KeyKind& kind, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const int rows = sized(12'000, 200'000);
    make_keyed_table(db_, kind, rows);
    const int wanted = 3 + static_cast<int>(random() % 3);
    int kills = 0;
    int runs = 0;
    int deadlocks = 0;
    int inserted = 0;
    {
        KeyWriter first(server_, kind, rows, seed + 1);
        KeyWriter second(server_, kind, rows, seed + 2);
        KeyWriter third(server_, kind, rows, seed + 3);
        const std::string defer = random() % 2 == 0 ? "yes" : "no";
        const Names begin =
            Lhm::quick("change-table", "shop.t",
                       {"--alter", kAlter, "--stride", std::to_string(sized(150, 1000)), "--delay",
                        "20ms", "--defer-indexes", defer, "--no-switch", "--execute"});
        const Names resume = Lhm::quick("resume", "shop.t", {});
        Lhm::Answer last;
        bool is_known = false;  // a state file was written: there is something to resume
        for (;;) {
            lhm_.start(is_known ? resume : begin);
            ++runs;
            if (kills < wanted) {
                await_moment(rows / (wanted + 1), random);
                lhm_.process().signal(SIGKILL);
            }
            last = lhm_.finish();
            if (last.code == 0) {
                break;
            }
            if (last.code != -1) {
                // Killed before its triggers were made: nothing was copied, and it says so.
                ASSERT_TRUE(last.says("stopped before its triggers were made") ||
                            last.says("was left on the server") || last.says("does not exist"))
                    << last.text;
                const auto cleaned = lhm_.run({"cleanup", "shop.t", "--run"});
                ASSERT_EQ(cleaned.code, 0) << cleaned.text;
                for (const std::string& name : db_.tables("shop")) {
                    if (name.rfind("lhma_", 0) == 0) {
                        db_.execute("DROP TABLE " + quote_name(name));
                    }
                }
                is_known = false;
                continue;
            }
            ++kills;
            is_known = !lhm_.run({"status", "shop.t"}).says("nothing is known");
        }
        ASSERT_TRUE(last.says("no differences")) << last.text;
        for (KeyWriter* writer : {&first, &second, &third}) {
            writer->stop();
            EXPECT_EQ(writer->error(), "");
            deadlocks += writer->deadlocks();
            inserted += writer->inserted();
        }
    }
    EXPECT_GE(kills, 3) << "the copy was faster than the kills";
    const std::string list = std::string(kind.columns) + ", a, n";
    EXPECT_EQ(row_difference(db_, "SELECT " + list + " FROM t ORDER BY " + kind.columns,
                             "SELECT " + list + " FROM lhmn_t ORDER BY " + kind.columns),
              "");
    const auto swapped = switch_with_a_kill(random);
    EXPECT_EQ(swapped.code, 0) << swapped.text;
    EXPECT_EQ(db_.triggers("shop"), Names{});
    const std::string archive = archive_of(db_, "shop");
    EXPECT_EQ(db_.tables("shop"), (Names{archive, "t"}));
    EXPECT_EQ(row_difference(db_, "SELECT " + list + " FROM t ORDER BY " + kind.columns,
                             "SELECT " + list + " FROM " + archive + " ORDER BY " + kind.columns),
              "");
    std::cout << kind.name << " SHIFT_SEED=" << seed << ": " << kills << " kills, " << runs
              << " runs, " << inserted << " inserts beside it, " << deadlocks
              << " deadlocks of the writers" << std::endl;
    db_.execute("DROP TABLE t, " + quote_name(archive));
}

TEST_P(LhmKills, EndWithTheSameRows) {
    const std::uint64_t base = base_seed();
    const int runs = std::getenv("SHIFT_SEED") != nullptr ? 1 : sized(1, 25);
    for (int run = 0; run < runs; ++run) {
        const std::uint64_t seed = base + static_cast<std::uint64_t>(run) * 1000;
        SCOPED_TRACE("SHIFT_SEED=" + std::to_string(seed));
        one_run(GetParam(), seed);
        if (HasFailure()) {
            return;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Keys, LhmKills,
                         ::testing::Values(kIntKey, kCompositeKey, kTextKey, kBinaryKey,
                                           kUniqueOnlyKey, kBigUnsignedKey, kDecimalKey,
                                           kDatetimeKey, kEnumKey, kUuidKey, kDoubleKey),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace shift::testing
