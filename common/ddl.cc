#include "common/ddl.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <initializer_list>
#include <unordered_set>
#include <utility>

// How a statement is read: the lexer splits it (comments and \r are gone then), a recursive descent
// parser walks the tokens, sets the run flags and remembers what must be compared with the target,
// and join() writes the normal form from the same tokens. Functions of the parser answer false when
// the statement is refused; the reason is kept in `error_`, the first one wins.

namespace shift {
namespace {

enum class Kind { kWord, kNumber, kQuotedName, kString, kDoubleQuoted, kSymbol, kEnd };

struct Token {
    Kind kind = Kind::kEnd;
    std::string text;    // as written, quotes and introducer included
    std::string value;   // quotes undone; a word in upper case
    bool gap = false;    // blanks or a comment before it
    bool tight = false;  // no space before it in the normal form, whatever the rules say
};

using Words = std::unordered_set<std::string_view>;

// The blank-separated words of a literal.
Words words(std::string_view list) {
    Words result;
    while (!list.empty()) {
        const std::size_t end = std::min(list.find(' '), list.size());
        result.insert(list.substr(0, end));
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return result;
}

// Words that the server reserves (MySQL 5.6's list): never a name without backticks. Words reserved
// only by later servers are left to the server, which refuses them when the migration is prepared.
const Words& reserved_words() {
    static const Words kWords = words(
        "ACCESSIBLE ADD ALL ALTER ANALYZE AND AS ASC ASENSITIVE BEFORE BETWEEN BIGINT BINARY "
        "BLOB BOTH BY CALL CASCADE CASE CHANGE CHAR CHARACTER CHECK COLLATE COLUMN CONDITION "
        "CONSTRAINT CONTINUE CONVERT CREATE CROSS CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP "
        "CURRENT_USER CURSOR DATABASE DATABASES DAY_HOUR DAY_MICROSECOND DAY_MINUTE "
        "DAY_SECOND DEC DECIMAL DECLARE DEFAULT DELAYED DELETE DESC DESCRIBE DETERMINISTIC "
        "DISTINCT DISTINCTROW DIV DOUBLE DROP DUAL EACH ELSE ELSEIF ENCLOSED ESCAPED EXISTS "
        "EXIT EXPLAIN FALSE FETCH FLOAT FLOAT4 FLOAT8 FOR FORCE FOREIGN FROM FULLTEXT GRANT "
        "GROUP HAVING HIGH_PRIORITY HOUR_MICROSECOND HOUR_MINUTE HOUR_SECOND IF IGNORE IN "
        "INDEX INFILE INNER INOUT INSENSITIVE INSERT INT INT1 INT2 INT3 INT4 INT8 INTEGER "
        "INTERVAL INTO IS ITERATE JOIN KEY KEYS KILL LEADING LEAVE LEFT LIKE LIMIT LINEAR "
        "LINES LOAD LOCALTIME LOCALTIMESTAMP LOCK LONG LONGBLOB LONGTEXT LOOP LOW_PRIORITY "
        "MATCH MAXVALUE MEDIUMBLOB MEDIUMINT MEDIUMTEXT MIDDLEINT MINUTE_MICROSECOND "
        "MINUTE_SECOND MOD MODIFIES NATURAL NOT NO_WRITE_TO_BINLOG NULL NUMERIC ON OPTIMIZE "
        "OPTION OPTIONALLY OR ORDER OUT OUTER OUTFILE PARTITION PRECISION PRIMARY PROCEDURE "
        "PURGE RANGE READ READS READ_WRITE REAL REFERENCES REGEXP RELEASE RENAME REPEAT "
        "REPLACE REQUIRE RESIGNAL RESTRICT RETURN REVOKE RIGHT RLIKE SCHEMA SCHEMAS "
        "SECOND_MICROSECOND SELECT SENSITIVE SEPARATOR SET SHOW SIGNAL SMALLINT SPATIAL "
        "SPECIFIC SQL SQLEXCEPTION SQLSTATE SQLWARNING SQL_BIG_RESULT SQL_CALC_FOUND_ROWS "
        "SQL_SMALL_RESULT SSL STARTING STRAIGHT_JOIN TABLE TERMINATED THEN TINYBLOB TINYINT "
        "TINYTEXT TO TRAILING TRIGGER TRUE UNDO UNION UNIQUE UNLOCK UNSIGNED UPDATE USAGE USE "
        "USING UTC_DATE UTC_TIME UTC_TIMESTAMP VALUES VARBINARY VARCHAR VARCHARACTER VARYING "
        "WHEN WHERE WHILE WITH WRITE XOR YEAR_MONTH ZEROFILL");
    return kWords;
}

const Words& known_types() {
    static const Words kTypes = words(
        "BIT TINYINT SMALLINT MEDIUMINT INT INTEGER BIGINT INT1 INT2 INT3 INT4 INT8 MIDDLEINT "
        "REAL DOUBLE FLOAT FLOAT4 FLOAT8 DECIMAL DEC NUMERIC FIXED DATE TIME TIMESTAMP "
        "DATETIME YEAR CHAR CHARACTER VARCHAR VARCHARACTER NCHAR NVARCHAR NATIONAL BINARY "
        "VARBINARY TINYBLOB BLOB MEDIUMBLOB LONGBLOB TINYTEXT TEXT MEDIUMTEXT LONGTEXT LONG "
        "BOOL BOOLEAN SERIAL JSON UUID INET4 INET6 VECTOR");
    return kTypes;
}

// Functions whose name the server only knows as one when the parenthesis follows without a blank
// (MySQL 8.0 manual, 9.2.5): there a blank is kept out of the normal form. The original put one in
// and so broke every view with a count().
const Words& blank_sensitive_functions() {
    static const Words kFunctions = words(
        "ADDDATE BIT_AND BIT_OR BIT_XOR CAST COUNT CURDATE CURTIME DATE_ADD DATE_SUB EXTRACT "
        "GROUP_CONCAT JSON_ARRAYAGG JSON_OBJECTAGG MAX MID MIN NOW POSITION SESSION_USER STD "
        "STDDEV STDDEV_POP STDDEV_SAMP SUBDATE SUBSTR SUBSTRING SUM SYSDATE SYSTEM_USER TRIM "
        "VARIANCE VAR_POP VAR_SAMP");
    return kFunctions;
}

char upper(char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

std::string upper(std::string_view text) {
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(), [](char c) { return upper(c); });
    return result;
}

bool same_name(std::string_view a, std::string_view b) {
    return upper(a) == upper(b);
}

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\v';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_word_char(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '$' || static_cast<unsigned char>(c) >= 0x80;
}

Error refusal(std::string message) {
    return Error{Errc::kInvalidArgument, std::move(message)};
}

// ---------------------------------------------------------------------------------------------
// Lexer

class Lexer {
  public:
    explicit Lexer(std::string text) : text_(std::move(text)) {}

    // The tokens, the last one kEnd.
    Result<std::vector<Token>> run() {
        std::vector<Token> tokens;
        while (true) {
            const std::size_t before = at_;
            if (!skip_blanks()) {
                return cannot_match();
            }
            Token token;
            token.gap = at_ > before;
            if (at_ >= text_.size()) {
                tokens.push_back(std::move(token));
                return tokens;
            }
            if (!read(token)) {
                return cannot_match();
            }
            if (token.text == "(" && !token.gap && !tokens.empty() &&
                tokens.back().kind == Kind::kWord &&
                blank_sensitive_functions().contains(tokens.back().value)) {
                token.tight = true;
            }
            tokens.push_back(std::move(token));
        }
    }

