#include "common/test_points.h"

#if SHIFT_TEST_POINTS

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "common/file.h"
#include "common/text.h"

namespace shift {
namespace {

constexpr std::size_t kArmedBytesMax = 1024;

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

void note_hit(const std::string& dir, const std::string& full) {
    const std::string line = std::to_string(::getpid()) + " " + full + "\n";
    const int fd = ::open((dir + "/hits").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        (void)!::write(fd, line.data(), line.size());
        ::close(fd);
    }
}

}  // namespace

void crash_point(const char* name, std::string_view detail) {
    static const std::string dir = variable("SHIFT_CRASH_DIR");
    if (dir.empty()) {
        return;
    }
    static std::map<std::string, long> passed;
    std::string full = name;
    if (!detail.empty()) {
        full.append("/").append(detail);
    }
    const std::lock_guard lock(guard());
    note_hit(dir, full);
    const std::string wanted = full + " " + std::to_string(++passed[full]);
    const auto armed = read_file(dir + "/armed", kArmedBytesMax);
    if (armed.ok() && trim(*armed) == wanted && ::unlink((dir + "/armed").c_str()) == 0) {
        (void)::kill(::getpid(), SIGKILL);
    }
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
