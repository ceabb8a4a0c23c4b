#include "tools/original_log.h"

#include <algorithm>
#include <cstring>

#include "core/utf8.h"

namespace kv::tools {
namespace {

constexpr std::uint64_t kChunkBytes = 64 << 10;
constexpr std::string_view kSet = "SET ";
constexpr std::string_view kDelete = "DEL ";

bool begins_command(std::string_view line) { return line.starts_with(kSet) || line.starts_with(kDelete); }

void doubt(OriginalLine& line, std::string_view why) {
  if (line.doubt.empty()) line.doubt = why;
}

void judge_set(OriginalLine& line, std::string_view rest) {
  line.kind = OriginalLine::Kind::kSet;
  const std::size_t blank = rest.find(' ');
  if (blank == rest.npos) {
    line.key = rest;
    return doubt(line, "no value: the line is cut short, or the key holds a newline");
  }
  line.key = rest.substr(0, blank);
  line.value = rest.substr(blank + 1);
  if (rest.find(' ', blank + 1) != rest.npos) doubt(line, "several blanks: the key may end at any of them");
}

// Everything behind the word is the key: there is nothing else that a blank could divide.
void judge_delete(OriginalLine& line, std::string_view rest) {
  line.kind = OriginalLine::Kind::kDelete;
  line.key = rest;
}

void judge(OriginalLine& line) {
  const std::string_view text = line.text;
  if (text.starts_with(kSet)) {
    judge_set(line, text.substr(kSet.size()));
  } else if (text.starts_with(kDelete)) {
    judge_delete(line, text.substr(kDelete.size()));
  } else {
    line.usable = false;
    return doubt(line, "no command, and none before it that it could belong to");
  }
  if (const std::string_view why = not_storable(line.key, line.value); !why.empty()) {
    line.usable = false;
    doubt(line, why);
  }
}

}  // namespace

std::string_view not_storable(std::string_view key, std::string_view value) {
  if (key.empty()) return "the key is empty, which no server stores any more";
  if (!is_utf8(key)) return "the key is not UTF-8, which no client can send";
  if (key.size() > kImportKeyBytesMax || key.size() + value.size() > kImportEntryBytesMax) {
    return "larger than any server can be set to take";
  }
  return {};
}

absl::StatusOr<std::optional<OriginalLog::Raw>> OriginalLog::read_raw() {
  if (position_ >= file_.size()) return std::optional<Raw>();
  Raw raw;
  raw.number = ++lines_;
  raw.offset = position_;
  while (position_ < file_.size() && !raw.ended) {
    const auto view = file_.view(position_, kChunkBytes);
    if (!view.ok()) return view.status();
    const std::string_view chunk = as_text(*view);
    const std::size_t end = chunk.find('\n');
    const std::string_view part = chunk.substr(0, end);
    raw.ended = end != chunk.npos;
    position_ += part.size() + (raw.ended ? 1 : 0);
    const std::size_t room = kLineBytesMax - raw.text.size();
    raw.too_long = raw.too_long || part.size() > room;
    raw.text += part.substr(0, room);
  }
  return std::optional<Raw>(std::move(raw));
}

absl::StatusOr<std::optional<OriginalLine>> OriginalLog::next() {
  auto first = ahead_ ? absl::StatusOr<std::optional<Raw>>(std::move(ahead_)) : read_raw();
  ahead_.reset();
  if (!first.ok()) return first.status();
  if (!*first) return std::optional<OriginalLine>();
  Raw raw = **std::move(first);
  OriginalLine line{
      .number = raw.number, .offset = raw.offset, .text = std::move(raw.text), .key = {}, .value = {}, .doubt = {}};
  bool whole = raw.ended, too_long = raw.too_long;
  // Lines that are no commands can only be the rest of the one before.
  while (true) {
    auto more = read_raw();
    if (!more.ok()) return more.status();
    if (!*more) break;
    if (begins_command((*more)->text)) {
      ahead_ = **std::move(more);
      break;
    }
    doubt(line, "what follows is no command: a key or a value with newlines, or a torn line");
    too_long = too_long || (*more)->too_long || line.text.size() + (*more)->text.size() >= kLineBytesMax;
    whole = (*more)->ended;
    if (!too_long) line.text += "\n" + (*more)->text;
  }
  if (!whole) doubt(line, "the file ends in the middle of this line");
  if (too_long) {
    line.usable = false;
    doubt(line, "longer than any entry can be");
    return std::optional<OriginalLine>(std::move(line));
  }
  judge(line);
  return std::optional<OriginalLine>(std::move(line));
}

}  // namespace kv::tools
