#include "bench/caller.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "bench/pipeline_caller.h"
#include "bench/unary_caller.h"
#include "core/absl_text.h"

namespace kv {
namespace {

constexpr std::array<std::pair<std::string_view, Api>, 5> kApis = {{{"legacy", Api::kLegacy},
                                                                    {"unary", Api::kUnary},
                                                                    {"batch", Api::kBatch},
                                                                    {"pipeline", Api::kPipeline},
                                                                    {"etcd", Api::kEtcd}}};

}  // namespace

absl::StatusOr<Api> parse_api(std::string_view text) {
  for (const auto& [name, api] : kApis) {
    if (name == text) return api;
  }
  return absl::InvalidArgumentError(fmt::format("'{}' is no API: legacy, unary, batch, pipeline, etcd", text));
}

std::string_view name_of(Api api) { return kApis[static_cast<std::size_t>(api)].first; }

bool can(Api api, LoadKind kind) {
  if (kind == LoadKind::kRead) return true;
  if (api == Api::kBatch) return false;
  if (kind == LoadKind::kUpdate || kind == LoadKind::kInsert) return true;
  if (kind == LoadKind::kReadModifyWrite) return api != Api::kPipeline;  // The write needs the answer of the read.
  return api == Api::kUnary || (api == Api::kPipeline && kind == LoadKind::kIncrement);
}

std::unique_ptr<Caller> make_caller(const CallerOptions& options, const Filler& filler) {
  if (options.api == Api::kPipeline) return std::make_unique<PipelineCaller>(options, filler);
  return std::make_unique<UnaryCaller>(options, filler);
}

}  // namespace kv
