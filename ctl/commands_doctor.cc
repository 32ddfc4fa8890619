#include "ctl/commands_doctor.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <cmath>
#include <cstring>

#include "common/file.h"
#include "common/http.h"
#include "common/worker_program.h"
#include "ctl/journal_reader.h"
#include "ctl/render/text.h"

namespace shift::ctl {
namespace {

constexpr double kDiskWarnBytes = 2.0 * 1024 * 1024 * 1024;
constexpr double kDiskFailBytes = 200.0 * 1024 * 1024;
constexpr double kClockOff_s = 5;

struct Finding {
    std::string about;  // "" = this host, else "API" or "db1:3306"
    std::string check;
    std::string level;  // ok warn fail
    std::string text;
    std::string fix;
    Json detail = Json::object();
};

// Prints findings as they come; remembers the exit code.
class Report {
  public:
    explicit Report(const Session& session) : session_(session) {}

    void add(const Finding& finding, ExitCode bad = kExitFailed) {
        if (finding.level == "fail" && code_ == kExitOk) {
            code_ = bad;
        }
        fails_ += finding.level == "fail" ? 1 : 0;
        warnings_ += finding.level == "warn" ? 1 : 0;
        list_.push_back({{"about", finding.about},
                         {"check", finding.check},
                         {"level", finding.level},
                         {"text", finding.text},
                         {"fix", finding.fix},
                         {"detail", finding.detail}});
        if (!session_.options().json) {
            print(finding);
        }
    }
    int finish() const {
        if (session_.options().json) {
            session_.print_json(
                Json{{"findings", list_}, {"failures", fails_}, {"warnings", warnings_}});
        } else {
            session_.print(fmt::format("{} failure{}, {} warning{}\n", fails_,
                                       fails_ == 1 ? "" : "s", warnings_,
                                       warnings_ == 1 ? "" : "s"));
        }
        return code_;
    }

  private:
    void print(const Finding& finding) const {
        const View view = session_.view();
        const bool bad = finding.level == "fail";
        const bool odd = finding.level == "warn";
        const std::string level = paint(view,
                                        bad   ? colour::kRed
                                        : odd ? colour::kYellow
                                              : colour::kGreen,
                                        bad   ? "FAIL"
                                        : odd ? "WARN"
                                              : "OK  ");
        const std::string about = finding.about.empty() ? "" : finding.about + " ";
        session_.print(
            fmt::format("{}  {}{}: {}\n", level, about, finding.check, one_line(finding.text)));
        if (!finding.fix.empty()) {
            session_.print(fmt::format("        {}\n", one_line(finding.fix)));
        }
    }

