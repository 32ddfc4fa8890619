#pragma once

#include <optional>
#include <string>
#include <vector>

#include "worker/mysql/inspect.h"

namespace shift {

// The key that pt-osc walks the table by: PRIMARY, else the unique key with the fewest columns that
// may be NULL, then the fewest columns, then the first name; nullptr when there is none.
// Source: TableParser::sort_indexes of 3.2.1; --chunk-index is never given.
const UniqueKey* chunk_key(const std::vector<UniqueKey>& keys);

struct KeyTrouble {
    std::string reason;   // "enum_key"
    std::string message;  // what is wrong and the way out, without the table
};
// Why pt-osc would die on this key, or (worse) leave rows out and call it done. `tool_version` is
// pt-osc's, "" when it does not say.
// Source: 3.2.1 on MariaDB 10.11, tables of several chunks. A bound goes to the server as text, so
// FLOAT, DOUBLE and SET lost 2 to 21 of 6000 rows with exit status 0, BIT dies of warning 1292, and
// an ENUM with a column behind it dies for want of an index. An ENUM at the end of the key works,
// as do DECIMAL, TIME, DATETIME, TIMESTAMP, YEAR, INET6 and UUID.
std::optional<KeyTrouble> chunk_key_trouble(const UniqueKey& key, bool is_mariadb,
                                            const std::string& tool_version);

}  // namespace shift
