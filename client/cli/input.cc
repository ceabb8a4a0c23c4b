#include "client/cli/input.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "client/cli/connection.h"
#include "client/cli/signals.h"
#include "core/absl_text.h"
#include "core/error.h"

namespace kv {
namespace {

constexpr std::size_t kChunkBytes = 64 << 10;

absl::Status system_error(std::string_view what, int number) {
  return absl::InvalidArgumentError(fmt::format("{}: {}", what, std::generic_category().message(number)));
}

// Appends what one read brings; 0 at the end.
absl::StatusOr<std::size_t> read_some(int descriptor, std::string& buffer) {
  while (!wait_readable(descriptor)) {
    if (was_interrupted()) return error_of_peer(absl::StatusCode::kCancelled, kInterruptedWord, "interrupted");
  }
  const std::size_t before = buffer.size();
  buffer.resize(before + kChunkBytes);
  const ssize_t count = ::read(descriptor, buffer.data() + before, kChunkBytes);
  buffer.resize(before + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  if (count < 0) return system_error("cannot read the input", errno);
  return static_cast<std::size_t>(count);
}

absl::StatusOr<std::string> read_all(int descriptor) {
  std::string bytes;
  for (;;) {
    const auto count = read_some(descriptor, bytes);
    if (!count.ok()) return count.status();
    if (*count == 0) return bytes;
    if (bytes.size() > kInputBytesMax) {
      return absl::ResourceExhaustedError(fmt::format("the input is larger than {} bytes", kInputBytesMax));
    }
  }
}

}  // namespace

absl::StatusOr<std::string> value_of_word(std::string_view word) {
  if (word == "-") return read_all(STDIN_FILENO);
  if (word.empty() || word.front() != '@') return std::string(word);
  const std::string path(word.substr(1));
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return system_error(path, errno);
  absl::StatusOr<std::string> bytes = read_all(descriptor);
  ::close(descriptor);
  return bytes;
}

std::optional<std::string> LineReader::cut_line() {
  const std::size_t end = buffer_.find('\n', searched_);
  if (end == buffer_.npos && (!ended_ || begin_ == buffer_.size())) {
    searched_ = buffer_.size();
    return std::nullopt;
  }
  const std::size_t stop = end == buffer_.npos ? buffer_.size() : end;
  std::string line = buffer_.substr(begin_, stop - begin_);
  if (!line.empty() && line.back() == '\r') line.pop_back();
  const std::size_t next = end == buffer_.npos ? stop : end + 1;
  offset_ += next - begin_;
  checksum_.update(as_bytes(std::string_view(buffer_).substr(begin_, next - begin_)));
  begin_ = searched_ = next;
  ++line_number_;
  return line;
}

absl::StatusOr<std::optional<std::string>> LineReader::next() {
  for (;;) {
    if (auto line = cut_line()) return line;
    if (ended_) return std::optional<std::string>();
    buffer_.erase(0, begin_);
    searched_ -= begin_;
    begin_ = 0;
    const auto count = read_some(descriptor_, buffer_);
    if (!count.ok()) return count.status();
    if (*count == 0) ended_ = true;
    if (buffer_.size() > kInputBytesMax) {
      return absl::ResourceExhaustedError(
          fmt::format("line {} is longer than {} bytes", line_number_ + 1, kInputBytesMax));
    }
  }
}

}  // namespace kv
