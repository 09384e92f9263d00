// scaled_dot_product_attention: the one function under the layers, with all that ONNX's Attention operator (opset 25)
// does.
//
//   weights = softmax(cap(scale Q K^T) + mask),  output = weights V        for (B, H, T, D) operands by strides
//
//   vt::Heads<float> q = vt::heads_bhtd(pointer, B, H, T, D);         // or heads_bthd for (B, T, H * D)
//   auto r = vt::scaled_dot_product_attention(q, k, v, {.mask = vt::causal()});
//   r.output.matrix(b): T x (H * Dv);   r.weights.matrix(b, h): T x S
#pragma once
#include <vitrine/core/heap.hpp>
#include <vitrine/run/figures_attention.hpp>
#include <vitrine/run/input_checks.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// A view of one operand.
template <class S>
struct Heads {
  const S* data = nullptr;
  Index batch = 0, heads = 0, length = 0, width = 0;
  Index batch_stride = 0, head_stride = 0, row_stride = 0;
};
// (B, H, T, D), ONNX's rank 4.
template <class S>
Heads<S> heads_bhtd(const S* data, Index batch, Index heads, Index length, Index width) {
  return {data, batch, heads, length, width, sizes::product(heads, length, width), sizes::product(length, width),
          width};
}
// (B, T, H * D), ONNX's rank 3 and the layers' own.
template <class S>
Heads<S> heads_bthd(const S* data, Index batch, Index heads, Index length, Index width) {
  return {data, batch, heads, length, width, sizes::product(length, heads, width), width, sizes::product(heads, width)};
}

// What the operator may be told besides its operands.
template <class S>
struct SdpaOptions {
  // Its keys are the past ones, then those of `key`. Matrices with fewer keys than there are (but more than 1, which
  // broadcasts) leave the others out, as ONNX's operator pads its mask with -inf.
  Mask<S> mask = {};
  S scale = S(0);                                           // 0: 1 / sqrt(D)
  S softcap = S(0);                                         // c tanh(s / c); 0: none
  Heads<S> past_key = {}, past_value = {};                  // stand before key and value; empty: none
  kernels::ScoresAt scores_at = kernels::ScoresAt::masked;  // where keep::scores takes them
};
// The output, and the maps that were kept: weights.matrix(b, h) is T x S, the past keys first.
template <class K, class S>
struct SdpaResult {
  Tensor<S> output = Tensor<S>{};  // (B, T, H * Dv)
  [[no_unique_address]] typename K::template map<S, 0> weights = {};
};

