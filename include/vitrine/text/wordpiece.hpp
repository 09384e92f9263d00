// WordPiece: text to the ids of BERT's tokenizer, and back to the pieces' names.
//
//   vt::WordPiece tokenizer("all-MiniLM-L6-v2");                 // tokenizer.json, or vocab.txt; tokenizer_config.json
//   std::vector<vt::Index> ids = tokenizer.encode("Déjà vu?");   // [CLS] deja vu ? [SEP]
//   tokenizer.token(ids[1]);                                     // "deja"
//
// The rules are those of Transformers' BertTokenizerFast: control characters go, CJK characters and punctuation stand
// alone, letters lose their case and accents (canonical decomposition), then the longest pieces from the left (Devlin
// et al. 2019). The reference has the character classes of Unicode 8: of what came later it takes marks, punctuation
// and formats for letters; here they are what utf8proc says. Nothing else in vitrine knows utf8proc: link with
// -lutf8proc.
#pragma once
#if !__has_include(<utf8proc.h>)
#error "vitrine: text/wordpiece.hpp needs utf8proc (Debian, Ubuntu: package libutf8proc-dev)"
#else
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>
#include <vitrine/io/config.hpp>
#include <vitrine/io/detail/utf8.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/text/detail/bert_text.hpp>
#include <vitrine/text/detail/vocabulary_file.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// The rules of one tokenizer, by the names of tokenizer_config.json and tokenizer.json; the defaults are BERT's
/// uncased.
struct WordPieceOptions {
  bool lower_case = true, strip_accents = true;
  bool clean_text = true, split_cjk = true;
  Index max_word_length = 100;  // code points; a longer word is unknown
  std::string unknown = "[UNK]", begin = "[CLS]", end = "[SEP]";
  std::string continuation = "##";  // begins a piece that is not a word's first
  // Names that a text may hold and that stand for themselves, whatever surrounds them.
  std::vector<std::string> special = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
};

/// Immutable; copies share the vocabulary, and many threads may use one. Ids and texts are returned on the heap. A text
/// never fails but for memory: bytes that are not UTF-8 are left out.
class WordPiece {
 public:
  /// A checkpoint folder, or a vocab.txt. tokenizer_config.json goes before tokenizer.json, as in Transformers. Throws
  /// Error: file_missing, file_unreadable, bad_vocabulary, config_not_json, config_bad_value, and config_unsupported
  /// for a tokenizer of another kind.
  explicit WordPiece(const std::filesystem::path& path);
  /// Token i has id i; of equal ones the last is used, an empty one is none. Throws Error bad_vocabulary when the
  /// vocabulary lacks unknown, begin or end.
  explicit WordPiece(std::vector<std::string> tokens, WordPieceOptions options = {},
                     const std::string& file = "(memory)");

  /// begin, the pieces of the text, end; with max_length > 0 at most that many (at least 2), the text's end is cut off.
  std::vector<Index> encode(std::string_view text, Index max_length = 0) const;
  /// The pieces of the text alone.
  std::vector<Index> pieces(std::string_view text) const;

  /// The name of an id, "" for one that is not there.
  const std::string& token(Index id) const noexcept;
  /// The id of a token, -1 for one that is not there.
  Index id(std::string_view token) const noexcept;
  /// One more than the largest id.
  Index size() const noexcept { return Index(vocabulary_->tokens.size()); }
  /// What encode puts in front of a text, [CLS].
  Index begin_id() const noexcept { return vocabulary_->begin; }
  /// What encode puts behind a text, [SEP].
  Index end_id() const noexcept { return vocabulary_->end; }
  /// The rules that it goes by.
  const WordPieceOptions& options() const noexcept { return vocabulary_->options; }

  /// Cleaned, spaced, decomposed and lower-cased, as the options ask: what is split into words.
  std::u32string normalize(std::string_view text) const;

