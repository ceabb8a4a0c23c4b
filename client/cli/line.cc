#include "client/cli/line.h"

#include <fmt/format.h>

namespace kv {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

class Reader {
 public:
  explicit Reader(std::string_view line) : line_(line) {}

  absl::StatusOr<std::vector<std::string>> words() {
    std::vector<std::string> words;
    for (skip_blanks(); !at_end(); skip_blanks()) {
      std::string word;
      if (absl::Status read = read_word(word); !read.ok()) return read;
      words.push_back(std::move(word));
    }
    return words;
  }

 private:
  bool at_end() const { return position_ == line_.size(); }
  char peek() const { return line_[position_]; }
  char take() { return line_[position_++]; }

  void skip_blanks() {
    while (!at_end() && is_blank(peek())) ++position_;
  }

  absl::Status refuse(std::size_t position, std::string_view why) const {
    return absl::InvalidArgumentError(fmt::format("column {}: {}", position + 1, why));
  }

  absl::Status read_word(std::string& word) {
    if (peek() == '\'' || peek() == '"') return read_quoted(word);
    while (!at_end() && !is_blank(peek())) {
      const char c = take();
      if (c != '\\') {
        word += c;
      } else if (absl::Status read = read_escape(word); !read.ok()) {
        return read;
      }
    }
    return absl::OkStatus();
  }

  absl::Status read_quoted(std::string& word) {
    const std::size_t start = position_;
    const char quote = take();
    while (!at_end() && peek() != quote) {
      const char c = take();
      if (c != '\\' || quote == '\'') {
        word += c;
      } else if (absl::Status read = read_escape(word); !read.ok()) {
        return read;
      }
    }
    if (at_end()) return refuse(start, "the quote that begins here has no end");
    ++position_;
    if (!at_end() && !is_blank(peek())) return refuse(position_, "a blank must follow the closing quote");
    return absl::OkStatus();
  }

  // The backslash is behind us.
  absl::Status read_escape(std::string& word) {
    const std::size_t start = position_ - 1;
    if (at_end()) return refuse(start, "the line ends in a backslash; write \\\\ for a backslash");
    const char c = take();
    if (c == 'x') return read_hex(start, word);
    if (c == 'n' || c == 'r' || c == 't') {
      word += c == 'n' ? '\n' : c == 'r' ? '\r' : '\t';
      return absl::OkStatus();
    }
    const bool letter_or_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool graphic = c >= ' ' && c < 0x7f;
    if (letter_or_digit || !graphic) {
      return refuse(start, "unknown escape; known are \\n \\r \\t \\xNN, and \\\\ for a backslash");
    }
    word += c;
    return absl::OkStatus();
  }

  absl::Status read_hex(std::size_t start, std::string& word) {
    const int high = at_end() ? -1 : hex_digit(take());
    const int low = high < 0 || at_end() ? -1 : hex_digit(take());
    if (low < 0) return refuse(start, "\\x needs two hexadecimal digits");
    word += static_cast<char>(high * 16 + low);
    return absl::OkStatus();
  }

  const std::string_view line_;
  std::size_t position_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> line_words(std::string_view line) { return Reader(line).words(); }

}  // namespace kv
