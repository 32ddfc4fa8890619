#include "supervisor/loop/service_notifier.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "common/unique_fd.h"
#include "supervisor/loop/uv_owned.h"
#include "tests/fakes/fake_clock.h"
#include "tests/unit/common/temp_dir.h"

namespace shift {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The service manager's end: a datagram socket at a path or, with '@', an abstract name.
class Manager {
  public:
    explicit Manager(const std::string& name) : name_(name) {
        fd_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, name.data(), name.size());
        auto size = offsetof(sockaddr_un, sun_path) + name.size();
        if (name[0] == '@') {
            address.sun_path[0] = '\0';
        } else {
            ++size;
        }
        EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address),
                         static_cast<socklen_t>(size)),
                  0)
            << std::strerror(errno);
    }
    const std::string& name() const { return name_; }
    std::vector<std::string> heard() const {
        std::vector<std::string> messages;
        char buffer[4096];
        for (;;) {
            const ssize_t got = ::recv(fd_.get(), buffer, sizeof buffer, 0);
            if (got < 0) {
                return messages;
            }
            messages.emplace_back(buffer, static_cast<std::size_t>(got));
        }
    }

  private:
    std::string name_;
    UniqueFd fd_;
};

std::string abstract_name() {
    return fmt::format("@shift-notifier-test/{}", ::getpid());
}

TEST(ServiceNotifier, TellsAtAPathAndInTheAbstractNamespace) {
    const TempDir dir;
    for (const std::string& name : {dir / "notify", abstract_name()}) {
        const Manager manager(name);
        ServiceNotifier notifier(name, std::nullopt);
        const FakeClock clock;
        notifier.ready();
        notifier.status("2 at work");
        notifier.status("2 at work");
        notifier.status("journal failed:\nno space");
        notifier.reloading(SteadyTime(std::chrono::seconds(7)));
        notifier.stopping();
        EXPECT_THAT(manager.heard(),
                    ElementsAre("READY=1", "STATUS=2 at work", "STATUS=journal failed: no space",
                                "RELOADING=1\nMONOTONIC_USEC=7000000", "STOPPING=1"))
            << name;
        notifier.turned(clock.now());
        EXPECT_THAT(manager.heard(), IsEmpty()) << "nobody asked for a watchdog";
    }
}

TEST(ServiceNotifier, FeedsTheWatchdogAtHalfItsTimeAndOnlyWhenTheLoopTurns) {
    const Manager manager(abstract_name());
    ServiceNotifier notifier(manager.name(), milliseconds(10'000));
    FakeClock clock;
    notifier.turned(clock.now());
    EXPECT_THAT(manager.heard(), ElementsAre("WATCHDOG=1"));
    for (int i = 0; i < 49; ++i) {
        clock.advance(milliseconds(100));
        notifier.turned(clock.now());
    }
    EXPECT_THAT(manager.heard(), IsEmpty());
    clock.advance(milliseconds(100));
    notifier.turned(clock.now());
    EXPECT_THAT(manager.heard(), ElementsAre("WATCHDOG=1"));
    clock.advance(milliseconds(60'000));
    notifier.status("still there");
    EXPECT_THAT(manager.heard(), ElementsAre("STATUS=still there"));
}

TEST(ServiceNotifier, ALoopThatHangsFeedsItNoMore) {
    const Manager manager(abstract_name());
    constexpr milliseconds kWatchdog{100};
    ServiceNotifier notifier(manager.name(), kWatchdog);
    const SystemClock clock;
    uv_loop_t loop;
    uv_loop_init(&loop);
    std::size_t fed = 0;
    std::vector<std::string> while_hanging;
    {
        const UvTicker ticker(loop, 10, [&] {
            fed += manager.heard().size();
            if (fed < 3) {
                notifier.turned(clock.now());
                return;
            }
            // Hangs in the callback for as long as the manager would wait.
            const auto until = clock.now() + kWatchdog;
            while (clock.now() < until) {
            }
            while_hanging = manager.heard();
            uv_stop(&loop);
        });
        uv_run(&loop, UV_RUN_DEFAULT);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    EXPECT_EQ(uv_loop_close(&loop), 0);
    EXPECT_THAT(while_hanging, IsEmpty());
}

TEST(ServiceNotifier, SendsLaterWhatAFullQueueDidNotTake) {
    const TempDir dir;
    const Manager manager(dir / "notify");
    ServiceNotifier notifier(manager.name(), milliseconds(10'000));
    FakeClock clock;
    std::size_t sent = 0;
    for (; sent < 5000; ++sent) {
        notifier.status(std::to_string(sent));
    }
    notifier.ready();
    const auto first = manager.heard();
    ASSERT_LT(first.size(), sent) << "the queue never filled";
    notifier.turned(clock.now());
    const auto second = manager.heard();
    EXPECT_THAT(second, ElementsAre("READY=1\nSTATUS=4999", "WATCHDOG=1"));
}

TEST(ServiceNotifier, TakesItsVariablesOutOfTheEnvironment) {
    const Manager manager(abstract_name());
    const auto set = [&](const std::string& pid) {
        ::setenv("NOTIFY_SOCKET", manager.name().c_str(), 1);
        ::setenv("WATCHDOG_USEC", "30000000", 1);
        ::setenv("WATCHDOG_PID", pid.c_str(), 1);
    };
    const FakeClock clock;
    set(std::to_string(::getpid()));
    ServiceNotifier ours = ServiceNotifier::take_from_environment();
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) {
        EXPECT_EQ(std::getenv(name), nullptr) << name;
    }
    ours.turned(clock.now());
    EXPECT_THAT(manager.heard(), ElementsAre("WATCHDOG=1"));
    set("1");
    ServiceNotifier of_another = ServiceNotifier::take_from_environment();
    of_another.turned(clock.now());
    EXPECT_THAT(manager.heard(), IsEmpty());
    ServiceNotifier nobody = ServiceNotifier::take_from_environment();
    nobody.ready();
    nobody.turned(clock.now());
    ServiceNotifier gone("@nobody-listens-here/" + std::to_string(::getpid()), milliseconds(1));
    gone.ready();
    gone.turned(clock.now());
}

}  // namespace
}  // namespace shift
