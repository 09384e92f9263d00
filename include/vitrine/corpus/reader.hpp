// Lines to ids and ids to text, for every program that reads a pool: as the folder's own tokenizer does it, or JSON
// lines with the ids of any tokenizer, {"ids": [...], "tokens": [...]} (tokens are optional labels).
//   const vt::corpus::Reader reader(folder, {.model_type = "marian", .end = 0, .longest = 512, .source_ids = 58101,
//   .target_ids = 58101}); const vt::corpus::Line line = reader.read(text, number);         line.ids, or line.error
#pragma once
#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>
#include <vitrine/corpus/detail/coders.hpp>
#include <vitrine/corpus/line.hpp>
#include <vitrine/io/config.hpp>
#include <vitrine/io/detail/utf8.hpp>

namespace vitrine::inline VITRINE_ABI::corpus {

/// What a model takes of lines.
struct ReaderOptions {
  std::string model_type = {};           // config.json's; "bert" and "distilbert" have WordPiece
  bool json = false;                     // JSON lines instead of text
  Index end = -1;                        // the end mark, -1: none
  Index longest = 0;                     // tokens of a line, the end mark included
  Index source_ids = 0, target_ids = 0;  // ids are below these
};

/// Reads lines of one folder's model; immutable, and many threads may use one. What it returns is on the heap.
class Reader {
 public:
  /// Throws Error as the tokenizers of text/, config_unsupported for a folder whose text is not read here.
  Reader(const std::filesystem::path& folder, const ReaderOptions& options)
      : options_(options), coder_(detail::folder_coder(folder, options.model_type, options.json, options.end)) {}

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
  // The names, where a token is a character; else null.
  const Vocabulary* vocabulary() const { return coder_ ? coder_->vocabulary() : nullptr; }

 private:
  Line read(Text text, Index number, bool target) const;
  void read_json(const std::string& text, bool target, Line& line) const;
  std::string token(Index id, bool target) const {
    std::string name = coder_ ? coder_->token(id, target) : std::string();
    return name.empty() ? std::to_string(id) : name;
  }
  std::vector<std::string> tokens(const std::vector<Index>& ids, bool target) const {
    std::vector<std::string> names;
    for (const Index id : ids) names.push_back(token(id, target));
    return names;
  }

  ReaderOptions options_;
  std::shared_ptr<const detail::Coder> coder_;  // null: ids without names
};

// ---- implementation

inline std::string Reader::text(const std::vector<Index>& ids) const {
  std::string plain;
  if (coder_) {
    plain = coder_->decode(ids, options_.end);
  } else {
    for (const Index id : ids)
      if (id != options_.end) plain += (plain.empty() ? "" : " ") + std::to_string(id);
  }
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
      options_.json ? read_json(text.text, target, line)
      : target      ? coder_->encode_target(text.text, line)
                    : coder_->encode(text.text, line);
  } catch (const Error& error) { line.error = error.message(); }
  if (line.error.empty() && Index(line.ids.size()) > options_.longest)
    line.error = "has " + std::to_string(line.ids.size()) + " tokens; the model has room for " +
                 std::to_string(options_.longest);
  if (!line.error.empty()) line.ids.clear(), line.tokens.clear();
  line.text = std::move(text.text);
  return line;
}

inline void Reader::read_json(const std::string& text, bool target, Line& line) const {
  const ConfigFile object(text, "JSON");
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
