#include <algorithm>
#include <vitrine/corpus/batches.hpp>
#include <vitrine/corpus/line.hpp>
#include <vitrine/corpus/reader.hpp>

#include "../io/scratch.hpp"
#include "targets.hpp"

namespace corpus = vitrine::corpus;

void fuzz_jsonl(std::string_view input) {
  static const Scratch scratch;
  static const auto vocabulary = scratch.write("vocab.json", R"({"</s>":0,"<unk>":1,"a":2,"b":3,"AA":4,"\u00e9":5})");
  static const corpus::Reader readers[] = {
      {scratch.folder, {.json = true, .end = 0, .longest = 16, .source_ids = 6, .target_ids = 6}},
      {scratch.folder, {.json = false, .end = 0, .longest = 16, .source_ids = 6, .target_ids = 6}}};
  for (const corpus::Reader& reader : readers) {
    corpus::LineStream stream(std::vector<std::string>{std::string(input)});
    std::vector<corpus::Line> all;
    for (corpus::Text text; stream.next(text);) {
      all.push_back(reader.read(text, stream.number()));
      all.push_back(reader.read_target(text, stream.number()));
    }
    for (const corpus::Line& line : all) {
      if (line.ids.size() != line.tokens.size() || line.ids.size() > 16) __builtin_trap();
      if (line.usable() && !line.error.empty()) __builtin_trap();
      for (const vitrine::Index id : line.ids)
        if (id < 0 || id >= 6) __builtin_trap();
      (void)reader.text(line.ids);
    }
    std::size_t in_batches = 0;
    for (const auto& batch : corpus::batches(all, 64)) in_batches += batch.size();
    if (in_batches != std::size_t(std::count_if(all.begin(), all.end(), [](const auto& l) { return l.usable(); })))
      __builtin_trap();
  }
}
