#include "persistence/manifest_keeper.h"

#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/error.h"
#include "persistence/segment_writer.h"

namespace kv {

ManifestKeeper::ManifestKeeper(FileSystem& fs, Clock& clock, std::string directory, Manifest current)
    : fs_(fs),
      clock_(clock),
      directory_(std::move(directory)),
      current_(std::make_shared<const Manifest>(std::move(current))) {}

std::shared_ptr<const Manifest> ManifestKeeper::get() const {
  std::lock_guard lock(mutex_);
  return current_;
}

absl::Status ManifestKeeper::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

bool ManifestKeeper::in_doubt() const {
  std::lock_guard lock(mutex_);
  return in_doubt_;
}

absl::Status ManifestKeeper::update(const std::function<void(Manifest&)>& change) {
  std::lock_guard turn(writing_);
  if (absl::Status failed = failure(); !failed.ok()) return failed;
  Manifest next = *get();
  change(next);
  ++next.generation;
  next.clock = clock_.now();

  // A text that no start would accept must never replace one that it does: our bug then stays an error of this call.
  const std::string text = to_text(next);
  if (const auto parsed = parse_manifest(text, "MANIFEST"); !parsed.ok()) {
    return error(Reason::kInternal, fmt::format("not written: {}", message_of(parsed.status())));
  }

  Left left = Left::kOld;
  const absl::Status replaced = replace(text, left);
  if (replaced.ok()) {
    std::lock_guard lock(mutex_);
    current_ = std::make_shared<const Manifest>(std::move(next));
    return replaced;
  }
  if (left == Left::kOld) return replaced;
  fail(replaced, left);
  return for_good(replaced);
}

absl::Status ManifestKeeper::replace(const std::string& text, Left& left) {
  const std::string path = fmt::format("{}/{}", directory_, kManifestName);
  const std::string temporary = path + ".tmp";
  const auto left_over = fs_.exists(temporary);
  if (!left_over.ok()) return left_over.status();
  if (*left_over) {
    if (absl::Status removed = fs_.remove(temporary); !removed.ok()) return removed;
  }
  auto file = fs_.create(temporary);
  if (!file.ok()) return file.status();
  if (absl::Status written = write_all_at(**file, as_bytes(text), 0); !written.ok()) return written;
  left = Left::kOldForGood;
  if (absl::Status synced = (*file)->sync(); !synced.ok()) return synced;
  left = Left::kEither;
  if (absl::Status renamed = fs_.rename(temporary, path); !renamed.ok()) return renamed;
  file->reset();  // A descriptor for what follows.
  return sync_names(fs_, directory_);
}

void ManifestKeeper::fail(const absl::Status& why, Left left) {
  {
    std::lock_guard lock(mutex_);
    in_doubt_ = left == Left::kEither;
    failure_ =
        error(Reason::kWritesSuspended, fmt::format("MANIFEST is in doubt until a restart: {}", message_of(why)));
  }
  if (tell_failure_) tell_failure_(why);
}

}  // namespace kv
