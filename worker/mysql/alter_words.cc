#include "worker/mysql/alter_words.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "common/ddl.h"
#include "common/text.h"

namespace shift {
namespace {

struct Token {
    std::string text;  // upper case for bare words, the plain name for quoted ones
    std::string raw;   // as written, without quotes
    enum class Kind { kWord, kName, kString, kMark } kind = Kind::kWord;
};

bool is_word_char(char c) {
    const auto u = static_cast<unsigned char>(c);
    return std::isalnum(u) != 0 || c == '_' || c == '$' || u >= 0x80;
}

// Reads up to the closing quote; doubled quotes stand for one, backslashes escape in strings.
std::string read_quoted(std::string_view text, std::size_t& at) {
    const char quote = text[at++];
    std::string value;
    while (at < text.size()) {
        const char c = text[at++];
        if (c == '\\' && quote != '`' && at < text.size()) {
            value.push_back(text[at++]);
        } else if (c != quote) {
            value.push_back(c);
        } else if (at < text.size() && text[at] == quote) {
            value.push_back(quote);
            ++at;
        } else {
            break;
        }
    }
    return value;
}

bool skip_comment(std::string_view text, std::size_t& at) {
    const std::string_view rest = text.substr(at);
    if (rest.starts_with("/*")) {
        const std::size_t end = rest.find("*/");
        at += end == std::string_view::npos ? rest.size() : end + 2;
        return true;
    }
    if (rest.starts_with("#") || rest.starts_with("-- ")) {
        const std::size_t end = rest.find('\n');
        at += end == std::string_view::npos ? rest.size() : end + 1;
        return true;
    }
    return false;
}

std::vector<Token> tokens_of(std::string_view text) {
    std::vector<Token> tokens;
    std::size_t at = 0;
    while (at < text.size()) {
        const char c = text[at];
        if (skip_comment(text, at)) {
            continue;
        }
        Token token;
        if (c == '`' || c == '"' || c == '\'') {
            token.kind = c == '`' ? Token::Kind::kName : Token::Kind::kString;
            token.raw = read_quoted(text, at);
            token.text = token.raw;
        } else if (is_word_char(c)) {
            const std::size_t begin = at;
            while (at < text.size() && is_word_char(text[at])) {
                ++at;
            }
            token.raw = std::string(text.substr(begin, at - begin));
            token.text = token.raw;
            for (char& letter : token.text) {
                letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
            }
        } else {
            ++at;
            if (std::isspace(static_cast<unsigned char>(c)) != 0) {
                continue;
            }
            token.kind = Token::Kind::kMark;
            token.text = token.raw = std::string(1, c);
        }
        tokens.push_back(std::move(token));
    }
    return tokens;
}

bool is_word(const std::vector<Token>& tokens, std::size_t at, std::string_view word) {
    return at < tokens.size() && tokens[at].kind == Token::Kind::kWord && tokens[at].text == word;
}

bool is_mark(const std::vector<Token>& tokens, std::size_t at, char mark) {
    return at < tokens.size() && tokens[at].kind == Token::Kind::kMark &&
           tokens[at].text[0] == mark;
}

bool is_name(const std::vector<Token>& tokens, std::size_t at) {
    return at < tokens.size() &&
           (tokens[at].kind == Token::Kind::kWord || tokens[at].kind == Token::Kind::kName);
}

// "(a, b(10) DESC)" from `at`; empty when it is anything else. Prefixes become LEFT(a, 10).
std::vector<std::string> read_key_columns(const std::vector<Token>& tokens, std::size_t at) {
    std::vector<std::string> columns;
    if (!is_mark(tokens, at, '(')) {
        return {};
    }
    for (++at; at < tokens.size();) {
        if (!is_name(tokens, at)) {
            return {};
        }
        std::string column = quote_identifier(tokens[at++].raw);
        if (is_mark(tokens, at, '(') && at + 2 < tokens.size() && is_mark(tokens, at + 2, ')')) {
            column = "LEFT(" + column + ", " + tokens[at + 1].raw + ")";
            at += 3;
        }
        if (is_word(tokens, at, "ASC") || is_word(tokens, at, "DESC")) {
            ++at;
        }
        columns.push_back(std::move(column));
        if (is_mark(tokens, at, ')')) {
            return columns;
        }
        if (!is_mark(tokens, at, ',')) {
            return {};
        }
        ++at;
    }
    return {};
}

// The actions of a specification: what commas outside of parentheses part.
std::vector<std::vector<Token>> actions_of(std::string_view specification) {
    std::vector<std::vector<Token>> actions(1);
    int depth = 0;
    for (Token& token : tokens_of(specification)) {
        const char mark = token.kind == Token::Kind::kMark ? token.text[0] : '\0';
        if (mark == ',' && depth == 0) {
            actions.emplace_back();
            continue;
        }
        depth += mark == '(' ? 1 : mark == ')' ? -1 : 0;
        actions.back().push_back(std::move(token));
    }
    return actions;
}

// Words behind ADD and DROP that make it something else than a column.
bool is_no_column(const std::vector<Token>& tokens, std::size_t at) {
    constexpr std::array<std::string_view, 13> kWords = {
        "INDEX",   "KEY",   "UNIQUE", "PRIMARY",   "FULLTEXT", "SPATIAL", "CONSTRAINT",
        "FOREIGN", "CHECK", "PERIOD", "PARTITION", "SYSTEM",   "VECTOR"};
    return std::any_of(kWords.begin(), kWords.end(),
                       [&](std::string_view word) { return is_word(tokens, at, word); });
}

// Skips COLUMN and IF [NOT] EXISTS; the place of the column's name.
std::size_t skip_to_name(const std::vector<Token>& tokens, std::size_t at) {
    at += is_word(tokens, at, "COLUMN") ? 1 : 0;
    if (is_word(tokens, at, "IF")) {
        at += is_word(tokens, at + 1, "NOT") ? 3 : 2;
    }
    return at;
}

std::string raw_at(const std::vector<Token>& tokens, std::size_t at) {
    return at < tokens.size() && tokens[at].kind != Token::Kind::kMark ? tokens[at].raw : "";
}

void take_added(const std::vector<Token>& action, AlterEffects& effects) {
    const std::size_t at = skip_to_name(action, 1);
    if (!is_mark(action, at, '(')) {
        effects.added.push_back(raw_at(action, at));
        return;
    }
    int depth = 0;  // ADD (a INT, b DECIMAL(3, 2))
    bool at_name = false;
    for (std::size_t i = at; i < action.size(); ++i) {
        const char mark = action[i].kind == Token::Kind::kMark ? action[i].text[0] : '\0';
        if (at_name && mark == '\0' && !is_no_column(action, i)) {
            effects.added.push_back(action[i].raw);
        }
        depth += mark == '(' ? 1 : mark == ')' ? -1 : 0;
        at_name = depth == 1 && (mark == '(' || mark == ',');
    }
}

void take_renamed(std::string from, std::string to, AlterEffects& effects) {
    if (!iequals_ascii(from, to)) {
        effects.renamed.push_back({std::move(from), std::move(to)});
    }
}

std::string row_action(const std::vector<Token>& action) {
    constexpr std::array<std::string_view, 6> kVerbs = {"DROP",    "TRUNCATE", "EXCHANGE",
                                                        "DISCARD", "IMPORT",   "CONVERT"};
    for (const std::string_view verb : kVerbs) {
        if (is_word(action, 0, verb) &&
            (is_word(action, 1, "PARTITION") || is_word(action, 1, "TABLESPACE") ||
             is_word(action, 1, "SYSTEM") || is_word(action, 1, "TABLE"))) {
            return std::string(verb) + " " + action[1].text;
        }
    }
    return is_word(action, 0, "ADD") && is_word(action, 1, "SYSTEM") ? "ADD SYSTEM VERSIONING" : "";
}

}  // namespace

std::vector<std::string> alter_words(std::string_view specification) {
    std::vector<std::string> words;
    for (const Token& token : tokens_of(specification)) {
        if (token.kind == Token::Kind::kWord || token.kind == Token::Kind::kMark) {
            words.push_back(token.text);
        }
    }
    return words;
}

bool adds_unique_key(std::string_view specification) {
    const std::vector<std::string> words = alter_words(specification);
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == "UNIQUE" || (words[i] == "PRIMARY" && (i == 0 || words[i - 1] != "DROP"))) {
            return true;
        }
    }
    return false;
}

