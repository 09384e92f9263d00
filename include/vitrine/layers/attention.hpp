// Attention with its projections: out_proj(softmax(Q K^T / sqrt(D)) V) with Q = W_q x, K = W_k y, V = W_v y and H heads
// side by side (Vaswani et al. 2017, section 3.2). The part that MultiheadAttention, EncoderLayer and DecoderLayer
// share. Internal.
#pragma once
#include <vitrine/core/dims.hpp>
#include <vitrine/layers/layer_norm.hpp>
#include <vitrine/layers/relative_position_bias.hpp>
#include <vitrine/layers/rotary.hpp>
#include <vitrine/run/attention_call.hpp>
#include <vitrine/run/parameter.hpp>
#include <vitrine/run/runner.hpp>
#include <vitrine/run/stored_weight.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

// What AttentionOptions add: norms of q and k, rotary positions, a bias by relative position. Nothing with fixed
// dimensions.
template <class S, bool Options>
struct AttentionExtras {
  NormCore<S> q_norm, k_norm;
  RotaryCore<S> rotary;
  RelativeBiasCore<S> relative;  // of the first layer, for all

  constexpr AttentionExtras() = default;
  constexpr AttentionExtras(const AttentionOptions& o, Index heads, Index width) {
    if (o.qk_norm) q_norm = k_norm = NormCore<S>(width, o.norm_eps, false, NormKind::rms);
    rotary = RotaryCore<S>(o.rotary);
    if (o.relative_buckets > 0)
      relative = RelativeBiasCore<S>({o.relative_buckets, o.relative_max_distance, heads, o.relative_bidirectional});
  }
  template <class Self, class F>
  static constexpr void parameters(Self& self, NamePath& path, F& visit) {
    visit_part(self.q_norm, "q_norm.", path, visit);
    visit_part(self.k_norm, "k_norm.", path, visit);
    visit_parameter(visit, path, "relative_attention_bias.weight", self.relative.weight);
  }
  // Heads side by side in rows of one block: normalised, then turned by the rows' positions.
  void prepare(const Rows<S>& rows, const NormCore<S>& norm, Index width, const RowMap& map, Index first,
               const AttentionCall<S>& call) const {
    if (norm.exists())
      for (Index r = 0; r < rows.count; ++r) {
        const Rows<S> row(rows.data + r * rows.stride, rows.width / width, width);
        norm(row, row);
      }
    if (call.rotary == nullptr) return;
    map.runs(first, first + rows.count, [&](Index, Index t, Index at, Index count) {
      const S* const table = call.rotary + (call.pasts != nullptr ? at : t) * rotary.config.dim;
      for (Index i = 0; i < count; ++i)
        rotary.turn(rows.data + (at - first + i) * rows.stride, rows.width / width, width,
                    table + i * rotary.config.dim);
    });
  }
};
template <class S>
struct AttentionExtras<S, false> {
  constexpr AttentionExtras() = default;
  constexpr AttentionExtras(const AttentionOptions&, Index, Index) {}
  template <class Self, class F>
  static constexpr void parameters(Self&, NamePath&, F&) {}
};

// The part of an AttentionConfig that fixed sizes leave: a model in a firmware's constants is as small as it can be.
struct FixedAttention {
  bool add_bias_kv = false, add_zero_attn = false;

  constexpr FixedAttention() = default;
  constexpr FixedAttention(const AttentionConfig& c) : add_bias_kv(c.add_bias_kv), add_zero_attn(c.add_zero_attn) {}
};

// Configuration and parameters of one attention, by the names of nn.MultiheadAttention. All steps are those of a block
// of rows but for append_extra, which the whole team takes.
template <class S, bool Options = true, Storage Weights = Storage::f32>
struct AttentionCore {
  std::conditional_t<Options, AttentionConfig, FixedAttention> config = {};
  Index embed = 0, heads = 0, kv_heads = 0, width = 0, kdim = 0, vdim = 0;
  Parameter<S> in_proj, q_proj, k_proj, v_proj, in_bias, out_proj, out_bias, bias_k, bias_v;
  [[no_unique_address]] AttentionExtras<S, Options> extras = {};