 private:
  // Pieces in order, each a view into the tokens and with the longest other piece that it begins with: what a text
  // begins with is found by one search and a walk along these, however long pieces and words are.
  struct Piece {
    std::string_view text;
    Index id, prefix = -1;
  };
  struct Pieces {
    std::vector<Piece> sorted;
    void add(std::string_view text, Index id) { sorted.push_back({text, id}); }
    void sort();
    // The longest piece that `text` begins with, null if there is none.
    const Piece* beginning(std::string_view text) const noexcept;
    // The id of the piece `text`, -1 if it is none.
    Index id(std::string_view text) const noexcept;
  };
  struct Vocabulary {
    std::vector<std::string> tokens;
    WordPieceOptions options;
    Pieces whole, continued;
    std::vector<std::pair<std::string, Index> > special;
    Index unknown = -1, begin = -1, end = -1;
  };
  void build(std::vector<std::string> tokens, WordPieceOptions options, const std::string& file);
  void add_text(std::string_view text, std::vector<Index>& ids) const;
  void add_word(std::u32string_view word, std::vector<Index>& ids) const;

  std::shared_ptr<const Vocabulary> vocabulary_;
};

// ---- implementation

namespace detail {

/// One token a line.
inline std::vector<std::string> read_vocabulary(const std::filesystem::path& path) {
  std::vector<std::string> tokens;
  each_vocabulary_line(path, [&](std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    tokens.emplace_back(line);
  });
  return tokens;
}

/// tokenizer.json: the vocabulary, and what of the options it says. What is not BERT's way is refused by name.
inline std::vector<std::string> read_wordpiece_json(const std::filesystem::path& path, WordPieceOptions& options) {
  const ConfigFile file(path);
  const nlohmann::json& json = file.json();
  const auto part = [&](const nlohmann::json& of, const char* name, const char* type) -> const nlohmann::json& {
    const auto found = of.find(name);
    if (found == of.end() || !found->is_object() || found->value("type", nlohmann::json()) != type)
      file.fail(LoadError::config_unsupported, concat("\"", name, "\" is not of the type ", type));
    return *found;
  };
  const auto read = [&](const nlohmann::json& of, const char* name, auto& value) {
    const auto found = of.find(name);
    if (found == of.end() || found->is_null()) return false;
    using T = std::remove_reference_t<decltype(value)>;
    const bool fits = std::is_same_v<T, bool>          ? found->is_boolean()
                      : std::is_same_v<T, std::string> ? found->is_string()
                                                       : found->is_number_integer();
    if (!fits)
      file.fail(LoadError::config_bad_value, concat("\"", name, "\" is ", in_quotes(found->dump(-1, ' ', true))));
    value = found->get<T>();
    return true;
  };
  const nlohmann::json& normalizer = part(json, "normalizer", "BertNormalizer");
  read(normalizer, "clean_text", options.clean_text);
  read(normalizer, "handle_chinese_chars", options.split_cjk);
  read(normalizer, "lowercase", options.lower_case);
  if (!read(normalizer, "strip_accents", options.strip_accents)) options.strip_accents = options.lower_case;
  part(json, "pre_tokenizer", "BertPreTokenizer");

  const nlohmann::json& model = part(json, "model", "WordPiece");
  read(model, "unk_token", options.unknown);
  read(model, "continuing_subword_prefix", options.continuation);
  constexpr std::uint64_t most = 1 << 24;
  const auto words = model.find("max_input_chars_per_word");
  if (read(model, "max_input_chars_per_word", options.max_word_length) && (*words < 0 || *words > most))
    file.fail(LoadError::config_bad_value,
              concat("\"max_input_chars_per_word\" is ", words->dump(), ", not in 0 to ", most));
  const auto vocabulary = model.find("vocab");
  if (vocabulary == model.end() || !vocabulary->is_object())
    file.fail(LoadError::bad_vocabulary, "\"model\" has no \"vocab\"");
  options.special.clear();
  std::vector<std::pair<std::string, const nlohmann::json*> > all;
  for (const auto& [name, id] : vocabulary->items()) all.emplace_back(name, &id);
  if (const auto added = json.find("added_tokens"); added != json.end() && added->is_array()) {
    for (const nlohmann::json& one : *added) {
      std::string content;
      if (!one.is_object() || !read(one, "content", content) || !one.contains("id"))
        file.fail(LoadError::bad_vocabulary, "\"added_tokens\" has an entry without content or id");
      for (const char* way : {"single_word", "lstrip", "rstrip", "normalized"}) {
        bool asked = false;
        if (read(one, way, asked) && asked)
          file.fail(LoadError::config_unsupported,
                    concat("the added token ", in_quotes(content), " is \"", way, "\", which is not supported"));
      }
      options.special.push_back(content);
      all.emplace_back(content, &one.at("id"));
    }
  }
  std::vector<std::string> tokens(all.size());
  for (const auto& [name, id] : all) {
    if (!id->is_number_integer() || id->get<std::int64_t>() < 0 ||
        std::uint64_t(id->get<std::int64_t>()) > 2 * all.size() + 1024)
      file.fail(LoadError::bad_vocabulary, concat("the token ", in_quotes(name), " has the id ",
                                                  in_quotes(id->dump(-1, ' ', true)), " of ", all.size(), " tokens"));
    const auto at = id->get<std::size_t>();
    if (at >= tokens.size()) tokens.resize(at + 1);
    tokens[at] = name;
  }
  return tokens;
}

}  // namespace detail

