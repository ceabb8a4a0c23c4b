// A typed line as words, so that any key and any value can be typed.
//
//   line   = blank* [ word { blank+ word } ] blank*
//   word   = bare | "'" any byte but ' "'" | '"' { byte | escape } '"'
//   bare   = { byte that is no blank | escape }, not beginning with a quote
//   escape = '\' ( n | r | t | xNN | any ASCII character that is neither a letter nor a digit )
//
// A quote has a meaning only where a word begins: a line like  set user {"name":"x"}  stores what it shows, as it
// always did. A closing quote must end its word, so that nothing half quoted is stored as something else.
//
// Threads: free function. Errors: INVALID_ARGUMENT; the message is the line to show, with the column (from 1).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace kv {

absl::StatusOr<std::vector<std::string>> line_words(std::string_view line);

}  // namespace kv
