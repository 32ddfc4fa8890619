#include "ctl/cli.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <thread>

#include "common/control_protocol.h"
#include "common/exit_code.h"
#include "common/file.h"
#include "common/unique_fd.h"
#include "common/why.h"
#include "tests/unit/common/temp_dir.h"

namespace shift::ctl {
namespace {

// Accepts connections one after the other on `listener` and hands each to `serve`, until it goes.
class Server {
  public:
    using Serve = std::function<void(int fd)>;

    Server(UniqueFd listener, Serve serve) : listener_(std::move(listener)) {
        int ends[2] = {-1, -1};
        EXPECT_EQ(::pipe(ends), 0);
        stop_read_ = UniqueFd(ends[0]);
        stop_write_ = UniqueFd(ends[1]);
        thread_ = std::thread([this, serve = std::move(serve)] {
            for (;;) {
                pollfd ready[2] = {{listener_.get(), POLLIN, 0}, {stop_read_.get(), POLLIN, 0}};
                if (::poll(ready, 2, -1) <= 0 || ready[1].revents != 0) {
                    return;
                }
                const UniqueFd peer(::accept(listener_.get(), nullptr, nullptr));
                serve(peer.get());
            }
        });
    }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server() {
        stop_write_.reset();
        thread_.join();
    }

  private:
    UniqueFd listener_;
    UniqueFd stop_read_;
    UniqueFd stop_write_;
    std::thread thread_;
};

// A daemon as far as the control socket shows one.
class FakeDaemon {
  public:
    using Answer = std::function<std::string(const Json& request)>;
    FakeDaemon(const std::string& path, Answer answer)
        : answer_(std::move(answer)), server_(listen_on(path), [this](int fd) { serve(fd); }) {}
    std::vector<std::string> commands() {
        const std::lock_guard<std::mutex> lock(mutex_);
        return commands_;
    }

  private:
    static UniqueFd listen_on(const std::string& path) {
        UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), path.size());
        EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(::listen(fd.get(), 5), 0);
        return fd;
    }
    void serve(int fd) {
        std::string line;
        char c = 0;
        while (::read(fd, &c, 1) == 1 && c != '\n') {
            line += c;
        }
        const Json request = *parse_json(line);
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            commands_.push_back(request["command"].get<std::string>() + to_line(request["args"]));
        }
        (void)write_all(fd, answer_(request), "test");
    }

    Answer answer_;
    std::mutex mutex_;
    std::vector<std::string> commands_;
    Server server_;
};

// An API that answers by "METHOD path".
class FakeApi {
  public:
    using Answer = std::function<std::pair<int, std::string>(const std::string& request,
                                                             const std::string& body)>;
    explicit FakeApi(Answer answer)
        : answer_(std::move(answer)), server_(bind_somewhere(), [this](int fd) { serve(fd); }) {}
    std::string url() const { return fmt::format("http://127.0.0.1:{}/api/v1/", port_); }
    std::vector<std::string> requests() {
        const std::lock_guard<std::mutex> lock(mutex_);
        return requests_;
    }

  private:
    UniqueFd bind_somewhere() {
        UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
        EXPECT_EQ(::listen(fd.get(), 5), 0);
        EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
        port_ = ntohs(address.sin_port);
        return fd;
    }
    void serve(int fd) {
        std::string text;
        char buffer[4096];
        std::size_t head = std::string::npos;
        std::size_t want = 0;
        while (head == std::string::npos || text.size() < head + 4 + want) {
            const ssize_t got = ::read(fd, buffer, sizeof buffer);
            if (got <= 0) {
                return;
            }
            text.append(buffer, static_cast<std::size_t>(got));
            head = text.find("\r\n\r\n");
            const std::string key = "Content-Length: ";
            if (const std::size_t at = text.find(key); at != std::string::npos) {
                want = std::strtoul(text.c_str() + at + key.size(), nullptr, 10);
            }
        }
        const std::string request = text.substr(0, text.find(" HTTP/"));
        const std::string body = text.substr(head + 4);
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            requests_.push_back(body.empty() ? request : request + " " + body);
        }
        const auto [status, answer] = answer_(request, body);
        (void)write_all(fd,
                        fmt::format("HTTP/1.1 {} X\r\nConnection: close\r\nContent-Length: {}"
                                    "\r\n\r\n{}",
                                    status, answer.size(), answer),
                        "test");
    }

    Answer answer_;
    std::mutex mutex_;
    std::vector<std::string> requests_;
    int port_ = 0;
    Server server_;
};

