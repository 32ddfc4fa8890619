// The n-th system call on events.jsonl fails, once, for rising n. What append() said is done can be
// read afterwards, in order; a torn line is never followed by another on the same line; and an
// event that must be durable is not given up.
//
// The calls are replaced by the linker (--wrap), so the writer is the product's own.

#include <errno.h>
#include <gtest/gtest.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "common/event_log.h"

namespace {
int fails_in = 0;  // 0 = never
bool has_failed = false;
bool is_torn = false;  // a failing write leaves half of its bytes

bool count() {
    if (fails_in == 0 || --fails_in > 0) {
        return false;
    }
    has_failed = true;
    return true;
}
int refuse(int error) {
    errno = error;
    return -1;
}
}  // namespace

extern "C" {
ssize_t __real_write(int fd, const void* bytes, size_t size);
int __real_fdatasync(int fd);
int __real_ftruncate64(int fd, off_t size);

ssize_t __wrap_write(int fd, const void* bytes, size_t size) {
    if (fd > 2 && count()) {
        if (is_torn) {
            return __real_write(fd, bytes, size / 2);
        }
        return refuse(ENOSPC);
    }
    return __real_write(fd, bytes, size);
}
int __wrap_fdatasync(int fd) {
    return count() ? refuse(EIO) : __real_fdatasync(fd);
}
int __wrap_ftruncate64(int fd, off_t size) {
    return count() ? refuse(EIO) : __real_ftruncate64(fd, size);
}
}

namespace shift::testing {
namespace {

struct Said {
    std::string kind;
    int number = 0;
};

class EventLogFaults : public ::testing::TestWithParam<bool> {
  protected:
    EventLogFaults() {
        std::string pattern = ::testing::TempDir() + "events-XXXXXX";
        EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
    }
    ~EventLogFaults() override {
        fails_in = 0;
        std::filesystem::remove_all(folder_);
    }
    std::string file() const { return folder_ + "/events.jsonl"; }
    std::string reserve() const { return folder_ + "/reserve"; }

  private:
    std::string folder_;
};

TEST_P(EventLogFaults, LoseNothingThatWasSaidToBeWritten) {
    is_torn = GetParam();
    bool untouched = false;
    int n = 0;
    while (!untouched && !HasFailure()) {
        ++n;
        SCOPED_TRACE("call " + std::to_string(n));
        std::filesystem::remove(file());
        std::filesystem::remove(reserve());
        auto writer = EventWriter::open(file(), reserve());
        ASSERT_TRUE(writer.ok());
        has_failed = false;
        fails_in = n;
        std::vector<Said> said;
        const char* const kinds[] = {event::kProgress, event::kIntent,   event::kFact,
                                     event::kProgress, event::kNoReturn, event::kOutcome};
        for (int i = 0; i < 6; ++i) {
            const Status status = writer->append(kinds[i], {{"number", i}});
            const bool durable =
                is_durable_event(kinds[i]) || std::string(kinds[i]) == event::kOutcome;
            EXPECT_TRUE(status.ok() || !durable) << kinds[i] << " was given up";
            if (status.ok()) {
                said.push_back({kinds[i], i});
            }
        }
        untouched = !has_failed;
        fails_in = 0;
        EventReader reader(file(), 0);
        const auto read = reader.poll();
        ASSERT_TRUE(read.ok());
        ASSERT_EQ(read->size(), said.size());
        for (std::size_t i = 0; i < said.size(); ++i) {
            EXPECT_EQ(string_or((*read)[i], "event", ""), said[i].kind);
            EXPECT_EQ(int_or((*read)[i], "number", -1), said[i].number);
            EXPECT_EQ(int_or((*read)[i], "seq", -1), static_cast<std::int64_t>(i) + 1);
        }
        EXPECT_EQ(reader.damaged_lines(), 0U);
    }
    EXPECT_GT(n, 6);
}
INSTANTIATE_TEST_SUITE_P(Write, EventLogFaults, ::testing::Bool(),
                         [](const auto& one) { return one.param ? "Torn" : "Refused"; });

}  // namespace
}  // namespace shift::testing
