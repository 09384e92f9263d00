// MarianMT's tokens as Transformers' MarianTokenizer makes them: SentencePiece pieces (source.spm, target.spm) looked
// up in vocab.json, or in target_vocab.json where tokenizer_config.json says "separate_vocabs". A language code
// (>>xx<<) at a beginning is one token. Part of text/tokenizer.hpp, and alone in knowing SentencePiece.
#pragma once
#include <sentencepiece_processor.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/io/mapped_file.hpp>
#include <vitrine/text/detail/added_tokens.hpp>
#include <vitrine/text/detail/sentencepiece_file.hpp>
#include <vitrine/text/detail/text_codec.hpp>
#include <vitrine/text/detail/token_table.hpp>
#include <vitrine/text/detail/tokenizer_files.hpp>
#include <vitrine/text/vocabulary.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

class MarianCodec : public TextCodec {
 public:
  /// Throws Error: config_missing, config_not_json, config_bad_value, bad_vocabulary (also without the end's token or
  /// the unknown's), file_missing, file_unreadable for a model that SentencePiece does not read, or would read past its
  /// end.
  MarianCodec(const std::filesystem::path& folder, const TokenizerFiles& files);

  Encoding encode(std::string_view text, bool special) const override {
    return finished(pieces(text, *source_, source_ids_), special);
  }
  /// One behind the other, one end mark.
  Encoding encode_pair(std::string_view first, std::string_view second, bool special) const override {
    Encoding made = pieces(first, *source_, source_ids_);
    made.append(pieces(second, *source_, source_ids_));
    return finished(std::move(made), special);
  }
  Encoding encode_target(std::string_view text) const override {
    return finished(pieces(text, *target_, target_ids()), true);
  }
  std::string decode(std::span<const Index> ids, bool special) const override;
  const std::string& token(Index id) const noexcept override { return token(id, source_ids_); }
  const std::string& target_token(Index id) const noexcept override { return token(id, target_ids()); }
  Index id(std::string_view token) const noexcept override { return id(token, source_ids_); }
  Index size() const noexcept override { return std::max(source_ids_.size(), beyond_); }
  Index target_size() const noexcept override { return std::max(target_ids().size(), beyond_); }
  bool is_special(Index id) const noexcept override {
    const auto found = added_by_id_.find(id);
    return found != added_by_id_.end() && found->second->special;
  }
  Subwords subwords() const noexcept override { return Subwords::sentencepiece; }

 protected:
  using Model = sentencepiece::SentencePieceProcessor;
  /// One model for both sides, and no language codes at beginnings: another class's pieces. Throws as the other.
  MarianCodec(const std::filesystem::path& model, const std::filesystem::path& vocabulary, const TokenizerFiles& files);
  /// The pieces of a source's text, without what comes around it.
  Encoding source_pieces(std::string_view text) const { return pieces(text, *source_, source_ids_); }
  /// The texts of the pieces between special tokens; with `special` these as well, each with `behind` behind it.
  std::string joined(std::span<const Index> ids, bool special, std::string_view behind) const;
  Index end() const noexcept { return end_; }
  /// Is it the id of an added token, which goes before whatever else has it?
  bool is_added(Index id) const noexcept { return added_by_id_.contains(id); }
  /// How many tokens the vocabulary has.
  Index vocabulary_tokens() const;

 private:
  // A part of a text, and the added token that it is.
  struct Part {
    std::size_t begin, end;
    const AddedToken* token;
  };

  static std::shared_ptr<const Model> open(const std::filesystem::path& path);
  void find_marks(const std::filesystem::path& folder, const TokenizerFiles& files);
  const Vocabulary& target_ids() const noexcept { return separate_ ? *separate_ : source_ids_; }
  void read_added(const TokenizerFiles& files);
  const std::string& token(Index id, const Vocabulary& ids) const noexcept {
    const auto found = added_by_id_.find(id);
    return found != added_by_id_.end() ? found->second->content : ids.token(id);
  }
  Index id(std::string_view token, const Vocabulary& ids) const noexcept {
    const auto found = added_by_name_.find(token);
    return found != added_by_name_.end() ? Index(found->second->id) : ids.find(token);
  }
  std::vector<Part> parts(std::string_view text) const;
  Encoding pieces(std::string_view text, const Model& model, const Vocabulary& ids) const;
  Encoding finished(Encoding made, bool special) const;

