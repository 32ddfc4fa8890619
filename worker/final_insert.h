#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "worker/context.h"
#include "worker/verdict.h"

namespace shift {

// "INSERT INTO ..." without a semicolon, as the original demands; empty is none.
bool is_final_insert(std::string_view statement);
// The table an INSERT INTO works on, database "" when it names none; nullopt when unreadable.
struct InsertTarget {
    std::string database;
    std::string table;
};
std::optional<InsertTarget> insert_target(std::string_view statement);

// Whether the statement's table can be rolled back; nullopt when that is not known.
Result<bool> insert_is_transactional(Context& context, Connection& connection);

// Runs the final insert exactly once after the table was changed. With XA (a prepared transaction
// survives us and the server) where the table allows it; otherwise an unknown result is never sent
// again. nullopt: done, or there is none.
std::optional<Verdict> run_final_insert(Context& context);

}  // namespace shift
