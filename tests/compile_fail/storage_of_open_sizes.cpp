// A storage at compile time, for a layer whose sizes are given at run time.
// expect: vitrine: Dims say how weights are stored where all sizes are fixed
#include <vitrine/vitrine.hpp>

#ifdef FIXED
constexpr vt::Dims dims{.d_model = 4, .nhead = 1, .dim_feedforward = 4, .max_length = 2, .weights = vt::Storage::f16};
vt::EncoderLayer<float, dims> layer;
#else
constexpr vt::Dims dims{.d_model = 4, .nhead = 1, .weights = vt::Storage::f16};
vt::EncoderLayer<float, dims> layer({.d_model = 4, .nhead = 1, .dim_feedforward = 4});
#endif
