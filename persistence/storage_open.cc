#include <algorithm>

#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/error.h"
#include "persistence/damage.h"
#include "persistence/mode_switch.h"
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
  const bool damaged = is_damage(status);
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
  auto directory = DataDirectory::open(core_.fs, core_.options.directory, core_.options.when_locked);
  if (!directory.ok()) return directory.status();
  core_.directory = *std::move(directory);
  const auto listing = core_.directory->list();
  if (!listing.ok()) return listing.status();
  auto to_set_aside = read_set_aside(core_.fs, core_.directory->path());
  if (!to_set_aside.ok()) {
    return is_damage(to_set_aside.status()) ? refuse(to_set_aside.status(), nullptr) : to_set_aside.status();
  }
  to_set_aside_ = *std::move(to_set_aside);
  auto manifest = read_or_make_manifest(*listing);
  if (!manifest.ok()) return is_damage(manifest.status()) ? refuse(manifest.status(), nullptr) : manifest.status();
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

// What was accepted before this start and is to be carried out by it; the record in MANIFEST becomes that. A text that
// was given since is newer, of its setting alone.
std::optional<SettingTexts> StorageImpl::still_to_do(Manifest& manifest, const ResolvedSettings& resolved) {
  SettingTexts texts;
  if (manifest.mode_switch) {
    texts = manifest.mode_switch->change;
    // Both were accepted, one after the other: of each setting the later word holds.
    if (manifest.mode_switch->next) {
      for (const auto& [name, text] : *manifest.mode_switch->next) texts[name] = text;
    }
    for (const std::string& name : resolved.edited) texts.erase(name);
  }
  const bool on_record = !texts.empty();
  // The mode that was resolved is the old one where the record names another and nobody has edited it.
  if (!texts.contains("mode") && resolved.settings.mode != manifest.mode) {
    texts["mode"] = std::string(word(resolved.settings.mode));
  }
  manifest.mode_switch.reset();
  if (on_record) manifest.mode_switch = record_of_next(manifest.mode, {texts, kOfEarlierStart});
  return texts.empty() ? std::nullopt : std::optional(std::move(texts));
}

absl::Status StorageImpl::load(const DirectoryListing& listing, Manifest manifest, LoadProgress& progress) {
  const auto resolved = resolve(manifest);
  if (!resolved.ok()) return resolved.status();
  const MonotonicTime began = core_.clock.monotonic();
  const RecoveryContext context{core_.fs, core_.clock,      core_.store, *core_.directory, core_.options.load_threads,
                                progress, core_.options.log};
  auto recovered = recover_state(context, manifest, listing);
  if (!recovered.ok()) return recovered.status();
  core_.clock.start_no_lower_than(recovered->clock);

  // After a stop that was not clean, numbers above what was loaded may have been shown to somebody.
  const Revision last_revision =
      manifest.clean ? std::max(recovered->revision, manifest.last_revision) : manifest.revision_ceiling;
  Manifest& next = recovered->manifest;
  next.settings = resolved->stored;
  if (values_differ(manifest.settings, next.settings)) raise_config_version(next.settings);
  first_verified_ = next.snapshots.empty() ? next.next_snapshot : next.snapshots.back().number;
  unfinished_ = still_to_do(next, *resolved);
  Settings in_force = resolved->settings;
  in_force.mode = next.mode;
  core_.adopt(in_force);

  if (report_.loss) {  // What is lost is on record before it is lost.
    const std::string path = core_.directory->path();
    const std::string text = to_text(report_, {path, &manifest, core_.clock.now()});
    if (absl::Status kept = write_report(core_.fs, path, report_, text); !kept.ok()) return kept;
  }
  if (!recovered->set_aside.empty()) {
    to_set_aside_.insert(to_set_aside_.end(), recovered->set_aside.begin(), recovered->set_aside.end());
    const absl::Status listed = write_set_aside(core_.fs, core_.directory->path(), to_set_aside_);
    if (!listed.ok()) return listed;
  }
  // Until here nothing but new files; with this write the past is as it was loaded, and the stop is not clean any more.
  core_.keeper = std::make_unique<ManifestKeeper>(core_.fs, core_.clock, core_.directory->path(), next);
  const absl::Status named = core_.keeper->update([&](Manifest& m) {
    m.clean = false;
    m.last_revision = 0;
    m.revision_ceiling = std::max(m.revision_ceiling, last_revision + kCeilingStep);
  });
  if (!named.ok()) return named;
  if (absl::Status tidied = tidy(); !tidied.ok()) return tidied;
  report_.duration = std::chrono::duration_cast<std::chrono::milliseconds>(core_.clock.monotonic() - began);
  // Before anybody else syncs the directory, and would be told OK where this sync has failed.
  if (absl::Status reported = report(manifest); !reported.ok()) return reported;
  if (absl::Status started = start_journal(*recovered, last_revision); !started.ok()) return started;
  if (core_.options.on_report) {
    core_.options.on_report(to_text(report_, {core_.directory->path(), &manifest, core_.clock.now()}));
  }
  start_threads(*recovered);
  return absl::OkStatus();
}

