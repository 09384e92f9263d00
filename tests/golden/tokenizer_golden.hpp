// A tokenizer.json beside expect.jsonl: what the tokenizers library makes of each line.
#pragma once
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>
#if __has_include(<utf8proc.h>) && __has_include(<pcre2.h>)
#include <vitrine/text/tokenizer.hpp>
#endif

#include "report.hpp"

namespace golden {

#if __has_include(<utf8proc.h>) && __has_include(<pcre2.h>)
// Ids, tokens, offsets and texts of every line; of a pair its type ids.
inline void run_tokenizer_case(const std::filesystem::path& folder, Report& report) {
  const vt::Tokenizer tokenizer(folder);
  std::ifstream stream(folder / "expect.jsonl");
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    const nlohmann::json expected = nlohmann::json::parse(line);
    const auto text = expected.at("text").get<std::string>();
    const vt::Encoding made =
        expected.contains("pair")
            ? tokenizer.encode(text, std::string_view(expected.at("pair").get_ref<const std::string&>()))
            : tokenizer.encode(text);
    const auto same = [&](const char* key, const nlohmann::json& value) {
      if (expected.contains(key) && expected.at(key) != value)
        report.fail("line " + std::to_string(number) + ": " + key + " are " + value.dump() + ", expected " +
                    expected.at(key).dump());
    };
    same("ids", made.ids);
    same("tokens", made.tokens);
    same("offsets", made.offsets);
    same("type_ids", made.type_ids);
    same("word_ids", made.words);
    same("decoded", tokenizer.decode(made.ids));
    same("decoded_special", tokenizer.decode(made.ids, true));
  }
  if (!stream.eof()) throw std::runtime_error((folder / "expect.jsonl").string() + " cannot be read");
}
#else
inline void run_tokenizer_case(const std::filesystem::path&, Report&) {
  throw std::runtime_error("golden was built without utf8proc and PCRE2 (libutf8proc-dev, libpcre2-dev)");
}
#endif

}  // namespace golden
