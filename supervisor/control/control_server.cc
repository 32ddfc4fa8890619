#include "supervisor/control/control_server.h"

#include <fmt/format.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/file.h"
#include "common/line_framer.h"
#include "supervisor/loop/uv_send.h"

namespace shift {
namespace {

constexpr std::size_t kClientsMax = 64;
// Readers leave room for those who may stop things.
constexpr std::size_t kReadersMax = 48;
constexpr int kBacklog = 64;
// What one user may ask. A status of hundreds of migrations costs milliseconds: this leaves the
// loop its time. `status --watch` asks once a second.
struct Rate {
    double per_second;
    double at_once;
};
constexpr Rate kReaderRate{20, 100};
constexpr Rate kWriterRate{100, 1000};
constexpr std::uint64_t kSilenceMs = 60'000;
constexpr std::uint64_t kSweepMs = 5'000;
constexpr std::size_t kUnreadBytesMax = 2 * kControlLineBytesMax;

std::optional<gid_t> group_id(const std::string& name) {
    if (name.empty()) {
        return std::nullopt;
    }
    std::vector<char> room(16 * 1024);
    group entry{};
    group* found = nullptr;
    while (::getgrnam_r(name.c_str(), &entry, room.data(), room.size(), &found) == ERANGE &&
           room.size() < 4 * 1024 * 1024) {
        room.resize(room.size() * 2);
    }
    return found == nullptr ? std::nullopt : std::optional(found->gr_gid);
}

// All groups of the process at the other end, as they were when it connected.
// Source: socket(7) SO_PEERCRED; SO_PEERGROUPS is Linux 4.13, answers ERANGE and the size needed.
std::vector<gid_t> peer_groups(int fd, gid_t primary) {
    std::vector<gid_t> groups(64);
    for (int tries = 0; tries < 3; ++tries) {
        auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
        if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0) {
            groups.resize(size / sizeof(gid_t));
            break;
        }
        if (errno != ERANGE) {
            groups.clear();
            break;
        }
        groups.resize(size / sizeof(gid_t));
    }
    groups.push_back(primary);
    return groups;
}

}  // namespace

struct ControlServer::Client {
    ControlServer* server;
    UvOwned<uv_pipe_t> pipe{new uv_pipe_t{}};
    LineFramer framer{kControlRequestBytesMax};
    std::int64_t uid = -1;
    bool may_write = false;
    std::uint64_t heard_ms = 0;
    char buffer[4096];

    uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(pipe.get()); }
};

ControlServer::ControlServer(uv_loop_t& loop, std::string path, Handler handler, const Logger& log)
    : loop_(loop), path_(std::move(path)), handler_(std::move(handler)), log_(log) {}

ControlServer::~ControlServer() {
    while (!clients_.empty()) {
        drop(*clients_.begin());
    }
    if (is_bound_) {
        (void)::unlink(path_.c_str());
    }
}

Result<std::unique_ptr<ControlServer>> ControlServer::listen(uv_loop_t& loop,
                                                             const std::string& path,
                                                             const Groups& groups, Handler handler,
                                                             const Logger& log) {
    std::unique_ptr<ControlServer> server(new ControlServer(loop, path, std::move(handler), log));
    RETURN_IF_ERROR(server->bind_and_listen());
    server->set_groups(groups);
    return server;
}

Status ControlServer::bind_and_listen() {
    // The state directory's lock is ours, so a socket file that is left is a dead daemon's - unless
    // two configurations share the socket path alone.
    if (path_exists(path_)) {
        const auto there = control_call(path_, "version", Json::object(), 500);
        const bool dead = !there.ok() && there.error().code == Errc::kUnavailable &&
                          there.error().native != EACCES;
        if (!dead) {
            return Error{Errc::kConflict,
                         fmt::format("another daemon answers at {}; set control_socket", path_)};
        }
        RETURN_IF_ERROR(remove_file(path_));
    }
    listener_.reset(new uv_pipe_t{});
    uv_pipe_init(&loop_, listener_.get(), 0);
    listener_->data = this;
    const mode_t old_mask = ::umask(0177);
    int rc = uv_pipe_bind(listener_.get(), path_.c_str());
    ::umask(old_mask);
    is_bound_ = rc == 0;
    if (rc == 0) {
        rc = uv_listen(reinterpret_cast<uv_stream_t*>(listener_.get()), kBacklog,
                       [](uv_stream_t* stream, int status) {
                           if (status == 0) {
                               static_cast<ControlServer*>(stream->data)->accept();
                           }
                       });
    }
    if (rc < 0) {
        return Error{Errc::kIo, fmt::format("control socket {}: {}", path_, uv_strerror(rc)), rc};
    }
    sweeper_ = std::make_unique<UvTicker>(loop_, kSweepMs, [this] { drop_silent(); });
    return Ok{};
}

void ControlServer::set_groups(const Groups& groups) {
    read_group_ = group_id(groups.read);
    write_group_ = group_id(groups.write);
    // Two groups cannot both own the file, so everybody may connect when there is one, and the
    // credentials decide.
    const bool is_shared = read_group_ || write_group_;
    if (::chmod(path_.c_str(), is_shared ? 0666 : 0600) != 0) {
        log_.warn("control_socket_mode", {{"path", path_}, {"errno", errno}});
    }
}

