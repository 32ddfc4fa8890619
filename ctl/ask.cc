#include "ctl/ask.h"

#include <cstdio>
#include <utility>

namespace shift::ctl {

Answer ask_or_read(const Session& session, const std::string& socket, const std::string& command,
                   const Json& args, const FromJournal& from_journal) {
    auto answer = Session::ask(socket, command, args);
    if (answer.ok()) {
        return {*std::move(answer)};
    }
    const int code = Session::fail_daemon(socket, answer.error());
    if (answer.error().code != Errc::kUnavailable || code != kExitUnavailable) {
        return {std::nullopt, code};
    }
    const auto config = session.config_behind(socket);
    const auto reader =
        config.ok() ? JournalReader::open(*config) : Result<JournalReader>(Error(config.error()));
    auto read = reader.ok() ? from_journal(*reader) : Result<Json>(Error(reader.error()));
    if (!read.ok() && read.error().code != Errc::kNotFound) {
        std::fprintf(stderr, "  its journal: %s\n", read.error().message.c_str());
    }
    return read.ok() ? Answer{*std::move(read), code} : Answer{std::nullopt, code};
}

}  // namespace shift::ctl
