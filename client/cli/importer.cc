#include "client/cli/importer.h"

#include <algorithm>
#include <utility>

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
  result_.place = options_.begin.place;
  result_.level = options_.begin.level;
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
    if (!submit_line(**line, {options_.begin.place.offset + lines.offset(), lines.checksum()})) break;
  }
  settle();
  const std::scoped_lock lock(mutex_);
  return result_;
}

bool Importer::submit_line(const std::string& text, const ImportPlace& end) {
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
    begin_set_(*std::move(request), [this, number](const auto& confirmed) { answered(number, confirmed); });
  } else if (!blank) {
    const std::scoped_lock lock(mutex_);
    refuse_line(number, request.status());
  }
  return true;
}

void Importer::answered(std::uint64_t number, const absl::StatusOr<kvstore::v1::Durability>& confirmed) {
  const std::scoped_lock lock(mutex_);
  Line& line = in_flight_[number - first_number_];
  --unanswered_;
  unanswered_bytes_ -= line.bytes;
  if (!confirmed.ok()) return refuse_line(number, confirmed.status());
  line.ended = line.good = true;
  line.level = *confirmed;
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
    const Line& line = in_flight_.front();
    result_.place = line.end;
    if (line.good) {
      ++result_.entries;
      result_.level = std::min(result_.level, line.level);
    }
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
  ImportState state{.server = options_.begin.server};
  std::uint64_t entries = 0;
  {
    const std::scoped_lock lock(mutex_);
    refusals.swap(refusals_);
    state.place = result_.place;
    state.level = result_.level;
    entries = result_.entries;
  }
  if (!refusals.empty()) progress_.clear();
  for (const auto& [number, error] : refusals) options_.refused(number, error);
  progress_.reach(state.place.offset, entries);
  const auto now = std::chrono::steady_clock::now();
  if (options_.state_path.empty() || (!save_now && now - saved_ < kStateEvery)) return;
  saved_ = now;
  save_state(state);
}

void Importer::save_state(const ImportState& state) {
  absl::Status saved = save_import_state(options_.state_path, options_.file, state);
  if (saved.ok()) return;
  const std::scoped_lock lock(mutex_);
  if (result_.status.ok()) result_.status = std::move(saved);
}

}  // namespace kv
