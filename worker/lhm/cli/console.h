#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <string>

#include "worker/lhm/checkpoint.h"
#include "worker/lhm/cli/arguments.h"
#include "worker/lhm/listener.h"

namespace shift::lhm {

// What a person (or a program, with --json) sees of a migration. Lines on stdout, complaints on
// stderr; a progress bar where stdout is a terminal. Thread-safe.
class Console final : public Listener {
  public:
    using Save = std::function<Status(const Checkpoint&)>;
    Console(bool json, ProgressStyle style, Save save);
    ~Console() override;

    Status intent(const std::string& what, const Json& fields) override;
    void fact(const std::string& what, const Json& fields) override;
    void no_return(const std::string& what) override;
    void phase(const std::string& name) override;
    void remark(const std::string& text, LogLevel level) override;
    void waits_for_lock(const std::string& text, const Json& evidence) override;
    void goes_on() override {}
    void progress(const Progress& progress) override;
    Status save(const Checkpoint& checkpoint) override;

    // Plain lines of ours, also as an event `event` with --json.
    void say(const std::string& text, const std::string& event, Json fields = Json::object());
    bool is_json() const { return json_; }

  private:
    void event(const std::string& kind, Json fields);
    void clear_bar();
    void draw_bar(const Progress& progress);

    const bool json_;
    ProgressStyle style_;
    const Save save_;
    std::mutex mutex_;
    std::size_t bar_width_ = 0;
    bool has_dots_ = false;
    std::string phase_;
    std::string throttle_;
    std::chrono::steady_clock::time_point told_{};
};

}  // namespace shift::lhm
