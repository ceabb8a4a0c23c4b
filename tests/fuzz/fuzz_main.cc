// A fuzz program's main: every file of the corpus first, then changed ones without end.
//
// Built with clang and KV_FUZZ, libFuzzer makes the changes and sees which of them reach new code. Built with any other
// compiler they are made blindly, which finds less and is enough to see that old findings stay dead.
//
// Either way an input that ends the process is a finding: libFuzzer leaves it in build/fuzz/found, the blind run says
// seed and number.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz/target.h"
#include "tests/support/torture.h"

namespace kv::fuzz {
namespace {

constexpr std::size_t kInputBytesMax = 64 << 10;

std::uint64_t inputs = 0;  // decoded so far
const auto started_at = std::chrono::steady_clock::now();

std::uint64_t seconds_run() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - started_at).count());
}

void take(Bytes input) {
  ++inputs;
  decode(input);
}

struct Options : TortureOptions {
  Options() { cycles = 20'000; }
  std::string corpus = "tests/fuzz/corpus/" KV_DECODER;
};

void print_result(const Options& options, std::string_view how) {
  print({.suite = "fuzz",
         .variant = fmt::format("{} {}", KV_DECODER, how),
         .cycles = inputs,
         .seed = options.seed,
         .counts = {{"seconds", seconds_run()}, {"taken", taken}},
         .passed = taken > 0});
}

}  // namespace
}  // namespace kv::fuzz

#ifdef KV_FUZZER
extern "C" int LLVMFuzzerRunDriver(int* argc, char*** argv, int (*take)(const std::uint8_t* data, std::size_t size));

namespace kv::fuzz {
namespace {

Options used;

int take_input(const std::uint8_t* data, std::size_t size) {
  take({reinterpret_cast<const std::byte*>(data), size});
  return 0;
}

// The driver ends the process itself, so the result is printed on the way out; after a finding there is none.
int run(const Options& options) {
  used = options;
  std::atexit([] { print_result(used, "guided"); });
  const std::string found = "build/fuzz/found/" KV_DECODER;
  std::filesystem::create_directories(found);
  std::vector<std::string> words{"fuzz",
                                 // Of the driver: 32 bits, and 0 means another one each time.
                                 fmt::format("-seed={}", options.seed % 0xffff'fffe + 1),
                                 fmt::format("-max_len={}", kInputBytesMax), "-timeout=20", "-rss_limit_mb=2048",
                                 "-verbosity=0", "-print_final_stats=1",
                                 fmt::format("-artifact_prefix=build/fuzz/{}-", KV_DECODER)};
  if (options.seconds > 0) words.push_back(fmt::format("-max_total_time={}", options.seconds));
  if (options.seconds == 0) words.push_back(fmt::format("-runs={}", options.cycles));
  words.insert(words.end(), {found, options.corpus});
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  int count = static_cast<int>(words.size());
  char** begin = arguments.data();
  return LLVMFuzzerRunDriver(&count, &begin, take_input);
}

}  // namespace
}  // namespace kv::fuzz
#else
namespace kv::fuzz {
namespace {

using Input = std::vector<std::byte>;

std::vector<Input> read_corpus(const std::string& directory) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<Input> corpus;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    const Bytes view = as_bytes(bytes);
    corpus.emplace_back(view.begin(), view.end());
  }
  return corpus;
}

class Changes {
 public:
  explicit Changes(std::uint64_t seed) : random_(seed) {}

  Input changed(const std::vector<Input>& corpus) {
    Input input = corpus[below(corpus.size())];
    for (std::size_t left = 1 + below(6); left > 0; --left) change(input, corpus[below(corpus.size())]);
    if (input.size() > kInputBytesMax) input.resize(kInputBytesMax);
    return input;
  }

 private:
  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : static_cast<std::size_t>(random_() % bound); }

  void change(Input& input, const Input& other) {
    const std::size_t at = below(input.size() + 1);
    const auto place = input.begin() + static_cast<std::ptrdiff_t>(at);
    const std::size_t left = input.size() - at;
    switch (below(7)) {
      case 0:
        if (left > 0) *place ^= std::byte{1} << below(8);
        return;
      case 1:
        if (left > 0) *place = static_cast<std::byte>(random_());
        return;
      case 2:
        input.insert(place, 1 + below(8), static_cast<std::byte>(random_()));
        return;
      case 3:
        input.erase(place, place + static_cast<std::ptrdiff_t>(std::min(left, 1 + below(16))));
        return;
      case 4:
        return put_number(input, at);
      case 5:
        input.resize(at);
        return;
      default:
        return put_piece(input, at, other);
    }
  }
  // A number that often is one too many.
  void put_number(Input& input, std::size_t at) {
    const std::uint64_t bit = std::uint64_t{1} << below(64);
    const std::uint64_t number = below(2) == 0 ? bit : bit - 1;
    const std::size_t bytes = std::min<std::size_t>(input.size() - at, std::size_t{1} << below(4));
    for (std::size_t i = 0; i < bytes; ++i) input[at + i] = static_cast<std::byte>(number >> (8 * i));
  }
  void put_piece(Input& input, std::size_t at, const Input& other) {
    const std::size_t begin = below(other.size());
    const std::size_t bytes = std::min(other.size() - begin, 1 + below(64));
    const auto from = other.begin() + static_cast<std::ptrdiff_t>(begin);
    const Input piece(from, from + static_cast<std::ptrdiff_t>(bytes));
    input.insert(input.begin() + static_cast<std::ptrdiff_t>(at), piece.begin(), piece.end());
  }

  std::mt19937_64 random_;
};

int run(const Options& options) {
  const std::vector<Input> corpus = read_corpus(options.corpus);
  if (corpus.empty()) throw std::runtime_error("no corpus in " + options.corpus);
  for (const Input& input : corpus) take(input);
  std::cout << fmt::format("{}: {} inputs of the corpus, then {} of them changed, seed {}\n", KV_DECODER, corpus.size(),
                           options.cycles, options.seed)
            << std::flush;
  const TortureTime time(options.seconds);
  Changes changes(options.seed);
  for (std::uint64_t i = 0; i < options.cycles && !time.is_over(); ++i) take(changes.changed(corpus));
  print_result(options, "blind");
  return taken > 0 ? 0 : 1;
}

}  // namespace
}  // namespace kv::fuzz
#endif

int main(int argc, char** argv) {
  kv::fuzz::Options options;
  CLI::App app("Gives a decoder any bytes: the corpus, then changes of it.");
  app.add_option("--corpus", options.corpus, "folder of inputs")->capture_default_str();
  options.add_to(app, "how many changed inputs");
  CLI11_PARSE(app, argc, argv);
  try {
    return kv::fuzz::run(options);
  } catch (const std::exception& failure) {
    std::cerr << "fuzz: " << failure.what() << '\n';
    return EXIT_FAILURE;
  }
}
