#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "common/config.h"
#include "common/exit_code.h"
#include "common/json.h"
#include "common/result.h"
#include "ctl/api_client.h"
#include "ctl/render/view.h"
#include "ctl/terminal.h"

namespace shift::ctl {

// Version of what --json prints: one object with "format" and the members documented in the
// manual. Members may be added under the same number.
inline constexpr int kJsonFormat = 1;

struct GlobalOptions {
    std::string config_path;  // "" = default_config_path()
    std::string socket;
    std::string api;
    bool json = false;
    bool no_color = false;
};

// What every verb needs: where the daemon and the API are, and how to print.
class Session {
  public:
    explicit Session(GlobalOptions options);

    const GlobalOptions& options() const { return options_; }
    const Terminal& terminal() const { return terminal_; }
    // Looks at the terminal again: its size may have changed.
    void look_at_terminal() { terminal_ = detect_terminal(options_.no_color); }
    View view() const;

    std::string config_path() const;
    Result<Config> config() const;
    // --socket, else the configuration's.
    Result<std::string> socket_path() const;
    // The configuration of the daemon at `socket`, for its files when it does not answer.
    // Errors: kNotFound - the configuration at hand is another daemon's.
    Result<Config> config_behind(const std::string& socket) const;
    // --api, else the configuration's; certificates from the configuration when there is one.
    Result<ApiClient> api() const;
    // How long the daemon has for an answer. A healthy one takes milliseconds; what only looks has
    // the journal instead.
    static constexpr std::chrono::seconds kCommandTimeout{15};
    static constexpr std::chrono::seconds kLookTimeout{5};
    // One command to the daemon at `socket`, with user_name() said along.
    static Result<Json> ask(const std::string& socket, const std::string& command,
                            const Json& args = Json::object(),
                            std::chrono::milliseconds timeout = kCommandTimeout);

    void print(std::string_view text) const;
    // With "format" added; one line.
    void print_json(Json object) const;

    // Complaints: "shift-supervisorctl: what: why" and the next step, on stderr. Give the exit
    // code.
    static int fail(ExitCode code, const std::string& message, const std::string& next = "");
    int fail_config(const Error& error) const;
    static int fail_daemon(const std::string& socket, const Error& error);
    static int fail_api(const std::string& what, const Error& error, const std::string& next = "");

  private:
    GlobalOptions options_;
    Terminal terminal_;
};

// How the API is called.
HttpOptions http_options(const Config& config);

// Who asks: the user behind sudo, else $USER, else root.
std::string user_name();

}  // namespace shift::ctl
