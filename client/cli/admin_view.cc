#include "client/cli/admin_view.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include "client/cli/admin_settings.h"

namespace kv {
namespace {

namespace v1 = kvstore::v1;
using google::protobuf::util::TimeUtil;

// A time that cannot be written (before year 1, after 9999) is no time that a server of ours sends.
std::string text_of(const google::protobuf::Timestamp& time) {
  const bool valid =
      time.seconds() >= TimeUtil::kTimestampMinSeconds && time.seconds() <= TimeUtil::kTimestampMaxSeconds;
  return valid ? TimeUtil::ToString(time) : std::to_string(time.seconds());
}

Json list_of(const google::protobuf::RepeatedPtrField<std::string>& words) {
  Json list = Json::array();
  for (const std::string& word : words) list.push_back(word);
  return list;
}

Json view_of(const v1::ModeTransition& transition) {
  Json object{{"from", short_name(transition.from())},
              {"to", short_name(transition.to())},
              {"phase", short_name(transition.phase())},
              {"progress", transition.progress()},
              {"base_revision", transition.base_revision()}};
  if (!transition.detail().empty()) object["detail"] = transition.detail();
  return object;
}

Json view_of(const v1::RecoveryReport& report) {
  return {{"clean_shutdown", report.clean_shutdown()},
          {"revision", report.revision()},
          {"keys_loaded", report.keys_loaded()},
          {"records_replayed", report.records_replayed()},
          {"tail_bytes_discarded", report.tail_bytes_discarded()},
          {"milliseconds", report.duration().seconds() * 1000 + report.duration().nanos() / 1'000'000},
          {"files_skipped", list_of(report.files_skipped())}};
}

Json view_of(const v1::SnapshotActivity& activity) {
  const auto in_microseconds = [](const google::protobuf::Duration& time) {
    return time.seconds() * 1'000'000 + time.nanos() / 1000;
  };
  return {{"taken", activity.taken()},
          {"failed", activity.failed()},
          {"last_milliseconds", in_microseconds(activity.last_duration()) / 1000},
          {"last_pause_microseconds", in_microseconds(activity.last_pause())},
          {"last_copied_bytes", activity.last_copied_bytes()}};
}

std::string text_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (!value.is_array()) return value.dump();
  std::string text;
  for (const Json& item : value) text += fmt::format("{}{}", text.empty() ? "" : ", ", text_of(item));
  return text.empty() ? "none" : text;
}

}  // namespace

Json view_of(const v1::GetStatusResponse& status, const v1::Config& config) {
  Json object{{"version", status.version()},
              {"instance_id", status.instance_id()},
              {"start_time", text_of(status.start_time())},
              {"mode", short_name(config.mode())},
              {"accepting_writes", status.accepting_writes()},
              {"alarms", list_of(status.alarms())},
              {"revision", status.revision()},
              {"os_revision", status.os_revision()},
              {"disk_revision", status.disk_revision()},
              {"snapshot_revision", status.snapshot_revision()}};
  if (config.mode() == v1::PERSISTENCE_MODE_HYBRID) object["fallback_snapshots"] = status.fallback_snapshots();
  if (status.has_snapshots()) object["snapshots"] = view_of(status.snapshots());
  if (status.has_transition()) object["transition"] = view_of(status.transition());
  object["last_recovery"] = view_of(status.last_recovery());
  return object;
}

Json view_of(const v1::SnapshotInfo& snapshot) {
  std::string digest;
  for (const char byte : snapshot.digest()) digest += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return {{"name", snapshot.name()},
          {"revision", snapshot.revision()},
          {"create_time", text_of(snapshot.create_time())},
          {"keys", snapshot.keys()},
          {"bytes", snapshot.bytes()},
          {"digest", digest},
          {"verified", snapshot.verified()}};
}

Json view_of(const v1::UpdateConfigResponse& changed) {
  Json object{{"config_version", changed.config_version()}, {"mode", short_name(changed.config().mode())}};
  if (changed.has_transition()) object["transition"] = view_of(changed.transition());
  object["warnings"] = list_of(changed.warnings());
  return object;
}

std::vector<std::pair<std::string, std::string>> lines_of(const Json& object, const std::string& separator) {
  std::vector<std::pair<std::string, std::string>> lines;
  for (const auto& [name, value] : object.items()) {
    if (!value.is_object()) {
      lines.emplace_back(name, text_of(value));
      continue;
    }
    for (auto& [inner, text] : lines_of(value, separator)) {
      lines.emplace_back(fmt::format("{}{}{}", name, separator, inner), text);
    }
  }
  return lines;
}

}  // namespace kv
