#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/migration.h"
#include "common/result.h"
#include "worker/osc/osc_tool.h"

namespace shift {

// What one run of pt-online-schema-change needs. No secret: the password is in `defaults_file`.
struct OscPlan {
    OscTool tool;
    OscFlavour flavour = OscFlavour::kBasic;
    std::string host;
    int port = 3306;
    std::string defaults_file;
    std::string database;
    std::string table;
    std::string shadow;
    std::string alter;  // the specification, without ALTER TABLE t
    std::string pid_file;
    std::string pause_file;
    CustomOptions options;
    bool no_check_alter = false;
    // A unique key is added: the worker compares row counts itself, so the tool's refusal is off.
    bool adds_unique_key = false;
    // Of the stock tool with our plugin. All absolute.
    std::string plugin_file;
    std::string state_file;   // the plugin writes it after every chunk
    std::string resume_file;  // "" = a fresh copy
    std::string copy_id;
    // Of Square's: what it writes, and what it goes on from ("" = a fresh copy).
    std::string square_save_file;
    std::string square_load_file;
    // MySQL 9's default EXPLAIN format makes every pt-osc copy the table in one statement.
    bool needs_traditional_explain = false;
    std::string config_set_vars;  // of options.config_path, which replaces ours; "" = none in it
};

// What the option file `text` says of set-vars, "" when nothing; the last word wins.
// Source: the tool's OptionParser, _read_config_file.
std::string set_vars_of_config(std::string_view text);

std::vector<std::string> osc_dry_run_argv(const OscPlan& plan);
std::vector<std::string> osc_copy_argv(const OscPlan& plan);
// h=...,P=...,D=...,t=...,A=utf8mb4,F=...: commas in values are escaped as its parser wants.
std::string osc_dsn(const OscPlan& plan);
// Nothing of our environment reaches the tool (PTDEBUG would print passwords).
std::vector<std::string> osc_environment(const std::string& home, const std::string& path);
// The parameters of our plugin, which cannot add options to the tool.
std::vector<std::string> plugin_environment(const OscPlan& plan);

// The executable file `program` means: itself when it holds a slash, else the first on `path`.
// Errors: kNotFound, kInvalidArgument (there, but not executable).
Result<std::string> find_program(const std::string& program, std::string_view path);

}  // namespace shift