inline WordPiece::WordPiece(const std::filesystem::path& path) {
  WordPieceOptions options;
  std::vector<std::string> tokens;
  std::error_code failed;
  if (!std::filesystem::is_directory(path, failed)) {
    build(detail::read_vocabulary(path), options, path.string());
    return;
  }
  const bool json = std::filesystem::exists(path / "tokenizer.json", failed);
  tokens = json ? detail::read_wordpiece_json(path / "tokenizer.json", options)
                : detail::read_vocabulary(path / "vocab.txt");
  if (std::filesystem::exists(path / "tokenizer_config.json", failed)) {
    const ConfigFile file(path / "tokenizer_config.json");
    const bool lower_case = file.boolean("do_lower_case", options.lower_case);
    if (file.has("strip_accents"))
      options.strip_accents = file.boolean("strip_accents", true);
    else if (lower_case != options.lower_case || !json)
      options.strip_accents = lower_case;
    options.lower_case = lower_case;
    options.split_cjk = file.boolean("tokenize_chinese_chars", options.split_cjk);
  }
  build(std::move(tokens), std::move(options), path.string());
}

inline WordPiece::WordPiece(std::vector<std::string> tokens, WordPieceOptions options, const std::string& file) {
  build(std::move(tokens), std::move(options), file);
}

inline void WordPiece::build(std::vector<std::string> tokens, WordPieceOptions options, const std::string& file) {
  auto made = std::make_shared<Vocabulary>();
  made->tokens = std::move(tokens), made->options = std::move(options);
  Vocabulary& v = *made;
  for (std::size_t i = 0; i < v.tokens.size(); ++i) {
    const std::string_view token = v.tokens[i];
    if (token.empty()) continue;
    v.whole.add(token, Index(i));
    if (token.starts_with(v.options.continuation) && token.size() > v.options.continuation.size())
      v.continued.add(token.substr(v.options.continuation.size()), Index(i));
  }
  v.whole.sort(), v.continued.sort();
  const auto need = [&](const std::string& name) {
    const Index id = v.whole.id(name);
    if (id < 0)
      throw Error(LoadError::bad_vocabulary, file,
                  detail::concat("the vocabulary of ", v.tokens.size(), " tokens has no ", detail::in_quotes(name)));
    return id;
  };
  v.unknown = need(v.options.unknown), v.begin = need(v.options.begin), v.end = need(v.options.end);
  for (const std::string& name : v.options.special)
    if (const Index id = v.whole.id(name); id >= 0) v.special.emplace_back(name, id);
  vocabulary_ = std::move(made);
}

inline const std::string& WordPiece::token(Index id) const noexcept {
  static const std::string none;
  return id >= 0 && id < size() ? vocabulary_->tokens[std::size_t(id)] : none;
}

inline Index WordPiece::id(std::string_view token) const noexcept { return vocabulary_->whole.id(token); }

inline std::u32string WordPiece::normalize(std::string_view text) const {
  const WordPieceOptions& o = vocabulary_->options;
  return detail::normalize(text, {o.lower_case, o.strip_accents, o.clean_text, o.split_cjk});
}

