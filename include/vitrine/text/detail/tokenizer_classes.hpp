// Transformers' tokenizer classes that build their own steps around a vocabulary, whatever a tokenizer.json says: each
// as the parts of a tokenizer.json. Part of text/tokenizer.hpp.
#pragma once
#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>
#include <vitrine/core/config.hpp>
#include <vitrine/text/detail/language_codes.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// What comes around a text.
enum class Frame { of_file, bert, of_file_or_bert, roberta, t5, xlm_roberta, bos_eos, source_language };

/// One class of Transformers 5.23. Texts are JSON.
struct TokenizerClass {
  std::string_view names[6] = {};  // without "Fast"
  std::string_view model = {};     // "" for one whose tokenizer.json is taken as it is
  std::string_view normalizer = {}, pre_tokenizer = {}, decoder = {}, rules = {};
  Frame frame = Frame::of_file;
  std::pair<std::string_view, std::string_view> specials[7] = {};  // the defaults of their names
  std::string_view vocabulary = {};                                // its file, where there is no tokenizer.json
  std::string_view languages = {};                                 // special tokens, too
};

/// The first is that of a folder that names none.
#define VITRINE_BYTE_LEVEL R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})"
#define VITRINE_METASPACE R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true})"
#define VITRINE_WORDS R"({"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},)" VITRINE_METASPACE "]}"
#define VITRINE_ONE_BLANK R"({"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "})"
#define VITRINE_FAIRSEQ_MARKS                                                                   \
  {                                                                                             \
    {"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"sep_token", "</s>"}, \
        {"pad_token", "<pad>"}, {"cls_token", "<s>"}, {                                         \
      "mask_token", "<mask>"                                                                    \
    }                                                                                           \
  }
inline constexpr TokenizerClass tokenizer_classes[] = {
    {.names = {"PreTrainedTokenizer", "TokenizersBackend", "PythonBackend", "BloomTokenizer"},
     .model = "",
     .frame = Frame::of_file},
    {.names = {"MarianTokenizer"},
     .model = "",
     .frame = Frame::of_file,
     .specials = {{"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"pad_token", "<pad>"}}},
    {.names = {"M2M100Tokenizer"},
     .model = "",
     .frame = Frame::source_language,
     .specials = {{"bos_token", "<s>"},
                  {"eos_token", "</s>"},
                  {"unk_token", "<unk>"},
                  {"sep_token", "</s>"},
                  {"pad_token", "<pad>"}}},
    {.names = {"MBartTokenizer"},
     .model = "Unigram",
     .pre_tokenizer = VITRINE_WORDS,
     .decoder = VITRINE_METASPACE,
     .rules = R"({"unk_id":3})",
     .frame = Frame::source_language,
     .specials = VITRINE_FAIRSEQ_MARKS,
     .vocabulary = "sentencepiece.bpe.model",
     .languages = mbart_languages},
    {.names = {"MBart50Tokenizer"},
     .model = "Unigram",
     .normalizer = VITRINE_ONE_BLANK,
     .pre_tokenizer = VITRINE_METASPACE,
     .decoder = VITRINE_METASPACE,
     .rules = R"({"unk_id":3})",
     .frame = Frame::source_language,
     .specials = {{"eos_token", "</s>"},
                  {"unk_token", "<unk>"},
                  {"sep_token", "</s>"},
                  {"pad_token", "<pad>"},
                  {"cls_token", "<s>"},
                  {"mask_token", "<mask>"}},
     .vocabulary = "sentencepiece.bpe.model",
     .languages = mbart50_languages},
    {.names = {"NllbTokenizer"},
     .model = "BPE",
     .normalizer = VITRINE_ONE_BLANK,
     .pre_tokenizer = VITRINE_METASPACE,
     .decoder = VITRINE_METASPACE,
     .rules = R"({"fuse_unk":true,"byte_fallback":false})",
     .frame = Frame::source_language,
     .specials = VITRINE_FAIRSEQ_MARKS,
     .vocabulary = "sentencepiece.bpe.model",
     .languages = nllb_languages},
    {.names = {"BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "RetriBertTokenizer"},
     .model = "WordPiece",
     .normalizer = R"({"type":"BertNormalizer","clean_text":true})",
     .pre_tokenizer = R"({"type":"BertPreTokenizer"})",
     .decoder = R"({"type":"WordPiece","prefix":"##","cleanup":true})",
     .rules = R"({"continuing_subword_prefix":"##","max_input_chars_per_word":100})",
     .frame = Frame::bert,
     .specials = {{"unk_token", "[UNK]"},
                  {"sep_token", "[SEP]"},
                  {"pad_token", "[PAD]"},
                  {"cls_token", "[CLS]"},
                  {"mask_token", "[MASK]"}},
     .vocabulary = "vocab.txt"},
    {.names = {"RobertaTokenizer", "BartTokenizer", "LongformerTokenizer", "LEDTokenizer"},
     .model = "BPE",
     .pre_tokenizer = VITRINE_BYTE_LEVEL,
     .decoder = VITRINE_BYTE_LEVEL,
     .rules = "{}",
     .frame = Frame::roberta,
     .specials = {{"bos_token", "<s>"},
                  {"eos_token", "</s>"},
                  {"unk_token", "<unk>"},
                  {"sep_token", "</s>"},
                  {"pad_token", "<pad>"},
                  {"cls_token", "<s>"},
                  {"mask_token", "<mask>"}},
     .vocabulary = "vocab.json"},
    {.names = {"GPT2Tokenizer"},
     .model = "BPE",
     .pre_tokenizer = VITRINE_BYTE_LEVEL,
     .decoder = VITRINE_BYTE_LEVEL,
     .rules = "{}",
     .frame = Frame::of_file,
     .specials = {{"bos_token", "<|endoftext|>"}, {"eos_token", "<|endoftext|>"}, {"unk_token", "<|endoftext|>"}},
     .vocabulary = "vocab.json"},
    {.names = {"GPTNeoXTokenizer"},
     .model = "BPE",
     .normalizer = R"({"type":"NFC"})",
     .pre_tokenizer = VITRINE_BYTE_LEVEL,
     .decoder = VITRINE_BYTE_LEVEL,
     .rules = "{}",
     .frame = Frame::bos_eos,
     .specials = {{"bos_token", "<|endoftext|>"},
                  {"eos_token", "<|endoftext|>"},
                  {"unk_token", "<|endoftext|>"},
                  {"pad_token", "<|padding|>"}},
     .vocabulary = "vocab.json"},
    {.names = {"Qwen2Tokenizer"},
     .model = "BPE",
     .normalizer = R"({"type":"NFC"})",
     .pre_tokenizer =
         R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"(?i:'s|'t|'re|'ve|'m|'ll|'d))"
         R"(|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},)"
         R"("behavior":"Isolated"},{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]})",
     .decoder = VITRINE_BYTE_LEVEL,
     .rules = "{}",
     .frame = Frame::of_file,
     .specials = {{"eos_token", "<|endoftext|>"}, {"unk_token", "<|endoftext|>"}, {"pad_token", "<|endoftext|>"}},
     .vocabulary = "vocab.json"},
    {.names = {"LlamaTokenizer"},
     .model = "BPE",
     .pre_tokenizer = R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":false})",
     .decoder = R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},)"
                R"({"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]})",
     .rules = R"({"fuse_unk":true,"byte_fallback":true})",
     .frame = Frame::of_file,
     .specials = {{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}},
     .vocabulary = "tokenizer.model"},
    {.names = {"GemmaTokenizer"},
     .model = "BPE",
     .normalizer = R"({"type":"Replace","pattern":{"String":" "},"content":"▁"})",
     .pre_tokenizer = R"({"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious"})",
     .decoder = R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},)"
                R"({"type":"ByteFallback"},{"type":"Fuse"}]})",
     .rules = R"({"fuse_unk":true,"byte_fallback":true})",
     .frame = Frame::of_file,
     .specials = {{"bos_token", "<bos>"},
                  {"eos_token", "<eos>"},
                  {"unk_token", "<unk>"},
                  {"pad_token", "<pad>"},
                  {"mask_token", "<mask>"}},
     .vocabulary = "tokenizer.model"},
    {.names = {"T5Tokenizer"},
     .model = "Unigram",
     .pre_tokenizer = VITRINE_WORDS,
     .decoder = VITRINE_METASPACE,
     .rules = R"({"unk_id":2})",
     .frame = Frame::t5,
     .specials = {{"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"pad_token", "<pad>"}},
     .vocabulary = "spiece.model"},
    {.names = {"XLMRobertaTokenizer"},
     .model = "Unigram",
     .pre_tokenizer = VITRINE_WORDS,
     .decoder = VITRINE_METASPACE,
     .rules = R"({"unk_id":3})",
     .frame = Frame::xlm_roberta,
     .specials = {{"bos_token", "<s>"},
                  {"eos_token", "</s>"},
                  {"unk_token", "<unk>"},
                  {"sep_token", "</s>"},
                  {"pad_token", "<pad>"},
                  {"cls_token", "<s>"},
                  {"mask_token", "<mask>"}},
     .vocabulary = "sentencepiece.bpe.model"},
    {.names = {"AlbertTokenizer"},
     .model = "Unigram",
     .normalizer = R"({"type":"Sequence","normalizers":[{"type":"Replace","pattern":{"String":"``"},"content":"\""},)"
                   R"({"type":"Replace","pattern":{"String":"''"},"content":"\""}]})",
     .pre_tokenizer = VITRINE_WORDS,
     .decoder = VITRINE_METASPACE,
     .rules = R"({"unk_id":1})",
     .frame = Frame::of_file_or_bert,
     .specials = {{"bos_token", "[CLS]"},
                  {"eos_token", "[SEP]"},
                  {"unk_token", "<unk>"},
                  {"sep_token", "[SEP]"},
                  {"pad_token", "<pad>"},
                  {"cls_token", "[CLS]"},
                  {"mask_token", "[MASK]"}},
     .vocabulary = "spiece.model"},
};
#undef VITRINE_BYTE_LEVEL
#undef VITRINE_METASPACE
#undef VITRINE_WORDS
#undef VITRINE_ONE_BLANK
#undef VITRINE_FAIRSEQ_MARKS

