// expect: vitrine: nhead must be positive
#include <vitrine/vitrine.hpp>

#ifdef FIXED
constexpr vt::Dims dims{.d_model = 64, .nhead = 4, .dim_feedforward = 128, .max_length = 8};
#else
constexpr vt::Dims dims{.d_model = 64, .nhead = 0, .dim_feedforward = 128, .max_length = 8};
#endif
vt::MultiheadAttention<float, dims> mha({.num_heads = 4});
