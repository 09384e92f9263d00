#include <vitrine/text/vocabulary.hpp>

#include "../io/scratch.hpp"
#include "targets.hpp"
#if __has_include(<utf8proc.h>)
#include <vitrine/text/wordpiece.hpp>
#endif

namespace vt = vitrine;

namespace {

#if __has_include(<utf8proc.h>)
const char* const text = "D\u00e9j\u00e0 vu? [MASK] \u4e2d \xff unbelievable";

void word_pieces(std::string_view input) {
  static const Scratch scratch;
  static const bool folders = [] {
    for (const char* folder : {"json", "options"}) std::filesystem::create_directory(scratch / folder);
    scratch.write("options/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\nun\n##be\n");
    return true;
  }();
  (void)folders;
  const auto encode = [&](const std::filesystem::path& path) {
    refused([&] {
      const vt::WordPiece tokenizer(path);
      for (const vt::Index id : tokenizer.encode(text))
        if (id < 0 || id >= tokenizer.size()) __builtin_trap();
    });
  };
  encode(scratch.write("vocab.txt", std::string(input)));
  scratch.write("json/tokenizer.json", std::string(input));
  encode(scratch / "json");
  scratch.write("options/tokenizer_config.json", std::string(input));
  encode(scratch / "options");

  static const vt::WordPiece tokenizer(
      {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##a", "e", "##\u0301", "un", "##be", "\u4e2d", "?"});
  for (const vt::Index id : tokenizer.encode(input))
    if (id < 0 || id >= tokenizer.size()) __builtin_trap();
}
#else
void word_pieces(std::string_view) {}
#endif

}  // namespace

void fuzz_tokenizer(std::string_view input) {
  refused([&] {
    const vt::Vocabulary vocabulary(vt::ConfigFile(input, "vocab.json"));
    for (vt::Index id = -1; id <= vocabulary.size(); ++id)
      if (!vocabulary.token(id).empty() && vocabulary.find(vocabulary.token(id)) != id) __builtin_trap();
    (void)vocabulary.spell("radium");
  });
  refused([&] {
    static const vt::Vocabulary letters(vt::ConfigFile(R"({"a": 0, "\u00e9": 1, "\ud83d\ude00": 2})", "vocab.json"));
    (void)letters.spell(input);
  });
  word_pieces(input);
}
