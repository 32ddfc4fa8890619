// Bytes on the control socket, from anybody who may connect: cut into lines, parsed, and given to a
// supervisor among fakes as the socket gives them.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/check.h"
#include "common/control_protocol.h"
#include "common/line_framer.h"
#include "supervisor/supervisor.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_upstream.h"
#include "tests/fakes/fake_workers.h"
#include "tests/fakes/memory_journal.h"

namespace {

using shift::ControlRequest;

// One migration that copies, one that waits for people, one that needs a decision.
class World {
  public:
    World() {
        config_.rest_api = "http://api/";
        config_.log_dir = "/log/";
        config_.state_dir = "/state";
        config_.run_host = "us";
        api_.add(1, 3);
        api_.add(2, 0);
        api_.add(3, 5);
        supervisor_ = std::make_unique<shift::Supervisor>(
            clock_, config_, log_, api_, workers_,
            [this] { return shift::MemoryJournal::open(disk_, faults_); }, 1);
        CHECK(supervisor_->recover().ok(), "a new journal is read");
        for (int i = 0; i < 30; ++i) {
            turn();
        }
        for (const auto& [id, outcome] : {std::pair{2, "prepared"}, std::pair{3, "undecided"}}) {
            if (auto* worker = workers_.of(id)) {
                shift::FakeWorkers::end(*worker, outcome);
            }
        }
        for (int i = 0; i < 30; ++i) {
            turn();
        }
    }
    void turn() {
        supervisor_->tick();
        api_.deliver();
        clock_.advance(std::chrono::milliseconds(100));
    }
    void ask(const ControlRequest& request) {
        auto answer = supervisor_->command(request.command, request.args, {1000, request.as});
        CHECK(answer.ok() || !answer.error().message.empty(), "a refusal says why");
        const bool known = shift::find_control_command(request.command) != nullptr;
        CHECK(known || !answer.ok(), "what is not a command is refused");
        const std::string line = answer.ok() ? shift::control_ok(*std::move(answer))
                                             : shift::control_error(answer.error().message);
        CHECK(line.find('\n') == line.size() - 1, "an answer is one line");
        CHECK(line.size() <= shift::kControlLineBytesMax, "an answer fits into a line");
        CHECK(shift::parse_json(line).ok(), "an answer is JSON");
        turn();
        const auto status = supervisor_->command("status", shift::Json::object());
        CHECK(status.ok() && status->contains("migrations"), "the daemon goes on answering");
        CHECK(supervisor_->registry().failure().empty(), "no request breaks the journal");
    }

  private:
    shift::FakeClock clock_;
    shift::Config config_;
    shift::Logger log_{shift::LogLevel::kError};
    shift::FakeUpstream api_;
    shift::FakeWorkers workers_;
    shift::MemoryDisk disk_;
    shift::MemoryJournalFaults faults_;
    std::unique_ptr<shift::Supervisor> supervisor_;
};

// Whatever came before is part of the input; not for ever, so that a finding can be replayed.
World& world() {
    constexpr int kRequestsEach = 50;
    static std::unique_ptr<World> current;
    static int left = 0;
    if (left-- <= 0) {
        current = std::make_unique<World>();
        left = kRequestsEach;
    }
    return *current;
}

// The same lines, however the bytes arrive.
std::vector<std::string> framed(std::string_view bytes) {
    constexpr std::size_t kMax = 512;
    shift::LineFramer whole(kMax);
    std::vector<std::string> lines = whole.push(bytes);
    shift::LineFramer pieces(kMax);
    std::vector<std::string> again;
    const std::size_t step = bytes.empty() ? 1 : 1 + static_cast<unsigned char>(bytes[0]) % 7;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        for (std::string& line : pieces.push(bytes.substr(at, step))) {
            again.push_back(std::move(line));
        }
    }
    CHECK(lines == again && whole.cut_lines() == pieces.cut_lines(),
          "lines do not depend on how the bytes arrive");
    std::string rest = whole.take_rest();
    CHECK(rest == pieces.take_rest() && rest.size() <= kMax, "nor does what is left");
    for (const std::string& line : lines) {
        CHECK(line.size() <= kMax && line.find('\n') == std::string::npos, "a line is one");
    }
    lines.push_back(std::move(rest));
    return lines;
}

void ask_line(std::string_view line) {
    const auto request = shift::parse_control_request(line);
    if (!request.ok()) {
        CHECK(!request.error().message.empty(), "a refusal says why");
        return;
    }
    CHECK(!request->command.empty() && request->args.is_object(), "what was taken is whole");
    CHECK(request->as.size() <= shift::kControlAsBytesMax, "a name is short");
    const std::string again = shift::control_request(request->command, request->args, request->as);
    CHECK(again.find('\n') == again.size() - 1, "a request is one line");
    const auto back = shift::parse_control_request(again);
    CHECK(back.ok() && back->command == request->command && back->args == request->args,
          "what was taken can be said again");
    world().ask(*request);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    for (const std::string& line : framed(bytes)) {
        ask_line(line);
    }
    if (bytes.find('\n') != std::string_view::npos) {
        ask_line(bytes);  // a JSON text may have line breaks in it
    }
    return 0;
}
