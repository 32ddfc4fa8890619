#include "worker/lhm/plan_file.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>

#include "common/ddl.h"
#include "common/text.h"

namespace shift::lhm {
namespace {

using Verb = ChangeStep::Verb;

constexpr std::array<Verb, 9> kVerbs = {
    Verb::kAddColumn,    Verb::kRemoveColumn, Verb::kChangeColumn,
    Verb::kRenameColumn, Verb::kAddIndex,     Verb::kAddUniqueIndex,
    Verb::kRemoveIndex,  Verb::kDdl,          Verb::kAlter};

bool is_index(Verb verb) {
    return verb == Verb::kAddIndex || verb == Verb::kAddUniqueIndex || verb == Verb::kRemoveIndex;
}

Error bad(const YAML::Node& node, const std::string& why) {
    return Error{Errc::kInvalidArgument, fmt::format("line {}: {}", node.Mark().line + 1, why)};
}

// Where `mark` stands outside of backticks and parentheses; npos when nowhere.
std::size_t find_outside(std::string_view text, char mark) {
    bool quoted = false;
    int depth = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        quoted = quoted != (text[at] == '`');
        depth += quoted ? 0 : text[at] == '(' ? 1 : text[at] == ')' ? -1 : 0;
        if (text[at] == mark && !quoted && depth == 0) {
            return at;
        }
    }
    return std::string_view::npos;
}

std::string unquoted(std::string_view text) {
    text = trim(text);
    if (text.size() < 2 || text.front() != '`' || text.back() != '`') {
        return std::string(text);
    }
    std::string name;
    for (std::size_t at = 1; at + 1 < text.size(); ++at) {
        name += text[at];
        at += text[at] == '`' && text[at + 1] == '`' ? 1U : 0U;
    }
    return name;
}

std::vector<std::string> split_columns(std::string_view text) {
    std::vector<std::string> columns;
    while (!text.empty()) {
        const std::size_t comma = find_outside(text, ',');
        columns.emplace_back(trim(text.substr(0, comma)));
        text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
    }
    return columns;
}

Result<ChangeStep> parse_column(ChangeStep step, std::string_view words) {
    words = trim(words);
    const std::size_t blank = find_outside(words, ' ');
    step.name = unquoted(words.substr(0, blank));
    step.definition = blank == std::string_view::npos ? "" : std::string(trim(words.substr(blank)));
    const bool needs_definition = step.verb != Verb::kRemoveColumn;
    if (step.name.empty() || step.definition.empty() == needs_definition) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("{} '{}': {}", verb_name(step.verb), words,
                                 needs_definition ? "write the name and the definition"
                                                  : "write one column's name")};
    }
    return step;
}

Result<ChangeStep> parse_index(ChangeStep step, std::string_view words) {
    const std::size_t equals = find_outside(words, '=');
    if (equals != std::string_view::npos) {
        step.name = unquoted(words.substr(0, equals));
        words = words.substr(equals + 1);
    }
    step.columns = split_columns(trim(words));
    if (step.columns.empty() && (step.verb != Verb::kRemoveIndex || step.name.empty())) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("{}: write the columns, as a,b(10)", verb_name(step.verb))};
    }
    return step;
}

Result<std::vector<std::string>> text_list(const YAML::Node& node) {
    std::vector<std::string> list;
    if (node.IsScalar()) {
        return split_columns(node.Scalar());
    }
    if (!node.IsSequence()) {
        return bad(node, "a list of columns is wanted");
    }
    for (const YAML::Node& one : node) {
        list.push_back(one.as<std::string>());
    }
    return list;
}

// The long forms: mappings with their parts by name, and lists of columns.
Result<ChangeStep> parse_long(ChangeStep step, const YAML::Node& node) {
    if (node.IsSequence()) {
        ASSIGN_OR_RETURN(step.columns, text_list(node));
        return is_index(step.verb) ? Result<ChangeStep>(step)
                                   : Result<ChangeStep>(bad(node, "a text is wanted"));
    }
    for (const auto& part : node) {
        const std::string key = part.first.as<std::string>();
        if (key == "name" || key == "from" || key == "column") {
            step.name = part.second.as<std::string>();
        } else if (key == "to") {
            step.to = part.second.as<std::string>();
        } else if (key == "definition") {
            step.definition = part.second.as<std::string>();
        } else if (key == "columns") {
            ASSIGN_OR_RETURN(step.columns, text_list(part.second));
        } else {
            return bad(part.first, fmt::format("{} knows no '{}'", verb_name(step.verb), key));
        }
    }
    const bool good = is_index(step.verb) ? !step.columns.empty() || !step.name.empty()
                      : step.verb == Verb::kRenameColumn ? !step.name.empty() && !step.to.empty()
                      : step.verb == Verb::kRemoveColumn
                          ? !step.name.empty()
                          : !step.name.empty() && !step.definition.empty();
    return good ? Result<ChangeStep>(step)
                : Result<ChangeStep>(
                      bad(node, fmt::format("{}: a part is missing", verb_name(step.verb))));
}

Result<ChangeStep> parse_change(const YAML::Node& node) {
    if (!node.IsMap() || node.size() != 1) {
        return bad(node, "one change is wanted, as \"add_column: name INT\"");
    }
    const YAML::Node key = node.begin()->first;
    const YAML::Node value = node.begin()->second;
    const std::string word = key.as<std::string>();
    std::vector<std::string> known;
    for (const Verb verb : kVerbs) {
        known.emplace_back(verb_name(verb));
        if (word != verb_name(verb)) {
            continue;
        }
        if (!value.IsScalar()) {
            ChangeStep step;
            step.verb = verb;
            return parse_long(step, value);
        }
        auto step = parse_step(verb, value.Scalar());
        return step.ok() ? std::move(step) : Result<ChangeStep>(bad(key, step.error().message));
    }
    const std::string nearest = nearest_word(word, known);
    return bad(key, fmt::format("there is no change '{}'{}", word,
                                nearest.empty() ? "" : "; did you mean " + nearest + "?"));
}

