#include "snapshot_fixture.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include <fmt/format.h>

#include "persistence/snapshot_walk.h"
#include "store/frozen_walk.h"

namespace kv {

using namespace snapshot_format;

namespace {

template <class Fill>
Footer write_with(const SnapshotFixture& fixture, Fill&& fill) {
  FileSystem& fs = posix_file_system();
  if (*fs.exists(fixture.path) && !fs.remove(fixture.path).ok()) throw std::runtime_error("cannot remove");
  auto file = fs.create(fixture.path);
  if (!file.ok()) throw std::runtime_error(file.status().ToString());
  FileSink sink(**file);
  std::vector<std::byte> buffer(fixture.buffer_bytes);
  SnapshotWriter writer(sink, buffer, SnapshotWriter::kSyncEveryBytes);
  if (!fill(writer)) throw std::runtime_error("cannot write the snapshot");
  return writer.totals();
}

}  // namespace

FileHeader SnapshotFixture::example_header() {
  FileHeader header;
  for (std::size_t i = 0; i < header.store_id.size(); ++i) header.store_id[i] = static_cast<std::byte>(i);
  header.number = 42;
  header.cut = 7;
  header.created = 1'700'000'000'000;
  header.clock = 1'700'000'000'500;
  header.salt = 0x1122334455667788;
  return header;
}

Footer SnapshotFixture::write(const std::vector<EntryRecord>& records,
                              const std::vector<RequestIdRecord>& request_ids) {
  return write_with(*this, [&](SnapshotWriter& writer) {
    bool ok = writer.begin(header);
    for (const EntryRecord& record : records) ok = ok && writer.add(record);
    for (const RequestIdRecord& record : request_ids) ok = ok && writer.add(record);
    return ok && writer.finish();
  });
}

Footer SnapshotFixture::write(const Store& store) {
  return write_with(*this, [&](SnapshotWriter& writer) { return write_frozen_store(store, header, writer); });
}

Footer SnapshotFixture::write_example() {
  return write(
      {{.type = 1, .version = 7, .create_version = 3, .expire_at = 0, .key = "k", .value = "v1"},
       {.type = 1, .version = 5, .create_version = 5, .expire_at = 1'700'000'001'000, .key = "gone", .value = ""}});
}

std::string SnapshotFixture::read_file() const {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void SnapshotFixture::write_file(std::string_view bytes) const {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

absl::StatusOr<SnapshotInfo> SnapshotFixture::load(Store& store) const {
  return load_snapshot(posix_file_system(), path, expected, store, {});
}

std::string SnapshotFixture::dump(const Store& store) {
  std::vector<std::string> lines;
  store.for_each_frozen([&](const Entry& entry) {
    lines.push_back(fmt::format("{}={} v{} c{} x{}\n", entry.key(), entry.value(), entry.version(),
                                entry.create_version(), entry.expire_at()));
  });
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) text += line;
  return text;
}

void set(Store& store, std::string_view key, std::string_view value, Revision revision, UnixMillis expire_at,
         ValueType type) {
  store.apply({.kind = MutationKind::kSet, .type = type, .expire_at = expire_at, .key = key, .value = value}, revision);
}

}  // namespace kv
