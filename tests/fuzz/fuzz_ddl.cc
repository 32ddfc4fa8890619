// A DDL statement, typed by a person.

#include <cstdint>
#include <string_view>

#include "common/check.h"
#include "common/ddl.h"
#include "worker/mysql/alter_words.h"
#include "worker/mysql/lock_holders.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace shift;
    const std::string_view statement(reinterpret_cast<const char*>(data), size);
    const auto parsed = parse_ddl(statement);
    CHECK(parsed.ok() || !parsed.error().message.empty(), "a refusal says why");
    if (parsed.ok()) {
        CHECK(!parsed->name.name.empty(), "a statement is about something");
        CHECK(parse_ddl(parsed->statement).ok(), "the normal form is a statement, too");
    }
    if (const auto alter = alter_specification(statement); alter.ok()) {
        (void)may_lose_duplicates(alter->specification);
        (void)renames_table(alter->specification);
        (void)added_unique_keys(alter->specification);
    }
    constexpr std::size_t kMost = 60;
    CHECK(masked_statement(statement, kMost).size() <= kMost + 3, "cut");
    return 0;
}
