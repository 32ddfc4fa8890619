// The database password is planted; after a whole life of migrations it is nowhere but in the two
// kinds of files that are meant to hold it, and those nobody else can read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include "tests/integration/support/scenario.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

using ::testing::IsEmpty;

// Looks at the command lines and environments of all processes until it goes.
class ProcessWatcher {
  public:
    explicit ProcessWatcher(std::string secret)
        : secret_(std::move(secret)), thread_([this] { run(); }) {}
    ~ProcessWatcher() {
        stopping_ = true;
        thread_.join();
    }
    ProcessWatcher(const ProcessWatcher&) = delete;
    ProcessWatcher& operator=(const ProcessWatcher&) = delete;

    std::set<std::string> stop() {
        stopping_ = true;
        while (!done_) {
            std::this_thread::sleep_for(milliseconds{1});
        }
        return found_;
    }
    std::int64_t rounds() const { return rounds_; }

  private:
    void run() {
        while (!stopping_) {
            std::error_code error;
            for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
                for (const char* name : {"/cmdline", "/environ"}) {
                    const std::string text = slurp(entry.path().string() + name);
                    if (text.find(secret_) != std::string::npos) {
                        found_.insert(name + (" of " + text.substr(0, 200)));
                    }
                }
            }
            ++rounds_;
        }
        done_ = true;
    }

    std::string secret_;
    std::set<std::string> found_;
    std::atomic<bool> stopping_{false};
    std::atomic<bool> done_{false};
    std::atomic<std::int64_t> rounds_{0};
    std::thread thread_;
};

// Files below `folder` that hold `secret`, except those named in `allowed` (which must be 0600).
std::vector<std::string> files_with(const std::string& folder, const std::string& secret,
                                    const std::set<std::string>& allowed) {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (!entry.is_regular_file() ||
            slurp(entry.path().string()).find(secret) == std::string::npos) {
            continue;
        }
        struct stat info {};
        ::stat(entry.path().c_str(), &info);
        const bool is_private = (info.st_mode & 077) == 0;
        if (!allowed.contains(entry.path().filename()) || !is_private) {
            found.push_back(entry.path().string());
        }
    }
    return found;
}

class Secrets : public ::testing::TestWithParam<bool> {};

TEST_P(Secrets, AreNowhereAfterAWholeLife) {
    const std::string secret = MariadbServer::password();
    const bool by_defaults_file = GetParam();
    ScenarioOptions options;
    options.real_api = true;
    options.chunk_rows = 100;
    options.start = false;
    Scenario s(options);
    if (by_defaults_file) {
        spit(s.dir() / "my.cnf",
             "[client]\nuser=" + MariadbServer::user() + "\npassword=" + secret + "\n", 0600);
        s.supervisor().set("mysql_user", "");
        s.supervisor().set("mysql_password", "");
        s.supervisor().set("mysql_defaults_file", s.dir() / "my.cnf");
    }
    s.supervisor().start();
    CopyGate gate(s);
    ProcessWatcher watcher(secret);
    Writers::make_table(s.db(), "app", "t", 800);

    // Good and bad ends, with the server gone for a while so that its errors are told too.
    const MigrationId good = s.submit({.ddl = "ALTER TABLE t ADD COLUMN extra INT"});
    s.bring_to_running(good);
    s.await_copying(good);
    s.pause(good);
    s.await_status(good, 12);
    gate.open();
    s.resume(good);
    s.await_status(good, 4);
    s.rename(good);
    s.await_status(good, 8);
    const MigrationId bad = s.submit({.ddl = "ALTER TABLE t DROP COLUMN nope"});
    s.await_status(bad, 10);
    const MigrationId cancelled = s.submit({.ddl = "ALTER TABLE t ADD COLUMN more INT"});
    s.bring_to_copied(cancelled);
    s.cancel(cancelled);
    s.await("the clean-up is done", [&] { return s.leftovers("app", {"t"}).empty(); });
    // A wrong password is an error message of the server, which must not be made worse by us.
    s.db().execute("ALTER USER 'shift'@'127.0.0.1' IDENTIFIED BY 'changed'");
    spit(s.dir() / "client.cnf", "[client]\nuser=" + MariadbServer::user() + "\npassword=changed\n",
         0600);
    const MigrationId denied = s.submit(
        {.ddl = "CREATE TABLE fresh (id INT)", .table = "fresh", .action = 0, .runtype = 2});
    const std::size_t attempts = s.supervisor().attempts().size();
    s.await("refused, or tried in vain", [&] {
        return s.status(denied) == 10 || s.supervisor().attempts().size() >= attempts + 2;
    });
    const Json status = s.supervisor().status();
    s.supervisor().terminate();

    EXPECT_THAT(watcher.stop(), IsEmpty());
    EXPECT_GT(watcher.rounds(), 5);
    EXPECT_EQ(to_line(status).find(secret), std::string::npos);
    for (const ApiCall& call : s.api().calls()) {
        EXPECT_EQ((call.path + call.query + call.body).find(secret), std::string::npos)
            << call.endpoint;
    }
    // config.yaml and my.cnf are the operator's, client.cnf is shift-api's, credentials.cnf what
    // the worker hands to pt-osc.
    EXPECT_THAT(files_with(s.dir().path(), secret,
                           {"config.yaml", "my.cnf", "client.cnf", "credentials.cnf"}),
                IsEmpty());
    // The supervisor's own copies go with their attempts.
    for (const std::string& attempt : s.supervisor().attempts()) {
        if (std::filesystem::exists(attempt + "/closed")) {
            EXPECT_FALSE(std::filesystem::exists(attempt + "/credentials.cnf")) << attempt;
        }
    }
}
INSTANTIATE_TEST_SUITE_P(Secrets, Secrets, ::testing::Values(false, true), [](const auto& one) {
    return std::string(one.param ? "InADefaultsFile" : "InTheConfiguration");
});

}  // namespace
}  // namespace shift::testing
