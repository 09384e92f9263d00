// The fuzzers' corpora without a fuzzer: every file is read or refused, and takes no more memory than its size
// justifies.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "../hostile/allocation.cpp"  // operator new of this program
#include "../io/scratch.hpp"
#include "targets.hpp"

namespace {

// May take `fixed` bytes and `factor` for each byte of the file.
void replay(const std::string& name, void (*target)(std::string_view), std::size_t fixed, std::size_t factor) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(std::string("tests/fuzz/corpus/") + name))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  CHECK(files.size() >= 10);
  target(""), target("two words");  // what is made once: golden files, and their tables of words
  for (const auto& path : files) {
    CAPTURE(path.string());
    const std::string input = read_text(path);
    const std::size_t used_before = start_counting_allocation();
    target(input);  // anything but vt::Error would end the test here
    CHECK(peak_allocation() - used_before < fixed + factor * input.size());
  }
}

}  // namespace

TEST_CASE("safetensors") {
  replay("safetensors", fuzz_safetensors, 1 << 19, 32);
}  // the loader has 65,536 values at hand
TEST_CASE("index") { replay("index", fuzz_index, 1 << 16, 32); }
TEST_CASE("config") { replay("config", fuzz_config, 1 << 25, 64); }  // a config.json may state 2 * 1024 layers
TEST_CASE("generation_config") { replay("generation_config", fuzz_generation_config, 1 << 16, 64); }
TEST_CASE("tokenizer") { replay("tokenizer", fuzz_tokenizer, 1 << 17, 64); }
TEST_CASE("tokenizer_json") { replay("tokenizer_json", fuzz_tokenizer_json, 1 << 21, 256); }  // words seen lately
TEST_CASE("sentencepiece") { replay("sentencepiece", fuzz_sentencepiece, 1 << 17, 64); }
TEST_CASE("arrays") { replay("arrays", fuzz_arrays, 1 << 16, 5 * 1032); }  // deflate's limit, and bytes to float
TEST_CASE("constructors") { replay("constructors", fuzz_constructors, 1 << 22, 64); }  // it gives a megabyte
TEST_CASE("jsonl") { replay("jsonl", fuzz_jsonl, 1 << 17, 64); }
