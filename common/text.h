#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace shift {

// `text` with every byte that is not valid UTF-8 replaced by U+FFFD. The shift API accepts invalid
// UTF-8 in a file and then answers 500 to every later read of it, so nothing leaves us unclean.
std::string clean_utf8(std::string_view text);

// `text` as the API's error_message takes it: valid UTF-8, no character above U+FFFF (its columns
// are utf8mb3 in strict mode: an emoji would be a 500 and the status would stay), no NUL, at most
// `bytes_max` bytes, cut between characters and marked "..." when cut.
std::string clean_error_message(std::string_view text, std::size_t bytes_max = 60'000);

// Only printable ASCII and newlines; everything else becomes '?'. The last resort for a peer that
// keeps refusing a message.
std::string to_ascii(std::string_view text);

// The longest prefix of at most `bytes_max` bytes that does not cut a UTF-8 character.
std::string_view utf8_prefix(std::string_view text, std::size_t bytes_max);

std::string_view trim(std::string_view text);
std::vector<std::string> split(std::string_view text, char separator);
std::string to_lower_ascii(std::string_view text);
bool iequals_ascii(std::string_view a, std::string_view b);

// The candidate nearest to `word` by edit distance, or "" when none is close enough to suggest.
std::string nearest_word(std::string_view word, const std::vector<std::string>& candidates);

// "3d 04:05:06", "04:05:06"; for people.
std::string format_duration(std::chrono::seconds duration);

// A 64-bit FNV-1a over the bytes as 16 hex digits, for change detection only, never for security.
std::string fingerprint(std::string_view bytes);
// "" for nothing, such as the definition of a table that is not there.
std::string fingerprint_or_none(std::string_view bytes);

}  // namespace shift
