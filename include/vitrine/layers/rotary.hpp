// Rotary: rotary position embedding (Su et al. 2021): the pairs of values of a query's or key's head are turned by
// angles that grow with the position, so that their product depends on the distance alone.
//
//   angle(position, i) = position * frequency(i),   frequency(i) = theta^(-2 i / dim), i < dim / 2; scaled for long
//   texts
//
//   vt::Rotary<float> rotary({.dim = 64, .theta = 500000});
//   rotary.apply_to(q, heads);                  q (B, T, H * D): row t of each sequence turned by position t
#pragma once
#include <vitrine/core/dims.hpp>
#include <vitrine/core/heap.hpp>
#include <vitrine/core/views.hpp>
#include <vitrine/kernels/rotary.hpp>
#include <vitrine/layers/positional_encoding.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

namespace detail {

// ln x of a positive number, by Newton's method on e^y.
inline double table_log(double x) {
  constexpr double log_2 = 0.69314718055994530942;
  double y = 0, part = x;
  while (part > 2) part /= 2, y += log_2;
  while (part < 1) part *= 2, y -= log_2;
  for (int i = 0; i < 6; ++i) {
    const double e = table_exp(y);
    y += 2 * (x - e) / (x + e);
  }
  return y;
}

// YaRN's ramp: 0 for frequencies that stay, 1 for those that are divided.
class YarnRamp {
 public:
  explicit YarnRamp(const RotaryConfig& c) {
    low_ = dimension(c, c.beta_fast), high_ = dimension(c, c.beta_slow);
    if (c.truncate) {
      const double whole = double(Index(high_));
      low_ = double(Index(low_)), high_ = whole < high_ ? whole + 1 : whole;
    }
    if (low_ < 0) low_ = 0;
    if (high_ > double(c.dim - 1)) high_ = double(c.dim - 1);
    if (low_ == high_) high_ += 0.001;
  }
  float operator()(Index i) const {
    const float at = (float(i) - float(low_)) / float(high_ - low_);
    return at < 0 ? 0.0f : at > 1 ? 1.0f : at;
  }

 private:
  // The dimension whose wave turns so often within the texts of the training.
  static double dimension(const RotaryConfig& c, double turns) {
    const double ratio = double(c.original_max_position_embeddings) / (turns * 6.28318530717958647692);
    const double at = double(c.dim) * table_log(ratio) / (2 * table_log(c.theta));
    return at < 0 ? 0 : at < 1e15 ? at : 1e15;
  }
  double low_, high_;
};

// The frequency of pair i, as Transformers computes it: every step in float.
inline float rotary_frequency(const RotaryConfig& c, Index i) {
  const double exponent = double(float(2 * i) / float(c.dim));
  const float wave = float(table_exp(mul(exponent, table_log(c.theta))));
  const float frequency = 1.0f / wave;
  const float factor = float(c.factor);
  if (c.scaling == RotaryScaling::linear) return frequency / factor;
  if (c.scaling == RotaryScaling::yarn) {
    const float extrapolation = 1.0f - YarnRamp(c)(i), interpolated = 1.0f / mul(factor, wave);
    return mul(interpolated, 1.0f - extrapolation) + mul(frequency, extrapolation);
  }
  if (c.scaling == RotaryScaling::none || c.scaling == RotaryScaling::dynamic) return frequency;
  const float length = float(c.original_max_position_embeddings);
  const float low = float(c.low_freq_factor), high = float(c.high_freq_factor);
  const float wave_length = 6.28318530717958647692f / frequency;
  if (wave_length < length / high) return frequency;
  if (wave_length > length / low) return frequency / factor;
  const float smooth = (length / wave_length - low) / (high - low);
  return mul(1.0f - smooth, frequency) / factor + mul(smooth, frequency);
}

// The frequencies, once, and what turns heads by them.
template <class S>
struct RotaryCore {
  RotaryConfig config = {};
  SharedValues<float> frequencies = {};
  float scale = 1.0f;  // of cos and sin

