#include "tools/store_writer.h"

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include <fmt/format.h>

#include "core/bytes.h"
#include "persistence/format/snapshot_format.h"

namespace kv::tools {

namespace format = snapshot_format;

namespace {

constexpr std::uint64_t kSnapshotNumber = 1;
// Room above the last revision, as a start leaves it; the next start raises the ceiling itself.
constexpr Revision kCeilingStep = 1 << 24;

std::uint64_t random_number() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

std::string parent_of(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  if (slash == path.npos) return ".";
  return std::string(path.substr(0, std::max<std::size_t>(slash, 1)));
}

std::string without_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

class SnapshotOutput {
 public:
  SnapshotOutput(File& file, const format::FileHeader& header)
      : file_(file), header_(format::encode(header)), seed_(format::seed_of(header_)) {
    footer_.cut = header.cut;
  }

  absl::StatusOr<format::Footer> write(const State& state, Progress& progress) {
    if (absl::Status done = put(header_); !done.ok()) return done;
    digest_.update(header_);
    for (const auto& [key, facts] : state.keys()) {
      const format::EntryRecord entry{.type = static_cast<std::uint8_t>(facts.type),
                                      .version = facts.version,
                                      .create_version = facts.create_version,
                                      .expire_at = facts.expire_at,
                                      .key = key,
                                      .value = facts.value};
      if (absl::Status made = make_room(format::BlockKind::kEntries, entry.encoded_bytes()); !made.ok()) return made;
      add(entry);
      footer_.state_digest += digest_of(key, facts);
      progress.advance(1);
    }
    for (const auto& [id, request] : state.requests()) {
      if (absl::Status made = make_room(format::BlockKind::kRequestIds, format::kRequestIdBytes); !made.ok())
        return made;
      add(request);
    }
    if (absl::Status done = flush(); !done.ok()) return done;
    footer_.file_bytes = offset_ + format::kFooterBytes;
    footer_.digest = digest_.value();
    if (absl::Status done = put(format::encode(footer_, seed_)); !done.ok()) return done;
    if (absl::Status done = file_.sync(); !done.ok()) return done;
    return footer_;
  }

 private:
  void add(const format::EntryRecord& entry) {
    std::array<std::byte, format::kEntryHeaderBytes + format::kExpiryBytes> head;
    const std::size_t bytes = format::encode_entry_header(entry, head);
    payload_.insert(payload_.end(), head.begin(), head.begin() + static_cast<std::ptrdiff_t>(bytes));
    for (const std::string_view part : {entry.key, entry.value}) {
      const Bytes raw = as_bytes(part);
      payload_.insert(payload_.end(), raw.begin(), raw.end());
    }
    ++count_;
    ++footer_.entries;
    footer_.data_bytes += entry.key.size() + entry.value.size();
  }

  void add(const format::RequestIdRecord& request) {
    std::array<std::byte, format::kRequestIdBytes> bytes;
    format::encode(request, bytes);
    payload_.insert(payload_.end(), bytes.begin(), bytes.end());
    ++count_;
    ++footer_.request_ids;
  }

  // Blocks hold one kind, and are written when the next thing does not fit.
  absl::Status make_room(format::BlockKind kind, std::uint64_t bytes) {
    const bool fits = kind == kind_ && payload_.size() + bytes <= format::kBlockTargetBytes;
    absl::Status flushed = fits ? absl::OkStatus() : flush();
    kind_ = kind;
    return flushed;
  }

  absl::Status flush() {
    if (count_ == 0) return absl::OkStatus();
    format::BlockHeaderBytes header =
        format::encode(format::BlockHeader{.kind = kind_,
                                           .stored_bytes = payload_.size(),
                                           .raw_bytes = payload_.size(),
                                           .count = count_,
                                           .index = static_cast<std::uint32_t>(footer_.blocks)});
    format::set_checksum(header, checksum64(payload_, format::payload_seed(header, seed_, offset_)));
    digest_.update(header);
    ++footer_.blocks;
    if (absl::Status done = put(header); !done.ok()) return done;
    absl::Status done = put(payload_);
    payload_.clear();
    count_ = 0;
    return done;
  }

  absl::Status put(Bytes bytes) {
    absl::Status written = write_all_at(file_, bytes, offset_);
    offset_ += bytes.size();
    return written;
  }