  private:
    char look(std::size_t ahead = 0) const {
        return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
    }

    // The original's text names everything that is left of the statement, which it had padded with
    // a space.
    Error cannot_match() const {
        constexpr std::size_t kRestBytesMax = 200;
        const std::string rest = text_.substr(at_) + ' ';
        std::string message = fmt::format("can not match: '{}'", rest.substr(0, kRestBytesMax));
        if (look() == ';' && text_.find_first_not_of(" \t\n;", at_) != std::string::npos) {
            message += " (only one statement is supported)";
        } else if (look() == '\'' || look() == '"' || look() == '`') {
            message += " (a quote is not closed)";
        } else if (look() == '/' && look(1) == '*') {
            message += " (a comment is not closed)";
        } else if (look() == '-' && look(1) == '-') {
            message += " (a comment with -- needs a blank after it)";
        }
        return refusal(std::move(message));
    }

    // Blanks and comments; false at a comment without an end. `/*! */` is dropped too, as the
    // original does. `--` before anything but a blank is refused: a comment for the original, two
    // minus signs for the server.
    bool skip_blanks() {
        while (at_ < text_.size()) {
            if (is_blank(look())) {
                ++at_;
            } else if (look() == '/' && look(1) == '*') {
                const std::size_t end = text_.find("*/", at_ + 2);
                if (end == std::string::npos) {
                    return false;
                }
                at_ = end + 2;
            } else if (look() == '-' && look(1) == '-' && at_ + 2 < text_.size() &&
                       !is_blank(look(2))) {
                return false;
            } else if (look() == '#' || (look() == '-' && look(1) == '-')) {
                const std::size_t end = text_.find('\n', at_);
                at_ = end == std::string::npos ? text_.size() : end;
            } else {
                return true;
            }
        }
        return true;
    }

    bool read(Token& token) {
        const char c = look();
        if (c == '`') {
            return read_quoted(token, Kind::kQuotedName, 0);
        }
        if (c == '\'') {
            return read_quoted(token, Kind::kString, 0);
        }
        if (c == '"') {
            return read_quoted(token, Kind::kDoubleQuoted, 0);
        }
        if (is_word_char(c)) {
            return read_word(token);
        }
        return read_symbol(token);
    }

    // A quoted token whose quote is `skip` bytes ahead. A quote is written twice inside; backslash
    // escapes work in strings (the server's default sql_mode), not in names.
    bool read_quoted(Token& token, Kind kind, std::size_t skip) {
        const std::size_t begin = at_;
        std::size_t at = at_ + skip;
        const char quote = text_[at++];
        while (at < text_.size()) {
            const char c = text_[at];
            if (c == '\\' && quote != '`' && at + 1 < text_.size()) {
                token.value += text_[at + 1];
                at += 2;
            } else if (c != quote) {
                token.value += c;
                ++at;
            } else if (at + 1 < text_.size() && text_[at + 1] == quote) {
                token.value += quote;
                at += 2;
            } else {
                token.kind = kind;
                token.text = text_.substr(begin, at + 1 - begin);
                at_ = at + 1;
                return true;
            }
        }
        return false;
    }

    // b'0', x'00', N'text', _utf8mb4'text': one literal, no blank may come between.
    static bool is_introducer(std::string_view word) {
        return word == "B" || word == "X" || word == "N" || (word.size() > 1 && word[0] == '_');
    }

    bool read_word(Token& token) {
        std::size_t length = 0;
        bool digits_only = true;
        while (is_word_char(look(length))) {
            digits_only = digits_only && is_digit(look(length));
            ++length;
        }
        if (digits_only && look(length) == '.' && is_digit(look(length + 1))) {
            ++length;
            while (is_digit(look(length))) {
                ++length;
            }
        }
        const std::string_view word = std::string_view(text_).substr(at_, length);
        if (look(length) == '\'' && is_introducer(upper(word))) {
            return read_quoted(token, Kind::kString, length);
        }
        token.kind = digits_only ? Kind::kNumber : Kind::kWord;
        token.text = word;
        token.value = upper(word);
        at_ += length;
        return true;
    }

    bool read_symbol(Token& token) {
        static constexpr std::array<std::string_view, 14> kLong = {
            "<=>", "->>", "<=", ">=", "<>", "!=", "->", ":=", "||", "&&", "<<", ">>", "@@", "=="};
        token.kind = Kind::kSymbol;
        for (const std::string_view symbol : kLong) {
            if (std::string_view(text_).substr(at_, symbol.size()) == symbol) {
                token.text = token.value = symbol;
                at_ += symbol.size();
                return true;
            }
        }
        if (std::string_view(",=().@-+*/%<>|&^~!:").find(look()) == std::string_view::npos) {
            return false;
        }
        token.text = token.value = std::string(1, look());
        ++at_;
        return true;
    }

    std::string text_;
    std::size_t at_ = 0;
};

Result<std::vector<Token>> lex(std::string_view statement) {
    std::string text;
    text.reserve(statement.size());
    std::copy_if(statement.begin(), statement.end(), std::back_inserter(text),
                 [](char c) { return c != '\r'; });
    return Lexer(std::move(text)).run();
}

bool is_quoted(const Token& token) {
    return token.kind == Kind::kQuotedName || token.kind == Kind::kString ||
           token.kind == Kind::kDoubleQuoted;
}

bool is_symbol(const Token& token, std::string_view symbol) {
    return token.kind == Kind::kSymbol && token.text == symbol;
}

bool wants_blanks(const Token& token) {
    return is_symbol(token, ",") || is_symbol(token, "=") || is_symbol(token, "(") ||
           is_symbol(token, ")");
}

bool blank_between(const Token& left, const Token& right) {
    if (right.tight) {
        return false;
    }
    if (right.gap || wants_blanks(left) || wants_blanks(right)) {
        return true;
    }
    if (is_symbol(right, "@")) {
        return true;  // `root @localhost`, as the original writes it; the server takes it.
    }
    if (is_symbol(left, ".") || is_symbol(right, ".") || is_symbol(left, "@")) {
        return false;
    }
    return is_quoted(left) || is_quoted(right);
}

// The normal form of tokens [from, to).
std::string join(const std::vector<Token>& tokens, std::size_t from, std::size_t to) {
    std::string text;
    for (std::size_t i = from; i < to; ++i) {
        if (i > from && blank_between(tokens[i - 1], tokens[i])) {
            text += ' ';
        }
        text += tokens[i].text;
    }
    return text;
}

// Tokens [from, to) as written, with one blank for any blanks or comment. Of a statement in normal
// form that is the text itself.
std::string as_written(const std::vector<Token>& tokens, std::size_t from, std::size_t to) {
    std::string text;
    for (std::size_t i = from; i < to; ++i) {
        if (i > from && tokens[i].gap) {
            text += ' ';
        }
        text += tokens[i].text;
    }
    return text;
}

// "enum('a','b''c')" -> a, b'c. nullopt when the text is not of that shape.
std::optional<std::vector<std::string>> enum_values(std::string_view type) {
    auto tokens = lex(type);
    if (!tokens.ok() || tokens->size() < 4 || (*tokens)[0].value != "ENUM") {
        return std::nullopt;
    }
    std::vector<std::string> values;
    for (std::size_t i = 2; i + 1 < tokens->size(); i += 2) {
        if ((*tokens)[i].kind != Kind::kString) {
            return std::nullopt;
        }
        values.push_back((*tokens)[i].value);
    }
    return values;
}

// ---------------------------------------------------------------------------------------------
// Parser

struct ColumnDefinition {
    bool not_null = false;
    bool has_default = false;
    bool generated = false;
    std::optional<std::vector<std::string>> enum_values;
};

struct ColumnChange {
    std::string old_name;
    std::string new_name;
    std::optional<std::vector<std::string>> enum_values;  // the new type is an ENUM
    bool only_rename = false;                             // RENAME COLUMN: the type stays
};

class Parser {
  public:
    explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

