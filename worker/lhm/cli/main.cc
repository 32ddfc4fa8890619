#include <fmt/format.h>
#include <mysql.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include "common/exit_code.h"
#include "common/stop_request.h"
#include "worker/lhm/cli/commands.h"

namespace {

using shift::StopReason;
using shift::StopRequest;

// Takes the signals that are blocked in every thread: the first one asks for a safe stop.
class Signals {
  public:
    explicit Signals(StopRequest& stop) : stop_(stop) {
        sigemptyset(&set_);
        for (const int signo : {SIGINT, SIGTERM, SIGHUP}) {
            sigaddset(&set_, signo);
        }
        (void)::pthread_sigmask(SIG_BLOCK, &set_, nullptr);
        (void)::signal(SIGPIPE, SIG_IGN);
        thread_ = std::thread([this] { run(); });
    }
    ~Signals() {
        is_over_ = true;
        thread_.join();
    }
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;

  private:
    void run() {
        const timespec poll{0, 100'000'000};
        while (!is_over_) {
            if (::sigtimedwait(&set_, nullptr, &poll) <= 0) {
                continue;
            }
            if (!stop_.reason()) {
                std::fputs("\nshift-lhm: stopping after the chunks that are being copied ...\n",
                           stderr);
            }
            stop_.request(StopReason::kShutdown);
        }
    }

    StopRequest& stop_;
    sigset_t set_{};
    std::atomic<bool> is_over_{false};
    std::thread thread_;
};

// From the terminal, without echo.
std::string ask_password() {
    std::fputs("Password: ", stderr);
    termios before{};
    const bool is_terminal = ::tcgetattr(STDIN_FILENO, &before) == 0;
    if (is_terminal) {
        termios quiet = before;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        (void)::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    std::string text;
    for (int c = std::getchar(); c != EOF && c != '\n'; c = std::getchar()) {
        text += static_cast<char>(c);
    }
    if (is_terminal) {
        (void)::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        std::fputs("\n", stderr);
    }
    return text;
}

}  // namespace

int main(int argc, char** argv) {
    int exit_code = shift::kExitOk;
    auto arguments = shift::lhm::parse_arguments(argc, argv, exit_code);
    if (!arguments) {
        return exit_code;
    }
    if (arguments->asks_password) {
        arguments->target.password = ask_password();
    }
    StopRequest stop;
    const Signals signals(stop);
    if (mysql_library_init(0, nullptr, nullptr) != 0) {
        std::fputs("shift-lhm: mysql_library_init failed\n", stderr);
        return shift::kExitInternal;
    }
    exit_code = shift::lhm::run_command(*arguments, argv[0], stop);
    mysql_library_end();
    return exit_code;
}
