#include "supervisor/control/control_server.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "common/control_protocol.h"
#include "common/file.h"
#include "common/line_framer.h"

namespace shift {
namespace {

constexpr std::size_t kClientsMax = 32;
constexpr int kBacklog = 16;

struct Reply {
    uv_write_t write{};
    std::string line;
};

}  // namespace

struct ControlServer::Client {
    ControlServer* server;
    UvOwned<uv_pipe_t> pipe{new uv_pipe_t{}};
    LineFramer framer{kControlRequestBytesMax};
    char buffer[4096];
};

ControlServer::ControlServer(uv_loop_t& loop, std::string path, Handler handler, const Logger& log)
    : loop_(loop), path_(std::move(path)), handler_(std::move(handler)), log_(log) {}

ControlServer::~ControlServer() {
    while (!clients_.empty()) {
        drop(*clients_.begin());
    }
    (void)::unlink(path_.c_str());
}

Result<std::unique_ptr<ControlServer>> ControlServer::listen(uv_loop_t& loop,
                                                             const std::string& path,
                                                             Handler handler, const Logger& log) {
    std::unique_ptr<ControlServer> server(new ControlServer(loop, path, std::move(handler), log));
    RETURN_IF_ERROR(server->bind_and_listen());
    return server;
}

Status ControlServer::bind_and_listen() {
    // The state directory's lock is ours, so a socket file that is left is a dead daemon's - unless
    // two configurations share the socket path alone.
    if (path_exists(path_)) {
        if (control_call(path_, "version", Json::object(), 500).ok()) {
            return Error{Errc::kConflict,
                         fmt::format("another daemon answers at {}; set control_socket", path_)};
        }
        RETURN_IF_ERROR(remove_file(path_));
    }
    listener_.reset(new uv_pipe_t{});
    uv_pipe_init(&loop_, listener_.get(), 0);
    listener_->data = this;
    const mode_t old_mask = ::umask(0117);
    int rc = uv_pipe_bind(listener_.get(), path_.c_str());
    ::umask(old_mask);
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
    return Ok{};
}

bool ControlServer::may_talk(uv_pipe_t* pipe) const {
    uv_os_fd_t fd = -1;
    ucred peer{};
    socklen_t size = sizeof peer;
    if (uv_fileno(reinterpret_cast<uv_handle_t*>(pipe), &fd) != 0 ||
        ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return false;
    }
    return peer.uid == 0 || peer.uid == ::geteuid();
}

void ControlServer::accept() {
    auto* client = new Client{.server = this, .buffer = {}};
    uv_pipe_init(&loop_, client->pipe.get(), 0);
    auto* stream = reinterpret_cast<uv_stream_t*>(client->pipe.get());
    stream->data = client;
    clients_.insert(client);
    if (uv_accept(reinterpret_cast<uv_stream_t*>(listener_.get()), stream) != 0 ||
        clients_.size() > kClientsMax || !may_talk(client->pipe.get())) {
        drop(client);
        return;
    }
    uv_read_start(
        stream,
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
            for (const std::string& line :
                 reading->framer.push({buffer->base, static_cast<std::size_t>(got)})) {
                server->on_line(*reading, line);
            }
        });
}

void ControlServer::on_line(Client& client, const std::string& line) {
    auto* reply = new Reply;
    auto request = parse_json(line);
    if (client.framer.cut_lines() > 0) {
        reply->line = control_error("request is too long");
    } else if (!request.ok() || !request->is_object()) {
        reply->line = control_error("request is not a JSON object");
    } else if (int_or(*request, "protocol", 0) > kControlProtocol) {
        reply->line =
            control_error(fmt::format("protocol {} is newer than {}; use the tools of "
                                      "the daemon's version",
                                      int_or(*request, "protocol", 0), kControlProtocol));
    } else {
        const Json args = request->contains("args") ? (*request)["args"] : Json::object();
        auto data = handler_(string_or(*request, "command", ""), args);
        reply->line = data.ok() ? control_ok(*data) : control_error(data.error().message);
    }
    if (reply->line.empty() || reply->line.back() != '\n') {
        reply->line += '\n';
    }
    uv_buf_t buffer = uv_buf_init(reply->line.data(), static_cast<unsigned>(reply->line.size()));
    reply->write.data = reply;
    auto* stream = reinterpret_cast<uv_stream_t*>(client.pipe.get());
    if (uv_write(&reply->write, stream, &buffer, 1,
                 [](uv_write_t* write, int) { delete static_cast<Reply*>(write->data); }) != 0) {
        delete reply;
    }
}

void ControlServer::drop(Client* client) {
    clients_.erase(client);
    delete client;
}

}  // namespace shift
