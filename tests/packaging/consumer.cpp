// Somebody else's program: one layer, its map, and how the library was built.
#include <vitrine/vitrine.hpp>

#include <cmath>
#include <cstdio>

int main() {
  using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  vitrine::EncoderLayer<float> layer({.d_model = 16, .nhead = 2, .dim_feedforward = 32});
  if (layer.init(1) != vitrine::Status::ok) return 1;
  const Rows x = Rows::Ones(5, 16);
  const auto [output, self_attn, cross_attn] = layer(x);
  const float sum = self_attn.matrix(0, 1).row(4).sum();
#ifdef __OPTIMIZE__
  const int optimised = 1;
#else
  const int optimised = 0;
#endif
  std::printf("vitrine %d.%d.%d openmp %d optimised %d vector %d\n", VITRINE_VERSION_MAJOR, VITRINE_VERSION_MINOR,
              VITRINE_VERSION_PATCH, VITRINE_OPENMP, optimised, VITRINE_VECTOR_BYTES);
  return std::abs(sum - 1) < 1e-6f ? 0 : 1;
}
