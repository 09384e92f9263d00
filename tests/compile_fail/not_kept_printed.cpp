// What is done with a map that is not there adds no errors of its own: at most 40 lines in all (check.sh).
// expect: vitrine: this map was not kept; ask for it with vt::keep::weights
#include <iostream>
#include <vitrine/vitrine.hpp>

void print(const vt::EncoderLayer<float>& layer, const vt::RowMajor<float>& x) {
#ifdef FIXED
  const auto result = layer(x, {}, vt::keep::weights);
#else
  const auto result = layer(x, {}, vt::keep::nothing);
#endif
  std::cout << result.self_attn.matrix(0, 0) << result.self_attn.matrix(0, 0).row(0).sum();
}
