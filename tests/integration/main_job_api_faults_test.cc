// What an API can do wrong while it is asked: nothing is lost, nothing is done twice, nothing is
// told twice, and other migrations go on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <ostream>

#include "tests/integration/support/ctl.h"
#include "tests/integration/support/held_copy.h"
#include "tests/integration/support/scenario.h"
#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const char* const kAddColumn = "ALTER TABLE t ADD COLUMN extra INT";
constexpr std::size_t kHugePage = 60U * 1024 * 1024;

Change create(const std::string& table) {
    return {.ddl = "CREATE TABLE " + table + " (id INT PRIMARY KEY)",
            .table = table,
            .action = 0,
            .runtype = 2};
}

struct NamedFault {
    const char* name;
    Fault fault;
};
void PrintTo(const NamedFault& fault, std::ostream* out) {
    *out << fault.name;
}
std::string name_of(const ::testing::TestParamInfo<NamedFault>& info) {
    return info.param.name;
}

std::vector<NamedFault> all_faults() {
    return {
        {"Html500", {.wrong = Wrong::kAnswer, .status = 500, .body = "<html>oops</html>"}},
        {"HtmlOf60Megabytes",
         {.wrong = Wrong::kAnswer, .status = 500, .body = "<html>", .body_bytes = kHugePage}},
        {"Html200Of60Megabytes",
         {.wrong = Wrong::kAnswer, .status = 200, .body = "<html>", .body_bytes = kHugePage}},
        {"JsonError500",
         {.wrong = Wrong::kAnswer,
          .status = 500,
          .body = R"({"status":"500","error":"Internal Server Error"})",
          .content_type = "application/json"}},
        {"Json500ThatLooksGood",
         {.wrong = Wrong::kAnswer,
          .status = 500,
          .body = R"({"id":1,"status":0,"staged":false,"lock_version":1})",
          .content_type = "application/json"}},
        {"NotFoundHtml", {.wrong = Wrong::kAnswer, .times = 2, .status = 502, .body = "<html>"}},
        {"Unavailable503", {.wrong = Wrong::kAnswer, .times = 3, .status = 503}},
        {"Empty200", {.wrong = Wrong::kAnswer, .status = 200}},
        {"NoContent204", {.wrong = Wrong::kAnswer, .status = 204}},
        {"Null200",
         {.wrong = Wrong::kAnswer,
          .status = 200,
          .body = "null",
          .content_type = "application/json"}},
        {"Redirect",
         {.wrong = Wrong::kAnswer, .status = 302, .location = "http://127.0.0.1:1/elsewhere"}},
        {"RedirectToItself", {.wrong = Wrong::kAnswer, .status = 301, .location = "/api/v1/"}},
        {"Garbage", {.wrong = Wrong::kGarbage}},
        {"Reset", {.wrong = Wrong::kReset}},
        {"NeverAnswered", {.wrong = Wrong::kHang}},
        {"DoneThenReset", {.wrong = Wrong::kResetAfter}},
        {"DoneThenNeverAnswered", {.wrong = Wrong::kHangAfter}},
        {"DoneThenCutOff", {.wrong = Wrong::kCutAfter}},
        // The time an answer may take is 3 s here.
        {"DoneThenLate", {.wrong = Wrong::kLateAfter, .delay = milliseconds{1500}}},
        {"DoneThenTooSlow", {.wrong = Wrong::kDripAfter, .delay = milliseconds{50}}},
        {"DoneThen500", {.wrong = Wrong::kAnswerAfter, .status = 500, .body = "<html>"}},
        {"DoneThen502Empty", {.wrong = Wrong::kAnswerAfter, .status = 502}},
    };
}

// The work is done and nobody hears of it.
bool loses_answer(const NamedFault& fault) {
    const Wrong wrong = fault.fault.wrong;
    return wrong == Wrong::kAnswerAfter || wrong == Wrong::kResetAfter ||
           wrong == Wrong::kHangAfter || wrong == Wrong::kCutAfter || wrong == Wrong::kDripAfter;
}

// One broken answer to each call in turn.

