// MarianMT's tokens as Transformers' MarianTokenizer makes them: SentencePiece pieces looked up in vocab.json.
//
//   const vt::MarianTokenizer tokenizer("opus-mt-en-de");            // source.spm, target.spm, vocab.json
//   auto [ids, pieces] = tokenizer.encode(">>deu<< Good morning.");  // ends in </s>
//   std::string text = tokenizer.decode(generated_ids);
//
// target_vocab.json, where the folder has one, holds the target's ids. A language code (>>xx<<) at the beginning is one
// token. Nothing else in vitrine knows SentencePiece: link with -lsentencepiece.
#pragma once
#include <vitrine/core/config.hpp>
#if !__has_include(<sentencepiece_processor.h>)
#error "vitrine: text/marian_tokenizer.hpp needs SentencePiece (Debian, Ubuntu: package libsentencepiece-dev)"
#else
#include <sentencepiece_processor.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/io/error.hpp>
#include <vitrine/io/mapped_file.hpp>
#include <vitrine/text/detail/sentencepiece_file.hpp>
#include <vitrine/text/vocabulary.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// Copies share the models; many threads may use one. Ids and texts are returned on the heap. A text never fails but
/// for memory.
class MarianTokenizer {
 public:
  /// The ids of a text and, as many, the pieces that they stand for.
  struct Encoding {
    std::vector<Index> ids = {};
    std::vector<std::string> pieces = {};
  };

  /// Throws Error: config_missing, config_not_json, bad_vocabulary (also without </s> or <unk>), file_missing,
  /// file_unreadable for a model that SentencePiece does not read, or would read past its end
  /// (text/detail/sentencepiece_file.hpp).
  explicit MarianTokenizer(const std::filesystem::path& folder);

  /// Ids of valid UTF-8 text, the end token included. Pieces that are not in the vocabulary become <unk>; what
  /// SentencePiece cannot split is left out.
  Encoding encode(std::string_view text) const { return encode(text, *source_, source_ids_); }
  /// The same of a target text, for scoring.
  Encoding encode_target(std::string_view text) const { return encode(text, *target_, target_ids()); }
  /// The text of target ids, special tokens left out.
  std::string decode(const std::vector<Index>& ids) const;

  /// The ids of sources; lives as long as this object.
  const Vocabulary& source_ids() const noexcept { return source_ids_; }
  /// The ids of targets: the sources' own where the folder has no target_vocab.json.
  const Vocabulary& target_ids() const noexcept { return separate_ ? *separate_ : source_ids_; }

 private:
  using Model = sentencepiece::SentencePieceProcessor;
  static constexpr std::string_view specials[] = {"</s>", "<unk>", "<pad>"};

  static std::shared_ptr<const Model> open(const std::filesystem::path& path);
  static Encoding encode(std::string_view text, const Model& model, const Vocabulary& ids);

  std::shared_ptr<const Model> source_, target_;
  Vocabulary source_ids_;
  std::shared_ptr<const Vocabulary> separate_;
};

// ---- implementation

inline std::shared_ptr<const MarianTokenizer::Model> MarianTokenizer::open(const std::filesystem::path& path) {
  const std::string name = path.string();
  const MappedFile file(path);
  std::string bytes(reinterpret_cast<const char*>(file.data()), file.size());
  auto model = std::make_shared<Model>();
  bytes = detail::checked_sentencepiece(std::move(bytes), name);
  if (const auto status = model->LoadFromSerializedProto(bytes); !status.ok())
    throw Error(LoadError::file_unreadable, name, "is no SentencePiece model: " + detail::in_quotes(status.ToString()));
  return model;
}

inline MarianTokenizer::MarianTokenizer(const std::filesystem::path& folder)
    : source_(open(folder / "source.spm")), target_(open(folder / "target.spm")), source_ids_(folder / "vocab.json") {
  std::error_code failed;
  if (std::filesystem::exists(folder / "target_vocab.json", failed))
    separate_ = std::make_shared<const Vocabulary>(folder / "target_vocab.json");
  for (const Vocabulary* ids : {&source_ids(), &target_ids()})
    for (const char* needed : {"</s>", "<unk>"})
      if (ids->find(needed) < 0)
        throw Error(LoadError::bad_vocabulary, folder.string(), detail::concat("its vocabulary has no ", needed));
}

inline MarianTokenizer::Encoding MarianTokenizer::encode(std::string_view text, const Model& model,
                                                         const Vocabulary& ids) {
  Encoding result;
  const auto add = [&](std::string piece) {
    const Index id = ids.find(piece);
    result.ids.push_back(id >= 0 ? id : ids.find("<unk>"));
    result.pieces.push_back(std::move(piece));
  };
  const auto plain = [&](std::string part) {
    if (const std::size_t close = part.find("<<"); part.starts_with(">>") && close != part.npos) {  // a language code
      add(part.substr(0, close + 2));
      part.erase(0, close + 2);
    }
    std::vector<std::string> pieces;
    if (const auto status = model.Encode(part, &pieces); status.ok())
      for (std::string& piece : pieces) add(std::move(piece));
  };
  // Special tokens that are spelled out in the text stand for themselves.
  std::size_t places[std::size(specials)] = {};  // the text is searched once for each
  for (std::size_t at = 0;;) {
    std::size_t next = text.npos;
    std::string_view found;
    for (std::size_t i = 0; i < std::size(specials); ++i) {
      if (at == 0 || places[i] < at) places[i] = text.find(specials[i], at);
      if (places[i] < next) next = places[i], found = specials[i];
    }
    if (const std::string_view part = text.substr(at, next == text.npos ? next : next - at); !part.empty())
      plain(std::string(part));
    if (next == text.npos) break;
    add(std::string(found));
    at = next + found.size();
  }
  add("</s>");
  return result;
}

inline std::string MarianTokenizer::decode(const std::vector<Index>& ids) const {
  std::vector<std::string> pieces;
  for (Index id : ids) {
    const std::string& piece = target_ids().token(id);
    if (std::find(std::begin(specials), std::end(specials), piece) == std::end(specials)) pieces.push_back(piece);
  }
  std::string text;
  if (!target_->Decode(pieces, &text).ok()) return {};
  for (std::size_t at = 0; (at = text.find("\u2581", at)) != text.npos;)
    text.replace(at, std::string_view("\u2581").size(), " ");
  const std::size_t first = text.find_first_not_of(" \t\n"), last = text.find_last_not_of(" \t\n");
  return first == text.npos ? std::string() : text.substr(first, last - first + 1);
}

}  // namespace vitrine::inline VITRINE_ABI
#endif

#include <vitrine/core/macros_pop.hpp>
