// PositionalEncoding: sines and cosines of the position, added to the embeddings (Vaswani et al. 2017, section 3.5).
#pragma once
#include <vitrine/core/heap.hpp>
#include <vitrine/core/memory.hpp>
#include <vitrine/core/simd.hpp>
#include <vitrine/core/views.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// How the sines and cosines of one position are laid out over the width.
enum class Sinusoid : std::uint8_t {
  interleaved,  // sin, cos, sin, cos, ... as in the paper
  halves,       // all sines, then all cosines: Transformers' MarianMT
  fairseq,      // the same of 10000^(-f / (E / 2 - 1)), angles in float, an odd width's last value 0: M2M100
};

namespace detail {

// e^x and sine for the table alone, in double by argument reduction and Taylor series: no libm, the same numbers
// everywhere.
inline double table_exp(double x) {
  double sum = 1, term = 1;
  const double part = mul(x, 1.0 / 1024);
  for (int n = 1; n < 16; ++n) term = mul(term, part) / n, sum += term;
  for (int i = 0; i < 10; ++i) sum = mul(sum, sum);
  return sum;
}
inline double table_sin(double x) {
  constexpr double pi = 3.14159265358979323846, pi_low = 1.2246467991473532e-16;
  const double turns = mul(x, 1 / pi);
  const double whole = double(static_cast<long long>(turns + (turns < 0 ? -0.5 : 0.5)));
  const double y = (x - mul(whole, pi)) - mul(whole, pi_low);
  const double square = mul(y, y);
  double term = y, sum = y;
  for (int n = 1; n < 12; ++n) term = -mul(term, square) / double((2 * n) * (2 * n + 1)), sum += term;
  return static_cast<long long>(whole) % 2 == 0 ? sum : -sum;
}

// What entry `i` of every position turns by: its frequency, 10000^(-2 f / width), and a quarter turn for a cosine.
struct SinusoidTerm {
  double rate, phase;
  bool in_float = false;  // the product with the position
};
inline SinusoidTerm sinusoid_term(Index i, Index width, Sinusoid layout) {
  constexpr double log_10000 = 9.210340371976182736, quarter = 1.57079632679489661923;
  if (layout == Sinusoid::fairseq) {
    const Index half = width / 2;
    if (i == 2 * half) return {0, 0};
    const float step = half > 1 ? -float(log_10000 / double(half - 1)) : 0.0f;
    return {double(float(table_exp(double(mul(float(i % half), step))))), i < half ? 0.0 : quarter, true};
  }
  const Index half = (width + 1) / 2;
  const Index frequency = layout == Sinusoid::interleaved ? i / 2 : i % half;
  const bool cosine = layout == Sinusoid::interleaved ? i % 2 == 1 : i >= half;
  return {table_exp(mul(-log_10000, double(2 * frequency) / double(width))), cosine ? quarter : 0.0};
}
inline double sinusoid(Index position, const SinusoidTerm& term) {
  const double angle =
      term.in_float ? double(mul(float(position), float(term.rate))) : mul(double(position), term.rate);
  return table_sin(angle + term.phase);
}
// Entry `i` of position `position`.
inline double sinusoid(Index position, Index i, Index width, Sinusoid layout) {
  return sinusoid(position, sinusoid_term(i, width, layout));
}
// A (positions, width) table of them, rounded to float first as Transformers stores its own; the row `zero` is 0. Empty
// when memory ran out.
template <class S>
SharedValues<S> sinusoid_table(const Memory* memory, Index positions, Index width, Sinusoid layout,
                               Index zero = -1) noexcept {
  S* values = nullptr;
  SharedValues<S> table = SharedValues<S>::make(memory, sizes::product(positions, width), values);
  for (Index i = 0; values != nullptr && i < width; ++i) {
    const SinusoidTerm term = sinusoid_term(i, width, layout);
    for (Index t = 0; t < positions; ++t) values[t * width + i] = t == zero ? S(0) : S(float(sinusoid(t, term)));
  }
  return table;
}

}  // namespace detail

// Adds the encoding of positions first, first + 1, ... to the rows of each sequence: sin(p / 10000^(2i / E)) to value
// 2i of position p, the cosine of the same to value 2i + 1 (Sinusoid::interleaved).
template <class S>
class PositionalEncoding {
 public:
  // Of E = width values a position.
  explicit PositionalEncoding(Index width, Sinusoid layout = Sinusoid::interleaved) : width_(width), layout_(layout) {}
  // x (B, T, E) += positions first ... first + T - 1, in place. Allocates nothing. bad_shape.
  Status add_to(Tensor<S>& x, Index first = 0) const noexcept {
    if (x.width() != width_)
      return {Status::bad_shape, "the tensor's width must be that of the encoding", x.width(), width_};
    Index row = 0;
    for (Index b = 0; b < x.batch(); ++b)
      for (Index t = 0; t < x.length_of(b); ++t, ++row)
        for (Index i = 0; i < width_; ++i)
          x.data()[row * width_ + i] += S(detail::sinusoid(first + t, i, width_, layout_));
    return {};
  }

 private:
  Index width_;
  Sinusoid layout_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
