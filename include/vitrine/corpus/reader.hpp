// Lines to ids and ids to text, for every program that reads a pool: as the folder's own tokenizer does it, or JSON
// lines with the ids of any tokenizer, {"ids": [...], "tokens": [...]} (tokens are optional labels).
//   const vt::corpus::Reader reader(folder, {.end = 0, .longest = 512, .source_ids = 58101, .target_ids = 58101});
//   const vt::corpus::Line line = reader.read(text, number);         line.ids, or line.error
// Text needs what text/tokenizer.hpp needs; a build without reads JSON lines only.
#pragma once
#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>
#include <vitrine/corpus/line.hpp>
#include <vitrine/io/config.hpp>
#include <vitrine/io/detail/utf8.hpp>
#include <vitrine/text/subwords.hpp>
#if __has_include(<utf8proc.h>) && __has_include(<pcre2.h>)
#include <vitrine/text/tokenizer.hpp>
#define VITRINE_READS_TEXT 1
#else
#define VITRINE_READS_TEXT 0
#endif

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::corpus {

/// What a model takes of lines.
struct ReaderOptions {
  bool json = false;                     // JSON lines instead of text
  Index end = -1;                        // the end mark, -1: none
  Index longest = 0;                     // tokens of a line, the end mark included
  Index source_ids = 0, target_ids = 0;  // ids are below these
};

/// Reads lines of one folder's model; immutable, and many threads may use one. What it returns is on the heap.
class Reader {
 public:
  /// Throws Error with the tokenizer's reason for a folder whose text is not read here; JSON lines need no tokenizer,
  /// and take the names of ids from one that is there.
  Reader(const std::filesystem::path& folder, const ReaderOptions& options);

  /// Never throws for what a line holds: its error says what is wrong.
  Line read(Text text, Index number) const { return read(std::move(text), number, false); }
  // A given target: token texts between blanks for a vocabulary of characters, else text, or the line's ids.
  Line read_target(Text text, Index number) const { return read(std::move(text), number, true); }

  // A target id's name; a number where nothing names it.
  std::string token(Index id) const { return token(id, true); }
  // The same of many, n texts.
  std::vector<std::string> tokens(const std::vector<Index>& ids) const { return tokens(ids, true); }
  // The text of target ids, on one line: line breaks in it are shown as ⏎ and ␍.
  std::string text(const std::vector<Index>& ids) const;
  // Are lines JSON?
  bool json() const { return options_.json; }
  /// Is the id one that the folder's tokenizer calls special (</s>, [CLS], a language's token, <unk>)? Nothing is,
  /// where there is none.
  bool is_special(Index id) const;
  // How tokens say which of them make a word; nothing where lines bring tokens of their own.
  std::optional<Subwords> subwords() const;

 private:
  Line read(Text text, Index number, bool target) const;
  void read_json(const std::string& text, bool target, Line& line) const;
  std::string token(Index id, bool target) const;
  void encode(const std::string& text, bool target, Line& line) const;
  std::vector<std::string> tokens(const std::vector<Index>& ids, bool target) const {
    std::vector<std::string> names;
    names.reserve(ids.size());
    for (const Index id : ids) names.push_back(token(id, target));
    return names;
  }

  ReaderOptions options_;
#if VITRINE_READS_TEXT
  std::optional<Tokenizer> tokenizer_;  // none: ids without names
#endif
};

// ---- implementation

#if VITRINE_READS_TEXT
inline Reader::Reader(const std::filesystem::path& folder, const ReaderOptions& options) : options_(options) {
  try {
    tokenizer_.emplace(folder);
  } catch (const Error& error) {
    if (!options.json)
      throw Error(error.code(), folder.string(),
                  std::string("its text cannot be read (") + error.message() +
                      "); tokenize outside and use --input-format jsonl");
  }
}
inline std::optional<Subwords> Reader::subwords() const {
  if (options_.json || !tokenizer_) return {};
  return tokenizer_->subwords();
}
inline bool Reader::is_special(Index id) const { return tokenizer_ && tokenizer_->is_special(id); }
inline std::string Reader::token(Index id, bool target) const {
  const std::string name = !tokenizer_ ? "" : target ? tokenizer_->target_token(id) : tokenizer_->token(id);
  return name.empty() ? std::to_string(id) : name;
}
inline void Reader::encode(const std::string& text, bool target, Line& line) const {
  Encoding encoding = target ? tokenizer_->encode_target(text) : tokenizer_->encode(text);
  line.ids = std::move(encoding.ids), line.tokens = std::move(encoding.tokens);
}
#else
inline Reader::Reader(const std::filesystem::path& folder, const ReaderOptions& options) : options_(options) {
  if (!options.json)
    throw Error(
        LoadError::config_unsupported, folder.string(),
        "its text cannot be read by a build without utf8proc and PCRE2 (Debian, Ubuntu: packages libutf8proc-dev, "
        "libpcre2-dev); or tokenize outside and use --input-format jsonl");
}
inline std::optional<Subwords> Reader::subwords() const { return {}; }
inline bool Reader::is_special(Index) const { return false; }
inline std::string Reader::token(Index id, bool) const { return std::to_string(id); }
inline void Reader::encode(const std::string&, bool, Line&) const {}
#endif

inline std::string Reader::text(const std::vector<Index>& ids) const {
  std::string plain;
#if VITRINE_READS_TEXT
  if (tokenizer_) plain = tokenizer_->decode(ids);
  const bool named = tokenizer_.has_value();
#else
  const bool named = false;
#endif
  for (const Index id : ids)
    if (!named && id != options_.end) plain += (plain.empty() ? "" : " ") + std::to_string(id);
  std::string out;
  for (const char c : plain) out += c == '\n' ? "⏎" : c == '\r' ? "␍" : std::string(1, c);
  return out;
}

inline Line Reader::read(Text text, Index number, bool target) const {
  Line line{number};
  try {
    if (text.too_long)
      line.error = "is longer than " + std::to_string(longest_line) + " bytes";
    else if (!vitrine::detail::is_utf8(text.text))
      line.error = "is not UTF-8";
    else if (!blank(text.text))
      options_.json ? read_json(text.text, target, line) : encode(text.text, target, line);
  } catch (const Error& error) { line.error = error.message(); }
  if (line.error.empty() && Index(line.ids.size()) > options_.longest)
    line.error = "has " + std::to_string(line.ids.size()) + " tokens; the model has room for " +
                 std::to_string(options_.longest);
  if (!line.error.empty()) line.ids.clear(), line.tokens.clear();
  line.text = std::move(text.text);
  return line;
}

inline void Reader::read_json(const std::string& text, bool target, Line& line) const {
  const ConfigFile object(std::string_view(text), "JSON");
  const Index count = target ? options_.target_ids : options_.source_ids;
  line.ids = object.ids("ids");
  for (const Index id : line.ids)
    if (id >= count) {
      line.error = "has the id " + std::to_string(id) + "; the model's ids are below " + std::to_string(count);
      return;
    }
  if (line.ids.empty()) {
    line.error = "has no \"ids\"";
  } else if (!object.has("tokens")) {
    line.tokens = tokens(line.ids, target);
  } else {
    const auto& labels = object.json().at("tokens");
    const bool fits = labels.is_array() && labels.size() == line.ids.size() &&
                      std::all_of(labels.begin(), labels.end(), [](const auto& one) { return one.is_string(); });
    if (!fits)
      line.error = "\"tokens\" must be a text for each id";
    else
      for (const auto& label : labels) line.tokens.push_back(label.template get<std::string>());
  }
}

}  // namespace vitrine::inline VITRINE_ABI::corpus

#include <vitrine/core/macros_pop.hpp>
