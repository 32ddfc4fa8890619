#pragma once

#include <functional>
#include <optional>
#include <string>

#include "ctl/journal_reader.h"
#include "ctl/session.h"

namespace shift::ctl {

// An answer for people, from whoever can give it.
struct Answer {
    std::optional<Json> data;  // nullopt: complained of already
    // With data: 69 - no daemon answers, it is the journal's; 75 - the daemon is there and hangs,
    // it is the journal's.
    int code = kExitOk;
};

using FromJournal = std::function<Result<Json>(const JournalReader&)>;

// The daemon's answer to `command`, else what `from_journal` reads of its journal, with the
// complaint said.
Answer ask_or_read(const Session& session, const std::string& socket, const std::string& command,
                   const Json& args, const FromJournal& from_journal);
// The second half: what the journal says when the daemon answered with `error`.
Answer read_instead(const Session& session, const std::string& socket, const Error& error,
                    const FromJournal& from_journal);
// The same without a word. Errors: kNotFound - there is none, or it is not needed.
Result<Json> read_quietly(const Session& session, const std::string& socket, const Error& error,
                          const FromJournal& from_journal);

}  // namespace shift::ctl
