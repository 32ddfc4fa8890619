#pragma once

#include <uv.h>

#include <functional>
#include <memory>

namespace shift {

// Owns an initialised libuv handle. libuv may touch its memory until the close callback runs, so
// that is where it is freed; the loop must turn once more after this goes out of scope.
template <typename H>
struct UvCloser {
    void operator()(H* handle) const noexcept {
        uv_close(reinterpret_cast<uv_handle_t*>(handle),
                 [](uv_handle_t* closed) { delete reinterpret_cast<H*>(closed); });
    }
};
template <typename H>
using UvOwned = std::unique_ptr<H, UvCloser<H>>;

// A repeating timer that calls `on_tick` from the loop until it is destroyed.
class UvTicker {
  public:
    UvTicker(uv_loop_t& loop, std::uint64_t period_ms, std::function<void()> on_tick)
        : on_tick_(std::move(on_tick)), timer_(new uv_timer_t{}) {
        uv_timer_init(&loop, timer_.get());
        timer_->data = this;
        uv_timer_start(
            timer_.get(),
            [](uv_timer_t* timer) { static_cast<UvTicker*>(timer->data)->on_tick_(); }, 0,
            period_ms);
    }
    UvTicker(const UvTicker&) = delete;
    UvTicker& operator=(const UvTicker&) = delete;

  private:
    std::function<void()> on_tick_;
    UvOwned<uv_timer_t> timer_;
};

// Calls `on_signal` from the loop for every delivery of `signo`.
class UvSignal {
  public:
    UvSignal(uv_loop_t& loop, int signo, std::function<void()> on_signal)
        : on_signal_(std::move(on_signal)), signal_(new uv_signal_t{}) {
        uv_signal_init(&loop, signal_.get());
        signal_->data = this;
        uv_signal_start(
            signal_.get(),
            [](uv_signal_t* handle, int) { static_cast<UvSignal*>(handle->data)->on_signal_(); },
            signo);
    }
    UvSignal(const UvSignal&) = delete;
    UvSignal& operator=(const UvSignal&) = delete;

  private:
    std::function<void()> on_signal_;
    UvOwned<uv_signal_t> signal_;
};

}  // namespace shift
