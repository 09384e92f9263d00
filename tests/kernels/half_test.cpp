// Every finite bf16 and f16 in a panel: packed, read and widened it is the same value.
#include <vitrine/core/half.hpp>
#include <vitrine/kernels/half.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace vt = vitrine;
namespace kernels = vitrine::kernels;
using vt::Index;
using vt::Storage;

namespace {

template <Storage F>
std::vector<float> finite_values() {
  std::vector<float> values;
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const auto half = std::uint16_t(bits);
    const float value = F == Storage::f16 ? vt::half_to_float(half) : vt::bfloat16_to_float(half);
    if (std::isfinite(value)) values.push_back(value);
  }
  return values;
}

template <Storage F>
void check_panels() {
  constexpr Index width = kernels::panel_width<float>;
  const std::vector<float> all = finite_values<F>();
  for (const Index depth : {Index{513}, Index{512}}) {  // columns of a panel: an odd number and an even one
    const Index rows = Index(all.size()) / depth;
    int wrong = 0;
    for (Index p = 0; p < kernels::panel_count<float>(rows); ++p) {
      const kernels::StridedMatrix<float> matrix{all.data(), rows, depth, 1};
      std::vector<float> panel(std::size_t(width * kernels::half_columns(depth))), wide(std::size_t(width * depth)),
          expected(wide.size());
      kernels::half_pack<F>(matrix, p * width, depth, panel.data());
      kernels::half_widen<F>(panel.data(), depth, wide.data());
      kernels::pack_panel<float>(matrix, p * width, 0, depth, expected.data());
      wrong += std::memcmp(wide.data(), expected.data(), wide.size() * sizeof(float)) != 0;
      for (Index row = 0; row < width; ++row) {
        std::vector<float> read(std::size_t(depth - 1));
        kernels::half_unpack<F>(panel.data(), row, depth, 1, depth - 1, read.data());
        for (Index k = 1; k < depth; ++k)
          wrong += std::bit_cast<std::uint32_t>(read[std::size_t(k - 1)]) !=
                   std::bit_cast<std::uint32_t>(expected[std::size_t(k * width + row)]);
      }
    }
    CHECK(wrong == 0);
  }
}

}  // namespace

TEST_CASE("every finite bf16 and f16 is the same value in a panel, read from it, and in a panel that was widened") {
  check_panels<Storage::bf16>();
  check_panels<Storage::f16>();
}
