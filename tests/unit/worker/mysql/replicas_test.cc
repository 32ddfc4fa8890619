#include "worker/mysql/replicas.h"

#include <gtest/gtest.h>

namespace shift {
namespace {

using namespace std::chrono_literals;

using Addresses = std::vector<ReplicaAddress>;
const ReplicaAddress kPrimary{"10.0.0.1", 3306};
const ReplicaAddress kReplica{"10.0.0.2", 3307};

std::vector<std::string> resolve(const std::string& name) {
    if (name == "db2") {
        return {"10.0.0.2"};
    }
    return name.find_first_not_of("0123456789.") == std::string::npos
               ? std::vector<std::string>{name}
               : std::vector<std::string>{};
}

Addresses merge(const std::vector<std::string>& dumping, const Addresses& registered) {
    return merge_replicas(dumping, registered, kPrimary, resolve);
}

TEST(RecursionMethod, WordsAreThoseOfPtOsc) {
    for (const char* text : {"", "  ", "processlist,hosts", "Hosts, ProcessList"}) {
        const WatchMethod method = parse_recursion_method(text);
        EXPECT_TRUE(method.has_both()) << text;
        EXPECT_EQ(method.trouble, "") << text;
    }
    EXPECT_FALSE(parse_recursion_method("none").watches());
    EXPECT_TRUE(parse_recursion_method("hosts").by_hosts);
    EXPECT_FALSE(parse_recursion_method("hosts").by_processlist);
    EXPECT_TRUE(parse_recursion_method("processlist").by_processlist);
    EXPECT_FALSE(parse_recursion_method("processlist").by_hosts);
}

TEST(RecursionMethod, ATableIsNamedByADsn) {
    for (const char* text : {"dsn=D=percona,t=dsns", "dsn=t=percona.dsns", "DSN=D=`percona`,t=dsns",
                             "dsn= D=percona , t=dsns ,"}) {
        const WatchMethod method = parse_recursion_method(text);
        ASSERT_TRUE(method.table) << text;
        EXPECT_EQ(method.table->database, "percona") << text;
        EXPECT_EQ(method.table->table, "dsns") << text;
        EXPECT_EQ(method.table->host, "") << text;
        EXPECT_FALSE(method.by_hosts || method.by_processlist) << text;
    }
    const WatchMethod elsewhere = parse_recursion_method("dsn=h=db9,P=3310,D=a\\,b,t=t");
    ASSERT_TRUE(elsewhere.table);
    EXPECT_EQ(elsewhere.table->host, "db9");
    EXPECT_EQ(elsewhere.table->port, 3310);
    EXPECT_EQ(elsewhere.table->database, "a,b");
}

TEST(RecursionMethod, WhatIsNotUnderstoodIsSaidAndTakenForTheDefault) {
    for (const char* text : {"cluster", "hosts,cluster", "none,hosts", "dsn=", "dsn=D=a", "dsn=t=a",
                             "dsn=percona.dsns", "dsn=D=a,t=b,P=x", "dsn=D=a,t=b,P=70000",
                             "hosts,,", "hosts;processlist"}) {
        const WatchMethod method = parse_recursion_method(text);
        EXPECT_TRUE(method.has_both()) << text;
        EXPECT_NE(method.trouble.find(text), std::string::npos) << text;
    }
}

TEST(ReplicaDsn, HostAndPortCount) {
    EXPECT_EQ(parse_replica_dsn("h=db2,P=3307", 3306), (ReplicaAddress{"db2", 3307}));
    EXPECT_EQ(parse_replica_dsn("h=db2", 3310), (ReplicaAddress{"db2", 3310}));
    EXPECT_EQ(parse_replica_dsn(" P=1 , h=db2,u=x,p=s=e\\,c", 3306), (ReplicaAddress{"db2", 1}));
    for (const char* text :
         {"", "db2", "P=3307", "h=", "h=db2,P=", "h=db2,P=0", "h=db2,P=65536", "h=db2,P=33x"}) {
        const auto address = parse_replica_dsn(text, 3306);
        EXPECT_EQ(address.has_value(), std::string(text) == "h=db2,P=") << text;
    }
}

TEST(ReplicaDsn, ProcessListHostsLoseTheirPort) {
    EXPECT_EQ(without_client_port("10.0.0.2:41234"), "10.0.0.2");
    EXPECT_EQ(without_client_port("db2"), "db2");
    EXPECT_EQ(without_client_port("[::1]:41234"), "::1");
    EXPECT_EQ(without_client_port("fe80::1:41234"), "fe80::1");
    EXPECT_EQ(without_client_port("localhost"), "localhost");
    EXPECT_EQ(without_client_port(""), "");
}

TEST(MergeReplicas, APortIsTheRegisteredOneElseThePrimarys) {
    EXPECT_EQ(merge({"10.0.0.2"}, {}), (Addresses{{"10.0.0.2", 3306}}));
    EXPECT_EQ(merge({"10.0.0.2"}, {{"10.0.0.2", 3307}}), (Addresses{{"10.0.0.2", 3307}}));
    EXPECT_EQ(merge({"10.0.0.2", "10.0.0.3"}, {{"10.0.0.2", 3307}}),
              (Addresses{{"10.0.0.2", 3307}, {"10.0.0.3", 3306}}));
    EXPECT_EQ(merge({}, {{"10.0.0.2", 0}}), (Addresses{{"10.0.0.2", 3306}}));
}

TEST(MergeReplicas, ANameAndItsAddressAreOneReplica) {
    EXPECT_EQ(merge({"10.0.0.2"}, {{"db2", 3307}}), (Addresses{{"db2", 3307}}));
    EXPECT_EQ(merge({"DB2"}, {{"db2", 3307}}), (Addresses{{"db2", 3307}}));
    EXPECT_EQ(merge({"db2"}, {{"10.0.0.2", 3307}}), (Addresses{{"10.0.0.2", 3307}}));
}

TEST(MergeReplicas, RowsWithoutAHostTellThePort) {
    EXPECT_EQ(merge({"10.0.0.2", "10.0.0.2"}, {{"", 3307}}), (Addresses{{"10.0.0.2", 3307}}));
    EXPECT_EQ(merge({"10.0.0.2", "10.0.0.3"}, {{"", 3307}, {"", 3307}}),
              (Addresses{{"10.0.0.2", 3307}, {"10.0.0.3", 3307}}));
    // Several on one machine; which is whose cannot be told when there are several machines.
    EXPECT_EQ(merge({"10.0.0.2", "10.0.0.2"}, {{"", 3307}, {"", 3308}}),
              (Addresses{{"10.0.0.2", 3307}, {"10.0.0.2", 3308}}));
    EXPECT_EQ(merge({"10.0.0.2", "10.0.0.3"}, {{"", 3307}, {"", 3308}}),
              (Addresses{{"10.0.0.2", 3306}, {"10.0.0.3", 3306}}));
}

TEST(MergeReplicas, ThePrimarysOwnMachineIsCalledByItsHostAndItselfIsNoReplica) {
    EXPECT_EQ(merge({"localhost"}, {{"127.0.0.1", 3307}}), (Addresses{{"10.0.0.1", 3307}}));
    EXPECT_EQ(merge({"localhost"}, {{"", 3308}}), (Addresses{{"10.0.0.1", 3308}}));
    EXPECT_EQ(merge({"::1"}, {}), Addresses{});
    EXPECT_EQ(merge({"10.0.0.1"}, {{"10.0.0.1", 3306}}), Addresses{});
}

// ---- status

NamedRows mariadb(std::vector<Row> rows) {
    return {{"Connection_name", "Slave_IO_Running", "Slave_SQL_Running", "Last_Error",
             "Last_IO_Error", "Seconds_Behind_Master", "Master_Server_Id", "SQL_Delay"},
            std::move(rows)};
}

TEST(ReplicaStatus, BothFamiliesOfNamesAreRead) {
    const NamedRows mysql{{"Replica_IO_Running", "Replica_SQL_Running", "Seconds_Behind_Source"},
                          {{"Yes", "Yes", "14"}}};
    EXPECT_EQ(read_replica_status(mysql, "1").behind_s, 14);
    const auto reading =
        read_replica_status(mariadb({{"", "Yes", "Yes", "", "", "3", "1", "0"}}), "1");
    EXPECT_TRUE(reading.is_replica);
    EXPECT_EQ(reading.behind_s, 3);
    EXPECT_FALSE(read_replica_status(mariadb({}), "1").is_replica);
    EXPECT_FALSE(read_replica_status(NamedRows{}, "1").is_replica);
}

TEST(ReplicaStatus, AStoppedThreadMakesTheLagUnknown) {
    const auto unknown = [](Row row) {
        const auto reading = read_replica_status(mariadb({std::move(row)}), "1");
        EXPECT_FALSE(reading.behind_s);
        return reading.unknown;
    };
    EXPECT_EQ(unknown({"", "Yes", "No", "", "", std::nullopt, "1", "0"}), "replication is stopped");
    EXPECT_EQ(unknown({"", "No", "Yes", "", "", "0", "1", "0"}), "replication is stopped");
    EXPECT_EQ(unknown({"b", "No", "No", "", "no more disk", std::nullopt, "1", "0"}),
              "replication of 'b' is stopped: no more disk");
    EXPECT_EQ(unknown({"", "Connecting", "Yes", "", "", "0", "1", "0"}),
              "replication is not connected to its source");
    EXPECT_EQ(unknown({"", "Yes", "Yes", "", "", std::nullopt, "1", "0"}),
              "replication does not tell");
}

TEST(ReplicaStatus, OfSeveralSourcesOursCountElseTheWorst) {
    const Row ours{"a", "Yes", "Yes", "", "", "2", "1", "0"};
    const Row other{"b", "No", "No", "", "", std::nullopt, "7", "0"};
    const Row slower{"c", "Yes", "Yes", "", "", "9", "8", "0"};
    EXPECT_EQ(read_replica_status(mariadb({ours, other, slower}), "1").behind_s, 2);
    EXPECT_EQ(read_replica_status(mariadb({ours, slower}), "99").behind_s, 9);
    EXPECT_EQ(read_replica_status(mariadb({ours, other, slower}), "99").unknown,
              "replication of 'b' is stopped");
}

TEST(ReplicaStatus, AnOrderedDelayIsNoLag) {
    const auto behind = [](const char* seconds) {
        return read_replica_status(mariadb({{"", "Yes", "Yes", "", "", seconds, "1", "3600"}}), "1")
            .behind_s;
    };
    EXPECT_EQ(behind("3602"), 2);
    EXPECT_EQ(behind("10"), 0);
}

// ---- words

TEST(LagReason, SaysWhichReplicaAndWhy) {
    ReplicaReading reading;
    reading.is_replica = true;
    reading.behind_s = 14;
    EXPECT_EQ(lag_reason(kReplica, reading, 1s),
              "replica 10.0.0.2:3307 is 14 s behind (max_replication_lag 1)");
    EXPECT_EQ(lag_reason(kReplica, reading, 14s), "");
    reading.behind_s.reset();
    reading.unknown = "replication is stopped";
    EXPECT_EQ(lag_reason(kReplica, reading, 14s),
              "replica 10.0.0.2:3307: lag unknown (replication is stopped)");
    EXPECT_EQ(unreachable_reason({"::1", 3306}, "no route"),
              "replica [::1]:3306 cannot be reached: no route; recursion_method=none stops the "
              "watch");
    EXPECT_NE(no_right_reason(kReplica, true, "x").find("SLAVE MONITOR"), std::string::npos);
    EXPECT_NE(no_right_reason(kReplica, false, "x").find("lacks REPLICATION CLIENT there: x"),
              std::string::npos);
}

TEST(LagReason, OfManyTheFirstThreeAreSaid) {
    EXPECT_EQ(join_reasons({}), "");
    EXPECT_EQ(join_reasons({"a"}), "a");
    EXPECT_EQ(join_reasons({"a", "b", "c", "d", "e"}), "a; b; c; and 2 more");
}

}  // namespace
}  // namespace shift
