#include "tools/side_files_page.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "persistence/format/log_format.h"
#include "persistence/format/side_files.h"
#include "persistence/format/snapshot_format.h"
#include "tools/file_view.h"
#include "tools/manifest_page.h"

namespace kv::tools {
namespace {

// Lines, each with the place where it begins. What has no line end is none.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}

  std::optional<std::string_view> next() {
    const std::size_t end = text_.find('\n', next_);
    if (end == text_.npos) return std::nullopt;
    begin_ = next_;
    next_ = end + 1;
    return text_.substr(begin_, end - begin_);
  }
  // The first one from here on that begins so, without that.
  std::optional<std::string_view> find(std::string_view beginning) {
    while (const auto line = next()) {
      if (line->starts_with(beginning)) return line->substr(beginning.size());
    }
    return std::nullopt;
  }
  // Of the line that next() gave last; behind all lines, where nothing more is.
  std::size_t offset() const { return begin_; }
  std::size_t end() const { return next_; }

 private:
  const std::string_view text_;
  std::size_t begin_ = 0, next_ = 0;
};

std::optional<FileSetAside> file_of(std::string_view line) {
  const std::size_t blank = line.find(' ');
  if (blank == line.npos) return std::nullopt;
  const std::string_view file = line.substr(0, blank), ending = line.substr(blank + 1);
  if (ending != ".damaged" && ending != ".cut-off") return std::nullopt;
  const std::size_t slash = file.find('/');
  if (slash == file.npos) return std::nullopt;
  const std::string_view folder = file.substr(0, slash), name = file.substr(slash + 1);
  FileSetAside found{std::string(file), fmt::format("{}{}", file, ending)};
  if (folder == kLogFolder) found.segment = segment_number(name);
  if (folder == kSnapshotFolder) found.snapshot = snapshot_format::number_of(name);
  if (!found.segment && !found.snapshot) return std::nullopt;
  return found;
}

}  // namespace

absl::StatusOr<std::vector<FileSetAside>> read_set_aside_page(std::string_view text, const std::string& path) {
  std::vector<FileSetAside> files;
  Lines lines(text);
  while (const auto line = lines.next()) {
    if (*line == "end") return files;
    auto file = file_of(*line);
    if (!file) return damage(path, lines.offset(), "this line names no file of ours and how it is to be kept");
    files.push_back(*std::move(file));
  }
  if (text.substr(lines.end()) == "end") return files;
  return damage(path, lines.end(), "the list has no end");
}

std::optional<std::string> accepted_token(std::string_view name) {
  constexpr std::size_t kDigits = 16;
  const std::string beginning = fmt::format("{}.", kRecoveryReportName);
  if (!name.starts_with(beginning) || name.size() != beginning.size() + kDigits) return std::nullopt;
  name.remove_prefix(beginning.size());
  const bool digits =
      std::all_of(name.begin(), name.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  return digits ? std::optional<std::string>(name) : std::nullopt;
}

absl::StatusOr<AcceptedLoss> read_accepted_loss(std::string_view text, const std::string& path,
                                                const std::string& token, const StoreId& store) {
  AcceptedLoss loss;
  loss.token = token;
  Lines lines(text);
  const auto refuse = [&](std::string_view what) { return damage(path, lines.offset(), what); };
  const auto time = lines.find("recovery report of ");
  if (!time || lines.offset() != 0) return refuse("it does not begin as a recovery report does");
  loss.time = *time;
  const auto of = lines.find("store: ");
  if (!of) return refuse("it does not say of which store it is");
  if (!of->starts_with(hex(store) + ", ")) return refuse("it is of another store");
  const auto accepted = lines.find("verdict: SERVED without what is damaged, as token ");
  if (!accepted) return refuse("it is no report of a start that went on without what was damaged");
  if (*accepted != token + " accepted") return refuse("it is of another token than its name says");
  const auto revision = lines.find("  serve exactly the state of revision ");
  if (!revision) return refuse("it does not say which state was served");
  const char* const end = revision->data() + revision->size();
  if (const auto [behind, failure] = std::from_chars(revision->data(), end, loss.revision);
      failure != std::errc() || behind != end) {
    return refuse("the revision that was served is no number");
  }
  const auto lost = lines.find("  lost: ");
  if (!lost) return refuse("it does not say what was lost");
  loss.lost = *lost;
  return loss;
}

}  // namespace kv::tools
