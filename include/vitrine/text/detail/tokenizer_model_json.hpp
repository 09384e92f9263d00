// The model and the vocabulary of a tokenizer.json, read from its JSON. Part of text/tokenizer.hpp.
#pragma once
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/text/detail/added_tokens.hpp>
#include <vitrine/text/detail/bpe.hpp>
#include <vitrine/text/detail/json_part.hpp>
#include <vitrine/text/detail/pre_tokenizer.hpp>
#include <vitrine/text/detail/text_model.hpp>
#include <vitrine/text/detail/token_table.hpp>
#include <vitrine/text/detail/unigram.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// A model and the names of its ids.
struct ReadModel {
  std::unique_ptr<const TextModel> model = {};
  std::vector<std::string> tokens = {};  // by id; empty for an id that has none
  TokenTable ids = {};
  std::string type = {};          // BPE, Unigram, WordPiece or WordLevel
  std::string continuation = {};  // begins a piece that is not a word's first
  std::string end_of_word = {};   // ends a word's last piece
};

/// How the digits of a Unigram's scores become doubles: the nearest one, as Python has it, or that of the tokenizers
/// library. Sums of scores that differ in the last bit decide which of two ways a word is cut.
enum class Scores { nearest, of_library };

/// `bytes`: words come as bytes, which the tokens spell in GPT-2's letters. Throws Error config_unsupported,
/// config_bad_value, bad_vocabulary.
ReadModel read_model(const JsonPart& part, bool bytes, Scores scores);

// ---- implementation

// A walk through a trie takes a step for each byte of a token: longer ones could make a text take very long.
inline constexpr std::size_t longest_token = 1024;

inline void check_length(const JsonPart& part, std::string_view token) {
  if (token.size() > longest_token)
    part.bad_vocabulary(
        concat("the token ", in_quotes(token), " has ", token.size(), " bytes, more than ", longest_token));
}

/// {"token": id, ...}
inline void read_vocabulary(const JsonPart& part, ReadModel& read) {
  const JsonPart vocabulary = part.part("vocab");
  const std::size_t count = vocabulary.json().size();
  for (const auto& [token, value] : vocabulary.json().items()) {
    if (!value.is_number_integer() || value < 0 || value > 2 * count + 1024)
      part.bad_vocabulary(concat("the token ", in_quotes(token), " has the id ", in_quotes(value.dump(-1, ' ', true)),
                                 " of ", count, " tokens"));
    const auto id = value.get<std::uint32_t>();
    if (id >= read.tokens.size()) read.tokens.resize(std::size_t{id} + 1);
    read.tokens[id] = token;
    read.ids.add(token, id);
  }
}

inline std::uint32_t known_token(const JsonPart& part, const ReadModel& read, const char* key) {
  const std::string name = part.text(key);
  const std::uint32_t id = read.ids.find(name);
  if (id == no_token) part.bad_vocabulary(concat("the vocabulary has no ", in_quotes(name), ", its \"", key, "\""));
  return id;
}

/// Merges are "a b" or ["a", "b"], the first rank first.
inline MergeTable read_merges(const JsonPart& part, const ReadModel& read) {
  const nlohmann::json& merges = part.array("merges");
  MergeTable table(merges.size());
  std::uint32_t rank = 0;
  std::string both;
  for (const nlohmann::json& merge : merges) {
    std::string_view left, right;
    if (merge.is_string()) {
      const std::string& text = merge.get_ref<const std::string&>();
      const std::size_t blank = text.find(' ');
      if (rank == 0 && text.starts_with("#version")) continue;
      if (blank == text.npos || text.find(' ', blank + 1) != text.npos) part.bad("merges", merge);
      left = std::string_view(text).substr(0, blank), right = std::string_view(text).substr(blank + 1);
    } else {
      if (!merge.is_array() || merge.size() != 2 || !merge[0].is_string() || !merge[1].is_string())
        part.bad("merges", merge);
      left = merge[0].get_ref<const std::string&>(), right = merge[1].get_ref<const std::string&>();
    }
    const std::string_view rest = right.starts_with(read.continuation) ? right.substr(read.continuation.size()) : right;
    both.assign(left).append(rest);
    const std::uint32_t a = read.ids.find(left), b = read.ids.find(right), id = read.ids.find(both);
    if (a == no_token || b == no_token || id == no_token)
      part.bad_vocabulary(concat("the merge of ", in_quotes(left), " and ", in_quotes(right),
                                 " names a token that the vocabulary does not have"));
    table.add(a, b, {rank++, id});
  }
  return table;
}

