// Speed of vt::Tokenizer on one thread. bench/peers/peer_tokenizers.py makes the text and the ids, runs this and the
// tokenizers package in turn, and prints the ratio.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>
#include <vitrine/core/build_info.hpp>
#include <vitrine/text/tokenizer.hpp>

#include "flags.hpp"
#include "measure.hpp"

namespace {

using bench::Index;

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error(path + " cannot be read");
  return {std::istreambuf_iterator<char>(in), {}};
}

// Every id of every line, compared with 32-bit integers.
void verify(const vitrine::Tokenizer& tokenizer, const std::vector<std::string>& lines, const std::string& ids) {
  std::size_t at = 0;
  for (std::size_t line = 0; line < lines.size(); ++line)
    for (const Index id : tokenizer.encode(lines[line]).ids) {
      std::int32_t expected = -1;
      if (at + 4 <= ids.size()) std::memcpy(&expected, ids.data() + at, 4);
      if (expected != id)
        throw std::runtime_error("line " + std::to_string(line + 1) + ": id " + std::to_string(id) + ", expected " +
                                 std::to_string(expected));
      at += 4;
    }
  if (at != ids.size()) throw std::runtime_error("the reference has more ids");
}

}  // namespace

int main(int argc, char** argv) {
  using namespace bench;
  std::string folder, text, ids;
  Index repetitions = 5;
  Flags flags(
      "tokenizer: megabytes of text a second to ids, tokens and offsets, line by line on one thread. The ids are "
      "compared with the reference first. One JSON object on stdout.\n\nusage: tokenizer --tokenizer PATH --text FILE "
      "--ids FILE [flags]");
  flags.text("tokenizer", folder, "PATH", "a folder or a tokenizer.json");
  flags.text("text", text, "FILE", "lines of text");
  flags.text("ids", ids, "FILE", "the ids of all lines one after another, 32-bit little-endian integers");
  flags.number("repetitions", repetitions, "times over the text; the median counts");
  if (const auto status = flags.parse(argc, argv)) return *status;
  std::fprintf(stderr, "%s\n", vt::build_info().data());
  try {
    const vt::Tokenizer tokenizer(folder);
    const std::string all = read(text);
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < all.size();) {
      const std::size_t end = std::min(all.find('\n', at), all.size());
      lines.push_back(all.substr(at, end - at));
      at = end + 1;
    }
    verify(tokenizer, lines, read(ids));
    std::vector<double> seconds;
    std::size_t count = 0;
    for (Index i = 0; i < repetitions; ++i) {
      count = 0;
      const double begin = seconds_now();
      for (const std::string& line : lines) count += tokenizer.encode(line).ids.size();
      seconds.push_back(seconds_now() - begin);
    }
    const double taken = median(seconds);
    Json json;
    json["mb_per_s"] = double(all.size()) / 1e6 / taken;
    json["ids_per_s"] = double(count) / taken;
    json["bytes"] = all.size();
    json["ids"] = count;
    json["median_s"] = taken;
    json["build"] = vt::build_info().data();
    json["cpu"] = cpu_name();
    std::cout << json.dump(1) << std::endl;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
  return 0;
}
