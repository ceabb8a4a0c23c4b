// import: a file of JSON lines.
#include <cerrno>
#include <cstdio>
#include <optional>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/answer.h"
#include "client/cli/importer.h"
#include "client/cli/runner.h"
#include "client/cli/word_options.h"
#include "core/absl_text.h"
#include "core/descriptor.h"
#include "core/error.h"
#include "core/units.h"

namespace kv {
namespace {

struct Source {
  std::string file;
  std::string state_path;
  std::uint64_t offset = 0;
  std::optional<ImportState> kept = {};  // by the state file, which said the offset
  bool keep_going = false;
};

absl::StatusOr<Source> source_of(std::span<const std::string> arguments) {
  const auto sorted = sort_words(arguments, find_command("import")->options);
  if (!sorted.ok()) return sorted.status();
  if (sorted->words.size() != 1) {
    return absl::InvalidArgumentError(fmt::format("Usage: {}", find_command("import")->usage));
  }
  Source source{.file = sorted->words.front(), .state_path = sorted->value("--state").value_or("")};
  source.keep_going = sorted->has("--keep-going");
  const auto offset = sorted->value("--offset");
  if (offset) {
    const auto number = parse_number(*offset);
    if (!number.ok()) return absl::InvalidArgumentError(fmt::format("'{}' is no number of bytes", *offset));
    source.offset = *number;
  } else if (!source.state_path.empty()) {
    const auto kept = load_import_state(source.state_path, source.file);
    if (!kept.ok()) return kept.status();
    source.offset = kept->place.offset;
    source.kept = *kept;
  }
  return source;
}

absl::Status system_error(std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("{}: {}", what, std::generic_category().message(errno)));
}

// An opened one, at its offset.
struct OpenSource {
  Descriptor descriptor = {};
  std::uint64_t total = 0;  // bytes of the whole; 0 where nobody knows
  Checksum64Stream before{ImportPlace::kImportSeed};
};

absl::StatusOr<OpenSource> open_source(const Source& source) {
  OpenSource open;
  if (source.file == "-") {
    if (source.offset > 0) return absl::InvalidArgumentError("standard input has no offset to go on at");
    return open;
  }
  open.descriptor = Descriptor(::open(source.file.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat about = {};
  if (!open.descriptor.valid() || ::fstat(open.descriptor.get(), &about) != 0) return system_error(source.file);
  if (source.offset > 0 && ::lseek(open.descriptor.get(), 0, SEEK_SET) < 0) return system_error(source.file);
  open.total = static_cast<std::uint64_t>(about.st_size);
  if (S_ISREG(about.st_mode) && source.offset > open.total)
    return absl::InvalidArgumentError(fmt::format("{} ends before offset {}", source.file, source.offset));
  // The lines before it are read once more: that a file has their name says nothing about them.
  auto before = checksum_beginning(open.descriptor.get(), source.offset, source.file);
  if (!before.ok()) return before.status();
  open.before = *before;
  if (!source.kept || before->value() == source.kept->place.checksum) return open;
  return absl::InvalidArgumentError(
      fmt::format("{} is not the file that {} is the state of: its first {} bytes are others. To import it from its "
                  "beginning, remove the state file",
                  source.file, source.state_path, source.offset));
}

absl::Status named(const absl::Status& error, std::uint64_t line, std::uint64_t from) {
  const std::string place =
      from == 0 ? fmt::format("line {}", line) : fmt::format("line {} after offset {}", line, from);
  return error_of_peer(error.code(), reason_of(error), fmt::format("{}: {}", place, message_of(error)));
}

// Empty where the server has no admin service, or keeps it for others.
absl::StatusOr<ServerStart> see_start(Connection& connection) {
  using enum absl::StatusCode;
  const auto status = connection.ask(methods::kGetStatus, {});
  const absl::StatusCode code = status.status().code();
  if (code == kUnimplemented || code == kPermissionDenied || code == kUnauthenticated) return ServerStart();
  if (!status.ok()) return status.status();
  if (!status->has_start_time()) return ServerStart();
  const auto& time = status->start_time();
  return ServerStart{status->instance_id(), fmt::format("{}.{:09}", time.seconds(), time.nanos())};
}

// What was confirmed in memory only is there as long as the server has not been started anew since.
absl::Status check_memory(Connection& connection, const ServerStart& then) {
  const auto now = see_start(connection);
  if (!now.ok()) return now.status();
  if (then.time.empty() || !started_anew(then, *now)) return absl::OkStatus();
  return absl::AbortedError(
      "the server was started anew meanwhile, and had confirmed lines in its memory only: some may be missing. Import "
      "the file again from its first line");
}

// For one that ended before its last line.
std::string how_to_go_on(Connection& connection, const ImportResult& result, const ServerStart& then) {
  const bool in_memory = in_memory_only(result.level);
  if (in_memory && absl::IsAborted(check_memory(connection, then))) {
    return "the server was started anew meanwhile, and had confirmed lines in its memory only: begin at the first line";
  }
  std::string hint =
      fmt::format("{} entries are imported; go on with --offset {}", result.entries, result.place.offset);
  if (in_memory) {
    hint += ". They are in the server's memory only: if it is started anew before, begin at the first line";
  }
  return hint;
}

Answer answer_of(const ImportResult& result) {
  Answer answer{.kind = Answer::Kind::kSuccess, .human = fmt::format("Imported {} entries", result.entries)};
  if (result.refused > 0) answer.human += fmt::format(", {} lines refused", result.refused);
  answer.json = Json{{"entries", result.entries}, {"refused", result.refused}, {"offset", result.place.offset}};
  return answer;
}

}  // namespace

ExitCode Runner::import_file(Arguments arguments) {
  auto source = source_of(arguments);
  if (!source.ok()) return misused(message_of(source.status()));
  auto open = open_source(*source);
  if (!open.ok()) return failed("Import", open.status());
  const auto server = see_start(connection_);
  if (!server.ok()) return failed("Import", server.status());
  const ImportState kept = source->kept.value_or(ImportState());
  const std::string why = source->offset > 0 && source->kept ? why_lines_may_be_missing(kept, *server) : "";
  if (!why.empty()) {
    printer_.hint(fmt::format("The first {} bytes are imported once more: {}", source->offset, why));
    source->offset = 0;
    source->kept.reset();
    open = open_source(*source);
    if (!open.ok()) return failed("Import", open.status());
  }
  LineReader lines(source->file == "-" ? STDIN_FILENO : open->descriptor.get(), open->before);
  Progress progress(bar_);
  progress.begin("importing", open->total, source->offset, "entries");

  std::stop_source stop;
  absl::Status first_refusal;
  // The present start is that of all lines that it matters to: of those before the place it is, or they outlive it.
  ImportOptions options{.begin = {.place = {source->offset, open->before.value()},
                                  .level = source->offset > 0 ? kept.level : kvstore::v1::DURABILITY_DISK,
                                  .server = *server},
                        .keep_going = source->keep_going,
                        .file = source->file,
                        .state_path = source->state_path};
  options.interrupted = [&] {
    if (connection_.interrupted()) stop.request_stop();
    return stop.stop_requested();
  };
  options.refused = [&](std::uint64_t line, const absl::Status& error) {
    if (first_refusal.ok()) first_refusal = error;
    printer_.failed("Import", named(error, line, source->offset));
  };
  const auto pipeline = connection_.open_pipeline(stop.get_token());
  const auto begin_set = [&](kvstore::v1::SetRequest request, SetDone done) {
    kvstore::v1::Operation operation;
    *operation.mutable_set() = std::move(request);
    pipeline->submit(std::move(operation), [done = std::move(done)](const Pipeline::Result& result) {
      if (!result.ok()) return done(result.status());
      done(result->set().write().durability());
    });
  };
  const ImportResult result = Importer(begin_set, std::move(options), progress).run(lines);
  progress.clear();
  if (!result.status.ok()) {
    const bool of_a_line = result.line != 0;
    const ExitCode code =
        failed("Import", of_a_line ? named(result.status, result.line, source->offset) : result.status);
    printer_.hint(how_to_go_on(connection_, result, *server));
    return code;
  }
  if (in_memory_only(result.level)) {
    const absl::Status there = check_memory(connection_, *server);
    if (!there.ok()) return failed("Import", there);
  }
  if (!source->state_path.empty()) std::remove(source->state_path.c_str());
  printer_.answer(answer_of(result));
  return exit_code_of(first_refusal);
}

}  // namespace kv
