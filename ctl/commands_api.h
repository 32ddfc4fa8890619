#pragma once

#include <optional>
#include <string>

#include "ctl/session.h"

namespace shift::ctl {

// Verbs that go to the shift API. Each gives the exit code.
struct SubmitOptions {
    std::string cluster;
    std::string database;
    std::string ddl;
    std::string requestor;
    std::string pr_url;
    std::string final_insert;
    std::optional<int> max_threads_running;
    std::optional<int> max_replication_lag;
    std::string config_path;
    std::string recursion_method;
    std::string engine;
    bool allow_loss = false;
    bool wait = false;  // until it is prepared
    std::optional<double> timeout_s;
};
int run_submit(const Session& session, const SubmitOptions& options);

struct ApproveOptions {
    MigrationId id = 0;
    std::string runtype;  // "" = the one that is offered
    std::string approver;
};
int run_approve(const Session& session, const ApproveOptions& options);

// unapprove start enqueue dequeue rename pause resume cancel
struct ActionOptions {
    MigrationId id = 0;
    bool auto_run = false;  // start and resume only
};
int run_action(const Session& session, const std::string& verb, const ActionOptions& options);

int run_delete(const Session& session, MigrationId id);
int run_show(const Session& session, MigrationId id);

}  // namespace shift::ctl
