#include "ctl/commands_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>

#include "common/file.h"
#include "ctl/render/text.h"
#include "ctl/since.h"

namespace shift::ctl {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFileLook{500};
constexpr milliseconds kApiLook{5000};
constexpr std::size_t kChunkBytes = 1024 * 1024;

// Prints growing text. On a terminal in whole lines, so that no character is cut in two and
// nothing in the log steers the terminal; elsewhere byte for byte. Lines before `since` are left
// out: they begin with their time, "[2026-11-23 18:10:52] ", in this host's local time.
class LogPrinter {
  public:
    LogPrinter(const Session& session, std::optional<WallTime> since)
        : session_(session), begin_(since ? "[" + local_time(*since) : "") {}
    void add(std::string_view bytes) {
        if (!session_.terminal().is_tty && begin_.empty()) {
            session_.print(bytes);
            return;
        }
        rest_ += bytes;
        const std::size_t end = rest_.rfind('\n');
        if (end != std::string::npos) {
            print_lines(std::string_view(rest_).substr(0, end + 1));
            rest_.erase(0, end + 1);
        }
    }
    void finish() {
        if (!rest_.empty()) {
            rest_ += session_.terminal().is_tty ? "\n" : "";
            print_lines(rest_);
            rest_.clear();
        }
    }

  private:
    void print_lines(std::string_view lines) {
        while (!begin_.empty() && !lines.empty()) {
            // Its text sorts as its time. A line without one belongs to the line before it.
            const bool is_timed = lines.starts_with("[2");
            if (is_timed && lines.substr(0, begin_.size()) >= begin_) {
                begin_.clear();
                break;
            }
            const std::size_t end = lines.find('\n');
            lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
        }
        session_.print(session_.terminal().is_tty ? printable(lines) : std::string(lines));
    }

    const Session& session_;
    std::string begin_;  // what the first line to be printed is not less than; "" = all are
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
               bool follow, std::optional<WallTime> since) {
    const InterruptGuard guard;
    LogPrinter printer(session, since);
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

int print_from_api(const Session& session, const std::string& what, MigrationId id, bool follow,
                   std::optional<WallTime> since) {
    const auto api = session.api();
    if (!api.ok()) {
        return session.fail_config(api.error());
    }
    const InterruptGuard guard;
    LogPrinter printer(session, since);
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

int run_log(const Session& session, const LogOptions& options) {
    const std::string what = fmt::format("log {}", options.id);
    std::optional<WallTime> since;
    if (!options.since.empty()) {
        const auto parsed = parse_since(options.since, session.view().now);
        if (!parsed.ok()) {
            return Session::fail(kExitUsage, what + ": --since: " + parsed.error().message);
        }
        since = *parsed;
    }
    const std::string path = local_log(session, options.id);
    return path.empty() ? print_from_api(session, what, options.id, options.follow, since)
                        : print_file(session, what, path, options.follow, since);
}

}  // namespace shift::ctl
