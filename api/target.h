#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/config.h"
#include "common/ddl.h"
#include "common/result.h"

namespace shift::api {

// The live databases that DDL is compared with.
class Targets {
  public:
    virtual ~Targets() = default;

    // The target of a migration; null when the cluster is not to be looked at. Asking it may block
    // for the connect timeout; its errors are kUnavailable. One thread at a time per object.
    virtual std::unique_ptr<DdlTarget> target(const Cluster& cluster,
                                              const std::string& database) = 0;
    // Names of the cluster's databases; empty when it cannot be asked.
    virtual std::vector<std::string> databases(const Cluster& cluster) = 0;
};

// Looks at nothing: DDL is only parsed.
class NoTargets final : public Targets {
  public:
    std::unique_ptr<DdlTarget> target(const Cluster&, const std::string&) override {
        return nullptr;
    }
    std::vector<std::string> databases(const Cluster&) override { return {}; }
};

}  // namespace shift::api