class StagedFault : public ::testing::TestWithParam<NamedFault> {};

TEST_P(StagedFault, IsTriedAgainAtTheNextPoll) {
    Scenario s;
    Fault fault = GetParam().fault;
    fault.endpoint = "staged";
    s.api().inject(fault);
    const MigrationId id = s.submit(create("fresh"));
    s.await_status(id, 1);
    EXPECT_EQ(s.api().count("unstage", id), 1);
    EXPECT_EQ(s.api().count("next_step", id), 1);
    EXPECT_TRUE(s.supervisor().running());
}
INSTANTIATE_TEST_SUITE_P(ApiFaults, StagedFault, ::testing::ValuesIn(all_faults()), name_of);

class UnstageFault : public ::testing::TestWithParam<NamedFault> {};

TEST_P(UnstageFault, TheMigrationIsServedOnceAndOthersGoOn) {
    Scenario s;
    Fault fault = GetParam().fault;
    fault.endpoint = "unstage";
    const MigrationId id = s.submit(create("fresh"));
    fault.migration = id;
    s.api().inject(fault);
    const MigrationId other = s.submit(create("other"));
    s.await_status(other, 1);
    s.await_status(id, 1);
    EXPECT_THAT(s.model().history(id), ElementsAre("0>1 next_step"));
    EXPECT_EQ(s.api().count("next_step", id), 1);
    EXPECT_THAT(s.supervisor().attempts(), SizeIs(2)) << "one worker for each";
}
INSTANTIATE_TEST_SUITE_P(ApiFaults, UnstageFault, ::testing::ValuesIn(all_faults()), name_of);

// A whole life in which the first call of every kind gets the fault, with traffic on the table.
class LifeWithFault : public ::testing::TestWithParam<NamedFault> {};

TEST_P(LifeWithFault, EndsRightAndIsToldOnce) {
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 500);
    for (const char* endpoint : {"unstage", "show", "update", "get_file", "append_to_file",
                                 "write_file", "unpin_run_host", "next_step", "complete"}) {
        Fault fault = GetParam().fault;
        fault.endpoint = endpoint;
        fault.times = 1;
        s.api().inject(fault);
    }
    Writers writers(s.server(), "app", "t");
    writers.start();
    const MigrationId id = s.submit({.ddl = kAddColumn});
    s.bring_to_completed(id);
    writers.stop();
    s.await_idle();
    EXPECT_THAT(s.model().history(id), ElementsAre("0>1 next_step", "1>2 approve", "2>3 start",
                                                   "3>4 next_step", "4>5 rename", "5>8 complete"));
    EXPECT_EQ(s.text(id, "run_host"), "");
    EXPECT_THAT(writers.errors(), IsEmpty());
    EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
    EXPECT_THAT(s.db().columns("app", "t"), Contains("extra"));
    EXPECT_EQ(s.leftovers("app", {"t"}), "");
    // The log arrived whole and in order: no chunk lost, none twice.
    EXPECT_EQ(s.file(id, 0), slurp(s.supervisor().files_dir(id) + "ptosc-output.log"));
}
INSTANTIATE_TEST_SUITE_P(ApiFaults, LifeWithFault, ::testing::ValuesIn([] {
                             std::vector<NamedFault> chosen;
                             for (NamedFault& fault : all_faults()) {
                                 const std::string name = fault.name;
                                 const bool in_ci = name == "Html500" || name == "Reset" ||
                                                    name == "NeverAnswered" || name == "Garbage" ||
                                                    name == "Empty200";
                                 if (full_run() ? !loses_answer(fault) : in_ci) {
                                     chosen.push_back(fault);
                                 }
                             }
                             return chosen;
                         }()),
                         name_of);

// The same for answers lost after the work was done. A log chunk that was taken although its answer
// was lost may arrive twice: the API has no way to tell; nothing else may.
class LifeWithLostAnswers : public ::testing::TestWithParam<NamedFault> {};

