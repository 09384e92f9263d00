// Attention with its projections: out_proj(softmax(Q K^T / sqrt(D)) V) with Q = W_q x, K = W_k y, V = W_v y and H heads
// side by side (Vaswani et al. 2017, section 3.2). The part that MultiheadAttention, EncoderLayer and DecoderLayer
// share. Internal.
#pragma once
#include <vitrine/core/dims.hpp>
#include <vitrine/run/attention_call.hpp>
#include <vitrine/run/lane.hpp>
#include <vitrine/run/parameter.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

// Configuration and parameters of one attention, by the names of nn.MultiheadAttention. All steps are those of a block
// of rows but for append_extra and attend, which the whole team takes.
template <class S>
struct AttentionCore {
  AttentionConfig config = {};
  Index embed = 0, heads = 0, width = 0, kdim = 0, vdim = 0;
  S given_scale = S(0);  // of the scores, instead of 1 / sqrt(width)
  Parameter<S> in_proj, q_proj, k_proj, v_proj, in_bias, out_proj, out_bias, bias_k, bias_v;

  constexpr AttentionCore() = default;
  constexpr explicit AttentionCore(const AttentionConfig& c)
      : config(c),
        embed(c.embed_dim),
        heads(c.num_heads),
        width(heads > 0 ? embed / heads : 0),
        kdim(c.kdim == Dynamic ? embed : c.kdim),
        vdim(c.vdim == Dynamic ? embed : c.vdim) {
    if (kdim == embed && vdim == embed) {
      in_proj = matrix_parameter<S>(sizes::product(3, embed), embed, 3);
    } else {
      q_proj = matrix_parameter<S>(embed, embed);
      k_proj = matrix_parameter<S>(embed, kdim);
      v_proj = matrix_parameter<S>(embed, vdim);
    }
    if (c.bias) in_bias = vector_parameter<S>(sizes::product(3, embed)), out_bias = vector_parameter<S>(embed);
    out_proj = matrix_parameter<S>(embed, embed);
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
  }

  // Queries, keys and values of a block's rows x.
  template <class Trace>
  void project(const Lane<S, Trace>& block, const Rows<const S>& x, const AttentionCall<S>& call) const {
    Operand<S> from(x);
    queries(block, from, call);
    keys_values(block, from, from, call);
  }
  template <class Trace>
  void project_queries(const Lane<S, Trace>& block, const Rows<const S>& x, const AttentionCall<S>& call) const {
    Operand<S> from(x);
    queries(block, from, call);
  }
  // `key` and `value` may be the same rows.
  template <class Trace>
  void project_keys_values(const Lane<S, Trace>& block, const Rows<const S>& key, const Rows<const S>& value,
                           const AttentionCall<S>& call) const {
    Operand<S> keys(key), values(value);
    keys_values(block, keys, key.data == value.data ? keys : values, call);
  }
  // bias_k and bias_v, then the zero key, after each sequence's own.
  void append_extra(Team& team, const AttentionCall<S>& call) const {
    if (extra() == 0) return;
    team.for_each(call.keys.batch, [&](Index b) {
      for (Index h = 0; h < heads; ++h) {
        Index j = call.keys.length_of(b);
        if (config.add_bias_kv) {
          call.key_values.store_keys(b, h, j, 1, bias_k.vector() + h * width, 0);
          call.key_values.store_values(b, h, j, 1, bias_v.vector() + h * width, 0);
          ++j;
        }
        if (config.add_zero_attn) call.key_values.store_zero(b, h, j);
      }
    });
  }
  // softmax(Q K^T / sqrt(D)) V of every head of every sequence into call.context.
  template <class Trace>
  void attend(const Lane<S, Trace>& lane, const AttentionCall<S>& call) const {
    AttentionCall<S> own = call;
    own.scale = scale(), own.extra = extra();
    attend_heads(lane, own);
  }
  // y = W_o context + b_o + residual. Ends with the block's threads in step.
  template <class Trace>
  void project_out(const Lane<S, Trace>& block, const AttentionCall<S>& call, const Rows<S>& y,
                   const Rows<const S>& residual = {}) const {
    Operand<S> context(block.of(call.context));
    block.linear("out_proj", context, {out_proj, out_bias}, y, {.residual = residual});
    block.wait();
  }

