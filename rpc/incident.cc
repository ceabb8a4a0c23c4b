#include "rpc/incident.h"

#include <cstdint>
#include <cstdio>
#include <exception>
#include <mutex>
#include <random>

#include <fmt/format.h>

#include "core/error.h"

namespace kv {
namespace {

void to_standard_error(const std::string& text) { fmt::print(stderr, "{}\n", text); }

std::function<void(const std::string&)>& log_function() {
  static std::function<void(const std::string&)> log = to_standard_error;
  return log;
}

std::string number() {
  static std::mutex mutex;
  static std::mt19937_64 random(std::random_device{}());
  const std::lock_guard lock(mutex);
  return fmt::format("{:016x}", random());
}

std::string current_exception_text() {
  try {
    throw;
  } catch (const std::exception& failed) {
    return failed.what();
  } catch (...) {
    return "an exception of no known type";
  }
}

}  // namespace

void set_incident_log(std::function<void(const std::string&)> log) {
  log_function() = log ? std::move(log) : to_standard_error;
}

absl::Status incident(std::string_view method) noexcept {
  try {
    const std::string id = number();
    log_function()(fmt::format("incident {} in {}: {}", id, method, current_exception_text()));
    return error(
        Reason::kInternal,
        fmt::format("incident {}: a bug of the server, its log says more; what the call had done is not known", id),
        {{"incident", id}});
  } catch (...) {  // Not even memory for that.
    return absl::InternalError("");
  }
}

absl::Status request_too_large_now() noexcept {
  try {
    return error(Reason::kMemoryLimit, "there is no memory to read the request, nothing was begun");
  } catch (...) {
    return absl::ResourceExhaustedError("");
  }
}

}  // namespace kv