  constexpr AttentionCore() = default;
  constexpr explicit AttentionCore(const AttentionConfig& c)
      : config(c),
        embed(c.embed_dim),
        heads(c.num_heads),
        kv_heads(!Options || c.options.num_key_value_heads == Dynamic ? heads : c.options.num_key_value_heads),
        width(Options && c.options.head_dim != Dynamic ? c.options.head_dim
              : heads > 0                              ? embed / heads
                                                       : 0),
        kdim(c.kdim == Dynamic ? embed : c.kdim),
        vdim(c.vdim == Dynamic ? embed : c.vdim),
        extras(c.options, heads, width) {
    if (kdim == embed && vdim == embed && queries_width() == embed && kv_heads == heads) {
      in_proj = matrix_parameter<S>(sizes::product(3, embed), embed, 3, Weights);
    } else {
      q_proj = matrix_parameter<S>(queries_width(), embed, 1, Weights);
      k_proj = matrix_parameter<S>(keys_width(), kdim, 1, Weights);
      v_proj = matrix_parameter<S>(keys_width(), vdim, 1, Weights);
    }
    if (c.bias && (!Options || c.options.qkv_bias))
      in_bias = vector_parameter<S>(sizes::sum(queries_width(), sizes::product(2, keys_width())));
    if (c.bias && (!Options || c.options.out_bias)) out_bias = vector_parameter<S>(embed);
    out_proj = matrix_parameter<S>(embed, queries_width(), 1, Weights);
    if (c.add_bias_kv) {
      bias_k = vector_parameter<S>(embed), bias_v = vector_parameter<S>(embed);
      bias_k.leading_ones = bias_v.leading_ones = 2;
    }
  }
  template <class Self, class F>
  static constexpr void parameters(Self& self, NamePath& path, F& visit) {
    visit_parameter(visit, path, "in_proj_weight", self.in_proj);
    visit_parameter(visit, path, "q_proj_weight", self.q_proj);
    visit_parameter(visit, path, "k_proj_weight", self.k_proj);
    visit_parameter(visit, path, "v_proj_weight", self.v_proj);
    visit_parameter(visit, path, "in_proj_bias", self.in_bias);
    visit_parameter(visit, path, "bias_k", self.bias_k);
    visit_parameter(visit, path, "bias_v", self.bias_v);
    visit_parameter(visit, path, "out_proj.weight", self.out_proj);
    visit_parameter(visit, path, "out_proj.bias", self.out_bias);
    AttentionExtras<S, Options>::parameters(self.extras, path, visit);
  }
  // What the parameters do not hold: rotary frequencies, of `like` where it has the same.
  void compute_frequencies(const Memory* memory, const AttentionCore* like = nullptr) {
    if constexpr (Options) {
      if (like != nullptr) extras.rotary = like->extras.rotary;
      if (extras.rotary.config.dim <= width) extras.rotary.compute_frequencies(memory);
    }
  }
  // H D and K D: values of a row of queries, and of keys or values.
  constexpr Index queries_width() const { return sizes::product(heads, width); }
  constexpr Index keys_width() const { return sizes::product(kv_heads, width); }

