// A copy waits for replicas that are behind, stopped or away: a real primary, a real replica, the
// real shift-worker and the real pt-online-schema-change. The tool is held after its first chunk by
// a gate until the worker has seen the replica's trouble, so that nothing depends on speed.

#include <gtest/gtest.h>

#include <filesystem>

#include "common/event_log.h"
#include "common/text.h"
#include "tests/integration/support/mariadb_server.h"
#include "tests/integration/support/programs.h"
#include "tests/integration/support/temp_dir.h"
#include "tests/integration/support/wait.h"
#include "tests/integration/support/worker_driver.h"

namespace shift::testing {
namespace {

constexpr int kRows = 2000;
constexpr int kChunk = 200;
constexpr const char* kShared = "id, a";

class ReplicaLagTest : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        MariadbOptions options;
        options.arguments = {"--server-id=2", "--report-host=127.0.0.1", "--skip-log-bin"};
        options.durable = true;
        replica_ = std::make_unique<MariadbServer>(options);
    }
    static void TearDownTestSuite() { replica_.reset(); }

    ReplicaLagTest() : primary_(shared_server()), db_(connect_to_empty(primary_)) {
        Db replica = empty_replica();
        replica.execute("SET GLOBAL gtid_slave_pos = '" +
                        db_.scalar("SELECT @@GLOBAL.gtid_binlog_pos") + "'");
        replica.execute("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=" +
                        std::to_string(primary_.port()) + ", MASTER_USER='" +
                        MariadbServer::user() + "', MASTER_PASSWORD='" + MariadbServer::password() +
                        "', MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos");
        replica.execute("START SLAVE");
        db_.execute("CREATE DATABASE shop");
        db_.execute("USE shop");
        db_.execute("CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(40)) ENGINE=InnoDB");
        db_.execute("INSERT INTO t SELECT seq, CONCAT('row ', seq) FROM seq_1_to_" +
                    std::to_string(kRows));
        EXPECT_TRUE(poll_until([&] { return is_in_step(); })) << status();
    }
    ~ReplicaLagTest() override { std::filesystem::remove(dir_ / "gate"); }

    static Db connect_to_empty(MariadbServer& server) {
        server.reset();
        return server.connect();
    }
    static Db empty_replica() {
        replica_->thaw();
        on_replica("STOP ALL SLAVES");
        on_replica("RESET SLAVE ALL");
        replica_->reset();
        return replica_->connect();
    }
    static void on_replica(const std::string& sql) { replica_->connect().execute(sql); }
    static std::string status() {
        std::string text;
        for (const Row& row : replica_->connect().rows("SHOW SLAVE STATUS")) {
            for (const Cell& cell : row) {
                text += cell.value_or("NULL") + " ";
            }
        }
        return text;
    }
    bool is_in_step() {
        Db replica = replica_->connect();
        return replica.table_exists("shop", "t") &&
               replica.integer("SELECT COUNT(*) FROM shop.t") == kRows;
    }
    WorkerDriver driver(MigrationId id) {
        WorkerDriver d(primary_, dir_, id, "ALTER TABLE t ADD COLUMN extra INT", "t");
        d.job.pt_osc_path = small_step_pt_osc(dir_.path(), kChunk, 0);
        d.job.enable_trash = false;
        shadow_ = "_" + std::to_string(id) + "_t_new";
        return d;
    }
    void start_with_trouble(WorkerDriver& d) {
        spit(dir_ / "gate", "");
        d.start(Step::kRun);
    }
    // The first chunk is copied and its end waits.
    void start_to_first_chunk(WorkerDriver& d) {
        start_with_trouble(d);
        EXPECT_TRUE(poll_until([&] {
            return !d.worker().running() || (db_.table_exists("shop", shadow_) &&
                                             db_.integer("SELECT COUNT(*) FROM " + shadow_) > 0);
        })) << d.log();
    }
    static bool throttled_by(const WorkerDriver& d, const std::string& part) {
        const auto events = d.events(event::kProgress);
        return !events.empty() &&
               string_or(events.back(), "throttle", "").find(part) != std::string::npos;
    }
    static std::int64_t chunks(const WorkerDriver& d) {
        const std::string path = d.job.files_dir + "ptosc-state.txt";
        const std::string text = std::filesystem::exists(path) ? slurp(path) : "";
        const std::size_t at = text.find("\nchunks ");
        return at == std::string::npos ? 0 : std::stoll(text.substr(at + 8));
    }
    static int lines(const WorkerDriver& d, const std::string& part) {
        int count = 0;
        for (const std::string& line : split(d.log(), '\n')) {
            count += line.find(part) == std::string::npos ? 0 : 1;
        }
        return count;
    }
    // The worker says `why`, and the tool copies nothing more once it is past the gate: it has the
    // first chunk, or none when the trouble was there before it.
    void expect_held(WorkerDriver& d, const std::string& why) {
        ASSERT_TRUE(poll_until([&] { return throttled_by(d, why) || !d.worker().running(); }))
            << d.log();
        ASSERT_TRUE(throttled_by(d, why)) << d.log();
        EXPECT_EQ(d.events(event::kProgress).back().at("phase"), "copy");
        std::filesystem::remove(dir_ / "gate");
        ASSERT_TRUE(poll_until([&] { return lines(d, "Sleeping 2 seconds because") == 1; }))
            << d.log();
        held_at_ = chunks(d);
        EXPECT_LE(held_at_, 1);
        EXPECT_TRUE(stays_true([&] { return chunks(d) == held_at_; }, milliseconds(3000)));
        EXPECT_EQ(db_.integer("SELECT COUNT(*) FROM " + shadow_), held_at_ * kChunk);
    }
    void expect_copied(WorkerDriver& d) {
        EXPECT_EQ(string_or(d.finish(), "outcome", "died"), "copied") << d.log();
        EXPECT_EQ(chunks(d), kRows / kChunk);
        EXPECT_EQ(db_.checksum("shop", "t", kShared), db_.checksum("shop", shadow_, kShared));
        EXPECT_FALSE(std::filesystem::exists(d.attempt_dir() + "/pause"));
    }
    // One remark for the whole time, and the tool's own word once.
    static void expect_said_once(const WorkerDriver& d) {
        EXPECT_EQ(lines(d, "the copy waits: "), 1) << d.log();
        EXPECT_EQ(lines(d, "the copy goes on"), 1) << d.log();
        EXPECT_EQ(lines(d, "Sleeping 2 seconds because"), 1) << d.log();
    }