  constexpr RotaryCore() = default;
  constexpr explicit RotaryCore(const RotaryConfig& c) : config(c) {}
  // The frequencies; none when memory runs out, which `check` reports.
  void compute_frequencies(const Memory* memory) {
    if (!exists() || !frequencies.empty() || check_numbers() != Status::ok) return;
    float* values = nullptr;
    frequencies = SharedValues<float>::make(memory, half(), values);
    for (Index i = 0; values != nullptr && i < half(); ++i) values[i] = rotary_frequency(config, i);
    if (config.scaling != RotaryScaling::yarn) return;
    const double grown = config.factor <= 1 ? 1.0 : mul(0.1, table_log(config.factor)) + 1.0;
    scale = float(config.attention_factor > 0 ? config.attention_factor : grown);
  }
  Index half() const { return config.dim / 2; }
  constexpr bool exists() const { return config.dim != 0; }
  Status check(Index head_dim) const {
    if (!exists()) return {};
    if (config.dim < 0 || config.dim % 2 != 0 || config.dim > head_dim)
      return {Status::bad_config, "rotary_dim must be even, and at most head_dim", config.dim, head_dim};
    if (Status s = check_numbers(); s != Status::ok) return s;
    if (frequencies.empty()) return {Status::out_of_memory, "memory for the rotary frequencies ran out"};
    return {};
  }
  // Those that have frequencies, and angles that can be reduced.
  Status check_numbers() const {
    const auto sound = [](double x) { return x >= 1e-6 && x <= 1e12; };
    const bool scaled = config.scaling != RotaryScaling::none;
    if (!sound(config.theta) || config.theta <= 1)
      return {Status::bad_config, "theta of rotary positions must be a number above 1, at most 1e12"};
    if (scaled && !sound(config.factor))
      return {Status::bad_config, "the factor of rotary positions must be a number from 1e-6 to 1e12"};
    if (!scaled || config.scaling == RotaryScaling::linear || config.scaling == RotaryScaling::dynamic) return {};
    if (config.original_max_position_embeddings <= 0)
      return {Status::bad_config, "original_max_position_embeddings must be positive",
              config.original_max_position_embeddings};
    const bool yarn = config.scaling == RotaryScaling::yarn;
    if (yarn ? !sound(config.beta_fast) || !sound(config.beta_slow)
             : !sound(config.low_freq_factor) || !sound(config.high_freq_factor) ||
                   config.low_freq_factor == config.high_freq_factor)
      return {Status::bad_config, "the bounds of scaled rotary positions must be two numbers from 1e-6 to 1e12"};
    return {};
  }
  // cos, then sin, of positions first ... first + count - 1: `count` rows of dim values. The angle is rounded to float,
  // and so are cos and sin, as in Transformers.
  void fill(Index first, Index count, S* to) const {
    for (Index t = 0; t < count; ++t)
      for (Index i = 0; i < half(); ++i) {
        const double angle = double(mul(float(first + t), frequencies.data()[i]));
        to[t * config.dim + i] = S(mul(float(table_sin(angle + 1.57079632679489661923)), scale));
        to[t * config.dim + half() + i] = S(mul(float(table_sin(angle)), scale));
      }
  }
  // `count` heads side by side, `width` values each, by one row of `fill`.
  void turn(S* heads, Index count, Index width, const S* row) const {
    for (Index h = 0; h < count; ++h)
      if (config.pairs == RotaryPairs::halves)
        kernels::rotate_halves(heads + h * width, half(), row, row + half());
      else
        kernels::rotate_neighbours(heads + h * width, half(), row, row + half());
  }
};

}  // namespace detail

// Rotary positions of rows of heads; see the top of this header. Has no parameters.
template <class S>
class Rotary {
 public:
  // Its dim / 2 frequencies come from `memory`.
  explicit Rotary(const RotaryConfig& config, const Memory* memory = heap()) : core_(config) {
    core_.compute_frequencies(memory);
  }
  // The configuration.
  const RotaryConfig& config() const noexcept { return core_.config; }
  // Radians a position for pair i < dim / 2; 0 where a call answers that there are none.
  float frequency(Index i) const { return core_.frequencies.empty() ? 0.0f : core_.frequencies.data()[i]; }

  // Turns the heads of x (B, T, heads * D), row t of each sequence by position first + t, in place. Allocates nothing.
  // bad_config, bad_shape.
  Status apply_to(Tensor<S>& x, Index heads, Index first = 0) const noexcept {
    if (heads <= 0 || x.width() % heads != 0)
      return {Status::bad_shape, "the width must be a multiple of the heads", x.width(), heads};
    const Index width = x.width() / heads;
    if (Status s = core_.check(width); s != Status::ok) return s;
    constexpr Index most = 1024;
    if (core_.config.dim > most) return {Status::bad_config, "rotary_dim is more than 1024", core_.config.dim};
    S row[most];
    Index at = 0;
    for (Index b = 0; b < x.batch(); ++b)
      for (Index t = 0; t < x.length_of(b); ++t, ++at) {
        core_.fill(first + t, 1, row);
        core_.turn(x.data() + at * x.width(), heads, width, row);
      }
    return {};
  }

 private:
  detail::RotaryCore<S> core_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
