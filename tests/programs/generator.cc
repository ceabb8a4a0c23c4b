#include "tests/programs/generator.h"

#include <array>
#include <chrono>

namespace kv::programs {
namespace {

constexpr std::int64_t kYearSeconds = 31'536'000;

std::int64_t now_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

std::string Generator::request_id() {
  std::string id(16, '\0');
  for (char& byte : id) byte = static_cast<char>(random_());
  return id;
}

// Few, so that operations meet; some with bytes that text does not have.
std::string Generator::key() {
  static const std::array<std::string, 6> kEndings = {"a", "b", "c", std::string("\0\n", 2), "\xff\xfe", "long"};
  const std::string& ending = kEndings[below(kEndings.size())];
  return prefix_ + ending + (ending == "long" ? std::string(300, 'k') : "");
}

std::string Generator::value() {
  switch (below(6)) {
    case 0:
      return {};
    case 1:
      return std::to_string(number());
    case 2:
      return {"0", 1 + below(2)};  // "00" is no number
    case 3:
      return std::string(below(2000), static_cast<char>(random_()));
    default:
      return "value " + std::to_string(below(4));
  }
}

std::int64_t Generator::number() {
  switch (below(8)) {
    case 0:
      return INT64_MAX - static_cast<std::int64_t>(below(3));
    case 1:
      return INT64_MIN + static_cast<std::int64_t>(below(3));
    default:
      return static_cast<std::int64_t>(below(40)) - 20;
  }
}

v1::Expiry Generator::expiry(bool may_keep) {
  v1::Expiry expiry;
  switch (below(may_keep ? 5 : 4)) {
    case 0:
      expiry.mutable_ttl()->set_seconds(kYearSeconds + static_cast<std::int64_t>(below(1000)));
      expiry.mutable_ttl()->set_nanos(static_cast<std::int32_t>(below(1000) * 1'000'000));
      break;
    case 1:
      expiry.mutable_at()->set_seconds(now_seconds() + kYearSeconds);
      expiry.mutable_at()->set_nanos(static_cast<std::int32_t>(below(1000) * 1'000'000));
      break;
    case 2:
      expiry.mutable_at()->set_seconds(now_seconds() - 100);
      break;
    case 3:
      expiry.set_never(true);
      break;
    default:
      expiry.set_keep(true);
  }
  return expiry;
}

v1::Precondition Generator::precondition(const Model& model, const std::string& key) {
  const auto found = model.data().find(key);
  const bool there = found != model.data().end();
  v1::Precondition precondition;
  switch (below(4)) {
    case 0:
      precondition.set_exists(one_in(2) ? there : !there);
      break;
    case 1:
      precondition.set_version_equals(there && one_in(2) ? found->second.version : below(2));
      break;
    case 2:
      precondition.set_value_equals(there && one_in(2) ? found->second.value : value());
      break;
    default:
      precondition.set_type_equals(one_in(3) ? v1::VALUE_TYPE_HASH : v1::VALUE_TYPE_STRING);
  }
  return precondition;
}

v1::Operation Generator::operation(const Model& model) {
  v1::Operation operation;
  const std::string at = key();
  const auto found = model.data().find(at);
  switch (below(10)) {
    case 0:
    case 1: {
      v1::GetRequest& get = *operation.mutable_get();
      get.set_key(at);
      get.set_omit_value(one_in(4));
      if (found != model.data().end() && one_in(3)) get.set_if_newer_than(found->second.version - below(2));
      break;
    }
    case 2:
    case 3:
    case 4: {
      v1::SetRequest& set = *operation.mutable_set();
      set.set_key(at);
      set.set_value(value());
      set.set_return_previous(one_in(3));
      if (one_in(3)) *set.mutable_precondition() = precondition(model, at);
      if (one_in(4)) *set.mutable_expiry() = expiry(true);
      break;
    }
    case 5: {
      v1::DeleteRequest& remove = *operation.mutable_delete_();
      remove.set_key(at);
      remove.set_return_previous(one_in(3));
      if (one_in(3)) *remove.mutable_precondition() = precondition(model, at);
      break;
    }
    case 6:
    case 7: {
      v1::IncrementRequest& increment = *operation.mutable_increment();
      increment.set_key(at);
      increment.set_delta(number());
      increment.set_initial(one_in(2) ? 0 : number());
      if (one_in(4)) increment.set_min(static_cast<std::int64_t>(below(20)) - 30);
      if (one_in(4)) increment.set_max(static_cast<std::int64_t>(below(20)) + 10);
      increment.set_saturate(one_in(3));
      if (one_in(6)) *increment.mutable_expiry() = expiry(true);
      break;
    }
    case 8:
      operation.mutable_append()->set_key(at);
      operation.mutable_append()->set_suffix(value());
      break;
    default: {
      v1::SetExpiryRequest& set_expiry = *operation.mutable_set_expiry();
      set_expiry.set_key(at);
      *set_expiry.mutable_expiry() = expiry(false);
      if (one_in(3)) *set_expiry.mutable_precondition() = precondition(model, at);
    }
  }
  return operation;
}

const std::string& key_of(const v1::Operation& operation) {
  switch (operation.op_case()) {
    case v1::Operation::kSet:
      return operation.set().key();
    case v1::Operation::kDelete:
      return operation.delete_().key();
    case v1::Operation::kIncrement:
      return operation.increment().key();
    case v1::Operation::kAppend:
      return operation.append().key();
    case v1::Operation::kSetExpiry:
      return operation.set_expiry().key();
    default:
      return operation.get().key();
  }
}

bool writes(const v1::Operation& operation) { return !operation.has_get(); }

v1::WriteOptions* options_of(v1::Operation& operation) {
  switch (operation.op_case()) {
    case v1::Operation::kSet:
      return operation.mutable_set()->mutable_options();
    case v1::Operation::kDelete:
      return operation.mutable_delete_()->mutable_options();
    case v1::Operation::kIncrement:
      return operation.mutable_increment()->mutable_options();
    case v1::Operation::kAppend:
      return operation.mutable_append()->mutable_options();
    case v1::Operation::kSetExpiry:
      return operation.mutable_set_expiry()->mutable_options();
    default:
      return nullptr;
  }
}

}  // namespace kv::programs