inline void WordPiece::Pieces::sort() {
  std::stable_sort(sorted.begin(), sorted.end(), [](const Piece& a, const Piece& b) { return a.text < b.text; });
  const auto later = std::unique(sorted.rbegin(), sorted.rend(), [](auto& a, auto& b) { return a.text == b.text; });
  sorted.erase(sorted.begin(), later.base());  // of several with one text the last counts
  Index open = -1;
  for (Piece& piece : sorted) {  // what begins a piece stands before it
    while (open >= 0 && !piece.text.starts_with(sorted[std::size_t(open)].text))
      open = sorted[std::size_t(open)].prefix;
    piece.prefix = open;
    open = &piece - sorted.data();
  }
}

inline const WordPiece::Piece* WordPiece::Pieces::beginning(std::string_view text) const noexcept {
  const auto behind = std::upper_bound(sorted.begin(), sorted.end(), text,
                                       [](std::string_view a, const Piece& b) { return a < b.text; });
  // Whatever `text` begins with, the piece in front of its place begins with too.
  const std::string_view nearest = behind == sorted.begin() ? std::string_view() : behind[-1].text;
  const auto common = std::mismatch(nearest.begin(), nearest.end(), text.begin(), text.end()).first - nearest.begin();
  Index i = behind - sorted.begin() - 1;
  while (i >= 0 && std::ssize(sorted[std::size_t(i)].text) > common) i = sorted[std::size_t(i)].prefix;
  return i < 0 ? nullptr : &sorted[std::size_t(i)];
}

inline Index WordPiece::Pieces::id(std::string_view text) const noexcept {
  const Piece* piece = beginning(text);
  return piece != nullptr && piece->text == text ? piece->id : -1;
}

inline void WordPiece::add_word(std::u32string_view word, std::vector<Index>& ids) const {
  const Vocabulary& v = *vocabulary_;
  const std::size_t before = ids.size();
  std::string bytes;
  if (Index(word.size()) <= v.options.max_word_length)
    for (const char32_t c : word) detail::append_utf8(bytes, c);
  for (std::string_view rest = bytes; !rest.empty();) {
    const Piece* piece = (rest.size() == bytes.size() ? v.whole : v.continued).beginning(rest);
    if (piece == nullptr) {  // one piece that is not there makes the whole word unknown
      ids.resize(before);
      break;
    }
    ids.push_back(piece->id);
    rest.remove_prefix(piece->text.size());
  }
  if (ids.size() == before) ids.push_back(v.unknown);
}

inline void WordPiece::add_text(std::string_view text, std::vector<Index>& ids) const {
  const std::u32string normal = normalize(text);
  detail::for_each_word(normal, [&](std::u32string_view word) { add_word(word, ids); });
}

inline std::vector<Index> WordPiece::pieces(std::string_view text) const {
  std::vector<Index> ids;
  const auto& specials = vocabulary_->special;
  std::vector<std::size_t> next(specials.size(), 0);  // where each is: the text is searched once for each
  for (std::size_t begin = 0;
       begin < text.size();) {  // the special token that comes first, of several there the longest
    std::size_t first = text.size(), length = 0;
    Index special = -1;
    for (std::size_t i = 0; i < specials.size(); ++i) {
      const auto& [name, id] = specials[i];
      if (begin == 0 || (next[i] != text.npos && next[i] < begin)) next[i] = text.find(name, begin);
      if (next[i] == text.npos || next[i] > first || (next[i] == first && name.size() <= length)) continue;
      first = next[i], length = name.size(), special = id;
    }
    add_text(text.substr(begin, first - begin), ids);
    if (special >= 0) ids.push_back(special);
    begin = first + length;
  }
  return ids;
}

inline std::vector<Index> WordPiece::encode(std::string_view text, Index max_length) const {
  std::vector<Index> ids = pieces(text);
  if (max_length > 0 && Index(ids.size()) > std::max(max_length, Index{2}) - 2)
    ids.resize(std::size_t(std::max(max_length, Index{2}) - 2));
  ids.insert(ids.begin(), vocabulary_->begin);
  ids.push_back(vocabulary_->end);
  return ids;
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
#endif
