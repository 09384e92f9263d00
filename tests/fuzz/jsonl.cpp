#include <sstream>

#include "../../examples/lines.hpp"
#include "../io/scratch.hpp"
#include "targets.hpp"

void fuzz_jsonl(std::string_view input) {
  static const Scratch scratch;
  static const auto vocabulary = scratch.write("vocab.json", R"({"</s>":0,"<unk>":1,"a":2,"b":3,"AA":4,"\u00e9":5})");
  static const lines::Reader readers[] = {{scratch.folder, true, 0, 16, 6, 6}, {scratch.folder, false, 0, 16, 6, 6}};
  for (const lines::Reader& reader : readers) {
    std::istringstream in{std::string(input)};
    std::string text;
    bool too_long = false;
    std::vector<lines::Line> all;
    for (lines::Index number = 0; lines::read_line(in, text, too_long); ++number) {
      all.push_back(reader.read(text, too_long, number));
      all.push_back(reader.read_target(text, too_long, number));
    }
    for (const lines::Line& line : all) {
      if (line.ids.size() != line.tokens.size() || line.ids.size() > 16) __builtin_trap();
      if (line.usable() && !line.error.empty()) __builtin_trap();
      for (const lines::Index id : line.ids)
        if (id < 0 || id >= 6) __builtin_trap();
      (void)reader.text(line.ids);
    }
    std::size_t in_batches = 0;
    for (const auto& batch : lines::batches(all, 64)) in_batches += batch.size();
    if (in_batches != std::size_t(std::count_if(all.begin(), all.end(), [](const auto& l) { return l.usable(); })))
      __builtin_trap();
  }
}
