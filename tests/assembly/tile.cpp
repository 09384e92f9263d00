// The full register tile alone, for tests/assembly/check.sh to look at: of values, of int8 or of pairs of bf16, by a
// panel or by half of one.
#include <vitrine/kernels/half.hpp>
#include <vitrine/kernels/int8.hpp>

#ifndef VITRINE_TILE_VECTORS
#define VITRINE_TILE_VECTORS 2
#endif
namespace vitrine::inline VITRINE_ABI::kernels {
#if VITRINE_TILE_INT8
template void int8_tile<tile_rows>(const TileProduct<float>&, const Int8Rows&, const Int8Done&);
#elif VITRINE_TILE_BF16
template void half_tile<detail::Bf16Pairs, tile_rows, 1, VITRINE_TILE_VECTORS>(const TileProduct<float>&);
#else
template void multiply_tile<float, tile_rows, 1, VITRINE_TILE_VECTORS>(const TileProduct<float>&);
#endif
}  // namespace vitrine::inline VITRINE_ABI::kernels
