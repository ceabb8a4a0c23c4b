// The one logger of the server: lines on standard error, as text or as JSON objects.
//
// What clients and files say may be in a message, so what core/printable.h would not show is escaped in both forms:
// nobody can forge a line, whatever the reader of the log takes for the end of one.
//
// Threads: configure_log() once, before other threads; the rest from any thread.
#pragma once

#include <string>
#include <string_view>

#include <fmt/format.h>

#include "persistence/settings.h"

namespace kv {

enum class Severity { kDebug, kInfo, kWarning, kError };

// `level` and `format` are words of the table of settings.
void configure_log(std::string_view level, std::string_view format);
// While the server runs. After configure_log().
void set_log_level(LogLevel level);

// Whether such a line would be written: for what costs something to put into words.
bool logged(Severity severity);
void log_line(Severity severity, std::string_view text);

template <class... Arguments>
void log_debug(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  if (logged(Severity::kDebug)) log_line(Severity::kDebug, fmt::format(format, std::forward<Arguments>(arguments)...));
}
template <class... Arguments>
void log_info(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  log_line(Severity::kInfo, fmt::format(format, std::forward<Arguments>(arguments)...));
}
template <class... Arguments>
void log_warning(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  log_line(Severity::kWarning, fmt::format(format, std::forward<Arguments>(arguments)...));
}
template <class... Arguments>
void log_error(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  log_line(Severity::kError, fmt::format(format, std::forward<Arguments>(arguments)...));
}

// One line's text with backslashes, bytes that are not UTF-8 and characters that are not printable escaped: byte by
// byte in text, by their code in JSON, where quotes are escaped too.
std::string escaped(std::string_view text, bool json);

}  // namespace kv
