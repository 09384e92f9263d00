// The residual connection around a part f of a layer, and where it normalises. Internal.
//   norm_first = false:  norm(x + f(x))           (Vaswani et al. 2017)
//   norm_first = true:   x + f(norm(x))           (Xiong et al. 2020)
//   with branch norms:   x + norm'(f(norm(x)))    (Gemma 2)
#pragma once
#include <vitrine/run/lane.hpp>

#include <type_traits>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

struct Residual {
  bool norm_first = false;

  // What f is given of x: norm(x), in the rows `to`, or x itself.
  template <class S, class Trace, class Norm>
  Rows<const S> before(const Lane<S, Trace>& block, const char* name, const Norm& norm,
                       const std::type_identity_t<Rows<const S>>& x, const Rows<S>& to) const {
    if (!norm_first) return x;
    block.step(name, norm, x, to);
    return to;
  }
  // What becomes of the sum x + f(x), in the rows `to`: it goes on as it is, or normalised.
  template <class S, class Trace, class Norm>
  void after(const Lane<S, Trace>& block, const char* name, const Norm& norm, const Rows<S>& sum,
             const Rows<S>& to) const {
    if (!norm_first)
      block.step(name, norm, sum, to);
    else if (sum.data != to.data)
      block.copy(sum, to);
  }
};

// Fixed dimensions have no branch norms.
struct NoNorm {
  static constexpr bool exists() { return false; }
  template <class... A>
  constexpr void operator()(const A&...) const {}
};
// The norms of what each part of a layer adds.
template <class Norm>
struct BranchNorms {
  Norm attention, feed_forward;
};

// The residual that a part's last product adds: x, unless a branch norm comes between.
template <class S, class Norm>
Rows<const S> unless(const Norm& norm, const Rows<S>& x) {
  return norm.exists() ? Rows<const S>{} : Rows<const S>(x);
}
// sum = x + norm'(f), where f stands in the rows of the sum; nothing where there is no such norm: then f was added to x
// by the product that made it.
template <class S, class Trace, class Norm>
void add_branch(const Lane<S, Trace>& block, const char* name, const Norm& norm, const Rows<S>& sum,
                const std::type_identity_t<Rows<const S>>& x) {
  if (!norm.exists()) return;
  block.step(name, norm, sum, sum);
  block.split([&](Index first, Index last) {
    using V = simd<S>;
    for (Index r = first; r < last; ++r)
      for (Index i = 0; i < sum.width; i += V::lanes) {
        S* const to = sum.data + r * sum.stride + i;
        const Index left = sum.width - i;
        store_first<S>(to, load_first<S>(x.data + r * x.stride + i, left) + load_first<S>(to, left), left);
      }
  });
  block.wait();
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
