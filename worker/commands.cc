#include "worker/commands.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace shift {
namespace {

constexpr const char* kSocketName = "worker.sock";
constexpr std::size_t kClientsMax = 16;         // the daemon and a few people
constexpr std::size_t kCommandBytesMax = 4096;  // the longest command is a few dozen bytes

Json refusal(const std::string& error) {
    return {{"ok", false}, {"error", error}};
}

bool send_line(int fd, const std::string& line) {
    const std::string bytes = line + "\n";
    // A client that does not read loses its connection; answers are far below a socket buffer.
    return ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
           static_cast<ssize_t>(bytes.size());
}

}  // namespace

std::string answer_command(const std::string& line, StopRequest& stop, const Reporter& reporter) {
    const Result<Json> parsed = parse_json(line);
    if (!parsed.ok() || !parsed->is_object()) {
        return to_line(refusal("not a JSON object"));
    }
    const std::string command = string_or(*parsed, "command", "");
    if (command == "stop") {
        const auto reason = parse_stop_reason(string_or(*parsed, "reason", ""));
        if (!reason) {
            return to_line(refusal("unknown reason"));
        }
        stop.request(*reason);
        return to_line({{"ok", true}});
    }
    if (command == "status") {
        return to_line({{"ok", true}, {"data", reporter.last_progress()}});
    }
    return to_line(refusal("unsupported"));
}

Result<std::unique_ptr<CommandServer>> CommandServer::start(const Job& job, StopRequest& stop,
                                                            const Reporter& reporter,
                                                            const Logger& logger) {
    std::unique_ptr<CommandServer> server(new CommandServer(stop, reporter, logger));
    server->greeting_ = to_line({{"protocol", kWorkerProtocol},
                                 {"migration", job.migration},
                                 {"attempt", job.attempt},
                                 {"pid", ::getpid()}});
    server->listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, kSocketName, sizeof address.sun_path - 1);
    (void)::unlink(kSocketName);  // of a process that died here; worker.lock says we are alone
    const mode_t old_mask = ::umask(0177);
    const int bound =
        ::bind(server->listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    (void)::umask(old_mask);
    if (bound != 0 || ::listen(server->listener_.get(), 8) != 0) {
        return Error{Errc::kIo, std::string("bind worker.sock: ") + std::strerror(errno), errno};
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    server->signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    server->quit_.reset(::eventfd(0, EFD_CLOEXEC));
    if (!server->signals_ || !server->quit_) {
        return Error{Errc::kIo, std::string("signalfd: ") + std::strerror(errno), errno};
    }
    server->thread_ = std::thread([raw = server.get()] { raw->serve(); });
    return server;
}

CommandServer::~CommandServer() {
    const std::uint64_t one = 1;
    (void)!::write(quit_.get(), &one, sizeof one);
    if (thread_.joinable()) {
        thread_.join();
    }
    (void)::unlink(kSocketName);
}

void CommandServer::serve() {
    for (;;) {
        std::vector<pollfd> polled = {
            {quit_.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
        for (const Client& client : clients_) {
            polled.push_back({client.fd.get(), POLLIN, 0});
        }
        if (::poll(polled.data(), polled.size(), -1) < 0) {
            continue;
        }
        if (polled[0].revents != 0) {
            return;
        }
        if (polled[1].revents != 0) {
            take_signal();
        }
        // Clients before the listener: accepting changes their number.
        for (std::size_t i = 3; i < polled.size(); ++i) {
            if (polled[i].revents != 0 && !serve_client(clients_[i - 3])) {
                clients_[i - 3].fd.reset();
            }
        }
        std::erase_if(clients_, [](const Client& client) { return !client.fd; });
        if (polled[2].revents != 0) {
            accept_client();
        }
    }
}

void CommandServer::take_signal() {
    signalfd_siginfo info{};
    if (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
        logger_.info("signal", {{"signo", info.ssi_signo}});
        stop_.request(StopReason::kShutdown);
    }
}

void CommandServer::accept_client() {
    UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd || clients_.size() >= kClientsMax) {
        return;
    }
    // A client that wrote its command and left cannot be greeted, but is heard.
    (void)send_line(fd.get(), greeting_);
    clients_.push_back(Client{std::move(fd), LineFramer(kCommandBytesMax)});
}

bool CommandServer::serve_client(Client& client) {
    char buffer[kCommandBytesMax];
    const ssize_t got = ::read(client.fd.get(), buffer, sizeof buffer);
    if (got < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    if (got == 0) {
        return false;
    }
    for (const std::string& line :
         client.framer.push(std::string_view(buffer, static_cast<std::size_t>(got)))) {
        logger_.info("command", {{"line", line}});
        if (!send_line(client.fd.get(), answer_command(line, stop_, reporter_))) {
            return false;
        }
    }
    return true;
}

}  // namespace shift
