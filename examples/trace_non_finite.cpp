// Where does the NaN come from? The first intermediate of a model that holds a value which is not finite, and the
// largest one before it. One layer of this encoder has a weight that is too large, as half precision or a broken file
// leave it. (Not for -ffast-math, which assumes that there is none.)
#include <vitrine/vitrine.hpp>

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

namespace {

struct FirstBad {
  std::string name, before;
  vt::Index layer = -1, token = 0, column = 0;
  float value = 0, largest = 0;  // largest |value| of `before`, the intermediate shown last before it

  void operator()(std::string_view now, vt::Index in_layer, const vt::TraceView<float>& view) {
    if (!name.empty()) return;
    float most = 0;
    view.each([&](const auto& matrix) {
      for (vt::Index i = 0; i < matrix.rows(); ++i)
        for (vt::Index j = 0; j < matrix.cols(); ++j) {
          const float x = matrix(i, j);
          if (std::isfinite(x)) {
            most = std::fmax(most, std::abs(x));
          } else if (!(now.ends_with("scores") && x < 0) && name.empty()) {  // -inf in the scores is a masked key
            name = now, layer = in_layer, token = i, column = j, value = x;
          }
        }
    });
    if (name.empty()) before = now, largest = most;
  }
};

}  // namespace

int main() {
  std::fprintf(stderr, "%s\n", vt::build_info().data());
  const vt::Index width = 32, hidden = 64;
  vt::Encoder<float> encoder(
      {.layer = {.d_model = width, .nhead = 4, .dim_feedforward = hidden, .activation = vt::Activation::gelu},
       .num_layers = 6});
  vt::throw_if_failed(encoder.init(1));
  std::vector<float> planted(std::size_t(hidden * width), 0.01f);
  planted[5 * width + 7] = 3e38f;  // of linear1's column 5
  vt::throw_if_failed(encoder.bind("layers.3.linear1.weight", planted));

  vt::RowMajor<float> x(8, width);
  for (int i = 0; i < 8; ++i)
    for (int j = 0; j < width; ++j) x(i, j) = float((7 * i + 5 * j * j) % 13 - 6);
  FirstBad bad;
  const auto r = encoder(x, {.src_mask = vt::causal()}, vt::keep::nothing, bad);
  int tokens = 0;
  for (vt::Index t = 0; t < 8; ++t) tokens += !std::isfinite(r.output.matrix().row(t).sum());
  std::printf("the output is not finite for %d of 8 tokens\n", tokens);
  if (bad.name.empty()) return std::printf("every intermediate is finite\n"), 1;
  std::printf("first in %s (layer %td): %g, token %td, column %td\nbefore it %s, whose largest |value| is %g\n",
              bad.name.c_str(), bad.layer, double(bad.value), bad.token, bad.column, bad.before.c_str(),
              double(bad.largest));
  return bad.name == "layers.3.linear1" && bad.column == 5 ? 0 : 1;
}
