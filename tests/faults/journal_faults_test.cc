// Every write, sync, truncation and creation of the journal's files fails once, and for good; and
// the power goes after each commit. Afterwards the journal opens, is whole, and holds exactly what
// was committed: all of a turn of the loop or nothing of it.

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "supervisor/journal/sqlite_journal.h"
#include "tests/faults/failing_vfs.h"

namespace shift::testing {
namespace {

constexpr int kTurns = 6;

class JournalFaults : public ::testing::Test {
  protected:
    JournalFaults() {
        std::string pattern = ::testing::TempDir() + "faults-XXXXXX";
        EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
    }
    ~JournalFaults() override { std::filesystem::remove_all(folder_); }

    std::string path() const { return folder_ + "/journal.db"; }
    void empty_folder() const {
        for (const auto& file : std::filesystem::directory_iterator(folder_)) {
            std::filesystem::remove(file);
        }
    }

    // One turn of the loop, as the supervisor writes it: everything names the turn.
    static Status turn(SqliteJournal& journal, int number) {
        MigrationRecord migration;
        migration.id = 1;
        migration.seen.id = 1;
        migration.state = ClaimState::kRunning;
        migration.claim = number;
        RETURN_IF_ERROR(journal.put(migration));
        AttemptRecord attempt;
        attempt.id = number;
        attempt.migration = 1;
        RETURN_IF_ERROR(journal.put(attempt));
        OwedCall call;
        call.migration = 1;
        call.claim = number;
        call.body = {{"text", std::string(3000, 'x')}};  // more than a page in all
        RETURN_IF_ERROR(journal.put(call));
        EventRecord event;
        event.migration = 1;
        event.claim = number;
        event.kind = "turn";
        RETURN_IF_ERROR(journal.add(event));
        RETURN_IF_ERROR(journal.put_setting("turn", std::to_string(number)));
        const auto done = journal.commit();
        return done.ok() ? Status(Ok{}) : Status(done.error());
    }

    // Turns until the first failure. The number of the last one that was said to be committed.
    int run_turns() const {
        auto journal = SqliteJournal::open(path());
        if (!journal.ok()) {
            return 0;
        }
        for (int number = 1; number <= kTurns; ++number) {
            if (!turn(**journal, number).ok()) {
                // Sticky: what is on the disk is not known, so nothing more is written.
                EXPECT_FALSE(turn(**journal, 99).ok());
                return number - 1;
            }
        }
        return kTurns;
    }

    // The last turn that is in the journal, whole; -1 and a failed test when it is not whole.
    int turn_on_disk() const {
        const auto journal = SqliteJournal::open(path());
        EXPECT_TRUE(journal.ok()) << (journal.ok() ? "" : journal.error().message);
        if (!journal.ok()) {
            return -1;
        }
        const auto contents = (*journal)->load();
        EXPECT_TRUE(contents.ok());
        if (!contents.ok()) {
            return -1;
        }
        const auto setting = contents->settings.find("turn");
        const int number =
            setting == contents->settings.end() ? 0 : std::stoi(setting->second);
        const auto size = static_cast<std::size_t>(number);
        EXPECT_EQ(contents->migrations.size(), number == 0 ? 0U : 1U);
        if (number > 0 && !contents->migrations.empty()) {
            EXPECT_EQ(contents->migrations[0].claim, number);
        }
        EXPECT_EQ(contents->attempts.size(), size);
        EXPECT_EQ(contents->calls.size(), size);
        const auto events = (*journal)->events(1, 0, 100);
        EXPECT_TRUE(events.ok());
        EXPECT_EQ(events.ok() ? events->size() : 0, size);
        return number;
    }

  private:
    std::string folder_;

  protected:
    const std::string& folder() const { return folder_; }
};

class Failing : public JournalFaults, public ::testing::WithParamInterface<bool> {};

TEST_P(Failing, CallLeavesWhatWasCommitted) {
    const bool for_good = GetParam();
    bool untouched = false;
    int n = 0;
    while (!untouched && !HasFailure()) {
        ++n;
        SCOPED_TRACE("call " + std::to_string(n) + " fails" + (for_good ? " for good" : ""));
        empty_folder();
        FailingVfs vfs;
        vfs.fail_at(n, for_good);
        const int said = run_turns();
        untouched = !vfs.has_failed();
        vfs.heal();
        const int found = turn_on_disk();
        // A COMMIT whose result is an error may have happened; the supervisor folds anew.
        EXPECT_TRUE(found == said || found == said + 1) << "said " << said << ", found " << found;
        if (untouched) {
            EXPECT_EQ(found, kTurns);
        }
    }
    EXPECT_GT(n, 3 * kTurns) << "each turn writes and syncs";
}
INSTANTIATE_TEST_SUITE_P(Journal, Failing, ::testing::Bool(),
                         [](const auto& one) { return one.param ? "ForGood" : "Once"; });

TEST_F(JournalFaults, APowerCutAfterACommitLosesNothing) {
    for (int last = 1; last <= kTurns; ++last) {
        SCOPED_TRACE("power cut after turn " + std::to_string(last));
        empty_folder();
        FailingVfs vfs;
        {
            auto journal = SqliteJournal::open(path());
            ASSERT_TRUE(journal.ok());
            for (int number = 1; number <= last; ++number) {
                ASSERT_TRUE(turn(**journal, number).ok());
            }
            // Begun and not committed.
            MigrationRecord migration;
            migration.id = 1;
            migration.seen.id = 1;
            migration.claim = 77;
            ASSERT_TRUE((*journal)->put(migration).ok());
        }
        vfs.lose_unsynced(folder());
        EXPECT_EQ(turn_on_disk(), last);
    }
}

}  // namespace
}  // namespace shift::testing