Status parse_options(const YAML::Node& node, PlanFile& plan) {
    for (const auto& part : node) {
        std::string name = part.first.as<std::string>();
        std::replace(name.begin(), name.end(), '_', '-');
        std::string value;
        if (part.second.IsSequence()) {
            for (const YAML::Node& one : part.second) {
                value += (value.empty() ? "" : ",") + one.as<std::string>();
            }
        } else {
            value = part.second.IsNull() ? "" : part.second.as<std::string>();
        }
        if (name == "no-switch") {
            plan.no_switch = value.empty() || value == "true" || value == "yes";
            continue;
        }
        Options scratch;
        if (Status good = apply_setting(name, value, scratch); !good.ok()) {
            return bad(part.first, good.error().message);
        }
        plan.settings[name] = value;
    }
    return Ok{};
}

Result<PlanFile> parse_nodes(const YAML::Node& root) {
    PlanFile plan;
    if (!root.IsMap()) {
        return Error{Errc::kInvalidArgument, "not a plan: it needs 'table' and 'changes'"};
    }
    for (const auto& part : root) {
        const std::string key = part.first.as<std::string>();
        if (key == "table") {
            ASSIGN_OR_RETURN(const QualifiedTable name,
                             parse_qualified_table(part.second.as<std::string>()));
            plan.change.database = name.database;
            plan.change.table = name.table;
        } else if (key == "changes") {
            for (const YAML::Node& node : part.second) {
                ASSIGN_OR_RETURN(ChangeStep step, parse_change(node));
                plan.change.steps.push_back(std::move(step));
            }
        } else if (key == "options") {
            RETURN_IF_ERROR(parse_options(part.second, plan));
        } else {
            return bad(part.first, "a plan knows table, changes and options, not '" + key + "'");
        }
    }
    if (plan.change.table.empty() || plan.change.steps.empty()) {
        return Error{Errc::kInvalidArgument, "not a plan: it needs 'table' and 'changes'"};
    }
    return plan;
}

void emit_step(YAML::Emitter& out, const ChangeStep& step) {
    out << YAML::BeginMap << YAML::Key << verb_name(step.verb) << YAML::Value;
    if (step.verb == Verb::kDdl || step.verb == Verb::kAlter) {
        out << YAML::DoubleQuoted << step.definition << YAML::EndMap;
        return;
    }
    out << YAML::BeginMap;
    const auto text = [&out](const char* key, const std::string& value) {
        if (!value.empty()) {
            out << YAML::Key << key << YAML::Value << YAML::DoubleQuoted << value;
        }
    };
    text("name", step.name);
    text("to", step.to);
    text("definition", step.definition);
    if (!step.columns.empty()) {
        out << YAML::Key << "columns" << YAML::Value << YAML::BeginSeq;
        for (const std::string& column : step.columns) {
            out << YAML::DoubleQuoted << column;
        }
        out << YAML::EndSeq;
    }
    out << YAML::EndMap << YAML::EndMap;
}

}  // namespace

Result<ChangeStep> parse_step(Verb verb, const std::string& words) {
    ChangeStep step;
    step.verb = verb;
    if (is_index(verb)) {
        return parse_index(std::move(step), words);
    }
    if (verb == Verb::kDdl || verb == Verb::kAlter) {
        step.definition = std::string(trim(words));
        return step.definition.empty()
                   ? Result<ChangeStep>(Error{Errc::kInvalidArgument,
                                              fmt::format("{}: there is nothing", verb_name(verb))})
                   : Result<ChangeStep>(step);
    }
    if (verb != Verb::kRenameColumn) {
        return parse_column(std::move(step), words);
    }
    const std::size_t colon = find_outside(words, ':');
    step.name = unquoted(std::string_view(words).substr(0, colon));
    step.to = colon == std::string::npos ? "" : unquoted(std::string_view(words).substr(colon + 1));
    if (step.name.empty() || step.to.empty()) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("rename_column '{}': write old:new", words)};
    }
    return step;
}

Result<PlanFile> parse_plan_file(std::string_view text) {
    try {
        return parse_nodes(YAML::Load(std::string(text)));
    } catch (const YAML::Exception& e) {  // yaml-cpp throws; nothing above this does
        return Error{Errc::kInvalidArgument, fmt::format("line {}: {}", e.mark.line + 1, e.msg)};
    }
}

std::string format_plan_file(const PlanFile& plan) {
    YAML::Emitter out;
    out << YAML::BeginMap << YAML::Key << "table" << YAML::Value << YAML::DoubleQuoted
        << qualified_name(plan.change.database, plan.change.table) << YAML::Key << "changes"
        << YAML::Value << YAML::BeginSeq;
    for (const ChangeStep& step : plan.change.steps) {
        emit_step(out, step);
    }
    out << YAML::EndSeq;
    if (!plan.settings.empty() || plan.no_switch) {
        out << YAML::Key << "options" << YAML::Value << YAML::BeginMap;
        for (const auto& [name, value] : plan.settings) {
            out << YAML::Key << name << YAML::Value << YAML::DoubleQuoted << value;
        }
        if (plan.no_switch) {
            out << YAML::Key << "no-switch" << YAML::Value << true;
        }
        out << YAML::EndMap;
    }
    out << YAML::EndMap;
    return std::string(out.c_str()) + "\n";
}

}  // namespace shift::lhm
