#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "common/check.h"

namespace shift {

// What a caller may branch on. Add one only when some caller would act on it.
enum class Errc {
    kInvalidArgument,  // The input is wrong; the same call fails again.
    kNotFound,         // The named thing does not exist.
    kConflict,         // Something else holds or changed it.
    kUnavailable,      // A peer or resource is away; retry later. Nothing was done.
    kDeadline,         // Effect unknown: look before trying again.
    kIo,               // The local disk or kernel refused.
    kInternal,         // Should not happen.
};

const char* errc_name(Errc code);

// An error with its whole story, outermost context first: "start job 17: spawn x: permission
// denied". Messages are lower case, name the object and end without a full stop.
struct Error {
    Errc code = Errc::kInternal;
    std::string message;
    int native = 0;  // errno, MySQL error number, HTTP status ... of the failing call, or 0.

    // The same error with `what` said first.
    Error within(const std::string& what) && {
        message = what + ": " + message;
        return std::move(*this);
    }
    Error within(const std::string& what) const& { return Error(*this).within(what); }
};

struct Ok {};

template <typename T>
class [[nodiscard]] Result {
  public:
    // Implicit on purpose: `return value;` and `return Error{...};` are the two ways to answer.
    template <typename U = T>
        requires(std::is_constructible_v<T, U &&> &&
                 !std::is_same_v<std::remove_cvref_t<U>, Error> &&
                 !std::is_same_v<std::remove_cvref_t<U>, Result<T>>)
    Result(U&& value) : state_(std::in_place_index<0>, std::forward<U>(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }

    T& value() & {
        CHECK(ok(), "value() of a failed result");
        return std::get<0>(state_);
    }
    const T& value() const& {
        CHECK(ok(), "value() of a failed result");
        return std::get<0>(state_);
    }
    // By value: `for (x : *f())` and `const auto& x = *f()` must not point into a dead temporary.
    T value() && {
        CHECK(ok(), "value() of a failed result");
        return std::get<0>(std::move(state_));
    }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    const Error& error() const& {
        CHECK(!ok(), "error() of a good result");
        return std::get<1>(state_);
    }
    Error&& error() && {
        CHECK(!ok(), "error() of a good result");
        return std::get<1>(std::move(state_));
    }

  private:
    std::variant<T, Error> state_;
};

using Status = Result<Ok>;

}  // namespace shift

#define SHIFT_CONCAT_INNER(a, b) a##b
#define SHIFT_CONCAT(a, b) SHIFT_CONCAT_INNER(a, b)

#define RETURN_IF_ERROR(expr)                                            \
    do {                                                                 \
        if (auto shift_status = (expr); !shift_status.ok()) {            \
            return std::move(shift_status).error();                      \
        }                                                                \
    } while (false)

#define ASSIGN_OR_RETURN(lhs, expr) \
    ASSIGN_OR_RETURN_INNER(SHIFT_CONCAT(shift_result_, __LINE__), lhs, expr)
#define ASSIGN_OR_RETURN_INNER(tmp, lhs, expr) \
    auto tmp = (expr);                         \
    if (!tmp.ok()) {                           \
        return std::move(tmp).error();         \
    }                                          \
    lhs = std::move(tmp).value()
