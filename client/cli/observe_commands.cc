// What is going on in the server: stats, slow and big, once or again and again.
#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "client/cli/answer.h"
#include "client/cli/entry_json.h"
#include "client/cli/expiry_text.h"
#include "client/cli/runner.h"
#include "client/cli/text.h"
#include "client/cli/word_options.h"
#include "client/peer_status.h"
#include "core/absl_text.h"
#include "core/units.h"

namespace kv {
namespace {

namespace v1 = kvstore::v1;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

absl::Status refuse(std::string_view line) { return absl::InvalidArgumentError(to_absl(line)); }

absl::StatusOr<std::uint32_t> count_of(const SortedWords& sorted, std::string_view option) {
  const auto text = sorted.value(option);
  if (!text) return 0;
  const auto number = parse_number(*text);
  if (number.ok() && *number > 0 && *number <= 1'000'000) return static_cast<std::uint32_t>(*number);
  return refuse(fmt::format("{} takes a number from 1 to 1000000, not {}", option, kv::quoted(*text)));
}

double millis_of(const google::protobuf::Duration& time) {
  return static_cast<double>(time.seconds()) * 1e3 + time.nanos() / 1e6;
}

// Whole numbers as such: a gauge is mostly one.
std::string number_text(double number) {
  const bool whole = number == static_cast<double>(static_cast<std::int64_t>(number));
  return whole && number < 1e15 && number > -1e15 ? fmt::format("{}", static_cast<std::int64_t>(number))
                                                  : fmt::format("{}", number);
}

Row row_of(const v1::SlowRequest& slow) {
  const double queued = millis_of(slow.queued());
  const double executing = millis_of(slow.executing());
  const double persisting = millis_of(slow.persisting());
  const double total = queued + executing + persisting;
  const std::string code = code_word(static_cast<absl::StatusCode>(slow.code()));
  std::string key = slow.key().empty() ? "" : kv::quoted(slow.key());
  if (slow.key_bytes() > slow.key().size()) key += "...";
  Row row;
  row.json = Json{{"time", moment(slow.time())}, {"method", slow.method()}, {"milliseconds", total}};
  if (!slow.key().empty()) put_bytes(row.json, "key", slow.key());
  row.json.update({{"key_bytes", slow.key_bytes()},
                   {"peer", slow.peer()},
                   {"code", code},
                   {"queued_milliseconds", queued},
                   {"executing_milliseconds", executing},
                   {"persisting_milliseconds", persisting},
                   {"request_bytes", slow.request_bytes()},
                   {"response_bytes", slow.response_bytes()}});
  row.cells = {moment(slow.time()),
               fmt::format("{:.1f} ms", total),
               fmt::format("{:.1f}", queued),
               fmt::format("{:.1f}", executing),
               fmt::format("{:.1f}", persisting),
               harmless(slow.method()),
               code,
               key,
               fmt::format("{}", slow.request_bytes()),
               fmt::format("{}", slow.response_bytes()),
               harmless(slow.peer())};
  row.human = fmt::format(
      "{} {:.1f} ms {} {}{}{} (queued {:.1f}, executing {:.1f}, persisting {:.1f} ms; {} bytes in, {} "
      "out; {})",
      row.cells[0], total, row.cells[5], key, key.empty() ? "" : " ", code, queued, executing, persisting,
      slow.request_bytes(), slow.response_bytes(), row.cells[10]);
  row.raw = fmt::format("{}", fmt::join(row.cells, "\t"));
  return row;
}

Row row_of(const v1::Entry& entry) {
  Row row;
  row.json = json_of(entry, false);
  row.json["size_bytes"] = entry.size_bytes();
  row.json["version"] = entry.version();
  const std::string expires = entry.has_expire_time() ? moment(entry.expire_time()) : "never";
  row.cells = {format_size(entry.size_bytes()), kv::quoted(entry.key()), std::to_string(entry.version()), expires};
  row.human =
      fmt::format("{} bytes {} (version {}, expires {})", entry.size_bytes(), row.cells[1], entry.version(), expires);
  row.raw = fmt::format("{}\t{}", entry.size_bytes(), row.cells[1]);
  return row;
}

// One figure, and by how much it grew in a second; only of counters, and from the second look on.
Row row_of(const std::string& name, const std::string& value, std::optional<double> rate) {
  Row row;
  row.json = Json{{"name", name}};
  row.json["value"] = Json::parse(value, nullptr, false).is_discarded() ? Json(value) : Json::parse(value);
  if (rate) row.json["per_second"] = *rate;
  const std::string per_second = rate ? fmt::format("{:.1f}", *rate) : "";
  row.cells = {harmless(name), value, per_second};
  row.human = fmt::format("{} {}{}", row.cells[0], value, rate ? fmt::format(" ({}/s)", per_second) : "");
  row.raw = rate ? fmt::format("{}\t{}\t{}", name, value, per_second) : fmt::format("{}\t{}", name, value);
  return row;
}

// What was seen of the figures, and when.
class StatsView {
 public:
  explicit StatsView(std::string part) : part_(std::move(part)) {}

  // Those that are new or have changed since the last look.
  std::vector<Row> look(const v1::GetStatsResponse& stats) {
    const auto now = steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - std::exchange(looked_at_, now)).count();
    std::map<std::string, std::string> values;
    for (const auto& [name, value] : stats.counters()) values[name] = std::to_string(value);
    for (const auto& [name, value] : stats.gauges()) values[name] = number_text(value);
    std::vector<Row> rows;
    for (const auto& [name, value] : values) {
      if (name.find(part_) == name.npos || seen_[name] == value) continue;
      const auto counter = stats.counters().find(name);
      std::optional<double> rate;
      if (const auto before = counts_.find(name); counter != stats.counters().end() && before != counts_.end()) {
        rate = (static_cast<double>(counter->second) - static_cast<double>(before->second)) / seconds;
      }
      rows.push_back(row_of(name, value, rate));
    }
    seen_ = std::move(values);
    counts_.clear();
    for (const auto& [name, value] : stats.counters()) counts_[name] = value;
    return rows;
  }

