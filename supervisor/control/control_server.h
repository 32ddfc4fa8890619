#pragma once

#include <sys/types.h>
#include <uv.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/control_protocol.h"
#include "common/json.h"
#include "common/log.h"
#include "common/result.h"
#include "supervisor/loop/uv_owned.h"

namespace shift {

// The control socket (common/control_protocol.h): one request line, one answer line, any number a
// connection.
//
// Who may is decided by the peer's credentials as the kernel knows them (SO_PEERCRED,
// SO_PEERGROUPS), not by the file's mode: root, our own user and the members of the write group may
// everything, members of the read group may look, others are told so and cut off.
// Bounded: connections (some are left for those who may write), request size, requests a second of
// one user, what a client leaves unread, and how long it may be silent.
class ControlServer {
  public:
    using Handler = std::function<Result<Json>(const ControlRequest&, const ControlCaller&)>;

    // Names of groups; one that does not exist, or "", is nobody.
    struct Groups {
        std::string read;
        std::string write;
    };

    // Binds and listens at `path`, replacing a dead socket file.
    // Errors: kConflict - another daemon answers there; kIo.
    static Result<std::unique_ptr<ControlServer>> listen(uv_loop_t& loop, const std::string& path,
                                                         const Groups& groups, Handler handler,
                                                         const Logger& log);
    ~ControlServer();
    ControlServer(const ControlServer&) = delete;
    ControlServer& operator=(const ControlServer&) = delete;

    // Blocks: a look into the group database; at start and reload only.
    void set_groups(const Groups& groups);

  private:
    struct Client;
    struct Bucket {  // requests that one user may still make at once
        double tokens = 0;
        std::uint64_t at_ms = 0;
    };

    ControlServer(uv_loop_t& loop, std::string path, Handler handler, const Logger& log);
    Status bind_and_listen();
    void accept();
    bool take_peer(Client& client);
    bool on_line(Client& client, const std::string& line);
    std::string answer(const Client& client, const std::string& line);
    bool may_ask_now(const Client& client);
    bool send(Client& client, std::string line, bool then_drop);
    void refuse(Client& client, ControlRefusal refusal, const std::string& why);
    void drop(Client* client);
    void drop_silent();

    uv_loop_t& loop_;
    std::string path_;
    Handler handler_;
    const Logger& log_;
    std::optional<gid_t> read_group_;
    std::optional<gid_t> write_group_;
    bool is_bound_ = false;  // else the socket file is not ours
    UvOwned<uv_pipe_t> listener_;
    std::set<Client*> clients_;
    std::map<std::int64_t, Bucket> buckets_;  // by uid
    std::unique_ptr<UvTicker> sweeper_;
};

}  // namespace shift
