#include "common/process_identity.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "common/file.h"
#include "common/text.h"
#include "common/unique_fd.h"

// Since Linux 5.3; the C library of Debian 12 knows the numbers, older headers may not.
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

namespace shift {
namespace {

struct ProcStat {
    bool exists = false;
    char state = '?';
    std::uint64_t start_ticks = 0;
};

ProcStat read_stat(pid_t pid) {
    const auto text = read_file(fmt::format("/proc/{}/stat", pid), 64 * 1024);
    if (!text.ok()) {
        return {};
    }
    // "PID (comm) S ppid ...": comm is free text and may hold blanks and parentheses, so count
    // from the last ')'. Source: proc(5), /proc/pid/stat; starttime is field 22.
    const std::size_t close = text->rfind(')');
    if (close == std::string::npos || close + 2 >= text->size()) {
        return {};
    }
    const auto fields = split(std::string_view(*text).substr(close + 2), ' ');
    constexpr std::size_t kStartTime = 22 - 3;  // fields[0] is field 3
    if (fields.size() <= kStartTime || fields[0].size() != 1) {
        return {};
    }
    const std::string& ticks = fields[kStartTime];
    ProcStat stat;
    const auto [end, error] =
        std::from_chars(ticks.data(), ticks.data() + ticks.size(), stat.start_ticks);
    if (error != std::errc{} || end != ticks.data() + ticks.size()) {
        return {};
    }
    stat.exists = true;
    stat.state = fields[0][0];
    return stat;
}

const std::string& boot_id() {
    static const std::string id = [] {
        const auto text = read_file("/proc/sys/kernel/random/boot_id", 256);
        return text.ok() ? std::string(trim(*text)) : std::string();
    }();
    return id;
}

}  // namespace

ProcessIdentity identify_process(pid_t pid) {
    if (pid <= 0) {
        return {};
    }
    const ProcStat stat = read_stat(pid);
    return stat.exists ? ProcessIdentity{pid, stat.start_ticks, boot_id()} : ProcessIdentity{};
}

ProcessIdentity identify_self() {
    return identify_process(::getpid());
}

bool is_alive(const ProcessIdentity& identity) {
    if (identity.pid <= 0 || identity.boot_id != boot_id()) {
        return false;
    }
    const ProcStat stat = read_stat(identity.pid);
    return stat.exists && stat.start_ticks == identity.start_ticks && stat.state != 'Z' &&
           stat.state != 'X';
}

bool signal_process(const ProcessIdentity& identity, int signo) {
    if (!is_alive(identity)) {
        return false;
    }
    const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, identity.pid, 0)));
    // Container runtimes with an old filter answer EPERM for a call they do not know.
    if (!pidfd && (errno == ENOSYS || errno == EPERM)) {
        return ::kill(identity.pid, signo) == 0;
    }
    // The pidfd names one process for good; whether it is the right one is asked after opening it.
    if (!pidfd || !is_alive(identity)) {
        return false;
    }
    return ::syscall(SYS_pidfd_send_signal, pidfd.get(), signo, nullptr, 0) == 0;
}

Json to_json(const ProcessIdentity& identity) {
    return Json{{"pid", identity.pid},
                {"start_ticks", identity.start_ticks},
                {"boot_id", identity.boot_id}};
}

ProcessIdentity parse_process_identity(const Json& value) {
    const auto pid = get_int(value, "pid");
    const auto ticks = get_int(value, "start_ticks");
    const auto boot = get_string(value, "boot_id");
    if (!pid || !ticks || !boot || *pid <= 0 || *pid > INT32_MAX || *ticks < 0) {
        return {};
    }
    return {static_cast<pid_t>(*pid), static_cast<std::uint64_t>(*ticks), *boot};
}

}  // namespace shift