  File& file_;
  const format::FileHeaderBytes header_;
  const format::Seed seed_;
  format::Footer footer_;
  DigestStream digest_;
  std::uint64_t offset_ = 0;
  std::vector<std::byte> payload_;
  format::BlockKind kind_ = format::BlockKind::kEntries;
  std::uint32_t count_ = 0;
};

class StoreOutput {
 public:
  StoreOutput(FileSystem& fs, const std::string& to) : fs_(fs), to_(without_slashes(to)), making_(to_ + ".making") {}

  absl::Status write(ManifestPage& page, Revision cut, const State& state, Progress& progress) {
    if (absl::Status made = fs_.make_directory(making_); !made.ok()) return made;
    absl::Status written = fill(page, cut, state, progress);
    if (written.ok()) written = fs_.rename(making_, to_);
    if (written.ok()) return fs_.sync_directory(parent_of(to_));
    remove();
    return written;
  }

 private:
  absl::Status fill(ManifestPage& page, Revision cut, const State& state, Progress& progress) {
    for (const std::string_view folder : {kLogFolder, kSnapshotFolder, kPastFolder}) {
      if (absl::Status made = fs_.make_directory(fmt::format("{}/{}", making_, folder)); !made.ok()) return made;
    }
    if (page.mode != "NON_PERSISTENT") {
      if (absl::Status written = write_snapshot(page, cut, state, progress); !written.ok()) return written;
    }
    return replace_file(fs_, making_, std::string(kManifestName), manifest_text(page));
  }

  absl::Status write_snapshot(ManifestPage& page, Revision cut, const State& state, Progress& progress) {
    const std::string folder = fmt::format("{}/{}", making_, kSnapshotFolder);
    const std::string path = fmt::format("{}/{}", folder, format::file_name(kSnapshotNumber));
    auto file = fs_.create(path);
    if (!file.ok()) return file.status();
    progress.begin("writing the snapshot", state.keys().size());
    SnapshotOutput output(**file, {.store_id = page.store_id,
                                   .number = kSnapshotNumber,
                                   .cut = cut,
                                   .created = page.clock,
                                   .clock = page.clock,
                                   .salt = random_number()});
    const auto footer = output.write(state, progress);
    if (!footer.ok()) return footer.status();
    page.snapshots = {{.number = kSnapshotNumber,
                       .cut = cut,
                       .bytes = footer->file_bytes,
                       .digest = footer->digest,
                       .keys = footer->entries,
                       .created = page.clock}};
    page.next_snapshot = kSnapshotNumber + 1;
    return fs_.sync_directory(folder);
  }

  // Of what this call made; what stays behind has a name that no server opens.
  void remove() {
    for (const std::string_view below : {"snapshots/0000000000000001.snap", "MANIFEST", "MANIFEST.tmp"}) {
      fs_.remove(fmt::format("{}/{}", making_, below)).IgnoreError();
    }
    for (const std::string_view below : {"/aof", "/snapshots", "/past", ""}) {
      fs_.remove_directory(making_ + std::string(below)).IgnoreError();
    }
  }

  FileSystem& fs_;
  const std::string to_;
  const std::string making_;
};

}  // namespace

absl::Status check_target(FileSystem& fs, const std::string& to) {
  const auto there = fs.exists(to);
  if (!there.ok()) return there.status();
  if (*there) return absl::AlreadyExistsError(fmt::format("{} is there already: name a directory that is not", to));
  const auto parent = fs.exists(parent_of(to));
  if (!parent.ok()) return parent.status();
  if (!*parent) return absl::NotFoundError(fmt::format("{} is no directory", parent_of(to)));
  return absl::OkStatus();
}

absl::Status write_store(FileSystem& fs, const std::string& to, ManifestPage page, Revision cut, const State& state,
                         Progress& progress) {
  page.generation = 1;
  page.clean = true;
  page.past.clear();
  page.segments.clear();
  page.used.clear();
  page.snapshots.clear();
  // Numbers that were given once, lost ones too, are never given again.
  page.last_revision = std::max({page.last_revision, page.revision_ceiling, cut});
  page.revision_ceiling = page.last_revision + kCeilingStep;
  page.log_whole_from = cut;
  page.next_segment = page.next_snapshot = 1;
  return StoreOutput(fs, to).write(page, cut, state, progress);
}

StoreId random_store_id() {
  StoreId id;
  for (std::size_t half = 0; half < id.size(); half += 8) store(id.data() + half, random_number());
  return id;
}

}  // namespace kv::tools
