#include "store/entry.h"

#include <string>

#include <catch2/catch.hpp>

#include "store/entry_builder.h"

namespace kv {
namespace {

constexpr UnixMillis kToday = 1'700'000'000'000;

EntryPointer make(const LoadedEntry& fields, DeltaWidth delta = DeltaWidth::kNone) {
  EntryPointer entry(EntryBuilder::build({.key = fields.key,
                                          .value = fields.value,
                                          .value_hash = content_hash(fields.value),
                                          .type = fields.type,
                                          .expire_at = fields.expire_at,
                                          .delta = delta}));
  EntryBuilder::stamp(*entry, fields.version, fields.create_version);
  return entry;
}

void check_kept(const LoadedEntry& fields, DeltaWidth delta = DeltaWidth::kNone) {
  const EntryPointer entry = make(fields, delta);
  CHECK(entry->key() == fields.key);
  CHECK(entry->value() == fields.value);
  CHECK(entry->type() == fields.type);
  CHECK(entry->version() == fields.version);
  CHECK(entry->create_version() == fields.create_version);
  CHECK(entry->expire_at() == fields.expire_at);
  CHECK(entry->digest() == digest_of(fields));
}

}  // namespace

TEST_CASE("entry: a 16-byte key with a 64-byte value fits a 96-byte block, with an expiry or overwritten as well") {
  const std::string key(16, 'k'), value(64, 'v');
  CHECK(make({.key = key, .value = value, .version = 1, .create_version = 1})->block_bytes() == 91);
  CHECK(make({.key = key, .value = value, .version = 1, .create_version = 1, .expire_at = kToday})->block_bytes() ==
        96);
  CHECK(make({.key = key, .value = value, .version = 9, .create_version = 1}, DeltaWidth::kShort)->block_bytes() == 96);
}

TEST_CASE("entry: every field comes back, at every length and width") {
  for (const std::size_t key_bytes : {1U, 127U, 128U, 65536U}) {
    for (const std::size_t value_bytes : {0U, 1U, 127U, 128U, 255U, 256U, 16384U, 4194304U}) {
      const std::string key(key_bytes, '\0'), value(value_bytes, '\xff');
      check_kept({.key = key, .value = value, .version = 7, .create_version = 7});
    }
  }
  for (const ValueType type : {ValueType::kString, ValueType::kHash, ValueType::kSortedSet}) {
    for (const UnixMillis at : {kNoExpiry, UnixMillis{1}, UnixMillis{-1}, kToday, UnixMillis{1'577'836'800'000},
                                UnixMillis{1'577'836'800'000} + (UnixMillis{1} << 40) - 1,
                                UnixMillis{1'577'836'800'000} + (UnixMillis{1} << 40), INT64_MAX, INT64_MIN}) {
      check_kept({.key = "k", .value = "v", .type = type, .version = 2, .create_version = 2, .expire_at = at});
    }
  }
}

TEST_CASE("entry: the version at which a key appeared is kept, however far back") {
  check_kept({.key = "k", .value = "v", .version = 5, .create_version = 5}, DeltaWidth::kShort);
  check_kept({.key = "k", .value = "v", .version = 1ULL << 40, .create_version = 1}, DeltaWidth::kShort);
  check_kept({.key = "k", .value = "v", .version = UINT64_MAX, .create_version = 1}, DeltaWidth::kWide);
  CHECK(EntryBuilder::width_for(10, 5) == DeltaWidth::kShort);
  CHECK(EntryBuilder::width_for(1, 1ULL << 38) == DeltaWidth::kShort);
  CHECK(EntryBuilder::width_for(1, 1ULL << 40) == DeltaWidth::kWide);
}

TEST_CASE("entry: it is due from its very millisecond on, and never without an expiry") {
  const EntryPointer expiring =
      make({.key = "k", .value = "v", .version = 1, .create_version = 1, .expire_at = kToday});
  CHECK_FALSE(expiring->due(kToday - 1));
  CHECK(expiring->due(kToday));
  CHECK_FALSE(make({.key = "k", .value = "v", .version = 1, .create_version = 1})->due(INT64_MAX));
}

TEST_CASE("entry: its digest depends on every field") {
  const LoadedEntry base{"k", "v", ValueType::kString, 5, 4, kToday};
  LoadedEntry other = base;
  SECTION("key") { other.key = "K"; }
  SECTION("value") { other.value = "V"; }
  SECTION("type") { other.type = ValueType::kHash; }
  SECTION("version") { other.version = 6; }
  SECTION("create version") { other.create_version = 5; }
  SECTION("expiry") { other.expire_at = kNoExpiry; }
  SECTION("key and value swapped") { std::swap(other.key, other.value); }
  CHECK(digest_of(base) != digest_of(other));
}

}  // namespace kv