inline void read_bpe(const JsonPart& part, bool bytes, ReadModel& read) {
  part.know({"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", "byte_fallback",
             "ignore_merges", "vocab", "merges"});
  if (part.has("dropout") && part.json().at("dropout") != 0) part.unsupported("has a \"dropout\"");
  read_vocabulary(part, read);
  BpeModel::Rules rules{.fuse_unknown = part.boolean("fuse_unk", false),
                        .byte_fallback = part.boolean("byte_fallback", false),
                        .ignore_merges = part.boolean("ignore_merges", false),
                        .bytes = bytes,
                        .continuation = part.text("continuing_subword_prefix", ""),
                        .end_of_word = part.text("end_of_word_suffix", "")};
  read.continuation = rules.continuation, read.end_of_word = rules.end_of_word;
  if (bytes && (!rules.continuation.empty() || rules.byte_fallback))
    part.unsupported("cuts bytes, and has a \"continuing_subword_prefix\" or \"byte_fallback\"");
  if (part.has("unk_token") && !part.text("unk_token").empty()) rules.unknown = read.ids.find(part.text("unk_token"));
  MergeTable merges = read_merges(part, read);
  TokenTable tokens;
  if (bytes) {
    // A suffix is spelled as it is behind a word's bytes: tokens with characters that are no letters of bytes keep
    // them.
    std::string own;
    for (std::size_t id = 0; id < read.tokens.size(); ++id)
      if (!read.tokens[id].empty() && bytes_of_letters(read.tokens[id], own)) tokens.add(own, std::uint32_t(id));
  } else {
    tokens = read.ids;
  }
  read.model = std::make_unique<BpeModel>(std::move(tokens), std::move(merges), std::move(rules));
}

/// The double that Rust's serde_json reads for these digits: all of them as an integer, divided by a power of ten, each
/// step rounded; for 17 digits often the neighbour of the nearest one.
inline double score_of_library(double nearest) {
  char text[32], power[8] = "1e";
  const auto written = std::to_chars(text, text + sizeof text, std::abs(nearest), std::chars_format::scientific);
  const char* const mark = std::find(text, written.ptr, 'e');
  std::uint64_t digits = 0;
  int exponent = 0;
  for (const char* at = text; at != mark; ++at)
    if (*at != '.') digits = 10 * digits + std::uint64_t(*at - '0'), exponent -= at > text;
  int given = 0;
  std::from_chars(mark + (mark[1] == '+' ? 2 : 1), written.ptr, given);
  exponent += given;
  constexpr int largest = 308;  // of a power of ten that is a double
  if (std::abs(exponent) > largest) return nearest;
  *std::to_chars(power + 2, power + 6, std::abs(exponent)).ptr = 0;
  const double scale = std::strtod(power, nullptr);
  return std::copysign(exponent < 0 ? double(digits) / scale : double(digits) * scale, nearest);
}

inline void read_unigram(const JsonPart& part, Scores scores, ReadModel& read) {
  part.know({"unk_id", "vocab", "byte_fallback"});
  std::vector<std::pair<std::string_view, double> > tokens;
  for (const nlohmann::json& entry : part.array("vocab")) {
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number() ||
        !std::isfinite(entry[1].get<double>()))
      part.bad("vocab", entry);
    const double score = entry[1].get<double>();
    tokens.emplace_back(entry[0].get_ref<const std::string&>(),
                        scores == Scores::of_library ? score_of_library(score) : score);
    check_length(part, tokens.back().first);
    read.tokens.emplace_back(tokens.back().first);
    read.ids.add(tokens.back().first, std::uint32_t(read.tokens.size() - 1));
  }
  if (tokens.empty()) part.bad_vocabulary("the vocabulary is empty");
  UnigramModel::Rules rules{.byte_fallback = part.boolean("byte_fallback", false)};
  if (part.has("unk_id")) {
    const Index unknown = part.integer("unk_id", 0);
    if (unknown >= Index(tokens.size()))
      part.bad_vocabulary(concat("\"unk_id\" is ", unknown, " of ", tokens.size(), " tokens"));
    rules.unknown = std::uint32_t(unknown);
  }
  read.model = std::make_unique<UnigramModel>(tokens, rules);
}

inline void read_word_piece(const JsonPart& part, ReadModel& read) {
  part.know({"unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "vocab"});
  read_vocabulary(part, read);
  read.continuation = part.text("continuing_subword_prefix", "##");
  std::vector<std::pair<std::string_view, std::uint32_t> > tokens;
  for (std::size_t id = 0; id < read.tokens.size(); ++id) tokens.emplace_back(read.tokens[id], std::uint32_t(id));
  read.model = std::make_unique<WordPieceModel>(tokens, read.continuation, known_token(part, read, "unk_token"),
                                                std::size_t(part.integer("max_input_chars_per_word", 100)));
}

/// Files of older versions do not name the type.
inline std::string model_type(const JsonPart& part) {
  if (part.has("type")) return part.text("type");
  return part.has("merges")                                        ? "BPE"
         : part.has("vocab") && part.json().at("vocab").is_array() ? "Unigram"
         : part.has("max_input_chars_per_word")                    ? "WordPiece"
                                                                   : "WordLevel";
}

inline ReadModel read_model(const JsonPart& part, bool bytes, Scores scores) {
  ReadModel read;
  read.type = model_type(part);
  if (read.type == "BPE") {
    read_bpe(part, bytes, read);
    return read;
  }
  if (bytes) part.unsupported(concat("is of the type ", in_quotes(read.type), " behind a ByteLevel pre-tokenizer"));
  if (read.type == "Unigram") {
    read_unigram(part, scores, read);
  } else if (read.type == "WordPiece") {
    read_word_piece(part, read);
  } else if (read.type == "WordLevel") {
    part.know({"vocab", "unk_token"});
    read_vocabulary(part, read);
    const std::uint32_t unknown = known_token(part, read, "unk_token");
    read.model = std::make_unique<WordLevelModel>(read.ids, unknown);
  } else {
    part.unsupported(concat("is of the type ", in_quotes(read.type)));
  }
  return read;
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
