#pragma once

#include <map>
#include <string>

#include "common/json.h"
#include "common/migration.h"
#include "tests/integration/support/child_process.h"
#include "tests/integration/support/mariadb_server.h"

namespace shift::testing {

// The real shift-api on a loopback port, with one cluster "main" that is the given server, and the
// calls people make. A refused call throws std::runtime_error with the answer.
class ShiftApi {
  public:
    ShiftApi(const std::string& folder, MariadbServer& server);
    ~ShiftApi() { process_.kill9(); }
    ShiftApi(const ShiftApi&) = delete;
    ShiftApi& operator=(const ShiftApi&) = delete;

    void start();
    void stop() { process_.terminate(); }
    void kill9() { process_.kill9(); }
    int port() const { return port_; }
    pid_t pid() const { return process_.pid(); }
    std::string url() const;  // ends in "/api/v1/"
    std::string log_file() const { return folder_ + "/shift-api.log"; }
    const std::string& folder() const { return folder_; }

    // `extra`: further members of the create call.
    MigrationId create(const std::string& database, const std::string& ddl,
                       const Json& extra = Json::object());
    Json get(MigrationId id);  // the columns
    int status(MigrationId id);
    // approve, start, rename, pause, resume, cancel_cli ...: with the lock_version of now, tried
    // again when the runner changed the row meanwhile.
    void act(const std::string& action, MigrationId id, const Json& extra = Json::object());
    // Whether its page shows this button now: "approve_long", "cancel" ...
    bool offers(MigrationId id, const std::string& action);
    std::string file(MigrationId id, int file_type);

    // Any call; the parsed body. Throws unless the status is 200.
    Json call(const std::string& method, const std::string& path, const Json& body = Json());

  private:
    std::string folder_;
    MariadbServer& server_;
    int port_ = 0;
    ChildProcess process_;
};

}  // namespace shift::testing
