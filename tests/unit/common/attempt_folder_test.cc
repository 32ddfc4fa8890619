#include "common/attempt_folder.h"

#include <gtest/gtest.h>

#include "common/file.h"
#include "tests/unit/common/temp_dir.h"

namespace shift {
namespace {

TEST(ListAttempts, GivesTheNumbersInOrderAndNothingElse) {
    const TempDir dir;
    EXPECT_EQ(list_attempts(dir.path())->size(), 0U) << "no folder yet";
    for (const char* name : {"10", "9", "x", "7x", "-3", "0"}) {
        ASSERT_TRUE(make_directories(dir / ("attempts/" + std::string(name)), 0700).ok());
    }
    EXPECT_EQ(*list_attempts(dir.path()), (std::vector<std::int64_t>{9, 10}));
}

TEST(LookAtAttempt, GoesByTheLocks) {
    const TempDir dir;
    const AttemptFiles files(dir.path());
    EXPECT_EQ(*look_at_attempt(files), AttemptLife::kDead) << "never started";
    {
        const auto engine = lock_file(files.engine_lock());
        ASSERT_TRUE(engine.ok());
        EXPECT_EQ(*look_at_attempt(files), AttemptLife::kOrphanEngine);
        const auto worker = lock_file(files.worker_lock());
        ASSERT_TRUE(worker.ok());
        EXPECT_EQ(*look_at_attempt(files), AttemptLife::kAlive);
    }
    EXPECT_EQ(*look_at_attempt(files), AttemptLife::kDead);
}

}  // namespace
}  // namespace shift