  // Queries, keys and values of a block's rows x. Ends with the block's threads in step.
  template <class Trace>
  void project(const Runner<S, Trace>& block, const Rows<const S>& x, const AttentionCall<S>& call) const {
    Operand<S> from(x);
    queries(block, from, call);
    keys_values(block, from, from, call);
  }
  // Ends with the block's threads in step, as project_keys_values does.
  template <class Trace>
  void project_queries(const Runner<S, Trace>& block, const Rows<const S>& x, const AttentionCall<S>& call) const {
    Operand<S> from(x);
    queries(block, from, call);
    block.wait();
  }
  // `key` and `value` may be the same rows.
  template <class Trace>
  void project_keys_values(const Runner<S, Trace>& block, const Rows<const S>& key, const Rows<const S>& value,
                           const AttentionCall<S>& call) const {
    Operand<S> keys(key), values(value);
    keys_values(block, keys, key.data == value.data ? keys : values, call);
  }
  // bias_k and bias_v, then the zero key, after each sequence's own.
  void append_extra(Team& team, const AttentionCall<S>& call) const {
    if (extra() == 0) return;
    team.for_each(call.key_rows.batch, [&](Index b) {
      for (Index h = 0; h < heads; ++h) {
        Index j = call.key_rows.length_of(b);
        if (config.add_bias_kv) {
          call.key_values.store_keys(b, h, j, 1, bias_k.vector() + h * width, 0);
          call.key_values.store_values(b, h, j, 1, bias_v.vector() + h * width, 0);
          ++j;
        }
        if (config.add_zero_attn) call.key_values.store_zero(b, h, j);
      }
    });
  }
  // What a call of this layer takes from its configuration; before attend_heads.
  void configure(AttentionCall<S>& call) const {
    call.scale = scale(), call.extra = extra();
    call.in_pairs = in_pairs();
    if constexpr (Options) call.softcap = S(config.options.softcap), call.window = config.options.window;
  }
  // y = W_o context + b_o + residual. Ends with the block's threads in step.
  template <class Trace>
  void project_out(const Runner<S, Trace>& block, const AttentionCall<S>& call, const Rows<S>& y,
                   const Rows<const S>& residual = {}) const {
    Operand<S> context(block.rows_of(call.context));
    block.linear("out_proj", context, Affine<S, Weights>(out_proj, out_bias), y, {.residual = residual});
    block.wait();
  }