    const Session& session_;
    Json list_ = Json::array();
    int fails_ = 0;
    int warnings_ = 0;
    ExitCode code_ = kExitOk;
};

void check_pt_osc(Report& report, const std::string& worker, const Config& config) {
    // With the built-in engine pt-osc is for migrations that ask for it.
    const bool is_lhm = config.engine == "lhm";
    const char* const missing = is_lhm ? "warn" : "fail";
    if (is_lhm) {
        report.add({"", "engine", "ok", "lhm, built in", ""}, kExitOk);
    }
    const auto engine = describe_engine(worker, config);
    if (!engine.ok()) {
        report.add(
            {"", "pt-osc", missing, engine.error().message,
             worker + " does not answer: run it with --version, or install the package again"},
            kExitConfig);
        return;
    }
    const std::string flavour = string_or(*engine, "flavour", "unusable");
    std::string text =
        fmt::format("{} {} ({}): {}", string_or(*engine, "path", config.pt_osc_path),
                    string_or(*engine, "version", ""), flavour, string_or(*engine, "meaning", ""));
    if (bool_or(*engine, "native_resume", false)) {
        text += " (its own --resume is not used)";
    }
    const bool unusable = flavour == "unusable";
    if (const std::string trouble = string_or(*engine, "trouble", ""); !trouble.empty()) {
        text += ": " + trouble;
    }
    report.add({"", "pt-osc",
                unusable             ? missing
                : flavour == "basic" ? "warn"
                                     : "ok",
                text,
                unusable             ? "install percona-toolkit, or set pt_osc_path"
                : flavour == "basic" ? "install percona-toolkit 3.x for copies that can be resumed"
                                     : "",
                *engine},
               kExitConfig);
}

void check_disk(Report& report, const char* key, const std::string& path) {
    struct statvfs info {};
    if (::statvfs(path.c_str(), &info) != 0) {
        report.add({"", fmt::format("disk {}", key), path_exists(path) ? "fail" : "warn",
                    fmt::format("{}: {}", path, std::strerror(errno)),
                    "the daemon makes it when it starts; see that it may"});
        return;
    }
    const double free_bytes =
        static_cast<double>(info.f_bavail) * static_cast<double>(info.f_frsize);
    const bool no_files = info.f_files > 0 && info.f_favail < 1000;
    const std::string text = fmt::format("{}: {} free{}", path, byte_size(free_bytes),
                                         no_files ? ", hardly an inode" : "");
    const bool full = free_bytes < kDiskFailBytes || no_files;
    const bool low = free_bytes < kDiskWarnBytes;
    report.add({"",
                fmt::format("disk {}", key),
                full  ? "fail"
                : low ? "warn"
                      : "ok",
                text,
                full || low ? "make room, or lower journal_retention_days and "
                              "attempts_retention_days"
                            : "",
                {{"free_bytes", free_bytes}}},
               kExitJournal);
}

void check_daemon(Report& report, const Session& session) {
    const auto socket = session.socket_path();
    const auto daemon =
        socket.ok() ? Session::ask(*socket, "version") : Result<Json>(Error(socket.error()));
    if (!daemon.ok()) {
        report.add({"", "daemon", "fail", "no daemon answers: " + daemon.error().message,
                    "systemctl start shift-supervisord, and see its log"},
                   kExitUnavailable);
        return;
    }
    const std::string version = string_or(*daemon, "version", "?");
    const bool same = version == SHIFT_VERSION;
    report.add({"", "daemon", same ? "ok" : "warn",
                fmt::format("shift-supervisord {} (pid {})", version, int_or(*daemon, "pid", 0)),
                same ? "" : "this tool is " SHIFT_VERSION ": restart the daemon after an upgrade"});
}

Json check_journal(Report& report, const Config& config) {
    const auto reader = JournalReader::open(config);
    if (!reader.ok()) {
        const bool none = reader.error().code == Errc::kNotFound;
        report.add({"", "journal", none ? "warn" : "fail", reader.error().message,
                    none ? "the daemon makes it when it starts"
                         : "run doctor as root or as the daemon's user"},
                   kExitJournal);
        return Json::array();
    }
    const std::string path = config.state_dir + "/journal.db";
    const auto bytes = file_size(path).value_or(0) + file_size(path + "-wal").value_or(0);
    const auto servers = reader->servers();
    report.add({"", "journal", servers.ok() ? "ok" : "fail",
                servers.ok() ? fmt::format("{}: {}", path, byte_size(static_cast<double>(bytes)))
                             : servers.error().message,
                servers.ok() ? "" : "journal-format.md, \"A damaged journal\", tells what to do"},
               kExitJournal);
    return servers.ok() ? *servers : Json::array();
}

void check_api_clock(Report& report, const HttpAnswer& answer, WallTime now) {
    if (!answer.date) {
        return;
    }
    // The header counts in whole seconds.
    const double off = std::floor(std::chrono::duration<double>(*answer.date - now).count() + 1);
    const bool wrong = std::abs(off) > kClockOff_s;
    report.add({"API", "clock", wrong ? "warn" : "ok",
                wrong ? fmt::format("{:+.0f} s against this host", off) : "as this host's",
                wrong ? "let both follow the same time servers (chrony, systemd-timesyncd)" : ""});
}

void check_api(Report& report, const Session& session, const Config& config) {
    const std::string base =
        session.options().api.empty() ? config.rest_api : session.options().api;
    const auto answer =
        http_call("GET", join_url(base, "migrations/staged"), Json(), http_options(config));
    if (!answer.ok()) {
        report.add({"API", "reachable", "fail", answer.error().message,
                    "see that it runs, rest_api is right, and rest_ca knows its certificate"},
                   kExitUnavailable);
        return;
    }
    const auto body = parse_json(answer->body);
    const bool speaks = answer->status == 200 && body.ok() && body->is_array();
    report.add({"API", "reachable", speaks ? "ok" : "fail",
                fmt::format("{} answers {}{}", base, answer->status,
                            speaks ? "" : ", which is no list of migrations"),
                speaks ? "" : "rest_api must end in the API's path, such as /api/v1/"},
               kExitUnavailable);
    if (!base.starts_with("https://")) {
        const bool local = base.starts_with("http://127.") || base.starts_with("http://localhost");
        report.add({"API", "tls", local ? "ok" : "warn", "http: nothing is encrypted",
                    local ? "" : "use https, or keep the network private"});
    } else if (!config.rest_verify) {
        report.add({"API", "tls", "warn", "rest_verify is false: any server is believed",
                    "set rest_ca to the certificate authority's file and rest_verify to true"});
    } else {
        report.add({"API", "tls", "ok", "https, certificate verified", ""});
    }
    check_api_clock(report, *answer, SystemClock().wall());
}

std::vector<std::string> servers_to_check(const Json& known, const Config& config,
                                          const DoctorOptions& options) {
    std::vector<std::string> servers = options.servers;
    const auto add = [&servers](const std::string& host, std::int64_t port,
                                const std::string& databases) {
        const bool six = host.find(':') != std::string::npos;
        std::string text = fmt::format("{}{}{}:{}", six ? "[" : "", host, six ? "]" : "", port);
        servers.push_back(databases.empty() ? text : text + "/" + databases);
    };
    for (const Json& server : known) {
        std::string databases;
        for (const Json& name : member(server, "databases")) {
            // A comma in a database's name cannot be told from one between names.
            const std::string text = name.is_string() ? name.get<std::string>() : "";
            if (text.find(',') == std::string::npos) {
                databases += (databases.empty() ? "" : ",") + text;
            }
        }
        add(string_or(server, "host", ""), int_or(server, "port", 0), databases);
    }
    if (servers.empty() && !config.host_override.empty()) {
        constexpr int kMysqlPort = 3306;
        add(config.host_override, config.port_override == 0 ? kMysqlPort : config.port_override,
            config.database_override);
    }
    return servers;
}

// Everything else is found with it.
void add_bad_config(Report& report, const Session& session, const Error& error) {
    const bool denied = error.native == EACCES || error.native == EPERM;
    const bool is_given = !session.options().config_path.empty();
    report.add(
        {"", "configuration", "fail", error.message,
         denied                          ? "run doctor as root or as the daemon's user"
         : error.code != Errc::kNotFound ? "correct what it names; check-config reads it again"
         : is_given                      ? "name the right file with --config FILE"
                                         : "name it with --config FILE, or set ENVIRONMENT to "
                                           "the name before -config.yaml"},
        denied ? kExitPermission : kExitConfig);
}

void check_servers(Report& report, const Session& session, const std::string& worker,
                   const std::vector<std::string>& servers) {
    if (servers.empty()) {
        report.add(
            {"", "servers", "warn",
             "no migration was here yet, so no database server is known and none was looked at",
             "name one: doctor --server HOST:PORT/DATABASE"});
        return;
    }
    const auto findings = check_servers_with(worker, session.config_path(), servers);
    if (!findings.ok()) {
        report.add(
            {"", "servers", "fail", findings.error().message,
             "see what the message names, then run doctor again; --no-servers leaves them out"});
        return;
    }
    for (const Json& finding : *findings) {
        report.add({string_or(finding, "server", "?"), string_or(finding, "check", "?"),
                    string_or(finding, "level", "fail"), string_or(finding, "text", ""),
                    string_or(finding, "fix", "")});
    }
}

}  // namespace

int run_doctor(const Session& session, const DoctorOptions& options) {
    const std::string path = session.config_path();
    const auto config = load_config(path);
    Report report(session);
    if (!config.ok()) {
        add_bad_config(report, session, config.error());
        return report.finish();
    }
    report.add({"", "configuration", "ok", path, ""});
    const auto worker = find_worker(*config);
    report.add(
        {"", "worker", worker.ok() ? "ok" : "fail", worker.ok() ? *worker : worker.error().message,
         worker.ok() ? "" : "set worker_path, or install the package again"},
        kExitConfig);
    if (worker.ok()) {
        check_pt_osc(report, *worker, *config);
    }
    check_disk(report, "state_dir", config->state_dir);
    check_disk(report, "log_dir", config->log_dir);
    const Json known = check_journal(report, *config);
    check_daemon(report, session);
    check_api(report, session, *config);
    if (worker.ok() && !options.no_servers) {
        check_servers(report, session, *worker, servers_to_check(known, *config, options));
    }
    return report.finish();
}

}  // namespace shift::ctl
