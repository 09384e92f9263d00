// The steps of a tokenizer.json around its model, each read from its JSON: normalizers, pre-tokenizers, post-processors
// and decoders. Part of text/tokenizer.hpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/text/detail/json_part.hpp>
#include <vitrine/text/detail/normalizer.hpp>
#include <vitrine/text/detail/post_processor.hpp>
#include <vitrine/text/detail/pre_tokenizer.hpp>
#include <vitrine/text/detail/precompiled.hpp>
#include <vitrine/text/detail/token_decoder.hpp>
#include <vitrine/text/detail/token_table.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// Append the steps that a part names, those of a "Sequence" one by one. Throw Error config_unsupported for a type or a
/// key that is not known, config_bad_value.
void add_normalizers(const JsonPart& part, Normalizers& steps);
void add_pre_tokenizers(const JsonPart& part, bool last, PreTokenizers& steps, bool& bytes);
void add_post_processors(const JsonPart& part, const TokenTable& ids, PostProcessors& steps);
void add_decoders(const JsonPart& part, TokenDecoders& steps);

// ---- implementation

inline void add_normalizers(const JsonPart& part, Normalizers& steps) {
  const std::string type = part.text("type");
  const auto add = [&](auto step) { steps.push_back(std::make_unique<decltype(step)>(std::move(step))); };
  if (type == "Sequence") {
    part.know({"normalizers"});
    for (const JsonPart& one : part.parts("normalizers")) add_normalizers(one, steps);
  } else if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
    part.know({});
    add(FormNormalizer(type == "NFC"    ? NormalForm::nfc
                       : type == "NFD"  ? NormalForm::nfd
                       : type == "NFKC" ? NormalForm::nfkc
                                        : NormalForm::nfkd));
  } else if (type == "Lowercase") {
    part.know({});
    add(Lowercase());
  } else if (type == "StripAccents") {
    part.know({});
    add(StripMarks(true));
  } else if (type == "Strip") {
    part.know({"strip_left", "strip_right"});
    add(StripSpaces(part.boolean("strip_left", false), part.boolean("strip_right", false)));
  } else if (type == "Prepend") {
    part.know({"prepend"});
    add(Prepend(part.text("prepend")));
  } else if (type == "Replace") {
    part.know({"pattern", "content"});
    add(Replace(part.pattern("pattern"), part.text("content")));
  } else if (type == "Precompiled") {
    part.know({"precompiled_charsmap"});
    if (part.has("precompiled_charsmap") && part.json().at("precompiled_charsmap").is_binary()) {
      const auto& map = part.json().at("precompiled_charsmap").get_binary();  // as a SentencePiece model has it
      add(Precompiled(std::string(map.begin(), map.end()), part.file()));
    } else if (part.has("precompiled_charsmap"))
      add(Precompiled(from_base64(part.text("precompiled_charsmap"), part.file()), part.file()));
  } else if (type == "BertNormalizer") {
    part.know({"clean_text", "handle_chinese_chars", "strip_accents", "lowercase"});
    const bool lower = part.boolean("lowercase", true);
    add(BertNormalizer({.clean_text = part.boolean("clean_text", true),
                        .split_cjk = part.boolean("handle_chinese_chars", true),
                        .strip_accents = part.boolean("strip_accents", lower),
                        .lower_case = lower}));
  } else {
    part.unsupported(concat("is of the type ", in_quotes(type)));
  }
}

/// By the names that Rust's serde gives them.
inline SplitBehavior split_behavior(const JsonPart& part, const char* otherwise) {
  const std::string name = part.text("behavior", otherwise);
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  part.bad("behavior", part.json().at("behavior"));
}

/// prepend_scheme, or add_prefix_space of older files.
inline Metaspace::Prepend prepend_scheme(const JsonPart& part) {
  const std::string name = part.text("prepend_scheme", part.boolean("add_prefix_space", true) ? "always" : "never");
  if (name != "always" && name != "first" && name != "never") part.bad("prepend_scheme", name);
  if (name != "never" && !part.boolean("add_prefix_space", true))
    part.unsupported("has a \"prepend_scheme\" and says no to \"add_prefix_space\"");
  return name == "always"  ? Metaspace::Prepend::always
         : name == "first" ? Metaspace::Prepend::first
                           : Metaspace::Prepend::never;
}

