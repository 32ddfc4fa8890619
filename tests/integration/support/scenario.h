#pragma once

#include <unistd.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/support/fake_api.h"
#include "tests/integration/support/mariadb_server.h"
#include "tests/integration/support/shift_api.h"
#include "tests/integration/support/supervisor_process.h"
#include "tests/integration/support/temp_dir.h"
#include "tests/integration/support/wait.h"

namespace shift::testing {

// What a test asks to be done, in the words of both APIs (the model and the real one).
struct Change {
    std::string ddl = {};
    std::string table = "t";
    std::string database = "app";
    int action = 2;   // 0 create, 1 drop, 2 alter
    int mode = 0;     // 0 table, 1 view
    int runtype = 1;  // 1 long, 2 short, 4 nocheckalter
    std::string final_insert = {};
    Json custom_options = Json::object();
};

// Of the tool that copies: the installed one, the stand-in for Square's patched one, or the
// installed one that seems to know no plugins.
enum class OscFlavour { kStock, kSquare, kBasic };

struct ScenarioOptions {
    bool real_api = false;    // shift-api behind the recording proxy, instead of the model
    bool own_server = false;  // a mariadbd of its own (to be killed), else the shared one, emptied
    MariadbOptions server = {};
    std::map<std::string, std::string> settings = {};  // supervisor configuration
    bool start = true;                                 // start the supervisor
    int chunk_rows = 0;  // > 0: the engines copy in chunks of so many rows
    double chunk_pause_s = 0;
    OscFlavour flavour = OscFlavour::kStock;  // with chunk_rows
};

// One supervisor, one API, one database server. When the test has failed, the end prints the logs
// and keeps the folder.
class Scenario {
  public:
    explicit Scenario(const ScenarioOptions& options = {});
    ~Scenario();
    Scenario(const Scenario&) = delete;
    Scenario& operator=(const Scenario&) = delete;

    MariadbServer& server() { return *server_; }
    Db& db() { return db_; }
    FakeApi& api() { return *api_; }
    ApiModel& model() { return api_->model(); }
    // After the server was killed.
    void reconnect() { db_ = server_->connect(); }
    ShiftApi& shift_api() { return *shift_api_; }
    SupervisorProcess& supervisor() { return *supervisor_; }
    const TempDir& dir() const { return dir_; }
    bool real_api() const { return shift_api_ != nullptr; }

    // With either API.
    MigrationId submit(const Change& change);
    Json columns(MigrationId id);
    int status(MigrationId id);
    std::string text(MigrationId id, const char* column);
    void approve(MigrationId id);
    void start_run(MigrationId id);
    void rename(MigrationId id);
    void pause(MigrationId id);
    void resume(MigrationId id);
    void cancel(MigrationId id);
    std::string file(MigrationId id, int file_type);

    // Called at every look of the waits below.
    void set_watch(std::function<void()> watch) { watch_ = std::move(watch); }

    // Polls; throws with the logs when `done` is not true in time.
    void await(const std::string& what, const std::function<bool()>& done,
               milliseconds deadline = kDeadline);
    // Until the API shows `status`; fails at once when it shows another final status.
    void await_status(MigrationId id, int status, milliseconds deadline = kDeadline);
    // Until nothing is claimed, running or owed to the API any more.
    void await_idle(milliseconds deadline = kDeadline);

    // The usual ways: staged 0 -> 1; approved and started; -> 4; renamed -> 8.
    void bring_to_prepared(MigrationId id);
    void bring_to_running(MigrationId id);
    void bring_to_copied(MigrationId id);
    void bring_to_completed(MigrationId id);

    // Until the copy of `id` has begun: its shadow table holds rows.
    void await_copying(MigrationId id, const std::string& database = "app");
    // The table that holds the copy of migration `id`, "" when there is none.
    std::string shadow_table(MigrationId id, const std::string& database = "app");

    // Nothing of ours is left in `database`: no triggers, and no tables besides `tables`.
    // "" or what is there.
    std::string leftovers(const std::string& database, const std::vector<std::string>& tables);
    std::string report();

  private:
    TempDir dir_;
    std::unique_ptr<MariadbServer> own_server_;
    MariadbServer* server_ = nullptr;
    Db db_;
    std::unique_ptr<ShiftApi> shift_api_;
    std::unique_ptr<FakeApi> api_;
    std::unique_ptr<SupervisorProcess> supervisor_;
    std::map<MigrationId, Change> changes_;
    std::function<void()> watch_ = [] {};
};

// While closed, no copy gets past its next chunk: a migration stays in the middle of its copy for
// as long as a test needs. For scenarios with chunk_rows.
class CopyGate {
  public:
    explicit CopyGate(const Scenario& scenario) : file_(scenario.dir() / "gate") {
        spit(file_, "");
    }
    ~CopyGate() { open(); }
    CopyGate(const CopyGate&) = delete;
    CopyGate& operator=(const CopyGate&) = delete;
    void open() { (void)::unlink(file_.c_str()); }

  private:
    std::string file_;
};

}  // namespace shift::testing
