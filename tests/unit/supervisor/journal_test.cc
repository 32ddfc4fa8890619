// The journal in memory is held to the real one: the same writes, the same things read back.

#include "supervisor/journal/journal.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "supervisor/journal/sqlite_journal.h"
#include "tests/fakes/memory_journal.h"
#include "tests/unit/common/temp_dir.h"

namespace shift {
namespace {

using Generator = std::mt19937;
using Millis = std::chrono::milliseconds;

int pick(Generator& random, int n) {
    return static_cast<int>(random() % static_cast<unsigned>(n));
}

MigrationRecord some_migration(Generator& random) {
    MigrationRecord r;
    r.id = 1 + pick(random, 12);
    r.seen.id = r.id;
    r.seen.status = pick(random, 15);
    r.seen.lock_version = pick(random, 50);
    r.seen.staged = pick(random, 2) == 0;
    r.seen.cluster_name = "c";
    r.seen.database = "shop";
    r.seen.table = "t\xc3\xa9 `x`";
    r.seen.ddl_statement = "ALTER TABLE t ADD COLUMN c INT";
    r.seen.host = "db1";
    r.seen.port = 3306;
    r.seen.run_host = pick(random, 2) == 0 ? "us" : "";
    r.seen.runtype = static_cast<Runtype>(pick(random, 4));
    if (pick(random, 2) == 0) {
        r.seen.mode = Mode::kTable;
        r.seen.action = Action::kAlter;
    }
    r.state = static_cast<ClaimState>(pick(random, 11));
    r.claim = pick(random, 9);
    r.claim_id = std::to_string(random());
    r.listed_lock_version = pick(random, 50);
    if (pick(random, 4) != 0) {
        r.step = static_cast<Step>(pick(random, 5));
    }
    r.tries = pick(random, 5);
    r.attempt = pick(random, 9);
    r.no_return = pick(random, 2) == 0;
    r.release = pick(random, 2) == 0;
    r.log_offset = static_cast<std::uint64_t>(pick(random, 100'000));
    r.state_hash = "abc";
    r.next_try = pick(random, 2) == 0 ? WallTime{} : WallTime(Millis(1'700'000'000'123));
    r.reason = "because";
    r.since = WallTime(Millis(1'700'000'000'000 + pick(random, 1'000'000)));
    r.first_seen = WallTime(Millis(1'600'000'000'000));
    return r;
}

AttemptRecord some_attempt(Generator& random, MigrationId migration) {
    AttemptRecord a;
    a.id = 1 + pick(random, 20);
    a.migration = migration;
    a.claim = pick(random, 9);
    a.step = static_cast<Step>(pick(random, 5));
    a.engine = "pt-osc";
    a.ended = pick(random, 3) == 0;
    a.worker = {pick(random, 9999), 17, "boot"};
    a.engine_process = {pick(random, 9999), 18, "boot"};
    a.last_seq = pick(random, 99);
    a.progress.percent = 12.5;
    a.progress.phase = "copy";
    a.started = WallTime(Millis(1'700'000'000'001));
    if (pick(random, 2) == 0) {
        a.outcome = static_cast<Outcome>(pick(random, 9));
    }
    a.message = "m";
    return a;
}

std::string text_of(const MigrationRecord& r) {
    const Migration& m = r.seen;
    return fmt::format(
        "{} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} | {} {} {} {} {} {} {} {} {}", r.id,
        claim_state_name(r.state), r.claim, r.claim_id, r.listed_lock_version,
        r.step ? step_name(*r.step) : "-", r.tries, r.attempt, r.no_return, r.release, r.log_offset,
        r.state_hash, iso_time(r.next_try), r.reason, iso_time(r.since), iso_time(r.first_seen),
        m.status, m.lock_version, m.staged, m.table, m.run_host, runtype_name(m.runtype),
        m.mode ? mode_name(*m.mode) : "-", m.action ? action_name(*m.action) : "-",
        m.ddl_statement);
}

std::string text_of(const AttemptRecord& a) {
    return fmt::format("{} {} {} {} {} {} {} {} {} {} {} {}", a.id, a.migration, a.claim,
                       step_name(a.step), a.engine, to_line(to_json(a.worker)),
                       to_line(to_json(a.engine_process)), a.last_seq, *a.progress.percent,
                       a.progress.phase, a.outcome ? outcome_name(*a.outcome) : "-", a.message);
}

std::string text_of(const OwedCall& c) {
    return fmt::format("{} {} {} {} {} {} {} {} {} {}", c.id, c.migration, c.claim,
                       c.claimed_status, lane_name(c.lane), call_kind_name(c.kind), to_line(c.body),
                       c.tries, c.refusals, c.last_answer);
}

template <typename T>
std::multiset<std::string> texts_of(const std::vector<T>& records) {
    std::multiset<std::string> all;
    for (const T& record : records) {
        all.insert(text_of(record));
    }
    return all;
}

void expect_same(Journal& memory, Journal& real) {
    const auto a = memory.load();
    const auto b = real.load();
    ASSERT_TRUE(a.ok() && b.ok());
    EXPECT_EQ(texts_of(a->migrations), texts_of(b->migrations));
    EXPECT_EQ(texts_of(a->attempts), texts_of(b->attempts));
    EXPECT_EQ(texts_of(a->calls), texts_of(b->calls));
    EXPECT_EQ(a->settings, b->settings);
    EXPECT_EQ(a->last_errors, b->last_errors);
    EXPECT_EQ(a->last_attempt, b->last_attempt);
    for (MigrationId id = 1; id <= 12; ++id) {
        const auto in_memory = memory.find(id);
        const auto on_disk = real.find(id);
        ASSERT_EQ(in_memory.ok(), on_disk.ok());
        if (in_memory.ok()) {
            EXPECT_EQ(text_of(*in_memory), text_of(*on_disk));
        }
        Json history = *real.history(id);
        for (Json& event : history) {
            event.erase("at");
        }
        EXPECT_EQ(*memory.history(id), history);
    }
}

TEST(Journals, TheOneInMemoryHoldsWhatTheRealOneHolds) {
    Generator random(7);
    TempDir dir;
    MemoryDisk disk;
    MemoryJournalFaults faults;
    auto memory = MemoryJournal::open(disk, faults);
    auto real = SqliteJournal::open(dir / "journal.db");
    ASSERT_TRUE(memory.ok() && real.ok());
    std::map<std::int64_t, OwedCall> calls;
    for (int turn = 0; turn < 300; ++turn) {
        const MigrationRecord migration = some_migration(random);
        const AttemptRecord attempt = some_attempt(random, migration.id);
        OwedCall call;
        if (!calls.empty() && pick(random, 2) == 0) {
            call = calls.begin()->second;
            call.state = static_cast<CallState>(pick(random, 4));
            ++call.tries;
            calls.erase(calls.begin());
        }
        call.migration = call.id == 0 ? migration.id : call.migration;
        call.kind = static_cast<CallKind>(pick(random, 10));
        call.body = {{"n", turn}};
        EventRecord event;
        event.migration = migration.id;
        event.attempt = attempt.id;
        event.source = pick(random, 3) == 0 ? "supervisor" : "worker";
        event.kind = pick(random, 2) == 0 ? event::kIntent : event::kProgress;
        event.detail = {{"what", "ddl"}, {"turn", turn}};
        std::vector<std::int64_t> ids;
        for (Journal* journal : {memory->get(), static_cast<Journal*>(real->get())}) {
            OwedCall mine = call;
            EXPECT_TRUE(journal->put(migration).ok());
            EXPECT_TRUE(journal->put(attempt).ok());
            EXPECT_TRUE(journal->put(mine).ok());
            EXPECT_TRUE(journal->add(event).ok());
            EXPECT_TRUE(journal->put_setting("drain", std::to_string(turn % 5)).ok());
            EXPECT_TRUE(journal->commit().ok());
            ids.push_back(mine.id);
        }
        ASSERT_EQ(ids[0], ids[1]);
        call.id = ids[0];
        if (call.state == CallState::kPending) {
            calls[call.id] = call;
        }
    }
    expect_same(**memory, **real);
    // And after a restart.
    memory = MemoryJournal::open(disk, faults);
    real = SqliteJournal::open(dir / "journal.db");
    expect_same(**memory, **real);
}

TEST(Journals, WhatWasNotCommittedIsGoneInBoth) {
    Generator random(8);
    TempDir dir;
    MemoryDisk disk;
    MemoryJournalFaults faults;
    auto memory = MemoryJournal::open(disk, faults);
    auto real = SqliteJournal::open(dir / "journal.db");
    const MigrationRecord record = some_migration(random);
    for (Journal* journal : {memory->get(), static_cast<Journal*>(real->get())}) {
        EXPECT_TRUE(journal->put(record).ok());
        EXPECT_TRUE(journal->find(record.id).ok()) << "its own writes are seen";
    }
    memory = MemoryJournal::open(disk, faults);
    real = Result<std::unique_ptr<SqliteJournal>>(Error{});
    real = SqliteJournal::open(dir / "journal.db");
    expect_same(**memory, **real);
    EXPECT_FALSE((*real)->find(record.id).ok());
}

}  // namespace
}  // namespace shift
