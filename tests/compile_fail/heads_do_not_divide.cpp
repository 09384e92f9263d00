// A static width that its heads do not divide.
// expect: vitrine: d_model must be divisible by nhead
#include <vitrine/vitrine.hpp>

#ifdef FIXED
constexpr vt::Dims dims{.d_model = 64, .nhead = 4, .dim_feedforward = 128, .max_length = 8};
#else
constexpr vt::Dims dims{.d_model = 64, .nhead = 5, .dim_feedforward = 128, .max_length = 8};
#endif
vt::EncoderLayer<float, dims> layer;
