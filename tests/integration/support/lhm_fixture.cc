#include "tests/integration/support/lhm_fixture.h"

namespace shift::testing {

void LhmTest::make_users(int rows) {
    db_.execute(
        "CREATE TABLE users (id INT(11) NOT NULL AUTO_INCREMENT, reference INT(11) DEFAULT NULL, "
        "username VARCHAR(255) DEFAULT NULL, `group` VARCHAR(255) DEFAULT NULL, "
        "created_at DATETIME DEFAULT NULL, comment VARCHAR(20) DEFAULT 'Superfriends', "
        "description TEXT, PRIMARY KEY (id), UNIQUE KEY index_users_on_reference (reference), "
        "KEY index_users_on_username_and_created_at (username, created_at), "
        "KEY index_with_a_custom_name (username, `group`)) ENGINE=InnoDB");
    fill("users", rows);
}

void LhmTest::fill(const std::string& table, int rows) {
    if (rows > 0) {
        db_.execute("INSERT INTO " + table +
                    " (reference, username) SELECT seq, CONCAT('user ', seq) FROM seq_1_to_" +
                    std::to_string(rows));
        db_.execute("ANALYZE TABLE " + table);
    }
}

std::string LhmTest::column(const std::string& table, const std::string& name) {
    const auto rows = db_.rows("SHOW COLUMNS FROM " + quote_name(table) + " LIKE '" + name + "'");
    if (rows.empty()) {
        return "";
    }
    return rows[0][1].value_or("") + ", " + rows[0][2].value_or("") + ", " +
           rows[0][4].value_or("NULL");
}

std::string LhmTest::index(const std::string& table, const std::string& name) {
    std::string text;
    bool unique = false;
    for (const Row& row : db_.rows("SHOW INDEX FROM " + quote_name(table) + " WHERE Key_name = '" +
                                   db_.escape(name) + "'")) {
        text += (text.empty() ? "" : ",") + row[4].value_or("");
        text += row[7] ? "(" + *row[7] + ")" : "";
        unique = row[1].value_or("") == "0";
    }
    return unique ? text + " unique" : text;
}

std::string LhmTest::leftovers() {
    std::string text;
    for (const std::string& name : db_.triggers("app")) {
        text += " trigger " + name;
    }
    for (const std::string& name : db_.tables("app")) {
        if (name.rfind("lhm", 0) == 0 && name.rfind("lhma_", 0) != 0) {
            text += " table " + name;
        }
    }
    return text;
}

void LhmTest::await_copying(const std::string& table) {
    ASSERT_TRUE(poll_until([&] {
        if (!lhm_.process().running()) {
            return true;
        }
        try {
            return db_.table_exists("app", "lhmn_" + table) &&
                   count("lhmn_" + table) > 1;  // the last row goes first
        } catch (const SqlError&) {
            return false;
        }
    })) << lhm_.output();
    ASSERT_TRUE(lhm_.process().running()) << lhm_.output();
}

}  // namespace shift::testing