TEST_P(LifeWithLostAnswers, EndsRightAndMovesOnce) {
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 500);
    s.db().execute("CREATE TABLE app.versions (v INT)");
    for (const char* endpoint : {"unstage", "update", "write_file", "unpin_run_host", "next_step",
                                 "complete", "append_to_file"}) {
        Fault fault = GetParam().fault;
        fault.endpoint = endpoint;
        fault.times = 2;
        s.api().inject(fault);
    }
    const MigrationId id =
        s.submit({.ddl = kAddColumn, .final_insert = "INSERT INTO versions (v) VALUES (1)"});
    s.bring_to_completed(id);
    s.await_idle();
    EXPECT_THAT(s.model().history(id), ElementsAre("0>1 next_step", "1>2 approve", "2>3 start",
                                                   "3>4 next_step", "4>5 rename", "5>8 complete"));
    for (const char* endpoint : {"next_step", "complete"}) {
        EXPECT_EQ(s.api().count(endpoint, id, true), std::string(endpoint) == "complete" ? 1 : 2);
    }
    EXPECT_EQ(s.db().integer("SELECT COUNT(*) FROM app.versions"), 1);
    EXPECT_EQ(s.text(id, "run_host"), "");
    EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
    EXPECT_EQ(s.leftovers("app", {"t", "versions"}), "");
}
INSTANTIATE_TEST_SUITE_P(ApiFaults, LifeWithLostAnswers, ::testing::ValuesIn([] {
                             std::vector<NamedFault> chosen;
                             for (const NamedFault& fault : all_faults()) {
                                 const std::string name = fault.name;
                                 const bool in_ci = name == "DoneThenReset" ||
                                                    name == "DoneThenNeverAnswered" ||
                                                    name == "DoneThen500";
                                 if (loses_answer(fault) && (full_run() || in_ci)) {
                                     chosen.push_back(fault);
                                 }
                             }
                             return chosen;
                         }()),
                         name_of);

// Claims.

TEST(Unstage, AnsweredEmptyBecauseAnotherRunnerWasFasterIsLeftAlone) {
    Scenario s({.start = false});
    const MigrationId id = s.submit(create("fresh"));
    // The list is stale: by the time of our unstage another runner has it, and pins it.
    s.api().inject({.endpoint = "unstage",
                    .wrong = Wrong::kRewrite,
                    .times = -1,
                    .migration = id,
                    .rewrite = [&](const std::string&) {
                        s.model().set(id, Json{{"run_host", "host-z"}, {"staged", false}});
                        return std::string("{}");
                    }});
    s.supervisor().start();
    s.await("the unstage", [&] { return s.api().count("unstage", id) > 0; });
    const int polls = s.api().count("staged");
    s.await("polls after it", [&] { return s.api().count("staged") >= polls + 8; });
    EXPECT_THAT(s.model().history(id), IsEmpty());
    EXPECT_EQ(s.text(id, "run_host"), "host-z");
    EXPECT_THAT(s.supervisor().attempts(), IsEmpty());
}

TEST(Unstage, TheAnswersStatusDecidesNotTheList) {
    ScenarioOptions options;
    options.chunk_rows = 100;
    Scenario s(options);
    Writers::make_table(s.db(), "app", "t", 1000);
    const MigrationId id = s.submit({.ddl = kAddColumn});
    s.bring_to_prepared(id);
    s.approve(id);
    // Listed as a run; cancelled between the list and the unstage.
    s.api().inject({.endpoint = "staged",
                    .wrong = Wrong::kRewrite,
                    .times = -1,
                    .rewrite = [&](const std::string& body) {
                        if (s.model().status(id) == 3 && body != "[]") {
                            s.model().cancel(id);
                        }
                        return body;
                    }});
    s.start_run(id);
    s.await("the cancel is taken", [&] { return s.status(id) == 9 && !s.model().staged(id); });
    s.await_idle();
    EXPECT_EQ(s.status(id), 9);
    EXPECT_EQ(s.leftovers("app", {"t"}), "");
    EXPECT_EQ(s.api().count("next_step", id), 1) << "that of the prepare";
}

