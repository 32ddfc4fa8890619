#pragma once

#include <signal.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/job.h"
#include "common/line_framer.h"
#include "common/log.h"
#include "common/stop_request.h"
#include "common/unique_fd.h"
#include "worker/reporter.h"

namespace shift {

// The answer to one line of a client; pure but for the stop request it may set.
std::string answer_command(const std::string& line, StopRequest& stop, const Reporter& reporter);

// A thread that serves worker.sock and turns SIGTERM and SIGINT into a stop request (reason
// shutdown). Clients speak one JSON object per line; the first line is our greeting.
//
// The socket is bound by a relative name (the 107 bytes of a socket address are too few for some
// state directories), so the current directory must be the attempt directory.
// REQUIRES: SIGTERM and SIGINT are blocked in every thread.
class CommandServer {
  public:
    static Result<std::unique_ptr<CommandServer>> start(const Job& job, StopRequest& stop,
                                                        const Reporter& reporter,
                                                        const Logger& logger);
    ~CommandServer();
    CommandServer(const CommandServer&) = delete;
    CommandServer& operator=(const CommandServer&) = delete;

  private:
    struct Client {
        UniqueFd fd;
        LineFramer framer;
    };
    CommandServer(StopRequest& stop, const Reporter& reporter, const Logger& logger)
        : stop_(stop), reporter_(reporter), logger_(logger) {}
    void serve();
    void accept_client();
    bool serve_client(Client& client);
    void take_signal();

    StopRequest& stop_;
    const Reporter& reporter_;
    const Logger& logger_;
    std::string greeting_;
    UniqueFd listener_;
    UniqueFd signals_;
    UniqueFd quit_;
    std::vector<Client> clients_;
    std::thread thread_;
};

}  // namespace shift
