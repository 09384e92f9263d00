// A product in int8 alone, for tests/assembly/check.sh to look for AMX in.
#include <vitrine/kernels/int8.hpp>

namespace kernels = vitrine::kernels;
void multiply(const kernels::Product<float>& product, const kernels::Int8Rows& rows, vitrine::Index count) {
  kernels::int8_matmul(product, rows, count, 0, 1);
}
