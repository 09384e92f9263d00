// A tokenizer.json of any kind, texts through it and back; and any text through the golden tokenizers.
#include <string>
#include <utility>
#include <vector>

#include "../io/scratch.hpp"
#include "targets.hpp"
#if __has_include(<utf8proc.h>) && __has_include(<pcre2.h>)
#include <vitrine/io/detail/utf8.hpp>
#include <vitrine/text/tokenizer.hpp>

namespace vt = vitrine;

namespace {

// As many of everything, ids that are there, offsets within the text; returns the ids.
std::vector<vt::Index> check_encoding(const vt::Tokenizer& tokenizer, std::string_view text) {
  const vt::Encoding made = tokenizer.encode(text);
  const std::size_t count = made.ids.size();
  if (made.tokens.size() != count || made.offsets.size() != count || made.words.size() != count ||
      made.type_ids.size() != count)
    __builtin_trap();
  const auto characters = vt::Index(vt::detail::decode_utf8(text).size());
  for (std::size_t i = 0; i < count; ++i) {
    const auto [begin, end] = made.offsets[i];
    if (begin < 0 || begin > end || end > characters) __builtin_trap();
    if (made.ids[i] < 0 || made.ids[i] > 1 << 24) __builtin_trap();
  }
  return made.ids;
}

void any_file(std::string_view input) {
  static const Scratch scratch;
  const auto path = scratch.write("tokenizer.json", std::string(input));
  refused([&] {
    const vt::Tokenizer tokenizer(path);
    for (const char* text :
         {"The D\u00e9j\u00e0 vu's  12 \xff [MASK]\t\u4e2d\u0301 <s>x</s>!", "", "aaaaaaaaaaaaaaaaaaaaaaaab"})
      refused([&] {
        (void)tokenizer.decode(check_encoding(tokenizer, text), true);
        (void)tokenizer.encode(text, text);
      });
  });
}

void any_text(std::string_view input) {
  static const std::vector<vt::Tokenizer> golden = [] {
    std::vector<vt::Tokenizer> all;
    for (const char* name : {"bert_uncased", "gpt2", "llama2", "llama3", "t5"})
      all.emplace_back(std::string("tests/golden/tokenizers/") + name);
    return all;
  }();
  for (const vt::Tokenizer& tokenizer : golden) {
    const std::vector<vt::Index> ids = check_encoding(tokenizer, input);
    const std::string text = tokenizer.decode(ids, true);
    // Bytes lose nothing.
    if (&tokenizer == &golden[1]) {
      std::string whole;
      for (const char32_t c : vt::detail::decode_utf8(input)) vt::detail::append_utf8(whole, c);
      if (text != whole) __builtin_trap();
    }
  }
}

}  // namespace

void fuzz_tokenizer_json(std::string_view input) {
  any_file(input);
  any_text(input);
}
#else
void fuzz_tokenizer_json(std::string_view) {}
#endif
