// Sizes: what a layer knows at compile time (Dims) and at run time (the configurations, by PyTorch's names).
#pragma once
#include <optional>
#include <type_traits>
#include <vitrine/core/activation_kind.hpp>
#include <vitrine/core/config.hpp>
#include <vitrine/core/status.hpp>
#include <vitrine/core/storage.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// A size that is known at run time only; in configurations: not given.
inline constexpr Index Dynamic = -1;

// Sizes known at compile time; a structural type, written Dims{.d_model = 64, ...} as a template argument (clang
// refuses bare braces). A layer whose `fixed()` Dims bound everything needs no heap. The lengths of a call stay
// run-time values.
struct Dims {
  Index d_model = Dynamic, nhead = Dynamic, dim_feedforward = Dynamic, num_layers = Dynamic;
  Index kdim = Dynamic, vdim = Dynamic;                                    // MultiheadAttention; Dynamic: d_model
  Index max_batch = 1, max_length = Dynamic, max_memory_length = Dynamic;  // bounds; memory: max_length when Dynamic
  // How the weights of products stand in the caller's memory. Of layers of fixed sizes, each of which has the code of
  // its own storage alone; others choose when they are loaded.
  Storage weights = Storage::f32;
  // Is all known at compile time that says how many bytes a call needs?
  constexpr bool fixed() const { return d_model > 0 && nhead > 0 && max_length > 0; }
  // The most rows that a call attends to.
  constexpr Index memory_bound() const { return max_memory_length > 0 ? max_memory_length : max_length; }
};

// The shape of one call. length: rows of the sequence that asks, T; memory_length: rows of the one that is attended to,
// S (0: as many as length).
struct Shape {
  Index batch = 1, length = 0, memory_length = 0;
  // S.
  constexpr Index memory_rows() const { return memory_length > 0 ? memory_length : length; }
};

// How a norm is computed: by mean and variance (Ba, Kiros and Hinton 2016), or by the root mean square alone (Zhang and
// Sennrich 2019; no bias), which is then multiplied by the weight or by 1 + weight (Gemma).
enum class NormKind : std::uint8_t { layer, rms, rms_plus_one };

// Which values are turned together by a rotary position: i and i + dim / 2 (GPT-NeoX, Llama), or 2 i and 2 i + 1 (Su et
// al. 2021, GPT-J).
enum class RotaryPairs : std::uint8_t { halves, neighbours };

// How frequencies are changed for texts longer than those of the training: not at all; all divided by a factor; the low
// ones divided (Llama 3.1); or the low ones divided, with a ramp between, and cos and sin multiplied (YaRN, Peng et al.
// 2023). `dynamic` ones (Transformers' NTK) change with the length of a text that is longer than those, so that earlier
// maps would be others: a model with them takes no longer ones, and up to there they are unchanged.
enum class RotaryScaling : std::uint8_t { none, linear, llama3, yarn, dynamic };

// Frequencies by Transformers' names (rope_parameters).
struct RotaryConfig {
  Index dim = 0;  // values of a head that are turned, an even number; 0: there are no such positions
  double theta = 10000.0;
  RotaryPairs pairs = RotaryPairs::halves;
  RotaryScaling scaling = RotaryScaling::none;
  double factor = 1.0;
  double low_freq_factor = 1.0, high_freq_factor = 4.0;  // llama3
  Index original_max_position_embeddings = 0;            // llama3, yarn
  double attention_factor = 0.0;                         // yarn's factor of cos and sin; 0: 0.1 ln(factor) + 1
  double beta_fast = 32.0, beta_slow = 1.0;              // yarn
  bool truncate = true;                                  // yarn
};

// What an attention may do that nn.MultiheadAttention does not, by Transformers' names. All of it is off by default,
// and not there at all with fixed dimensions.
struct AttentionOptions {
  Index num_key_value_heads = Dynamic;    // K, a divisor of the heads: H / K query heads share a key head; Dynamic: H
  Index head_dim = Dynamic;               // D; Dynamic: embed_dim / H
  bool qkv_bias = true, out_bias = true;  // which of the projections have the biases that `bias` asks for
  double scale = 0.0;                     // of the scores; 0: 1 / sqrt(D)
  double softcap = 0.0;                   // scores become c tanh(s / c) before the mask; 0: none
  Index window = 0;                       // a query sees the last `window` keys, its own included; 0: all
  bool qk_norm = false;                   // q and k of each head go through an RMS norm over D
  double norm_eps = 1e-6;                 // of these norms
  RotaryConfig rotary = {};               // of queries and keys, by their positions
  Index relative_buckets = 0;             // of a bias by relative position (Raffel et al. 2020); 0: none
  Index relative_max_distance = 128;
  bool relative_bidirectional = true;  // half of the buckets for keys that come later
};

