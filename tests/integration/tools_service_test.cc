// The programs as parts of a system: what the daemon tells the service manager, what the manual
// says of them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <map>
#include <regex>
#include <set>

#include "common/text.h"
#include "common/unique_fd.h"
#include "tests/integration/support/ctl.h"
#include "tests/integration/support/programs.h"
#include "tests/integration/support/scenario.h"
#include "tests/integration/support/wait.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

// ---- sd_notify

// The service manager's end of NOTIFY_SOCKET, in the abstract namespace.
class ServiceManager {
  public:
    ServiceManager() : name_("@shift-service-test/" + std::to_string(::getpid())) {
        fd_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path + 1, name_.data() + 1, name_.size() - 1);
        EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address),
                         static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size())),
                  0);
    }
    const std::string& name() const { return name_; }
    // Lines that nobody has asked for.
    std::vector<std::string> heard() {
        receive();
        return std::exchange(unread_, {});
    }
    void await(const std::string& line) {
        EXPECT_TRUE(poll_until([&] {
            receive();
            const auto it = std::find(unread_.begin(), unread_.end(), line);
            if (it == unread_.end()) {
                return false;
            }
            unread_.erase(it);
            return true;
        })) << line
            << " was not heard";
    }

  private:
    void receive() {
        char buffer[8192];
        for (ssize_t got = 0; (got = ::recv(fd_.get(), buffer, sizeof buffer, 0)) >= 0;) {
            for (std::string& line :
                 split(std::string_view(buffer, static_cast<std::size_t>(got)), '\n')) {
                unread_.push_back(std::move(line));
            }
        }
    }

    std::string name_;
    UniqueFd fd_;
    std::vector<std::string> unread_;
};

TEST(Service, TheManagerHearsHowTheDaemonIsAndAHungOneFeedsNoWatchdog) {
    ServiceManager manager;
    Scenario s;
    s.supervisor().terminate();
    constexpr milliseconds kWatchdog{400};
    s.supervisor().set_environment("NOTIFY_SOCKET", manager.name());
    s.supervisor().set_environment("WATCHDOG_USEC", std::to_string(kWatchdog.count() * 1000));
    s.supervisor().start();
    manager.await("READY=1");
    manager.await("STATUS=0 migrations here, 0 at work, 0 calls owed to the API");
    // Fed again and again, not only once.
    for (int i = 0; i < 3; ++i) {
        manager.await("WATCHDOG=1");
    }
    s.supervisor().signal(SIGSTOP);
    const std::string stat = "/proc/" + std::to_string(s.supervisor().pid()) + "/stat";
    ASSERT_TRUE(poll_until([&] { return slurp(stat).find(") T ") != std::string::npos; }));
    (void)manager.heard();
    EXPECT_TRUE(stays_true([&] { return manager.heard().empty(); }, 2 * kWatchdog))
        << "the loop does not turn";
    s.supervisor().signal(SIGCONT);
    manager.await("WATCHDOG=1");

    s.supervisor().signal(SIGHUP);
    manager.await("RELOADING=1");
    manager.await("READY=1");
    ASSERT_TRUE(s.supervisor().terminate());
    EXPECT_THAT(manager.heard(), Contains("STOPPING=1"));
}

TEST(Service, WorkersDoNotSpeakForTheDaemon) {
    ServiceManager manager;
    ScenarioOptions options;
    options.chunk_rows = 100;  // a copy in one chunk has nothing for the gate to hold
    Scenario s(options);
    s.supervisor().terminate();
    s.supervisor().set_environment("NOTIFY_SOCKET", manager.name());
    s.supervisor().set_environment("WATCHDOG_USEC", "60000000");
    s.supervisor().start();
    Writers::make_table(s.db(), "app", "t", 1000);
    CopyGate gate(s);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.bring_to_running(id);
    s.await_copying(id);
    manager.await("STATUS=1 migrations here, 1 at work, 0 calls owed to the API");
    const Json worker = ctl_json(s, {"workers"})["workers"][0];
    for (const char* pid : {"worker_pid", "engine_pid"}) {
        const std::string environment =
            slurp("/proc/" + std::to_string(worker[pid].get<int>()) + "/environ");
        EXPECT_THAT(environment, Not(HasSubstr("NOTIFY_SOCKET"))) << pid;
        EXPECT_THAT(environment, Not(HasSubstr("WATCHDOG_USEC"))) << pid;
    }
    gate.open();
    s.await_status(id, 4);
}

