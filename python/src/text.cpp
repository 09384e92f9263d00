#include "text.hpp"

#include <filesystem>
#include <vitrine/text/vocabulary.hpp>
#if VITRINE_TOKENIZERS
#include <vitrine/text/tokenizer.hpp>
#include <vitrine/text/wordpiece.hpp>
#endif
#if VITRINE_SENTENCEPIECE
#include <vitrine/text/marian_tokenizer.hpp>
#endif

namespace vitrine_python {
namespace {

namespace vt = vitrine;
using Index = std::ptrdiff_t;
using Path = std::filesystem::path;

#if VITRINE_TOKENIZERS
// tokenizer.json
class TokenizerText : public Text {
 public:
  explicit TokenizerText(const Path& folder) : tokenizer_(folder) {}
  std::vector<Index> encode(const std::string& text, bool) const override { return tokenizer_.encode(text).ids; }
  std::string decode(const std::vector<Index>& ids) const override { return tokenizer_.decode(ids); }
  std::string token(Index id, bool) const override { return tokenizer_.token(id); }

 private:
  vt::Tokenizer tokenizer_;
};
// vocab.txt
class WordPieceText : public Text {
 public:
  explicit WordPieceText(const Path& folder) : words_(folder) {}
  std::vector<Index> encode(const std::string& text, bool) const override { return words_.encode(text); }
  std::string decode(const std::vector<Index>& ids) const override {
    std::string text;
    for (const Index id : ids) {
      const std::string token = words_.token(id);
      if (token.starts_with("[") && token.ends_with("]")) continue;
      const bool inner = token.starts_with("##");
      if (!inner && !text.empty()) text += ' ';
      text += inner ? token.substr(2) : token;
    }
    return text;
  }
  std::string token(Index id, bool) const override { return words_.token(id); }

 private:
  vt::WordPiece words_;
};
#endif

#if VITRINE_SENTENCEPIECE
class MarianText : public Text {
 public:
  explicit MarianText(const Path& folder) : tokenizer_(folder) {}
  std::vector<Index> encode(const std::string& text, bool target) const override {
    return target ? tokenizer_.encode_target(text).ids : tokenizer_.encode(text).ids;
  }
  std::string decode(const std::vector<Index>& ids) const override { return tokenizer_.decode(ids); }
  std::string token(Index id, bool target) const override {
    return (target ? tokenizer_.target_ids() : tokenizer_.source_ids()).token(id);
  }

 private:
  vt::MarianTokenizer tokenizer_;
};
#endif

// vocab.json alone: a source is its characters in lower case, a target tokens between blanks.
class LetterText : public Text {
 public:
  explicit LetterText(const Path& folder) : names_(folder / "vocab.json"), end_(names_.find("</s>")) {
    if (end_ < 0) throw vt::Error(vt::LoadError::bad_vocabulary, (folder / "vocab.json").string(), "has no \"</s>\"");
  }
  std::vector<Index> encode(const std::string& text, bool target) const override {
    std::vector<Index> ids;
    if (target) {
      for (std::size_t at = 0; (at = text.find_first_not_of(" \t", at)) != text.npos;) {
        const std::size_t stop = std::min(text.find_first_of(" \t", at), text.size());
        ids.push_back(names_.find(text.substr(at, stop - at)));
        if (ids.back() < 0)
          throw vt::Error(vt::LoadError::unknown_symbol, "the target",
                          "has no token " + vt::detail::in_quotes(text.substr(at, stop - at)));
        at = stop;
      }
    } else {
      std::string lower = text;
      for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      ids = names_.spell(lower);
    }
    ids.push_back(end_);
    return ids;
  }
  std::string decode(const std::vector<Index>& ids) const override {
    std::string text;
    for (const Index id : ids) {
      const std::string token = names_.token(id);
      if (token.starts_with("<") && token.ends_with(">")) continue;
      text += (text.empty() ? "" : " ") + token;
    }
    return text;
  }
  std::string token(Index id, bool) const override { return names_.token(id); }

 private:
  vt::Vocabulary names_;
  Index end_;
};

std::shared_ptr<Text> open(const Path& folder) {
  const auto has = [&](const char* name) {
    std::error_code failed;
    return std::filesystem::exists(folder / name, failed);
  };
  const auto refuse = [&](const char* what, const char* library) {
    throw vt::Error(vt::LoadError::config_unsupported, folder.string(),
                    std::string("has a tokenizer (") + what + ") that this build does not read: it was made without " +
                        library + "; pass ids, or load(folder, tokenizer=...)");
  };
  if (has("source.spm")) {
#if VITRINE_SENTENCEPIECE
    return std::make_shared<MarianText>(folder);
#else
    refuse("source.spm", "SentencePiece");
#endif
  }
  if (has("tokenizer.json") || has("vocab.txt")) {
#if VITRINE_TOKENIZERS
    if (has("tokenizer.json")) return std::make_shared<TokenizerText>(folder);
    return std::make_shared<WordPieceText>(folder);
#else
    refuse("tokenizer.json or vocab.txt", "utf8proc and PCRE2");
#endif
  }
  if (has("vocab.json") && !has("merges.txt")) return std::make_shared<LetterText>(folder);
  throw vt::Error(vt::LoadError::config_unsupported, folder.string(),
                  "has no tokenizer that vitrine reads; pass ids, or load(folder, tokenizer=...)");
}

}  // namespace

std::shared_ptr<Text> open_text(const std::string& folder, std::string& why_not) {
  try {
    return open(folder);
  } catch (const vt::Error& error) { why_not = error.what(); } catch (const std::filesystem::filesystem_error& error) {
    why_not = error.what();
  }
  return {};
}

}  // namespace vitrine_python
