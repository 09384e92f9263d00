// Weights in fewer bytes, for a layer of double.
// expect: vitrine: only weights of float layers are stored in another way
#include <vitrine/vitrine.hpp>

constexpr vt::Dims dims{.d_model = 4, .nhead = 1, .dim_feedforward = 4, .max_length = 2, .weights = vt::Storage::f16};
#ifdef FIXED
vt::EncoderLayer<float, dims> layer;
#else
vt::EncoderLayer<double, dims> layer;
#endif