TEST(Unstage, TwoSupervisorsShareTheWorkWithoutDoingAnyTwice) {
    Scenario s({.start = false});
    std::vector<MigrationId> ids;
    for (int i = 0; i < 6; ++i) {
        ids.push_back(s.submit(create("fresh" + std::to_string(i))));
    }
    const std::string folder = s.dir() / "second";
    ASSERT_EQ(run_tool({"mkdir", folder}).status.code, 0);
    SupervisorProcess second(folder, s.api().url(), {{"run_host", "host-b"}});
    s.supervisor().start();
    second.start();
    for (const MigrationId id : ids) {
        s.await_status(id, 1);
        EXPECT_THAT(s.model().history(id), ElementsAre("0>1 next_step"));
        EXPECT_EQ(s.api().count("next_step", id), 1);
    }
    EXPECT_EQ(s.supervisor().attempts().size() + second.attempts().size(), ids.size());
}

// People act while a call is on its way.

// A call of the ended copy has left us; before the API carries it out, somebody pauses or cancels,
// and our own next poll claims that. The late call then meets the newer claim.
struct Race {
    const char* name;
    const char* endpoint;
    bool pause;  // else cancel
    bool pins;   // an API that pins at unstage, as shift-api does
};
void PrintTo(const Race& race, std::ostream* out) {
    *out << race.name;
}

class RaceTest : public ::testing::TestWithParam<Race> {};

TEST_P(RaceTest, TheNewerClaimIsCarriedOut) {
    const Race& race = GetParam();
    ScenarioOptions options;
    // The held call must be answered in time: one that a canceled migration meets after we gave up
    // waiting makes it a failed one, in Rails as here (docs/compat.md).
    options.settings = {{"rest_timeout", std::to_string(stretched(seconds{3}) / seconds{1})}};
    Scenario s(options);
    if (race.pins) {
        s.model().pin_at_unstage();
    }
    Writers::make_table(s.db(), "app", "t", 300);
    const MigrationId id = s.submit({.ddl = kAddColumn});
    s.bring_to_prepared(id);
    s.approve(id);
    const int unstaged = s.api().count("unstage", id);
    s.api().inject(
        {.endpoint = race.endpoint, .wrong = Wrong::kRewrite, .migration = id, .before = [&] {
             if (race.pause) {
                 s.model().pause(id);
             } else {
                 s.model().cancel(id);
             }
             // The run's own unstage is the first; ours for the newer state the second. A
             // supervisor that waits for its call's answer before it claims is right too.
             (void)poll_until([&] { return s.api().count("unstage", id) >= unstaged + 2; },
                              seconds{1});
         }});
    s.start_run(id);
    if (race.pause) {
        s.await("paused", [&] { return s.status(id) == 12; });
        s.await_idle();
        EXPECT_EQ(s.text(id, "run_host"), "");
        s.resume(id);
        s.await_status(id, 4);
        s.rename(id);
        s.await_status(id, 8);
        EXPECT_THAT(s.db().columns("app", "t"), Contains("extra"));
    } else {
        // Also before the copy began nothing was left over: the cancel must have come first.
        s.await("the clean-up is done", [&] {
            return s.status(id) == 9 && !s.model().staged(id) && s.leftovers("app", {"t"}).empty();
        });
        s.await_idle();
        EXPECT_EQ(s.text(id, "run_host"), "");
    }
    EXPECT_EQ(s.leftovers("app", {"t"}), "");
    EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
}
INSTANTIATE_TEST_SUITE_P(
    ApiFaults, RaceTest,
    ::testing::Values(Race{"PauseBeforeTheTransition", "next_step", true, false},
                      Race{"PauseBeforeTheTransitionPinningApi", "next_step", true, true},
                      Race{"PauseBeforeTheStateFile", "write_file", true, false},
                      Race{"PauseBeforeTheStateFilePinningApi", "write_file", true, true},
                      Race{"PauseBeforeTheLog", "append_to_file", true, false},
                      Race{"PauseBeforeTheLogPinningApi", "append_to_file", true, true},
                      Race{"CancelBeforeTheTransition", "next_step", false, false},
                      Race{"CancelBeforeTheTransitionPinningApi", "next_step", false, true},
                      Race{"CancelBeforeTheStateFile", "write_file", false, false},
                      Race{"CancelBeforeTheStateFilePinningApi", "write_file", false, true},
                      Race{"CancelBeforeTheLog", "append_to_file", false, false},
                      Race{"CancelBeforeTheLogPinningApi", "append_to_file", false, true}),
    [](const auto& one) { return std::string(one.param.name); });

