// The steps of a tokenizer.json, one behind the other: added tokens, normalizers, pre-tokenizers, the model,
// post-processors; and back. Part of text/tokenizer.hpp.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/io/config.hpp>
#include <vitrine/text/detail/added_tokens.hpp>
#include <vitrine/text/detail/text_codec.hpp>
#include <vitrine/text/detail/tokenizer_model_json.hpp>
#include <vitrine/text/detail/tokenizer_steps.hpp>
#include <vitrine/text/detail/word_cache.hpp>
#include <vitrine/text/encoding.hpp>
#include <vitrine/text/subwords.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

class TokenizerPipeline : public TextCodec {
 public:
  /// Throws Error config_bad_value, config_unsupported, bad_vocabulary.
  /// `clean`: decoding takes blanks before punctuation away, but from BPE's texts.
  explicit TokenizerPipeline(const ConfigFile& file, bool clean = false, Scores scores = Scores::of_library);

  Encoding encode(std::string_view text, bool special) const override;
  Encoding encode_pair(std::string_view first, std::string_view second, bool special) const override;
  std::string decode(std::span<const Index> ids, bool special) const override;
  const std::string& token(Index id) const noexcept override {
    static const std::string none;
    return id >= 0 && id < size() ? tokens_[std::size_t(id)] : none;
  }
  Index id(std::string_view token) const noexcept override {
    const std::uint32_t found = ids_.find(token);
    return found == no_token ? -1 : Index(found);
  }
  Index size() const noexcept override { return Index(tokens_.size()); }
  bool is_special(Index id) const noexcept override { return id >= 0 && id < size() && special_[std::size_t(id)]; }
  Subwords subwords() const noexcept override { return subwords_; }

 private:
  // What one call works with; calls that run at once have one each.
  struct Room {
    ModelRoom model = {};
    WordCache cache = {};
    CutText cut = {};
    std::vector<std::uint32_t> characters = {};  // of the text, before each byte
  };
  class Borrowed;
  class Writer;

  void read_added_tokens(const JsonPart& root);
  void read_subwords(const JsonPart& root, const ReadModel& read);
  Encoding pieces(std::string_view text, Index type) const;
  void add_part(AlignedText text, Writer& writer) const;
  void add_plain(AlignedText text, Writer& writer) const;
  Encoding finished(std::vector<Encoding> parts, bool special) const;

  Normalizers normalizers_;
  PreTokenizers pre_tokenizers_;
  std::unique_ptr<const TextModel> model_;
  PostProcessors post_processors_;
  TokenDecoders decoders_;
  bool has_decoder_ = false, clean_ = false;
  AddedTokens added_;
  std::vector<std::string> tokens_;
  std::vector<bool> special_;
  TokenTable ids_;
  Subwords subwords_ = Subwords::none;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Room> > rooms_;
};

// ---- implementation

class TokenizerPipeline::Borrowed {
 public:
  explicit Borrowed(const TokenizerPipeline& from) : from_(from) {
    const std::lock_guard lock(from_.mutex_);
    if (from_.rooms_.empty()) {
      room_ = std::make_unique<Room>();
    } else {
      room_ = std::move(from_.rooms_.back());
      from_.rooms_.pop_back();
    }
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  ~Borrowed() {
    const std::lock_guard lock(from_.mutex_);
    if (from_.rooms_.size() < from_.rooms_.capacity() || from_.rooms_.empty()) try {
        from_.rooms_.push_back(std::move(room_));
      } catch (const std::bad_alloc&) { room_.reset(); }
  }
  Room& operator*() const noexcept { return *room_; }

 private:
  const TokenizerPipeline& from_;
  std::unique_ptr<Room> room_;
};

/// Writes an encoding, offsets in characters.
class TokenizerPipeline::Writer {
 public:
  Writer(std::string_view text, Index type, Room& given) : room(given), type_(type) {
    const std::size_t likely = text.size() / 4 + 4;
    made.ids.reserve(likely), made.tokens.reserve(likely), made.offsets.reserve(likely), made.words.reserve(likely);
    ascii_ = is_ascii(text);
    if (ascii_) return;
    room.characters.resize(text.size() + 1);
    std::uint32_t count = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      room.characters[i] = count;
      count += i + 1 == text.size() || !continues_character(text[i + 1]);
    }
    room.characters[text.size()] = count;
  }
  void put(std::uint32_t id, std::string_view token, Span origin) {
    made.ids.push_back(Index(id));
    made.tokens.emplace_back(token);
    made.offsets.emplace_back(character(origin.begin), character(origin.end));
    made.words.push_back(word_);
  }
  void next_word() noexcept { ++word_; }
  Encoding take() {
    made.type_ids.assign(made.ids.size(), type_);
    return std::move(made);
  }

