// vocab.json, as Hugging Face's tokenizers write it: tokens and their ids, both ways; and words spelled as one token a
// character.
//
//   const vt::Vocabulary vocabulary("examples/models/g2p/vocab.json");
//   std::vector<vt::Index> ids = vocabulary.spell("radium");              // one for each letter, on the heap
//   vocabulary.token(ids[0]) == "r"
#pragma once
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>
#include <vitrine/io/config.hpp>
#include <vitrine/io/detail/utf8.hpp>
#include <vitrine/io/error.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// Tokens and their ids, from a vocab.json; both are on the heap.
class Vocabulary {
 public:
  /// Reads {"token": id, ...}, ids from 0 to 2^24. Throws Error: config_missing, config_not_json, file_unreadable,
  /// bad_vocabulary (an id that is none, is given twice, or leaves more than half of the ids below it unused).
  explicit Vocabulary(const std::filesystem::path& path) : Vocabulary(ConfigFile(path)) {}
  explicit Vocabulary(const ConfigFile& file);

  /// One more than the largest id.
  Index size() const noexcept { return Index(tokens_.size()); }
  /// The token's id, or -1.
  Index find(std::string_view token) const {
    const auto at = ids_.find(token);
    return at == ids_.end() ? -1 : at->second;
  }
  /// The id's token; empty for an id that has none.
  const std::string& token(Index id) const {
    static const std::string none;
    return id >= 0 && id < size() ? tokens_[std::size_t(id)] : none;
  }
  /// One id for each character of valid UTF-8. Throws Error unknown_symbol, which names the characters that are no
  /// token (ten at most).
  std::vector<Index> spell(std::string_view word) const;
  /// The characters of a word, in UTF-8; a byte that is none stands for itself.
  static std::vector<std::string> characters(std::string_view word);

 private:
  std::string file_;
  std::map<std::string, Index, std::less<>> ids_;
  std::vector<std::string> tokens_;
};

// ---- implementation

inline Vocabulary::Vocabulary(const ConfigFile& file) : file_(file.file()) {
  Index largest = -1;
  for (const auto& [token, value] : file.json().items()) {
    if (!value.is_number_integer() || value.get<std::int64_t>() < 0 || value.get<std::int64_t>() > (1 << 24))
      file.fail(LoadError::bad_vocabulary, detail::concat("the id of ", detail::in_quotes(token), " is no id"));
    ids_.emplace(token, value.get<Index>());
    largest = std::max(largest, value.get<Index>());
  }
  if (ids_.empty() || largest >= 2 * Index(ids_.size()))
    file.fail(LoadError::bad_vocabulary, detail::concat("has ", ids_.size(), " tokens and ids up to ", largest));
  tokens_.resize(std::size_t(largest) + 1);
  std::vector<bool> seen(tokens_.size());
  for (const auto& [token, id] : ids_) {
    if (seen[std::size_t(id)])
      file.fail(LoadError::bad_vocabulary,
                detail::concat("gives the id ", id, " twice, also to ", detail::in_quotes(token)));
    seen[std::size_t(id)] = true;
    tokens_[std::size_t(id)] = token;
  }
}

inline std::vector<std::string> Vocabulary::characters(std::string_view word) {
  std::vector<std::string> result;
  for (std::size_t at = 0; at < word.size();) {
    const std::size_t start = at;
    (void)detail::next_code_point(word, at);
    result.emplace_back(word.substr(start, at - start));
  }
  return result;
}

inline std::vector<Index> Vocabulary::spell(std::string_view word) const {
  std::vector<Index> ids;
  std::set<std::string> unknown;
  std::string names;
  for (const std::string& character : characters(word)) {
    ids.push_back(find(character));
    if (ids.back() >= 0 || !unknown.insert(character).second || unknown.size() > 10) continue;
    names.append(names.empty() ? "" : ", ").append(detail::readable(character));
  }
  if (!unknown.empty()) {
    if (unknown.size() > 10) names += detail::concat(" and ", unknown.size() - 10, " more");
    throw Error(LoadError::unknown_symbol, file_,
                detail::concat("has no ", names, ", which ", detail::readable(word), " needs"));
  }
  return ids;
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
