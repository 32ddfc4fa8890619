#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace shift {

// The bare words of an ALTER specification in upper case; strings, quoted names and comments are
// left out, commas and parentheses are words of their own.
std::vector<std::string> alter_words(std::string_view specification);

// A unique or primary key is added, or a change of character set or collation may make rows equal
// that were not: pt-osc would lose such rows silently (INSERT IGNORE), so rows must be counted.
bool may_lose_duplicates(std::string_view specification);
bool adds_unique_key(std::string_view specification);
// pt-osc below 3.7.1 copies a renamed column as empty, without a word.
bool renames_column(std::string_view specification);
// RENAME [TO|AS] other: pt-osc would rename its copy and lose sight of it.
bool renames_table(std::string_view specification);

// The column lists of the keys in `ADD [CONSTRAINT x] {UNIQUE [KEY|INDEX] [name] | PRIMARY KEY}
// (a, b(10))`, each as it may stand in GROUP BY; keys over anything else are left out.
std::vector<std::vector<std::string>> added_unique_keys(std::string_view specification);

// What a specification does to columns and partitions, by the names as written without quotes.
struct AlterEffects {
    struct Rename {
        std::string from;
        std::string to;
    };
    std::vector<Rename> renamed;       // RENAME COLUMN a TO b, CHANGE a b ...; not CHANGE a a
    std::vector<std::string> dropped;  // columns
    std::vector<std::string> added;    // columns
    // The first action that changes rows or their storage instead of the table's shape: "DROP
    // PARTITION", "EXCHANGE PARTITION", "DISCARD TABLESPACE" ...; "" = none.
    std::string acts_on_rows;
};
AlterEffects alter_effects(std::string_view specification);

}  // namespace shift
