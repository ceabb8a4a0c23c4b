// digest DIR: the digest of the state that a start would serve, or of an earlier one, as the server would report it.
#include "tools/commands.h"
#include "tools/examine.h"

namespace kv::tools {

ExitCode digest(FileSystem& fs, const Words& words, Screen& screen) {
  const auto directory = DirectoryPage::open(fs, words.path);
  if (!directory.ok()) return failed(screen, directory.status());
  const auto found = examine(fs, **directory, {.as_of = words.revision}, screen.progress());
  if (!found.ok()) return failed(screen, found.status());
  if (found->start == Examination::Start::kRefuses) {
    const DamagedPlace& place = found->damaged.back();
    return failed(screen, damage(place.file, place.offset, place.what));
  }
  const std::uint64_t sum = found->state.digest();
  if (screen.json()) {
    screen.object({{"digest", hex(sum)}, {"revision", found->revision}, {"keys", found->state.keys().size()}});
  } else {
    screen.line(hex(sum));
  }
  return ExitCode::kDone;
}

}  // namespace kv::tools
