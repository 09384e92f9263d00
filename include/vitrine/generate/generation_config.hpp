// What generation may do, by Transformers' names and with its defaults. Options that are not here are not honoured, and
// reading a file that asks for one is an error (io/config.hpp).
#pragma once
#include <bit>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/core/status.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// When a beam search stops: at num_beams finished hypotheses; when no running one can become better than the worst of
// them by its present score; or when none could at any length.
enum class EarlyStopping : std::uint8_t { no, yes, never };

// Most hypotheses of a source that a search keeps: more are taken for a mistake, from a file or a program alike.
inline constexpr Index most_beams = 1024;
// The same of ids.
inline constexpr Index most_length = 1 << 24;

// Transformers' options, by its names and with its defaults; `check` says which values make no sense. An id of -1 is
// unset.
struct GenerationConfig {
  Index num_beams = 1, num_return_sequences = 1;
  // Lengths count the start token; max_new_tokens and min_new_tokens do not, and come before the others. 0: unset;
  // without a longest length there may be 20 new tokens, or as many as there are positions for.
  Index max_length = 0, max_new_tokens = 0, min_length = 0, min_new_tokens = 0;
  double length_penalty = 1.0;
  EarlyStopping early_stopping = EarlyStopping::no;
  Index no_repeat_ngram_size = 0;
  std::vector<std::vector<Index>> bad_words_ids = {};
  Index decoder_start_token_id = -1, pad_token_id = -1, forced_bos_token_id = -1, forced_eos_token_id = -1;
  std::vector<Index> eos_token_ids = {};
  bool renormalize_logits = false;
  // Called before each step of a search, where given; what it throws ends the search, and nothing is lost but that.
  std::function<void()> on_step = {};
  double repetition_penalty = 1.0;  // of ids that are in the sequence already: scores are divided, below 0 multiplied
  // Sampling: with do_sample the next id is drawn from softmax(scores), cut down by these in this order. Greedy search
  // and beams do not look at them.
  bool do_sample = false;
  double temperature = 1.0;
  Index top_k = 50;        // 0: all
  double top_p = 1.0;      // the least probable ids of 1 - top_p together go (Holtzman et al. 2020)
  double min_p = 0.0;      // those below min_p times the largest go; 0: none
  double typical_p = 1.0;  // ids nearest to the entropy, typical_p of them together, stay (Meister et al. 2023)
  std::uint64_t seed = 0;  // of our own generator: the same ids on every machine of one build
  // Sequence b of a call draws the numbers of sequence sequence_numbers[b]; without, of b.
  std::vector<Index> sequence_numbers = {};
  // Is shown each id as it is chosen (Transformers' streamer), of sequence 0, 1, ...; false ends that sequence. Not for
  // beams, whose ids are not known before the end.
  std::function<bool(Index sequence, Index id)> streamer = {};

  Index max_positions = 0;  // of the model, for what has no other length; generate() knows it

  // The longest sequence in ids, `prompt` of them included.
  Index limit(Index prompt = 1) const {
    if (max_new_tokens > 0) return prompt + max_new_tokens;
    if (max_length != 0) return max_length;
    const Index most = max_positions > 0 && max_positions < prompt + 20 ? max_positions : prompt + 20;
    return most > prompt ? most : prompt + 1;
  }
  // The id is one of the ends.
  bool is_end(Index id) const {
    for (Index end : eos_token_ids)
      if (id == end) return true;
    return false;
  }
  // A sequence's ids but for the end mark that it may have.
  std::span<const Index> without_end(std::span<const Index> ids) const {
    return !ids.empty() && is_end(ids.back()) ? ids.first(ids.size() - 1) : ids;
  }
};

// bad_config for values that make no sense, with Transformers' reasons.
inline Status check(const GenerationConfig& g, Index vocab_size, Index prompt = 1) {
  if (g.num_beams < 1) return {Status::bad_config, "num_beams must be at least 1", g.num_beams};
  if (g.num_beams > most_beams)
    return {Status::bad_config, "num_beams is more than a search keeps", g.num_beams, most_beams};
  if (g.num_return_sequences < 1)
    return {Status::bad_config, "num_return_sequences must be at least 1", g.num_return_sequences};
  if (g.num_return_sequences > g.num_beams)
    return {Status::bad_config, "num_return_sequences has to be smaller or equal to num_beams", g.num_return_sequences,
            g.num_beams};
  for (Index length : {g.max_length, g.max_new_tokens, g.min_length, g.min_new_tokens, g.no_repeat_ngram_size})
    if (length > most_length)
      return {Status::bad_config, "a length is more ids than a search makes", length, most_length};
  constexpr std::uint64_t infinite = 0x7ff0000000000000u;  // by its bits: -ffast-math takes every number for finite
  if ((std::bit_cast<std::uint64_t>(g.length_penalty) & infinite) == infinite)
    return {Status::bad_config, "length_penalty must be finite"};
  if (g.limit(prompt) <= prompt)
    return {Status::bad_config, "max_length leaves no room for a token", g.limit(prompt), prompt + 1};
  if (g.max_new_tokens < 0 || g.min_length < 0 || g.min_new_tokens < 0 || g.no_repeat_ngram_size < 0)
    return {Status::bad_config,
            "max_new_tokens, min_length, min_new_tokens and no_repeat_ngram_size must not be negative"};
  if (!(g.repetition_penalty > 0 && g.repetition_penalty < 1e30))
    return {Status::bad_config, "repetition_penalty must be a finite number above 0"};
  if (g.do_sample) {
    if (g.num_beams > 1) return {Status::bad_config, "do_sample needs num_beams 1: beams are not sampled", g.num_beams};
    if (!(g.temperature > 0 && g.temperature < 1e30))
      return {Status::bad_config, "temperature must be a finite number above 0"};
    if (g.top_k < 0) return {Status::bad_config, "top_k must not be negative", g.top_k};
    if (!(g.top_p >= 0 && g.top_p <= 1)) return {Status::bad_config, "top_p must be between 0 and 1"};
    if (!(g.min_p >= 0 && g.min_p <= 1)) return {Status::bad_config, "min_p must be between 0 and 1"};
    if (!(g.typical_p > 0 && g.typical_p <= 1)) return {Status::bad_config, "typical_p must be above 0, at most 1"};
  }
  if (g.streamer && g.num_beams > 1)
    return {Status::bad_config, "a streamer needs num_beams 1: the ids of beams are known at the end", g.num_beams};
  const auto known = [&](Index id) { return id >= 0 && id < vocab_size; };
  for (Index id : {g.pad_token_id, g.forced_bos_token_id, g.forced_eos_token_id})
    if (id >= vocab_size) return {Status::bad_config, "a special id is not in the vocabulary", id, vocab_size};
  for (Index id : g.eos_token_ids)
    if (!known(id)) return {Status::bad_config, "an eos_token_id is not in the vocabulary", id, vocab_size};
  for (const auto& word : g.bad_words_ids) {
    if (word.empty()) return {Status::bad_config, "an entry of bad_words_ids is empty"};
    for (Index id : word)
      if (!known(id))
        return {Status::bad_config, "bad_words_ids holds an id that is not in the vocabulary", id, vocab_size};
  }
  return {};
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
