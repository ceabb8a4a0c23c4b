#include "server/operation_decoder.h"

#include <fmt/format.h>

#include "core/error.h"

namespace kv {
namespace {

constexpr std::uint32_t number(std::uint32_t field) { return wire_tag(field, WireType::kVarint); }
constexpr std::uint32_t bytes(std::uint32_t field) { return wire_tag(field, WireType::kBytes); }

// Field numbers of Expiry and Precondition.
enum : std::uint32_t { kTtl = 1, kAt = 2, kNever = 3, kKeep = 4 };
enum : std::uint32_t { kExists = 1, kVersionEquals = 2, kValueEquals = 3, kTypeEquals = 4 };

bool pass(WireReader& reader, const WireReader& inner) noexcept { return !inner.failed() || reader.fail(); }

// A google.protobuf.Duration or Timestamp.
void decode_time(WireReader& reader, std::uint32_t arm, const char* where, DecodedOperation::Expiry& expiry) noexcept {
  if (expiry.policy != arm) expiry = {.policy = arm, .there = true};
  WireReader time = reader.message();
  while (time.next()) {
    switch (time.tag()) {
      case number(1):
        expiry.seconds = static_cast<std::int64_t>(time.varint());
        break;
      case number(2):
        expiry.nanos = time.int32();
        break;
      default:
        expiry.unknown.note(where, time.field());
        time.skip();
    }
  }
  pass(reader, time);
}

void decode_expiry(WireReader& reader, DecodedOperation& decoded) noexcept {
  DecodedOperation::Expiry& expiry = decoded.expiry;
  expiry.there = true;
  WireReader policy = reader.message();
  while (policy.next()) {
    switch (policy.tag()) {
      case bytes(kTtl):
        decode_time(policy, kTtl, "expiry.ttl.", expiry);
        break;
      case bytes(kAt):
        decode_time(policy, kAt, "expiry.at.", expiry);
        break;
      case number(kNever):
      case number(kKeep):
        expiry = {.policy = policy.field(), .there = true, .flag = policy.boolean()};
        break;
      default:
        decoded.unknown.note("expiry.", policy.field());
        policy.skip();
    }
  }
  pass(reader, policy);
}

void decode_inner_precondition(WireReader& reader, DecodedOperation& decoded) noexcept {
  WireReader inner = reader.message();
  if (!decode_precondition(inner, decoded, "precondition.")) reader.fail();
}

void decode_inner_options(WireReader& reader, DecodedOperation& decoded) noexcept {
  WireReader inner = reader.message();
  if (!decode_options(inner, decoded.options, decoded.unknown, "options.")) reader.fail();
}

void unknown(WireReader& reader, DecodedOperation& decoded) noexcept {
  decoded.unknown.note("", reader.field());
  reader.skip();
}

void decode_get(WireReader& reader, DecodedOperation& decoded) noexcept {
  Operation& operation = decoded.operation;
  while (reader.next()) {
    switch (reader.tag()) {
      case bytes(1):
        operation.key = reader.bytes();
        break;
      case number(2):
        operation.omit_value = reader.boolean();
        break;
      case number(3):
        operation.if_newer_than = reader.varint();
        break;
      case number(4):
        operation.min_revision = reader.varint();
        break;
      default:
        unknown(reader, decoded);
    }
  }
}

void decode_set(WireReader& reader, DecodedOperation& decoded) noexcept {
  while (reader.next()) {
    switch (reader.tag()) {
      case bytes(1):
        decoded.operation.key = reader.bytes();
        break;
      case bytes(2):
        decoded.operation.value = reader.bytes();
        break;
      case bytes(3):
        decode_inner_precondition(reader, decoded);
        break;
      case bytes(4):
        decode_expiry(reader, decoded);
        break;
      case number(5):
        decoded.operation.return_previous = reader.boolean();
        break;
      case bytes(6):
        decode_inner_options(reader, decoded);
        break;
      default:
        unknown(reader, decoded);
    }
  }
}

void decode_delete(WireReader& reader, DecodedOperation& decoded) noexcept {
  while (reader.next()) {
    switch (reader.tag()) {
      case bytes(1):
        decoded.operation.key = reader.bytes();
        break;
      case bytes(2):
        decode_inner_precondition(reader, decoded);
        break;
      case number(3):
        decoded.operation.return_previous = reader.boolean();
        break;
      case bytes(4):
        decode_inner_options(reader, decoded);
        break;
      default:
        unknown(reader, decoded);
    }
  }
}

void decode_increment(WireReader& reader, DecodedOperation& decoded) noexcept {
  CounterStep& step = decoded.operation.step;
  while (reader.next()) {
    switch (reader.tag()) {
      case bytes(1):
        decoded.operation.key = reader.bytes();
        break;
      case number(2):
        step.delta = reader.zigzag_number();
        break;
      case number(3):
        step.initial = reader.zigzag_number();
        break;
      case number(4):
        step.min = reader.zigzag_number();
        break;
      case number(5):
        step.max = reader.zigzag_number();
        break;
      case number(6):
        step.saturate = reader.boolean();
        break;
      case bytes(7):
        decode_expiry(reader, decoded);
        break;
      case bytes(8):
        decode_inner_options(reader, decoded);
        break;
      default:
        unknown(reader, decoded);
    }
  }
}

void decode_append(WireReader& reader, DecodedOperation& decoded) noexcept {
  while (reader.next()) {
    switch (reader.tag()) {
      case bytes(1):
        decoded.operation.key = reader.bytes();
        break;
      case bytes(2):
        decoded.operation.value = reader.bytes();
        break;
      case bytes(3):
        decode_inner_options(reader, decoded);
        break;
      default:
        unknown(reader, decoded);
    }
  }
}

void decode_set_expiry(WireReader& reader, DecodedOperation& decoded) noexcept {
  while (reader.next()) {
    switch (reader.tag()) {
      case bytes(1):
        decoded.operation.key = reader.bytes();
        break;
      case bytes(2):
        decode_expiry(reader, decoded);
        break;
      case bytes(3):
        decode_inner_precondition(reader, decoded);
        break;
      case bytes(4):
        decode_inner_options(reader, decoded);
        break;
      default:
        unknown(reader, decoded);
    }
  }
}

void decode_body(WireReader& reader, DecodedOperation& decoded) noexcept {
  switch (decoded.operation.kind) {
    case OperationKind::kGet:
      return decode_get(reader, decoded);
    case OperationKind::kSet:
      return decode_set(reader, decoded);
    case OperationKind::kDelete:
      return decode_delete(reader, decoded);
    case OperationKind::kIncrement:
      return decode_increment(reader, decoded);
    case OperationKind::kAppend:
      return decode_append(reader, decoded);
    case OperationKind::kSetExpiry:
      return decode_set_expiry(reader, decoded);
    case OperationKind::kNone:
      break;
  }
}

}  // namespace

bool decode_request(OperationKind kind, std::string_view bytes, DecodedOperation& decoded) noexcept {
  decoded.operation.kind = kind;
  WireReader reader(bytes);
  decode_body(reader, decoded);
  return !reader.failed();
}

bool decode_operation(WireReader& reader, DecodedOperation& decoded) noexcept {
  UnknownField beside;  // of the Operation itself; an arm takes its own along when another replaces it
  while (reader.next()) {
    const std::uint32_t arm = reader.field();
    if (arm > static_cast<std::uint32_t>(OperationKind::kSetExpiry) || reader.tag() != bytes(arm)) {
      beside.note("", arm);
      reader.skip();
      continue;
    }
    const auto kind = static_cast<OperationKind>(arm);
    if (decoded.operation.kind != kind) {
      if (decoded.operation.kind != OperationKind::kNone) decoded = DecodedOperation();
      decoded.operation.kind = kind;
    }
    WireReader body = reader.message();
    decode_body(body, decoded);
    pass(reader, body);
  }
  if (beside.number != 0) decoded.unknown = beside;
  return !reader.failed();
}

bool decode_options(WireReader& reader, DecodedOperation::Options& options, UnknownField& unknown,
                    const char* where) noexcept {
  options.there = true;
  while (reader.next()) {
    switch (reader.tag()) {
      case number(1):
        options.durability = reader.int32();
        break;
      case bytes(2):
        options.request_id = reader.bytes();
        break;
      default:
        unknown.note(where, reader.field());
        reader.skip();
    }
  }
  return !reader.failed();
}

bool decode_precondition(WireReader& reader, DecodedOperation& decoded, const char* where) noexcept {
  using Test = Precondition::Test;
  // Each arm replaces what stood there: what is left over of another would make a retry another request.
  const auto arm = [&precondition = decoded.operation.precondition](Test test) -> Precondition& {
    precondition = {};
    precondition.test = test;
    return precondition;
  };
  decoded.test.there = true;
  while (reader.next()) {
    switch (reader.tag()) {
      case number(kExists):
        arm(Test::kExists).exists = reader.boolean();
        break;
      case number(kVersionEquals):
        arm(Test::kVersion).version = reader.varint();
        break;
      case bytes(kValueEquals):
        arm(Test::kValue).value = reader.bytes();
        break;
      case number(kTypeEquals):
        arm(Test::kType);
        decoded.test.type = reader.int32();
        break;
      default:
        decoded.unknown.note(where, reader.field());
        reader.skip();
    }
  }
  return !reader.failed();
}

}  // namespace kv