  // What a plan and a call's checks ask.
  constexpr Index extra() const { return Index(config.add_bias_kv) + Index(config.add_zero_attn); }
  S scale() const { return given_scale != S(0) ? given_scale : S(1) / square_root(S(width)); }
  constexpr KeyValues<S> layout(Index keys) const {
    KeyValues<S> kv;
    kv.heads = heads, kv.width = kv.value_width = width, kv.capacity = sizes::sum(keys, extra());
    return kv;
  }
  // Queries, and the context in their place; a trace is shown both, so there they have places of their own.
  constexpr void plan_queries(Arena& arena, Index rows, AttentionCall<S>& call, bool traced) const {
    call.heads = heads;
    call.query = {arena.take<S>(rows, embed), rows, embed};
    call.context = traced ? Rows<S>(arena.take<S>(rows, embed), rows, embed) : call.query;
  }
  constexpr typename Scratch<S>::Sizes sizes(Index keys) const {
    const Index deepest = embed > kdim ? (embed > vdim ? embed : vdim) : (kdim > vdim ? kdim : vdim);
    return {.hidden = embed,
            .inner = sizes::product(2, embed),
            .keys = sizes::sum(keys, extra()),
            .value_width = width,
            .depth = deepest};
  }
  constexpr bool packed() const {
    return (in_proj.exists() ? in_proj.panel != 0 : q_proj.panel != 0 && k_proj.panel != 0 && v_proj.panel != 0) &&
           out_proj.panel != 0;
  }
  const S* panels(int g) const { return affine(g).panels(); }
  ProductOrder<S> order() const {
    ProductOrder<S> products;
    products.cycle(panels(0), panels(1), panels(2));
    return products;
  }
  // Multiply-adds of the four projections and of the heads.
  double work(double rows, double memory_rows, double pairs) const {
    const double e = double(embed);
    return 2 * rows * e * e + memory_rows * e * (double(kdim) + double(vdim)) + 2 * pairs * e;
  }
  Status check() const {
    if (Status s = check_heads(embed, heads); s != Status::ok) return s;
    if (kdim <= 0) return {Status::bad_config, "kdim must be positive", kdim};
    if (vdim <= 0) return {Status::bad_config, "vdim must be positive", vdim};
    return {};
  }

 private:
  // Projection g: 0 q, 1 k, 2 v.
  Affine<S> affine(int g) const {
    const Parameter<S>& weight = in_proj.exists() ? in_proj : g == 0 ? q_proj : g == 1 ? k_proj : v_proj;
    Affine<S> a(weight);
    a.group = in_proj.exists() ? g : 0;
    if (in_bias.exists()) a.bias = in_bias.vector() + g * embed;
    return a;
  }
  template <class Trace>
  void queries(const Lane<S, Trace>& block, Operand<S>& x, const AttentionCall<S>& call) const {
    block.linear(nullptr, x, affine(0), block.of(call.query));
    block.show_heads("q", call.query, call.queries, heads);
  }
  // Into places `past` and on of each sequence. Ends with the block's threads in step.
  template <class Trace>
  void keys_values(const Lane<S, Trace>& block, Operand<S>& key, Operand<S>& value,
                   const AttentionCall<S>& call) const {
    const Rows<S> both = block.inner(2 * embed), keys = both.columns(0, embed), values = both.columns(embed, embed);
    block.linear(nullptr, key, affine(1), keys);
    block.linear(nullptr, value, affine(2), values);
    block.wait();
    block.show_heads("k", keys, call.keys, heads);
    block.show_heads("v", values, call.keys, heads);
    block.split([&](Index from, Index to) {
      call.keys.runs(block.first() + from, block.first() + to, [&](Index b, Index t, Index row, Index count) {
        const S* const k = keys.data + (row - block.first()) * keys.stride;
        for (Index h = 0; h < heads; ++h) {
          call.key_values.store_keys(b, h, call.past + t, count, k + h * width, keys.stride);
          call.key_values.store_values(b, h, call.past + t, count, k + embed + h * width, keys.stride);
        }
      });
    });
    block.wait();
  }
};

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
