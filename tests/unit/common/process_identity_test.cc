#include "common/process_identity.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace shift {
namespace {

// A child that waits for a signal; reaped at the end.
class Child {
  public:
    Child() {
        char name[] = "sleep";
        char seconds[] = "1000";
        char* const argv[] = {name, seconds, nullptr};
        EXPECT_EQ(::posix_spawnp(&pid_, "sleep", nullptr, nullptr, argv, environ), 0);
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        if (!reaped_) {
            ::kill(pid_, SIGKILL);
            reap();
        }
    }
    pid_t pid() const { return pid_; }
    // Waits for the end without reaping: the child is a zombie then.
    void wait_for_zombie() const {
        siginfo_t info{};
        ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
    }
    int reap() {
        int status = 0;
        ::waitpid(pid_, &status, 0);
        reaped_ = true;
        return status;
    }

  private:
    pid_t pid_ = 0;
    bool reaped_ = false;
};

TEST(ProcessIdentity, OfOneselfIsCompleteAndAlive) {
    const auto self = identify_self();
    EXPECT_EQ(self.pid, ::getpid());
    EXPECT_GT(self.start_ticks, 0U);
    EXPECT_EQ(self.boot_id.size(), 36U);
    EXPECT_TRUE(is_alive(self));
}

TEST(ProcessIdentity, OfNobodyHasPidZero) {
    EXPECT_EQ(identify_process(0).pid, 0);
    EXPECT_EQ(identify_process(-1).pid, 0);
    EXPECT_EQ(identify_process(0x3FFFFFFF).pid, 0);
    EXPECT_FALSE(is_alive(ProcessIdentity{}));
}

TEST(ProcessIdentity, IsReadBehindTheLastParenthesisOfTheName) {
    char before[17] = "";
    ::prctl(PR_GET_NAME, before);
    const auto self = identify_self();
    ::prctl(PR_SET_NAME, ") R 1 2 (x) Z");
    EXPECT_EQ(identify_self(), self);
    EXPECT_TRUE(is_alive(self));
    ::prctl(PR_SET_NAME, before);
}

TEST(ProcessIdentity, AnotherStartTimeOrBootIsAnotherProcess) {
    auto other = identify_self();
    other.start_ticks += 1;
    EXPECT_FALSE(is_alive(other));
    EXPECT_FALSE(signal_process(other, SIGKILL));
    other = identify_self();
    other.boot_id = "another";
    EXPECT_FALSE(is_alive(other));
    EXPECT_FALSE(signal_process(other, SIGKILL));
}

TEST(SignalProcess, ReachesExactlyTheProcess) {
    Child child;
    const auto identity = identify_process(child.pid());
    ASSERT_TRUE(is_alive(identity));
    EXPECT_TRUE(signal_process(identity, SIGTERM));
    const int status = child.reap();
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGTERM);
    EXPECT_FALSE(signal_process(identity, SIGTERM));
}

TEST(SignalProcess, TakesAZombieForGone) {
    Child child;
    const auto identity = identify_process(child.pid());
    ASSERT_TRUE(signal_process(identity, SIGKILL));
    child.wait_for_zombie();
    EXPECT_FALSE(is_alive(identity));
    EXPECT_FALSE(signal_process(identity, SIGTERM));
}

TEST(ProcessIdentity, SurvivesJson) {
    const auto self = identify_self();
    EXPECT_EQ(parse_process_identity(to_json(self)), self);
}

TEST(ProcessIdentity, FromGarbageIsNobody) {
    EXPECT_EQ(parse_process_identity(Json()), ProcessIdentity{});
    EXPECT_EQ(parse_process_identity(Json{{"pid", 1}}), ProcessIdentity{});
    EXPECT_EQ(parse_process_identity(Json{{"pid", -1}, {"start_ticks", 1}, {"boot_id", "x"}}),
              ProcessIdentity{});
}

}  // namespace
}  // namespace shift
