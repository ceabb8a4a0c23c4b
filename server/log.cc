#include "server/log.h"

#include <algorithm>
#include <atomic>
#include <memory>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "core/printable.h"

namespace kv {
namespace {

std::atomic<bool> as_json{false};

spdlog::level::level_enum level_of(Severity severity) {
  switch (severity) {
    case Severity::kDebug:
      return spdlog::level::debug;
    case Severity::kInfo:
      return spdlog::level::info;
    case Severity::kWarning:
      return spdlog::level::warn;
    case Severity::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

}  // namespace

std::string escaped(std::string_view text, bool json) {
  std::string result;
  result.reserve(text.size() + 8);
  const auto append = [&](std::string_view form, std::uint32_t number) {
    result += fmt::format(fmt::runtime(form), number);
  };
  while (!text.empty()) {
    const Character character = first_character(text);
    const std::string_view bytes = text.substr(0, std::max<std::size_t>(character.size, 1));
    if (is_printable(character)) {
      if (bytes == "\\" || (json && bytes == "\"")) result += '\\';
      result += bytes;
    } else if (json && character.size != 0) {
      append("\\u{:04x}", character.code);
    } else {
      for (const char c : bytes) append(json ? "\\u{:04x}" : "\\x{:02x}", static_cast<unsigned char>(c));
    }
    text.remove_prefix(bytes.size());
  }
  return result;
}

void configure_log(std::string_view level, std::string_view format) {
  as_json = format == "json";
  auto logger = std::make_shared<spdlog::logger>("kvstore", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_level(spdlog::level::from_str(std::string(level)));
  logger->flush_on(spdlog::level::debug);
  logger->set_pattern(
      as_json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","message":"%v"})" : "%Y-%m-%dT%H:%M:%S.%eZ %l %v",
      spdlog::pattern_time_type::utc);
  spdlog::set_default_logger(std::move(logger));
}

void set_log_level(LogLevel level) {
  spdlog::default_logger_raw()->set_level(spdlog::level::from_str(std::string(word(level))));
}

bool logged(Severity severity) { return spdlog::default_logger_raw()->should_log(level_of(severity)); }

void log_line(Severity severity, std::string_view text) {
  spdlog::logger& logger = *spdlog::default_logger_raw();
  const auto level = level_of(severity);
  if (logger.should_log(level)) logger.log(level, "{}", escaped(text, as_json));
}

}  // namespace kv