bool may_lose_duplicates(std::string_view specification) {
    const std::vector<std::string> words = alter_words(specification);
    return adds_unique_key(specification) ||
           std::any_of(words.begin(), words.end(), [](const std::string& word) {
               return word == "COLLATE" || word == "CONVERT" || word == "CHARSET" ||
                      word == "CHARACTER";
           });
}

bool renames_column(std::string_view specification) {
    const std::vector<std::string> words = alter_words(specification);
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
        if (words[i] == "RENAME" && words[i + 1] == "COLUMN") {
            return true;
        }
    }
    return false;
}

bool renames_table(std::string_view specification) {
    const std::vector<Token> tokens = tokens_of(specification);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        if (is_word(tokens, i, "RENAME") && !is_word(tokens, i + 1, "COLUMN") &&
            !is_word(tokens, i + 1, "INDEX") && !is_word(tokens, i + 1, "KEY")) {
            return true;
        }
    }
    return false;
}

std::vector<std::vector<std::string>> added_unique_keys(std::string_view specification) {
    const std::vector<Token> tokens = tokens_of(specification);
    std::vector<std::vector<std::string>> keys;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        std::size_t at = i;
        if (is_word(tokens, at, "UNIQUE")) {
            ++at;
            if (is_word(tokens, at, "KEY") || is_word(tokens, at, "INDEX")) {
                ++at;
            }
        } else if (is_word(tokens, at, "PRIMARY") && is_word(tokens, at + 1, "KEY") &&
                   (i == 0 || !is_word(tokens, i - 1, "DROP"))) {
            at += 2;
        } else {
            continue;
        }
        if (is_name(tokens, at) && !is_word(tokens, at, "USING")) {
            ++at;  // the key's name
        }
        if (is_word(tokens, at, "USING")) {
            at += 2;
        }
        if (std::vector<std::string> columns = read_key_columns(tokens, at); !columns.empty()) {
            keys.push_back(std::move(columns));
        }
    }
    return keys;
}

AlterEffects alter_effects(std::string_view specification) {
    AlterEffects effects;
    for (const std::vector<Token>& action : actions_of(specification)) {
        if (effects.acts_on_rows.empty()) {
            effects.acts_on_rows = row_action(action);
        }
        if (is_word(action, 0, "ADD") && !is_no_column(action, 1)) {
            take_added(action, effects);
        } else if (is_word(action, 0, "DROP") && !is_no_column(action, 1)) {
            effects.dropped.push_back(raw_at(action, skip_to_name(action, 1)));
        } else if (is_word(action, 0, "CHANGE")) {
            const std::size_t at = skip_to_name(action, 1);
            take_renamed(raw_at(action, at), raw_at(action, at + 1), effects);
        } else if (is_word(action, 0, "RENAME") && is_word(action, 1, "COLUMN")) {
            const std::size_t at = skip_to_name(action, 1);
            take_renamed(raw_at(action, at), raw_at(action, at + 2), effects);
        }
    }
    return effects;
}

}  // namespace shift
