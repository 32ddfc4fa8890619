#include "ctl/terminal.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

namespace shift::ctl {
namespace {

constexpr int kWidthMin = 40;
constexpr int kWidthDefault = 80;

volatile sig_atomic_t g_interrupted = 0;
struct sigaction g_old_int;
struct sigaction g_old_term;

void on_signal(int) noexcept {
    g_interrupted = 1;
}

int number_in_environment(const char* name, int otherwise) {
    const char* text = std::getenv(name);
    if (text == nullptr) {
        return otherwise;
    }
    int number = 0;
    const auto [end, error] = std::from_chars(text, text + std::strlen(text), number);
    return error == std::errc{} && *end == '\0' && number > 0 ? number : otherwise;
}

}  // namespace

Terminal detect_terminal(bool no_color) {
    Terminal terminal;
    terminal.is_tty = ::isatty(STDOUT_FILENO) == 1;
    if (!terminal.is_tty) {
        return terminal;
    }
    winsize size{};
    const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    const int columns =
        known && size.ws_col > 0 ? size.ws_col : number_in_environment("COLUMNS", kWidthDefault);
    terminal.width = std::max(kWidthMin, columns);
    terminal.height = known ? size.ws_row : 0;
    const char* set = std::getenv("NO_COLOR");
    const char* kind = std::getenv("TERM");
    const bool dumb = kind == nullptr || std::strcmp(kind, "dumb") == 0;
    terminal.colours = !no_color && !dumb && (set == nullptr || *set == '\0');
    return terminal;
}

InterruptGuard::InterruptGuard() {
    g_interrupted = 0;
    struct sigaction action {};
    action.sa_handler = on_signal;  // No SA_RESTART: a wait must end.
    ::sigaction(SIGINT, &action, &g_old_int);
    ::sigaction(SIGTERM, &action, &g_old_term);
}

InterruptGuard::~InterruptGuard() {
    ::sigaction(SIGINT, &g_old_int, nullptr);
    ::sigaction(SIGTERM, &g_old_term, nullptr);
}

bool InterruptGuard::interrupted() const {
    return g_interrupted != 0;
}

bool InterruptGuard::wait(std::chrono::milliseconds pause) const {
    using std::chrono::steady_clock;
    const auto deadline = steady_clock::now() + pause;
    // The signals are let in only inside ppoll(), so that none is lost between look and wait.
    sigset_t block;
    sigset_t before;
    ::sigemptyset(&block);
    ::sigaddset(&block, SIGINT);
    ::sigaddset(&block, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &block, &before);
    while (g_interrupted == 0) {
        const auto left =
            std::chrono::duration_cast<std::chrono::nanoseconds>(deadline - steady_clock::now());
        if (left.count() <= 0) {
            break;
        }
        const timespec limit{static_cast<time_t>(left.count() / 1'000'000'000),
                             static_cast<long>(left.count() % 1'000'000'000)};
        if (::ppoll(nullptr, 0, &limit, &before) < 0 && errno != EINTR) {
            break;
        }
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return g_interrupted == 0;
}

}  // namespace shift::ctl