  std::shared_ptr<const Model> source_, target_;
  Vocabulary source_ids_;
  std::shared_ptr<const Vocabulary> separate_;
  AddedTokens added_;
  std::map<Index, const AddedToken*> added_by_id_;
  std::map<std::string_view, const AddedToken*> added_by_name_;
  Index beyond_ = 0, end_ = 0, unknown_ = 0;  // one more than the largest id of an added token
  bool codes_ = true;                         // >>xx<< at a beginning is one token
};

// ---- implementation

inline std::shared_ptr<const MarianCodec::Model> MarianCodec::open(const std::filesystem::path& path) {
  const std::string name = path.string();
  const MappedFile file(path);
  std::string bytes(reinterpret_cast<const char*>(file.data()), file.size());
  auto model = std::make_shared<Model>();
  bytes = checked_sentencepiece(std::move(bytes), name);
  if (const auto status = model->LoadFromSerializedProto(bytes); !status.ok())
    throw Error(LoadError::file_unreadable, name, "is no SentencePiece model: " + in_quotes(status.ToString()));
  return model;
}

inline MarianCodec::MarianCodec(const std::filesystem::path& folder, const TokenizerFiles& files)
    : source_(open(folder / "source.spm")), target_(open(folder / "target.spm")), source_ids_(folder / "vocab.json") {
  if (files.flag("separate_vocabs", false))
    separate_ = std::make_shared<const Vocabulary>(folder / "target_vocab.json");
  find_marks(folder, files);
}

inline MarianCodec::MarianCodec(const std::filesystem::path& model, const std::filesystem::path& vocabulary,
                                const TokenizerFiles& files)
    : source_(open(model)), target_(source_), source_ids_(vocabulary), codes_(false) {
  find_marks(vocabulary.parent_path(), files);
}

inline void MarianCodec::find_marks(const std::filesystem::path& folder, const TokenizerFiles& files) {
  read_added(files);
  const std::string end = files.special("eos_token"), unknown = files.special("unk_token");
  for (const Vocabulary* ids : {&std::as_const(source_ids_), &target_ids()})
    for (const std::string& needed : {end, unknown})
      if (id(needed, *ids) < 0 || (needed == unknown && ids->find(needed) < 0))
        throw Error(LoadError::bad_vocabulary, folder.string(), concat("its vocabulary has no ", in_quotes(needed)));
  end_ = id(end, source_ids_), unknown_ = source_ids_.find(unknown);
}

inline Index MarianCodec::vocabulary_tokens() const {
  Index count = 0;
  for (Index i = 0; i < source_ids_.size(); ++i) count += !source_ids_.token(i).empty();
  return count;
}

inline void MarianCodec::read_added(const TokenizerFiles& files) {
  std::vector<AddedToken> added;
  TokenTable specials;
  for (const std::string& text : files.special_texts()) specials.add(text, 0);
  Index next = vocabulary_tokens();  // free id
  for (const nlohmann::json& one : files.all_added_tokens()) {
    AddedToken token{.content = token_text(one),
                     .single_word = one.value("single_word", false),
                     .lstrip = one.value("lstrip", false),
                     .rstrip = one.value("rstrip", false),
                     .normalized = false,  // nothing normalizes a text in front of SentencePiece
                     .special = specials.find(token_text(one)) != no_token};
    if (token.content.empty()) continue;
    Index own = one.contains("id") ? one.at("id").get<Index>() : source_ids_.find(token.content);
    if (own > 1 << 24) throw Error(LoadError::bad_vocabulary, "added tokens", concat("have the id ", own));
    const bool fresh = source_ids_.find(token.content) < 0;
    if (own < 0) own = next;
    if (fresh) ++next;
    token.id = std::uint32_t(own);
    beyond_ = std::max(beyond_, own + 1);
    added.push_back(std::move(token));
  }
  added_ = AddedTokens(std::move(added), Normalizers());
  for (const AddedToken& token : added_.all()) {
    added_by_id_[Index(token.id)] = &token;
    added_by_name_[token.content] = &token;
  }
}

