#include "common/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/common/temp_dir.h"

namespace shift {
namespace {

mode_t mode_of(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 07777U : 0;
}

std::size_t files_in(const std::string& folder) {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) {
        ++count;
    }
    return count;
}

TEST(ReadFile, TellsMissingFromTooLarge) {
    const TempDir dir;
    EXPECT_EQ(read_file(dir / "none", 10).error().code, Errc::kNotFound);
    ASSERT_TRUE(write_file_atomic(dir / "f", "12345", 0600).ok());
    EXPECT_EQ(*read_file(dir / "f", 5), "12345");
    EXPECT_EQ(read_file(dir / "f", 4).error().code, Errc::kInvalidArgument);
    EXPECT_EQ(read_file(dir.path(), 10).error().code, Errc::kIo);
}

TEST(ReadFile, ReadsFilesWhoseSizeTheKernelDoesNotTell) {
    EXPECT_FALSE(read_file("/proc/self/stat", 65536)->empty());
}

TEST(ReadFileRange, GivesLessAtTheEnd) {
    const TempDir dir;
    ASSERT_TRUE(write_file_atomic(dir / "f", "0123456789", 0600).ok());
    EXPECT_EQ(*read_file_range(dir / "f", 2, 3), "234");
    EXPECT_EQ(*read_file_range(dir / "f", 8, 100), "89");
    EXPECT_EQ(*read_file_range(dir / "f", 100, 100), "");
    EXPECT_EQ(read_file_range(dir / "none", 0, 1).error().code, Errc::kNotFound);
}

TEST(WriteFileAtomic, ReplacesTheTextAndSetsTheExactMode) {
    const TempDir dir;
    const mode_t before = ::umask(077);
    ASSERT_TRUE(write_file_atomic(dir / "f", "old", 0640).ok());
    ASSERT_TRUE(write_file_atomic(dir / "f", "new", 0644).ok());
    ::umask(before);
    EXPECT_EQ(*read_file(dir / "f", 100), "new");
    EXPECT_EQ(mode_of(dir / "f"), 0644U);
    EXPECT_EQ(files_in(dir.path()), 1U);
}

TEST(WriteFileAtomic, LeavesNothingBehindWhenItFails) {
    const TempDir dir;
    ASSERT_TRUE(make_directories(dir / "taken/inside", 0700).ok());
    EXPECT_FALSE(write_file_atomic(dir / "taken", "text", 0600).ok());
    EXPECT_EQ(files_in(dir.path()), 1U);
    EXPECT_EQ(write_file_atomic(dir / "none/f", "text", 0600).error().code, Errc::kNotFound);
}

TEST(MakeDirectories, MakesParentsAndAcceptsExistingOnes) {
    const TempDir dir;
    ASSERT_TRUE(make_directories(dir / "a/b/c/", 0750).ok());
    ASSERT_TRUE(make_directories(dir / "a/b/c", 0750).ok());
    EXPECT_TRUE(path_exists(dir / "a/b/c"));
}

TEST(MakeDirectories, RefusesAFileInTheWay) {
    const TempDir dir;
    ASSERT_TRUE(write_file_atomic(dir / "f", "", 0600).ok());
    EXPECT_EQ(make_directories(dir / "f", 0750).error().code, Errc::kIo);
    EXPECT_EQ(make_directories(dir / "f/g", 0750).error().code, Errc::kIo);
}

TEST(FileSize, IsNothingForAMissingFile) {
    const TempDir dir;
    EXPECT_EQ(file_size(dir / "f"), std::nullopt);
    ASSERT_TRUE(write_file_atomic(dir / "f", "123", 0600).ok());
    EXPECT_EQ(file_size(dir / "f"), 3U);
}

TEST(PathExists, SeesADanglingLink) {
    const TempDir dir;
    std::filesystem::create_symlink("nowhere", dir / "link");
    EXPECT_TRUE(path_exists(dir / "link"));
}

TEST(RemoveFile, TakesAMissingFileForRemoved) {
    const TempDir dir;
    ASSERT_TRUE(write_file_atomic(dir / "f", "", 0600).ok());
    EXPECT_TRUE(remove_file(dir / "f").ok());
    EXPECT_TRUE(remove_file(dir / "f").ok());
    EXPECT_EQ(remove_file(dir.path()).error().code, Errc::kIo);
}

TEST(LockFile, IsHeldUntilTheLastCopyIsClosed) {
    const TempDir dir;
    auto lock = lock_file(dir / "lock");
    ASSERT_TRUE(lock.ok());
    EXPECT_EQ(mode_of(dir / "lock"), 0600U);
    EXPECT_EQ(lock_file(dir / "lock").error().code, Errc::kConflict);
    EXPECT_TRUE(*is_locked(dir / "lock"));
    UniqueFd copy(::dup(lock->get()));
    lock->reset();
    EXPECT_TRUE(*is_locked(dir / "lock"));
    copy.reset();
    EXPECT_FALSE(*is_locked(dir / "lock"));
    EXPECT_TRUE(lock_file(dir / "lock").ok());
}

TEST(LockFile, DescriptorIsNotInherited) {
    const TempDir dir;
    const auto lock = lock_file(dir / "lock");
    EXPECT_NE(::fcntl(lock->get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(IsLocked, IsFalseForAMissingFileAndDoesNotCreateIt) {
    const TempDir dir;
    EXPECT_FALSE(*is_locked(dir / "lock"));
    EXPECT_FALSE(path_exists(dir / "lock"));
}

TEST(IsLocked, DoesNotTakeAnotherLookForAHolder) {
    const TempDir dir;
    ASSERT_TRUE(write_file_atomic(dir / "lock", "", 0600).ok());
    const UniqueFd looking(::open((dir / "lock").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(::flock(looking.get(), LOCK_SH | LOCK_NB), 0);
    EXPECT_FALSE(*is_locked(dir / "lock"));
}

TEST(WriteAll, NamesTheTargetInItsError) {
    const auto status = write_all(-1, "x", "the pipe");
    EXPECT_EQ(status.error().code, Errc::kIo);
    EXPECT_NE(status.error().message.find("the pipe"), std::string::npos);
}

}  // namespace
}  // namespace shift
