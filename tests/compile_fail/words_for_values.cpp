// Words of a stored weight, for a layer whose Dims say nothing of a storage.
// expect: vitrine: this layer's weights are values of its scalar
#include <vitrine/vitrine.hpp>

#ifdef FIXED
constexpr vt::Dims dims{.d_model = 4, .nhead = 1, .dim_feedforward = 4, .max_length = 2, .weights = vt::Storage::int8};
#else
constexpr vt::Dims dims{.d_model = 4, .nhead = 1, .dim_feedforward = 4, .max_length = 2};
#endif
vt::EncoderLayer<float, dims> layer;
const vt::StoredWord words[8] = {0, 0, 0, 0, 0, 0, 0, 0};
const vt::Status status = layer.bind("linear1.weight", std::span<const vt::StoredWord>(words), 4);
