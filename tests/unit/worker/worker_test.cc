#include "worker/worker.h"

#include <gtest/gtest.h>

#include "tests/unit/worker/mysql_error.h"
#include "worker/steps/steps.h"

namespace shift {
namespace {

Job job(Step step, Runtype runtype = Runtype::kLong) {
    Job job;
    job.step = step;
    job.runtype = runtype;
    job.database = "d";
    return job;
}

TEST(Verdict, TransientTroubleIsTriedAgainInEveryStep) {
    for (const Step step :
         {Step::kPrepare, Step::kRun, Step::kRename, Step::kPause, Step::kCancel}) {
        for (const unsigned native : {2003u, 2013u, 1205u}) {
            EXPECT_EQ(verdict_of_error(mysql_error(native), job(step)).outcome, Outcome::kRetry);
        }
    }
    EXPECT_EQ(verdict_of_error(mysql_error(1205), job(Step::kRename)).reason, "lock_wait");
    EXPECT_EQ(verdict_of_error(Error{Errc::kConflict, "busy", 0}, job(Step::kCancel)).reason,
              "table_busy");
}

TEST(Verdict, LastingTroubleEndsAsTheStepMay) {
    const Error denied = mysql_error(1045);
    EXPECT_EQ(verdict_of_error(denied, job(Step::kPrepare)).outcome, Outcome::kFailed);
    EXPECT_EQ(verdict_of_error(denied, job(Step::kRun)).outcome, Outcome::kError);
    EXPECT_EQ(verdict_of_error(denied, job(Step::kRun, Runtype::kShort)).outcome, Outcome::kFailed);
    for (const Step step : {Step::kRename, Step::kPause, Step::kCancel}) {
        EXPECT_EQ(verdict_of_error(denied, job(step)).outcome, Outcome::kRetry);
    }
}

TEST(Worker, OnlyLongAltersAreCopied) {
    Job given = job(Step::kRun);
    EXPECT_FALSE(is_direct(given));
    given.runtype = Runtype::kNoCheckAlter;
    EXPECT_FALSE(is_direct(given));
    given.runtype = Runtype::kShort;
    EXPECT_TRUE(is_direct(given));
    given = job(Step::kRun);
    given.action = Action::kCreate;
    EXPECT_TRUE(is_direct(given));
}

TEST(Worker, TableComesFromTheStatementThenJobThenState) {
    Job given = job(Step::kCancel);
    EXPECT_EQ(table_of_job(given, std::nullopt), "");
    StateFile state;
    state.db = "d";
    state.orig_tbl = "s";
    EXPECT_EQ(table_of_job(given, state), "s");
    state.db = "other";
    EXPECT_EQ(table_of_job(given, state), "");
    given.table = "d.t";
    EXPECT_EQ(table_of_job(given, state), "t");
    given.ddl_statement = "ALTER TABLE `a.b` ADD x INT";
    EXPECT_EQ(table_of_job(given, state), "a.b");
}

}  // namespace
}  // namespace shift