 private:
  const std::string part_;
  std::map<std::string, std::string> seen_;
  std::map<std::string, std::uint64_t> counts_;
  steady_clock::time_point looked_at_;
};

// Those of the list that were not in the one before, oldest first.
std::vector<v1::SlowRequest> news_of(const v1::ListSlowRequestsResponse& list, std::set<std::string>& known) {
  std::vector<v1::SlowRequest> news;
  std::set<std::string> listed;
  for (const v1::SlowRequest& slow : list.requests()) {
    const std::string bytes = slow.SerializeAsString();
    if (!known.contains(bytes)) news.push_back(slow);
    listed.insert(bytes);
  }
  known = std::move(listed);
  std::reverse(news.begin(), news.end());
  return news;
}

}  // namespace

ExitCode Runner::again_and_again(const SortedWords& words, milliseconds every, const std::function<ExitCode()>& show) {
  const auto rounds = count_of(words, "--rounds");
  if (!rounds.ok()) return misused(message_of(rounds.status()));
  if (const auto text = words.value("--every")) {
    const auto time = parse_duration(*text);
    if (!time.ok() || *time < milliseconds(1)) {
      return misused(fmt::format("--every takes a duration such as 500ms or 5s, not {}", kv::quoted(*text)));
    }
    every = *time;
  }
  const bool watch = words.has("--watch");
  if (!watch && (words.has("--every") || words.has("--rounds"))) {
    return misused("--every and --rounds go with --watch");
  }
  for (std::uint32_t round = 1;; ++round) {
    if (const ExitCode shown = show(); shown != ExitCode::kDone) return shown;
    if (!watch || round == *rounds) return ExitCode::kDone;
    constexpr milliseconds kSlice{50};  // How long an interruption may go unseen.
    for (const auto end = steady_clock::now() + every; steady_clock::now() < end;) {
      if (connection_.interrupted()) return ExitCode::kInterrupted;
      std::this_thread::sleep_until(std::min(end, steady_clock::now() + kSlice));
    }
  }
}

ExitCode Runner::stats(Arguments arguments) {
  const auto sorted = sort_words(arguments, find_command("stats")->options);
  if (!sorted.ok()) return misused(message_of(sorted.status()));
  if (sorted->words.size() > 1) return misused(fmt::format("Usage: {}", find_command("stats")->usage));
  StatsView view(sorted->words.empty() ? "" : sorted->words.front());
  return again_and_again(*sorted, std::chrono::seconds(2), [&] {
    const auto stats = connection_.ask(methods::kGetStats, {});
    if (!stats.ok()) return failed("Stats", stats.status());
    printer_.begin_rows({"NAME", "VALUE", "PER SECOND"});
    for (const Row& row : view.look(*stats)) printer_.row(row);
    printer_.end_rows();
    return ExitCode::kDone;
  });
}

ExitCode Runner::slow(Arguments arguments) {
  const auto sorted = sort_words(arguments, find_command("slow")->options);
  if (!sorted.ok()) return misused(message_of(sorted.status()));
  const auto limit = count_of(*sorted, "--limit");
  if (!limit.ok()) return misused(message_of(limit.status()));
  if (!sorted->words.empty()) return misused(fmt::format("Usage: {}", find_command("slow")->usage));
  v1::ListSlowRequestsRequest request;
  request.set_limit(*limit);
  std::set<std::string> known;
  return again_and_again(*sorted, std::chrono::seconds(1), [&] {
    const auto list = connection_.ask(methods::kListSlowRequests, request);
    if (!list.ok()) return failed("Slow", list.status());
    std::vector<v1::SlowRequest> news = news_of(*list, known);
    if (!sorted->has("--watch")) news.assign(list->requests().begin(), list->requests().end());
    if (news.empty()) return ExitCode::kDone;
    printer_.begin_rows(
        {"TIME", "TOTAL", "QUEUED", "EXECUTING", "PERSISTING", "METHOD", "CODE", "KEY", "IN", "OUT", "PEER"});
    for (const v1::SlowRequest& slow : news) printer_.row(row_of(slow));
    printer_.end_rows();
    return ExitCode::kDone;
  });
}

ExitCode Runner::big(Arguments arguments) {
  const auto sorted = sort_words(arguments, find_command("big")->options);
  if (!sorted.ok()) return misused(message_of(sorted.status()));
  const auto limit = count_of(*sorted, "--limit");
  if (!limit.ok()) return misused(message_of(limit.status()));
  if (!sorted->words.empty()) return misused(fmt::format("Usage: {}", find_command("big")->usage));
  v1::ListBigKeysRequest request;
  request.set_limit(*limit);
  return again_and_again(*sorted, std::chrono::seconds(10), [&] {
    const auto list = connection_.ask(methods::kListBigKeys, request);
    if (!list.ok()) return failed("Big", list.status());
    printer_.begin_rows({"SIZE", "KEY", "VERSION", "EXPIRES"});
    for (const v1::Entry& entry : list->keys()) printer_.row(row_of(entry));
    printer_.end_rows();
    return ExitCode::kDone;
  });
}

}  // namespace kv
