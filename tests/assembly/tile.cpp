// The full register tile alone, for tests/assembly/check.sh to look at: of values, or of int8.
#include <vitrine/kernels/int8.hpp>

namespace vt = vitrine;
#if VITRINE_TILE_INT8
template void vt::kernels::int8_tile<vt::kernels::tile_rows, 1>(const vt::kernels::TileProduct<float>&,
                                                                const vt::kernels::Int8Rows&,
                                                                const vt::kernels::Int8Done&);
#else
template void vt::kernels::multiply_tile<float, vt::kernels::tile_rows, 1>(const vt::kernels::TileProduct<float>&);
#endif
