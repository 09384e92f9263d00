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
  VITRINE_INSTANCE template void kernels::pack_panel<S>(const S*, Index, Index, Index, Index, Index, Index, S*);       \
  VITRINE_INSTANCE template void kernels::matmul<S>(const kernels::Product<S>&, Index, Index, Index);                  \
  VITRINE_INSTANCE template void kernels::pack_matrix<S>(const kernels::Matrices<S>&, Index, Index, S*);               \
  VITRINE_INSTANCE template Status kernels::batched_matmul<S>(const kernels::BatchedProduct<S>&, Workspace&) noexcept; \
  VITRINE_INSTANCE template void kernels::attend<S>(const kernels::AttentionHead<S>&, Index, Index, S*);               \
  VITRINE_INSTANCE template void detail::linear<S>(Team&, S*, const Parameter<S>&, Index,                              \
                                                   const detail::LinearCall<S>&);                                      \
  VITRINE_INSTANCE template struct detail::Norm<S>;                                                                    \
  VITRINE_INSTANCE template struct detail::AttentionCore<S>;                                                           \
  VITRINE_INSTANCE template struct detail::FeedForwardCore<S>;                                                         \
  VITRINE_INSTANCE template struct detail::EncoderLayerCore<S>;                                                        \
  VITRINE_INSTANCE template struct detail::DecoderLayerCore<S>;                                                        \
  VITRINE_INSTANCE template void detail::attend<S>(Team&, const detail::Scratch<S>&, const detail::Attend<S>&, Index); \
  VITRINE_INSTANCE template void detail::EncoderLayerCore<S>::operator()<detail::Untraced>(                            \
      Team&, const detail::EncoderLayerCore<S>::Plan&, const S*, S*, const Mask<S>*, const S*, const MapSink<S>&,      \
      Index, const detail::Untraced&) const;                                                                           \
  VITRINE_INSTANCE template void detail::DecoderLayerCore<S>::operator()<detail::Untraced>(                            \
      Team&, const detail::DecoderPlan<S>&, const S*, S*, const detail::DecoderPass<S>&, const detail::Untraced&)      \
      const;
VITRINE_INSTANCES_OF(float)
VITRINE_INSTANCES_OF(double)
#undef VITRINE_INSTANCES_OF

}  // namespace vitrine::inline VITRINE_ABI
