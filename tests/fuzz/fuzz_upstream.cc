// Answers of the API: `staged`, `unstage`, and a migration read back.

#include <cstdint>
#include <string_view>

#include "common/check.h"
#include "supervisor/core/claim.h"
#include "supervisor/core/delivery.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace shift;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    ApiAnswer answer;
    answer.status = 200;
    answer.sent = true;
    if (auto body = parse_json(text); body.ok()) {
        answer.body = *std::move(body);
        answer.is_json = true;
    }
    CHECK(!answer.brief().empty(), "an answer can be told");
    (void)judge_unstage(answer, 7, false);
    OwedCall call;
    call.migration = 7;
    call.kind = CallKind::kFail;
    call.body = answer.body;
    (void)judge_delivery(call, answer);
    (void)request_of(call, std::string(text));
    const Json items = answer.body.is_array() ? answer.body : Json::array({answer.body});
    for (const Json& item : items) {
        const auto migration = parse_migration(item);
        if (!migration.ok()) {
            continue;
        }
        if (const auto step = step_of_status(migration->status)) {
            (void)missing_for_step(*migration, *step);
            (void)is_copy(*migration, *step);
        }
        (void)parse_custom_options(migration->custom_options);
        MigrationRecord record;
        record.seen = *migration;
        (void)judge_claim(*migration, "us");
        (void)judge_pin(*migration, record, "us");
        (void)payload_of_claim(record.seen, *migration);
    }
    return 0;
}
