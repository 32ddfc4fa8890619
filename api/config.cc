#include "api/config.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <functional>
#include <map>

#include "common/file.h"
#include "common/host_port.h"
#include "common/text.h"

namespace shift::api {
namespace {

constexpr std::size_t kConfigBytesMax = 1 << 20;
constexpr int kPortMax = 65535;

// One YAML file being read; remembers its name for messages.
class Reader {
  public:
    explicit Reader(std::string name) : name_(std::move(name)) {}

    Error error(const YAML::Node& node, const std::string& message) const {
        return Error{Errc::kInvalidArgument,
                     fmt::format("{}:{}: {}", name_, node.Mark().line + 1, message)};
    }

    using Setter = std::function<Status(const YAML::Node&)>;
    using Setters = std::map<std::string, Setter>;

    Status read_map(const YAML::Node& map, const Setters& setters) const {
        if (!map.IsMap()) {
            return error(map, "expected keys and values");
        }
        for (const auto& entry : map) {
            const std::string key = entry.first.Scalar();
            const auto setter = setters.find(key);
            if (setter == setters.end()) {
                return error(entry.first, unknown_key(key, setters));
            }
            if (Status status = setter->second(entry.second); !status.ok()) {
                return error(entry.second, fmt::format("{}: {}", key, status.error().message));
            }
        }
        return Ok{};
    }

  private:
    static std::string unknown_key(const std::string& key, const Setters& setters) {
        std::vector<std::string> known;
        for (const auto& [name, setter] : setters) {
            known.push_back(name);
        }
        const std::string nearest = nearest_word(key, known);
        return nearest.empty() ? fmt::format("unknown key {}", key)
                               : fmt::format("unknown key {}; did you mean {}?", key, nearest);
    }

    std::string name_;
};

Error wrong(std::string message) {
    return Error{Errc::kInvalidArgument, std::move(message)};
}

Reader::Setter text_into(std::string& target) {
    return [&target](const YAML::Node& node) -> Status {
        if (node.IsNull()) {
            target.clear();
            return Ok{};
        }
        if (!node.IsScalar()) {
            return wrong("expected a text");
        }
        target = node.Scalar();
        return Ok{};
    };
}

Reader::Setter number_into(int& target, int minimum, int maximum) {
    return [&target, minimum, maximum](const YAML::Node& node) -> Status {
        int number = 0;
        if (!YAML::convert<int>::decode(node, number) || number < minimum || number > maximum) {
            return wrong(fmt::format("expected a number from {} to {}", minimum, maximum));
        }
        target = number;
        return Ok{};
    };
}

Reader::Setter flag_into(bool& target) {
    return [&target](const YAML::Node& node) -> Status {
        if (!YAML::convert<bool>::decode(node, target)) {
            return wrong("expected true or false");
        }
        return Ok{};
    };
}

Reader::Setter seconds_into(std::chrono::milliseconds& target) {
    return [&target](const YAML::Node& node) -> Status {
        constexpr double kSecondsMax = 86'400;
        double seconds = 0;
        if (!YAML::convert<double>::decode(node, seconds) || !(seconds >= 0.05) ||
            seconds > kSecondsMax) {
            return wrong("expected seconds, from 0.05 to 86400");
        }
        target = std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
        return Ok{};
    };
}

Result<Cluster> read_cluster(const Reader& reader, const YAML::Node& node) {
    Cluster cluster;
    RETURN_IF_ERROR(
        reader.read_map(node, {{"name", text_into(cluster.name)},
                               {"rw_host", text_into(cluster.rw_host)},
                               {"port", number_into(cluster.port, 0, kPortMax)},
                               {"mysql_defaults_file", text_into(cluster.mysql_defaults_file)},
                               {"user", text_into(cluster.user)},
                               {"password", text_into(cluster.password)},
                               {"check_target", flag_into(cluster.check_target)}}));
    if (cluster.name.empty()) {
        return reader.error(node, "clusters: a cluster needs a name");
    }
    if (cluster.check_target && cluster.rw_host.empty()) {
        return reader.error(node,
                            fmt::format("cluster {}: check_target needs rw_host", cluster.name));
    }
    return cluster;
}

Result<std::vector<Cluster>> read_clusters(const Reader& reader, const YAML::Node& node) {
    std::vector<Cluster> clusters;
    if (node.IsNull()) {
        return clusters;
    }
    if (!node.IsSequence()) {
        return reader.error(node, "clusters: expected a list");
    }
    for (const auto& item : node) {
        ASSIGN_OR_RETURN(Cluster cluster, read_cluster(reader, item));
        const bool twice = std::any_of(clusters.begin(), clusters.end(), [&](const Cluster& other) {
            return other.name == cluster.name;
        });
        if (twice) {
            return reader.error(item, fmt::format("cluster {} is declared twice", cluster.name));
        }
        clusters.push_back(std::move(cluster));
    }
    return clusters;
}

// "127.0.0.1:3000" or "[::1]:3000" into listen and port.
Status split_listen(ApiConfig& config) {
    const std::string& listen = config.listen;
    const std::size_t colon = listen.rfind(':');
    const bool bare_ipv6 = listen.find(':') != colon && !listen.starts_with('[');
    if (colon == std::string::npos || bare_ipv6 || listen.ends_with(']')) {
        return Ok{};
    }
    auto parsed = parse_host_port(listen);
    if (!parsed.ok()) {
        return wrong(fmt::format("listen: expected ADDRESS or ADDRESS:PORT, not {}", listen));
    }
    config.port = parsed->port;
    config.listen = std::move(parsed->host);
    return Ok{};
}

Result<ApiConfig> read_document(const Reader& reader, const YAML::Node& document) {
    ApiConfig config;
    if (document.IsNull()) {
        return config;
    }
    // Lists are read after the map walk, so that their errors carry their own lines.
    YAML::Node clusters;
    RETURN_IF_ERROR(
        reader.read_map(document, {{"listen", text_into(config.listen)},
                                   {"port", number_into(config.port, 0, kPortMax)},
                                   {"store", text_into(config.store)},
                                   {"environment", text_into(config.environment)},
                                   {"scheduler_interval", seconds_into(config.scheduler_interval)},
                                   {"parallel_limit", number_into(config.parallel_limit, 1, 1000)},
                                   {"clusters", [&clusters](const YAML::Node& node) -> Status {
                                        clusters = node;
                                        return Ok{};
                                    }}}));
    ASSIGN_OR_RETURN(config.clusters, read_clusters(reader, clusters));
    RETURN_IF_ERROR(split_listen(config));
    return config;
}

}  // namespace

const Cluster* ApiConfig::find_cluster(const std::string& name) const {
    const auto found =
        std::find_if(clusters.begin(), clusters.end(),
                     [&name](const Cluster& cluster) { return cluster.name == name; });
    return found == clusters.end() ? nullptr : &*found;
}

Result<ApiConfig> parse_config(const std::string& text, const std::string& name) {
    try {
        return read_document(Reader(name), YAML::Load(text));
    } catch (const YAML::Exception& e) {  // yaml-cpp throws; nothing above this line does.
        return Error{Errc::kInvalidArgument,
                     fmt::format("{}:{}: {}", name, e.mark.line + 1, e.msg)};
    }
}

Result<ApiConfig> load_config(const std::string& path) {
    ASSIGN_OR_RETURN(const std::string text, read_file(path, kConfigBytesMax));
    return parse_config(text, path);
}

}  // namespace shift::api
