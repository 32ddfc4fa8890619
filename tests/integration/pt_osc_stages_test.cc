// kill -9 of pt-osc, of the worker and of both between any two things that a copy does, while the
// application writes: the next run goes on or starts over, never gets stuck, drops nothing of the
// user's, and both tables hold the same rows.

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <tuple>

#include "common/event_log.h"
#include "common/text.h"
#include "tests/integration/support/mariadb_server.h"
#include "tests/integration/support/programs.h"
#include "tests/integration/support/temp_dir.h"
#include "tests/integration/support/wait.h"
#include "tests/integration/support/worker_driver.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

using Names = std::vector<std::string>;

enum class Next { kAnew, kGoesOn, kDone };

struct Stage {
    const char* point;
    int triggers;  // on the server when it stands there
    Next next;     // what the run after the kill does
};
std::ostream& operator<<(std::ostream& out, const Stage& stage) {
    return out << stage.point;
}

struct Victim {
    const char* name;
    bool engine;
    bool worker;
};
std::ostream& operator<<(std::ostream& out, const Victim& victim) {
    return out << victim.name;
}

constexpr MigrationId kMigration = 70;
constexpr const char* kShadow = "_70_t_new";

class PtOscStages : public ::testing::TestWithParam<std::tuple<Stage, Victim>> {
  protected:
    PtOscStages() : server_(shared_server()), db_(connect_to_empty(server_)) {
        db_.execute("CREATE DATABASE shop");
        db_.execute("USE shop");
        Writers::make_table(db_, "shop", "t", 3000);
        // The user's own, under names that look like ours.
        for (const std::string& name : kUsers) {
            db_.execute("CREATE TABLE " + quote_name(name) + " (mine INT PRIMARY KEY)");
            db_.execute("INSERT INTO " + quote_name(name) + " VALUES (1), (2)");
        }
        db_.execute(
            "CREATE TRIGGER pt_osc_shop_other_ins AFTER INSERT ON other FOR EACH ROW INSERT IGNORE "
            "INTO shop._t_new VALUES (NEW.mine)");
    }
    static Db connect_to_empty(MariadbServer& server) {
        server.reset();
        return server.connect();
    }
    void expect_users_things() {
        for (const std::string& name : kUsers) {
            EXPECT_TRUE(db_.table_exists("shop", name)) << name;
            if (db_.table_exists("shop", name)) {
                EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM " + quote_name(name)), 2) << name;
            }
        }
        EXPECT_EQ(db_.column("SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE "
                             "EVENT_OBJECT_SCHEMA = 'shop' AND EVENT_OBJECT_TABLE = 'other'"),
                  Names{"pt_osc_shop_other_ins"});
    }
    int triggers_on_t() {
        return static_cast<int>(
            db_.integer("SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE "
                        "EVENT_OBJECT_SCHEMA = 'shop' AND EVENT_OBJECT_TABLE = 't'"));
    }
    // Runs until the tool stands at the point, kills, and waits until nobody lives.
    void kill_at(WorkerDriver& d, const Stage& stage, const Victim& victim) {
        spit(dir_ / "stop-at", stage.point);
        d.start(Step::kRun);
        ASSERT_TRUE(poll_until(
            [&] { return std::filesystem::exists(dir_ / "reached") || !d.worker().running(); }));
        ASSERT_TRUE(std::filesystem::exists(dir_ / "reached")) << d.log();
        EXPECT_EQ(triggers_on_t(), stage.triggers);
        if (victim.worker) {
            d.worker().kill9();
        }
        if (victim.engine) {
            d.kill_engine(SIGKILL);
        }
        const std::string outcome = string_or(d.finish(), "outcome", "died");
        EXPECT_EQ(outcome, victim.worker ? "died" : "retry");
        ASSERT_TRUE(poll_until([&] { return command_line(d.engine()).empty(); }));
        std::filesystem::remove(dir_ / "stop-at");
        std::filesystem::remove(dir_ / "reached");
    }
    static bool said(const WorkerDriver& d, const std::string& part) {
        return d.log().find(part) != std::string::npos;
    }

    const Names kUsers = {"_t_new",     "__t_new", "_7_t_new", "_70_tt_new",
                          "_70_t_new2", "_t_old",  "other"};
    TempDir dir_;
    MariadbServer& server_;
    Db db_;
};

TEST_P(PtOscStages, AKillThereIsMadeGoodByTheNextRun) {
    const auto& [stage, victim] = GetParam();
    WorkerDriver d(server_, dir_, kMigration,
                   "ALTER TABLE t ADD COLUMN extra INT NOT NULL DEFAULT 5", "t");
    d.job.pt_osc_path = stoppable_pt_osc(dir_.path());
    d.job.enable_trash = false;
    Writers writers(server_, "shop", "t");
    writers.start();
    kill_at(d, stage, victim);
    expect_users_things();

    EXPECT_EQ(d.outcome_of(Step::kRun), "copied") << d.log();
    if (victim.engine) {  // a tool that only lost its worker goes a little further
        EXPECT_EQ(said(d, "going on with the copy after"), stage.next == Next::kGoesOn) << d.log();
        EXPECT_EQ(d.engine() == 0, stage.next == Next::kDone);
    }
    writers.stop();
    EXPECT_EQ(writers.errors(), Names{});
    EXPECT_GT(writers.committed(), 0);
    EXPECT_EQ(triggers_on_t(), 3);
    EXPECT_EQ(db_.checksum("shop", "t", Writers::columns()),
              db_.checksum("shop", kShadow, Writers::columns()));
    EXPECT_EQ(Writers::difference(db_, "shop", "t"), "");
    expect_users_things();

    EXPECT_EQ(d.outcome_of(Step::kRename), "completed");
    EXPECT_EQ(Writers::difference(db_, "shop", "t"), "");
    EXPECT_EQ(triggers_on_t(), 0);
    expect_users_things();
    Names left = kUsers;
    left.push_back("t");
    std::sort(left.begin(), left.end());
    Names tables = db_.tables("shop");
    std::sort(tables.begin(), tables.end());  // not the server's order
    EXPECT_EQ(tables, left);
}

INSTANTIATE_TEST_SUITE_P(
    Points, PtOscStages,
    ::testing::Combine(
        ::testing::Values(Stage{"create", 0, Next::kAnew}, Stage{"created", 0, Next::kAnew},
                          Stage{"alter", 0, Next::kAnew}, Stage{"altered", 0, Next::kAnew},
                          Stage{"trigger1", 1, Next::kAnew}, Stage{"trigger2", 2, Next::kAnew},
                          Stage{"trigger3", 3, Next::kAnew}, Stage{"triggers", 3, Next::kAnew},
                          Stage{"noted0", 3, Next::kGoesOn}, Stage{"chunk1", 3, Next::kGoesOn},
                          Stage{"noted1", 3, Next::kGoesOn}, Stage{"chunk7", 3, Next::kGoesOn},
                          Stage{"last", 3, Next::kGoesOn}, Stage{"exit", 3, Next::kDone}),
        ::testing::Values(Victim{"Engine", true, false}, Victim{"Worker", false, true},
                          Victim{"Both", true, true})),
    [](const auto& one) {
        std::string name = std::get<0>(one.param).point;
        name[0] = static_cast<char>(name[0] - 'a' + 'A');
        return name + std::get<1>(one.param).name;
    });

}  // namespace
}  // namespace shift::testing