struct Outcome {
    int code = 0;
    std::string out;
    std::string err;
};

Outcome run(const std::vector<std::string>& words) {
    std::vector<const char*> argv = {"shift-supervisorctl"};
    for (const std::string& word : words) {
        argv.push_back(word.c_str());
    }
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    Outcome outcome;
    outcome.code = run_cli(static_cast<int>(argv.size()), argv.data());
    outcome.out = ::testing::internal::GetCapturedStdout();
    outcome.err = ::testing::internal::GetCapturedStderr();
    return outcome;
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

Json status_of(int owed, bool active, const Json& migrations = Json::array()) {
    return Json{{"version", "0.1.0"},
                {"state", active ? "draining" : "running"},
                {"drain", {{"active", active}, {"by", "command"}, {"owed", owed}}},
                {"migrations", migrations}};
}

std::string migration(int status, int lock, const Json& actions = Json::array()) {
    return to_line(Json{
        {"migration", {{"id", 7}, {"status", status}, {"lock_version", lock}, {"staged", false}}},
        {"available_actions", actions}});
}

class Cli : public ::testing::Test {
  protected:
    TempDir dir_;
    std::string socket_ = dir_ / "control.sock";
};

TEST_F(Cli, UsageErrorsAre64) {
    for (const auto& words :
         std::vector<std::vector<std::string>>{{},
                                               {"dance"},
                                               {"status", "--dance"},
                                               {"start"},
                                               {"start", "x"},
                                               {"start", "0"},
                                               {"start", "1", "2"},
                                               {"approve", "7", "--runtype", "fast"},
                                               {"submit"},
                                               {"status", "--watch", "x"},
                                               {"drain", "--timeout", "soon"},
                                               {"log", "-1"},
                                               {"events"},
                                               {"history", "--limit", "0"},
                                               {"stop-workers"},
                                               {"stop-workers", "1", "--all"},
                                               {"retry"}}) {
        const Outcome outcome = run(words);
        EXPECT_EQ(outcome.code, kExitUsage);
        EXPECT_EQ(outcome.out, "");
        EXPECT_TRUE(has(outcome.err, "shift-supervisorctl: ")) << outcome.err;
    }
    EXPECT_TRUE(has(run({"statsu"}).err, "unknown verb 'statsu', did you mean status?"));
}

TEST_F(Cli, HelpAndVersionAreAnswers) {
    const Outcome help = run({"--help"});
    EXPECT_EQ(help.code, 0);
    EXPECT_TRUE(has(help.out, "check-config"));
    EXPECT_EQ(run({"--version"}).out, "shift-supervisorctl " SHIFT_VERSION "\n");
    EXPECT_EQ(run({"drain", "--help"}).code, 0);
}

TEST_F(Cli, SaysWhichDaemonIsNotThere) {
    const Outcome outcome = run({"status", "--socket", socket_});
    EXPECT_EQ(outcome.code, kExitUnavailable);
    EXPECT_EQ(outcome.err,
              "shift-supervisorctl: no daemon answers at " + socket_ +
                  ": No such file or directory\n"
                  "  next: start it (systemctl start shift-supervisord), or name its socket with "
                  "--socket PATH\n");
}

TEST_F(Cli, FindsTheSocketInTheConfiguration) {
    const FakeDaemon daemon(socket_, [](const Json&) { return control_ok(status_of(0, false)); });
    const std::string config = dir_ / "c.yaml";
    ASSERT_TRUE(write_file_atomic(config,
                                  "rest_api: http://127.0.0.1:1/\nlog_dir: " + dir_.path() +
                                      "\ncontrol_socket: " + socket_ + "\n",
                                  0600)
                    .ok());
    const Outcome outcome = run({"--config", config, "status"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_TRUE(has(outcome.out, "no migrations here\n"));
}

TEST_F(Cli, ConfigurationTroubleIs78) {
    EXPECT_EQ(run({"--config", dir_ / "none", "status"}).code, kExitConfig);
    const std::string config = dir_ / "c.yaml";
    ASSERT_TRUE(write_file_atomic(config, "bad_key: 1\n", 0600).ok());
    const Outcome outcome = run({"check-config", "--config", config});
    EXPECT_EQ(outcome.code, kExitConfig);
    EXPECT_TRUE(has(outcome.err, config + ":1: bad_key: unknown key")) << outcome.err;
}

TEST_F(Cli, CheckConfigNeverShowsThePassword) {
    const std::string config = dir_ / "c.yaml";
    ASSERT_TRUE(write_file_atomic(
                    config, "rest_api: http://x/\nlog_dir: /tmp\nmysql_password: hunter2\n", 0600)
                    .ok());
    for (const std::string& json : {std::string("--json"), std::string("--no-color")}) {
        const Outcome outcome = run({"check-config", "--config", config, json});
        EXPECT_EQ(outcome.code, 0);
        EXPECT_TRUE(has(outcome.out, config));
        EXPECT_FALSE(has(outcome.out + outcome.err, "hunter2"));
    }
}

TEST_F(Cli, DoctorSaysWhatWorksAndWhatItMeans) {
    const std::string worker = dir_ / "worker";
    const std::string config = dir_ / "c.yaml";
    FakeApi api([](const std::string&, const std::string&) { return std::pair(200, "[]"); });
    ASSERT_TRUE(write_file_atomic(config,
                                  "rest_api: " + api.url() + "\nlog_dir: " + dir_.path() +
                                      "\nworker_path: " + worker + "\ncontrol_socket: " + socket_ +
                                      "\npt_osc_path: /opt/pt\npt_osc_flavour: stock\n",
                                  0600)
                    .ok());
    const auto says = [&](const std::string& flavour) {
        ASSERT_TRUE(
            write_file_atomic(worker,
                              "#!/bin/sh\n[ \"$*\" = '--describe-engine /opt/pt stock' ] && "
                              "echo '{\"path\":\"/opt/pt\",\"version\":\"3.2.1\",\"flavour\":"
                              "\"" +
                                  flavour + "\",\"meaning\":\"goes on\"}'\n",
                              0755)
                .ok());
    };
    const FakeDaemon daemon(socket_, [](const Json&) {
        return control_ok({{"version", "9"}, {"pid", 12}});
    });
    says("stock");
    const Outcome good = run({"doctor", "--config", config});
    EXPECT_EQ(good.code, 0) << good.out << good.err;
    EXPECT_TRUE(has(good.out, "/opt/pt 3.2.1 (stock): goes on")) << good.out;
    EXPECT_TRUE(has(good.out, "WARN  daemon: shift-supervisord 9 (pid 12)")) << good.out;
    EXPECT_TRUE(has(good.out, "OK    API reachable: ")) << good.out;
    EXPECT_TRUE(has(good.out, "OK    API tls: http")) << good.out;
    says("unusable");
    const Outcome bad = run({"doctor", "--config", config, "--json"});
    EXPECT_EQ(bad.code, kExitConfig);
    EXPECT_TRUE(has(bad.out, "\"flavour\":\"unusable\"")) << bad.out;
    const Json findings = (*parse_json(bad.out))["findings"];
    EXPECT_GT(findings.size(), 5U);
    for (const Json& finding : findings) {
        const std::string level = finding["level"];
        EXPECT_TRUE(level == "ok" || finding["fix"] != "") << to_line(finding);
    }
    ASSERT_TRUE(write_file_atomic(worker, "#!/bin/sh\nexit 1\n", 0755).ok());
    EXPECT_EQ(run({"doctor", "--config", config}).code, kExitConfig);
}

TEST_F(Cli, WhyShowsTheDaemonsAnswer) {
    const FakeDaemon daemon(socket_, [](const Json& request) {
        EXPECT_EQ(request["command"], "why");
        return control_ok(to_json(Why{WhyCode::kThrottled, "lag 7 s", {{"reason", "x"}}}, 7));
    });
    const Outcome outcome = run({"why", "7", "--socket", socket_});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_TRUE(has(outcome.out, "reason:          throttled\n")) << outcome.out;
    EXPECT_TRUE(has(outcome.out, "because:         lag 7 s\n")) << outcome.out;
    EXPECT_TRUE(has(outcome.out, "evidence:        reason=x\n")) << outcome.out;
    const Json json = *parse_json(run({"why", "7", "--socket", socket_, "--json"}).out);
    EXPECT_EQ(json["code"], "throttled");
    EXPECT_EQ(json["format"], 1);
}

TEST_F(Cli, WhyAsksTheApiAboutWhatTheDaemonDoesNotHave) {
    const FakeDaemon daemon(socket_,
                            [](const Json&) { return control_error("not in the journal"); });
    std::string shown = migration(1, 3, {"approve_long", "delete"});
    FakeApi api([&](const std::string&, const std::string&) { return std::pair(200, shown); });
    const auto why = [&] { return run({"why", "7", "--socket", socket_, "--api", api.url()}).out; };
    EXPECT_TRUE(has(why(), "waiting-for-people")) << why();
    EXPECT_TRUE(has(why(), "approve_long")) << why();
    const auto with = [](int status, const Json& fields) {
        Json m = {{"id", 7}, {"status", status}};
        m.update(fields);
        return to_line(Json{{"migration", m}, {"available_actions", Json::array()}});
    };
    shown = with(3, {{"staged", true}, {"run_host", "them"}});
    EXPECT_TRUE(has(why(), "pinned-elsewhere")) << why();
    shown = with(0, {{"staged", true}});
    EXPECT_TRUE(has(why(), "waiting-for-runner")) << why();
    shown = with(9, {{"staged", true}});
    EXPECT_TRUE(has(why(), "waiting-for-runner")) << why();
    shown = with(9, {{"staged", false}});
    EXPECT_TRUE(has(why(), "finished")) << why();
    shown = with(10, {{"error_message", "no table"}});
    EXPECT_TRUE(has(why(), "no table")) << why();
}

TEST_F(Cli, RetryAndFinalInsertSayWhatWasDone) {
    FakeDaemon daemon(socket_, [](const Json&) {
        return control_ok(to_json(Why{WhyCode::kStarting, ""}, 7));
    });
    EXPECT_EQ(run({"retry", "7", "--socket", socket_}).out,
              "migration 7: tried again at once; now: starting\n");
    EXPECT_EQ(run({"final-insert", "7", "--run-again", "--socket", socket_}).out,
              "migration 7: its final insert is run again; now: starting\n");
    EXPECT_EQ(run({"final-insert", "7", "--socket", socket_}).code, kExitUsage);
    EXPECT_EQ(run({"final-insert", "7", "--done", "--run-again", "--socket", socket_}).code,
              kExitUsage);
    EXPECT_EQ(daemon.commands(),
              (std::vector<std::string>{"retry{\"id\":7}",
                                        "final-insert{\"decision\":\"run-again\",\"id\":7}"}));
}

TEST_F(Cli, EventsComePageByPage) {
    const FakeDaemon daemon(socket_, [](const Json& request) {
        const auto after = request["args"]["after"].get<std::int64_t>();
        Json events = Json::array();
        for (std::int64_t id = after + 1; id <= after + 2; ++id) {
            events.push_back({{"id", id},
                              {"at", "2026-11-23T18:10:00.000Z"},
                              {"source", "worker"},
                              {"kind", "fact"},
                              {"detail", {{"what", "ddl"}, {"n", id}}}});
        }
        return control_ok({{"events", events}, {"more", after < 4}});
    });
    const Outcome outcome = run({"events", "7", "--socket", socket_});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 6);
    EXPECT_TRUE(has(outcome.out, "worker     fact           n=6 what=ddl\n")) << outcome.out;
    const Json json = *parse_json(run({"events", "7", "--socket", socket_, "--json"}).out);
    EXPECT_EQ(json["events"].size(), 6U);
}

TEST_F(Cli, EventsOfAnUnknownMigrationAreAFailure) {
    const FakeDaemon daemon(socket_, [](const Json&) {
        return control_ok({{"events", Json::array()}, {"more", false}});
    });
    const Outcome outcome = run({"events", "7", "--socket", socket_});
    EXPECT_EQ(outcome.code, kExitFailed);
    EXPECT_TRUE(has(outcome.err, "show 7")) << outcome.err;
}

TEST_F(Cli, HistoryAsksForATimeAndATable) {
    FakeDaemon daemon(socket_, [](const Json&) {
        return control_ok({{"migrations",
                            {{{"id", 7},
                              {"status_name", "failed"},
                              {"since", "2026-11-23T18:10:00.000Z"},
                              {"tbl", "shop.orders"},
                              {"cluster", "main"},
                              {"server", "db1:3306"},
                              {"ddl_statement", "ALTER TABLE orders ADD c INT"},
                              {"rows_copied", 12345},
                              {"worked_s", 75.5},
                              {"attempts", 3},
                              {"message", "no room"}}}}});
    });
    const Outcome outcome = run({"history", "--since", "2026-11-23T00:00:00Z", "--table",
                                 "shop.orders", "--socket", socket_});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_TRUE(has(outcome.out, "shop.orders  main/db1:3306")) << outcome.out;
    EXPECT_TRUE(has(outcome.out, "12.3k  00:01:15      3  no room\n")) << outcome.out;
    EXPECT_EQ(daemon.commands().front(),
              "history{\"limit\":50,\"since\":\"2026-11-23T00:00:00.000Z\",\"table\":"
              "\"shop.orders\"}");
    EXPECT_EQ(run({"history", "--since", "dance", "--socket", socket_}).code, kExitUsage);
}

TEST_F(Cli, WhoMayNotIsToldSo) {
    const FakeDaemon daemon(socket_, [](const Json&) {
        return control_error("uid 7 may look, but not drain", ControlRefusal::kPermission);
    });
    const Outcome outcome = run({"drain", "--socket", socket_});
    EXPECT_EQ(outcome.code, kExitPermission);
    EXPECT_TRUE(has(outcome.err, "uid 7 may look, but not drain")) << outcome.err;
}

TEST_F(Cli, ABusyDaemonIsTriedAgainLater) {
    const FakeDaemon daemon(socket_, [](const Json&) {
        return control_error("too many clients", ControlRefusal::kBusy);
    });
    EXPECT_EQ(run({"status", "--socket", socket_}).code, kExitTryAgain);
}

TEST_F(Cli, LogSinceATimeLeavesOutWhatWasBefore) {
    const std::string file = dir_ / "x.log";
    const std::string log =
        "[2026-11-23 10:00:00] stdout: old\nno time here\n[2026-11-23 11:00:00] stdout: new\n"
        "belongs to new\n[2026-11-23 10:59:00] stdout: a clock that was set\n";
    ASSERT_TRUE(write_file_atomic(file, log, 0600).ok());
    const FakeDaemon daemon(socket_, [&](const Json&) {
        return control_ok(status_of(0, false, {{{"id", 7}, {"log_file", file}}}));
    });
    EXPECT_EQ(run({"log", "7", "--since", "2026-11-23 10:30", "--socket", socket_}).out,
              log.substr(log.find("[2026-11-23 11")));
    EXPECT_EQ(run({"log", "7", "--since", "2026-11-23 10:00", "--socket", socket_}).out, log);
    EXPECT_EQ(run({"log", "7", "--since", "2026-11-24", "--socket", socket_}).out, "");
    EXPECT_EQ(run({"log", "7", "--since", "soon", "--socket", socket_}).code, kExitUsage);
}

TEST_F(Cli, StatusOfOneMigration) {
    const FakeDaemon daemon(socket_, [](const Json&) {
        return control_ok(status_of(0, false, {{{"id", 7}, {"state", "running"}}}));
    });
    const Outcome known = run({"status", "7", "--socket", socket_});
    EXPECT_EQ(known.code, 0);
    EXPECT_TRUE(has(known.out, "migration:       7\n"));
    const Outcome json = run({"status", "7", "--json", "--socket", socket_});
    EXPECT_EQ(json.out, "{\"format\":1,\"migration\":{\"id\":7,\"state\":\"running\"}}\n");
    const Outcome unknown = run({"status", "8", "--socket", socket_});
    EXPECT_EQ(unknown.code, kExitFailed);
    EXPECT_TRUE(has(unknown.err, "show 8"));
}

TEST_F(Cli, StatusAsJsonHasAFormatNumber) {
    const FakeDaemon daemon(socket_, [](const Json&) { return control_ok(status_of(0, false)); });
    const Json shown = *parse_json(run({"status", "--json", "--socket", socket_}).out);
    EXPECT_EQ(shown["format"], 1);
    EXPECT_EQ(shown["version"], "0.1.0");
}

TEST_F(Cli, WatchEndsWithZeroOnCtrlC) {
    FakeDaemon daemon(socket_, [](const Json&) {
        ::kill(::getpid(), SIGINT);  // while the answer is on its way
        return control_ok(status_of(0, false));
    });
    EXPECT_EQ(run({"status", "--watch", "--socket", socket_}).code, 0);
    EXPECT_EQ(daemon.commands().size(), 1U);
}

TEST_F(Cli, DrainSaysWhatIsOwed) {
    FakeDaemon daemon(socket_, [](const Json&) {
        return control_ok(status_of(2, true, {{{"id", 7}, {"state", "delivering"}, {"owed", 2}}}));
    });
    const Outcome outcome = run({"drain", "--keep", "--socket", socket_});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_TRUE(has(outcome.out, "2 still owed: 7 delivering")) << outcome.out;
    EXPECT_EQ(daemon.commands(), std::vector<std::string>{"drain{\"keep\":true}"});
}

TEST_F(Cli, DrainWaitsUntilNothingIsOwed) {
    int asked = 0;
    const FakeDaemon daemon(socket_, [&](const Json& request) {
        return control_ok(status_of(request["command"] == "drain" ? 1 : asked++ < 0, true));
    });
    const Outcome outcome = run({"drain", "--wait", "--socket", socket_});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_TRUE(has(outcome.out, "drained"));
}

TEST_F(Cli, DrainGivesUpAtItsTimeout) {
    const FakeDaemon daemon(socket_, [](const Json&) { return control_ok(status_of(1, true)); });
    const Outcome outcome = run({"drain", "--wait", "--timeout", "0", "--socket", socket_});
    EXPECT_EQ(outcome.code, kExitTryAgain);
    EXPECT_TRUE(has(outcome.err, "1 still owed"));
}

TEST_F(Cli, DrainNoticesThatSomebodyEndedIt) {
    const FakeDaemon daemon(socket_, [](const Json&) { return control_ok(status_of(1, false)); });
    EXPECT_EQ(run({"drain", "--wait", "--socket", socket_}).code, kExitFailed);
}

TEST_F(Cli, UndrainKnowsTheStopFile) {
    FakeDaemon daemon(socket_, [](const Json&) { return control_ok(status_of(0, true)); });
    EXPECT_TRUE(has(run({"undrain", "--socket", socket_}).out, "stop file"));
    EXPECT_EQ(daemon.commands(), std::vector<std::string>{"undrain{}"});
}

TEST_F(Cli, ARefusalOfTheDaemonIsOne) {
    const FakeDaemon daemon(socket_, [](const Json&) { return control_error("not now"); });
    const Outcome outcome = run({"undrain", "--socket", socket_});
    EXPECT_EQ(outcome.code, kExitFailed);
    EXPECT_EQ(outcome.err, "shift-supervisorctl: daemon: not now\n");
}

TEST_F(Cli, VersionTellsBoth) {
    const FakeDaemon daemon(socket_, [](const Json&) {
        return control_ok(Json{{"version", "9.9"}, {"pid", 12}});
    });
    EXPECT_EQ(run({"version", "--socket", socket_}).out,
              "shift-supervisorctl " SHIFT_VERSION "\nshift-supervisord 9.9 (pid 12)\n");
}

TEST_F(Cli, SubmitSendsWhatTheApiWants) {
    FakeApi api([](const std::string&, const std::string&) {
        return std::pair(200, migration(0, 0, {"delete"}));
    });
    const Outcome outcome =
        run({"submit", "--api", api.url(), "--cluster", "main", "--database", "shop", "--ddl",
             "ALTER TABLE t ADD c INT", "--requestor", "ann", "--max-threads-running", "50"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_TRUE(has(outcome.out, "migration 7: preparing\nnext: delete 7\n")) << outcome.out;
    ASSERT_EQ(api.requests().size(), 1U);
    const std::string request = api.requests()[0];
    EXPECT_EQ(request.rfind("POST /api/v1/migrations {", 0), 0U);
    const Json body = *parse_json(request.substr(request.find('{')));
    EXPECT_EQ(body, (Json{{"cluster_name", "main"},
                          {"database", "shop"},
                          {"ddl_statement", "ALTER TABLE t ADD c INT"},
                          {"requestor", "ann"},
                          {"pr_url", "cli"},
                          {"final_insert", ""},
                          {"config_path", ""},
                          {"recursion_method", ""},
                          {"max_threads_running", 50}}));
}

TEST_F(Cli, SubmitWaitsUntilItIsPrepared) {
    FakeApi api([](const std::string& request, const std::string&) {
        const bool created = request == "POST /api/v1/migrations";
        return std::pair(200, created ? migration(0, 0) : migration(1, 3, {"approve_long"}));
    });
    const Outcome outcome = run({"submit", "--wait", "--api", api.url(), "--cluster", "main",
                                 "--database", "shop", "--ddl", "DROP TABLE t"});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_TRUE(has(outcome.out, "next: approve 7 --runtype long\n")) << outcome.out;
}

TEST_F(Cli, SubmitThatFailsInPreparationIsOne) {
    FakeApi api([](const std::string& request, const std::string&) {
        const bool created = request == "POST /api/v1/migrations";
        return std::pair(200, migration(created ? 0 : 10, 0));
    });
    EXPECT_EQ(run({"submit", "--wait", "--api", api.url(), "--cluster", "main", "--database",
                   "shop", "--ddl", "DROP TABLE t"})
                  .code,
              kExitFailed);
}

TEST_F(Cli, SubmitShowsTheApisReasons) {
    FakeApi api([](const std::string&, const std::string&) {
        return std::pair(400, R"({"status":400,"errors":["Cluster name is not included."]})");
    });
    const Outcome outcome = run({"submit", "--api", api.url(), "--cluster", "x", "--database", "d",
                                 "--ddl", "DROP TABLE t"});
    EXPECT_EQ(outcome.code, kExitFailed);
    EXPECT_EQ(outcome.err, "shift-supervisorctl: submit: Cluster name is not included.\n");
}

TEST_F(Cli, ApproveTakesTheOnlyRuntypeOffered) {
    FakeApi api([](const std::string& request, const std::string&) {
        return std::pair(200, request.rfind("GET", 0) == 0
                                  ? migration(1, 3, {"approve_short", "delete"})
                                  : migration(2, 4, {"start"}));
    });
    const Outcome outcome = run({"approve", "7", "--approver", "bob", "--api", api.url()});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "migration 7: awaiting start\nnext: start 7\n");
    EXPECT_EQ(api.requests().back(),
              "POST /api/v1/migrations/approve "
              R"({"approver":"bob","id":7,"lock_version":3,"runtype":"short"})");
}

TEST_F(Cli, ApproveAsksWhenThereIsAChoice) {
    FakeApi api([](const std::string&, const std::string&) {
        return std::pair(200, migration(1, 3, {"approve_long", "approve_short", "delete"}));
    });
    const Outcome outcome = run({"approve", "7", "--api", api.url()});
    EXPECT_EQ(outcome.code, kExitFailed);
    EXPECT_TRUE(has(outcome.err, "give --runtype long or short")) << outcome.err;
    EXPECT_EQ(api.requests().size(), 1U);
}

TEST_F(Cli, AnActionThatIsNotPossibleNamesTheOnesThatAre) {
    FakeApi api([](const std::string& request, const std::string&) {
        return request.rfind("GET", 0) == 0
                   ? std::pair(200, migration(3, 3, {"pause", "cancel"}))
                   : std::pair(400, std::string(R"({"errors":["Invalid action."]})"));
    });
    const Outcome outcome = run({"start", "7", "--auto-run", "--api", api.url()});
    EXPECT_EQ(outcome.code, kExitFailed);
    EXPECT_EQ(outcome.err,
              "shift-supervisorctl: start 7: not possible while the migration is \"running\"\n"
              "  next: possible now: pause 7, cancel 7\n");
    EXPECT_TRUE(has(api.requests()[1], R"("auto_run":true)"));
}

TEST_F(Cli, AFullClusterSuggestsTheQueue) {
    FakeApi api([](const std::string& request, const std::string&) {
        return request.rfind("GET", 0) == 0
                   ? std::pair(200, migration(2, 3))
                   : std::pair(400, std::string(R"({"errors":["Can't start migration because you )"
                                                R"(are already running the maximum # of )"
                                                R"(migrations per cluster (1)."]})"));
    });
    const Outcome outcome = run({"start", "7", "--api", api.url()});
    EXPECT_EQ(outcome.code, kExitFailed);
    EXPECT_TRUE(has(outcome.err, "next: enqueue 7"));
}

TEST_F(Cli, CancelUsesTheEndpointOfPeople) {
    FakeApi api(
        [](const std::string&, const std::string&) { return std::pair(200, migration(9, 3)); });
    EXPECT_EQ(run({"cancel", "7", "--api", api.url()}).code, 0);
    EXPECT_EQ(api.requests(),
              std::vector<std::string>{R"(POST /api/v1/migrations/cancel_cli {"id":7})"});
}

TEST_F(Cli, DeleteAndShowReportAnUnknownMigration) {
    FakeApi api([](const std::string&, const std::string&) {
        return std::pair(404, R"({"status":404,"errors":["Migration not found."]})");
    });
    for (const char* verb : {"show", "delete", "start", "pause"}) {
        const Outcome outcome = run({verb, "7", "--api", api.url()});
        EXPECT_EQ(outcome.code, kExitFailed) << verb;
        EXPECT_EQ(outcome.err, fmt::format("shift-supervisorctl: {} 7: no such migration\n", verb));
    }
}

TEST_F(Cli, AnApiThatIsNotThereIs69) {
    const Outcome outcome = run({"show", "7", "--api", "http://127.0.0.1:1/api/v1/"});
    EXPECT_EQ(outcome.code, kExitUnavailable);
    EXPECT_TRUE(has(outcome.err, "nothing was changed"));
}

TEST_F(Cli, LogComesFromTheFileTheDaemonNames) {
    const std::string file = dir_ / "log";
    ASSERT_TRUE(write_file_atomic(file, "line one\nline two", 0600).ok());
    const FakeDaemon daemon(socket_, [&](const Json&) {
        return control_ok(status_of(0, false, {{{"id", 7}, {"log_file", file}}}));
    });
    const Outcome outcome = run({"log", "7", "--socket", socket_});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "line one\nline two");
}

TEST_F(Cli, LogComesFromTheConfiguredFolderWithoutADaemon) {
    ASSERT_TRUE(make_directories(dir_ / "id-7", 0700).ok());
    ASSERT_TRUE(write_file_atomic(dir_ / "id-7/ptosc-output.log", "hello\n", 0600).ok());
    const std::string config = dir_ / "c.yaml";
    ASSERT_TRUE(write_file_atomic(
                    config, "rest_api: http://127.0.0.1:1/\nlog_dir: " + dir_.path() + "\n", 0600)
                    .ok());
    EXPECT_EQ(run({"log", "7", "--config", config}).out, "hello\n");
}

TEST_F(Cli, FollowingALogEndsWithZeroOnCtrlC) {
    FakeApi api([](const std::string&, const std::string&) {
        ::kill(::getpid(), SIGINT);  // while the answer is on its way
        return std::pair(200, std::string(R"({"contents":"from afar\n"})"));
    });
    const Outcome outcome = run({"log", "7", "-f", "--api", api.url(), "--socket", socket_});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "from afar\n");
}

TEST_F(Cli, LogComesFromTheApiOtherwise) {
    FakeApi api([](const std::string& request, const std::string&) {
        return has(request, "migration_id=7")
                   ? std::pair(200, std::string(R"({"contents":"from afar\n"})"))
                   : std::pair(404, std::string(R"({"message":"File not found"})"));
    });
    EXPECT_EQ(run({"log", "7", "--api", api.url(), "--socket", socket_}).out, "from afar\n");
    const Outcome none = run({"log", "8", "--api", api.url(), "--socket", socket_});
    EXPECT_EQ(none.code, kExitFailed);
    EXPECT_TRUE(has(none.err, "no log was sent to the API"));
}

}  // namespace
}  // namespace shift::ctl