// Outages.

TEST(Outage, AtTheStartIsWaitedOut) {
    Scenario s({.start = false});
    s.api().down();
    const MigrationId id = s.submit(create("fresh"));
    s.supervisor().start();
    EXPECT_TRUE(stays_true([&] { return s.supervisor().running(); }, seconds{2}));
    const Json status = s.supervisor().status();
    ASSERT_TRUE(status.is_object());
    EXPECT_FALSE(bool_or(status["api"], "reachable", true));
    s.api().up();
    s.await_status(id, 1);
}

TEST(Outage, InTheMiddleOfACopyDoesNotStopIt) {
    ScenarioOptions options;
    options.chunk_rows = 50;
    options.chunk_pause_s = 0.02;
    Scenario s(options);
    Writers::make_table(s.db(), "app", "t", 2000);
    Writers writers(s.server(), "app", "t");
    CopyGate gate(s);
    writers.start();
    const MigrationId id = s.submit({.ddl = kAddColumn});
    s.bring_to_running(id);
    s.await_copying(id);
    s.api().down();
    gate.open();
    s.await("rows are copied without an API", [&] {
        return s.db().integer("SELECT COUNT(*) FROM app." + quote_name(s.shadow_table(id))) > 1000;
    });
    writers.stop();  // on a slow machine they would make rows faster than they are copied
    s.await("the copy ends without an API", [&] { return s.supervisor().workers().empty(); });
    // Outages of days are normal operation; here the rest of two minutes, or a little in CI.
    EXPECT_TRUE(stays_true([&] { return s.supervisor().running(); }, seconds{sized(3, 120)}));
    EXPECT_EQ(s.model().status(id), 3);
    s.api().up();
    s.await_status(id, 4);
    EXPECT_THAT(s.model().history(id),
                ElementsAre("0>1 next_step", "1>2 approve", "2>3 start", "3>4 next_step"));
    EXPECT_EQ(s.file(id, 0), slurp(s.supervisor().files_dir(id) + "ptosc-output.log"));
    EXPECT_THAT(s.file(id, 1), HasSubstr("orig_tbl: t"));
    s.rename(id);
    s.await_status(id, 8);
    EXPECT_THAT(writers.errors(), IsEmpty());
    EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
}

TEST(Outage, AcrossARestartOfTheSupervisorOwesEverything) {
    ScenarioOptions options;
    options.chunk_rows = 100;
    Scenario s(options);
    Writers::make_table(s.db(), "app", "t", 1000);
    CopyGate gate(s);
    const MigrationId id = s.submit({.ddl = kAddColumn});
    s.bring_to_running(id);
    s.await_copying(id);
    s.api().down();
    gate.open();
    s.await("the copy ends", [&] { return s.supervisor().workers().empty(); });
    s.await("the end is in the journal", [&] {
        return !s.supervisor()
                    .journal_rows("SELECT 1 FROM v_owed WHERE kind = 'next_step'")
                    .empty();
    });
    s.supervisor().kill9();
    s.supervisor().start();
    s.api().up();
    s.await_status(id, 4);
    EXPECT_EQ(s.api().count("next_step", id, true), 2) << "prepare's and the copy's";
    EXPECT_EQ(s.file(id, 0), slurp(s.supervisor().files_dir(id) + "ptosc-output.log"));
}

