#include "common/state_file.h"

#include <gtest/gtest.h>

namespace shift {
namespace {

StateFile example_state() {
    StateFile state;
    state.step = "copy";
    state.row = {"144251", "it's \"odd\": #x", "caf\xC3\xA9", "", "~", "null"};
    state.mig_tbl = "_t_new";
    state.old_tbl = "";
    state.tbl_progress = 5'000'000'000;
    state.orig_tbl = "t";
    state.db = "shop";
    state.engine = "pt-osc";
    state.migration = 17;
    state.claim = 3;
    state.saved_at = "2026-11-23T18:10:52.123Z";
    state.triggers = {"pt_osc_shop_t_del", "pt_osc_shop_t_upd"};
    state.orig_ddl_hash = "cbf29ce484222325";
    state.orig_life = "id.18";
    state.new_life = "made.1795679654";
    state.server = "8f1-uuid";
    state.verified = "verified 5 rows in 1 ranges, no differences";
    return state;
}

void expect_same(const StateFile& a, const StateFile& b) {
    EXPECT_EQ(a.step, b.step);
    EXPECT_EQ(a.row, b.row);
    EXPECT_EQ(a.mig_tbl, b.mig_tbl);
    EXPECT_EQ(a.old_tbl, b.old_tbl);
    EXPECT_EQ(a.tbl_progress, b.tbl_progress);
    EXPECT_EQ(a.orig_tbl, b.orig_tbl);
    EXPECT_EQ(a.db, b.db);
    EXPECT_EQ(a.engine, b.engine);
    EXPECT_EQ(a.migration, b.migration);
    EXPECT_EQ(a.claim, b.claim);
    EXPECT_EQ(a.saved_at, b.saved_at);
    EXPECT_EQ(a.triggers, b.triggers);
    EXPECT_EQ(a.orig_ddl_hash, b.orig_ddl_hash);
    EXPECT_EQ(a.orig_life, b.orig_life);
    EXPECT_EQ(a.new_life, b.new_life);
    EXPECT_EQ(a.new_ddl_hash, b.new_ddl_hash);
    EXPECT_EQ(a.alter_hash, b.alter_hash);
    EXPECT_EQ(a.server, b.server);
    EXPECT_EQ(a.verified, b.verified);
}

StateFile good_state(const std::string& text) {
    auto state = parse_state_file(text);
    EXPECT_TRUE(state.ok()) << state.error().message;
    return state.ok() ? *state : StateFile{};
}

std::string state_file_error(const std::string& text) {
    const auto state = parse_state_file(text);
    EXPECT_FALSE(state.ok());
    return state.ok() ? "" : state.error().message;
}

const std::string kLeastState = "step: copy\ndb: d\norig_tbl: t\n";

TEST(StateFile, SurvivesItsText) {
    expect_same(good_state(format_state_file(example_state())), example_state());
}

TEST(StateFile, WithoutARowSurvivesToo) {
    StateFile state = example_state();
    state.row.clear();
    state.triggers.clear();
    state.mig_tbl = "Weird Name\n\t\x01\x7F\"\\'`%@!&*[]{}|>";
    expect_same(good_state(format_state_file(state)), state);
}

TEST(StateFile, KeepsEveryByteOfABoundary) {
    StateFile state = example_state();
    std::string bytes;
    for (int i = 0; i < 256; ++i) {
        bytes += static_cast<char>(i);
    }
    state.row = {bytes, std::string(1, '\0'), "\xFF", "\xC2\x85 \xE2\x80\xA8 \xEF\xBB\xBF",
                 "\xF0\x9F\x98\x80"};
    expect_same(good_state(format_state_file(state)), state);
}

TEST(StateFile, HasTheOriginalsKeysFirst) {
    EXPECT_EQ(
        format_state_file(example_state()).rfind("---\nstep: copy\nrow:\n  - \"144251\"\n", 0), 0U);
}

// YAML::Syck writes "key: " with a blank before every nested value.
std::string with_trailing_blanks(std::string text) {
    for (std::size_t at = text.find(":\n"); at != std::string::npos; at = text.find(":\n", at)) {
        text.insert(at + 1, " ");
    }
    return text;
}

// As the patched pt-osc writes it: sorted keys, the whole option parser with perl tags, `~`.
TEST(StateFile, OfTheOriginalIsAccepted) {
    const StateFile state = good_state(with_trailing_blanks(R"(---
db: test
dsn:
  A: ~
  D: test
  F: /etc/my.cnf
  P: 3306
  S: ~
  h: 127.0.0.1
  p: ~
  t: t
  u: ~
mig_tbl: _t_new
old_tbl: ~
options: !!perl/hash:OptionParser
  DSNParser: &1 !!perl/hash:DSNParser
    opts:
      A:
        copy: 1
        desc: Default character set
        dsn: charset
    prop:
      autokey: h
  description: "pt-online-schema-change alters a table's structure."
  groups:
    default: 1
  opt_groups:
    - a
    - !!perl/regexp (?-xism:^x)
  parent: *1
  code: !!perl/code: '{ "DUMMY" }'
  opts:
    alter:
      value: ADD COLUMN c INT
orig_tbl: t
row:
  - 144251
  - 'a b'
step: copy
tbl_progress: 36000
)"));
    EXPECT_EQ(state.db, "test");
    EXPECT_EQ(state.mig_tbl, "_t_new");
    EXPECT_EQ(state.old_tbl, "");
    EXPECT_EQ(state.orig_tbl, "t");
    EXPECT_EQ(state.row, (std::vector<std::string>{"144251", "a b"}));
    EXPECT_EQ(state.step, "copy");
    EXPECT_EQ(state.tbl_progress, 36000);
    EXPECT_EQ(state.claim, 0);
}

TEST(StateFile, BeforeTheCopyHasNoRow) {
    EXPECT_TRUE(good_state(kLeastState + "row: ~\ntbl_progress: ~\n").row.empty());
}

TEST(StateFile, NeedsItsNames) {
    EXPECT_EQ(state_file_error("step: copy\norig_tbl: t\n"), "state file: db is missing");
    EXPECT_EQ(state_file_error("db: d\norig_tbl: t\n"), "state file: step is missing");
    EXPECT_EQ(state_file_error("db: d\nstep: copy\n"), "state file: orig_tbl is missing");
    EXPECT_EQ(state_file_error("db: d\nstep: copy\norig_tbl: ~\n"),
              "state file: orig_tbl is missing");
}

TEST(StateFile, RefusesFieldsOfAWrongShape) {
    for (const char* line :
         {"mig_tbl: [a]\n", "mig_tbl: {a: b}\n", "row: 5\n", "row: {a: b}\n", "row: [[1]]\n",
          "row: [{a: 1}]\n", "tbl_progress: many\n", "claim: 1.5\n", "triggers: x\n",
          "engine: *nowhere\n", "db: twice\n", "row: !!binary x\n", "engine: !!binary '&'\n"}) {
        EXPECT_FALSE(parse_state_file(kLeastState + line).ok()) << line;
    }
}

TEST(StateFile, RefusesWhatIsNoMapping) {
    for (const char* text : {"", "\n", "just words", "- a\n- b\n", "{", "a: b: c", "\x01",
                             "? [a]\n: b\n", "? {a: b}\n: c\n", "%", "--- !!perl/hash:X\n"}) {
        EXPECT_FALSE(parse_state_file(text).ok()) << text;
    }
    EXPECT_FALSE(parse_state_file(std::string(100, '\0')).ok());
}

TEST(StateFile, AliasInAFieldWeUseIsRefused) {
    EXPECT_FALSE(parse_state_file("db: &a d\nstep: copy\norig_tbl: *a\n").ok());
    EXPECT_FALSE(parse_state_file(kLeastState + "x: &a 1\nrow: [*a]\n").ok());
}

TEST(StateFile, AliasBombCostsNothing) {
    std::string bomb = kLeastState + "a0: &a0 [x,x,x,x,x,x,x,x,x]\n";
    for (int i = 1; i < 30; ++i) {
        const std::string before = "*a" + std::to_string(i - 1);
        bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
        for (int j = 0; j < 8; ++j) {
            bomb += "," + before;
        }
        bomb += "]\n";
    }
    EXPECT_EQ(good_state(bomb).db, "d");
}

TEST(StateFile, HasLimits) {
    EXPECT_FALSE(parse_state_file(kLeastState + "x: " + std::string(4 * 1024 * 1024, 'x')).ok());
    EXPECT_FALSE(parse_state_file(kLeastState + "x: " + std::string(10'000, '[')).ok());
    std::string deep = kLeastState + "x: ";
    for (int i = 0; i < 300; ++i) {
        deep += "[";
    }
    for (int i = 0; i < 300; ++i) {
        deep += "]";
    }
    EXPECT_FALSE(parse_state_file(deep + "\n").ok());
}

}  // namespace
}  // namespace shift
