#pragma once

#include <atomic>
#include <cstdint>
#include <ostream>
#include <string>
#include <thread>

#include "tests/integration/support/mariadb_server.h"

namespace shift::testing {

// A table's key: its definition and, for a number in SQL, the values of its columns.
struct KeyKind {
    const char* name;
    const char* definition;
    const char* columns;
    const char* values;           // of %N%
};
inline std::ostream& operator<<(std::ostream& out, const KeyKind& kind) {
    return out << kind.name;
}
extern const KeyKind kIntKey;
extern const KeyKind kCompositeKey;
extern const KeyKind kTextKey;
extern const KeyKind kBinaryKey;
extern const KeyKind kUniqueOnlyKey;
// Only the lhm engine walks these.
extern const KeyKind kBigUnsignedKey;
extern const KeyKind kDecimalKey;
extern const KeyKind kDatetimeKey;
extern const KeyKind kEnumKey;
extern const KeyKind kUuidKey;
extern const KeyKind kDoubleKey;

std::string values_for(const KeyKind& kind, const std::string& number);
// The table t of the current database: the key, a VARCHAR(50) and an indexed INT, with `rows` rows.
void make_keyed_table(Db& db, const KeyKind& kind, int rows);

// One application session on shop.t: inserts, changes of values and keys, deletes, transactions of
// several statements, one in five rolled back.
class KeyWriter {
  public:
    KeyWriter(MariadbServer& server, const KeyKind& kind, int rows, std::uint64_t seed)
        : kind_(kind), rows_(rows), thread_([this, &server, seed] { run(server, seed); }) {}
    ~KeyWriter() { stop(); }
    KeyWriter(const KeyWriter&) = delete;
    KeyWriter& operator=(const KeyWriter&) = delete;

    void stop();
    int inserted() const { return inserted_; }
    // Deadlocks and lock waits that this session, as an application, has met.
    int deadlocks() const { return deadlocks_; }
    std::string error() const { return error_; }

  private:
    std::string row(std::uint64_t number) const;
    std::string is_row(std::uint64_t number) const;
    std::string new_key(std::uint64_t number) const;
    void one(Db& db, std::uint64_t number, std::uint64_t kind, std::uint64_t random);
    void run(MariadbServer& server, std::uint64_t seed);

    const KeyKind& kind_;
    int rows_;
    std::atomic<bool> stopping_{false};
    std::atomic<int> inserted_{0};
    std::atomic<int> deadlocks_{0};
    std::string error_;
    std::thread thread_;
};

}  // namespace shift::testing
