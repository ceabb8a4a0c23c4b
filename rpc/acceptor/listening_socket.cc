#include "rpc/acceptor/listening_socket.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/absl_text.h"

namespace kv {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr int kBacklog = 4096;      // the kernel takes its own bound where that is lower
constexpr int kTriesForAPort = 16;  // until one is free on all addresses of a name

absl::Status cannot_listen(std::string_view address, std::string_view why) {
  return absl::UnavailableError(to_absl(fmt::format("cannot listen on {}: {}", address, why)));
}
absl::Status cannot_listen(std::string_view address, int error_number) {
  return cannot_listen(address, std::strerror(error_number));
}

void switch_on(int socket, int level, int option, int value = 1) {
  ::setsockopt(socket, level, option, &value, sizeof value);  // What fails here fails bind() or harms nobody.
}

// 0, or the error number.
int bind_and_listen(int socket, const sockaddr* name, socklen_t bytes) {
  return ::bind(socket, name, bytes) == 0 && ::listen(socket, kBacklog) == 0 ? 0 : errno;
}

// ---- Unix sockets -----------------------------------------------------------------------------------------------

std::string_view unix_path(std::string_view address) noexcept {
  address.remove_prefix(kUnix.size());
  return address.starts_with("//") ? address.substr(2) : address;  // unix:///absolute is the URI form
}

bool somebody_answers(const sockaddr_un& name) noexcept {
  const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return probe.valid() && ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
}

void remove_if_socket(const std::string& path) noexcept {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) ::unlink(path.c_str());
}

absl::StatusOr<Listening> listen_on_path(const std::string& address) {
  const std::string path(unix_path(address));
  sockaddr_un name{};
  if (path.size() >= sizeof name.sun_path) return cannot_listen(address, "the path is too long");
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, path.data(), path.size());
  if (somebody_answers(name)) return cannot_listen(address, "another server answers there");
  remove_if_socket(path);
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return cannot_listen(address, errno);
  const int failed = bind_and_listen(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name);
  if (failed != 0) return cannot_listen(address, failed);
  Listening listening{{}, address};
  listening.sockets.emplace_back(std::move(socket), path);
  return listening;
}

// ---- TCP --------------------------------------------------------------------------------------------------------

struct FreeAddresses {
  void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

struct Target {
  std::string host;
  std::string port;
};

Target target_of(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == address.npos) return {address, ""};
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return {host, address.substr(colon + 1)};
}

std::uint16_t port_of(int socket) noexcept {
  sockaddr_storage name{};
  socklen_t bytes = sizeof name;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&name), &bytes) != 0) return 0;
  return ntohs(name.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(name).sin6_port
                                          : reinterpret_cast<const sockaddr_in&>(name).sin_port);
}

void set_port(sockaddr_storage& name, std::uint16_t port) noexcept {
  (name.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(name).sin6_port
                              : reinterpret_cast<sockaddr_in&>(name).sin_port) = htons(port);
}

// 0, or the error number.
int listen_tcp(const addrinfo& at, std::uint16_t port, bool both_families, Descriptor& listening) {
  sockaddr_storage name{};
  std::memcpy(&name, at.ai_addr, at.ai_addrlen);
  if (port != 0) set_port(name, port);
  Descriptor socket(::socket(at.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return errno;
  switch_on(socket.get(), SOL_SOCKET, SO_REUSEADDR);  // a restart does not wait for connections of before
  switch_on(socket.get(), IPPROTO_TCP, TCP_NODELAY);  // connections inherit it
  if (at.ai_family == AF_INET6) switch_on(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, both_families ? 0 : 1);
  const int failed = bind_and_listen(socket.get(), reinterpret_cast<const sockaddr*>(&name), at.ai_addrlen);
  if (failed == 0) listening = std::move(socket);
  return failed;
}

// An address that this machine does not have, or whose family it does not speak.
bool is_foreign(int error_number) { return error_number == EADDRNOTAVAIL || error_number == EAFNOSUPPORT; }

absl::StatusOr<Addresses> resolve(const std::string& address, const Target& target) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int failed = ::getaddrinfo(target.host.c_str(), target.port.c_str(), &hints, &list);
  if (failed == 0) return Addresses(list);
  return cannot_listen(address, failed == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(failed));
}

// All addresses of the list on one port. 0, or the error number of the last that failed.
int listen_tcp_on_all(const addrinfo* list, bool both_families, std::vector<ListeningSocket>& sockets) {
  std::uint16_t port = 0;  // as the list says
  int failed = EADDRNOTAVAIL;
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    Descriptor socket;
    const int error_number = listen_tcp(*at, port, both_families, socket);
    if (error_number != 0) {
      failed = error_number;
      if (!is_foreign(error_number)) return error_number;
      continue;
    }
    port = port_of(socket.get());
    sockets.emplace_back(std::move(socket));
  }
  return sockets.empty() ? failed : 0;
}

absl::StatusOr<std::vector<ListeningSocket>> listen_on_target(const std::string& address, const Target& target) {
  const auto list = resolve(address, target);
  if (!list.ok()) return list.status();
  const bool any_port = target.port == "0";
  for (int tries = 1;; ++tries) {
    std::vector<ListeningSocket> sockets;
    const int failed = listen_tcp_on_all(list->get(), target.host == "::", sockets);
    if (failed == 0) return sockets;
    if (!any_port || failed != EADDRINUSE || tries == kTriesForAPort) return cannot_listen(address, failed);
  }
}

// Kernels without it exist, and so do containers in which it is switched off.
bool speaks_ipv6() noexcept {
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  const Descriptor probe(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return probe.valid() && ::bind(probe.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0;
}

absl::StatusOr<Listening> listen_on_tcp(const std::string& address) {
  Target target = target_of(address);
  if (target.port.empty()) return cannot_listen(address, "it names no port");
  if (target.host == "0.0.0.0" || target.host == "::") target.host = speaks_ipv6() ? "::" : "0.0.0.0";
  auto sockets = listen_on_target(address, target);
  if (!sockets.ok()) return sockets.status();
  const std::string port = std::to_string(port_of(sockets->front().get()));
  return Listening{*std::move(sockets), address.substr(0, address.rfind(':') + 1) + port};
}

}  // namespace

ListeningSocket::~ListeningSocket() {
  if (descriptor_.valid() && !path_.empty()) remove_if_socket(path_);
}

absl::StatusOr<Listening> listen_on(const std::string& address) {
  return address.starts_with(kUnix) ? listen_on_path(address) : listen_on_tcp(address);
}

}  // namespace kv
