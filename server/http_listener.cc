#include "server/http_listener.h"

#include <array>
#include <chrono>
#include <future>

#include <CivetServer.h>
#include <fmt/format.h>

#include "server/version.h"

namespace kv {
namespace {

// The library gives each connection a thread from its first byte to its last, a silent one too. A thread that waits
// costs next to nothing, so there are many, and none waits long: as many silent connections as there are threads cost
// nobody anything, twice as many a second, and so on. Descriptors for all of them are reserved (descriptor_limit.cc).
constexpr const char* kThreads = "32";
constexpr const char* kWaiting = "16";  // accepted, and without a thread yet
// For the whole head of a request, for each step of its answer, and at most for so long a silent one delays a stop.
constexpr const char* kPatienceMs = "1000";

struct Page {
  int status = 200;
  std::string_view type = "text/plain; charset=utf-8";
  std::string body;
};

std::string_view reason_phrase(int status) { return status == 200 ? "OK" : "Service Unavailable"; }

class PageHandler final : public CivetHandler {
 public:
  explicit PageHandler(std::function<Page()> make) : make_(std::move(make)) {}

  bool handleGet(CivetServer*, mg_connection* connection) override { return answer(connection, true); }
  bool handleHead(CivetServer*, mg_connection* connection) override { return answer(connection, false); }

 private:
  bool answer(mg_connection* connection, bool with_body) {
    const Page page = make_();
    std::string text = fmt::format(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: "
        "close\r\n\r\n",
        page.status, reason_phrase(page.status), page.type, page.body.size());
    if (with_body) text += page.body;
    mg_write(connection, text.data(), text.size());
    return true;
  }

  std::function<Page()> make_;
};

}  // namespace

// Handlers first: the server's threads use them, and members are destroyed in reverse.
struct HttpListener::Server {
  Server(const std::string& address, HttpPages pages)
      : metrics([make = std::move(pages.metrics)] {
          return Page{200, "text/plain; version=0.0.4", make()};
        }),
        live([] { return Page{.body = "alive\n"}; }),
        ready([is_ready = std::move(pages.ready)] {
          return is_ready() ? Page{.body = "ready\n"} : Page{.status = 503, .body = "not ready\n"};
        }),
        version([] { return Page{.body = fmt::format("kvstore_server {}\n", kVersion)}; }),
        civet(std::vector<std::string>{"listening_ports", address, "num_threads", kThreads, "connection_queue",
                                       kWaiting, "request_timeout_ms", kPatienceMs, "enable_directory_listing", "no"}) {
    civet.addHandler("/metrics$", metrics);
    civet.addHandler("/livez$", live);
    civet.addHandler("/readyz$", ready);
    civet.addHandler("/version$", version);
  }

  PageHandler metrics;
  PageHandler live;
  PageHandler ready;
  PageHandler version;
  CivetServer civet;
};

HttpListener::HttpListener(std::unique_ptr<Server> server, std::string host) noexcept
    : server_(std::move(server)), host_(std::move(host)) {}

// The library's listening thread looks for the end of its server once in two seconds, or when somebody connects.
HttpListener::~HttpListener() {
  constexpr std::chrono::milliseconds kBetweenKnocks{5};
  const int at = port();
  const auto closed = std::async(std::launch::async, [this] { server_->civet.close(); });
  while (closed.wait_for(kBetweenKnocks) != std::future_status::ready) {
    std::array<char, 64> why{};
    // Refused once it is closed, which is what this waits for.
    if (mg_connection* knock = mg_connect_client(host_.c_str(), at, 0, why.data(), why.size())) {
      mg_close_connection(knock);
    }
  }
}

absl::StatusOr<std::unique_ptr<HttpListener>> HttpListener::open(const std::string& address, HttpPages pages) {
  try {
    auto server = std::make_unique<Server>(address, std::move(pages));
    const std::string host = address.substr(0, address.rfind(':'));
    return std::unique_ptr<HttpListener>(new HttpListener(std::move(server), host == "0.0.0.0" ? "127.0.0.1" : host));
  } catch (const CivetException& failed) {
    return absl::UnavailableError(fmt::format("cannot listen on {} for HTTP: {}", address, failed.what()));
  }
}

int HttpListener::port() const noexcept {
  const std::vector<int> ports = server_->civet.getListeningPorts();
  return ports.empty() ? 0 : ports.front();
}

}  // namespace kv