  // What a plan and a call's checks ask.
  constexpr Index extra() const { return Index(config.add_bias_kv) + Index(config.add_zero_attn); }
  S scale() const {
    if constexpr (Options)
      if (config.options.scale != 0) return S(config.options.scale);
    return S(1) / square_root(S(width));
  }
  constexpr KeyValues<S> layout(Index keys) const {
    KeyValues<S> kv;
    kv.heads = kv_heads, kv.width = kv.value_width = width, kv.capacity = sizes::sum(keys, extra());
    return kv;
  }
  // Queries, and the context in their place; a trace is shown both, so there they have places of their own.
  constexpr void plan_queries(Arena& arena, Index rows, AttentionCall<S>& call, bool traced) const {
    const Index values = queries_width();
    call.heads = heads, call.heads_per_key_head = kv_heads > 0 ? heads / kv_heads : 1;
    call.query = {arena.take<S>(rows, values), rows, values};
    call.context = traced ? Rows<S>(arena.take<S>(rows, values), rows, values) : call.query;
  }
  // What the positions of a call's rows give: of `length` queries and `keys` keys at `past` and on, over the keys
  // before them as well. The same for every layer, of which this is the first.
  constexpr void plan_positions([[maybe_unused]] Arena& arena, [[maybe_unused]] Index past,
                                [[maybe_unused]] Index length, [[maybe_unused]] Index keys,
                                [[maybe_unused]] AttentionCall<S>& call) const {
    if constexpr (Options) {
      call.past = past;
      if (extras.rotary.exists()) {
        const Index rows = length > keys ? length : keys;
        S* const table = arena.take<S>(rows, extras.rotary.config.dim);
        if (table != nullptr) extras.rotary.fill(past, rows, table);
        call.rotary = table;
      }
      if (extras.relative.exists() && length > 0 && keys > 0) {
        const Index before = sizes::sum(past, length - 1), after = keys - 1;
        S* const table = arena.take<S>(heads, sizes::sum(sizes::sum(before, after), 1));
        if (table == nullptr) return;
        extras.relative.fill(before, after, table);
        call.position_bias.data = table + before - past;
        call.position_bias.stride[1] = before + after + 1;
        call.position_bias.stride[2] = -1, call.position_bias.stride[3] = 1;
      }
    }
  }
  // The same of sequences with a past of their own, a query each; not for a bias by position.
  void plan_steps(Arena& arena, std::span<const Index> pasts, AttentionCall<S>& call) const {
    call.pasts = pasts.data();
    if (!extras.rotary.exists()) return;
    const Index dim = extras.rotary.config.dim;
    S* const table = arena.take<S>(Index(pasts.size()), dim);
    for (std::size_t i = 0; table != nullptr && i < pasts.size(); ++i)
      extras.rotary.fill(pasts[i], 1, table + Index(i) * dim);
    call.rotary = table;
  }
  constexpr typename Scratch<S>::Sizes sizes(Index keys) const {
    const Index deepest = embed > kdim ? (embed > vdim ? embed : vdim) : (kdim > vdim ? kdim : vdim);
    const Index queries = queries_width();
    return {.hidden = embed,
            .inner = sizes::product(2, keys_width()),
            .keys = sizes::sum(keys, extra()),
            .value_width = width,
            .depth = deepest > queries ? deepest : queries,
            .pair_width = may_be_in_pairs() ? width : 0};
  }
  constexpr bool in_place() const {
    const auto one = [](const Parameter<S>& p) { return multiplied_in_place<Weights>(p); };
    return (in_proj.exists() ? one(in_proj) : one(q_proj) && one(k_proj) && one(v_proj)) && one(out_proj);
  }
  // Its three projections, block by block; out_proj is multiplied with what follows it.
  void add_to(PrefetchOrder<S>& order) const {
    order.cycle(affine(0).panels(), affine(1).panels(), affine(2).panels());
  }
  // Multiply-adds of the four projections and of the heads.
  double work(double rows, double key_rows, double pairs) const {
    const double queries = double(queries_width());
    return 2 * rows * double(embed) * queries + key_rows * double(keys_width()) * (double(kdim) + double(vdim)) +
           2 * pairs * queries;
  }
  // The mask of a call. A bias by position stands where an additive one would.
  Status check_mask(const Mask<S>& mask, Index batch, Index length, Index keys) const {
    if constexpr (Options)
      if (extras.relative.exists() && mask.bias.data != nullptr)
        return {Status::bad_mask,
                "an additive bias and a bias by relative position cannot be joined: use key_bias or flags"};
    return vitrine::check_mask(mask, batch, heads, length, keys);
  }
  Status check() const {
    if (Status s = check_width(); s != Status::ok) return s;
    if (kdim <= 0) return {Status::bad_config, "kdim must be positive", kdim};
    if (vdim <= 0) return {Status::bad_config, "vdim must be positive", vdim};
    if constexpr (Options) return check_options();
    return {};
  }

