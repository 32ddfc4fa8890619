#include "supervisor/process/uv_workers.h"

#include <gtest/gtest.h>

#include "common/file.h"
#include "tests/unit/common/temp_dir.h"

namespace shift {
namespace {

class UvWorkersTest : public ::testing::Test {
  protected:
    UvWorkersTest() {
        uv_loop_init(&loop_);
        config_.state_dir = dir_.path();
        config_.log_dir = dir_.path() + "/";
        workers_ = std::make_unique<UvWorkers>(loop_, config_, "/nowhere", log_);
    }
    ~UvWorkersTest() override {
        workers_.reset();
        uv_run(&loop_, UV_RUN_DEFAULT);
        uv_loop_close(&loop_);
    }
    std::vector<std::int64_t> seqs_after(std::int64_t last_seq) {
        AttemptRecord attempt;
        attempt.id = 1;
        attempt.last_seq = last_seq;
        std::vector<std::int64_t> found;
        for (const Json& event : workers_->new_events(attempt)) {
            found.push_back(int_or(event, "seq", 0));
        }
        return found;
    }

    TempDir dir_;
    uv_loop_t loop_;
    Config config_;
    Logger log_{LogLevel::kError};
    std::unique_ptr<UvWorkers> workers_;
};

TEST_F(UvWorkersTest, WhoLostWhatItWasToldIsToldAgain) {
    const std::string folder = dir_.path() + "/attempts/1";
    ASSERT_TRUE(make_directories(folder, 0700).ok());
    auto writer = EventWriter::open(folder + "/events.jsonl", folder + "/reserve");
    ASSERT_TRUE(writer.ok());
    for (const char* kind : {event::kStarted, event::kIntent, event::kOutcome}) {
        ASSERT_TRUE(writer->append(kind, Json::object()).ok());
    }
    EXPECT_EQ(seqs_after(0), (std::vector<std::int64_t>{1, 2, 3}));
    EXPECT_EQ(seqs_after(3), (std::vector<std::int64_t>{}));
    EXPECT_EQ(seqs_after(1), (std::vector<std::int64_t>{2, 3}));
}

TEST_F(UvWorkersTest, WhatIsWrittenAfterAQuietLookIsTold) {
    const std::string folder = dir_.path() + "/attempts/1";
    ASSERT_TRUE(make_directories(folder, 0700).ok());
    auto writer = EventWriter::open(folder + "/events.jsonl", folder + "/reserve");
    ASSERT_TRUE(writer.ok());
    for (std::int64_t seq = 1; seq <= 200; ++seq) {
        ASSERT_TRUE(writer->append(event::kProgress, Json::object()).ok());
        EXPECT_EQ(seqs_after(seq - 1), std::vector<std::int64_t>{seq});
        EXPECT_EQ(seqs_after(seq), std::vector<std::int64_t>{});
        EXPECT_EQ(seqs_after(seq), std::vector<std::int64_t>{});
    }
}

TEST_F(UvWorkersTest, TheEndOfAWorkerIsSeenWithinASecondAndAtOnceAfterItsOutcome) {
    AttemptRecord attempt;
    attempt.id = 1;
    const AttemptFiles files(attempt_folder(dir_.path(), 1));
    ASSERT_TRUE(make_directories(files.dir, 0700).ok());
    for (const bool told : {false, true}) {
        attempt.outcome = told ? std::optional(Outcome::kCopied) : std::nullopt;
        {
            const auto lock = lock_file(files.worker_lock());
            ASSERT_TRUE(lock.ok());
            EXPECT_EQ(workers_->look(attempt), Workers::Life::kAlive);
        }
        const std::uint64_t begun = uv_now(&loop_);
        Workers::Life life = workers_->look(attempt);
        while (life == Workers::Life::kAlive && uv_now(&loop_) - begun < 1'000) {
            uv_update_time(&loop_);
            life = workers_->look(attempt);
        }
        EXPECT_EQ(life, Workers::Life::kDead);
        if (told) {
            EXPECT_EQ(uv_now(&loop_), begun);
        }
    }
}

}  // namespace
}  // namespace shift
