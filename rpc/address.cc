#include "rpc/address.h"

#include <cstring>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/absl_text.h"

namespace kv {
namespace {

constexpr std::string_view kUnix = "unix:";

std::string_view unix_path(std::string_view address) noexcept {
  if (!address.starts_with(kUnix)) return {};
  address.remove_prefix(kUnix.size());
  return address.starts_with("//") ? address.substr(2) : address;  // unix:///absolute is the URI form
}

bool somebody_listens(std::string_view path) noexcept {
  sockaddr_un name{};
  if (path.size() >= sizeof(name.sun_path)) return false;  // too long: the library refuses it
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, path.data(), path.size());
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return false;
  const bool answered = connect(probe, reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0;
  close(probe);
  return answered;
}

}  // namespace

std::string with_port(std::string_view address, int port) {
  if (address.starts_with(kUnix)) return std::string(address);
  return fmt::format("{}:{}", address.substr(0, address.rfind(':')), port);
}

absl::Status check_not_taken(std::string_view address) {
  const std::string_view path = unix_path(address);
  if (path.empty() || !somebody_listens(path)) return absl::OkStatus();
  return absl::UnavailableError(to_absl(fmt::format("cannot listen on {}: another server answers there", address)));
}

}  // namespace kv