namespace detail {
// The mask's matrices get the extents of a call with so many keys; how many of them they covered.
template <class S>
Index pad_mask(Mask<S>& mask, Index keys) {
  Index covered = keys;
  const auto pad = [&](auto& view) {
    Index& extent = view.extent[3];
    if (view.data == nullptr || extent <= 1 || extent >= keys) return;
    if (extent < covered) covered = extent;
    extent = keys;
  };
  pad(mask.keep), pad(mask.bias);
  return covered;
}
// Values of an operand from the first to behind the last.
template <class S>
Index reach_of(const Heads<S>& x) {
  if (x.data == nullptr || x.batch <= 0 || x.heads <= 0 || x.length <= 0) return 0;
  const Index batches = sizes::product(x.batch - 1, sizes::distance(x.batch_stride));
  const Index heads = sizes::product(x.heads - 1, sizes::distance(x.head_stride));
  const Index rows = sizes::product(x.length - 1, sizes::distance(x.row_stride));
  return sizes::sum(sizes::sum(batches, heads), sizes::sum(rows, x.width));
}
template <class S>
Status check_sdpa(const Heads<S>& q, const Heads<S>& k, const Heads<S>& v, const SdpaOptions<S>& o) {
  if (q.heads <= 0 || q.width <= 0 || v.width <= 0)
    return {Status::bad_shape, "heads and widths must be positive", q.heads < q.width ? q.heads : q.width};
  for (const Heads<S>* x : {&q, &k, &v, &o.past_key, &o.past_value}) {
    if (x->batch < 0 || x->length < 0)
      return {Status::bad_shape, "an operand's extents must not be negative",
              x->batch < x->length ? x->batch : x->length};
    if (x->data == nullptr && x->batch > 0 && x->length > 0)
      return {Status::bad_shape, "an operand has rows but no data"};
    if (sizes::bytes_of<S>(x->batch, x->heads, x->length, x->width) == std::size_t(sizes::largest))
      return {Status::bad_shape, "an operand is larger than any memory (rows of a head)", x->length};
    if (sizes::bytes_of<S>(reach_of(*x)) == std::size_t(sizes::largest))
      return {Status::bad_shape, "an operand's strides reach over more than any memory (row stride)", x->row_stride};
  }
  if (k.width != q.width) return {Status::bad_shape, "query and key must have the same width", k.width, q.width};
  if (k.heads <= 0) return {Status::bad_shape, "heads and widths must be positive", k.heads};
  if (q.heads % k.heads != 0)
    return {Status::bad_shape, "the number of query heads must be a multiple of the number of key heads", q.heads,
            k.heads, Status::multiple_of};
  if (v.heads != k.heads)
    return {Status::bad_shape, "key and value must have the same number of heads", v.heads, k.heads};
  if (v.length != k.length) return {Status::bad_shape, "key and value must have the same length", v.length, k.length};
  if (k.batch != q.batch || v.batch != q.batch)
    return {Status::bad_shape, "query, key and value must have the same batch", k.batch != q.batch ? k.batch : v.batch,
            q.batch};
  const Heads<S>&pk = o.past_key, &pv = o.past_value;
  if (pk.length != pv.length)
    return {Status::bad_shape, "past key and past value must have the same length", pv.length, pk.length};
  if (pk.length > 0 && (pk.batch != k.batch || pk.heads != k.heads || pk.width != k.width || pv.batch != k.batch ||
                        pv.heads != k.heads || pv.width != v.width))
    return {Status::bad_shape, "past key and value must have the batch, heads and widths of key and value"};
  Mask<S> mask = o.mask;
  (void)pad_mask(mask, k.length + pk.length);
  return check_mask(mask, q.batch, q.heads, q.length, k.length + pk.length);
}
template <class S>
Status check_overlap(const Tensor<S>& output, Index values, const Heads<S>& x) {
  const Index reach = reach_of(x);
  if (reach == 0) return {};
  return check_overlap(output, values, Sequences<S>(x.data, 1, 1, reach));
}

// What a call takes from the workspace, and its attention over the operands that were brought there.
template <class S>
struct SdpaPlan {
  AttentionCall<S> attention = {};
  Scratch<S> scratch = {};
  Index* key_lengths = nullptr;  // of each sequence, where the mask's matrices are shorter than the keys

  static SdpaPlan make(Arena& arena, const Heads<S>& query, const Heads<S>& value, const KeyValues<S>& layout,
                       int threads, Index figures) {
    SdpaPlan p;
    AttentionCall<S>& call = p.attention;
    const Index rows = query.batch * query.length;
    call.heads = query.heads, call.heads_per_key_head = query.heads / layout.heads;
    call.query_rows = {query.batch, query.length, nullptr}, call.key_rows = {query.batch, layout.capacity, nullptr};
    call.query = {arena.take<S>(rows, query.heads, query.width), rows, query.heads * query.width};
    call.key_values = KeyValues<S>::plan(arena, query.batch, layout);
    p.key_lengths = arena.take<Index>(query.batch);
    p.scratch =
        Scratch<S>::plan(arena, threads, 0, {.keys = layout.capacity, .value_width = value.width, .figures = figures});
    return p;
  }
};

// Head h of the keys and values, behind the past ones, and the query heads that share it.
template <class S>
void bring_head(const SdpaPlan<S>& plan, const Heads<S>& query, const Heads<S>& key, const Heads<S>& value,
                const SdpaOptions<S>& options, Index item) {
  const AttentionCall<S>& call = plan.attention;
  const Index b = item / key.heads, h = item % key.heads;
  const auto store = [&](const Heads<S>& k, const Heads<S>& v, Index from) {
    call.key_values.store_keys(b, h, from, k.length, k.data + b * k.batch_stride + h * k.head_stride, k.row_stride);
    call.key_values.store_values(b, h, from, v.length, v.data + b * v.batch_stride + h * v.head_stride, v.row_stride);
  };
  store(options.past_key, options.past_value, 0);
  store(key, value, options.past_key.length);
  for (Index g = h * call.heads_per_key_head; g < (h + 1) * call.heads_per_key_head; ++g)
    for (Index t = 0; t < query.length; ++t) {
      const S* from = query.data + b * query.batch_stride + g * query.head_stride + t * query.row_stride;
      S* to = call.query.data + ((b * query.length + t) * call.heads + g) * query.width;
      for (Index d = 0; d < query.width; ++d) to[d] = from[d];
    }
}
}  // namespace detail