    bool parse() {
        return statement_head() && statement_body() && (peek().kind == Kind::kEnd || unexpected());
    }
    // Up to and including the name of the table or view.
    bool parse_head() { return statement_head(); }

    Status check(const DdlTarget* target);

    Error take_error() {
        return error_ ? std::move(*error_) : Error{Errc::kInternal, "no reason was kept"};
    }
    ParsedDdl take_result();

    std::string created_as(const TableName& name) const;
    AlterSpecification alter_rest() const;
    const ParsedDdl& result() const { return result_; }

  private:
    // -- tokens
    const Token& peek(std::size_t ahead = 0) const {
        return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
    }
    bool at(std::string_view word) const {
        return peek().kind == Kind::kWord && peek().value == word;
    }
    bool at_symbol(std::string_view symbol) const { return is_symbol(peek(), symbol); }
    bool at_any(std::initializer_list<std::string_view> words) const {
        return std::any_of(words.begin(), words.end(), [this](auto word) { return at(word); });
    }
    bool next_is(std::size_t ahead, std::string_view word) const {
        return peek(ahead).kind == Kind::kWord && peek(ahead).value == word;
    }
    bool accept(std::string_view word) {
        if (!at(word)) {
            return false;
        }
        ++at_;
        return true;
    }
    bool accept_any(std::initializer_list<std::string_view> words) {
        if (!at_any(words)) {
            return false;
        }
        ++at_;
        return true;
    }
    bool accept_symbol(std::string_view symbol) {
        if (!at_symbol(symbol)) {
            return false;
        }
        ++at_;
        return true;
    }
    bool expect(std::string_view word) { return accept(word) || unexpected(); }
    bool expect_any(std::initializer_list<std::string_view> words) {
        return accept_any(words) || unexpected();
    }
    bool expect_symbol(std::string_view symbol) { return accept_symbol(symbol) || unexpected(); }

    bool refuse(std::string message) {
        if (!error_) {
            error_ = refusal(std::move(message));
        }
        return false;
    }
    bool unexpected() {
        const Token& token = peek();
        if (token.kind == Kind::kDoubleQuoted) {
            return refuse("only single quoted string supported");
        }
        if (token.kind == Kind::kEnd) {
            return refuse("parse error on value \"$\" (the statement ends too early)");
        }
        std::string value = is_quoted(token) ? token.text.substr(0, 1) : token.text;
        return refuse(fmt::format("parse error on value \"{}\"", value));
    }

    // -- names and values
    bool at_name() const {
        return peek().kind == Kind::kQuotedName ||
               (peek().kind == Kind::kWord && !reserved_words().contains(peek().value));
    }
    bool name(std::string* result = nullptr) {
        if (!at_name()) {
            return unexpected();
        }
        const bool quoted = peek().kind == Kind::kQuotedName;
        if (quoted && peek().value.empty()) {
            return refuse("empty identifier not supported");
        }
        if (result != nullptr) {
            *result = quoted ? peek().value : peek().text;
        }
        ++at_;
        return true;
    }
    bool table_name(TableName& result) {
        if (!name(&result.name)) {
            return false;
        }
        if (at_symbol(".")) {
            tokens_[at_].tight = true;
            ++at_;
            tokens_[at_].tight = true;
            result.database = std::exchange(result.name, {});
            return name(&result.name);
        }
        return true;
    }
    bool other_table_name() {
        TableName ignored;
        return table_name(ignored);
    }
    bool string(std::string* result = nullptr) {
        if (peek().kind != Kind::kString) {
            return unexpected();
        }
        if (result != nullptr) {
            *result = peek().value;
        }
        ++at_;
        return true;
    }
    bool natural() {
        if (peek().kind != Kind::kNumber || peek().text.find('.') != std::string::npos) {
            return unexpected();
        }
        ++at_;
        return true;
    }
    bool length() { return expect_symbol("(") && natural() && expect_symbol(")"); }
    void accept_equal() { (void)accept_symbol("="); }

    // A parenthesised expression of any kind.
    bool balanced() {
        if (!expect_symbol("(")) {
            return false;
        }
        for (int depth = 1; depth > 0;) {
            if (peek().kind == Kind::kEnd || peek().kind == Kind::kDoubleQuoted) {
                return unexpected();
            }
            depth += at_symbol("(") ? 1 : at_symbol(")") ? -1 : 0;
            ++at_;
        }
        return true;
    }
    bool value();
    template <typename Item>
    bool list(Item item) {
        do {
            if (!item()) {
                return false;
            }
        } while (accept_symbol(","));
        return true;
    }
    template <typename Item>
    bool parenthesised(Item item) {
        return expect_symbol("(") && list(item) && expect_symbol(")");
    }
    bool charset_name() {
        if (at_name() || peek().kind == Kind::kString || at("BINARY") || at("DEFAULT")) {
            ++at_;
            return true;
        }
        return unexpected();
    }
    bool accept_charset_keyword() {
        if (accept("CHARSET")) {
            return true;
        }
        if (at("CHARACTER") && next_is(1, "SET")) {
            at_ += 2;
            return true;
        }
        return false;
    }
    bool at_charset_keyword() const {
        return at("CHARSET") || (at("CHARACTER") && next_is(1, "SET"));
    }
    bool if_exists(bool& flag) {
        if (at("IF") && next_is(1, "EXISTS")) {
            flag = true;
            at_ += 2;
        }
        return true;
    }
    bool if_not_exists(bool& flag) {
        if (!accept("IF")) {
            return true;
        }
        flag = true;
        return expect("NOT") && expect("EXISTS");
    }

    // -- statements
    bool statement_head();
    bool statement_body();
    bool create_head();
    bool view_options();
    bool user();
    bool create_table_body();
    bool create_definition();
    bool select_body();
    bool create_view_body();
    bool drop_body();
    bool partition_by();

    // -- ALTER
    bool alter_body();
    bool alter_tail();
    bool alter_specification();
    bool alter_add();
    bool alter_drop();
    bool alter_column_default();
    bool alter_change();
    bool alter_modify();
    bool alter_rename();
    bool at_partition_command() const;
    bool partition_command();
    bool partition_names_or_all();
    bool partition_definition();
    bool partition_values();
    bool partition_options();

