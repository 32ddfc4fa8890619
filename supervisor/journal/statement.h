#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <optional>
#include <string>

#include "common/clock.h"
#include "common/json.h"
#include "common/sqlite_row.h"

namespace shift {

// One use of a prepared statement: binds by position, steps, resets when it goes.
class Statement {
  public:
    explicit Statement(sqlite3_stmt* stmt) : stmt_(stmt) {}
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;
    ~Statement() {
        sqlite3_reset(stmt_);
        sqlite3_clear_bindings(stmt_);
    }

    Statement& bind(std::int64_t value) {
        sqlite3_bind_int64(stmt_, ++bound_, value);
        return *this;
    }
    Statement& bind(double value) {
        sqlite3_bind_double(stmt_, ++bound_, value);
        return *this;
    }
    template <typename T>
    Statement& bind(const std::optional<T>& value) {
        if (value) {
            return bind(*value);
        }
        sqlite3_bind_null(stmt_, ++bound_);
        return *this;
    }
    Statement& bind(int value) { return bind(static_cast<std::int64_t>(value)); }
    Statement& bind(bool value) { return bind(std::int64_t{value}); }
    Statement& bind(const std::string& value) {
        sqlite3_bind_text(stmt_, ++bound_, value.data(), static_cast<int>(value.size()),
                          SQLITE_TRANSIENT);
        return *this;
    }
    Statement& bind(const char* value) { return bind(std::string(value)); }
    Statement& bind(WallTime value) {
        return bind(value == WallTime{} ? std::string() : iso_time(value));
    }

    int step() { return sqlite3_step(stmt_); }

    std::int64_t number() { return sqlite3_column_int64(stmt_, column_++); }
    std::optional<std::int64_t> maybe_number() {
        return is_null() ? std::nullopt : std::optional(number());
    }
    std::optional<double> maybe_real() {
        return is_null() ? std::nullopt : std::optional(sqlite3_column_double(stmt_, column_++));
    }
    int small() { return static_cast<int>(number()); }
    std::string text() {
        const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(stmt_, column_));
        const int size = sqlite3_column_bytes(stmt_, column_++);
        return data == nullptr ? std::string() : std::string(data, static_cast<std::size_t>(size));
    }
    WallTime time() {
        const std::string value = text();
        return value.empty() ? WallTime{} : parse_iso_time(value);
    }
    void rewind() { column_ = 0; }

    // The row as an object, its members named by the columns.
    Json row() const { return sqlite_row(stmt_); }

  private:
    // Also steps over a NULL.
    bool is_null() {
        if (sqlite3_column_type(stmt_, column_) != SQLITE_NULL) {
            return false;
        }
        ++column_;
        return true;
    }

    sqlite3_stmt* stmt_;
    int bound_ = 0;
    int column_ = 0;
};

}  // namespace shift