TEST(Outage, AHangingApiDoesNotHoldUpTheStopFile) {
    ScenarioOptions options;
    options.chunk_rows = 100;
    Scenario s(options);
    Writers::make_table(s.db(), "app", "t", 1000);
    CopyGate gate(s);
    const MigrationId id = s.submit({.ddl = kAddColumn});
    s.bring_to_running(id);
    s.await_copying(id);
    s.api().inject({.endpoint = "", .wrong = Wrong::kHang, .times = -1});
    spit(s.supervisor().stop_file(), "");
    s.await("the copy is stopped", [&] { return s.supervisor().workers().empty(); });
    s.api().clear_faults();
    s.await("the run is offered", [&] { return s.model().staged(id); });
    EXPECT_EQ(s.status(id), 3);
}

// Endless refusals.

// Half a second, and more where everything is slow: far below the timeouts that a daemon which
// waits for the API or the database would show. tests/bench/status_latency.cc has the figures.
TEST(Outage, HangingApiAndDatabaseDoNotHoldUpStatus) {
    ScenarioOptions options;
    options.own_server = true;
    options.settings = {{"rest_timeout", "5"}};
    HeldCopy held(options);
    held.copy();
    Scenario& s = held.s;
    s.api().inject({.wrong = Wrong::kHang, .times = -1});
    const int polls = s.api().count("staged");
    s.await("a call hangs", [&] { return s.api().count("staged") > polls; });
    ::kill(s.server().pid(), SIGSTOP);
    milliseconds best = kDeadline;
    for (int i = 0; i < 20; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        EXPECT_EQ(ctl(s, {"status", std::to_string(held.id)}).status.code, 0);
        best = std::min(best, std::chrono::duration_cast<milliseconds>(
                                  std::chrono::steady_clock::now() - begin));
    }
    EXPECT_LT(best, stretched(milliseconds{500}));
    ::kill(s.server().pid(), SIGCONT);
    s.api().clear_faults();
    held.finish();
}

TEST(Refused, ALogTheApiNeverTakesDoesNotHoldUpTheMigration) {
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 200);
    s.api().inject({.endpoint = "append_to_file",
                    .wrong = Wrong::kAnswer,
                    .times = -1,
                    .status = 500,
                    .body = "<html>too large</html>"});
    const MigrationId id = s.submit({.ddl = kAddColumn});
    s.bring_to_completed(id);
    EXPECT_EQ(Writers::difference(s.db(), "app", "t"), "");
}

TEST(Refused, AnErrorMessageTheApiDoesNotTakeIsCutAndSentAgain) {
    Scenario s;
    Writers::make_table(s.db(), "app", "t", 50);
    // As the original: a message with anything but ASCII is a 500, and the status stays.
    int refused = 0;
    s.api().inject(
        {.endpoint = "fail", .wrong = Wrong::kAnswer, .times = 3, .status = 500, .rewrite = {}});
    const MigrationId id = s.submit({.ddl = "ALTER TABLE t DROP COLUMN `n\xc3\xb6pe`"});
    s.await_status(id, 10);
    for (const ApiCall& call : s.api().calls("fail", id)) {
        refused += call.done ? 0 : 1;
    }
    EXPECT_EQ(refused, 3);
    EXPECT_EQ(s.api().count("fail", id, true), 1);
    EXPECT_NE(s.text(id, "error_message"), "");
}

TEST(Refused, ADeletedMigrationIsForgotten) {
    Scenario s;
    const MigrationId id = s.submit(create("fresh"));
    s.api().inject({.endpoint = "next_step",
                    .wrong = Wrong::kAnswer,
                    .times = -1,
                    .migration = id,
                    .status = 404,
                    .body = "<html>"});
    s.api().inject({.endpoint = "show",
                    .wrong = Wrong::kAnswer,
                    .times = -1,
                    .skip = 2,
                    .migration = id,
                    .status = 404,
                    .body = R"({"status":404,"errors":["Migration not found."]})",
                    .content_type = "application/json"});
    s.await("nothing is owed any more", [&] {
        return s.api().count("unstage", id) > 0 && s.supervisor().workers().empty() &&
               s.supervisor().journal_rows("SELECT 1 FROM v_owed").empty() &&
               s.supervisor().attempts().size() == 1;
    });
    const MigrationId other = s.submit(create("other"));
    s.await_status(other, 1);
}

}  // namespace
}  // namespace shift::testing
