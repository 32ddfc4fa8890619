// The journal's schema of a release after this one, for tests of the upgrade: what is there now and
// one more step. Linked before the product's library, so that its own schema.cc is left out.

#define schema_steps steps_of_this_release
#define journal_version version_of_this_release
#include "supervisor/journal/schema.cc"
#undef schema_steps
#undef journal_version

namespace shift {

int journal_version() {
    return version_of_this_release() + 1;
}

std::vector<SchemaStep> schema_steps(int from) {
    std::vector<SchemaStep> steps = steps_of_this_release(from);
    if (from < journal_version()) {
        steps.push_back({journal_version(),
                         "ALTER TABLE migration ADD COLUMN next_release TEXT NOT NULL DEFAULT ''"});
    }
    return steps;
}

}  // namespace shift
