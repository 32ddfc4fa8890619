#pragma once

#include <sqlite3.h>

#include <string>

#include "common/json.h"

namespace shift {

// The row a statement stands on as an object, its members named by the columns. Header only, so
// that no other part of common/ needs SQLite.
inline Json sqlite_row(sqlite3_stmt* stmt) {
    Json object = Json::object();
    for (int i = 0; i < sqlite3_column_count(stmt); ++i) {
        Json& value = object[sqlite3_column_name(stmt, i)];
        switch (sqlite3_column_type(stmt, i)) {
            case SQLITE_INTEGER:
                value = sqlite3_column_int64(stmt, i);
                break;
            case SQLITE_FLOAT:
                value = sqlite3_column_double(stmt, i);
                break;
            case SQLITE_NULL:
                break;
            default:
                value = std::string(reinterpret_cast<const char*>(sqlite3_column_text(stmt, i)),
                                    static_cast<std::size_t>(sqlite3_column_bytes(stmt, i)));
        }
    }
    return object;
}

}  // namespace shift