inline void add_pre_tokenizers(const JsonPart& part, bool last, PreTokenizers& steps, bool& bytes) {
  const std::string type = part.text("type");
  const auto add = [&](auto step) { steps.push_back(std::make_unique<decltype(step)>(std::move(step))); };
  if (type == "Sequence") {
    part.know({"pretokenizers"});
    const std::vector<JsonPart> all = part.parts("pretokenizers");
    for (std::size_t i = 0; i < all.size(); ++i) add_pre_tokenizers(all[i], last && i + 1 == all.size(), steps, bytes);
  } else if (type == "ByteLevel") {
    part.know({"add_prefix_space", "trim_offsets", "use_regex"});
    add(ByteLevel(part.boolean("add_prefix_space", true), part.boolean("use_regex", true), !last));
    bytes = last;
  } else if (type == "Metaspace") {
    part.know({"replacement", "prepend_scheme", "split", "add_prefix_space", "str_rep"});
    const std::string mark = part.text("replacement");
    if (mark.empty()) part.bad("replacement", mark);
    add(Metaspace(mark, prepend_scheme(part), part.boolean("split", true)));
  } else if (type == "Split") {
    part.know({"pattern", "behavior", "invert"});
    add(SplitPreTokenizer(part.pattern("pattern"), split_behavior(part, "Removed"), part.boolean("invert", false)));
  } else if (type == "BertPreTokenizer" || type == "Whitespace") {
    part.know({});
    add(KindPreTokenizer(type == "Whitespace" ? KindPreTokenizer::of_whitespace : KindPreTokenizer::of_bert));
  } else if (type == "WhitespaceSplit") {
    part.know({});
    add(ClassPreTokenizer(is_space, SplitBehavior::removed));
  } else if (type == "Punctuation") {
    part.know({"behavior"});
    add(ClassPreTokenizer(is_punctuation, split_behavior(part, "Isolated")));
  } else if (type == "Digits") {
    part.know({"individual_digits"});
    add(ClassPreTokenizer(
        is_numeric, part.boolean("individual_digits", false) ? SplitBehavior::isolated : SplitBehavior::contiguous));
  } else if (type == "CharDelimiterSplit") {
    part.know({"delimiter"});
    const std::u32string one = decode_utf8(part.text("delimiter"));
    if (one.size() != 1) part.bad("delimiter", part.text("delimiter"));
    add(ClassPreTokenizer(one[0]));
  } else {
    part.unsupported(concat("is of the type ", in_quotes(type)));
  }
}

/// A token of a template: the ids that it names, else the one that the vocabulary gives to its "id".
inline TemplateToken template_token(const JsonPart& token, const TokenTable& ids) {
  TemplateToken made;
  if (!token.has("ids")) {
    const std::string name = token.text("id");
    const std::uint32_t id = ids.find(name);
    if (id == no_token) token.bad_vocabulary(concat("the vocabulary has no ", in_quotes(name)));
    return {{Index(id)}, {token.name()}};
  }
  for (const nlohmann::json& value : token.array("ids")) {
    if (!value.is_number_integer() || value < 0 || value > 1 << 24) token.bad("ids", value);
    made.ids.push_back(value.get<Index>());
  }
  for (const nlohmann::json& value : token.array("tokens")) {
    if (!value.is_string()) token.bad("tokens", value);
    made.tokens.push_back(value.get<std::string>());
  }
  if (made.ids.size() != made.tokens.size()) token.bad("ids", token.json());
  return made;
}

/// The items of a template, whose tokens are among "special_tokens".
inline std::vector<TemplateProcessing::Item> template_items(const JsonPart& part, const char* key,
                                                            const TokenTable& ids) {
  const JsonPart tokens = part.part("special_tokens");
  std::vector<TemplateProcessing::Item> items;
  for (const JsonPart& one : part.parts(key)) {
    one.know({"Sequence", "SpecialToken"});
    const bool text = one.has("Sequence");
    const JsonPart own = one.part(text ? "Sequence" : "SpecialToken");
    own.know({"id", "type_id"});
    const std::string id = own.text("id");
    TemplateProcessing::Item item{.type_id = own.integer("type_id", 0)};
    if (text) {
      if (id != "A" && id != "B") own.bad("id", id);
      item.text = id == "B";
    } else {
      item.token = template_token(tokens.part(id.c_str()), ids);
    }
    items.push_back(std::move(item));
  }
  return items;
}

