// The steps of a program that are about many keys: MultiGet, Scan, DeleteRange.
#include <fmt/format.h>

#include "tests/programs/program.h"

namespace kv::programs {

void Program::look_at_many() {
  v1::MultiGetRequest request;
  for (std::uint64_t i = generator_.below(8); i > 0; --i) request.add_keys(generator_.key());
  request.set_omit_values(generator_.one_in(3));
  request.set_consistent(generator_.one_in(2));
  note("multi get", request);
  const std::vector<v1::GetResponse> results = target_.multi_get(request);
  expect(results.size() == static_cast<std::size_t>(request.keys_size()), "not one result for each key");
  for (int i = 0; i < request.keys_size(); ++i) {
    v1::GetRequest get;
    get.set_key(request.keys(i));
    get.set_omit_value(request.omit_values());
    const v1::GetResponse& result = results[static_cast<std::size_t>(i)];
    expect_equal(without_choices(result), model_.get(get, result.has_entry() ? &result.entry() : nullptr));
  }
}

void Program::look_at_all() {
  v1::ScanRequest request;
  request.mutable_range()->set_prefix(generator_.prefix());
  request.set_include_values(generator_.one_in(2));
  if (generator_.one_in(2)) request.set_consistency(v1::SCAN_CONSISTENCY_RELAXED);
  if (generator_.one_in(2)) request.set_max_chunk_bytes(300);
  note("scan", request);
  std::map<std::string, v1::Entry> shown;
  for (const v1::Entry& entry : target_.scan(request))
    expect(shown.try_emplace(entry.key(), entry).second, "a scan shows a key twice");
  for (const auto& [key, held] : model_.data()) {
    const auto found = shown.find(key);
    expect(found != shown.end(), "a scan does not show " + key);
    v1::Entry should = model_.entry(key, request.include_values(), &found->second);
    should.set_key(key);
    expect_equal(without_choices(found->second), should);
  }
  expect(shown.size() == model_.data().size(), "a scan shows a key that should not be there");
}

void Program::delete_range() {
  v1::DeleteRangeRequest request;
  const std::string key = generator_.key();
  request.mutable_range()->set_prefix(generator_.one_in(3) ? generator_.prefix() : key);
  request.set_dry_run(generator_.one_in(3));
  fill_options(*request.mutable_options());
  note("delete range", request);
  const std::string& prefix = request.range().prefix();
  const auto reply = target_.delete_range(request);
  expect(reply.status.ok(), "a delete range failed: " + reply.status.error_message());
  const std::uint64_t keys = model_.count(prefix);
  expect(reply.response.deleted() == keys, fmt::format("{} keys, and should be {}", reply.response.deleted(), keys));
  if (request.dry_run()) return expect(!reply.response.has_write(), "a count says that it has written");
  const v1::WriteResult& write = reply.response.write();
  expect((write.revision() != 0) == (keys != 0), "a revision of nothing, or none of a removal");
  expect(!write.replayed(), "a first answer says that it was given before");
  judge_changed(write.revision(), floor_);
  model_.remove(prefix);
  if (request.options().request_id().empty()) return;
  v1::DeleteRangeResponse again = reply.response;
  *again.mutable_write() = as_replayed(write);
  retries_.emplace_back([this, request, again] {
    note("again", request);
    const auto answer = target_.delete_range(request);
    expect(answer.status.ok(), "a retry failed: " + answer.status.error_message());
    expect_equal(answer.response, again);
  });
}

}  // namespace kv::programs
