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
    int code = kExitOk;        // 69 with data: no daemon answers, it is the journal's
};

// The daemon's answer to `command`, else what `from_journal` reads of its journal, with the
// complaint said.
using FromJournal = std::function<Result<Json>(const JournalReader&)>;
Answer ask_or_read(const Session& session, const std::string& socket, const std::string& command,
                   const Json& args, const FromJournal& from_journal);

}  // namespace shift::ctl
