#include "client/cli/transaction_text.h"

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "client/cli/commands.h"
#include "client/cli/entry_json.h"
#include "client/cli/expiry_text.h"
#include "client/cli/line.h"
#include "client/cli/number_text.h"
#include "core/absl_text.h"
#include "core/units.h"

namespace kv {
namespace {

namespace v1 = kvstore::v1;
using Words = std::span<const std::string>;

absl::Status refuse(std::string_view line) { return absl::InvalidArgumentError(to_absl(line)); }

// ---- Text -------------------------------------------------------------------------------------------------------

// Where the clause that begins at `text` ends: at a `;` or a line end outside of quotes and escapes.
std::size_t clause_end(std::string_view text) {
  char quote = 0;
  bool word_begins = true;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && quote != '\'') {
      ++i;
      word_begins = false;
    } else if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == ';' || c == '\n') {
      return i;
    } else {
      if (word_begins && (c == '"' || c == '\'')) quote = c;
      word_begins = c == ' ' || c == '\t' || c == '\r';
    }
  }
  return text.size();
}

absl::StatusOr<std::vector<std::vector<std::string>>> clauses_of(std::string_view text) {
  std::vector<std::vector<std::string>> clauses;
  while (!text.empty()) {
    const std::size_t begin = text.find_first_not_of(" \t");
    const bool comment = begin != text.npos && text[begin] == '#';
    const std::size_t end = comment ? std::min(text.find('\n'), text.size()) : clause_end(text);
    if (!comment) {
      auto words = line_words(text.substr(0, end));
      if (!words.ok()) return refuse(fmt::format("clause {}: {}", clauses.size() + 1, message_of(words.status())));
      if (!words->empty()) clauses.push_back(*std::move(words));
    }
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  return clauses;
}

absl::Status fill_comparison(Words words, v1::Comparison* comparison) {
  constexpr std::string_view kForms = "if KEY = VALUE, if KEY version N, if KEY exists or if KEY absent";
  if (words.size() < 2) return refuse(fmt::format("expected {}", kForms));
  comparison->set_key(words[0]);
  v1::Precondition& test = *comparison->mutable_precondition();
  const std::string verb = in_lower_case(words[1]);
  if (words.size() == 2 && (verb == "exists" || verb == "absent")) {
    test.set_exists(verb == "exists");
    return absl::OkStatus();
  }
  if (words.size() == 3 && verb == "=") {
    test.set_value_equals(words[2]);
    return absl::OkStatus();
  }
  if (words.size() != 3 || verb != "version") return refuse(fmt::format("expected {}", kForms));
  const auto version = parse_number(words[2]);
  if (!version.ok()) return refuse(fmt::format("'{}' is no version", words[2]));
  test.set_version_equals(*version);
  return absl::OkStatus();
}

absl::Status fill_operation(Words words, v1::Operation* operation) {
  const std::string verb = words.empty() ? "" : in_lower_case(words[0]);
  const std::size_t count = words.size();
  if (verb == "get" && count == 2) {
    operation->mutable_get()->set_key(words[1]);
  } else if (verb == "del" && count == 2) {
    operation->mutable_delete_()->set_key(words[1]);
  } else if (verb == "set" && count == 3) {
    operation->mutable_set()->set_key(words[1]);
    operation->mutable_set()->set_value(words[2]);
  } else if (verb == "append" && count == 3) {
    operation->mutable_append()->set_key(words[1]);
    operation->mutable_append()->set_suffix(words[2]);
  } else if (verb == "incr" && (count == 2 || count == 3)) {
    const auto delta = parse_signed(count == 3 ? words[2] : "1");
    if (!delta.ok()) return delta.status();
    operation->mutable_increment()->set_key(words[1]);
    operation->mutable_increment()->set_delta(*delta);
  } else if (verb == "expire" && count == 3) {
    const auto expiry = parse_expiry(words[2]);
    if (!expiry.ok()) return expiry.status();
    operation->mutable_set_expiry()->set_key(words[1]);
    *operation->mutable_set_expiry()->mutable_expiry() = *expiry;
  } else {
    return refuse("expected get K, set K V, del K, incr K [DELTA], append K V or expire K WHEN");
  }
  return absl::OkStatus();
}

class TextParser {
 public:
  absl::Status take(Words clause) {
    const std::string first = in_lower_case(clause[0]);
    if (first == "if") {
      if (part_ != Part::kNone) return refuse("an if stands before the first command");
      return fill_comparison(clause.subspan(1), request_.add_comparisons());
    }
    if (first == "then" || first == "else") {
      const Part part = first == "then" ? Part::kThen : Part::kElse;
      if (part <= part_) return refuse(fmt::format("{} stands once, and then before else", first));
      part_ = part;
      clause = clause.subspan(1);
      if (clause.empty()) return absl::OkStatus();
    }
    if (part_ == Part::kNone && request_.comparisons_size() > 0) return refuse("expected if, then or else");
    if (part_ == Part::kNone) part_ = Part::kThen;
    return fill_operation(clause, part_ == Part::kThen ? request_.add_then() : request_.add_otherwise());
  }
  v1::TransactRequest request() && { return std::move(request_); }

 private:
  enum class Part { kNone, kThen, kElse };
  Part part_ = Part::kNone;
  v1::TransactRequest request_;
};

absl::StatusOr<v1::TransactRequest> parse_text(std::string_view text) {
  const auto clauses = clauses_of(text);
  if (!clauses.ok()) return clauses.status();
  TextParser parser;
  for (std::size_t i = 0; i < clauses->size(); ++i) {
    if (absl::Status taken = parser.take((*clauses)[i]); !taken.ok()) {
      return refuse(fmt::format("clause {}: {}", i + 1, message_of(taken)));
    }
  }
  return std::move(parser).request();
}

// ---- JSON -------------------------------------------------------------------------------------------------------

absl::Status only_fields(const Json& object, std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : object.items()) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      return refuse(fmt::format("unknown field {}", name));
  }
  return absl::OkStatus();
}

