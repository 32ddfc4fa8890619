#include "ctl/commands_config.h"

#include <fmt/format.h>

#include <utility>

#include "ctl/render/text.h"

namespace shift::ctl {

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

}  // namespace shift::ctl
