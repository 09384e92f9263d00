// Sizes: what a layer knows at compile time (Dims) and at run time (the configurations, by PyTorch's names).
#pragma once
#include <optional>
#include <vitrine/core/activation_kind.hpp>
#include <vitrine/core/config.hpp>
#include <vitrine/core/status.hpp>

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
  // Everything that decides about memory is known at compile time.
  constexpr bool fixed() const { return d_model > 0 && nhead > 0 && max_length > 0; }
  // The longest memory of a call.
  constexpr Index memory_bound() const { return max_memory_length > 0 ? max_memory_length : max_length; }
};

// The shape of one call. length: rows of the sequence that asks, T; memory_length: rows of the one that is attended to,
// S (0: as many as length).
struct Shape {
  Index batch = 1, length = 0, memory_length = 0;
  // S.
  constexpr Index memory_rows() const { return memory_length > 0 ? memory_length : length; }
};

// nn.MultiheadAttention's constructor options that matter for inference.
struct AttentionConfig {
  Index embed_dim = Dynamic, num_heads = Dynamic;
  double dropout = 0.0;  // kept for training; inference ignores it, as PyTorch's eval() does
  bool bias = true, add_bias_kv = false, add_zero_attn = false;
  Index kdim = Dynamic, vdim = Dynamic;  // widths of key and value; Dynamic: embed_dim
};

// nn.TransformerEncoderLayer's and nn.TransformerDecoderLayer's.
struct LayerConfig {
  Index d_model = Dynamic, nhead = Dynamic, dim_feedforward = 2048;
  double dropout = 0.1;
  Activation activation = Activation::relu;
  double layer_norm_eps = 1e-5;
  bool norm_first = false, bias = true;
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
