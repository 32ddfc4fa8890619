#include "tests/integration/support/lhm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "tests/integration/support/programs.h"

namespace shift::testing {

Lhm::Lhm(MariadbServer& server, const TempDir& dir)
    : server_(server),
      dir_(dir / "lhm"),
      credentials_(dir_ + "/my.cnf"),
      port_(server.port()),
      crash_(dir_ + "/crash") {
    std::filesystem::create_directories(dir_);
    spit(credentials_,
         "[client]\nuser=" + MariadbServer::user() + "\npassword=" + MariadbServer::password() +
             "\n",
         0600);
}

int Lhm::Answer::count(const std::string& part) const {
    int times = 0;
    for (std::size_t at = text.find(part); at != std::string::npos;
         at = text.find(part, at + part.size())) {
        ++times;
    }
    return times;
}

std::vector<std::string> Lhm::argv(const std::vector<std::string>& arguments) const {
    std::vector<std::string> all = {program("shift-lhm")};
    all.insert(all.end(), arguments.begin(), arguments.end());
    for (const std::string& word :
         {std::string("--defaults-file"), credentials_, std::string("--host"), server_.host(),
          std::string("--port"), std::to_string(port_)}) {
        all.push_back(word);
    }
    return all;
}

void Lhm::start(const std::vector<std::string>& arguments) {
    SpawnOptions options;
    options.argv = argv(arguments);
    options.output = dir_ + "/out" + std::to_string(++runs_);
    options.env["XDG_STATE_HOME"] = dir_ + "/state";
    options.env["SHIFT_CRASH_DIR"] = crash_.path();
    process_.start(options);
}

void Lhm::die_at(const std::string& point, int count) {
    crash_.arm({point + " " + std::to_string(count)});
}

std::string Lhm::output() const {
    return slurp(dir_ + "/out" + std::to_string(runs_));
}

Lhm::Answer Lhm::finish(milliseconds deadline) {
    const auto status = process_.wait(stretched(deadline));
    EXPECT_TRUE(status) << "still running:\n" << output();
    if (!status) {
        process_.kill9();
    }
    return {status ? status->code : -1, output()};
}

Lhm::Answer Lhm::run(const std::vector<std::string>& arguments, milliseconds deadline) {
    start(arguments);
    return finish(deadline);
}

std::vector<std::string> Lhm::quick(const std::string& verb, const std::string& table,
                                    const std::vector<std::string>& arguments) {
    std::vector<std::string> all = {verb, table, "--no-check-replicas"};
    if (verb == "change-table" &&
        std::find(arguments.begin(), arguments.end(), "--instant") == arguments.end()) {
        all.insert(all.end(), {"--instant", "no"});  // the copy is what is tested
    }
    all.insert(all.end(), arguments.begin(), arguments.end());
    return all;
}

Lhm::Answer Lhm::change(const std::string& table, const std::vector<std::string>& arguments) {
    std::vector<std::string> all = quick("change-table", table, arguments);
    all.emplace_back("--execute");
    return run(all);
}

Lhm::Answer Lhm::plan(const std::string& table, const std::vector<std::string>& arguments) {
    return run(quick("change-table", table, arguments));
}

std::string row_difference(Db& db, const std::string& one, const std::string& other) {
    const std::vector<Row> a = db.rows(one);
    const std::vector<Row> b = db.rows(other);
    const auto text = [](const Row& row) {
        std::string line;
        for (const Cell& cell : row) {
            line += (line.empty() ? "" : " | ") + cell.value_or("NULL");
        }
        return line;
    };
    std::string difference;
    if (a.size() != b.size()) {
        difference = std::to_string(a.size()) + " and " + std::to_string(b.size()) + " rows\n";
    }
    int shown = 0;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()) && shown < 5; ++i) {
        if (a[i] != b[i]) {
            difference +=
                "row " + std::to_string(i) + ": " + text(a[i]) + " <> " + text(b[i]) + "\n";
            ++shown;
        }
    }
    return difference;
}

std::string archive_of(Db& db, const std::string& database) {
    for (const std::string& name : db.tables(database)) {
        if (name.rfind("lhma_", 0) == 0) {
            return name;
        }
    }
    return "";
}

}  // namespace shift::testing
