// The residual connection around a part f of a layer, and where it normalises. Internal.
//   norm_first = false:  norm(x + f(x))      (Vaswani et al. 2017)
//   norm_first = true:   x + f(norm(x))      (Xiong et al. 2020)
#pragma once
#include <vitrine/run/lane.hpp>

#include <type_traits>

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

}  // namespace vitrine::inline VITRINE_ABI::detail
