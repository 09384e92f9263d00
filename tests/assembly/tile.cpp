// The full register tile alone, for tests/assembly/check.sh to look at.
#include <vitrine/kernels/matmul.hpp>

namespace vt = vitrine;
template void vt::kernels::multiply_tile<float, vt::kernels::tile_rows, 1>(const float*, vt::Index, const float*,
                                                                           vt::Index, vt::Index, vt::Index, float*,
                                                                           vt::Index, bool, vt::kernels::Ahead<float>,
                                                                           const vt::kernels::TileEnd<float>&);
