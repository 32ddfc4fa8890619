#include "common/config.h"

// A table of keys drives reading, the list of names and the comparison for a reload: a key that is
// not in the table does not exist. The order of work: YAML -> texts with lines -> expansion ->
// typed fields -> defaults that depend on other fields -> checks across fields.

#include <fmt/format.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <set>

#include "common/engines.h"
#include "common/file.h"
#include "common/migration.h"
#include "common/text.h"

namespace shift {
namespace {

constexpr std::size_t kConfigBytesMax = 1024 * 1024;
constexpr std::size_t kSocketPathBytesMax = 107;  // sockaddr_un::sun_path without its NUL

// Stores a value into its field; the message says what is wrong with it, "" when nothing is.
using Setter = std::function<std::string(Config&, const std::string&)>;

struct Key {
    const char* name;
    Setter set;
};

Setter text(std::string Config::*field) {
    return [field](Config& config, const std::string& value) {
        config.*field = value;
        return std::string();
    };
}

// A path; relative ones mean the folder the daemon was started in, for all processes alike.
Setter path(std::string Config::*field) {
    return [field](Config& config, const std::string& value) {
        std::error_code error;
        const auto absolute = std::filesystem::absolute(value, error);
        config.*field = value.empty() || error ? value : absolute.lexically_normal().native();
        return std::string();
    };
}

// A program: a bare name is looked up in PATH, anything with a slash is a path.
Setter program(std::string Config::*field) {
    return [field](Config& config, const std::string& value) {
        if (value.find('/') == std::string::npos) {
            config.*field = value;
            return std::string();
        }
        return path(field)(config, value);
    };
}

Setter choice(std::string Config::*field, std::vector<std::string> choices) {
    return [field, choices = std::move(choices)](Config& config, const std::string& value) {
        for (const std::string& candidate : choices) {
            if (value == candidate) {
                config.*field = value;
                return std::string();
            }
        }
        return fmt::format("'{}' is not one of {}", value, fmt::join(choices, ", "));
    };
}

Setter boolean(bool Config::*field) {
    return [field](Config& config, const std::string& value) {
        const std::string word = to_lower_ascii(value);
        const bool yes = word == "true" || word == "yes" || word == "on" || word == "1";
        const bool no = word == "false" || word == "no" || word == "off" || word == "0";
        if (!yes && !no) {
            return fmt::format("'{}' is not true or false", value);
        }
        config.*field = yes;
        return std::string();
    };
}

template <typename T>
Setter integer(T Config::*field, T least, T most) {
    return [=](Config& config, const std::string& value) {
        T number = 0;
        const auto [end, error] =
            std::from_chars(value.data(), value.data() + value.size(), number);
        if (error != std::errc{} || end != value.data() + value.size()) {
            return fmt::format("'{}' is not a whole number", value);
        }
        if (number < least || number > most) {
            return fmt::format("{} is not between {} and {}", value, least, most);
        }
        config.*field = number;
        return std::string();
    };
}

// "2.5" seconds; nullopt when it is no such number. Only digits and one point: no sign, no
// exponent, no "inf".
std::optional<Millis> parse_seconds(std::string_view value) {
    value = trim(value);
    if (value.empty() || value.find_first_not_of("0123456789.") != std::string_view::npos) {
        return std::nullopt;
    }
    double seconds = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    constexpr double kTenYears = 10.0 * 366 * 86'400;
    if (error != std::errc{} || end != value.data() + value.size() || seconds > kTenYears) {
        return std::nullopt;
    }
    return Millis(std::llround(seconds * 1000));
}

Setter duration(Millis Config::*field, Millis least) {
    return [=](Config& config, const std::string& value) {
        const auto parsed = parse_seconds(value);
        if (!parsed) {
            return fmt::format("'{}' is not a number of seconds", value);
        }
        if (*parsed < least) {
            return fmt::format("{} s is less than {} s", value,
                               static_cast<double>(least.count()) / 1000);
        }
        config.*field = *parsed;
        return std::string();
    };
}

// Of the lhm engine: kept as text under the engine's own name, which reads it again.
Setter lhm_text(const char* name) {
    return [name](Config& config, const std::string& value) {
        config.lhm[name] = value;
        return std::string();
    };
}

Setter lhm_flag(const char* name) {
    return [name](Config& config, const std::string& value) {
        const std::string word = to_lower_ascii(value);
        if (word != "true" && word != "false") {
            return fmt::format("'{}' is not true or false", value);
        }
        config.lhm[name] = word;
        return std::string();
    };
}

Setter lhm_when(const char* name) {
    return [name](Config& config, const std::string& value) {
        config.lhm[name] = value;
        return value == "auto" || value == "yes" || value == "no"
                   ? std::string()
                   : fmt::format("'{}' is not auto, yes or no", value);
    };
}

Setter lhm_time(const char* name) {
    return [name](Config& config, const std::string& value) {
        if (!parse_seconds(value)) {
            return fmt::format("'{}' is not a number of seconds", value);
        }
        config.lhm[name] = value;
        return std::string();
    };
}

Setter lhm_number(const char* name, double least, double most) {
    return [=](Config& config, const std::string& value) {
        double number = 0;
        const auto [end, error] =
            std::from_chars(value.data(), value.data() + value.size(), number);
        if (error != std::errc{} || end != value.data() + value.size()) {
            return fmt::format("'{}' is not a number", value);
        }
        if (!(number >= least) || !(number <= most)) {
            return fmt::format("{} is not between {} and {}", value, least, most);
        }
        config.lhm[name] = value;
        return std::string();
    };
}

// "10-20" or "15"; two ends because many runners asking at one moment would be a burst.
std::string set_poll_interval(Config& config, const std::string& value) {
    const std::size_t dash = value.find('-');
    const auto least = parse_seconds(std::string_view(value).substr(0, dash));
    const auto most =
        dash == std::string::npos ? least : parse_seconds(std::string_view(value).substr(dash + 1));
    if (!least || !most) {
        return fmt::format("'{}' is not a number of seconds or a range like 10-20", value);
    }
    constexpr Millis kLeast{50};  // Less would be a busy loop on the API.
    if (*least < kLeast || *most < *least) {
        return fmt::format("'{}' must rise and be at least 0.05 s", value);
    }
    config.poll_interval_min = *least;
    config.poll_interval_max = *most;
    return {};
}

const std::vector<Key>& keys() {
    using C = Config;
    constexpr Millis kShort{100};  // the least pause between two looks or two tries
    static const std::vector<Key> table = {
        {"mysql_user", text(&C::mysql_user)},
        {"mysql_password", text(&C::mysql_password)},
        {"mysql_cert", path(&C::mysql_cert)},
        {"mysql_key", path(&C::mysql_key)},
        {"mysql_rootCA", path(&C::mysql_root_ca)},
        {"mysql_defaults_file", path(&C::mysql_defaults_file)},
        {"rest_api", text(&C::rest_api)},
        {"rest_cert", path(&C::rest_cert)},
        {"rest_key", path(&C::rest_key)},
        {"log_dir", path(&C::log_dir)},
        {"pt_osc_path", program(&C::pt_osc_path)},
        {"pt_osc_flavour", choice(&C::pt_osc_flavour, {"auto", "stock", "square"})},
        {"pending_drops_db", text(&C::pending_drops_db)},
        {"enable_trash", boolean(&C::enable_trash)},
        {"log_sync_interval", duration(&C::log_sync_interval, kShort)},
        {"state_sync_interval", duration(&C::state_sync_interval, kShort)},
        {"stop_file_path", path(&C::stop_file_path)},
        {"host_override", text(&C::host_override)},
        {"port_override", integer<int>(&C::port_override, 0, 65535)},
        {"database_override", text(&C::database_override)},
        {"state_dir", path(&C::state_dir)},
        {"run_host", text(&C::run_host)},
        {"control_socket", path(&C::control_socket)},
        {"control_read_group", text(&C::control_read_group)},
        {"control_write_group", text(&C::control_write_group)},
        {"rest_ca", path(&C::rest_ca)},
        {"rest_verify", boolean(&C::rest_verify)},
        {"rest_timeout", duration(&C::rest_timeout, kShort)},
        {"poll_interval", set_poll_interval},
        {"claim_grace", duration(&C::claim_grace, Millis{0})},
        {"recheck_interval", duration(&C::recheck_interval, kShort)},
        {"report_flush_timeout", duration(&C::report_flush_timeout, Millis{0})},
        {"retry_backoff_min", duration(&C::retry_backoff_min, Millis{1})},
        {"retry_backoff_max", duration(&C::retry_backoff_max, Millis{1})},
        {"engine",
         [](Config& config, const std::string& value) {
             config.engine = value;
             const Status known = check_engine(value);
             return known.ok() ? std::string() : known.error().message;
         }},
        {"lhm_threads", lhm_number("threads", 1, 64)},
        {"lhm_host_threads", lhm_number("host-threads", 0, 256)},
        {"lhm_stride", lhm_number("stride", 1, 1e9)},
        {"lhm_chunk_time", lhm_time("chunk-time")},
        {"lhm_chunk_rows_max", lhm_number("chunk-rows-max", 1, 1e9)},
        {"lhm_chunk_mib_max", lhm_number("chunk-mib-max", 1, 1e6)},
        {"lhm_no_fences", lhm_flag("no-fences")},
        {"lhm_no_early_verify", lhm_flag("no-early-verify")},
        {"lhm_defer_indexes", lhm_when("defer-indexes")},
        {"lhm_instant", lhm_when("instant")},
        {"lhm_delay", lhm_time("delay")},
        {"lhm_max_load", lhm_text("max-load")},
        {"lhm_critical_load", lhm_text("critical-load")},
        {"lhm_throttle_query", lhm_text("throttle-query")},
        {"lhm_throttle_http", lhm_text("throttle-http")},
        {"lhm_throttle_file", lhm_text("throttle-file")},
        {"lhm_throttle_interval", lhm_time("throttle-interval")},
        {"lhm_no_pace", lhm_flag("no-pace")},
        {"lhm_max_write_time", lhm_time("max-write-time")},
        {"lhm_max_write_cost", lhm_number("max-write-cost", 0, 1e6)},
        {"lhm_allow_loss", lhm_flag("allow-loss")},
        {"lhm_data_check", lhm_time("data-check")},
        {"lhm_conflict_patience", lhm_time("conflict-patience")},
        {"lhm_kill_blockers", lhm_time("kill-blockers")},
        {"lhm_kill_users", lhm_text("kill-users")},
        {"max_workers", integer<int>(&C::max_workers, 1, 1000)},
        {"max_running_per_host", integer<int>(&C::max_running_per_host, 1, 1000)},
        {"max_short_steps", integer<int>(&C::max_short_steps, 1, 1000)},
        {"attempts_max", integer<int>(&C::attempts_max, 1, 1'000'000)},
        {"direct_rows_max",
         integer<std::int64_t>(&C::direct_rows_max, 0, std::numeric_limits<std::int64_t>::max())},
        {"ddl_timeout", duration(&C::ddl_timeout, Millis{1000})},
        {"journal_retention_days", integer<int>(&C::journal_retention_days, 0, 36'500)},
        {"attempts_retention_days", integer<int>(&C::attempts_retention_days, 0, 36'500)},
        {"metrics_listen", text(&C::metrics_listen)},
        {"worker_path", program(&C::worker_path)},
        {"log_level", choice(&C::log_level, {"debug", "info", "warn", "error"})},
    };
    return table;
}

// ${NAME} and %hostname%; a '$' that starts no such reference stays, passwords may hold one.
std::string expand(std::string_view value) {
    constexpr std::string_view kHost = "%hostname%";
    std::string out;
    while (!value.empty()) {
        if (value.starts_with(kHost)) {
            out += host_name();
            value.remove_prefix(kHost.size());
            continue;
        }
        if (value.starts_with("${")) {
            const std::size_t close = value.find('}');
            const std::string name(
                value.substr(2, close == std::string_view::npos ? 0 : close - 2));
            const bool is_name = !name.empty() && (name[0] < '0' || name[0] > '9') &&
                                 name.find_first_not_of(
                                     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789_") == std::string::npos;
            if (is_name) {
                const char* found = std::getenv(name.c_str());
                out += found != nullptr ? found : "";
                value.remove_prefix(close + 1);
                continue;
            }
        }
        out += value[0];
        value.remove_prefix(1);
    }
    return out;
}

Error bad(const std::string& name, int line, const std::string& what) {
    return Error{Errc::kInvalidArgument, fmt::format("{}:{}: {}", name, line, what)};
}

Status read_entry(Config& config, const YAML::Node& key_node, const YAML::Node& value_node,
                  std::set<std::string>& seen, const std::string& name) {
    const int line = key_node.Mark().line + 1;
    if (!key_node.IsScalar()) {
        return bad(name, line, "a key must be a word");
    }
    const std::string key = key_node.Scalar();
    const auto& table = keys();
    const auto entry = std::find_if(table.begin(), table.end(),
                                    [&](const Key& candidate) { return key == candidate.name; });
    if (entry == table.end()) {
        const std::string near = nearest_word(key, config_keys());
        return bad(name, line,
                   near.empty() ? fmt::format("{}: unknown key", key)
                                : fmt::format("{}: unknown key, did you mean {}?", key, near));
    }
    if (!seen.insert(key).second) {
        return bad(name, line, fmt::format("{}: given twice", key));
    }
    if (value_node.IsNull()) {
        return Ok{};
    }
    if (!value_node.IsScalar()) {
        return bad(name, line, fmt::format("{}: must be a single value", key));
    }
    const std::string value = expand(value_node.Scalar());
    if (value.find('\0') != std::string::npos) {
        return bad(name, line, fmt::format("{}: holds a NUL character", key));
    }
    // Empty means the default: the original's environment based file leaves unset what is not used.
    if (trim(value).empty()) {
        return Ok{};
    }
    if (std::string wrong = entry->set(config, value); !wrong.empty()) {
        return bad(name, line, fmt::format("{}: {}", key, wrong));
    }
    return Ok{};
}

// Defaults that depend on other values, and checks across values.
Status complete(Config& config, const std::string& name) {
    const auto wrong = [&](const std::string& what) {
        return Error{Errc::kInvalidArgument, name + ": " + what};
    };
    if (config.rest_api.empty()) {
        return wrong(
            "rest_api: missing; set it to the API's address, "
            "for example http://localhost:3000/api/v1/");
    }
    if (!config.rest_api.starts_with("http://") && !config.rest_api.starts_with("https://")) {
        return wrong(
            fmt::format("rest_api: '{}' does not begin with http:// or https://", config.rest_api));
    }
    if (config.log_dir.empty()) {
        return wrong("log_dir: missing; set it to the folder for logs and state files");
    }
    if (config.rest_cert.empty() != config.rest_key.empty()) {
        return wrong("rest_cert and rest_key: both or none of them");
    }
    if (config.retry_backoff_max < config.retry_backoff_min) {
        return wrong("retry_backoff_max: less than retry_backoff_min");
    }
    if (!config.log_dir.ends_with('/')) {
        config.log_dir += '/';
    }
    if (config.state_dir.empty()) {
        config.state_dir = config.log_dir + "supervisor-state";
    }
    while (config.state_dir.size() > 1 && config.state_dir.ends_with('/')) {
        config.state_dir.pop_back();
    }
    if (config.run_host.empty()) {
        config.run_host = host_name();
    }
    if (config.control_socket.empty()) {
        config.control_socket = config.state_dir + "/control.sock";
    }
    if (config.control_socket.size() > kSocketPathBytesMax) {
        return wrong(fmt::format(
            "control_socket: '{}' has {} bytes and the path of a unix socket may have {}; set "
            "control_socket (or state_dir) to a shorter path such as "
            "/run/shift-supervisor/control.sock",
            config.control_socket, config.control_socket.size(), kSocketPathBytesMax));
    }
    return Ok{};
}

// ENVIRONMENT in the file that the packaged unit reads (EnvironmentFile=); "" when it says nothing.
std::string service_environment(const std::string& etc) {
    constexpr std::string_view kVariable = "ENVIRONMENT=";
    const auto file = read_file(etc + "/environment", kConfigBytesMax);
    std::string found;
    for (const std::string& line : split(file.ok() ? *file : "", '\n')) {
        std::string_view text = trim(line);
        if (text.starts_with(kVariable)) {
            text = trim(text.substr(kVariable.size()));
            const bool is_quoted = text.size() > 1 && text.front() == text.back() &&
                                   (text.front() == '"' || text.front() == '\'');
            found = is_quoted ? text.substr(1, text.size() - 2) : text;
        }
    }
    return found;
}

}  // namespace

Result<Config> load_config(const std::string& path) {
    auto file = read_file(path, kConfigBytesMax);
    if (!file.ok()) {
        return std::move(file).error().within("configuration");
    }
    return parse_config(*file, path);
}

Result<Config> parse_config(const std::string& text, const std::string& name) {
    Config config;
    try {
        const YAML::Node root = YAML::Load(text);
        if (!root.IsMap() && !root.IsNull()) {
            return bad(name, root.Mark().line + 1, "not a list of `key: value` lines");
        }
        std::set<std::string> seen;
        for (const auto& entry : root) {
            RETURN_IF_ERROR(read_entry(config, entry.first, entry.second, seen, name));
        }
    } catch (const YAML::Exception& e) {  // yaml-cpp throws; nothing above this line does.
        return bad(name, e.mark.line + 1, e.msg);
    }
    RETURN_IF_ERROR(complete(config, name));
    return config;
}

std::string default_config_path(const std::string& etc) {
    const char* set = std::getenv("ENVIRONMENT");
    const bool is_set = set != nullptr && *set != '\0';
    const std::string name = is_set ? set : "development";
    const std::string local = "./config/" + name + "-config.yaml";
    if (path_exists(local)) {
        return local;
    }
    const std::string of_service = is_set ? "" : service_environment(etc);
    return etc + '/' + (of_service.empty() ? name : of_service) + "-config.yaml";
}

std::vector<std::string> config_keys() {
    std::vector<std::string> names;
    for (const Key& key : keys()) {
        names.emplace_back(key.name);
    }
    return names;
}

std::vector<std::string> not_reloadable(const Config& running, const Config& fresh) {
    std::vector<std::string> names;
    const auto compare = [&](const char* name, const std::string Config::*field) {
        if (running.*field != fresh.*field) {
            names.emplace_back(name);
        }
    };
    // Open files, sockets and the identity under which the journal made its promises.
    compare("rest_api", &Config::rest_api);
    compare("log_dir", &Config::log_dir);
    compare("state_dir", &Config::state_dir);
    compare("run_host", &Config::run_host);
    compare("control_socket", &Config::control_socket);
    compare("metrics_listen", &Config::metrics_listen);
    return names;
}

std::string host_name() {
    char name[256] = "";
    if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') {
        return "localhost";
    }
    return name;
}

void apply_overrides(const Config& config, Migration& migration) {
    if (!config.host_override.empty()) {
        migration.host = config.host_override;
    }
    if (config.port_override != 0) {
        migration.port = config.port_override;
    }
    if (!config.database_override.empty()) {
        migration.database = config.database_override;
    }
}

}  // namespace shift
