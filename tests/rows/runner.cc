#include "tests/rows/runner.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>

#include <google/protobuf/text_format.h>

#include "absl/strings/escaping.h"
#include "client/request_id.h"

namespace kv::rows {
namespace {

using google::protobuf::TextFormat;
namespace v1 = kvstore::v1;

constexpr std::chrono::seconds kSoon{30};
constexpr std::chrono::seconds kBrief{2};

std::string escaped(const std::string& bytes) { return std::string(absl::CHexEscape(bytes)); }

// "3: text" is three texts.
std::string many(const std::string& argument) {
  const std::size_t colon = argument.find(':');
  std::string out;
  for (unsigned long i = std::stoul(argument.substr(0, colon)); i > 0; --i) out += argument.substr(colon + 1);
  return out;
}

bool is_name(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }

// The newest of all that a message calls a revision; 0: none.
std::uint64_t newest_in(const google::protobuf::Message& message) {
  std::uint64_t newest = 0;
  const auto* reflection = message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const auto* field : fields) {
    if (field->is_repeated()) continue;
    if (field->message_type() != nullptr) newest = std::max(newest, newest_in(reflection->GetMessage(message, field)));
    if (field->name() == "revision") newest = std::max(newest, reflection->GetUInt64(message, field));
  }
  return newest;
}

}  // namespace

Runner::Runner(std::unique_ptr<Target>& target, RunningServer& running, const ServerKind& server, DiskFaults* faults)
    : target_(target), running_(running), server_(server), faults_(faults) {}

std::string Runner::run(const Row& row, bool fresh) {
  std::string wrong;
  try {
    begin(fresh);
    for (const Step& step : row.steps) {
      if (wrong = take(step); !wrong.empty()) break;
    }
  } catch (const std::exception& failed) {  // A row that makes no sense, or a server that is gone.
    wrong = failed.what();
  }
  for (const Step& step : row.steps) {
    if (step.kind == Step::Kind::kFault) faults_->end(step.method);
  }
  begun_.clear();  // Waits for each.
  return wrong.empty() ? wrong : row.place() + "\n" + wrong;
}

void Runner::begin(bool fresh) {
  id_ = new_request_id();
  other_id_ = new_request_id();
  token_.clear();
  if (!fresh) {
    v1::DeleteRangeRequest everything;
    everything.set_confirm_all(true);
    const Answer emptied = target_->call(method_of("DeleteRange"), everything);
    if (emptied.code != "OK") throw std::runtime_error("cannot empty the server: " + text_of(emptied));
  }
  v1::GetRequest any;
  any.set_key("any");
  const Answer at = target_->call(method_of("Get"), any);
  nought_ = at.code == "OK" ? static_cast<const v1::GetResponse&>(*at.response).revision() : 0;
  newest_ = nought_;
}

std::string Runner::take(const Step& step) {
  if (step.kind == Step::Kind::kFault) {
    faults_->begin(step.method);
    return {};
  }
  if (step.kind == Step::Kind::kHeal) {
    faults_->end(step.method);
    return {};
  }
  if (step.kind == Step::Kind::kBegin) {
    begun_.push_back(std::async(std::launch::async, [this, step] { return ask(step); }));
    return {};
  }
  if (step.kind == Step::Kind::kRestart) {
    restart(step.method == "killed");
    return {};
  }
  return take_call(step);
}

void Runner::restart(bool killed) {
  if (killed) running_.kill();
  if (!killed && running_.stop() != 0) throw std::runtime_error("the server did not end in order:\n" + running_.log());
  running_.start();
  target_ = target_->to(running_.address());
}

std::string Runner::take_call(const Step& step) {
  Answer answer = ask(step);
  std::string wrong = wrong_with(step, answer);
  if (!wrong.empty() && step.kind == Step::Kind::kSoon) wrong = wait_for(step, answer);
  if (!wrong.empty()) {
    return "  line " + std::to_string(step.line) + ": " + step.method + " " + step.request.substr(0, 200) +
           "\n  expected: " + step.answer + "\n  came: " + text_of(answer).substr(0, 2000) + "\n  " + wrong;
  }
  remember(answer);
  return {};
}

std::string Runner::wrong_with(const Step& step, const Answer& answer) const {
  const std::string wrong = difference(substitute(step.answer), answer);
  if (!wrong.empty() || step.answer.find("$newer") == step.answer.npos) return wrong;
  return newest_in(*answer.response) > newest_ ? "" : "not newer than revision " + std::to_string(newest_);
}

// A scan that was refused at once has shown nothing, and leaves the token of the one before.
void Runner::remember(const Answer& answer) {
  if (answer.response == nullptr) return;
  const std::uint64_t newest = newest_in(*answer.response);
  newest_ = std::max(newest_, newest);
  const auto* scan = dynamic_cast<const v1::ScanResponse*>(answer.response.get());
  if (scan != nullptr && (answer.code == "OK" || newest != 0)) token_ = scan->resume_token();
}

std::string Runner::wait_for(const Step& step, Answer& answer) {
  const auto end = std::chrono::steady_clock::now() + kSoon;
  std::string wrong;
  do {
    answer = ask(step);
    wrong = wrong_with(step, answer);
  } while (!wrong.empty() && std::chrono::steady_clock::now() < end);
  return wrong;
}

Answer Runner::ask(const Step& step) {
  if (step.kind == Step::Kind::kRaw) {
    std::string bytes;
    const std::string inside = step.request.substr(1, step.request.rfind('"') - 1);
    if (!absl::CUnescape(inside, &bytes)) throw std::runtime_error("bytes that are none: " + step.request);
    return target_->raw(path_of(step.method), bytes);
  }
  const Method& method = method_of(step.method);
  const auto request = method.request();
  const std::string text = substitute(step.request);
  if (text.size() < 2 || !TextFormat::ParseFromString(text.substr(1, text.rfind('}') - 1), request.get())) {
    throw std::runtime_error("a request that does not parse: " + step.request);
  }
  return target_->call(method, *request, step.kind == Step::Kind::kBrief ? kBrief : kPatience);
}

// "$any" stays as it is: difference() knows it. That a revision is newer is left to wrong_with().
std::string Runner::substitute(const std::string& text) const {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '$') {
      out.push_back(text[i++]);
      continue;
    }
    std::size_t end = i + 1;
    while (end < text.size() && is_name(text[end])) ++end;
    const std::string name = text.substr(i + 1, end - i - 1);
    std::string argument;
    if (name == "x" || name == "many") {
      const std::size_t close = text.find(')', end);
      argument = text.substr(end + 1, close - end - 1);
      end = close + 1;
    }
    const bool quoted = i > 0 && text[i - 1] == '"';
    out += quoted && name == "any" ? "$any" : value_of(name, argument);
    i = end;
  }
  return out;
}

std::string Runner::value_of(const std::string& name, const std::string& argument) const {
  if (name == "any" || name == "newer") return "18446744073709551615";
  if (name == "level") return "DURABILITY_" + server_.level;
  if (name == "id") return escaped(id_);
  if (name == "other_id") return escaped(other_id_);
  if (name == "token" && token_.empty()) throw std::runtime_error("no scan has left a token");
  if (name == "token") return escaped(token_);
  if (name == "x") return std::string(std::stoul(argument), 'x');
  if (name == "many") return many(argument);
  if (name.empty() || name.find_first_not_of("0123456789") != name.npos) {
    throw std::runtime_error("nothing is called $" + name);
  }
  return std::to_string(nought_ + std::stoull(name));
}

}  // namespace kv::rows
