#include <algorithm>
#include <string>
#include <vector>
#include <vitrine/text/detail/sentencepiece_file.hpp>

#include "../io/scratch.hpp"
#include "targets.hpp"
#if VITRINE_SENTENCEPIECE && __has_include(<utf8proc.h>) && __has_include(<pcre2.h>)
#define VITRINE_READS_SENTENCEPIECE 1
#include <vitrine/text/tokenizer.hpp>
#endif

namespace vt = vitrine;

void fuzz_sentencepiece(std::string_view input) {
#if VITRINE_READS_SENTENCEPIECE
  static const Scratch scratch;
  static const bool others = [] {
    scratch.write("vocab.json", R"({"</s>": 0, "<unk>": 1, "▁a": 2, "b": 3, "▁the": 4, "<0x61>": 5, "▁": 6})");
    std::filesystem::create_symlink("source.spm", scratch / "target.spm");
    return true;
  }();
  (void)others;
  scratch.write("source.spm", std::string(input));
  refused([&] {
    const vt::Tokenizer tokenizer(scratch.folder);
    const std::string texts[] = {
        "The cat sat on  the m\u00e4t\u3000\ufb01 \U0001f600, aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        std::string(input.substr(0, 256)),
        std::string(input.substr(input.size() - std::min<std::size_t>(input.size(), 256)))};
    for (const std::string& text : texts) {
      const vt::Encoding made = tokenizer.encode(text);
      if (made.ids.size() != made.tokens.size() || made.ids.empty() || made.ids.back() != 0) __builtin_trap();
      for (const vt::Index id : made.ids)
        if (id < 0 || id >= tokenizer.size()) __builtin_trap();
      (void)tokenizer.decode(made.ids);
    }
    (void)tokenizer.decode(std::vector<vt::Index>{2, 3, 4, 5, 6, 1, 0});
  });
#else
  refused([&] { vt::detail::checked_sentencepiece(std::string(input), "source.spm"); });
#endif
}
