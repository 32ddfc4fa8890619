#pragma once

#include <coroutine>
#include <exception>
#include <memory>
#include <utility>

#include "tests/sim/events.h"

namespace shift::sim {

// A simulated process as one readable function: it suspends wherever time passes or it may die.
// Awaiting a script runs it to its end. Dropping the outermost one is death: nothing more happens.
template <typename T>
class [[nodiscard]] Script {
  public:
    struct promise_type {
        T value{};
        std::coroutine_handle<> caller = nullptr;

        Script get_return_object() {
            return Script(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        std::suspend_always initial_suspend() noexcept { return {}; }
        auto final_suspend() noexcept {
            struct ToCaller {
                bool await_ready() noexcept { return false; }
                std::coroutine_handle<> await_suspend(
                    std::coroutine_handle<promise_type> ended) noexcept {
                    const auto next = ended.promise().caller;
                    return next ? next : std::noop_coroutine();
                }
                void await_resume() noexcept {}
            };
            return ToCaller{};
        }
        void return_value(T result) { value = std::move(result); }
        [[noreturn]] void unhandled_exception() { std::terminate(); }
    };

    Script() = default;
    explicit Script(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
    Script(Script&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Script& operator=(Script&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Script() {
        if (handle_) {
            handle_.destroy();
        }
    }

    void start() { handle_.resume(); }
    bool done() const { return handle_ && handle_.done(); }

    bool await_ready() const { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) {
        handle_.promise().caller = caller;
        return handle_;
    }
    T await_resume() { return std::move(handle_.promise().value); }

  private:
    std::coroutine_handle<promise_type> handle_ = nullptr;
};

// Suspends for `delay`. `alive` expires with the process, and with it the wish to go on.
class Sleep {
  public:
    // Not an aggregate: GCC 12 destroys the members of an awaited aggregate twice.
    Sleep(Events& events, Millis delay, std::weak_ptr<const bool> alive)
        : events_(events), delay_(delay), alive_(std::move(alive)) {}

    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> self) {
        events_.after(delay_, [self, alive = alive_] {
            if (!alive.expired()) {
                self.resume();
            }
        });
    }
    void await_resume() {}

  private:
    Events& events_;
    Millis delay_;
    std::weak_ptr<const bool> alive_;
};

}  // namespace shift::sim
