// Kernels, and what layers do with them: what every program of ours would compile again is compiled once
// (instances.cpp). CMake puts this header before the sources of tests/ and examples/ (not of bench/); none includes it,
// and all compile without it, as meson shows.
#pragma once
#include <vitrine/vitrine.hpp>

#ifndef VITRINE_INSTANCE
#define VITRINE_INSTANCE extern
#endif

namespace vitrine::inline VITRINE_ABI {

#define VITRINE_INSTANCES_OF(S)                                                                                        \
  VITRINE_INSTANCE template void kernels::pack_panel<S>(const kernels::StridedMatrix<S>&, Index, Index, Index, S*);    \
  VITRINE_INSTANCE template void kernels::matmul<S>(const kernels::Product<S>&, Index, Index, Index);                  \
  VITRINE_INSTANCE template void kernels::pack_matrix<S>(const kernels::Matrices<S>&, Index, Index, S*);               \
  VITRINE_INSTANCE template Status kernels::batched_matmul<S>(const kernels::BatchedProduct<S>&, Workspace&) noexcept; \
  VITRINE_INSTANCE template void kernels::attend_head<S>(const kernels::AttentionHead<S>&, Index, Index, S*);          \
  VITRINE_INSTANCE template void detail::linear<S>(Team&, const detail::LinearCall<S>&);                               \
  VITRINE_INSTANCE template void detail::deal_out_heads<S>(const detail::Runner<S>&, const detail::AttentionCall<S>&); \
  VITRINE_INSTANCE template struct detail::NormCore<S>;                                                                \
  VITRINE_INSTANCE template struct detail::AttentionCore<S>;                                                           \
  VITRINE_INSTANCE template struct detail::FeedForwardCore<S>;                                                         \
  VITRINE_INSTANCE template struct detail::EncoderLayerCore<S>;                                                        \
  VITRINE_INSTANCE template struct detail::DecoderLayerCore<S>;                                                        \
  VITRINE_INSTANCE template void detail::EncoderLayerCore<S>::operator()<detail::Untraced>(                            \
      const detail::Runner<S>&, const detail::Rows<const S>&, const detail::Rows<S>&, const detail::AttentionCall<S>&) \
      const;                                                                                                           \
  VITRINE_INSTANCE template void detail::DecoderLayerCore<S>::operator()<detail::Untraced>(                            \
      const detail::Runner<S>&, const detail::Rows<const S>&, const detail::Rows<S>&,                                  \
      const detail::DecoderAttentions<S>&) const;
VITRINE_INSTANCES_OF(float)
VITRINE_INSTANCES_OF(double)
#undef VITRINE_INSTANCES_OF

}  // namespace vitrine::inline VITRINE_ABI