absl::StatusOr<Recovered> StorageImpl::recover_state(const RecoveryContext& context, const Manifest& manifest,
                                                     const DirectoryListing& listing) {
  const bool fresh = report_.fresh;
  auto recovered = recover(context, manifest, listing);
  const bool damaged = is_damage(recovered.status());
  if (damaged) recovered = recover_as_accepted(context, manifest, listing, recovered.status());
  if (!recovered.ok()) return recovered;
  if (!damaged && !core_.options.accept_data_loss.empty()) {
    core_.warn("--accept-data-loss was not needed: nothing is lost in this start. Leave it out from now on");
  }
  const RecoveryReport accepted = std::move(report_);
  report_ = recovered->report;
  report_.fresh = fresh;
  report_.loss = accepted.loss;
  report_.token = accepted.token;
  return recovered;
}

// Everything is found out again before it is compared with what was accepted: the token itself promises nothing.
absl::StatusOr<Recovered> StorageImpl::recover_as_accepted(const RecoveryContext& context, const Manifest& manifest,
                                                           const DirectoryListing& listing,
                                                           const absl::Status& damage) {
  const std::string& accepted = core_.options.accept_data_loss;
  bool asked = false;
  auto recovered = recover_past_damage(context, manifest, listing, [&](const DataLoss& loss) {
    asked = true;
    report_.loss = loss;
    report_.token = token_of(loss, manifest);
    return accepted == report_.token ? absl::OkStatus() : damage;
  });
  if (asked && accepted == report_.token) {
    if (recovered.ok()) {
      core_.warn(fmt::format("going on without what is damaged, as token {} accepted; lost: {}", accepted,
                             loss_in_words(*report_.loss)));
    }
    return recovered;
  }
  if (!asked && !is_damage(recovered.status())) return recovered;
  return refuse(damage, &manifest);
}

absl::Status StorageImpl::refuse(const absl::Status& damage, const Manifest* manifest) {
  const std::string path = core_.directory->path();
  report_.refused = message_of(damage);
  const std::string text = to_text(report_, {path, manifest, core_.clock.now()});
  // The refusal is what matters: a report that cannot be written is still in the log.
  if (absl::Status written = write_report(core_.fs, path, report_, text); !written.ok()) {
    core_.warn(fmt::format("the recovery report could not be written: {}", message_of(written)));
  }
  if (core_.options.on_report) core_.options.on_report(text);
  std::string more = fmt::format("{}; no data was changed, see {}/{}", report_.refused, path, kRecoveryReportName);
  if (!core_.options.accept_data_loss.empty()) {
    more += fmt::format("; --accept-data-loss {} is not for what is damaged now", core_.options.accept_data_loss);
  }
  if (report_.loss) more += fmt::format("; --accept-data-loss {} goes on without it", report_.token);
  absl::Status refused = absl::DataLossError(to_absl(more));
  damage.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { refused.SetPayload(url, payload); });
  if (report_.loss) refused = with_fact(std::move(refused), "token", report_.token);
  return refused;
}

absl::Status StorageImpl::report(const Manifest& manifest) {
  const std::string path = core_.directory->path();
  const std::string text = to_text(report_, {path, &manifest, core_.clock.now()});
  absl::Status written = write_report(core_.fs, path, report_, text);
  if (!is_out_of_space(written)) return written;
  core_.warn(fmt::format("the recovery report could not be written: {}", message_of(written)));
  return absl::OkStatus();
}

absl::Status StorageImpl::tidy() {
  if (!to_set_aside_.empty()) {
    const absl::Status done =
        carry_out_set_aside(core_.fs, core_.directory->path(), *core_.keeper->get(), to_set_aside_);
    if (!done.ok()) return done;
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
  options.sync_directory = [this] { return core_.directory->sync_log(); };
  options.store_id = manifest->store_id;
  options.settings = log_settings(core_.settings());
  options.record_bytes_max = core_.options.record_bytes_max;
  options.on_sync = core_.options.on_sync;
  options.on_batch = core_.options.on_batch;
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
  if (!unfinished_ || core_.options.only_recover) return;
  core_.info("going on with a change of mode or settings that was asked for before this start");
  Request request;
  request.id = kOfEarlierStart;
  request.texts = *unfinished_;
  request.written = request.recorded = core_.keeper->get()->mode_switch.has_value();
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
