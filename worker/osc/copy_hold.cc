#include "worker/osc/copy_hold.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/unique_fd.h"

namespace shift {
namespace {

constexpr std::chrono::minutes kTellEvery{1};

}  // namespace

CopyHold::CopyHold(std::string pause_file, Reporter& reporter, const Clock& clock)
    : pause_file_(std::move(pause_file)), reporter_(reporter), clock_(clock) {
    (void)::unlink(pause_file_.c_str());
}

CopyHold::~CopyHold() {
    (void)::unlink(pause_file_.c_str());
}

void CopyHold::follow(const std::string& why) {
    if (why.empty()) {
        let_go();
    } else {
        hold(why);
    }
}

void CopyHold::hold(const std::string& why) {
    if (!is_held_) {
        const UniqueFd file(
            ::open(pause_file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
        is_held_ = file.get() >= 0;
        if (!is_held_ && !has_failed_) {
            has_failed_ = true;
            reporter_.remark("the copy cannot be held: " + pause_file_ + ": " +
                                 std::strerror(errno) + "; " + why,
                             LogLevel::kError);
        }
    }
    const SteadyTime now = clock_.now();
    if (is_held_ && !is_told_ && (!was_told_ || now - told_ >= kTellEvery)) {
        is_told_ = true;
        was_told_ = true;
        told_ = now;
        reporter_.remark("the copy waits: " + why, LogLevel::kWarn);
    }
}

void CopyHold::let_go() {
    if (!is_held_) {
        return;
    }
    if (::unlink(pause_file_.c_str()) != 0 && errno != ENOENT) {
        return;  // tried again at the next call
    }
    is_held_ = false;
    if (is_told_) {
        is_told_ = false;
        reporter_.remark("the copy goes on");
    }
}

}  // namespace shift