    static inline std::unique_ptr<MariadbServer> replica_;
    TempDir dir_;
    MariadbServer& primary_;
    Db db_;
    std::string shadow_;
    std::int64_t held_at_ = 0;
};

TEST_F(ReplicaLagTest, AStoppedReplicaHoldsTheCopyUntilItRuns) {
    WorkerDriver d = driver(1);
    start_to_first_chunk(d);
    on_replica("STOP SLAVE SQL_THREAD");
    expect_held(d, ": lag unknown (replication is stopped)");
    on_replica("START SLAVE");
    expect_copied(d);
    expect_said_once(d);
    EXPECT_EQ(lines(d, "watching the lag of replica 127.0.0.1:" + std::to_string(replica_->port())),
              1)
        << d.log();
}

// Then the primary does not know it any more.
TEST_F(ReplicaLagTest, AReplicaThatNoLongerReadsIsNotForgotten) {
    WorkerDriver d = driver(2);
    start_to_first_chunk(d);
    ASSERT_TRUE(poll_until([&] { return lines(d, "watching the lag of replica") == 1; }));
    on_replica("STOP SLAVE IO_THREAD");
    expect_held(d, ": lag unknown (replication is stopped)");
    on_replica("START SLAVE");
    expect_copied(d);
}

TEST_F(ReplicaLagTest, AReplicaThatIsBehindHoldsTheCopyUntilItHasCaughtUp) {
    WorkerDriver d = driver(3);
    start_to_first_chunk(d);
    Db locker = replica_->connect();
    locker.execute("FLUSH TABLES WITH READ LOCK");
    db_.execute("UPDATE t SET a = 'changed' WHERE id = 1");
    expect_held(d, " s behind (max_replication_lag 1)");
    locker.execute("UNLOCK TABLES");
    expect_copied(d);
}

TEST_F(ReplicaLagTest, AReplicaThatIsAwayHoldsTheCopyUntilItIsBack) {
    WorkerDriver d = driver(4);
    start_to_first_chunk(d);
    ASSERT_TRUE(poll_until([&] { return lines(d, "watching the lag of replica") == 1; }));
    // MariaDB's DDL and its GTID are not one transaction: killed between them, the replica would
    // fail at its own trigger for good.
    ASSERT_TRUE(poll_until([&] {
        return replica_->connect().scalar("SELECT @@GLOBAL.gtid_slave_pos") ==
               db_.scalar("SELECT @@GLOBAL.gtid_binlog_pos");
    })) << status();
    replica_->kill9();
    expect_held(d, " cannot be reached: ");
    EXPECT_TRUE(throttled_by(d, "recursion_method=none stops the watch"));
    replica_->start();
    expect_copied(d);
}

TEST_F(ReplicaLagTest, AReplicaThatHangsHoldsTheCopy) {
    WorkerDriver d = driver(5);
    start_to_first_chunk(d);
    ASSERT_TRUE(poll_until([&] { return lines(d, "watching the lag of replica") == 1; }));
    replica_->freeze();
    expect_held(d, " cannot be reached: ");
    replica_->thaw();
    expect_copied(d);
}

