#include "ctl/commands_local.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "common/file.h"
#include "common/worker_program.h"
#include "ctl/render/text.h"

namespace shift::ctl {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFileLook{500};
constexpr milliseconds kApiLook{5000};
constexpr std::size_t kChunkBytes = 1024 * 1024;

// Prints growing text. On a terminal in whole lines, so that no character is cut in two and
// nothing in the log steers the terminal; elsewhere byte for byte.
class LogPrinter {
  public:
    explicit LogPrinter(const Session& session) : session_(session) {}
    void add(std::string_view bytes) {
        if (!session_.terminal().is_tty) {
            session_.print(bytes);
            return;
        }
        rest_ += bytes;
        const std::size_t end = rest_.rfind('\n');
        if (end != std::string::npos) {
            session_.print(printable(std::string_view(rest_).substr(0, end + 1)));
            rest_.erase(0, end + 1);
        }
    }
    void finish() {
        if (!rest_.empty()) {
            session_.print(printable(rest_) + '\n');
            rest_.clear();
        }
    }

  private:
    const Session& session_;
    std::string rest_;
};

// Where this host keeps the log: what the daemon says, else by the configuration's rule. "" when
// there is no such file here.
std::string local_log(const Session& session, MigrationId id) {
    const auto socket = session.socket_path();
    const auto status = socket.ok() ? Session::ask(*socket, "status") : Result<Json>(Json());
    if (status.ok() && status->is_object()) {
        for (const Json& migration : status->value("migrations", Json::array())) {
            const std::string file = string_or(migration, "log_file", "");
            if (get_int(migration, "id") == id && !file.empty() && path_exists(file)) {
                return file;
            }
        }
    }
    const auto config = session.config();
    if (config.ok()) {
        std::string file = fmt::format("{}id-{}/ptosc-output.log", config->log_dir, id);
        if (path_exists(file)) {
            return file;
        }
    }
    return {};
}

int fail_file(const std::string& what, const Error& error) {
    const bool denied = error.native == EACCES;
    return Session::fail(denied ? kExitPermission : kExitFailed, what + ": " + error.message,
                         denied ? "run it as root or as the user of the daemon" : "");
}

int print_file(const Session& session, const std::string& what, const std::string& path,
               bool follow) {
    const InterruptGuard guard;
    LogPrinter printer(session);
    std::uint64_t offset = 0;
    for (;;) {
        const std::uint64_t size = file_size(path).value_or(0);
        if (size < offset) {
            offset = 0;  // Cut or replaced: begin again, as tail -F does.
        }
        const auto chunk = read_file_range(path, offset, kChunkBytes);
        if (!chunk.ok() && (!follow || chunk.error().code != Errc::kNotFound)) {
            return fail_file(what, chunk.error());
        }
        if (chunk.ok() && !chunk->empty()) {
            offset += chunk->size();
            printer.add(*chunk);
            if (!guard.interrupted()) {
                continue;
            }
        }
        if (!follow || !guard.wait(kFileLook)) {
            printer.finish();
            return kExitOk;
        }
    }
}

int print_from_api(const Session& session, const std::string& what, MigrationId id, bool follow) {
    const auto api = session.api();
    if (!api.ok()) {
        return session.fail_config(api.error());
    }
    const InterruptGuard guard;
    LogPrinter printer(session);
    std::size_t printed = 0;
    for (bool first = true;; first = false) {
        const auto text = api->log_text(id);
        const bool may_come =
            follow && !text.ok() && (text.error().code == Errc::kNotFound || !first);
        if (!text.ok() && !may_come) {
            return Session::fail_api(what, text.error(),
                                     text.error().code == Errc::kNotFound
                                         ? fmt::format("show {} tells how far it is", id)
                                         : "");
        }
        if (text.ok()) {
            printed = std::min(printed, text->size());
            printer.add(std::string_view(*text).substr(printed));
            printed = text->size();
        }
        if (!follow || !guard.wait(kApiLook)) {
            printer.finish();
            return kExitOk;
        }
    }
}

}  // namespace

int run_log(const Session& session, MigrationId id, bool follow) {
    const std::string what = fmt::format("log {}", id);
    const std::string path = local_log(session, id);
    return path.empty() ? print_from_api(session, what, id, follow)
                        : print_file(session, what, path, follow);
}

int run_check_config(const Session& session) {
    const std::string path = session.config_path();
    const auto config = load_config(path);
    if (!config.ok()) {
        return session.fail_config(config.error());
    }
    const std::pair<const char*, std::string> resolved[] = {
        {"rest_api", config->rest_api},
        {"run_host", config->run_host},
        {"log_dir", config->log_dir},
        {"state_dir", config->state_dir},
        {"control_socket", config->control_socket},
        {"engine", config->engine},
        {"pt_osc_path", config->pt_osc_path},
        {"mysql_defaults_file", config->mysql_defaults_file},
    };
    if (session.options().json) {
        Json values = Json::object();
        for (const auto& [key, value] : resolved) {
            values[key] = value;
        }
        session.print_json(Json{{"path", path}, {"ok", true}, {"resolved", values}});
        return kExitOk;
    }
    session.print(fmt::format("{}: good\n", one_line(path)));
    for (const auto& [key, value] : resolved) {
        session.print(fmt::format("  {:<20} {}\n", key, one_line(value)));
    }
    return kExitOk;
}

int run_doctor(const Session& session) {
    const std::string path = session.config_path();
    const auto config = load_config(path);
    if (!config.ok()) {
        return session.fail_config(config.error());
    }
    Json report = Json::object();
    ExitCode code = kExitOk;
    const auto add = [&](const char* what, bool good, const std::string& text, ExitCode bad,
                         const Json& detail = Json::object()) {
        if (!good && code == kExitOk) {
            code = bad;
        }
        report[what] = {{"ok", good}, {"text", text}, {"detail", detail}};
        if (!session.options().json) {
            session.print(
                fmt::format("{:<14} {:<5} {}\n", what, good ? "good" : "BAD", one_line(text)));
        }
    };
    add("configuration", true, path, kExitConfig);
    const auto worker = find_worker(*config);
    add("worker", worker.ok(), worker.ok() ? *worker : worker.error().message, kExitConfig);
    if (worker.ok()) {
        const auto engine = describe_engine(*worker, *config);
        if (engine.ok()) {
            const std::string flavour = string_or(*engine, "flavour", "unusable");
            std::string text = fmt::format(
                "{} {} ({}): {}", string_or(*engine, "path", config->pt_osc_path),
                string_or(*engine, "version", ""), flavour, string_or(*engine, "meaning", ""));
            if (bool_or(*engine, "native_resume", false)) {
                text += " (its own --resume is not used)";
            }
            if (const std::string trouble = string_or(*engine, "trouble", ""); !trouble.empty()) {
                text += ": " + trouble;
            }
            add("pt-osc", flavour != "unusable", text, kExitConfig, *engine);
        } else {
            add("pt-osc", false, engine.error().message, kExitConfig);
        }
    }
    const auto socket = session.socket_path();
    const auto daemon =
        socket.ok() ? Session::ask(*socket, "version") : Result<Json>(Error(socket.error()));
    add("daemon", daemon.ok(),
        daemon.ok() ? fmt::format("shift-supervisord {} (pid {})",
                                  string_or(*daemon, "version", "?"), int_or(*daemon, "pid", 0))
                    : "no daemon answers: " + daemon.error().message,
        kExitUnavailable);
    if (session.options().json) {
        session.print_json(report);
    }
    return code;
}

}  // namespace shift::ctl
