#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/integration/support/lhm.h"
#include "tests/integration/support/mariadb_server.h"
#include "tests/integration/support/temp_dir.h"
#include "tests/integration/support/wait.h"

namespace shift::testing {

using Names = std::vector<std::string>;

// shift-lhm on the shared server's empty database `app`, with the tables of LHM's own specs.
class LhmTest : public ::testing::Test {
  protected:
    LhmTest() : server_(shared_server()), db_(connect_to_empty(server_)), lhm_(server_, dir_) {
        db_.execute("CREATE DATABASE app");
        db_.execute("USE app");
    }
    static Db connect_to_empty(MariadbServer& server) {
        server.reset();
        return server.connect();
    }
    // spec/fixtures/users.ddl of LHM.
    void make_users(int rows = 0);
    void fill(const std::string& table, int rows);
    std::int64_t count(const std::string& table) {
        return db_.integer("SELECT COUNT(*) FROM " + quote_name(table));
    }
    // The change must succeed.
    Lhm::Answer change(const std::string& table, const std::vector<std::string>& arguments) {
        const Lhm::Answer answer = lhm_.change("app." + table, arguments);
        EXPECT_EQ(answer.code, 0) << answer.text;
        return answer;
    }
    // The column as information_schema shows it: "type, nullable, default".
    std::string column(const std::string& table, const std::string& name);
    // The columns of an index, "a,b(10)"; with " unique" behind; "" when there is none.
    std::string index(const std::string& table, const std::string& name);
    // Nothing of a migration is left but archives.
    std::string leftovers();
    // Waits until the copy is in its middle: the shadow holds rows.
    void await_copying(const std::string& table);

    TempDir dir_;
    MariadbServer& server_;
    Db db_;
    Lhm lhm_;
};

}  // namespace shift::testing
