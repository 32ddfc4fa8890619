// Runs a fuzz target without a fuzzer, in the normal suite: every file of the corpus, and random
// changes of them. With clang the same targets are linked with libFuzzer instead
// (tests/fuzz/run.sh).
//
//   fuzz_NAME [-runs=N] FOLDER...     SHIFT_SEED=N replays

#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::size_t kBytesMax = 64 * 1024;

void feed(const std::string& text) {
    // A copy of exactly its size, so that a sanitizer sees a read past the end.
    const std::vector<std::uint8_t> bytes(text.begin(), text.end());
    (void)LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

class Mutator {
  public:
    explicit Mutator(std::uint64_t seed) : random_(seed) {}

    std::string change(const std::vector<std::string>& corpus) {
        std::string text = corpus[below(corpus.size())];
        for (std::size_t changes = 1 + below(4); changes > 0; --changes) {
            change_once(text, corpus);
        }
        text.resize(std::min(text.size(), kBytesMax));
        return text;
    }

  private:
    std::size_t below(std::size_t limit) { return limit == 0 ? 0 : random_() % limit; }
    void change_once(std::string& text, const std::vector<std::string>& corpus) {
        const std::size_t at = below(text.size() + 1);
        const std::size_t size = below(16);
        switch (below(7)) {
            case 0:  // one byte
                if (at < text.size()) {
                    text[at] = static_cast<char>(below(256));
                }
                return;
            case 1:
                text.erase(at, size);
                return;
            case 2:
                text.insert(at, text.substr(below(text.size() + 1), size));
                return;
            case 3: {  // a piece of another one
                const std::string& other = corpus[below(corpus.size())];
                text.insert(at, other.substr(below(other.size() + 1), below(64)));
                return;
            }
            case 4:
                text.resize(at);
                return;
            case 5: {  // what parsers stumble over
                static const char* const kOdd[] = {
                    "\"",   "\\",    "{",    "[",  "}",  "]",  "\n",
                    "\xff", "\xc3",  "`",    "'",  ": ", "- ", "99999999999999999999",
                    "-1",   "1e999", "null", "!!", "&a", "*a", "<<: "};
                text.insert(at, kOdd[below(std::size(kOdd))]);
                return;
            }
            default:
                text.insert(at, std::string(below(300), at < text.size() ? text[at] : '['));
        }
    }

    std::mt19937_64 random_;
};

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> corpus;
    long runs = 0;
    for (int i = 1; i < argc; ++i) {
        if (std::strncmp(argv[i], "-runs=", 6) == 0) {
            runs = std::strtol(argv[i] + 6, nullptr, 10);
            continue;
        }
        for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
            std::ifstream file(entry.path(), std::ios::binary);
            corpus.emplace_back(std::istreambuf_iterator<char>(file),
                                std::istreambuf_iterator<char>());
        }
    }
    if (corpus.empty()) {
        fmt::print(stderr, "no corpus: name its folders\n");
        return 1;
    }
    for (const std::string& text : corpus) {
        feed(text);
    }
    feed("");
    const char* given = std::getenv("SHIFT_SEED");
    const std::uint64_t seed =
        given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
    fmt::print("{} files of the corpus, then {} changes of them, SHIFT_SEED={}\n", corpus.size(),
               runs, seed);
    std::fflush(stdout);
    Mutator mutator(seed);
    for (long i = 0; i < runs; ++i) {
        feed(mutator.change(corpus));
    }
    return 0;
}
