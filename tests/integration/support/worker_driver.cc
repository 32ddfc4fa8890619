#include "tests/integration/support/worker_driver.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "tests/integration/support/programs.h"

namespace shift::testing {

WorkerDriver::WorkerDriver(MariadbServer& server, const TempDir& dir, MigrationId id,
                           const std::string& statement, const std::string& table)
    : dir_(dir / ("m" + std::to_string(id))) {
    std::filesystem::create_directories(dir_);
    const std::string credentials = dir_ + "/my.cnf";
    spit(credentials,
         "[client]\nuser=" + MariadbServer::user() + "\npassword=" + MariadbServer::password() +
             "\n",
         0600);
    job.migration = id;
    job.claim = 1;
    job.host = server.host();
    job.port = server.port();
    job.database = "shop";
    job.table = table;
    job.ddl_statement = statement;
    job.mysql_defaults_file = credentials;
    job.pt_osc_defaults_file = credentials;
    job.pt_osc_path = pt_osc();
    job.files_dir = dir_ + "/files/";
    job.cache_dir = cache_folder() + "/pt-osc";
}

void WorkerDriver::start(Step step) {
    spawn(step, nullptr);
}

void WorkerDriver::start_with_api_state(Step step, const std::string& text) {
    spawn(step, &text);
}

void WorkerDriver::spawn(Step step, const std::string* api_state) {
    attempt_dir_ = dir_ + "/" + std::to_string(++job.attempt);
    std::filesystem::create_directories(attempt_dir_);
    job.step = step;
    spit(attempt_dir_ + "/job.json", to_line(to_json(job)));
    spit(attempt_dir_ + "/worker.lock", "");
    if (api_state != nullptr) {
        spit(attempt_dir_ + "/statefile.api", *api_state);
    }
    SpawnOptions options;
    options.argv = {program("shift-worker"), "--attempt-dir", attempt_dir_};
    options.output = attempt_dir_ + "/worker.log";
    worker_.start(options);
}

Json WorkerDriver::finish(milliseconds deadline) {
    exit_ = worker_.wait(deadline);
    EXPECT_TRUE(exit_) << "still running: " << tail_file(attempt_dir_ + "/worker.log", 30);
    Json outcome = Json::object();
    for (const Json& event : events()) {
        const std::string kind = string_or(event, "event", "");
        if (is_durable_event(kind) && kind != event::kOutcome) {
            job.history.push_back(event);
        }
        if (kind == event::kOutcome) {
            outcome = event;
        }
    }
    return outcome;
}

std::vector<Json> WorkerDriver::events() const {
    EventReader reader(attempt_dir_ + "/events.jsonl", 0);
    return reader.poll().value();
}

std::vector<Json> WorkerDriver::events(const std::string& kind) const {
    std::vector<Json> found = events();
    std::erase_if(found, [&](const Json& event) { return event.at("event") != kind; });
    return found;
}

bool WorkerDriver::wait_for_event(const std::string& kind) {
    return poll_until([&] { return !events(kind).empty() || !worker_.running(); }) &&
           !events(kind).empty();
}

pid_t WorkerDriver::engine() const {
    const auto engines = events(event::kEngine);
    return engines.empty() ? 0 : engines.back().at("pid").get<pid_t>();
}

void WorkerDriver::kill_engine(int signo) {
    // Never kill(0): that would be this test and all it started.
    ASSERT_TRUE(wait_for_event(event::kEngine)) << log();
    ::kill(engine(), signo);
}

std::uint64_t WorkerDriver::thread(const std::string& role) const {
    std::uint64_t id = 0;
    for (const Json& event : events(event::kConnected)) {
        if (event.at("role") == role) {
            id = event.at("thread_id").get<std::uint64_t>();
        }
    }
    return id;
}

std::string WorkerDriver::command(const std::string& line) const {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = attempt_dir_ + "/worker.sock";
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        ::close(fd);
        return "";
    }
    const std::string bytes = line + "\n";
    EXPECT_EQ(::write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    std::string text;
    char buffer[4096];
    while (std::count(text.begin(), text.end(), '\n') < 2) {
        const ssize_t got = ::read(fd, buffer, sizeof buffer);
        if (got <= 0) {
            break;
        }
        text.append(buffer, static_cast<std::size_t>(got));
    }
    ::close(fd);
    return text;
}

}  // namespace shift::testing
