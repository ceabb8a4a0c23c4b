// Bytes as text: what may be shown as it is, how the rest is written so that it can be typed again, and base64 for
// JSON.
//
// The written form is the one line_words() reads: "..." with \n \r \t \\ \" and \xNN.
// Threads: free functions, pure.
#pragma once

#include <string>
#include <string_view>

namespace kv {

// UTF-8 without control characters (C0, DEL, C1) and without the characters that turn the writing direction around.
bool is_printable(std::string_view bytes);

// The bytes with everything that is not printable, and the backslash, written as escapes.
std::string escaped(std::string_view bytes);

// One word of a line: as it is when it reads back as itself, else in double quotes.
std::string quoted(std::string_view bytes);

// A value for a person: as it is when that is printable and cannot be taken for an escaped one, else in double quotes.
std::string shown(std::string_view bytes);

// Text from elsewhere (a message of the server) for a terminal: one line, nothing that moves the cursor.
std::string harmless(std::string_view text);

std::string base64(std::string_view bytes);

}  // namespace kv