/// Null for a class that is not meant here.
inline const TokenizerClass* tokenizer_class(std::string_view name) {
  if (name.empty()) return tokenizer_classes;
  for (const TokenizerClass& one : tokenizer_classes)
    if (std::find(std::begin(one.names), std::end(one.names), name) != std::end(one.names)) return &one;
  return nullptr;
}

/// The class that Transformers takes for a model_type whose folder names none; "" for one that is not meant here.
inline std::string_view class_of_model(std::string_view model_type) {
  constexpr std::pair<std::string_view, std::string_view> classes[] = {{"albert", "AlbertTokenizer"},
                                                                       {"bart", "RobertaTokenizer"},
                                                                       {"bert", "BertTokenizer"},
                                                                       {"distilbert", "BertTokenizer"},
                                                                       {"electra", "BertTokenizer"},
                                                                       {"gemma", "GemmaTokenizer"},
                                                                       {"gemma2", "GemmaTokenizer"},
                                                                       {"gpt2", "GPT2Tokenizer"},
                                                                       {"gpt_neo", "GPT2Tokenizer"},
                                                                       {"gpt_neox", "GPTNeoXTokenizer"},
                                                                       {"gptj", "GPT2Tokenizer"},
                                                                       {"longformer", "RobertaTokenizer"},
                                                                       {"m2m_100", "M2M100Tokenizer"},
                                                                       {"marian", "MarianTokenizer"},
                                                                       {"mbart", "MBartTokenizer"},
                                                                       {"mt5", "T5Tokenizer"},
                                                                       {"nllb", "NllbTokenizer"},
                                                                       {"nllb-moe", "NllbTokenizer"},
                                                                       {"opt", "GPT2Tokenizer"},
                                                                       {"phi", "GPT2Tokenizer"},
                                                                       {"qwen2", "Qwen2Tokenizer"},
                                                                       {"qwen3", "Qwen2Tokenizer"},
                                                                       {"roberta", "RobertaTokenizer"},
                                                                       {"t5", "T5Tokenizer"},
                                                                       {"xlm-roberta", "XLMRobertaTokenizer"}};
  for (const auto& [type, name] : classes)
    if (type == model_type) return name;
  return {};
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