// ---- manual

std::set<std::string> matches(const std::string& text, const std::string& pattern) {
    std::set<std::string> found;
    const std::regex regex(pattern);
    for (std::sregex_iterator it(text.begin(), text.end(), regex), end; it != end; ++it) {
        found.insert((*it)[1]);
    }
    return found;
}

std::string manual_page(const std::string& name) {
    return slurp(std::string(SHIFT_SOURCE_ROOT) + "/packaging/man/" + name);
}

// Long options of a program and, where it has them, of its verbs.
std::set<std::string> options_of(const std::string& tool) {
    const std::string option = "(?:^|\n) +(?:-[a-z],)?--([a-z-]+)";
    const std::string help = run_tool({tool, "--help"}).out;
    std::set<std::string> options = matches(help, option);
    const std::size_t verbs = help.find("Subcommands:");
    if (verbs != std::string::npos) {
        for (const std::string& verb : matches(help.substr(verbs), "\n  ([a-z][a-z-]+) ")) {
            options.merge(matches(run_tool({tool, verb, "--help"}).out, option));
        }
    }
    return options;
}

TEST(Manual, NamesTheOptionsThatHelpLists) {
    const std::map<std::string, std::string> pages = {
        {"shift-supervisord", "shift-supervisord.8"},
        {"shift-supervisorctl", "shift-supervisorctl.1"},
        {"shift-worker", "shift-worker.8"},
        {"shift-api", "shift-api.8"}};
    for (const auto& [name, page] : pages) {
        const std::string text = manual_page(page);
        ASSERT_FALSE(text.empty()) << page;
        std::set<std::string> documented = matches(text, "Fl Fl ([a-z-]+)");
        if (name == "shift-worker") {
            documented.insert("config");  // shown as a part of two others
        }
        const auto options = options_of(program(name));
        EXPECT_GE(options.size(), 3U) << name;
        for (const std::string& option : options) {
            EXPECT_TRUE(documented.contains(option)) << page << " lacks --" << option;
        }
        for (const std::string& option : documented) {
            EXPECT_TRUE(options.contains(option) || name == "shift-worker")
                << page << " names --" << option << ", which does not exist";
        }
    }
}

TEST(Manual, NamesEveryVerb) {
    const std::string help = run_tool({program("shift-supervisorctl"), "--help"}).out;
    const auto verbs = matches(help.substr(help.find("Subcommands:")), "\n  ([a-z][a-z-]+) ");
    EXPECT_GE(verbs.size(), 25U);
    const auto documented =
        matches(manual_page("shift-supervisorctl.1"), "(?:\\.It|,) Cm ([a-z-]+)");
    EXPECT_EQ(documented, verbs);
}

// The unit has no writable /tmp to offer, and what is left there goes with the attempt.
TEST(TemporaryFiles, OfAWorkerAndItsToolAreInTheAttempt) {
    ScenarioOptions options;
    options.chunk_rows = 100;
    options.chunk_pause_s = 0.01;
    Scenario s(options);
    CopyGate gate(s);
    Writers::make_table(s.db(), "app", "t", 1000);
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.bring_to_running(id);
    s.await_copying(id);
    s.await("the tool's pid",
            [&] { return int_or(s.supervisor().migration(id), "engine_pid", 0) > 0; });
    const Json shown = s.supervisor().migration(id);
    const std::string attempt = s.supervisor().attempts().back();
    for (const char* which : {"worker_pid", "engine_pid"}) {
        const std::string pid = std::to_string(int_or(shown, which, 0));
        const auto variables = split(slurp("/proc/" + pid + "/environ"), '\0');
        EXPECT_THAT(variables, Contains("TMPDIR=" + attempt)) << which;
        EXPECT_EQ(std::count_if(variables.begin(), variables.end(),
                                [](const std::string& one) { return one.starts_with("TMPDIR="); }),
                  1)
            << which;
    }
    gate.open();
    s.await_status(id, 4);
}

}  // namespace
}  // namespace shift::testing