TEST_F(ReplicaLagTest, NoneWatchesNothing) {
    WorkerDriver d = driver(6);
    d.job.options.recursion_method = "none";
    on_replica("STOP SLAVE SQL_THREAD");
    d.start(Step::kRun);
    expect_copied(d);
    EXPECT_EQ(lines(d, "the copy waits: "), 0);
    for (const Json& event : d.events(event::kProgress)) {
        EXPECT_EQ(string_or(event, "throttle", ""), "");
    }
}

TEST_F(ReplicaLagTest, AStopDoesNotWaitForTheReplica) {
    WorkerDriver d = driver(7);
    start_to_first_chunk(d);
    on_replica("STOP SLAVE SQL_THREAD");
    expect_held(d, ": lag unknown");
    (void)d.command(R"({"command":"stop","reason":"pause"})");
    EXPECT_EQ(d.finish().at("outcome"), "stopped");
    EXPECT_EQ(lines(d, "Exiting on SIGTERM"), 1) << d.log();  // and not by KILL, 10 s later
    EXPECT_EQ(chunks(d), held_at_);
    on_replica("START SLAVE");
    d.start(Step::kRun);
    EXPECT_EQ(d.finish().at("outcome"), "copied");
    EXPECT_EQ(lines(d, "going on with the copy after"), 1);
    EXPECT_EQ(db_.checksum("shop", "t", kShared), db_.checksum("shop", shadow_, kShared));
}

// A frozen machine answers neither us nor the kernel: the watcher is in the middle of a question.
TEST_F(ReplicaLagTest, AStopDoesNotWaitForAReplicaThatHangs) {
    WorkerDriver d = driver(8);
    start_to_first_chunk(d);
    ASSERT_TRUE(poll_until([&] { return lines(d, "watching the lag of replica") == 1; }));
    replica_->freeze();
    expect_held(d, " cannot be reached: ");
    (void)d.command(R"({"command":"stop","reason":"cancel"})");
    EXPECT_EQ(string_or(d.finish(stretched(seconds(20))), "outcome", "none"), "stopped");
    replica_->thaw();
}

TEST_F(ReplicaLagTest, ATableOfDsnsNamesReplicasThatThePrimaryDoesNotKnow) {
    db_.execute("CREATE DATABASE percona");
    db_.execute("CREATE TABLE percona.dsns (id INT PRIMARY KEY, parent_id INT, dsn VARCHAR(255))");
    db_.execute("INSERT INTO percona.dsns VALUES (1, NULL, 'h=127.0.0.1,P=" +
                std::to_string(replica_->port()) + ",u=ignored,p=ignored')");
    on_replica("STOP SLAVE");
    WorkerDriver d = driver(9);
    d.job.options.recursion_method = "dsn=D=percona,t=dsns";
    start_with_trouble(d);
    expect_held(d, ": lag unknown (replication is stopped)");
    on_replica("START SLAVE");
    expect_copied(d);
}

TEST_F(ReplicaLagTest, ATableOfDsnsThatIsNotThereHoldsTheCopy) {
    WorkerDriver d = driver(10);
    d.job.options.recursion_method = "dsn=D=nowhere,t=dsns";
    start_with_trouble(d);
    expect_held(d, "the replicas cannot be found: ");
    db_.execute("CREATE DATABASE nowhere");
    db_.execute("CREATE TABLE nowhere.dsns (dsn VARCHAR(255))");
    expect_copied(d);
}

TEST_F(ReplicaLagTest, AMethodThatIsNotUnderstoodIsSaidAndTheReplicasAreWatched) {
    WorkerDriver d = driver(11);
    d.job.options.recursion_method = "cluster";
    start_to_first_chunk(d);
    on_replica("STOP SLAVE SQL_THREAD");
    expect_held(d, ": lag unknown (replication is stopped)");
    EXPECT_EQ(lines(d, "recursion_method cluster: known are"), 1) << d.log();
    on_replica("START SLAVE");
    expect_copied(d);
}

TEST_F(ReplicaLagTest, AMissingRightIsNamedAndAGrantIsEnough) {
    const std::string account = "'" + MariadbServer::user() + "'@'127.0.0.1'";
    on_replica("REVOKE ALL PRIVILEGES, GRANT OPTION FROM " + account);
    WorkerDriver d = driver(12);
    start_with_trouble(d);
    expect_held(d, "lag unknown (the user lacks SLAVE MONITOR");
    on_replica("GRANT SLAVE MONITOR ON *.* TO " + account);
    expect_copied(d);
}

}  // namespace
}  // namespace shift::testing
