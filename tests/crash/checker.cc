#include "tests/crash/checker.h"

#include <chrono>
#include <map>
#include <set>

#include <fmt/format.h>

#include "kvstore/kvstore.grpc.pb.h"
#include "kvstore/v1/key_value_service.grpc.pb.h"
#include "store/digest.h"
#include "tests/crash/workload.h"

namespace kv::crash {
namespace {

namespace v1 = kvstore::v1;

constexpr std::chrono::seconds kDeadline{30};

void set_deadline(grpc::ClientContext& context) { context.set_deadline(std::chrono::system_clock::now() + kDeadline); }

std::string failed(std::string_view call, const grpc::Status& status) {
  return fmt::format("{} failed after the restart: {} {}", call, static_cast<int>(status.error_code()),
                     status.error_message());
}

UnixMillis expiry_of(const v1::Entry& entry) {
  if (!entry.has_expire_time()) return kNoExpiry;
  return entry.expire_time().seconds() * 1000 + entry.expire_time().nanos() / 1'000'000;
}

std::uint64_t digest_of(const std::string& key, const v1::Entry& entry) {
  return entry_digest({.key_hash = content_hash(key),
                       .value_hash = content_hash(entry.value()),
                       .type = ValueType::kString,
                       .version = entry.version(),
                       .create_version = entry.create_version(),
                       .expire_at = expiry_of(entry)});
}

std::string settle(History& history, const std::string& key, std::optional<WriteId> found, Owed owed) {
  switch (owed.what) {
    case Owed::What::kOneCut:
      return history.settle_at_cut(key, found, owed.cut);
    case Owed::What::kNothing:
      return history.settle_empty(key, found);
    case Owed::What::kEverything:
      break;
  }
  return history.settle(key, found);
}

class Reader {
 public:
  explicit Reader(const std::string& target)
      : channel_(connect(target)),
        old_(kvstore::KeyValueStore::NewStub(channel_)),
        stub_(v1::KeyValueService::NewStub(channel_)) {}

  Check check(History& history, const Owed& owed) {
    for (const std::string& key : history.keys()) get(key);
    scan();
    compare_with_scan();
    compare_with_keys();
    if (owed.numbers) judge_at_once(history, owed);
    for (const std::string& key : history.keys()) {
      if (unread_.contains(key)) continue;
      const auto shown = shown_.find(key);
      note(settle(history, key, shown == shown_.end() ? std::nullopt : std::optional(shown->second.write), owed));
    }
    return std::move(check_);
  }

  Check digest() {
    scan();
    return std::move(check_);
  }

 private:
  void note(std::string finding) {
    if (!finding.empty()) check_.findings.push_back(std::move(finding));
  }

  void judge_at_once(History& history, const Owed& owed) {
    const std::uint64_t above = history.acknowledged_above(owed.numbers->last);
    if (owed.what == Owed::What::kEverything && above > 0) {
      note(fmt::format("the state is that of revision {}, and {} writes above it were acknowledged", owed.numbers->last,
                       above));
    }
    note(history.check_prefix(shown_, *owed.numbers));
  }

  void get(const std::string& key) {
    grpc::ClientContext context;
    set_deadline(context);
    v1::GetRequest request;
    request.set_key(key);
    v1::GetResponse response;
    const grpc::Status status = stub_->Get(&context, request, &response);
    if (!status.ok()) {
      unread_.insert(key);
      return note(failed("Get of " + key, status));
    }
    if (!response.has_entry()) return;
    const v1::Entry& entry = response.entry();
    got_[key] = digest_of(key, entry);
    const auto id = read_value(key, entry.value());
    if (!id) {
      unread_.insert(key);
      return note(fmt::format("{} shows {} bytes that are no whole value", key, entry.value().size()));
    }
    const std::int64_t asked = expiry_in(entry.value());
    const UnixMillis due = asked == 0 ? kNoExpiry : asked;
    if (expiry_of(entry) != due) note(fmt::format("{} is due at {}, it was to be {}", key, expiry_of(entry), due));
    shown_[key] = {*id, entry.version()};
  }

  void scan() {
    grpc::ClientContext context;
    set_deadline(context);
    v1::ScanRequest request;
    request.set_include_values(true);
    const auto stream = stub_->Scan(&context, request);
    v1::ScanResponse response;
    while (stream->Read(&response)) {
      for (const v1::Entry& entry : response.entries()) {
        const std::uint64_t digest = digest_of(entry.key(), entry);
        if (!scanned_.emplace(entry.key(), digest).second) note("Scan shows a key twice: " + entry.key());
        check_.digest += digest;
      }
    }
    if (const grpc::Status status = stream->Finish(); !status.ok()) note(failed("Scan", status));
    check_.keys_present = scanned_.size();
  }

  // Nobody writes, so both see the same: key, value, versions.
  void compare_with_scan() {
    if (scanned_ == got_) return;
    for (const auto& [key, digest] : scanned_) {
      const auto got = got_.find(key);
      if (got == got_.end()) {
        note(fmt::format("Scan shows {}, Get does not", key));
      } else if (got->second != digest) {
        note(fmt::format("Scan shows another value or version of {} than Get", key));
      }
    }
    for (const auto& [key, digest] : got_) {
      if (!scanned_.contains(key)) note(fmt::format("Get shows {}, Scan does not", key));
    }
  }

  void compare_with_keys() {
    grpc::ClientContext context;
    set_deadline(context);
    kvstore::KeysResponse keys;
    if (const grpc::Status status = old_->Keys(&context, {}, &keys); !status.ok()) return note(failed("Keys", status));
    const std::set<std::string> listed(keys.keys().begin(), keys.keys().end());
    std::set<std::string> got;
    for (const auto& [key, digest] : got_) got.insert(key);
    if (listed == got && keys.keys_size() == static_cast<int>(listed.size())) return;
    note(fmt::format("Keys lists {} keys ({} different), Get finds {}", keys.keys_size(), listed.size(), got.size()));
  }

  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<kvstore::KeyValueStore::Stub> old_;
  const std::unique_ptr<v1::KeyValueService::Stub> stub_;
  Check check_;
  ShownState shown_;
  std::set<std::string> unread_;
  std::map<std::string, std::uint64_t> got_;  // digests
  std::map<std::string, std::uint64_t> scanned_;
};

}  // namespace

Check check_everything(const std::string& target, History& history, Owed owed) {
  return Reader(target).check(history, owed);
}

Check read_digest(const std::string& target) { return Reader(target).digest(); }

}  // namespace kv::crash