// query (B, H, T, D), key (B, K, S, D), value (B, K, S, Dv), K dividing H, by strides; output (B, T, H * Dv). All
// checks and all memory come before the parallel region; allocates only to grow result and workspace (their own
// Memory). bad_shape, bad_mask, overlap, not_supported, workspace_too_small, result_too_small, out_of_memory.
template <class S, class K = DefaultKeep>
Status scaled_dot_product_attention_into(  // NOLINT(readability-function-size): ONNX's operands, then the result's
    SdpaResult<K, S>& result, Workspace& workspace, const Heads<S>& query, const Heads<S>& key, const Heads<S>& value,
    const SdpaOptions<S>& options = {}, const K& keep = {}) noexcept {
  if (Status s = detail::check_sdpa(query, key, value, options); s != Status::ok) return s;
  const Index batch = query.batch, heads = query.heads, keys = key.length + options.past_key.length;
  for (const Heads<S>* x : {&query, &key, &value, &options.past_key, &options.past_value})
    if (Status s = detail::check_overlap(result.output, sizes::product(batch, query.length, heads, value.width), *x);
        s != Status::ok)
      return s;
  if (Status s = result.output.resize(batch, query.length, sizes::product(heads, value.width)); s != Status::ok)
    return s;
  const MapShape shape{1, batch, heads, query.length, keys, {}, {}, 0};
  if (Status s = detail::prepare_maps(result.weights, nullptr, shape, keep.selection, Which::self); s != Status::ok)
    return s;
  const double work =
      double(sizes::product(batch, heads, query.length)) * double(keys) * double(query.width + value.width);
  const int threads = workspace.threads_for(work);
  detail::KeyValues<S> layout;
  layout.heads = key.heads, layout.width = key.width, layout.value_width = value.width, layout.capacity = keys;
  detail::SdpaPlan<S> plan;
  const auto make = [&](Arena& arena) {
    return detail::SdpaPlan<S>::make(arena, query, value, layout, threads, detail::figure_columns_of<K, S>);
  };
  if (Status s = detail::place_plan(plan, workspace, make); s != Status::ok) return s;
  detail::AttentionCall<S>& call = plan.attention;
  Mask<S> mask = options.mask;
  if (const Index covered = detail::pad_mask(mask, keys); covered < keys) {
    for (Index b = 0; b < batch; ++b) {
      const Index own = mask.has_lengths ? mask.lengths[std::size_t(b)] : keys;
      plan.key_lengths[b] = own < covered ? own : covered;
    }
    mask.has_lengths = true, mask.lengths = {plan.key_lengths, std::size_t(batch)};
  }
  call.set_layer(mask, nullptr, detail::sink_of<S>(result.weights, 0));
  call.context = {result.output.data(), batch * query.length, heads * value.width};
  call.scale = options.scale != S(0) ? options.scale : S(1) / square_root(S(query.width));
  call.softcap = options.softcap, call.scores_at = options.scores_at;
  run_team(threads, [&](Team& team) {
    team.for_each(batch * key.heads, [&](Index item) { detail::bring_head(plan, query, key, value, options, item); });
    detail::attend_heads(detail::Runner<S>(team, plan.scratch, batch * query.length), call);
  });
  return {};
}

#if VITRINE_EXCEPTIONS
// The same with fresh results and scratch from the heap. Throws StatusError.
template <class S, class K = DefaultKeep>
SdpaResult<K, S> scaled_dot_product_attention(const Heads<S>& query, const Heads<S>& key, const Heads<S>& value,
                                              const SdpaOptions<S>& options = {}, const K& keep = {}) {
  SdpaResult<K, S> result;
  result.output.use(heap());
  if constexpr (requires { result.weights.use(heap()); }) result.weights.use(heap());
  Workspace workspace(heap());
  throw_if_failed(scaled_dot_product_attention_into(result, workspace, query, key, value, options, keep));
  return result;
}
#endif

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
