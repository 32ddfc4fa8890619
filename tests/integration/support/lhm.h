#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/integration/support/child_process.h"
#include "tests/integration/support/crash_dir.h"
#include "tests/integration/support/mariadb_server.h"
#include "tests/integration/support/temp_dir.h"
#include "tests/integration/support/wait.h"

namespace shift::testing {

// shift-lhm as a person uses it: one server, one folder for its state. The output of all commands
// is gathered, each also by itself.
class Lhm {
  public:
    Lhm(MariadbServer& server, const TempDir& dir);

    // Connects through another port (a proxy) from here on.
    void use_port(int port) { port_ = port; }

    struct Answer {
        int code = -1;  // exit code, -1 when it was killed
        std::string text;
        bool says(const std::string& part) const { return text.find(part) != std::string::npos; }
        int count(const std::string& part) const;
    };
    // To its end. `arguments` begin with the verb.
    Answer run(const std::vector<std::string>& arguments, milliseconds deadline = seconds(180));
    // "change-table TABLE .. --execute", quickly: no pause for replicas, small chunks.
    Answer change(const std::string& table, const std::vector<std::string>& arguments);
    Answer plan(const std::string& table, const std::vector<std::string>& arguments);

    // In the background; its output so far, its end.
    void start(const std::vector<std::string>& arguments);
    std::string output() const;
    Answer finish(milliseconds deadline = seconds(180));
    ChildProcess& process() { return process_; }
    void kill9() { process_.kill9(); }
    // The next run kills itself when it passes this crash point (common/test_points.h) so often.
    void die_at(const std::string& point, int count = 1);

    // What everybody wants: no look for replicas (there are none), a fixed chunk size.
    static std::vector<std::string> quick(const std::string& verb, const std::string& table,
                                          const std::vector<std::string>& arguments);

  private:
    std::vector<std::string> argv(const std::vector<std::string>& arguments) const;

    MariadbServer& server_;
    std::string dir_;
    std::string credentials_;
    int port_;
    int runs_ = 0;
    CrashDir crash_;
    ChildProcess process_;
};

// Row by row, without any checksum: "" when both queries give the same rows in the same order, else
// the first differences. Both must be ordered.
std::string row_difference(Db& db, const std::string& one, const std::string& other);
// The table called lhma_<time>_<table> (or the cut form of it); "" when there is none.
std::string archive_of(Db& db, const std::string& database);

}  // namespace shift::testing
