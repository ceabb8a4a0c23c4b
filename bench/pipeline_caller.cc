#include "bench/pipeline_caller.h"

#include "core/error.h"
#include "core/wire.h"
#include "rpc/message.h"

namespace kv {
namespace {

// Field numbers of operation.proto and key_value.proto.
constexpr std::uint32_t kGet = 1;
constexpr std::uint32_t kSet = 2;
constexpr std::uint32_t kIncrement = 4;
constexpr std::uint32_t kError = 15;
constexpr std::size_t kAnswerBytesMax = 256u << 20;  // the most that any server of ours takes as a message

std::size_t room_for(const Shot& shot, std::size_t key_bytes) {
  std::size_t bytes = 64;
  for (const LoadOperation& operation : shot.operations) bytes += key_bytes + operation.size + 80;
  return bytes;
}

// Set's expiry: field 4, of it ttl (1), a Duration of seconds (1) and nanoseconds (2). From the back to the front.
void write_time_to_live(WireWriter& writer, std::chrono::milliseconds time) {
  const std::size_t mark = writer.size();
  writer.number(2, static_cast<std::uint64_t>(time.count() % 1000 * 1'000'000));
  writer.number(1, static_cast<std::uint64_t>(time.count() / 1000));
  writer.enclose(1, mark);
  writer.enclose(4, mark);
}

std::uint64_t revision_of_write(WireReader write) {
  std::uint64_t revision = 0;
  while (write.next()) {
    if (write.tag() == wire_tag(1, WireType::kVarint)) {
      revision = write.varint();
    } else {
      write.skip();
    }
  }
  return revision;
}

void read_entry(WireReader entry, const LoadOperation& operation, bool verify, LoadAnswer& answer) {
  answer.missing = false;
  std::string_view value;
  while (entry.next()) {
    if (entry.tag() == wire_tag(2, WireType::kBytes)) {
      value = entry.bytes();
    } else if (entry.tag() == wire_tag(4, WireType::kVarint)) {
      answer.revision = entry.varint();
    } else {
      entry.skip();
    }
  }
  answer.bytes = value.size();
  if (verify) answer.value = read_verified(value, operation.key);
}

absl::Status read_error(WireReader error) {
  int code = 0;
  std::string_view reason;
  std::string_view text;
  while (error.next()) {
    if (error.tag() == wire_tag(1, WireType::kVarint)) {
      code = error.int32();
    } else if (error.tag() == wire_tag(2, WireType::kBytes)) {
      reason = error.bytes();
    } else if (error.tag() == wire_tag(3, WireType::kBytes)) {
      text = error.bytes();
    } else {
      error.skip();
    }
  }
  return error_of_peer(static_cast<absl::StatusCode>(code), reason, text);
}

bool read_result(WireReader result, const LoadOperation& operation, bool verify, LoadAnswer& answer) {
  if (!result.next()) return false;
  const std::uint32_t arm = result.field();
  if (arm == kError) {
    answer.status = read_error(result.message());
    return !answer.status.ok();
  }
  WireReader body = result.message();
  const bool reads = operation.kind == LoadKind::kRead;
  answer.missing = reads;
  if (!reads) answer.bytes = operation.size;
  const std::uint32_t written = arm == kSet ? 2 : 3;
  while (body.next()) {
    if (reads && body.tag() == wire_tag(1, WireType::kBytes)) {
      read_entry(body.message(), operation, verify, answer);
    } else if (!reads && body.tag() == wire_tag(written, WireType::kBytes)) {
      answer.revision = revision_of_write(body.message());
    } else {
      body.skip();
    }
  }
  const std::uint32_t expected = reads ? kGet : operation.kind == LoadKind::kIncrement ? kIncrement : kSet;
  return arm == expected && !body.failed();
}

}  // namespace

std::uint64_t id_of_answer(std::string_view message) {
  WireReader reader(message);
  while (reader.next()) {
    if (reader.tag() == wire_tag(1, WireType::kVarint)) return reader.varint();
    reader.skip();
  }
  return 0;
}

bool read_answers(std::string_view message, bool verify, Shot& shot) {
  shot.answers.assign(shot.operations.size(), LoadAnswer{});
  WireReader reader(message);
  std::size_t there = 0;
  while (reader.next()) {
    if (reader.tag() != wire_tag(2, WireType::kBytes)) {
      reader.skip();
      continue;
    }
    if (there == shot.operations.size()) return false;
    if (!read_result(reader.message(), shot.operations[there], verify, shot.answers[there])) return false;
    ++there;
  }
  return !reader.failed() && there == shot.operations.size();
}

PipelineCaller::PipelineCaller(const CallerOptions& options, const Filler& filler)
    : options_(options), filler_(filler) {
  for (int i = 0; i < options.channels; ++i) {
    endpoints_.push_back(std::make_unique<Endpoint>(options.target, queue_, kAnswerBytesMax));
    lanes_.push_back(std::make_unique<PipelineLane>(*endpoints_.back(), options.deadline, options.verify));
  }
}

PipelineCaller::~PipelineCaller() {
  for (const auto& lane : lanes_) lane->close();
}

void PipelineCaller::begin(std::unique_ptr<Shot> shot, ShotSink& sink) {
  const std::uint64_t id = last_id_.fetch_add(1, std::memory_order_relaxed) + 1;
  PipelineLane& lane = *lanes_[id % lanes_.size()];
  const grpc::ByteBuffer message = message_of(*shot, id);
  lane.send(id, message, std::move(shot), sink);
}

void PipelineCaller::tend() {
  for (const auto& lane : lanes_) lane->tend();
}

grpc::ByteBuffer PipelineCaller::message_of(const Shot& shot, std::uint64_t id) const {
  const std::size_t room = room_for(shot, options_.key_bytes);
  WireMessage message;
  WireWriter writer(message.reserve(room), room);
  std::string key;
  if (options_.durability != kvstore::v1::DURABILITY_UNSPECIFIED) {
    const std::size_t mark = writer.size();
    writer.number(1, static_cast<std::uint64_t>(options_.durability));
    writer.enclose(4, mark);
  }
  // From the back to the front.
  for (auto operation = shot.operations.rbegin(); operation != shot.operations.rend(); ++operation) {
    const std::size_t mark = writer.size();
    write_key(operation->key, options_.key_bytes, key);
    std::uint32_t arm = kGet;
    if (operation->kind == LoadKind::kIncrement) {
      arm = kIncrement;
      writer.number(2, zigzag(1));
      key.insert(key.begin(), 'n');
    } else if (operation->kind != LoadKind::kRead) {
      arm = kSet;
      if (options_.time_to_live.count() != 0) write_time_to_live(writer, options_.time_to_live);
      if (options_.verify) {
        writer.text(2, verified_value(operation->key, operation->sequence, operation->size));
      } else {
        writer.text(2, filler_.value(operation->sequence, operation->size));
      }
    }
    writer.text(1, key);
    writer.enclose(arm, mark);
    writer.enclose(2, mark);
  }
  writer.number(1, id);
  message.keep_last(writer.size());
  grpc::ByteBuffer bytes;
  // Bytes that are there already cannot fail to be made.
  [[maybe_unused]] const absl::Status made = serialize(message, bytes);
  return bytes;
}

}  // namespace kv
