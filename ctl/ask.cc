#include "ctl/ask.h"

#include <cerrno>
#include <cstdio>
#include <utility>

namespace shift::ctl {

Answer ask_or_read(const Session& session, const std::string& socket, const std::string& command,
                   const Json& args, const FromJournal& from_journal) {
    auto answer = Session::ask(socket, command, args, Session::kLookTimeout);
    if (answer.ok()) {
        return {*std::move(answer)};
    }
    return read_instead(session, socket, answer.error(), from_journal);
}

Answer read_instead(const Session& session, const std::string& socket, const Error& error,
                    const FromJournal& from_journal) {
    const int code = Session::fail_daemon(socket, error);
    auto read = read_quietly(session, socket, error, from_journal);
    if (!read.ok() && read.error().code != Errc::kNotFound) {
        std::fprintf(stderr, "  its journal: %s\n", read.error().message.c_str());
    }
    return read.ok() ? Answer{*std::move(read), code} : Answer{std::nullopt, code};
}

Result<Json> read_quietly(const Session& session, const std::string& socket, const Error& error,
                          const FromJournal& from_journal) {
    const bool is_silent = error.code == Errc::kUnavailable || error.code == Errc::kDeadline;
    if (!is_silent || error.native == EACCES || error.native == EPERM) {
        return Error{Errc::kNotFound, "not asked: the daemon is there"};
    }
    ASSIGN_OR_RETURN(const Config config, session.config_behind(socket));
    ASSIGN_OR_RETURN(const JournalReader reader, JournalReader::open(config));
    return from_journal(reader);
}

}  // namespace shift::ctl