    // -- columns and indexes
    bool added_column();
    bool column_definition(ColumnDefinition& definition);
    bool data_type(ColumnDefinition& definition);
    bool column_attribute(ColumnDefinition& definition, bool& found);
    bool enum_type(ColumnDefinition& definition);
    bool accept_position();
    bool at_index_definition() const;
    bool index_definition();
    bool index_tail();
    bool index_column();

    // -- table options
    bool at_table_option() const;
    bool table_option();
    bool plain_table_option(std::string_view option);

    void be_short() { short_ = true; }
    void be_long() { long_ = true; }

    Status check_columns(const DdlTarget& target);
    Status check_foreign_keys(const DdlTarget& target);
    std::string toggled_statement() const;

    std::vector<Token> tokens_;
    std::size_t at_ = 0;
    std::optional<Error> error_;
    ParsedDdl result_;
    bool short_ = false;
    bool long_ = false;
    bool renames_column_ = false;
    std::vector<ColumnChange> changes_;
    std::vector<std::size_t> dropped_key_tokens_;
    bool several_names_ = false;
    bool online_ = false;
    bool offline_ = false;
    // Token ranges of the head: OR REPLACE, IF NOT EXISTS, the name.
    std::size_t or_replace_at_ = 0;
    std::size_t flag_from_ = 0;
    std::size_t flag_to_ = 0;
    std::size_t name_from_ = 0;
    std::size_t name_to_ = 0;
};

bool Parser::value() {
    if (at_symbol("(")) {
        return balanced();
    }
    if (at_symbol("-") || at_symbol("+")) {
        ++at_;
        if (peek().kind != Kind::kNumber &&
            !(peek().kind == Kind::kWord && is_digit(peek().text[0]))) {
            return unexpected();
        }
    }
    if (peek().kind == Kind::kNumber || peek().kind == Kind::kString ||
        (peek().kind == Kind::kWord && is_digit(peek().text[0]))) {
        ++at_;
        return true;
    }
    if (at_any({"NULL", "TRUE", "FALSE"})) {
        ++at_;
        return true;
    }
    if (accept_any(
            {"CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP", "CURRENT_DATE", "CURRENT_TIME"})) {
        return !at_symbol("(") || balanced();
    }
    if (peek().kind == Kind::kWord && at_name() && is_symbol(peek(1), "(")) {
        ++at_;
        return balanced();  // a function: NOW(), UUID()
    }
    return unexpected();
}

// -- the head of each statement ---------------------------------------------------------------

bool Parser::statement_head() {
    bool head = false;
    if (accept("CREATE")) {
        head = create_head();
    } else if (accept("ALTER")) {
        result_.action = Action::kAlter;
        online_ = accept("ONLINE");
        offline_ = !online_ && accept("OFFLINE");
        result_.ignore = accept("IGNORE");
        head = expect("TABLE") && if_exists(result_.if_exists);
    } else if (accept("DROP")) {
        result_.action = Action::kDrop;
        if (accept("VIEW")) {
            result_.mode = Mode::kView;
            head = true;
        } else {
            result_.temporary = accept("TEMPORARY");
            head = expect("TABLE");
        }
        head = head && if_exists(result_.if_exists);
    } else {
        return unexpected();
    }
    if (!head) {
        return false;
    }
    name_from_ = at_;
    if (!table_name(result_.name)) {
        return false;
    }
    name_to_ = at_;
    return true;
}

bool Parser::create_head() {
    result_.action = Action::kCreate;
    if (accept("OR")) {
        or_replace_at_ = at_ - 1;
        result_.or_replace = true;
        if (!expect("REPLACE")) {
            return false;
        }
    }
    if (!result_.or_replace && at_any({"TEMPORARY", "TABLE"})) {
        result_.temporary = accept("TEMPORARY");
    } else {
        result_.mode = Mode::kView;
        if (!view_options()) {
            return false;
        }
    }
    if (!expect(result_.mode == Mode::kView ? "VIEW" : "TABLE")) {
        return false;
    }
    flag_from_ = at_;
    const bool good = if_not_exists(result_.if_not_exists);
    flag_to_ = at_;
    return good;
}

bool Parser::view_options() {
    if (accept("ALGORITHM")) {
        if (!expect_symbol("=") || !expect_any({"UNDEFINED", "MERGE", "TEMPTABLE"})) {
            return false;
        }
    }
    if (accept("DEFINER")) {
        if (!expect_symbol("=") || !user()) {
            return false;
        }
    }
    if (accept("SQL")) {
        return expect("SECURITY") && expect_any({"DEFINER", "INVOKER"});
    }
    return true;
}

bool Parser::user() {
    if (accept_any({"CURRENT_USER", "CURRENT_ROLE"})) {
        return !accept_symbol("(") || expect_symbol(")");
    }
    if (peek().kind == Kind::kString) {
        ++at_;
    } else if (!name()) {
        return false;
    }
    if (!accept_symbol("@")) {
        return true;
    }
    tokens_[at_].tight = true;
    return peek().kind == Kind::kString ? string() : name();
}

bool Parser::statement_body() {
    switch (result_.action) {
        case Action::kCreate:
            be_short();
            return result_.mode == Mode::kView ? create_view_body() : create_table_body();
        case Action::kDrop:
            be_short();
            return drop_body();
        case Action::kAlter:
            return alter_body();
    }
    return unexpected();
}

// -- CREATE and DROP --------------------------------------------------------------------------

bool Parser::create_view_body() {
    if (at_symbol("(") && !parenthesised([this] { return name(); })) {
        return false;
    }
    if (!expect("AS") || (peek().kind == Kind::kEnd && !unexpected())) {
        return false;
    }
    at_ = tokens_.size() - 1;  // the query itself is the server's business
    return true;
}

bool Parser::select_body() {
    (void)accept_any({"IGNORE", "REPLACE"});
    (void)accept("AS");
    if (at_symbol("(") || at("WITH") || at("SELECT")) {
        at_ = tokens_.size() - 1;
        return true;
    }
    return unexpected();
}

bool Parser::create_table_body() {
    if (accept("LIKE")) {
        return other_table_name();
    }
    if (at_symbol("(") && next_is(1, "LIKE")) {
        at_ += 2;
        return other_table_name() && expect_symbol(")");
    }
    const bool has_definitions = at_symbol("(");
    if (has_definitions && !parenthesised([this] { return create_definition(); })) {
        return false;
    }
    while (at_table_option()) {
        if (!table_option()) {
            return false;
        }
        if (at_symbol(",")) {
            ++at_;
            if (!at_table_option()) {
                return unexpected();
            }
        }
    }
    if (at("PARTITION")) {
        return partition_by();
    }
    if (at_any({"IGNORE", "REPLACE", "AS", "SELECT", "WITH"})) {
        return select_body();
    }
    return has_definitions || unexpected();
}

bool Parser::create_definition() {
    if (at("CHECK")) {
        return refuse("check not supported");
    }
    if (at_index_definition()) {
        return index_definition();
    }
    ColumnDefinition definition;
    return name() && column_definition(definition);
}

bool Parser::partition_by() {
    return expect("PARTITION") && expect("BY") && refuse("partition by not supported");
}

bool Parser::drop_body() {
    while (accept_symbol(",")) {
        several_names_ = true;
        if (!other_table_name()) {
            return false;
        }
    }
    (void)accept_any({"RESTRICT", "CASCADE"});
    if (peek().kind != Kind::kEnd) {
        return unexpected();
    }
    if (several_names_) {
        return refuse(fmt::format("dropping multiple {}s is not supported!",
                                  result_.mode == Mode::kView ? "view" : "table"));
    }
    return true;
}

// -- ALTER ------------------------------------------------------------------------------------

bool Parser::alter_body() {
    if (peek().kind == Kind::kEnd || at_any({"ORDER", "REMOVE"}) ||
        (at("PARTITION") && next_is(1, "BY"))) {
        be_short();
    } else if (at_partition_command()) {
        be_long();
        if (!partition_command()) {
            return false;
        }
    } else if (!list([this] { return alter_specification(); })) {
        return false;
    }
    return alter_tail();
}

bool Parser::alter_tail() {
    if (accept("ORDER")) {
        return expect("BY") && name() && refuse("order by not supported");
    }
    if (at("PARTITION")) {
        return partition_by();
    }
    if (accept("REMOVE")) {
        be_long();
        return expect("PARTITIONING");
    }
    return true;
}

bool Parser::alter_specification() {
    if (accept("ADD")) {
        return alter_add();
    }
    if (accept("DROP")) {
        return alter_drop();
    }
    if (accept("CHANGE")) {
        return alter_change();
    }
    if (accept("MODIFY")) {
        return alter_modify();
    }
    if (accept("RENAME")) {
        return alter_rename();
    }
    be_long();
    if (accept("ALTER")) {
        return alter_column_default();
    }
    if (accept_any({"DISABLE", "ENABLE"})) {
        return expect("KEYS");
    }
    if (accept("CONVERT")) {
        return expect("TO") && (accept_charset_keyword() || unexpected()) && charset_name() &&
               (!accept("COLLATE") || charset_name());
    }
    if (accept("FORCE")) {
        return true;
    }
    if (accept_any({"ALGORITHM", "LOCK"})) {
        accept_equal();
        return accept("DEFAULT") || name();
    }
    if (!at_table_option()) {
        return unexpected();
    }
    while (at_table_option()) {
        if (!table_option()) {
            return false;
        }
    }
    return true;
}

bool Parser::alter_add() {
    be_long();
    if (at_index_definition()) {
        return index_definition();
    }
    if (at("CHECK")) {
        return refuse("check not supported");
    }
    (void)accept("COLUMN");
    if (at_symbol("(")) {
        return parenthesised([this] { return added_column(); });
    }
    bool ignored = false;
    return if_not_exists(ignored) && added_column() && accept_position();
}

bool Parser::added_column() {
    ColumnDefinition definition;
    if (!name() || !column_definition(definition)) {
        return false;
    }
    if (definition.not_null && !definition.has_default && !definition.generated) {
        return refuse("NOT NULL column needs a default value");
    }
    return true;
}

bool Parser::accept_position() {
    if (accept("AFTER")) {
        return name();
    }
    (void)accept("FIRST");
    return true;
}

bool Parser::alter_drop() {
    bool ignored = false;
    if (accept_any({"INDEX", "KEY"})) {
        be_short();
        return if_exists(ignored) && name();
    }
    if (accept("PRIMARY")) {
        return expect("KEY") && refuse("drop primary key not supported");
    }
    if (at("CHECK")) {
        return refuse("check not supported");
    }
    be_long();
    if (accept("FOREIGN")) {
        std::string key;
        if (!expect("KEY") || !if_exists(ignored)) {
            return false;
        }
        dropped_key_tokens_.push_back(at_);
        if (!name(&key)) {
            return false;
        }
        result_.dropped_foreign_keys.push_back(std::move(key));
        return true;
    }
    (void)accept("COLUMN");
    if (!if_exists(ignored) || !name()) {
        return false;
    }
    (void)accept_any({"RESTRICT", "CASCADE"});
    return true;
}

bool Parser::alter_column_default() {
    if (accept_any({"INDEX", "KEY"})) {
        return name() && (accept_any({"VISIBLE", "INVISIBLE", "IGNORED"}) ||
                          (expect("NOT") && expect("IGNORED")));
    }
    (void)accept("COLUMN");
    if (!name()) {
        return false;
    }
    if (accept("DROP")) {
        return expect("DEFAULT");
    }
    if (!expect("SET")) {
        return false;
    }
    return accept_any({"VISIBLE", "INVISIBLE"}) || (expect("DEFAULT") && value());
}

bool Parser::alter_change() {
    (void)accept("COLUMN");
    bool ignored = false;
    ColumnChange change;
    ColumnDefinition definition;
    if (!if_exists(ignored) || !name(&change.old_name) || !name(&change.new_name) ||
        !column_definition(definition) || !accept_position()) {
        return false;
    }
    change.enum_values = std::move(definition.enum_values);
    changes_.push_back(std::move(change));
    return true;
}

bool Parser::alter_modify() {
    (void)accept("COLUMN");
    bool ignored = false;
    ColumnChange change;
    ColumnDefinition definition;
    if (!if_exists(ignored) || !name(&change.old_name) || !column_definition(definition) ||
        !accept_position()) {
        return false;
    }
    change.new_name = change.old_name;
    change.enum_values = std::move(definition.enum_values);
    changes_.push_back(std::move(change));
    return true;
}

bool Parser::alter_rename() {
    if (accept("COLUMN")) {
        ColumnChange change;
        change.only_rename = true;
        if (!name(&change.old_name) || !expect("TO") || !name(&change.new_name)) {
            return false;
        }
        changes_.push_back(std::move(change));
        return true;
    }
    be_long();
    if (accept_any({"INDEX", "KEY"})) {
        return name() && expect("TO") && name();
    }
    (void)accept_any({"TO", "AS"});
    return other_table_name();
}

bool Parser::at_partition_command() const {
    if (at_any({"DISCARD", "IMPORT", "COALESCE", "REORGANIZE", "ANALYZE", "OPTIMIZE", "REBUILD",
                "REPAIR", "TRUNCATE"})) {
        return true;
    }
    return at_any({"ADD", "DROP", "CHECK"}) && next_is(1, "PARTITION");
}

bool Parser::partition_command() {
    if (accept_any({"DISCARD", "IMPORT"})) {
        return expect("TABLESPACE");
    }
    if (accept("ADD")) {
        return expect("PARTITION") && parenthesised([this] { return partition_definition(); });
    }
    if (accept("DROP")) {
        return expect("PARTITION") && list([this] { return name(); });
    }
    if (accept("COALESCE")) {
        return expect("PARTITION") && natural();
    }
    if (accept("REORGANIZE")) {
        if (!expect("PARTITION")) {
            return false;
        }
        return !at_name() || (list([this] { return name(); }) && expect("INTO") &&
                              parenthesised([this] { return partition_definition(); }));
    }
    ++at_;
    return expect("PARTITION") && partition_names_or_all();
}

bool Parser::partition_names_or_all() {
    return accept("ALL") || list([this] { return name(); });
}

bool Parser::partition_definition() {
    if (!expect("PARTITION") || !name()) {
        return false;
    }
    if (accept("VALUES") && !partition_values()) {
        return false;
    }
    if (!partition_options()) {
        return false;
    }
    if (!at_symbol("(")) {
        return true;
    }
    return parenthesised(
        [this] { return expect("SUBPARTITION") && name() && partition_options(); });
}

bool Parser::partition_values() {
    if (accept("IN")) {
        return parenthesised([this] {
            (void)accept_symbol("-");
            return natural();
        });
    }
    if (!expect("LESS") || !expect("THAN")) {
        return false;
    }
    if (accept("MAXVALUE")) {
        return true;
    }
    if (!expect_symbol("(")) {
        return false;
    }
    const bool negative = accept_symbol("-");
    if (peek().kind != Kind::kNumber) {
        return unexpected();
    }
    const std::string number = peek().text;
    ++at_;
    if (!expect_symbol(")")) {
        return false;
    }
    const double amount = std::strtod(number.c_str(), nullptr);
    const std::size_t dot = number.find('.');
    const bool fraction =
        dot != std::string::npos && number.find_first_not_of('0', dot + 1) != std::string::npos;
    if ((negative && amount > 0) || fraction) {
        return refuse("only natural number (>= 0) supported");
    }
    return true;
}

bool Parser::partition_options() {
    while (true) {
        if (at("NODEGROUP")) {
            return refuse("nodegroup not supported");
        }
        if (at("STORAGE") && next_is(1, "ENGINE")) {
            ++at_;
        }
        if (at("TABLESPACE") && is_symbol(peek(1), "=")) {
            at_ += 2;
            if (!name()) {
                return false;
            }
        } else if (at_any({"ENGINE", "COMMENT", "DATA", "INDEX", "MAX_ROWS", "MIN_ROWS",
                           "TABLESPACE"})) {
            if (!table_option()) {
                return false;
            }
        } else {
            return true;
        }
    }
}

// -- columns ----------------------------------------------------------------------------------

bool Parser::column_definition(ColumnDefinition& definition) {
    if (!data_type(definition)) {
        return false;
    }
    for (bool found = true; found;) {
        if (!column_attribute(definition, found)) {
            return false;
        }
    }
    return true;
}

bool Parser::data_type(ColumnDefinition& definition) {
    if (accept("ENUM")) {
        return enum_type(definition);
    }
    if (accept("SET")) {
        return parenthesised([this] { return string(); });
    }
    if (peek().kind != Kind::kWord) {
        return unexpected();
    }
    if (!known_types().contains(peek().value)) {
        return at_name() ? refuse("spatial type not supported") : unexpected();
    }
    const std::string type = peek().value;
    ++at_;
    if (type == "DOUBLE") {
        (void)accept("PRECISION");
    } else if (type == "NATIONAL") {
        if (!expect_any({"CHAR", "CHARACTER", "VARCHAR", "VARCHARACTER"})) {
            return false;
        }
        (void)accept("VARYING");
    } else if (type == "CHAR" || type == "CHARACTER" || type == "NCHAR") {
        (void)accept_any({"VARYING", "VARCHAR"});
    } else if (type == "LONG") {
        (void)accept_any({"VARCHAR", "VARBINARY"});
    }
    if (type == "VARBINARY") {
        return length();
    }
    return !at_symbol("(") || (accept_symbol("(") && natural() &&
                               (!accept_symbol(",") || natural()) && expect_symbol(")"));
}

// ENUM ('a','b'): the one place where the normal form has no blanks around commas.
bool Parser::enum_type(ColumnDefinition& definition) {
    const std::size_t from = at_;
    std::vector<std::string> values;
    const bool good = parenthesised([&] {
        std::string text;
        const bool is_string = string(&text);
        values.push_back(std::move(text));
        return is_string;
    });
    if (!good) {
        return false;
    }
    for (std::size_t i = from + 1; i < at_; ++i) {
        tokens_[i].tight = true;
    }
    definition.enum_values = std::move(values);
    return true;
}

bool Parser::column_attribute(ColumnDefinition& definition, bool& found) {
    found = true;
    if (accept("NOT")) {
        definition.not_null = true;
        return expect("NULL");
    }
    if (accept("DEFAULT")) {
        definition.has_default = true;
        return value();
    }
    if (accept_any({"NULL", "AUTO_INCREMENT", "UNSIGNED", "SIGNED", "ZEROFILL", "BINARY", "ASCII",
                    "UNICODE", "VIRTUAL", "STORED", "PERSISTENT", "INVISIBLE", "VISIBLE", "KEY"})) {
        return true;
    }
    if (accept_any({"UNIQUE", "PRIMARY"})) {
        (void)accept("KEY");
        return true;
    }
    if (accept("COMMENT")) {
        return string();
    }
    if (accept("COLUMN_FORMAT")) {
        return expect_any({"FIXED", "DYNAMIC", "DEFAULT"});
    }
    if (accept("STORAGE")) {
        return expect_any({"DISK", "MEMORY", "DEFAULT"});
    }
    if (accept("ON")) {
        return expect("UPDATE") && value();
    }
    if (accept("COLLATE") || accept_charset_keyword()) {
        accept_equal();
        return charset_name();
    }
    if (accept("GENERATED")) {
        definition.generated = true;
        return expect("ALWAYS") && expect("AS") && balanced();
    }
    if (accept("AS")) {
        definition.generated = true;
        return balanced();
    }
    if (accept("CHECK")) {
        return balanced();
    }
    if (accept("COMPRESSED")) {
        return !accept_symbol("=") || name();
    }
    if (accept("SRID")) {
        return natural();
    }
    if (at("REFERENCES")) {
        return refuse("foreign key not supported");
    }
    found = false;
    return true;
}

// -- indexes ----------------------------------------------------------------------------------

bool Parser::at_index_definition() const {
    return at_any(
        {"INDEX", "KEY", "UNIQUE", "FULLTEXT", "SPATIAL", "PRIMARY", "FOREIGN", "CONSTRAINT"});
}

bool Parser::index_definition() {
    if (accept("CONSTRAINT")) {
        bool ignored = false;
        if (!if_not_exists(ignored) || (at_name() && !name())) {
            return false;
        }
        if (at("CHECK")) {
            return refuse("check not supported");
        }
        if (!at_any({"PRIMARY", "UNIQUE", "FOREIGN"})) {
            return unexpected();
        }
    }
    if (accept("PRIMARY")) {
        if (!expect("KEY")) {
            return false;
        }
    } else if (accept("FOREIGN")) {
        return expect("KEY") && refuse("foreign key not supported");
    } else if (accept("SPATIAL")) {
        return refuse("spatial not supported");
    } else if (accept_any({"UNIQUE", "FULLTEXT"})) {
        (void)accept_any({"INDEX", "KEY"});
    } else {
        ++at_;  // INDEX or KEY
    }
    bool ignored = false;
    if (!if_not_exists(ignored) || (at_name() && !name())) {
        return false;
    }
    return index_tail();
}

bool Parser::index_tail() {
    if (accept("USING") && !expect_any({"BTREE", "HASH", "RTREE"})) {
        return false;
    }
    if (!parenthesised([this] { return index_column(); })) {
        return false;
    }
    while (true) {
        if (accept("USING")) {
            if (!expect_any({"BTREE", "HASH", "RTREE"})) {
                return false;
            }
        } else if (accept("KEY_BLOCK_SIZE")) {
            accept_equal();
            if (!natural()) {
                return false;
            }
        } else if (accept("WITH")) {
            if (!expect("PARSER") || !name()) {
                return false;
            }
        } else if (accept("COMMENT")) {
            if (!string()) {
                return false;
            }
        } else if (accept("NOT")) {
            if (!expect("IGNORED")) {
                return false;
            }
        } else if (!accept_any({"VISIBLE", "INVISIBLE", "IGNORED"})) {
            return true;
        }
    }
}

bool Parser::index_column() {
    if (at_symbol("(")) {
        if (!balanced()) {
            return false;
        }
    } else if (!name() || (at_symbol("(") && !length())) {
        return false;
    }
    (void)accept_any({"ASC", "DESC"});
    return true;
}

// -- table options ----------------------------------------------------------------------------

enum class OptionValue { kNatural, kWord, kText };

std::optional<OptionValue> option_value(std::string_view option) {
    static const Words kNatural = words(
        "AUTO_INCREMENT AVG_ROW_LENGTH MAX_ROWS MIN_ROWS KEY_BLOCK_SIZE "
        "PAGE_COMPRESSION_LEVEL STATS_SAMPLE_PAGES ENCRYPTION_KEY_ID");
    static const Words kWord = words(
        "CHECKSUM DELAY_KEY_WRITE PACK_KEYS ROW_FORMAT ENGINE INSERT_METHOD STATS_PERSISTENT "
        "STATS_AUTO_RECALC PAGE_COMPRESSED PAGE_CHECKSUM TABLE_CHECKSUM TRANSACTIONAL "
        "ENCRYPTED AUTOEXTEND_SIZE");
    static const Words kText = words("COMMENT PASSWORD COMPRESSION ENCRYPTION");
    if (kNatural.contains(option)) {
        return OptionValue::kNatural;
    }
    if (kWord.contains(option)) {
        return OptionValue::kWord;
    }
    if (kText.contains(option)) {
        return OptionValue::kText;
    }
    return std::nullopt;
}

bool Parser::at_table_option() const {
    if (peek().kind != Kind::kWord) {
        return false;
    }
    if (at_any({"CONNECTION", "TABLESPACE", "UNION", "COLLATE"}) || at_charset_keyword() ||
        option_value(peek().value).has_value()) {
        return true;
    }
    if (at_any({"DATA", "INDEX"})) {
        return next_is(1, "DIRECTORY");
    }
    return at("DEFAULT") &&
           (next_is(1, "CHARSET") || next_is(1, "CHARACTER") || next_is(1, "COLLATE"));
}

bool Parser::table_option() {
    (void)accept("DEFAULT");
    if (accept_charset_keyword() || accept("COLLATE")) {
        accept_equal();
        return charset_name();
    }
    if (accept("CONNECTION")) {
        accept_equal();
        return string() && refuse("connection not supported");
    }
    if (accept("TABLESPACE")) {
        accept_equal();
        return name() && (!accept("STORAGE") || expect_any({"DISK", "MEMORY", "DEFAULT"}));
    }
    if (accept("UNION")) {
        accept_equal();
        return parenthesised([this] { return other_table_name(); });
    }
    if (accept_any({"DATA", "INDEX"})) {
        if (!expect("DIRECTORY")) {
            return false;
        }
        accept_equal();
        return string();
    }
    const std::string option = peek().value;
    ++at_;
    accept_equal();
    return plain_table_option(option);
}

bool Parser::plain_table_option(std::string_view option) {
    switch (option_value(option).value_or(OptionValue::kText)) {
        case OptionValue::kNatural:
            return (at("DEFAULT") && accept("DEFAULT")) || natural();
        case OptionValue::kWord:
            if (peek().kind == Kind::kNumber || peek().kind == Kind::kString || at("DEFAULT") ||
                at("ON") || (at_name() && peek().kind == Kind::kWord)) {
                ++at_;
                return true;
            }
            return unexpected();
        case OptionValue::kText:
            return string();
    }
    return unexpected();
}

// -- what the statement means -----------------------------------------------------------------

// What `answer` says, or `fallback` when the target does not know.
template <typename T>
Result<T> known_or(Result<std::optional<T>> answer, T fallback) {
    if (!answer.ok()) {
        return std::move(answer).error();
    }
    return answer->has_value() ? std::move(**answer) : std::move(fallback);
}

Status Parser::check(const DdlTarget* target) {
    static const DdlTargetFacts kNothingKnown;
    const DdlTarget& facts = target == nullptr ? kNothingKnown : *target;
    const bool create = result_.action == Action::kCreate;
    ASSIGN_OR_RETURN(const bool exists,
                     known_or(facts.exists(result_.mode, result_.name), !create));
    if (exists == create) {
        return refusal(fmt::format("{} {}", result_.mode == Mode::kView ? "view" : "table",
                                   create ? "already exists!" : "does not exist!"));
    }
    if (result_.action == Action::kAlter) {
        RETURN_IF_ERROR(check_columns(facts));
    }
    RETURN_IF_ERROR(check_foreign_keys(facts));
    if (result_.action == Action::kAlter) {
        ASSIGN_OR_RETURN(const bool avoids, known_or(facts.avoid_temporal_upgrade(), true));
        long_ = long_ || !avoids;
    }
    return Ok{};
}

// MODIFY, CHANGE and RENAME COLUMN. An ENUM that only grows at its end is a change of metadata, so
// it may run short as long as its values fit into one byte.
Status Parser::check_columns(const DdlTarget& target) {
    constexpr std::size_t kOneByteEnumMax = 255;
    std::optional<std::vector<DdlTarget::Column>> columns;
    if (!changes_.empty()) {
        ASSIGN_OR_RETURN(columns, target.columns(result_.name));
    }
    for (const ColumnChange& change : changes_) {
        const bool renames = change.old_name != change.new_name;
        renames_column_ = renames_column_ || renames;
        if (!change.enum_values) {
            be_long();
        } else if (!columns) {
            be_short();
        }
        if (!columns) {
            continue;
        }
        const auto column = std::find_if(
            columns->begin(), columns->end(),
            [&](const DdlTarget::Column& known) { return same_name(known.name, change.old_name); });
        if (column == columns->end()) {
            return refusal("column not found");
        }
        if (!change.enum_values) {
            continue;
        }
        const std::string_view type = column->type;
        if (!type.starts_with("enum") && !type.starts_with("varchar") && !type.starts_with("set")) {
            return refusal(fmt::format("{} can't be converted to ENUM", change.old_name));
        }
        if (renames) {
            continue;
        }
        const auto old_values = enum_values(type);
        const auto& values = *change.enum_values;
        const bool appends = old_values && old_values->size() <= values.size() &&
                             std::equal(old_values->begin(), old_values->end(), values.begin());
        if (appends && values.size() <= kOneByteEnumMax) {
            be_short();
        } else {
            be_long();
        }
    }
    return Ok{};
}

Status Parser::check_foreign_keys(const DdlTarget& target) {
    ASSIGN_OR_RETURN(const bool referenced, known_or(target.is_referenced(result_.name), false));
    if (referenced) {
        return refusal("table is referenced by foreign keys");
    }
    if (result_.action == Action::kDrop) {
        return Ok{};
    }
    ASSIGN_OR_RETURN(const std::vector<std::string> keys,
                     known_or(target.foreign_keys(result_.name), std::vector<std::string>{}));
    const auto& dropped = result_.dropped_foreign_keys;
    const bool all_dropped = std::all_of(keys.begin(), keys.end(), [&](const std::string& key) {
        return std::any_of(dropped.begin(), dropped.end(),
                           [&](const std::string& name) { return same_name(name, key); });
    });
    if (!all_dropped) {
        return refusal("table has foreign keys which are not all being dropped");
    }
    return Ok{};
}

std::string Parser::toggled_statement() const {
    std::vector<Token> tokens = tokens_;
    for (const std::size_t index : dropped_key_tokens_) {
        std::string& text = tokens[index].text;
        const bool quoted = tokens[index].kind == Kind::kQuotedName;
        const std::size_t begin = quoted ? 1 : 0;
        if (text[begin] != '_') {
            text.insert(begin, 1, '_');
        } else if (tokens[index].value != "_") {
            text.erase(begin, 1);
        }
        // `_set` was a name without backticks, `set` is not.
        const bool number = text.find_first_not_of("0123456789") == std::string::npos;
        if (!quoted && (number || reserved_words().contains(upper(text)))) {
            text = quote_identifier(text);
        }
    }
    return join(tokens, 0, tokens.size() - 1);
}

ParsedDdl Parser::take_result() {
    if (renames_column_) {
        result_.run = DdlRun::kMaybeNoCheckAlter;
    } else if (long_) {
        result_.run = DdlRun::kLong;
    } else if (result_.action != Action::kAlter) {
        result_.run = DdlRun::kShort;
    } else {
        result_.run = DdlRun::kMaybeShort;
    }
    result_.table = result_.name.text();
    result_.statement_as_written = join(tokens_, 0, tokens_.size() - 1);
    result_.statement = toggled_statement();
    return std::move(result_);
}

std::string Parser::created_as(const TableName& name) const {
    std::string head;
    for (std::size_t i = 0; i < name_from_; ++i) {
        const bool or_replace =
            result_.or_replace && (i == or_replace_at_ || i == or_replace_at_ + 1);
        if (or_replace || (i >= flag_from_ && i < flag_to_)) {
            continue;
        }
        if (!head.empty() && blank_between(tokens_[i - 1], tokens_[i])) {
            head += ' ';
        }
        head += tokens_[i].text;
    }
    return fmt::format("{} {} {}", head, name.quoted(),
                       as_written(tokens_, name_to_, tokens_.size() - 1));
}

AlterSpecification Parser::alter_rest() const {
    AlterSpecification result;
    result.name = result_.name;
    result.specification = as_written(tokens_, name_to_, tokens_.size() - 1);
    result.ignore = result_.ignore;
    result.online = online_;
    result.offline = offline_;
    result.if_exists = result_.if_exists;
    return result;
}

}  // namespace

// ---------------------------------------------------------------------------------------------

const char* ddl_run_name(DdlRun run) {
    switch (run) {
        case DdlRun::kUndecided:
            return "undecided";
        case DdlRun::kLong:
            return "long";
        case DdlRun::kShort:
            return "short";
        case DdlRun::kMaybeShort:
            return "maybeshort";
        case DdlRun::kNoCheckAlter:
            return "nocheckalter";
        case DdlRun::kMaybeNoCheckAlter:
            return "maybenocheckalter";
    }
    return "undecided";
}

std::string TableName::text() const {
    return database ? *database + '.' + name : name;
}

std::string TableName::quoted() const {
    return database ? quote_identifier(*database) + '.' + quote_identifier(name)
                    : quote_identifier(name);
}

std::string quote_identifier(std::string_view name) {
    std::string quoted = "`";
    for (const char c : name) {
        quoted.append(c == '`' ? 2 : 1, c);
    }
    quoted += '`';
    return quoted;
}

std::string read_quoted_identifier(std::string_view text, std::size_t& at) {
    std::string name;
    for (++at; at < text.size(); ++at) {
        if (text[at] == '`') {
            if (at + 1 >= text.size() || text[at + 1] != '`') {
                ++at;
                break;
            }
            ++at;
        }
        name.push_back(text[at]);
    }
    return name;
}

std::string qualified_name(std::string_view database, std::string_view name) {
    return quote_identifier(database) + "." + quote_identifier(name);
}

Result<std::optional<bool>> DdlTarget::exists(Mode, const TableName&) const {
    return std::optional<bool>();
}
Result<std::optional<std::vector<DdlTarget::Column>>> DdlTarget::columns(const TableName&) const {
    return std::optional<std::vector<Column>>();
}
Result<std::optional<bool>> DdlTarget::is_referenced(const TableName&) const {
    return std::optional<bool>();
}
Result<std::optional<std::vector<std::string>>> DdlTarget::foreign_keys(const TableName&) const {
    return std::optional<std::vector<std::string>>();
}
Result<std::optional<bool>> DdlTarget::avoid_temporal_upgrade() const {
    return std::optional<bool>();
}

Result<std::optional<bool>> DdlTargetFacts::exists(Mode mode, const TableName&) const {
    return mode == Mode::kView ? view_exists : table_exists;
}
Result<std::optional<std::vector<DdlTarget::Column>>> DdlTargetFacts::columns(
    const TableName&) const {
    return column_list;
}
Result<std::optional<bool>> DdlTargetFacts::is_referenced(const TableName&) const {
    return referenced;
}
Result<std::optional<std::vector<std::string>>> DdlTargetFacts::foreign_keys(
    const TableName&) const {
    return foreign_key_names;
}
Result<std::optional<bool>> DdlTargetFacts::avoid_temporal_upgrade() const {
    return avoids_temporal_upgrade;
}

Result<ParsedDdl> parse_ddl(std::string_view statement, const DdlTarget* target) {
    ASSIGN_OR_RETURN(auto tokens, lex(statement));
    Parser parser(std::move(tokens));
    if (!parser.parse()) {
        return parser.take_error();
    }
    RETURN_IF_ERROR(parser.check(target));
    return parser.take_result();
}

Result<AlterSpecification> alter_specification(std::string_view statement) {
    ASSIGN_OR_RETURN(auto tokens, lex(statement));
    Parser parser(std::move(tokens));
    if (!parser.parse_head()) {
        return parser.take_error();
    }
    if (parser.result().action != Action::kAlter) {
        return refusal("not an ALTER TABLE statement");
    }
    return parser.alter_rest();
}

Result<std::string> with_created_name(std::string_view statement, const TableName& name) {
    ASSIGN_OR_RETURN(auto tokens, lex(statement));
    Parser parser(std::move(tokens));
    if (!parser.parse_head()) {
        return parser.take_error();
    }
    if (parser.result().action != Action::kCreate) {
        return refusal("not a CREATE statement");
    }
    return parser.created_as(name);
}

std::string canonical_ddl(std::string_view statement) {
    const auto tokens = lex(statement);
    return tokens.ok() ? join(*tokens, 0, tokens->size() - 1) : std::string(statement);
}

Result<std::string> toggle_dropped_foreign_keys(std::string_view statement) {
    ASSIGN_OR_RETURN(ParsedDdl parsed, parse_ddl(statement));
    return std::move(parsed.statement);
}

}  // namespace shift
