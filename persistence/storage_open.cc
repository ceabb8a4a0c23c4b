#include <algorithm>

#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/error.h"
#include "persistence/setting_names.h"
#include "persistence/storage_impl.h"
#include "persistence/store_id_text.h"

namespace kv {
namespace {

// How far the ceiling is raised at once: rarely a MANIFEST write, and no number lost that would ever be missed.
constexpr Revision kCeilingStep = 1 << 24;

absl::Status with_exit(absl::Status status) {
  if (status.ok() || facts_of(status).count("exit") != 0) return status;
  const bool settings = has_reason(status, Reason::kConfigInvalid);
  const bool damaged = status.code() == absl::StatusCode::kDataLoss;
  return with_fact(std::move(status), "exit", settings ? "2" : damaged ? "3" : "1");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Storage>> Storage::open(FileSystem& fs, Clock& clock, Store& store,
                                                       StorageOptions options, LoadProgress& progress) {
  auto storage = std::make_unique<StorageImpl>(fs, clock, store, std::move(options));
  if (absl::Status opened = storage->open(progress); !opened.ok()) return with_exit(std::move(opened));
  return storage;
}

absl::Status StorageImpl::open(LoadProgress& progress) {
  auto directory = DataDirectory::open(core_.fs, core_.options.directory);
  if (!directory.ok()) return directory.status();
  core_.directory = *std::move(directory);
  const auto listing = core_.directory->list();
  if (!listing.ok()) return listing.status();
  auto manifest = read_or_make_manifest(*listing);
  if (!manifest.ok()) return manifest.status();
  return load(*listing, *std::move(manifest), progress);
}

absl::StatusOr<Manifest> StorageImpl::read_or_make_manifest(const DirectoryListing& listing) {
  const std::string path = fmt::format("{}/{}", core_.directory->path(), kManifestName);
  if (listing.manifest) {
    const auto text = read_file(core_.fs, path, kManifestBytesMax);
    if (!text.ok()) return text.status();
    return parse_manifest(*text, path);
  }
  // Never a fresh start over somebody's data.
  if (listing.has_data()) {
    return error(Reason::kChecksum, fmt::format("{} is missing, but there are data files beside it", path),
                 {{"file", path}});
  }
  Manifest fresh;
  fresh.store_id = random_store_id();
  fresh.clean = true;
  report_.fresh = true;
  return fresh;
}

absl::StatusOr<ResolvedSettings> StorageImpl::resolve(Manifest& manifest) {
  auto resolved = resolve_settings(manifest.settings, core_.options.startup, core_.options.settings_rule);
  if (!resolved.ok()) return resolved;
  if (report_.fresh) manifest.mode = resolved->settings.mode;
  decisions_ = resolved->decisions;
  return resolved;
}

absl::Status StorageImpl::load(const DirectoryListing& listing, Manifest manifest, LoadProgress& progress) {
  const auto resolved = resolve(manifest);
  if (!resolved.ok()) return resolved.status();
  const MonotonicTime began = core_.clock.monotonic();
  const RecoveryContext context{core_.fs, core_.clock,      core_.store, *core_.directory, core_.options.load_threads,
                                progress, core_.options.log};
  const bool fresh = report_.fresh;
  auto recovered = recover(context, manifest, listing);
  if (!recovered.ok()) return recovered.status();
  report_ = recovered->report;
  report_.fresh = fresh;
  core_.clock.start_no_lower_than(recovered->clock);

  // After a stop that was not clean, numbers above what was loaded may have been shown to somebody.
  const Revision last_revision =
      manifest.clean ? std::max(recovered->revision, manifest.last_revision) : manifest.revision_ceiling;
  Manifest& next = recovered->manifest;
  next.settings = resolved->stored;
  if (values_differ(manifest.settings, next.settings)) raise_config_version(next.settings);
  first_verified_ = next.snapshots.empty() ? next.next_snapshot : next.snapshots.back().number;
  if (next.mode_switch && resolved->mode_edited) next.mode_switch.reset();  // The newer edit wins.
  if (next.mode_switch) {
    unfinished_ = next.mode_switch->next ? *next.mode_switch->next : next.mode_switch->change;
  } else if (resolved->settings.mode != next.mode) {
    unfinished_ = SettingTexts{{"mode", std::string(word(resolved->settings.mode))}};
  }
  Settings in_force = resolved->settings;
  in_force.mode = next.mode;
  core_.adopt(in_force);

  // Until here nothing but new files; with this write the past is as it was loaded, and the stop is not clean any more.
  core_.keeper = std::make_unique<ManifestKeeper>(core_.fs, core_.clock, core_.directory->path(), next);
  const absl::Status named = core_.keeper->update([&](Manifest& m) {
    m.clean = false;
    m.last_revision = 0;
    m.revision_ceiling = std::max(m.revision_ceiling, last_revision + kCeilingStep);
  });
  if (!named.ok()) return named;
  if (absl::Status tidied = tidy(*recovered); !tidied.ok()) return tidied;
  if (absl::Status started = start_journal(*recovered, last_revision); !started.ok()) return started;
  report_.duration = std::chrono::duration_cast<std::chrono::milliseconds>(core_.clock.monotonic() - began);
  start_threads(*recovered);
  return absl::OkStatus();
}

absl::Status StorageImpl::tidy(const Recovered& recovered) {
  // A damaged snapshot is kept for whoever wants to know why, under a name that is no data file's.
  for (const std::string& path : recovered.damaged) {
    const absl::StatusOr<bool> there = core_.fs.exists(path);
    if (!there.ok() || !*there) continue;
    if (absl::Status renamed = core_.fs.rename(path, path + ".damaged"); !renamed.ok()) return renamed;
  }
  auto strangers = core_.directory->sweep(*core_.keeper->get());
  if (!strangers.ok()) return strangers.status();
  report_.strangers = *std::move(strangers);
  return absl::OkStatus();
}

absl::Status StorageImpl::start_journal(const Recovered& recovered, Revision last_revision) {
  const std::shared_ptr<const Manifest> manifest = core_.keeper->get();
  JournalOptions options;
  options.directory = core_.directory->log_path();
  options.store_id = manifest->store_id;
  options.settings = log_settings(core_.settings());
  options.record_bytes_max = core_.options.record_bytes_max;
  options.on_failure = [this](const absl::Status& why) {
    core_.alarm(fmt::format("the disk failed, writes are refused until a restart: {}", message_of(why)));
    if (core_.options.on_disk_failure) core_.options.on_disk_failure();
  };
  LogKeeper& keeper = *this;
  core_.journal = std::make_unique<Journal>(core_.fs, core_.clock, keeper, std::move(options));
  core_.keeper->on_failure([this](const absl::Status& why) { core_.journal->fail(why); });
  core_.remember_closed(recovered.closed);
  core_.journal->start(last_revision, manifest->revision_ceiling);
  if (has_log(manifest->mode)) {
    const absl::Status opened = core_.journal->open_log(
        {.first_number = core_.next_segment(), .predecessor = recovered.log_end, .promised = true});
    if (!opened.ok()) return opened;
  }
  core_.journal->resume();
  return absl::OkStatus();
}

void StorageImpl::start_threads(const Recovered& recovered) {
  const std::shared_ptr<const Manifest> manifest = core_.keeper->get();
  snapshots_ = std::make_unique<SnapshotPublisher>(core_, io_);
  const Revision cut = manifest->snapshots.empty() ? 0 : manifest->snapshots.back().cut;
  std::uint64_t bytes_above = 0;
  for (const ClosedSegment& segment : recovered.closed) {
    if (segment.last_revision > cut) bytes_above += segment.bytes;
  }
  const Revision applied = core_.journal->applied();
  snapshots_->begin(cut, applied - std::min(applied, recovered.records_above_snapshot), bytes_above,
                    manifest->next_snapshot);
  jobs_ = std::make_unique<JobThread>();
  io_thread_ = std::thread([this] { io_.run(); });
  wait_for_tick();
  go_on_switching();
}

void StorageImpl::go_on_switching() {
  if (!unfinished_) return;
  core_.info("going on with a change of mode or settings that was asked for before this start");
  Request request;
  request.texts = *unfinished_;
  enqueue(request, true).IgnoreError();  // Nothing else runs yet.
}

absl::Status StorageImpl::segments_prepared(std::uint64_t first, std::uint64_t last) {
  const std::uint64_t unused_from = core_.unused_segments_from;
  const absl::Status named = core_.keeper->update([&](Manifest& manifest) {
    if (unused_from != 0) manifest.segments.drop_from(unused_from);
    manifest.segments.add(first, last);
    manifest.next_segment = std::max(manifest.next_segment, last + 1);
  });
  if (named.ok()) core_.unused_segments_from = 0;
  return named;
}

absl::StatusOr<Revision> StorageImpl::raise_ceiling(Revision needed) {
  const Revision ceiling = needed + kCeilingStep;
  const absl::Status raised = core_.keeper->update(
      [&](Manifest& manifest) { manifest.revision_ceiling = std::max(manifest.revision_ceiling, ceiling); });
  if (!raised.ok()) return raised;
  return ceiling;
}

}  // namespace kv
