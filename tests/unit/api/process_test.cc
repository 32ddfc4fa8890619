#include <gtest/gtest.h>
#include <httplib.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "common/exit_code.h"
#include "common/json.h"
#include "tests/unit/api/support.h"

// The real program: start, kill, start again, stop.

namespace shift::api {
namespace {

constexpr std::chrono::seconds kDeadline{20};

std::string read_text(const std::string& path) {
    std::ifstream stream(path);
    return {std::istreambuf_iterator<char>(stream), {}};
}

class ShiftApiProcess : public testing::Test {
  protected:
    void SetUp() override {
        const char* program = std::getenv("SHIFT_API");
        if (program == nullptr) {
            GTEST_SKIP() << "SHIFT_API is not set";
        }
        program_ = program;
        write_config("store: " + folder_.file("store.db") +
                     "\nport: 0\nscheduler_interval: 0.1\nclusters:\n  - name: main\n"
                     "    rw_host: db\n    port: 3306\n    password: hunter2-secret\n");
    }
    void TearDown() override {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            (void)wait_for_exit();
        }
    }

    void write_config(const std::string& text) { std::ofstream(config()) << text; }
    std::string config() const { return folder_.file("shift-api.yaml"); }
    std::string log() const { return read_text(folder_.file("log")); }

    void spawn(const std::vector<std::string>& arguments) {
        std::vector<std::string> words = {program_};
        words.insert(words.end(), arguments.begin(), arguments.end());
        std::vector<char*> argv;
        for (std::string& word : words) {
            argv.push_back(word.data());
        }
        argv.push_back(nullptr);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        const std::string log_path = folder_.file("log");
        const std::string out_path = folder_.file("out");
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log_path.c_str(),
                                         O_WRONLY | O_CREAT | O_APPEND, 0600);
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out_path.c_str(),
                                         O_WRONLY | O_CREAT | O_TRUNC, 0600);
        ASSERT_EQ(::posix_spawn(&pid_, program_.c_str(), &actions, nullptr, argv.data(), environ),
                  0);
        posix_spawn_file_actions_destroy(&actions);
    }
    // The exit code, or minus the signal.
    int wait_for_exit() {
        int status = 0;
        EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
    int run(const std::vector<std::string>& arguments) {
        spawn(arguments);
        return wait_for_exit();
    }
    void start_server() {
        const std::string port_file = folder_.file("port");
        ::unlink(port_file.c_str());
        spawn({"--config", config(), "--port-file", port_file});
        const auto deadline = std::chrono::steady_clock::now() + kDeadline;
        std::string text;
        while (text.empty() && std::chrono::steady_clock::now() < deadline) {
            text = read_text(port_file);
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        ASSERT_FALSE(text.empty()) << log();
        port_ = std::stoi(text);
        client_ = std::make_unique<httplib::Client>("127.0.0.1", port_);
        client_->set_keep_alive(true);
    }
    Json call(const std::string& action, const Json& body) {
        const auto result =
            client_->Post("/api/v1/migrations" + action, to_line(body), "application/json");
        if (!result || result->status != 200) {
            ADD_FAILURE() << action << ": " << (result ? result->body : "no answer");
            return nullptr;
        }
        return parse_json(result->body).value();
    }
    Json get(const std::string& path) {
        const auto result = client_->Get(path);
        return result ? parse_json(result->body).value() : Json();
    }
    std::int64_t create() {
        const Json made = call("", {{"cluster_name", "main"},
                                    {"database", "d"},
                                    {"ddl_statement", "ALTER TABLE t ADD x INT"},
                                    {"pr_url", "secret-url"},
                                    {"requestor", "me"}});
        return int_or(made["migration"], "id", 0);
    }

    TempFolder folder_;
    std::string program_;
    pid_t pid_ = -1;
    int port_ = 0;
    std::unique_ptr<httplib::Client> client_;
};

TEST_F(ShiftApiProcess, EveryAnsweredRequestSurvivesKill9) {
    std::vector<std::int64_t> ids;
    std::string log_text;
    for (int round = 0; round < 3; ++round) {
        start_server();
        const std::int64_t id = create();
        ids.push_back(id);
        EXPECT_EQ(call("/unstage", {{"id", id}, {"claim_id", "c"}})["lock_version"], 1);
        for (int i = 0; i < 10; ++i) {
            const std::string line = std::to_string(round) + "." + std::to_string(i) + "\n";
            call("/append_to_file", {{"migration_id", 1}, {"contents", line}});
            log_text += line;
        }
        ASSERT_EQ(::kill(pid_, SIGKILL), 0);
        EXPECT_EQ(wait_for_exit(), -SIGKILL);
    }
    start_server();
    for (const std::int64_t id : ids) {
        const Json migration = get("/api/v1/migrations/" + std::to_string(id))["migration"];
        EXPECT_EQ(migration["staged"], false);
        EXPECT_EQ(migration["lock_version"], 1);
        EXPECT_EQ(call("/unstage", {{"id", id}, {"claim_id", "c"}})["id"], id);
    }
    EXPECT_EQ(get("/api/v1/migrations/get_file?migration_id=1&file_type=0")["contents"], log_text);
}

TEST_F(ShiftApiProcess, SigtermIsAnOrderlyExit) {
    start_server();
    create();
    ASSERT_EQ(::kill(pid_, SIGTERM), 0);
    EXPECT_EQ(wait_for_exit(), kExitOk);
}

TEST_F(ShiftApiProcess, TheLogHasOneLinePerRequestAndNoSecrets) {
    start_server();
    create();
    get("/_status?token=planted-secret");
    ASSERT_EQ(::kill(pid_, SIGTERM), 0);
    EXPECT_EQ(wait_for_exit(), kExitOk);
    const std::string text = log();
    EXPECT_NE(text.find("event=request"), std::string::npos);
    EXPECT_NE(text.find("path=/_status"), std::string::npos);
    for (const char* secret : {"planted-secret", "hunter2-secret", "secret-url", "ALTER"}) {
        EXPECT_EQ(text.find(secret), std::string::npos) << secret;
    }
}

TEST_F(ShiftApiProcess, TheSchedulerRunsByItself) {
    start_server();
    const std::int64_t id = create();
    const std::string path = "/api/v1/migrations/" + std::to_string(id);
    call("/unstage", {{"id", id}});
    call("/next_step", {{"id", id}});
    call("/approve", {{"id", id}, {"lock_version", 2}, {"runtype", "long"}, {"approver", "b"}});
    call("/enqueue", {{"id", id}, {"lock_version", 3}});
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    while (get(path)["migration"]["status"] != 3) {
        ASSERT_LT(std::chrono::steady_clock::now(), deadline) << log();
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
}

TEST_F(ShiftApiProcess, ASecondServerOnThePortIsRefused) {
    start_server();
    EXPECT_EQ(client_->Get("/_status")->status, 200);
    const pid_t first = pid_;
    const int code = run({"--config", config(), "--store", folder_.file("other.db"), "--port",
                          std::to_string(port_)});
    pid_ = first;
    EXPECT_EQ(code, kExitFailed);
    EXPECT_NE(log().find("in use"), std::string::npos);
}

TEST_F(ShiftApiProcess, ExitCodesTellWhatIsWrong) {
    EXPECT_EQ(run({"--config", config(), "--check-config"}), kExitOk);
    EXPECT_EQ(run({"--version"}), kExitOk);
    EXPECT_EQ(run({"--help"}), kExitOk);
    EXPECT_EQ(run({}), kExitUsage);
    EXPECT_EQ(run({"--nonsense"}), kExitUsage);
    EXPECT_EQ(run({"--config", folder_.file("missing.yaml")}), kExitConfig);
    EXPECT_EQ(run({"--config", config(), "--store", folder_.file("no/folder.db")}), kExitJournal);
    write_config("pport: 1\n");
    EXPECT_EQ(run({"--config", config(), "--check-config"}), kExitConfig);
    EXPECT_NE(log().find("did you mean port?"), std::string::npos);
}

}  // namespace
}  // namespace shift::api
