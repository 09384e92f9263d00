// The full register tile alone, for tests/assembly/check.sh to look at.
#include <vitrine/kernels/matmul.hpp>

namespace vt = vitrine;
template void vt::kernels::multiply_tile<float, vt::kernels::tile_rows, 1>(const vt::kernels::TileProduct<float>&);
