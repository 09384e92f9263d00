// What the calls of encoders and decoders have in common: their layers as one argument, what is counted over them, and
// room for a result. Internal.
#pragma once
#include <vitrine/core/heap.hpp>
#include <vitrine/run/input_checks.hpp>
#include <vitrine/run/workspace_bytes.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

template <Dims D>
constexpr const Memory* default_memory() noexcept {
  if constexpr (D.fixed())
    return nullptr;  // and heap() is not named
  else
    return heap();
}
template <Dims D>
constexpr LayerConfig sized(LayerConfig c) {
  c.d_model = agree(D.d_model, c.d_model);
  c.nhead = agree(D.nhead, c.nhead);
  c.dim_feedforward = agree(D.dim_feedforward, c.dim_feedforward);
  return c;
}

// The layers of a stack, of which memory may have run out, and its final norm or null; or one layer alone. A layer has
// the parts self_attn and feed_forward, a decoder's also cross_attn, which is of the sizes of self_attn.
template <class S, class Core>
struct StackView {
  using Norm = typename Core::Norm;
  const Core* core = nullptr;
  Index count = 0, wanted = 1;
  const LayerConfig* config = nullptr;
  const Norm* norm = nullptr;
  bool stack = false;

  static constexpr bool has_cross = requires(const Core& layer) { layer.cross_attn; };

  constexpr const Core& operator[](Index i) const { return core[i]; }
  Status check() const {
    if (stack && count < wanted)
      return {Status::out_of_memory, "the stack has no layers: memory for them ran out, or it was moved from", count,
              wanted};
    if (count <= 0) return {Status::bad_config, "num_layers must be positive", stack ? wanted : count};
    return core[0].check();
  }
  // Scratch of every layer, whose attentions see at most so many keys.
  constexpr typename Scratch<S>::Sizes sizes(Index keys) const {
    auto all = core[0].self_attn.sizes(keys).max(core[0].feed_forward.sizes());
    if constexpr (kernels::may_be_in_pairs<S>)  // each attention for itself
      for (Index i = 0; i < count; ++i) {
        all = all.max(core[i].self_attn.sizes(keys));
        if constexpr (has_cross) all = all.max(core[i].cross_attn.sizes(keys));
      }
    return all;
  }
  // The same of a call that multiplies with nothing else: weights that stay where they stand need no room.
  constexpr typename Scratch<S>::Sizes own_sizes(Index keys) const {
    auto own = sizes(keys);
    if (in_place()) own.depth = 0;
    return own;
  }
  constexpr bool in_place() const {
    bool all = true;
    for (Index i = 0; i < count; ++i) {
      all = all && core[i].self_attn.in_place();
      if constexpr (has_cross) all = all && core[i].cross_attn.in_place();
      all = all && core[i].feed_forward.in_place();
    }
    return all;
  }
  // Multiply-adds of all layers: of so many rows, and pairs of a row and a key; of a decoder also rows and keys of what
  // the encoder gave.
  double work(double rows, double pairs, double encoded_rows = 0, double encoded_pairs = 0) const {
    if (count <= 0) return 0;
    double one = core[0].self_attn.work(rows, rows, pairs);
    if constexpr (has_cross) one += core[0].cross_attn.work(rows, encoded_rows, encoded_pairs);
    return double(count) * (one + core[0].feed_forward.work(rows));
  }
  // In which order layer i multiplies its weights.
  PrefetchOrder<S> prefetch_order(Index i) const {
    PrefetchOrder<S> order;
    const Core& layer = core[i];
    layer.self_attn.add_to(order);
    if constexpr (has_cross) {
      layer.cross_attn.add_to(order);
      layer.feed_forward.add_to(order, layer.cross_attn.out_proj);
    } else {
      layer.feed_forward.add_to(order, layer.self_attn.out_proj);
    }
    return order;
  }
  // Behind the last layer, in place.
  template <class Trace>
  void final_norm(const Runner<S, Trace>& runner, const Rows<S>& y) const {
    if (norm != nullptr)
      runner.blocks([&](auto& block) { block.normalise("norm", *norm, block.rows_of(y), block.rows_of(y)); });
  }
};

// The base of EncoderForward and DecoderForward. Derived has layers(), a StackView; Plan has
// make(Arena, layers, CallShape).
template <class Derived, class Plan, class S, Dims D>
class StackForward : public SizedModule<Derived, S, D> {
 public:
  // Are all dimensions compile-time constants?
  static constexpr bool fixed = D.fixed();

  // As Module's: bad_config, out_of_memory.
  Status check_config() const noexcept { return stack().check(); }

 protected:
  friend SizedModule<Derived, S, D>;
  using SizedModule<Derived, S, D>::SizedModule;

  constexpr auto stack() const noexcept { return static_cast<const Derived&>(*this).layers(); }
  VITRINE_NOINLINE constexpr std::size_t scratch_bytes(const CallShape& call) const {
    const auto layers = stack();
    if (layers.count <= 0) return 0;
    return planned_bytes([&](Arena& arena) { return Plan::make(arena, layers, call); });
  }
  // Of maps of an attention over so many keys; the second, if any, is a decoder's to the encoder's output.
  constexpr MapExtents extents(Index self_keys, Index cross_keys = 0) const {
    const auto layers = stack();
    return {.layers = layers.wanted,
            .heads = layers.config->nhead,
            .self_keys = self_keys,
            .cross_keys = cross_keys,
            .width = layers.config->d_model};
  }
  MapShape map_shape(const Sequences<S>& queries, const Sequences<S>& keys) const noexcept {
    const auto layers = stack();
    return {layers.count, queries.batch,   layers.config->nhead, queries.length,
            keys.length,  queries.lengths, keys.lengths,         0};
  }
};

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