 private:
  constexpr const Parameter<S>& query_weight() const { return in_proj.exists() ? in_proj : q_proj; }
  // Products of bf16 weights are of pairs, and so are those of the heads.
  constexpr bool in_pairs() const {
    if constexpr (!kernels::may_be_in_pairs<S>) return false;
    if constexpr (Weights == Storage::bf16) return true;
    const StoredWeight<S>* const stored = query_weight().stored_as.get();
    return stored != nullptr && stored->storage == Storage::bf16;
  }
  // Or will be, once it is loaded.
  constexpr bool may_be_in_pairs() const {
    if constexpr (!kernels::may_be_in_pairs<S>) return false;
    return in_pairs() || !query_weight().loaded();
  }
  Status check_width() const {
    if constexpr (Options) {
      if (config.options.head_dim != Dynamic) {
        if (embed <= 0) return {Status::bad_config, "d_model must be positive", embed};
        if (heads <= 0 || heads > 4096) return {Status::bad_config, "nhead must be between 1 and 4096", heads};
        if (width <= 0) return {Status::bad_config, "head_dim must be positive", width};
        return {};
      }
    }
    return check_heads(embed, heads);
  }
  Status check_options() const {
    if (config.options.relative_buckets < 0)
      return {Status::bad_config, "relative_buckets must not be negative", config.options.relative_buckets};
    if (extras.relative.exists())
      if (Status s = check_relative(extras.relative.config); s != Status::ok) return s;
    if (kv_heads <= 0 || heads % kv_heads != 0)
      return {Status::bad_config, "num_key_value_heads must divide the number of heads", kv_heads, heads};
    if (extra() > 0 && (kv_heads != heads || queries_width() != embed))
      return {Status::bad_config, "add_bias_kv and add_zero_attn need as many key heads as heads, of d_model / nhead"};
    if (config.options.window < 0) return {Status::bad_config, "window must not be negative", config.options.window};
    return extras.rotary.check(width);
  }
  // Projection g: 0 q, 1 k, 2 v.
  Affine<S, Weights> affine(int g) const {
    const Parameter<S>& weight = in_proj.exists() ? in_proj : g == 0 ? q_proj : g == 1 ? k_proj : v_proj;
    Affine<S, Weights> a(weight);
    a.group = in_proj.exists() ? g : 0;
    if (in_bias.exists()) a.bias = in_bias.vector() + (g == 0 ? 0 : queries_width() + (g - 1) * keys_width());
    return a;
  }
  template <class Trace>
  void queries(const Runner<S, Trace>& block, Operand<S>& x, const AttentionCall<S>& call) const {
    const Rows<S> own = block.rows_of(call.query);
    block.linear(nullptr, x, affine(0), own);
    if constexpr (Options) prepare(block, own, extras.q_norm, call.query_rows, call);
    block.show_heads("q", call.query, call.query_rows, heads);
  }
  // Into places `past` and on of each sequence. Ends with the block's threads in step.
  template <class Trace>
  void keys_values(const Runner<S, Trace>& block, Operand<S>& key, Operand<S>& value,
                   const AttentionCall<S>& call) const {
    const Index values_from = keys_width();
    const Rows<S> both = block.inner(2 * values_from);
    const Rows<S> keys = both.columns(0, values_from), values = both.columns(values_from, values_from);
    block.linear(nullptr, key, affine(1), keys);
    block.linear(nullptr, value, affine(2), values);
    block.wait();
    if constexpr (Options) prepare(block, keys, extras.k_norm, call.key_rows, call);
    block.show_heads("k", keys, call.key_rows, kv_heads);
    block.show_heads("v", values, call.key_rows, kv_heads);
    const auto store = [&](Index first, Index last, Index first_head, Index last_head) {
      call.key_rows.runs(block.first() + first, block.first() + last, [&](Index b, Index t, Index row, Index count) {
        const S* const k = keys.data + (row - block.first()) * keys.stride;
        for (Index h = first_head; h < last_head; ++h) {
          call.key_values.store_keys(b, h, call.past_of(b) + t, count, k + h * width, keys.stride);
          call.key_values.store_values(b, h, call.past_of(b) + t, count, k + values_from + h * width, keys.stride);
        }
      });
    };
    if (divides_heads(block.team(), call.key_rows, kv_heads))
      block.team().split(kv_heads, [&](Index from, Index to) { store(0, block.count(), from, to); });
    else
      block.split([&](Index from, Index to) { store(from, to, 0, kv_heads); });
    block.wait();
  }
  // Norms and positions of a block's queries or keys, which the threads divide.
  template <class Trace>
  void prepare(const Runner<S, Trace>& block, const Rows<S>& rows, const NormCore<S>& norm, const RowMap& map,
               const AttentionCall<S>& call) const {
    if (!norm.exists() && call.rotary == nullptr) return;
    block.wait();
    block.split([&](Index first, Index last) {
      extras.prepare(rows.part(first, last - first), norm, width, map, block.first() + first, call);
    });
    block.wait();
  }
};

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
