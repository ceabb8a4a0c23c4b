// Writing a snapshot of a store and loading it, without a fork: entries a second, one file in the page cache.
#include <filesystem>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "bench/components/temporary_folder.h"
#include "core/file_system.h"
#include "persistence/snapshot_loader.h"
#include "persistence/snapshot_walk.h"
#include "persistence/snapshot_writer.h"
#include "store/store.h"

namespace kv {
namespace {

constexpr std::size_t kBufferBytes = 1 << 20;

snapshot_format::FileHeader header(std::int64_t keys) {
  snapshot_format::FileHeader header;
  header.number = 1;
  header.cut = static_cast<Revision>(keys);
  header.created = header.clock = 1'700'000'000'000;
  header.salt = 42;
  return header;
}

void fill(Store& store, std::int64_t keys) {
  const std::string value(64, 'v');
  for (std::int64_t i = 1; i <= keys; ++i) {
    const std::string key = "key:" + std::to_string(1'000'000'000'000 + i);
    store.apply({.kind = MutationKind::kSet, .key = key, .value = value}, static_cast<Revision>(i));
  }
}

bool write(const Store& store, std::int64_t keys, const std::string& path) {
  auto file = posix_file_system().create(path);
  if (!file.ok()) return false;
  FileSink sink(**file);
  std::vector<std::byte> buffer(kBufferBytes);
  SnapshotWriter writer(sink, buffer, SnapshotWriter::kSyncEveryBytes);
  return write_frozen_store(store, header(keys), writer);
}

void write_snapshot(benchmark::State& state) {
  const std::int64_t keys = state.range(0);
  Store store(StoreOptions{});
  fill(store, keys);
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/1.snap";
  for (auto _ : state) {
    posix_file_system().remove(path).IgnoreError();  // The first time there is none.
    if (!write(store, keys, path)) return state.SkipWithError("cannot write the snapshot");
  }
  state.SetItemsProcessed(state.iterations() * keys);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(std::filesystem::file_size(path)));
}
BENCHMARK(write_snapshot)->ArgName("keys")->Arg(10'000)->Arg(500'000)->Unit(benchmark::kMillisecond)->UseRealTime();

void load_snapshot_file(benchmark::State& state) {
  const std::int64_t keys = state.range(0);
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/1.snap";
  {
    Store store(StoreOptions{});
    fill(store, keys);
    if (!write(store, keys, path)) return state.SkipWithError("cannot write the snapshot");
  }
  const SnapshotExpected expected{
      .store_id = header(keys).store_id, .number = 1, .cut = {}, .file_bytes = {}, .digest = {}};
  for (auto _ : state) {
    Store store(StoreOptions{});
    SnapshotLoadOptions options;
    options.threads = static_cast<unsigned>(state.range(1));
    const auto loaded = load_snapshot(posix_file_system(), path, expected, store, options);
    if (!loaded.ok()) return state.SkipWithError("cannot load the snapshot");
  }
  state.SetItemsProcessed(state.iterations() * keys);
}
BENCHMARK(load_snapshot_file)
    ->ArgNames({"keys", "threads"})
    ->Args({10'000, 2})
    ->Args({500'000, 1})
    ->Args({500'000, 2})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace kv
