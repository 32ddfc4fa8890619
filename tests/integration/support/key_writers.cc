#include "tests/integration/support/key_writers.h"

#include <random>
#include <vector>

#include "common/text.h"

namespace shift::testing {

namespace {

// The expressions of a list of numbers and calls: commas in parentheses do not end them.
std::vector<std::string> parts_of(const std::string& list) {
    std::vector<std::string> parts(1);
    int depth = 0;
    for (const char c : list) {
        depth += c == '(' ? 1 : c == ')' ? -1 : 0;
        if (c == ',' && depth == 0) {
            parts.emplace_back();
        } else {
            parts.back() += c;
        }
    }
    return parts;
}

}  // namespace

const KeyKind kIntKey = {"Int", "id INT NOT NULL AUTO_INCREMENT PRIMARY KEY", "id", "%N%"};
const KeyKind kCompositeKey = {"Composite",
                               "x INT NOT NULL, y VARCHAR(10) NOT NULL, z DATE NOT NULL, "
                               "PRIMARY KEY (x, y, z)",
                               "x, y, z",
                               "(%N%) DIV 50, CONCAT('k', (%N%) % 10), "
                               "DATE_ADD('2020-01-01', INTERVAL (%N%) % 50 DIV 10 DAY)"};
// Commas, quotes, backslashes and letters of several lengths; equal but for case is equal.
const KeyKind kTextKey = {
    "Text",
    "code VARCHAR(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL "
    "PRIMARY KEY",
    "code",
    "CONCAT(ELT(1 + (%N%) % 6, 'a,b', 'O''Hara', 'back\\\\slash', 'Éclair', "
    "'日本', 'tab\\t'), LPAD(%N%, 9, '0'), ELT(1 + (%N%) % 3, '', '\\\\', ','))"};
const KeyKind kBinaryKey = {"Binary", "id BINARY(16) NOT NULL PRIMARY KEY", "id",
                            "UNHEX(MD5(CONCAT('x', %N%)))"};
const KeyKind kUniqueOnlyKey = {"UniqueOnly", "u BIGINT NOT NULL, UNIQUE KEY by_u (u)", "u",
                                "%N% * 3"};
const KeyKind kBigUnsignedKey = {"BigUnsigned", "id BIGINT UNSIGNED NOT NULL PRIMARY KEY", "id",
                                 "18446744073709551615 - (%N%) * 7"};
const KeyKind kDecimalKey = {"Decimal", "d DECIMAL(20,6) NOT NULL PRIMARY KEY", "d",
                             "CAST(%N% AS DECIMAL(20,6)) / 8 - 1000"};
const KeyKind kDatetimeKey = {
    "Datetime", "at DATETIME(6) NOT NULL, n2 SMALLINT NOT NULL, PRIMARY KEY (at, n2)", "at, n2",
    "DATE_ADD('1999-12-31 23:59:59.999990', INTERVAL (%N%) DIV 3 MICROSECOND), (%N%) % 3"};
const KeyKind kEnumKey = {"Enum",
                          "e ENUM('zulu', 'alpha', 'mike', 'bravo') NOT NULL, n2 INT NOT NULL, "
                          "PRIMARY KEY (e, n2)",
                          "e, n2", "1 + (%N%) % 4, (%N%) DIV 4"};
const KeyKind kUuidKey = {
    "Uuid", "id UUID NOT NULL PRIMARY KEY", "id",
    "CONCAT(LPAD(HEX((%N%) * 2654435761 % 4294967296), 8, '0'), '-0000-4000-8000-', "
    "LPAD(%N%, 12, '0'))"};
const KeyKind kDoubleKey = {"Double", "f DOUBLE NOT NULL PRIMARY KEY", "f", "(%N%) / 7e0 - 100"};

std::string values_for(const KeyKind& kind, const std::string& number) {
    std::string text = kind.values;
    for (std::size_t at = text.find("%N%"); at != std::string::npos; at = text.find("%N%", at)) {
        text.replace(at, 3, number);
        at += number.size();
    }
    return text;
}

void make_keyed_table(Db& db, const KeyKind& kind, int rows) {
    db.execute(std::string("CREATE TABLE t (") + kind.definition +
               ", a VARCHAR(50) CHARACTER SET utf8mb4, n INT, KEY by_n (n)) ENGINE=InnoDB");
    db.execute(std::string("INSERT INTO t (") + kind.columns + ", a, n) SELECT " +
               values_for(kind, "seq") + ", CONCAT('row ', seq), seq % 1000 FROM seq_1_to_" +
               std::to_string(rows));
    db.execute("ANALYZE TABLE t");
}

void KeyWriter::stop() {
    stopping_ = true;
    if (thread_.joinable()) {
        thread_.join();
    }
}

std::string KeyWriter::row(std::uint64_t number) const {
    return values_for(kind_, std::to_string(number)) + ", 'w" + std::to_string(number) + " é', " +
           std::to_string(number % 777);
}

std::string KeyWriter::is_row(std::uint64_t number) const {
    // Column by column: of a comparison of rows the server makes a scan that locks the whole table.
    const std::vector<std::string> columns = split(kind_.columns, ',');
    const std::string all = values_for(kind_, std::to_string(number));
    const std::vector<std::string> values =
        columns.size() == 1 ? std::vector<std::string>{all} : parts_of(all);
    std::string text;
    for (std::size_t i = 0; i < columns.size(); ++i) {
        text += (i == 0 ? "" : " AND ") + columns[i] + " = " + values.at(i);
    }
    return text;
}

// "id = 5, ..." for a change of the key.
std::string KeyWriter::new_key(std::uint64_t number) const {
    const std::vector<std::string> columns = split(kind_.columns, ',');
    const std::string all = values_for(kind_, std::to_string(number));
    if (columns.size() == 1) {
        return columns[0] + " = " + all;
    }
    if (columns.size() == 2) {  // the second of two
        return columns[1] + " = " + std::to_string(number % 30'000);
    }
    return "x = " + std::to_string(number / 50);  // the first of three
}

void KeyWriter::one(Db& db, std::uint64_t number, std::uint64_t kind, std::uint64_t random) {
    const std::string columns = std::string("(") + kind_.columns + ", a, n)";
    switch (kind) {
        case 0:
            db.execute("INSERT INTO t " + columns + " VALUES (" + row(number) + ")");
            ++inserted_;
            break;
        case 1:
            db.execute("REPLACE INTO t " + columns + " VALUES (" + row(number) + ")");
            ++inserted_;
            break;
        case 2:
            db.execute("INSERT INTO t " + columns + " VALUES (" + row(number) +
                       ") ON DUPLICATE KEY UPDATE n = n + 1, a = 'odku'");
            ++inserted_;
            break;
        case 3:
            db.execute("UPDATE t SET a = 'updated', n = n + 1 WHERE " + is_row(number));
            break;
        case 4:
            db.execute("UPDATE t SET " + new_key(random % 1'000'000) + " WHERE " + is_row(number));
            break;
        default:
            db.execute("DELETE FROM t WHERE " + is_row(number));
    }
}

void KeyWriter::run(MariadbServer& server, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    Db db = server.connect("shop");
    while (!stopping_) {
        try {
            db.execute("BEGIN");
            for (std::uint64_t i = 0; i <= random() % 3; ++i) {
                const std::uint64_t number = random() % (static_cast<std::uint64_t>(rows_) * 2);
                const std::uint64_t kind = random() % 6;
                one(db, number, kind, random());
            }
            db.execute(random() % 5 == 0 ? "ROLLBACK" : "COMMIT");
        } catch (const SqlError& error) {
            (void)db.try_execute("ROLLBACK");
            deadlocks_ += error.number == kDeadlock ? 1 : 0;
            if (error.number != kDuplicateKey && error.number != kLockWaitTimeout &&
                error.number != kDeadlock) {
                error_ = error.what();
                return;
            }
        }
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 10'000));
    }
}

}  // namespace shift::testing
