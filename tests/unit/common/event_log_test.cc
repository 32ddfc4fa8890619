#include "common/event_log.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "common/clock.h"
#include "common/file.h"
#include "tests/unit/common/temp_dir.h"

namespace shift {
namespace {

class EventLog : public ::testing::Test {
  protected:
    TempDir dir_;
    std::string path_ = dir_ / "events.jsonl";
    std::string reserve_ = dir_ / "reserve";

    EventWriter writer() { return *EventWriter::open(path_, reserve_); }
    void put(const std::string& bytes) const {
        std::ofstream(path_, std::ios::app | std::ios::binary) << bytes;
    }
    void replace(const std::string& bytes) const {
        std::ofstream(path_, std::ios::trunc | std::ios::binary) << bytes;
    }
    std::string text() const { return *read_file(path_, 1 << 20); }
    static std::string line(int seq, const char* note = "x") {
        return to_line(Json{{"seq", seq}, {"at", "t"}, {"event", "note"}, {"text", note}}) + "\n";
    }
    static std::vector<std::int64_t> seqs(EventReader& reader) {
        std::vector<std::int64_t> found;
        for (const Json& event : *reader.poll()) {
            found.push_back(*get_int(event, "seq"));
        }
        return found;
    }
};

using Seqs = std::vector<std::int64_t>;

TEST_F(EventLog, ReaderSeesWhatTheWriterWrote) {
    auto log = writer();
    ASSERT_TRUE(log.append(event::kStarted, Json{{"pid", 4711}}).ok());
    ASSERT_TRUE(log.append(event::kIntent, Json{{"what", "shadow"}, {"table", "_t\n\"new"}}).ok());
    EventReader reader(path_, 0);
    const auto events = *reader.poll();
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events[0]["event"], "started");
    EXPECT_EQ(events[0]["pid"], 4711);
    EXPECT_EQ(events[1]["table"], "_t\n\"new");
    EXPECT_NE(parse_iso_time(events[1]["at"].get<std::string>()), WallTime{});
    EXPECT_EQ(reader.last_seq(), 2);
    EXPECT_EQ(reader.damaged_lines(), 0);
    ASSERT_TRUE(log.append(event::kOutcome, Json{{"outcome", "copied"}}).ok());
    EXPECT_EQ(seqs(reader), Seqs{3});
    EXPECT_EQ(seqs(reader), Seqs{});
}

TEST_F(EventLog, WriterReservesSpace) {
    writer();
    EXPECT_EQ(file_size(reserve_), 1024U * 1024U);
}

TEST_F(EventLog, WriterCleansInvalidUtf8) {
    auto log = writer();
    ASSERT_TRUE(log.append(event::kNote, Json{{"text", "bad \xFF byte"}}).ok());
    EventReader reader(path_, 0);
    EXPECT_EQ(reader.poll()->at(0)["text"], "bad \xEF\xBF\xBD byte");
}

TEST_F(EventLog, ReopenedWriterGoesOnAndCutsATornTail) {
    ASSERT_TRUE(writer().append(event::kNote, Json{{"text", "one"}}).ok());
    const std::string good = text();
    put("{\"seq\":2,\"event\":\"no");
    auto again = writer();
    ASSERT_TRUE(again.append(event::kNote, Json{{"text", "two"}}).ok());
    EXPECT_EQ(text().rfind(good, 0), 0U);
    EventReader reader(path_, 0);
    EXPECT_EQ(seqs(reader), (Seqs{1, 2}));
    EXPECT_EQ(reader.damaged_lines(), 0);
}

TEST_F(EventLog, ReopenedWriterCutsNulsThatAPowerLossLeft) {
    replace(line(1) + line(2) + std::string(500, '\0'));
    ASSERT_TRUE(writer().append(event::kNote, Json::object()).ok());
    EventReader reader(path_, 0);
    EXPECT_EQ(seqs(reader), (Seqs{1, 2, 3}));
    EXPECT_EQ(reader.damaged_lines(), 0);
}

TEST_F(EventLog, ReaderWaitsForTheEndOfALine) {
    EventReader reader(path_, 0);
    EXPECT_EQ(seqs(reader), Seqs{});  // no file yet
    const std::string whole = line(1);
    replace(whole.substr(0, 10));
    EXPECT_EQ(seqs(reader), Seqs{});
    put(whole.substr(10));
    EXPECT_EQ(seqs(reader), Seqs{1});
    EXPECT_EQ(reader.damaged_lines(), 0);
}

TEST_F(EventLog, ReaderSkipsWhatItHasSeen) {
    replace(line(1) + line(2) + line(3));
    EventReader reader(path_, 2);
    EXPECT_EQ(seqs(reader), Seqs{3});
    EXPECT_EQ(reader.damaged_lines(), 0);
}

TEST_F(EventLog, ReaderCountsGarbageAndGoesOnBehindIt) {
    replace(line(1) + "garbage\n{\"seq\":\n" + line(4));
    EventReader reader(path_, 0);
    EXPECT_EQ(seqs(reader), (Seqs{1, 4}));
    EXPECT_EQ(reader.damaged_lines(), 2);
    put("[]\n" + line(5));
    EXPECT_EQ(seqs(reader), Seqs{5});
    EXPECT_EQ(reader.damaged_lines(), 3);
}

TEST_F(EventLog, ReaderCountsAGapAndAcceptsWhatFollows) {
    replace(line(1));
    EventReader reader(path_, 0);
    EXPECT_EQ(seqs(reader), Seqs{1});
    put(line(3));
    EXPECT_EQ(seqs(reader), Seqs{3});
    EXPECT_EQ(reader.damaged_lines(), 1);
}

TEST_F(EventLog, ReaderStartsOverWhenTheFileGotShorter) {
    replace(line(1) + line(2) + line(3));
    EventReader reader(path_, 0);
    EXPECT_EQ(seqs(reader), (Seqs{1, 2, 3}));
    replace(line(1));
    EXPECT_EQ(seqs(reader), Seqs{});
    put(line(2) + line(3) + line(4));
    EXPECT_EQ(seqs(reader), Seqs{4});
    EXPECT_EQ(reader.damaged_lines(), 0);
}

TEST_F(EventLog, ReaderStartsOverWhenAnotherTextGrewPastItsPosition) {
    replace(line(1) + line(2));
    EventReader reader(path_, 0);
    EXPECT_EQ(seqs(reader), (Seqs{1, 2}));
    replace(line(1, "a longer text than before, so that lines end elsewhere") + line(2) + line(3) +
            line(4));
    EXPECT_EQ(seqs(reader), (Seqs{3, 4}));
    EXPECT_EQ(reader.damaged_lines(), 0);
}

TEST_F(EventLog, ReaderLooksAgainFromTheStartBeforeItBelievesAGap) {
    replace(line(1) + line(2));
    EventReader reader(path_, 0);
    EXPECT_EQ(seqs(reader), (Seqs{1, 2}));
    // Our position is the start of line 4 now, and line 3 lies before it.
    replace(line(1, "") + line(3, "xx") + line(4));
    ASSERT_EQ((line(1) + line(2)).size(), (line(1, "") + line(3, "xx")).size());
    EXPECT_EQ(seqs(reader), (Seqs{3, 4}));
}

TEST_F(EventLog, ReaderIsNotStuckOnAnEndlessLine) {
    replace(line(1) + std::string(5 * 1024 * 1024, 'x'));
    EventReader reader(path_, 0);
    EXPECT_EQ(seqs(reader), Seqs{1});
    EXPECT_EQ(seqs(reader), Seqs{});
    put("xxx\n" + line(2));
    EXPECT_EQ(seqs(reader), Seqs{2});
    EXPECT_EQ(reader.damaged_lines(), 1);
}

TEST_F(EventLog, ReaderGivesLargeFilesInParts) {
    std::string all;
    const std::string filler(10'000, 'y');
    for (int seq = 1; seq <= 1000; ++seq) {
        all += line(seq, filler.c_str());
    }
    replace(all);
    EventReader reader(path_, 0);
    std::size_t seen = 0;
    int calls = 0;
    for (auto part = seqs(reader); !part.empty(); part = seqs(reader)) {
        seen += part.size();
        ++calls;
    }
    EXPECT_EQ(seen, 1000U);
    EXPECT_GT(calls, 1);
    EXPECT_EQ(reader.damaged_lines(), 0);
}

// A full disk: RLIMIT_FSIZE makes writes short and then refuses them, like ENOSPC.
class FullDisk : public EventLog {
  protected:
    void SetUp() override {
        ::signal(SIGXFSZ, SIG_IGN);
        ::getrlimit(RLIMIT_FSIZE, &before_);
    }
    void TearDown() override { free_space(); }
    void fill_at(std::uint64_t bytes) const {
        rlimit limit = before_;
        limit.rlim_cur = bytes;
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    void free_space() const { ::setrlimit(RLIMIT_FSIZE, &before_); }
    rlimit before_{};
};

TEST_F(FullDisk, AnOrdinaryEventGivesUpAndLeavesNoTornLine) {
    auto log = writer();
    ASSERT_TRUE(log.append(event::kNote, Json{{"text", "one"}}).ok());
    const std::string good = text();
    fill_at(good.size() + 5);
    const auto status = log.append(event::kProgress, Json{{"percent", 10}});
    free_space();
    EXPECT_EQ(status.error().code, Errc::kIo);
    EXPECT_EQ(text(), good);
    ASSERT_TRUE(log.append(event::kProgress, Json{{"percent", 20}}).ok());
    EventReader reader(path_, 0);
    EXPECT_EQ(seqs(reader), (Seqs{1, 2}));
}

TEST_F(FullDisk, TheOutcomeFreesTheReserveAndWaitsForSpace) {
    auto log = writer();
    ASSERT_TRUE(log.append(event::kNote, Json{{"text", "one"}}).ok());
    fill_at(*file_size(path_) + 5);
    Status status = Ok{};
    std::thread worker([&] { status = log.append(event::kOutcome, Json{{"outcome", "copied"}}); });
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (path_exists(reserve_) && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::yield();
    }
    EXPECT_FALSE(path_exists(reserve_));
    free_space();
    worker.join();
    EXPECT_TRUE(status.ok());
    EventReader reader(path_, 0);
    EXPECT_EQ(seqs(reader), (Seqs{1, 2}));
    EXPECT_EQ(reader.damaged_lines(), 0);
}

TEST(EventKinds, WhatTheNextAttemptMustKnowIsDurable) {
    for (const char* kind : {event::kIntent, event::kFact, event::kNoReturn, event::kConnected}) {
        EXPECT_TRUE(is_durable_event(kind)) << kind;
    }
    for (const char* kind : {event::kStarted, event::kProgress, event::kNote, event::kPhase}) {
        EXPECT_FALSE(is_durable_event(kind)) << kind;
    }
}

TEST(Outcomes, AreInversesOfTheirNames) {
    for (int i = 0; i <= static_cast<int>(Outcome::kUndecided); ++i) {
        const auto outcome = static_cast<Outcome>(i);
        EXPECT_EQ(parse_outcome(outcome_name(outcome)), outcome);
    }
    EXPECT_EQ(parse_outcome("unknown"), std::nullopt);
}

}  // namespace
}  // namespace shift