/// BERT's and RoBERTa's ways to put their marks around texts.
inline void add_framed(const JsonPart& part, bool roberta, PostProcessors& steps) {
  const auto token = [&](const char* key, Index type) {
    const nlohmann::json& pair = part.array(key);
    if (pair.size() != 2 || !pair[0].is_string() || !pair[1].is_number_integer() || pair[1] < 0 || pair[1] > 1 << 24)
      part.bad(key, pair);
    return TemplateProcessing::Item{.token = {.ids = {pair[1].get<Index>()}, .tokens = {pair[0].get<std::string>()}},
                                    .type_id = type};
  };
  using Item = TemplateProcessing::Item;
  const Item begin = token("cls", 0), end = token("sep", 0), last = token("sep", roberta ? 0 : 1);
  std::vector<Item> single = {begin, Item{.text = 0}, end}, pair = single;
  if (roberta) pair.push_back(end);
  pair.push_back(Item{.text = 1, .type_id = roberta ? 0 : 1});
  pair.push_back(last);
  steps.push_back(std::make_unique<TemplateProcessing>(std::move(single), std::move(pair)));
}

inline void add_post_processors(const JsonPart& part, const TokenTable& ids, PostProcessors& steps) {
  const std::string type = part.text("type");
  if (type == "Sequence") {
    part.know({"processors"});
    for (const JsonPart& one : part.parts("processors")) add_post_processors(one, ids, steps);
  } else if (type == "ByteLevel") {
    part.know({"add_prefix_space", "trim_offsets", "use_regex"});
    if (part.boolean("trim_offsets", true))
      steps.push_back(std::make_unique<TrimOffsets>(part.boolean("add_prefix_space", true)));
  } else if (type == "TemplateProcessing") {
    part.know({"single", "pair", "special_tokens"});
    steps.push_back(
        std::make_unique<TemplateProcessing>(template_items(part, "single", ids), template_items(part, "pair", ids)));
  } else if (type == "BertProcessing") {
    part.know({"sep", "cls"});
    add_framed(part, false, steps);
  } else if (type == "RobertaProcessing") {
    part.know({"sep", "cls", "trim_offsets", "add_prefix_space"});
    if (part.boolean("trim_offsets", true))
      steps.push_back(std::make_unique<TrimOffsets>(part.boolean("add_prefix_space", true)));
    steps.push_back(std::make_unique<OneType>());
    add_framed(part, true, steps);
  } else {
    part.unsupported(concat("is of the type ", in_quotes(type)));
  }
}

inline void add_decoders(const JsonPart& part, TokenDecoders& steps) {
  const std::string type = part.text("type");
  const auto add = [&](auto step) { steps.push_back(std::make_unique<decltype(step)>(std::move(step))); };
  if (type == "Sequence") {
    part.know({"decoders"});
    for (const JsonPart& one : part.parts("decoders")) add_decoders(one, steps);
  } else if (type == "ByteLevel") {
    part.know({"add_prefix_space", "trim_offsets", "use_regex"});
    add(ByteLevelDecoder());
  } else if (type == "WordPiece") {
    part.know({"prefix", "cleanup"});
    add(WordPieceDecoder(part.text("prefix", "##"), part.boolean("cleanup", true)));
  } else if (type == "Metaspace") {
    part.know({"replacement", "prepend_scheme", "split", "add_prefix_space", "str_rep"});
    const std::string mark = part.text("replacement");
    if (mark.empty()) part.bad("replacement", mark);
    add(MetaspaceDecoder(mark, prepend_scheme(part) != Metaspace::Prepend::never));
  } else if (type == "BPEDecoder") {
    part.know({"suffix"});
    const std::string suffix = part.text("suffix", "</w>");
    if (suffix.empty()) part.bad("suffix", suffix);
    add(SuffixDecoder(suffix));
  } else if (type == "Replace") {
    part.know({"pattern", "content"});
    add(ReplaceDecoder(part.pattern("pattern"), part.text("content")));
  } else if (type == "ByteFallback") {
    part.know({});
    add(ByteFallbackDecoder());
  } else if (type == "Fuse") {
    part.know({});
    add(FuseDecoder());
  } else if (type == "Strip") {
    part.know({"content", "start", "stop"});
    const std::u32string one = decode_utf8(part.text("content"));
    if (one.size() != 1) part.bad("content", part.text("content"));
    add(StripDecoder(one[0], std::size_t(part.integer("start", 0)), std::size_t(part.integer("stop", 0))));
  } else {
    part.unsupported(concat("is of the type ", in_quotes(type)));
  }
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
