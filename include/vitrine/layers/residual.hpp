// The residual connection around a part f of a layer: where it normalises, and in which rows its sums stand. Internal.
//   norm_first = false:  norm(x + f(x))           (Vaswani et al. 2017)
//   norm_first = true:   x + f(norm(x))           (Xiong et al. 2020)
//   with branch norms:   x + norm'(f(norm(x)))    (Gemma 2)
#pragma once
#include <vitrine/run/runner.hpp>

#include <type_traits>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

// A norm that is not there: fixed dimensions have no branch norms.
struct NoNorm {
  static constexpr bool exists() { return false; }
  template <class... A>
  constexpr void operator()(const A&...) const {}
};
inline constexpr NoNorm no_norm;

// The norms of what each part of a layer adds.
template <class Norm>
struct BranchNorms {
  Norm attention, feed_forward;
};

// The residual around one part of a layer: the layer's first, second or third.
template <class Norm, class Branch = NoNorm>
class Residual {
 public:
  Residual(int number, bool norm_first, const Norm& norm, const Branch& branch = no_norm)
      : names_(&names[number - 1]), norm_first_(norm_first), norm_(&norm), branch_(&branch) {}

  // What f is given of a block's rows x: norm(x) or x itself.
  template <class S, class Trace>
  Rows<const S> input(const Runner<S, Trace>& block, const std::type_identity_t<Rows<const S>>& x) const {
    return normed(block, x, block.hidden(x.width));
  }
  // What follows x, in the block's hidden rows. f(to, addend): to = f(input) + addend.
  template <class S, class Trace, class F>
  VITRINE_INLINE Rows<S> sum(const Runner<S, Trace>& block, const std::type_identity_t<Rows<const S>>& x, F&& f) const {
    const Rows<S> to = block.hidden(x.width);
    f(to, addend(x));
    after(block, x, to, to);
    return to;
  }
  // The same in the rows y, which may be x.
  template <class S, class Trace, class F>
  VITRINE_INLINE void sum_to(const Runner<S, Trace>& block, const std::type_identity_t<Rows<const S>>& x,
                             const Rows<S>& y, F&& f) const {
    const Rows<S> hidden = block.hidden(x.width);
    f(hidden, addend(x));
    after(block, x, hidden, y);
  }
  // The same around a part of one step, f(block, input, to, addend), where x is what the residual before gave by `sum`.
  template <class S, class Trace, class F>
  VITRINE_INLINE void around(const Runner<S, Trace>& block, const Rows<S>& x, const Rows<S>& y, const F& f) const {
    around(block, x, y, f, x);
  }
  // The same with the input of other rows, which may be y.
  template <class S, class Trace, class F>
  VITRINE_INLINE void around(const Runner<S, Trace>& block, const Rows<S>& x, const Rows<S>& y, const F& f,
                             const std::type_identity_t<Rows<const S>>& other) const {
    f(block, normed(block, other, y), y, addend<S>(x));
    after<S>(block, x, y, y);
  }

 private:
  // norm(x), in the rows `to`, or x itself.
  template <class S, class Trace>
  Rows<const S> normed(const Runner<S, Trace>& block, const Rows<const S>& x, const Rows<S>& to) const {
    if (!norm_first_) return x;
    block.normalise(names_->norm, *norm_, x, to);
    return to;
  }
  // What the part's last product adds: x, unless a branch norm comes between.
  template <class S>
  const Rows<const S>& addend(const Rows<const S>& x) const {
    static constexpr Rows<const S> none;
    return branch_->exists() ? none : x;
  }
  // f(x), with what was added, stands in the rows `sum`: `to` becomes x + f(x), normalised or as it is.
  template <class S, class Trace>
  void after(const Runner<S, Trace>& block, const Rows<const S>& x, const Rows<S>& sum, const Rows<S>& to) const {
    if (branch_->exists()) {
      block.normalise(names_->branch_norm, *branch_, sum, sum);
      add(block, x, sum);
    }
    block.show(names_->sum, sum);
    if (!norm_first_)
      block.normalise(names_->norm, *norm_, sum, to);
    else if (sum.data != to.data)
      block.copy(sum, to);
  }

  // As a trace is told them.
  struct Names {
    const char *norm, *branch_norm, *sum;
  };
  static constexpr Names names[3] = {{"norm1", "branch_norm1", "residual1"},
                                     {"norm2", "branch_norm2", "residual2"},
                                     {"norm3", "branch_norm3", "residual3"}};

  // sum += x.
  template <class S, class Trace>
  static void add(const Runner<S, Trace>& block, const Rows<const S>& x, const Rows<S>& sum) {
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

  const Names* names_;
  bool norm_first_;
  const Norm* norm_;
  const Branch* branch_;
};

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
