// A client that says exactly what it is told, also what no library would say: calls on a bare HTTP/2 connection.
// Source: RFC 9113 (frames), RFC 7541 section 6.2.2 (literal fields), gRPC's HTTP/2 protocol page.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace kv {

class Http2Client {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  explicit Http2Client(const std::string& address);  // 127.0.0.1:PORT
  Http2Client(const Http2Client&) = delete;
  Http2Client& operator=(const Http2Client&) = delete;
  ~Http2Client();

  // `body` as it goes into the DATA frame; none at all when `send_body` is false.
  void add(const std::string& path, const Fields& fields, const std::string& body, bool send_body = true);
  // Sends all that was added in one write, so that it is read at once; returns when every stream has ended.
  void run();
  // Sends so many PING frames in one write.
  void ping(int count);
  // Reads until one of them is answered.
  void wait_for_pong();
  // Reads what still comes, answers nothing: true when the server has closed the connection by then.
  bool cut_off_within(std::chrono::milliseconds patience);

 private:
  struct Frame {
    int type;
    int flags;
  };

  void add_frame(int type, int flags, int stream, const std::string& payload);
  void flush();
  std::string read_exactly(std::size_t bytes);
  Frame read_frame();

  int socket_;
  std::string out_;
  int next_stream_ = 1;
  int open_streams_ = 0;
};

}  // namespace kv