absl::Status fill_comparison(const Json& object, v1::Comparison* comparison) {
  if (!object.is_object()) return refuse("is no object");
  if (absl::Status known = only_fields(object, {"key", "key_base64", "value", "value_base64", "exists", "version"});
      !known.ok()) {
    return known;
  }
  auto key = bytes_field(object, "key");
  if (!key.ok()) return key.status();
  comparison->set_key(*std::move(key));
  v1::Precondition& test = *comparison->mutable_precondition();
  const bool by_value = object.contains("value") || object.contains("value_base64");
  const int tests = int{by_value} + int{object.contains("exists")} + int{object.contains("version")};
  if (tests != 1) return refuse("needs one of value, exists and version");
  if (by_value) {
    auto value = bytes_field(object, "value");
    if (!value.ok()) return value.status();
    test.set_value_equals(*std::move(value));
  } else if (object.contains("exists")) {
    if (!object["exists"].is_boolean()) return refuse("exists is true or false");
    test.set_exists(object["exists"].get<bool>());
  } else {
    if (!object["version"].is_number_unsigned()) return refuse("version is a number");
    test.set_version_equals(object["version"].get<std::uint64_t>());
  }
  return absl::OkStatus();
}

absl::Status fill_operation(const Json& object, v1::Operation* operation) {
  if (!object.is_object() || object.size() != 1 || !object.begin().value().is_object()) {
    return refuse(R"(must look like {"set":{...}})");
  }
  const std::string verb = object.begin().key();
  const Json& fields = object.begin().value();
  if (absl::Status known = only_fields(fields, {"key", "key_base64", "value", "value_base64", "delta", "expiry"});
      !known.ok()) {
    return known;
  }
  // The same words as in text, so that both forms mean the same and are refused alike.
  std::vector<std::string> words{verb};
  auto key = bytes_field(fields, "key");
  if (!key.ok()) return key.status();
  words.push_back(*std::move(key));
  if (fields.contains("value") || fields.contains("value_base64")) {
    auto value = bytes_field(fields, "value");
    if (!value.ok()) return value.status();
    words.push_back(*std::move(value));
  }
  if (fields.contains("delta")) {
    if (!fields["delta"].is_number_integer()) return refuse("delta is a whole number");
    words.push_back(fields["delta"].dump());
  }
  if (fields.contains("expiry")) {
    if (!fields["expiry"].is_string()) return refuse("expiry is a string");
    words.push_back(fields["expiry"].get<std::string>());
  }
  return fill_operation(Words(words), operation);
}

absl::StatusOr<v1::TransactRequest> parse_json(std::string_view text) {
  const Json object = Json::parse(text, nullptr, false);
  if (!object.is_object()) return refuse("the transaction is no JSON object");
  if (absl::Status known = only_fields(object, {"if", "then", "else"}); !known.ok()) return known;
  v1::TransactRequest request;
  for (const auto& [part, items] : object.items()) {
    if (!items.is_array()) return refuse(fmt::format("{} is no array", part));
    for (std::size_t i = 0; i < items.size(); ++i) {
      const absl::Status taken = part == "if"     ? fill_comparison(items[i], request.add_comparisons())
                                 : part == "then" ? fill_operation(items[i], request.add_then())
                                                  : fill_operation(items[i], request.add_otherwise());
      if (!taken.ok()) return refuse(fmt::format("{}[{}]: {}", part, i, message_of(taken)));
    }
  }
  return request;
}

}  // namespace

absl::StatusOr<v1::TransactRequest> parse_transaction(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  auto request = begin != text.npos && text[begin] == '{' ? parse_json(text) : parse_text(text);
  if (request.ok() && request->then_size() + request->otherwise_size() == 0)
    return refuse("the transaction does nothing");
  return request;
}

}  // namespace kv
