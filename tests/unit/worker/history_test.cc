#include "worker/history.h"

#include <gtest/gtest.h>

namespace shift {
namespace {

Json intent(const std::string& what, Json fields) {
    fields["event"] = "intent";
    fields["what"] = what;
    return fields;
}

Json fact(const std::string& what, Json fields) {
    fields["event"] = "fact";
    fields["what"] = what;
    return fields;
}

History fold(std::initializer_list<Json> events) {
    return fold_history(Json(Json::array_t(events)));
}

TEST(History, NothingIsNothing) {
    for (const Json& events : {Json(), Json::array(), Json::array({1, "x", Json::object()})}) {
        const History history = fold_history(events);
        EXPECT_TRUE(history.shadows.empty());
        EXPECT_FALSE(history.no_return);
        EXPECT_FALSE(history.ddl);
    }
}

TEST(History, DroppedShadowsAreNoLongerOurs) {
    const Json shadow = {{"db", "d"}, {"table", "_1_t_new"}};
    EXPECT_TRUE(fold({intent("shadow", shadow)}).intended_shadow("d", "_1_t_new"));
    EXPECT_FALSE(fold({intent("shadow", shadow)}).intended_shadow("e", "_1_t_new"));
    EXPECT_FALSE(
        fold({intent("shadow", shadow), fact("dropped", shadow)}).intended_shadow("d", "_1_t_new"));
}

TEST(History, ANewCopyForgetsThatTheLastOneWasDone) {
    const Json shadow = {{"db", "d"}, {"table", "_1_t_new"}};
    EXPECT_TRUE(fold({intent("shadow", shadow), fact("copied", shadow)}).copied);
    EXPECT_FALSE(
        fold({intent("shadow", shadow), fact("copied", shadow), intent("shadow", shadow)}).copied);
}

TEST(History, DdlIsInDoubtUntilAFactSaysMore) {
    const Json sent = intent("ddl", {{"statement", "ALTER"}, {"before_hash", "abc"}});
    const History doubt = fold({sent});
    ASSERT_TRUE(doubt.ddl);
    EXPECT_FALSE(doubt.ddl->happened);
    EXPECT_EQ(doubt.ddl->before_hash, "abc");
    EXPECT_FALSE(fold({sent, fact("ddl", {{"state", "not_done"}})}).ddl);
    EXPECT_TRUE(fold({sent, fact("ddl", {{"state", "done"}})}).ddl->happened);
}

TEST(History, FinalInsertStates) {
    const Json xa = intent("final_insert", {{"xid", "shift-1"}, {"mode", "xa"}});
    const Json plain = intent("final_insert", {{"xid", ""}, {"mode", "plain"}});
    EXPECT_TRUE(fold({plain}).final_insert.plain);
    EXPECT_FALSE(fold({xa}).final_insert.plain);
    EXPECT_TRUE(fold({xa, fact("final_insert", {{"state", "prepared"}})}).final_insert.prepared);
    EXPECT_TRUE(fold({xa, fact("final_insert", {{"state", "committed"}})}).final_insert.done);
    EXPECT_FALSE(
        fold({plain, fact("final_insert", {{"state", "not_done"}})}).final_insert.intended);
}

// An operator's word after an unknown result.
TEST(History, FinalInsertDecidedByAPerson) {
    const Json plain = intent("final_insert", {{"mode", "plain"}});
    EXPECT_TRUE(fold({plain, fact("final_insert", {{"state", "done"}})}).final_insert.done);
    EXPECT_FALSE(
        fold({plain, fact("final_insert", {{"state", "run-again"}})}).final_insert.intended);
}

TEST(History, SessionsKnowTheirServer) {
    const History history = fold({Json{{"event", "connected"},
                                       {"thread_id", 42},
                                       {"server_uuid", "s"},
                                       {"server_started", 1000}}});
    ASSERT_EQ(history.sessions.size(), 1u);
    EXPECT_EQ(history.sessions[0].thread_id, 42u);
    EXPECT_TRUE(is_same_run(history.sessions[0].server, {"s", "", 1001}));
    EXPECT_FALSE(is_same_run(history.sessions[0].server, {"s", "", 1002}));  // restarted
    EXPECT_FALSE(is_same_run(history.sessions[0].server, {"other", "", 1000}));
}

}  // namespace
}  // namespace shift