// Added tokens and what is between them, each without the blanks that its neighbours take.
inline std::vector<MarianCodec::Part> MarianCodec::parts(std::string_view text) const {
  std::vector<Part> all;
  added_.each_bare_part(text, false, [&](std::size_t begin, std::size_t end, const AddedToken* token) {
    all.push_back({begin, end, token});
  });
  for (std::size_t i = 0; i < all.size(); ++i) {
    const AddedToken* token = all[i].token;
    if (token == nullptr) continue;
    Part* left = i > 0 && all[i - 1].begin < all[i - 1].end ? &all[i - 1] : nullptr;
    Part* right = i + 1 < all.size() ? &all[i + 1] : nullptr;
    if (token->rstrip && right != nullptr) right->begin = std::min(right->end, spaces_behind(text, right->begin));
    if (token->lstrip && left != nullptr) left->end = std::max(left->begin, spaces_before(text, left->end));
    if (!token->single_word) continue;
    if (left != nullptr && left->end == all[i].begin && left->end > left->begin && text[left->end - 1] != ' ')
      left->end = all[i].end, left->token = nullptr, all[i].end = all[i].begin;
    else if (right != nullptr && right->begin == all[i].end && right->end > right->begin && text[right->begin] != ' ')
      right->begin = all[i].begin, right->token = nullptr, all[i].end = all[i].begin;
  }
  std::erase_if(all, [](const Part& part) { return part.begin >= part.end; });
  return all;
}

inline Encoding MarianCodec::pieces(std::string_view text, const Model& model, const Vocabulary& ids) const {
  Encoding made;
  std::vector<Index> characters(text.size() + 1, 0);  // before each byte
  for (std::size_t i = 0; i < text.size(); ++i)
    characters[i + 1] = characters[i] + (i + 1 == text.size() || !continues_character(text[i + 1]));
  bool open = false;  // may the next piece continue a word?
  const auto add = [&](std::string piece, Index known, std::size_t begin, std::size_t end, bool mark) {
    const bool begins = mark || !open || piece.starts_with("\u2581");
    made.words.push_back(made.words.empty() ? 0 : made.words.back() + begins);
    made.ids.push_back(known >= 0 ? known : unknown_);
    made.tokens.push_back(std::move(piece));
    made.offsets.emplace_back(characters[begin], characters[end]);
    open = !mark;
  };
  for (auto [begin, end, token] : parts(text)) {
    if (token != nullptr) {
      add(token->content, Index(token->id), begin, end, true);
      continue;
    }
    std::string_view part = text.substr(begin, end - begin);
    if (const std::size_t close = part.find("<<"); codes_ && part.starts_with(">>") && close != part.npos) {
      add(std::string(part.substr(0, close + 2)), id(part.substr(0, close + 2), ids), begin, begin + close + 2, true);
      begin += close + 2, part.remove_prefix(close + 2);
    }
    const sentencepiece::ImmutableSentencePieceText cut = model.EncodeAsImmutableProto(part);
    for (const auto& piece : cut.pieces())
      add(piece.piece(), id(piece.piece(), ids), begin + std::min<std::size_t>(piece.begin(), part.size()),
          begin + std::min<std::size_t>(piece.end(), part.size()), false);
  }
  return made;
}

inline Encoding MarianCodec::finished(Encoding made, bool special) const {
  if (special) {
    made.ids.push_back(end_), made.tokens.push_back(token(end_));
    made.offsets.emplace_back(), made.words.push_back(-1);
  }
  made.type_ids.assign(made.ids.size(), 0);
  return made;
}

/// Without the blanks at both ends.
inline std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t\n"), last = text.find_last_not_of(" \t\n");
  return first == text.npos ? std::string() : text.substr(first, last - first + 1);
}

inline std::string MarianCodec::joined(std::span<const Index> ids, bool special, std::string_view behind) const {
  const Model& model = separate_ ? *target_ : *source_;
  std::string text;
  std::vector<std::string> open;
  const auto flush = [&] {
    std::string part;
    if (!open.empty() && model.Decode(open, &part).ok()) text += part;
    open.clear();
  };
  for (const Index id : ids) {
    const std::string& piece = target_token(id);
    if (!is_special(id)) {
      if (!piece.empty()) open.push_back(piece);
      continue;
    }
    if (!special) continue;
    flush();
    text.append(piece).append(behind);
  }
  flush();
  return text;
}

inline std::string MarianCodec::decode(std::span<const Index> ids, bool special) const {
  std::string text = joined(ids, special, " ");
  for (std::size_t at = 0; (at = text.find("\u2581", at)) != text.npos;)
    text.replace(at, std::string_view("\u2581").size(), " ");
  return trimmed(text);
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