bool ControlServer::take_peer(Client& client) {
    uv_os_fd_t fd = -1;
    ucred peer{};
    socklen_t size = sizeof peer;
    if (uv_fileno(reinterpret_cast<uv_handle_t*>(client.pipe.get()), &fd) != 0 ||
        ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return false;
    }
    client.uid = peer.uid;
    client.may_write = peer.uid == 0 || peer.uid == ::geteuid();
    if (client.may_write) {
        return true;
    }
    const std::vector<gid_t> groups = peer_groups(fd, peer.gid);
    const auto in = [&groups](const std::optional<gid_t>& group) {
        return group && std::find(groups.begin(), groups.end(), *group) != groups.end();
    };
    client.may_write = in(write_group_);
    return client.may_write || in(read_group_);
}

void ControlServer::accept() {
    auto* client = new Client{.server = this, .buffer = {}};
    uv_pipe_init(&loop_, client->pipe.get(), 0);
    client->pipe->data = client;
    client->heard_ms = uv_now(&loop_);
    clients_.insert(client);
    if (uv_accept(reinterpret_cast<uv_stream_t*>(listener_.get()), client->stream()) != 0) {
        drop(client);
        return;
    }
    if (!take_peer(*client)) {
        refuse(*client, ControlRefusal::kPermission,
               fmt::format("uid {} may not talk to this daemon: it is in neither of its groups "
                           "(control_read_group, control_write_group)",
                           client->uid));
        return;
    }
    if (clients_.size() > (client->may_write ? kClientsMax : kReadersMax)) {
        refuse(*client, ControlRefusal::kBusy, "too many clients at a time");
        return;
    }
    uv_read_start(
        client->stream(),
        [](uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
            auto* reading = static_cast<Client*>(handle->data);
            *buffer = uv_buf_init(reading->buffer, sizeof reading->buffer);
        },
        [](uv_stream_t* handle, ssize_t got, const uv_buf_t* buffer) {
            auto* reading = static_cast<Client*>(handle->data);
            ControlServer* server = reading->server;
            if (got < 0) {
                server->drop(reading);
                return;
            }
            reading->heard_ms = uv_now(handle->loop);
            for (const std::string& line :
                 reading->framer.push({buffer->base, static_cast<std::size_t>(got)})) {
                if (!server->on_line(*reading, line)) {
                    return;
                }
            }
        });
}

bool ControlServer::may_ask_now(const Client& client) {
    const Rate& rate = client.may_write ? kWriterRate : kReaderRate;
    const std::uint64_t now = uv_now(&loop_);
    Bucket& bucket = buckets_.try_emplace(client.uid, Bucket{rate.at_once, now}).first->second;
    bucket.tokens += static_cast<double>(now - bucket.at_ms) / 1000 * rate.per_second;
    bucket.tokens = std::min(bucket.tokens, rate.at_once);
    bucket.at_ms = now;
    if (bucket.tokens < 1) {
        return false;
    }
    bucket.tokens -= 1;
    return true;
}

// False: the client is gone or going, nothing more of it is read.
bool ControlServer::on_line(Client& client, const std::string& line) {
    if (client.framer.cut_lines() > 0) {
        refuse(client, ControlRefusal::kRefused, "request is too long");
        return false;
    }
    if (!may_ask_now(client)) {
        refuse(client, ControlRefusal::kBusy, fmt::format("uid {} asks too often", client.uid));
        return false;
    }
    return send(client, answer(client, line), false);
}

std::string ControlServer::answer(const Client& client, const std::string& line) {
    const auto request = parse_control_request(line);
    if (!request.ok()) {
        return control_error(request.error().message);
    }
    // The handler names the commands it knows when this one is none.
    const ControlCommand* command = find_control_command(request->command);
    if (command != nullptr && command->access == ControlAccess::kWrite && !client.may_write) {
        return control_error(
            fmt::format("uid {} may look, but not {}: that is for root, the daemon's user and "
                        "control_write_group",
                        client.uid, request->command),
            ControlRefusal::kPermission);
    }
    auto data = handler_(*request, ControlCaller{client.uid, request->as});
    return data.ok() ? control_ok(*std::move(data)) : control_error(data.error().message);
}

bool ControlServer::send(Client& client, std::string line, bool then_drop) {
    const int rc =
        uv_send(client.stream(), std::move(line), [this, &client, then_drop](int status) {
            if (then_drop && status != UV_ECANCELED) {
                drop(&client);
            }
        });
    if (rc != 0) {
        drop(&client);
        return false;
    }
    if (uv_stream_get_write_queue_size(client.stream()) > kUnreadBytesMax) {
        log_.warn("control_client_dropped",
                  {{"uid", client.uid}, {"text", "it does not read its answers"}});
        drop(&client);
        return false;
    }
    return !then_drop;
}

void ControlServer::refuse(Client& client, ControlRefusal refusal, const std::string& why) {
    uv_read_stop(client.stream());
    (void)send(client, control_error(why, refusal), true);
}

void ControlServer::drop(Client* client) {
    clients_.erase(client);
    delete client;
}

void ControlServer::drop_silent() {
    const std::uint64_t now = uv_now(&loop_);
    std::vector<Client*> silent;
    for (Client* client : clients_) {
        if (now - client->heard_ms > kSilenceMs) {
            silent.push_back(client);
        }
    }
    std::for_each(silent.begin(), silent.end(), [this](Client* client) { drop(client); });
    std::erase_if(buckets_, [now](const auto& item) { return now - item.second.at_ms > 60'000; });
}

}  // namespace shift
