#include "client/cli/importer.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "client/cli/answer.h"
#include "client/cli/connection.h"
#include "client/cli/entry_json.h"
#include "core/error.h"

namespace kv {
namespace {

constexpr std::size_t kLinesHeldMax = 65536;     // Blank and wrong ones behind one that is slow.
constexpr std::chrono::milliseconds kSlice{50};  // How long an interruption may go unseen.
constexpr std::chrono::seconds kStateEvery{1};

}  // namespace

Importer::Importer(BeginSet begin_set, ImportOptions options, Progress& progress)
    : begin_set_(std::move(begin_set)), options_(std::move(options)), progress_(progress) {
  result_.offset = options_.offset;
}

ImportResult Importer::run(LineReader& lines) {
  while (wait_until([this] { return unanswered_ < kImportWritesMax && in_flight_.size() < kLinesHeldMax; })) {
    auto line = lines.next();
    if (!line.ok()) {
      const std::scoped_lock lock(mutex_);
      result_.status = line.status();
      break;
    }
    if (!*line) break;
    if (!submit_line(**line, options_.offset + lines.offset())) break;
  }
  settle();
  const std::scoped_lock lock(mutex_);
  return result_;
}

bool Importer::submit_line(const std::string& text, std::uint64_t end) {
  const bool blank = text.find_first_not_of(" \t") == text.npos;
  auto request = blank ? kvstore::v1::SetRequest() : set_request_of(text);
  const bool sets = !blank && request.ok();
  const std::size_t bytes = sets ? request->key().size() + request->value().size() : 0;
  if (!wait_until([&] { return unanswered_ == 0 || unanswered_bytes_ + bytes <= kImportBytesMax; })) return false;
  std::uint64_t number = 0;
  {
    const std::scoped_lock lock(mutex_);
    number = first_number_ + in_flight_.size();
    in_flight_.push_back({.number = number, .bytes = bytes, .end = end, .ended = blank});
    if (sets) {
      unanswered_bytes_ += bytes;
      ++unanswered_;
    }
    if (blank) advance();
  }
  if (sets) {
    begin_set_(*std::move(request), [this, number](const absl::Status& status) { answered(number, status); });
  } else if (!blank) {
    const std::scoped_lock lock(mutex_);
    refuse_line(number, request.status());
  }
  return true;
}

void Importer::answered(std::uint64_t number, const absl::Status& status) {
  const std::scoped_lock lock(mutex_);
  Line& line = in_flight_[number - first_number_];
  --unanswered_;
  unanswered_bytes_ -= line.bytes;
  if (!status.ok()) return refuse_line(number, status);
  line.ended = line.good = true;
  advance();
}

void Importer::refuse_line(std::uint64_t number, const absl::Status& error) {
  // What the server says about this line; all else would meet every other line too.
  const bool of_the_line = error.code() == absl::StatusCode::kInvalidArgument;
  if (of_the_line && options_.keep_going) {
    ++result_.refused;
    refusals_.emplace_back(number, error);
    in_flight_[number - first_number_].ended = true;
    return advance();
  }
  const bool first = result_.status.ok() || (of_the_line && result_.line != 0 && number < result_.line);
  if (first) result_.status = error;
  if (first) result_.line = of_the_line ? number : 0;
  changed_.notify_all();
}

void Importer::advance() {
  while (!in_flight_.empty() && in_flight_.front().ended) {
    result_.offset = in_flight_.front().end;
    if (in_flight_.front().good) ++result_.entries;
    in_flight_.pop_front();
    ++first_number_;
  }
  changed_.notify_all();
}

bool Importer::wait_until(const std::function<bool()>& done) {
  for (;;) {
    const bool interrupted = options_.interrupted && options_.interrupted();
    bool reached = false;
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, kSlice, [&] { return done() || !result_.status.ok(); });
      if (interrupted && result_.status.ok()) {
        result_.status = error_of_peer(absl::StatusCode::kCancelled, kInterruptedWord, "interrupted");
      }
      if (!result_.status.ok()) return false;
      reached = done();
    }
    report(false);
    if (reached) return true;
  }
}

void Importer::settle() {
  // Each write has a deadline, so this has an end.
  for (bool all = false; !all; report(false)) {
    if (options_.interrupted) options_.interrupted();
    std::unique_lock lock(mutex_);
    all = changed_.wait_for(lock, kSlice, [this] { return unanswered_ == 0; });
  }
  report(true);
}

void Importer::report(bool save_now) {
  std::vector<std::pair<std::uint64_t, absl::Status>> refusals;
  std::uint64_t offset = 0;
  std::uint64_t entries = 0;
  {
    const std::scoped_lock lock(mutex_);
    refusals.swap(refusals_);
    offset = result_.offset;
    entries = result_.entries;
  }
  if (!refusals.empty()) progress_.clear();
  for (const auto& [number, error] : refusals) options_.refused(number, error);
  progress_.reach(offset, entries);
  const auto now = std::chrono::steady_clock::now();
  if (options_.state_path.empty() || (!save_now && now - saved_ < kStateEvery)) return;
  saved_ = now;
  save_state(offset);
}

void Importer::save_state(std::uint64_t offset) {
  absl::Status saved = save_import_state(options_.state_path, options_.file, offset);
  if (saved.ok()) return;
  const std::scoped_lock lock(mutex_);
  if (result_.status.ok()) result_.status = std::move(saved);
}

absl::StatusOr<std::uint64_t> load_import_state(const std::string& state_path, const std::string& file) {
  std::ifstream in(state_path);
  if (!in) return std::uint64_t{0};
  std::stringstream text;
  text << in.rdbuf();
  const Json state = Json::parse(text.str(), nullptr, false);
  const bool sound = state.is_object() && state.contains("file") && state["file"].is_string() &&
                     state.contains("offset") && state["offset"].is_number_unsigned();
  if (!sound) return absl::InvalidArgumentError(fmt::format("{} is no state of an import", state_path));
  if (state["file"].get_ref<const std::string&>() != file) {
    return absl::InvalidArgumentError(fmt::format("{} is the state of importing another file: {}", state_path,
                                                  state["file"].get_ref<const std::string&>()));
  }
  return state["offset"].get<std::uint64_t>();
}

absl::Status save_import_state(const std::string& state_path, const std::string& file, std::uint64_t offset) {
  const std::string temporary = state_path + ".new";
  std::ofstream out(temporary, std::ios::trunc);
  out << Json{{"file", file}, {"offset", offset}}.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
  out.close();
  if (!out || std::rename(temporary.c_str(), state_path.c_str()) != 0) {
    return absl::InvalidArgumentError(
        fmt::format("cannot write {}: {}", state_path, std::generic_category().message(errno)));
  }
  return absl::OkStatus();
}

}  // namespace kv
