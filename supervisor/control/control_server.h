#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "common/json.h"
#include "common/log.h"
#include "common/result.h"
#include "supervisor/loop/uv_owned.h"

namespace shift {

// The control socket (common/control_protocol.h): one request line, one answer line, any number a
// connection. Only root and the daemon's own user are answered. Bounded: connections, request size.
class ControlServer {
  public:
    using Handler = std::function<Result<Json>(const std::string& command, const Json& args)>;

    // Binds and listens at `path`, replacing a dead socket file; 0660.
    // Errors: kConflict - another daemon answers there; kIo.
    static Result<std::unique_ptr<ControlServer>> listen(uv_loop_t& loop, const std::string& path,
                                                         Handler handler, const Logger& log);
    ~ControlServer();
    ControlServer(const ControlServer&) = delete;
    ControlServer& operator=(const ControlServer&) = delete;

  private:
    struct Client;

    ControlServer(uv_loop_t& loop, std::string path, Handler handler, const Logger& log);
    Status bind_and_listen();
    void accept();
    void on_line(Client& client, const std::string& line);
    void drop(Client* client);
    bool may_talk(uv_pipe_t* pipe) const;

    uv_loop_t& loop_;
    std::string path_;
    Handler handler_;
    const Logger& log_;
    UvOwned<uv_pipe_t> listener_;
    std::set<Client*> clients_;
};

}  // namespace shift
