#include "common/test_points.h"

#if SHIFT_TEST_POINTS

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "common/file.h"
#include "common/text.h"

namespace shift {
namespace {

constexpr std::size_t kFileBytesMax = 16 * 1024 * 1024;

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

std::mutex& guard() {
    static std::mutex mutex;
    return mutex;
}

std::set<std::string, std::less<>>& planted() {
    static std::set<std::string, std::less<>> names = [] {
        std::set<std::string, std::less<>> found;
        for (const std::string& name : split(variable("SHIFT_PLANT"), ',')) {
            if (!name.empty()) {
                found.insert(name);
            }
        }
        return found;
    }();
    return names;
}

std::atomic<bool>& any_planted() {
    static std::atomic<bool> any = !planted().empty();
    return any;
}

std::string text_of(const std::string& path) {
    const auto text = read_file(path, kFileBytesMax);
    return text.ok() ? *text : "";
}

void note_hit(const std::string& dir, const std::string& status, const std::string& full) {
    const std::string line = std::to_string(::getpid()) + " " + status + " " + full + "\n";
    const int fd = ::open((dir + "/hits").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        (void)!::write(fd, line.data(), line.size());
        ::close(fd);
    }
}

// Its file without the line that has struck; counting begins anew.
void arm_next(const std::string& dir, const std::vector<std::string>& lines) {
    std::string text = std::to_string(text_of(dir + "/hits").size()) + "\n";
    for (std::size_t i = 2; i < lines.size(); ++i) {
        text += lines[i].empty() ? "" : lines[i] + "\n";
    }
    const std::string temporary = dir + "/armed." + std::to_string(::getpid());
    const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0) {
        (void)!::write(fd, text.data(), text.size());
        ::close(fd);
        (void)::rename(temporary.c_str(), (dir + "/armed").c_str());
    }
}

// How often any process has passed `full` (in status `status`, "" = any) since `from`.
long passed(const std::string& dir, const std::string& full, const std::string& status,
            std::size_t from) {
    const std::string text = text_of(dir + "/hits");
    long count = 0;
    for (const std::string& line : split(text.substr(std::min(from, text.size())), '\n')) {
        const std::size_t first = line.find(' ');
        const std::size_t second = line.find(' ', first + 1);
        if (second == std::string::npos) {
            continue;
        }
        const bool meant = status.empty() || line.substr(first + 1, second - first - 1) == status;
        count += meant && line.substr(second + 1) == full ? 1 : 0;
    }
    return count;
}

void strike(const std::string& dir, const std::string& now, const std::string& full) {
    const std::vector<std::string> lines = split(text_of(dir + "/armed"), '\n');
    if (lines.size() < 2 || lines[1].empty()) {
        return;
    }
    std::string wanted = lines[1];
    std::string status;
    if (const std::size_t at = wanted.rfind(" @"); at != std::string::npos) {
        status = wanted.substr(at + 2);
        wanted.resize(at);
    }
    const std::size_t end = wanted.rfind(' ');
    if (end == std::string::npos || wanted.substr(0, end) != full ||
        (!status.empty() && status != now)) {
        return;
    }
    const long count = std::strtol(wanted.c_str() + end, nullptr, 10);
    const auto from = static_cast<std::size_t>(std::strtoul(lines[0].c_str(), nullptr, 10));
    if (passed(dir, full, status, from) == count) {
        arm_next(dir, lines);
        (void)::kill(::getpid(), SIGKILL);
    }
}

}  // namespace

void crash_point(const char* name, std::string_view detail) {
    static const std::string dir = variable("SHIFT_CRASH_DIR");
    if (dir.empty()) {
        return;
    }
    std::string full = name;
    if (!detail.empty()) {
        full.append("/").append(detail);
    }
    const std::lock_guard lock(guard());
    std::string status(trim(text_of(dir + "/status")));
    if (status.empty()) {
        status = "-";
    }
    note_hit(dir, status, full);
    strike(dir, status, full);
}

bool planted_bug(std::string_view name) {
    if (!any_planted()) {  // asked often
        return false;
    }
    const std::lock_guard lock(guard());
    return planted().find(name) != planted().end();
}

void plant_bug(std::string_view name, bool is_planted) {
    const std::lock_guard lock(guard());
    if (is_planted) {
        planted().emplace(name);
        any_planted() = true;
    } else {
        planted().erase(std::string(name));
    }
}

}  // namespace shift

#endif
