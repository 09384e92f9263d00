// RelativePositionBias: a number for each head and each distance of key and query, added to the scores (Raffel et al.
// 2020, section 2.1; Transformers' T5Attention.relative_attention_bias). Distances share buckets: near ones have their
// own, far ones a bucket for each step of a logarithm.
//
//   score(h, i, j) = q_i k_j + weight[bucket(j - i)][h]
//
//   vt::RelativePositionBias<float> bias({.buckets = 32, .heads = 8});
//   bias.bucket(j - i)                   the row of the (buckets, heads) weight
#pragma once
#include <vitrine/core/heap.hpp>
#include <vitrine/layers/rotary.hpp>
#include <vitrine/run/module.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// T5's options. bidirectional: half of the buckets are for keys behind the query; else those share bucket 0.
struct RelativePositionConfig {
  Index buckets = 32, max_distance = 128, heads = 0;
  bool bidirectional = true;
};

namespace detail {

// Distances below it have a bucket each.
constexpr Index exact_buckets(const RelativePositionConfig& c) {
  return (c.bidirectional ? c.buckets / 2 : c.buckets) / 2;
}
// bad_config where Transformers divides by zero.
inline Status check_relative(const RelativePositionConfig& c) {
  if (c.buckets < 4) return {Status::bad_config, "relative_buckets must be at least 4", c.buckets, 4, Status::at_least};
  if (c.max_distance < 2)
    return {Status::bad_config, "relative_max_distance must be at least 2", c.max_distance, 2, Status::at_least};
  if (c.max_distance == exact_buckets(c))
    return {Status::bad_config, "relative_max_distance must not be the number of distances with a bucket each",
            c.max_distance};
  return {};
}
// The bucket of a distance, key - query, of a sound configuration; the logarithm's bins in float, as Transformers has
// them.
inline Index relative_bucket(const RelativePositionConfig& c, Index distance) {
  Index buckets = c.buckets, first = 0;
  if (c.bidirectional) {
    buckets /= 2;
    if (distance > 0)
      first = buckets;
    else
      distance = -distance;
  } else {
    distance = distance < 0 ? -distance : 0;
  }
  const Index exact = exact_buckets(c);
  if (distance < exact) return first + distance;
  const float ratio = float(table_log(double(float(distance) / float(exact))));
  const float bins = ratio / float(table_log(double(c.max_distance) / double(exact)));
  const float behind = mul(bins, float(buckets - exact));  // below 0 with max_distance below exact
  if (behind >= float(buckets - 1 - exact)) return first + buckets - 1;
  const Index bucket = first + exact + Index(behind);
  return bucket < 0 ? 0 : bucket;  // Transformers fails where it is below 0
}

template <class S>
struct RelativeBiasCore {
  RelativePositionConfig config = {};
  Parameter<S> weight = {};  // (buckets, heads)

  constexpr RelativeBiasCore() = default;
  constexpr explicit RelativeBiasCore(const RelativePositionConfig& c) : config(c) {
    weight.rows = c.buckets, weight.cols = c.heads;
  }
  constexpr bool exists() const { return config.buckets > 0 && weight.exists(); }
  // Of every head, the biases of distances -before ... after: `heads` rows of before + after + 1 values.
  void fill(Index before, Index after, S* to) const {
    const Index row = before + after + 1;
    for (Index d = -before; d <= after; ++d) {
      const Index bucket = relative_bucket(config, d);
      for (Index h = 0; h < config.heads; ++h) to[h * row + before + d] = weight.value(bucket, h);
    }
  }
};

}  // namespace detail

// The buckets and their weight; a stack's layers share one (LayerOptions). See the top of this header.
template <class S>
class RelativePositionBias : public Module<RelativePositionBias<S>, S> {
 public:
  // Not loaded until vt::load, bind or init; values come from `memory`.
  explicit RelativePositionBias(const RelativePositionConfig& config, const Memory* memory = heap())
      : Module<RelativePositionBias, S>(memory), core_(config) {}
  // As Module's: bad_config for buckets below 4 and a max_distance that Transformers divides by zero with.
  Status check_config() const noexcept { return detail::check_relative(core_.config); }
  // The bucket of a distance, key - query: 0 ... buckets - 1.
  Index bucket(Index distance) const { return detail::relative_bucket(core_.config, distance); }
  // What is added to the scores of head h at a distance; h and the weight must exist.
  S bias(Index distance, Index h) const { return core_.weight.value(bucket(distance), h); }

  template <class Self, class F>
  static void visit_parameters(Self& self, detail::NamePath& path, F& visit) {
    detail::visit_parameter(visit, path, "weight", self.core_.weight);
  }

 private:
  detail::RelativeBiasCore<S> core_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
