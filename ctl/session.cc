#include "ctl/session.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "common/control_protocol.h"
#include "ctl/render/text.h"

namespace shift::ctl {
namespace {

bool is_denied(const Error& error) {
    return error.native == EACCES || error.native == EPERM;
}

}  // namespace

Session::Session(GlobalOptions options)
    : options_(std::move(options)), terminal_(detect_terminal(options_.no_color)) {}

View Session::view() const {
    View view;
    view.width = terminal_.width;
    view.colours = terminal_.colours;
    view.now = SystemClock().wall();
    return view;
}

std::string Session::config_path() const {
    return options_.config_path.empty() ? default_config_path() : options_.config_path;
}

Result<Config> Session::config() const {
    return load_config(config_path());
}

Result<std::string> Session::socket_path() const {
    if (!options_.socket.empty()) {
        return options_.socket;
    }
    auto config = this->config();
    if (!config.ok() && is_denied(config.error()) && options_.config_path.empty()) {
        return std::string(kServiceSocket);
    }
    if (!config.ok()) {
        return std::move(config).error();
    }
    return config->control_socket;
}

Result<Config> Session::config_behind(const std::string& socket) const {
    ASSIGN_OR_RETURN(Config config, this->config());
    if (config.control_socket != socket) {
        return Error{Errc::kNotFound,
                     fmt::format("{}: its control_socket is not {}", config_path(), socket)};
    }
    return config;
}

Result<ApiClient> Session::api() const {
    auto loaded = config();
    // --api alone is enough; a configuration that was named must be good all the same.
    if (!loaded.ok() && (options_.api.empty() || !options_.config_path.empty())) {
        return std::move(loaded).error();
    }
    const Config config = loaded.ok() ? *std::move(loaded) : Config{};
    return ApiClient::over_http(options_.api.empty() ? config.rest_api : options_.api,
                                http_options(config));
}

Result<Json> Session::ask(const std::string& socket, const std::string& command, const Json& args,
                          std::chrono::milliseconds timeout) {
    return control_call(socket, command, args, static_cast<int>(timeout.count()), user_name());
}

void Session::print(std::string_view text) const {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

void Session::print_json(Json object) const {
    object["format"] = kJsonFormat;
    print(to_line(object) + '\n');
}

HttpOptions http_options(const Config& config) {
    HttpOptions http;
    http.cert = config.rest_cert;
    http.key = config.rest_key;
    http.ca = config.rest_ca;
    http.verify = config.rest_verify;
    http.timeout_ms = static_cast<long>(config.rest_timeout.count());
    return http;
}

std::string user_name() {
    for (const char* name : {"SUDO_USER", "USER"}) {
        if (const char* user = std::getenv(name); user != nullptr && *user != '\0') {
            return user;
        }
    }
    return "root";
}

int Session::fail(ExitCode code, const std::string& message, const std::string& next) {
    std::fprintf(stderr, "shift-supervisorctl: %s\n", printable(message).c_str());
    if (!next.empty()) {
        std::fprintf(stderr, "  next: %s\n", printable(next).c_str());
    }
    return code;
}

int Session::fail_config(const Error& error) const {
    if (is_denied(error)) {
        return fail(kExitPermission, error.message,
                    "run it as root, or name what it needs with --socket PATH or --api URL");
    }
    if (error.code == Errc::kNotFound && options_.config_path.empty()) {
        return fail(kExitConfig, error.message,
                    "name the configuration with --config FILE, or what is needed with "
                    "--socket PATH or --api URL");
    }
    return fail(kExitConfig, error.message);
}

int Session::fail_daemon(const std::string& socket, const Error& error) {
    // The message of control_call() begins with the socket's path, which is said already.
    std::string why = error.message;
    if (why.starts_with(socket + ": ")) {
        why.erase(0, socket.size() + 2);
    }
    if (is_denied(error)) {
        return fail(kExitPermission, fmt::format("not allowed to talk to {}: {}", socket, why),
                    "run it as root, as the user of the daemon, or as a member of its group");
    }
    if (error.code == Errc::kConflict) {
        return fail(kExitTryAgain, fmt::format("daemon at {}: {}", socket, why), "try again");
    }
    if (error.code == Errc::kUnavailable) {
        return fail(kExitUnavailable, fmt::format("no daemon answers at {}: {}", socket, why),
                    "start it (systemctl start shift-supervisord), or name its socket with "
                    "--socket PATH");
    }
    if (error.code == Errc::kDeadline) {
        return fail(kExitTryAgain, fmt::format("daemon at {}: {}", socket, why),
                    "try again; its log tells what it does");
    }
    return fail(kExitFailed, fmt::format("daemon: {}", why));
}

int Session::fail_api(const std::string& what, const Error& error, const std::string& next) {
    const std::string message = what + ": " + error.message;
    if (error.code == Errc::kUnavailable) {
        return fail(kExitUnavailable, message,
                    "nothing was changed; see that the API runs and rest_api (or --api) is right");
    }
    if (error.code == Errc::kDeadline) {
        return fail(kExitTryAgain, message,
                    "whether it was done is unknown: look with `show` before trying again");
    }
    if (error.code == Errc::kInternal) {
        return fail(kExitInternal, message);
    }
    return fail(kExitFailed, message, next);
}

}  // namespace shift::ctl