  Room& room;
  Encoding made = {};

 private:
  Index character(std::uint32_t byte) const noexcept { return Index(ascii_ ? byte : room.characters[byte]); }
  Index type_, word_ = 0;
  bool ascii_ = true;
};

inline TokenizerPipeline::TokenizerPipeline(const ConfigFile& file, bool clean, Scores scores) {
  const JsonPart root(file, file.json(), "tokenizer.json");
  root.know({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor",
             "decoder", "model"});
  bool bytes = false;
  if (root.has("normalizer")) add_normalizers(root.part("normalizer"), normalizers_);
  if (root.has("pre_tokenizer")) add_pre_tokenizers(root.part("pre_tokenizer"), true, pre_tokenizers_, bytes);
  has_decoder_ = root.has("decoder");
  if (has_decoder_) add_decoders(root.part("decoder"), decoders_);
  ReadModel read = read_model(root.part("model"), bytes, scores);
  read_subwords(root, read);
  clean_ = clean && read.type != "BPE";
  model_ = std::move(read.model), tokens_ = std::move(read.tokens), ids_ = std::move(read.ids);
  read_added_tokens(root);
  if (root.has("post_processor")) add_post_processors(root.part("post_processor"), ids_, post_processors_);
}

inline void TokenizerPipeline::read_added_tokens(const JsonPart& root) {
  std::vector<AddedToken> added;
  TokenTable specials, places;
  for (const JsonPart& one : root.parts("added_tokens")) {
    one.know({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
    AddedToken token{.content = one.text("content"),
                     .single_word = one.boolean("single_word", false),
                     .lstrip = one.boolean("lstrip", false),
                     .rstrip = one.boolean("rstrip", false),
                     .normalized = one.boolean("normalized", true),
                     .special = one.boolean("special", false)};
    check_length(one, token.content);
    if (token.content.empty()) continue;
    // Its id is the model's, else the next free one: the file's own is a comment, as in the tokenizers library.
    token.id = ids_.find(token.content);
    if (token.id == no_token) {
      token.id = std::uint32_t(tokens_.size());
      tokens_.push_back(token.content);
      ids_.add(token.content, token.id);
    }
    if (token.special) specials.add(token.content, token.id);
    const std::uint32_t same = places.find(token.content);
    if (same == no_token) places.add(token.content, std::uint32_t(added.size()));
    (same == no_token ? added.emplace_back() : added[same]) = std::move(token);
  }
  added_ = AddedTokens(std::move(added), normalizers_);
  for (std::size_t i = 0; i < added_.all().size(); ++i) tokens_[added_.all()[i].id] = added_.looked_for()[i];
  // By text, as in the tokenizers library: of two ids of one text both are special, and one that was rewritten is not.
  special_.reserve(tokens_.size());
  for (const std::string& token : tokens_) special_.push_back(specials.find(token) != no_token);
}

inline void TokenizerPipeline::read_subwords(const JsonPart& root, const ReadModel& read) {
  const auto names_mark = [&](const char* key) {
    return root.has(key) && root.json().at(key).dump().find("\u2581") != std::string::npos;
  };
  if (!read.end_of_word.empty())
    subwords_ = Subwords::end_of_word;
  else if (!read.continuation.empty())
    subwords_ = Subwords::wordpiece;
  else if (names_mark("pre_tokenizer") || names_mark("normalizer") || names_mark("decoder"))
    subwords_ = Subwords::sentencepiece;
  else if (read.type == "BPE")
    subwords_ = Subwords::byte_level;
}

inline Encoding TokenizerPipeline::encode(std::string_view text, bool special) const {
  std::vector<Encoding> parts;
  parts.push_back(pieces(text, 0));
  return finished(std::move(parts), special);
}

inline Encoding TokenizerPipeline::encode_pair(std::string_view first, std::string_view second, bool special) const {
  std::vector<Encoding> parts;
  parts.push_back(pieces(first, 0)), parts.push_back(pieces(second, 1));
  return finished(std::move(parts), special);
}

inline Encoding TokenizerPipeline::finished(std::vector<Encoding> parts, bool special) const {
  for (const auto& step : post_processors_) step->apply(parts, special);
  Encoding all;
  for (Encoding& part : parts) all.append(std::move(part));
  return all;
}

inline Encoding TokenizerPipeline::pieces(std::string_view text, Index type) const {
  if (text.size() >= 0xffffffffu)
    throw Error(LoadError::value_out_of_range, "tokenizer", concat("a text has ", text.size(), " bytes"));
  std::string repaired;
  if (!is_utf8(text)) {
    for (const char32_t c : decode_utf8(text)) append_utf8(repaired, c);
    text = repaired;
  }
  const Borrowed room(*this);
  Writer writer(text, type, *room);
  added_.each_part(text, false, [&](std::size_t begin, std::size_t end, const AddedToken* token) {
    if (token == nullptr) return add_part({text.substr(begin, end - begin), std::uint32_t(begin)}, writer);
    writer.put(token->id, text.substr(begin, end - begin), {std::uint32_t(begin), std::uint32_t(end)});
    writer.next_word();
  });
  return writer.take();
}

inline void TokenizerPipeline::add_part(AlignedText text, Writer& writer) const {
  normalize(text, normalizers_);
  bool whole = true;
  added_.each_part(text.text(), true, [&](std::size_t begin, std::size_t end, const AddedToken* token) {
    whole = token == nullptr && begin == 0 && end == text.text().size();
    if (whole) return;
    if (token == nullptr) return add_plain(text.slice(begin, end), writer);
    writer.put(token->id, text.text().substr(begin, end - begin), text.origin(begin, end));
    writer.next_word();
  });
  if (whole && !text.empty()) add_plain(std::move(text), writer);
}

inline void TokenizerPipeline::add_plain(AlignedText text, Writer& writer) const {
  CutText& cut = writer.room.cut;
  cut.text = std::move(text);
  cut.words.assign(1, {0, std::uint32_t(cut.text.text().size())});
  for (const auto& step : pre_tokenizers_) step->apply(cut);
  const std::string_view all = cut.text.text();
  for (const Span span : cut.words) {
    if (span.begin == span.end) continue;
    const std::string_view word = all.substr(span.begin, span.end - span.begin);
    for (const WordPart& part : writer.room.cache.cut(word, *model_, writer.room.model)) {
      const std::string_view name = model_->keeps_text(part.id) ? word.substr(part.begin, part.end - part.begin)
                                                                : std::string_view(tokens_[part.id]);
      writer.put(part.id, name, cut.text.origin(span.begin + part.begin, span.begin + part.end));
    }
    writer.next_word();
  }
}

inline std::string TokenizerPipeline::decode(std::span<const Index> ids, bool special) const {
  TokenTexts texts;
  for (const Index id : ids)
    if (!token(id).empty() && (special || !is_special(id))) texts.push_back(token(id));
  if (has_decoder_)
    for (const auto& step : decoders_) step->apply(texts);
  std::string text = joined(texts, has_decoder_ ? "" : " ");
  if (clean_) clean_up(text);
  return text;
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
