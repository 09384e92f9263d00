// The tokenizers of folders behind one interface. Part of corpus/reader.hpp; a further kind is one more class and one
// more line in folder_coder.
#pragma once
#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>
#include <vitrine/corpus/line.hpp>
#include <vitrine/io/config.hpp>
#include <vitrine/text/vocabulary.hpp>
#if VITRINE_SENTENCEPIECE
#include <vitrine/text/marian_tokenizer.hpp>
#endif
#if __has_include(<utf8proc.h>)
#include <vitrine/text/wordpiece.hpp>
#endif

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::corpus::detail {

/// Text to ids and back, as one folder's tokenizer does it.
class Coder {
 public:
  virtual ~Coder() = default;
  /// Fills ids and tokens of a line of valid UTF-8; throws Error for a text that has none.
  virtual void encode(const std::string& text, Line& line) const = 0;
  virtual void encode_target(const std::string& text, Line& line) const { encode(text, line); }
  /// "" for an id without a name.
  virtual std::string token(Index id, bool target) const = 0;
  /// The text of target ids; the default puts blanks between the tokens.
  virtual std::string decode(const std::vector<Index>& ids, Index end) const {
    std::string out;
    for (const Index id : ids) {
      if (id == end) continue;
      const std::string name = token(id, true);
      out += (out.empty() ? "" : " ") + (name.empty() ? std::to_string(id) : name);
    }
    return out;
  }
  /// The names, where a token is a character.
  virtual const Vocabulary* vocabulary() const { return nullptr; }
};

/// One token a character of the lower-case text; targets are token texts between blanks.
class Characters final : public Coder {
 public:
  Characters(const std::filesystem::path& path, Index end) : names_(path), end_(end) {}
  void encode(const std::string& text, Line& line) const override {
    std::string lower = text;
    for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    line.ids = names_.spell(lower);
    line.tokens = Vocabulary::characters(lower);
    finish(line);
  }
  void encode_target(const std::string& text, Line& line) const override {
    for (std::size_t at = 0; (at = text.find_first_not_of(" \t", at)) != text.npos;) {
      const std::size_t stop = std::min(text.find_first_of(" \t", at), text.size());
      line.tokens.push_back(text.substr(at, stop - at));
      line.ids.push_back(names_.find(line.tokens.back()));
      if (line.ids.back() < 0) {
        line.error = vitrine::detail::concat("has no token ", vitrine::detail::in_quotes(line.tokens.back()));
        return;
      }
      at = stop;
    }
    if (line.usable()) finish(line);
  }
  std::string token(Index id, bool) const override { return names_.token(id); }
  const Vocabulary* vocabulary() const override { return &names_; }

 private:
  void finish(Line& line) const {
    if (end_ < 0) return;
    line.ids.push_back(end_);
    line.tokens.push_back(names_.token(end_).empty() ? std::to_string(end_) : names_.token(end_));
  }
  Vocabulary names_;
  Index end_;
};

#if VITRINE_SENTENCEPIECE
/// MarianMT's SentencePiece.
class Pieces final : public Coder {
 public:
  explicit Pieces(const std::filesystem::path& folder) : tokenizer_(folder) {}
  void encode(const std::string& text, Line& line) const override { take(tokenizer_.encode(text), line); }
  void encode_target(const std::string& text, Line& line) const override {
    if (!blank(text)) take(tokenizer_.encode_target(text), line);
  }
  std::string token(Index id, bool target) const override {
    return (target ? tokenizer_.target_ids() : tokenizer_.source_ids()).token(id);
  }
  std::string decode(const std::vector<Index>& ids, Index) const override { return tokenizer_.decode(ids); }

 private:
  static void take(MarianTokenizer::Encoding encoding, Line& line) {
    line.ids = std::move(encoding.ids), line.tokens = std::move(encoding.pieces);
  }
  MarianTokenizer tokenizer_;
};
#endif

#if __has_include(<utf8proc.h>)
/// BERT's WordPiece.
class WordPieces final : public Coder {
 public:
  explicit WordPieces(const std::filesystem::path& folder) : tokenizer_(folder) {}
  void encode(const std::string& text, Line& line) const override {
    line.ids = tokenizer_.encode(text);
    for (const Index id : line.ids) line.tokens.push_back(tokenizer_.token(id));
  }
  std::string token(Index id, bool) const override { return tokenizer_.token(id); }

 private:
  WordPiece tokenizer_;
};
#endif

/// The folder's tokenizer; null where only ids are wanted and nothing names them. `type`: config.json's model_type.
inline std::unique_ptr<Coder> folder_coder(const std::filesystem::path& folder, const std::string& type, bool ids_only,
                                           Index end) {
  std::error_code failed;
  const auto has = [&](const char* name) { return std::filesystem::exists(folder / name, failed); };
  const auto refuse = [&](const char* what) {
    throw Error(LoadError::config_unsupported, folder.string(),
                std::string(what) + "; tokenize outside and use --input-format jsonl");
  };
  if (has("source.spm")) {
#if VITRINE_SENTENCEPIECE
    return std::make_unique<Pieces>(folder);
#else
    if (!ids_only)
      refuse(
          "has a SentencePiece tokenizer (source.spm), and this build was made without SentencePiece (Debian, Ubuntu: "
          "package libsentencepiece-dev)");
#endif
  }
  if (type == "bert" || type == "distilbert") {
#if __has_include(<utf8proc.h>)
    if (!ids_only || has("vocab.txt") || has("tokenizer.json")) return std::make_unique<WordPieces>(folder);
#else
    if (!ids_only) refuse("has a WordPiece tokenizer, and this build has no utf8proc (libutf8proc-dev)");
#endif
    return nullptr;
  }
  if (!ids_only && has("merges.txt")) refuse("has a byte-pair tokenizer (merges.txt), which is not read here");
  if (!ids_only && !has("vocab.json"))
    refuse(has("tokenizer.json") ? "has no vocab.json, and its tokenizer.json is not read here" : "has no vocab.json");
  if (!ids_only && type == "gpt2") refuse("has a tokenizer that vitrine does not read");
  return has("vocab.json") ? std::make_unique<Characters>(folder / "vocab.json", end) : nullptr;
}

}  // namespace vitrine::inline VITRINE_ABI::corpus::detail

#include <vitrine/core/macros_pop.hpp>