// nn.MultiheadAttention's constructor options that matter for inference.
struct AttentionConfig {
  Index embed_dim = Dynamic, num_heads = Dynamic;
  double dropout = 0.0;  // kept for training; inference ignores it, as PyTorch's eval() does
  bool bias = true, add_bias_kv = false, add_zero_attn = false;
  Index kdim = Dynamic, vdim = Dynamic;  // widths of key and value; Dynamic: embed_dim
  AttentionOptions options = {};
};

// What a layer may do that nn.TransformerEncoderLayer does not; see AttentionOptions.
struct LayerOptions {
  AttentionOptions attention = {};
  NormKind norm = NormKind::layer;
  bool branch_norms = false;  // what each part adds goes through a norm of its own (Gemma 2)
  bool gated = false;         // linear2(act(gate(x)) * linear1(x)) (Shazeer 2020)
  bool linear_bias = true;    // of the feed-forward, with `bias`
  bool parallel = false;      // x + attention(norm1(x)) + feed_forward(norm2(x)) (GPT-J, GPT-NeoX); with norm_first
};

// nn.TransformerEncoderLayer's and nn.TransformerDecoderLayer's.
struct LayerConfig {
  Index d_model = Dynamic, nhead = Dynamic, dim_feedforward = 2048;
  double dropout = 0.1;
  Activation activation = Activation::relu;
  double layer_norm_eps = 1e-5;
  bool norm_first = false, bias = true;
  LayerOptions options = {};
};

// nn.TransformerEncoder's and nn.TransformerDecoder's; final_norm is their `norm` argument.
struct StackConfig {
  LayerConfig layer = {};
  Index num_layers = 6;
  bool final_norm = false;
  // nn.LayerNorm's eps and bias of the final norm; without a value the layers' own.
  std::optional<double> final_norm_eps = {};
  std::optional<bool> final_norm_bias = {};
};

// nn.Transformer's.
struct TransformerConfig {
  Index d_model = 512, nhead = 8, num_encoder_layers = 6, num_decoder_layers = 6, dim_feedforward = 2048;
  double dropout = 0.1;
  Activation activation = Activation::relu;
  double layer_norm_eps = 1e-5;
  bool norm_first = false, bias = true;
};

namespace detail {
// One sentence for a wrong size, the same at compile time and at run time.
#define VITRINE_HEADS_DIVIDE "d_model must be divisible by nhead"

template <Dims D>
constexpr void check_dims() {
  static_assert(D.d_model == Dynamic || D.nhead == Dynamic || D.d_model % D.nhead == 0,
                "vitrine: " VITRINE_HEADS_DIVIDE);
  static_assert(D.d_model == Dynamic || D.d_model > 0, "vitrine: d_model must be positive");
  static_assert(D.nhead == Dynamic || D.nhead > 0, "vitrine: nhead must be positive");
}

template <class S, Dims D>
constexpr void check_storage() {
  static_assert(D.weights == Storage::f32 || D.fixed(),
                "vitrine: Dims say how weights are stored where all sizes are fixed: load others with "
                "LoadOptions::weights, or call store_weights");
  static_assert(D.weights == Storage::f32 || std::is_same_v<S, float>,
                "vitrine: only weights of float layers are stored in another way: use float, not double");
}

// A fixed size, or the run-time one; both may be given if they agree.
constexpr Index agree(Index fixed, Index given) { return fixed == Dynamic ? given : fixed; }

constexpr Status check_heads(Index d_model, Index nhead) {
  if (d_model <= 0) return {Status::bad_config, "d_model must be positive", d_model};
  if (nhead <= 0) return {Status::bad_config, "nhead must be positive", nhead};
  if (nhead > 4096) return {Status::bad_config, "nhead is larger than 4096", nhead};
  if (d_model % nhead != 0) return {Status::bad_config, VITRINE_HEADS_DIVIDE, d_model, nhead, Status::multiple_of};
  return {};
}
}  // namespace detail

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
