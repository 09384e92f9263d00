// vt::Mask from the parts that Python names. The parts, and what they point to, outlive the mask.
#pragma once
#include <stdexcept>
#include <vitrine/core/mask.hpp>

#include "backend.hpp"

namespace vitrine_python {
namespace {

// (B, H, T, S) of an array of 2 to 4 axes; three are PyTorch's (B * H, T, S).
inline std::vector<Index> four_axes(const std::vector<Index>& shape, Index heads) {
  if (shape.size() == 2) return {1, 1, shape[0], shape[1]};
  if (shape.size() == 4) return shape;
  if (shape.size() == 3 && shape[0] == 1) return {1, 1, shape[1], shape[2]};
  if (shape.size() == 3 && heads > 0 && shape[0] % heads == 0) return {shape[0] / heads, heads, shape[1], shape[2]};
  throw std::invalid_argument("vitrine: a mask is (T, S), (B * H, T, S) or (B, H, T, S)");
}
inline std::vector<Index> two_axes(const std::vector<Index>& shape) {
  if (shape.size() == 2) return shape;
  if (shape.size() == 1) return {1, shape[0]};
  throw std::invalid_argument("vitrine: a mask over keys is (B, S)");
}

template <class S>
vt::Mask<S> mask_part(const MaskPart& part, Index heads) {
  const auto* const flags = static_cast<const std::uint8_t*>(part.data);
  switch (part.kind) {
    case MaskPart::causal:
      return vt::causal(part.offset);
    case MaskPart::window:
      return vt::window(part.left, part.right, part.offset);
    case MaskPart::key_lengths:
      return vt::key_lengths(part.values);
    case MaskPart::key_flags: {
      const std::vector<Index> shape = two_axes(part.shape);
      return part.keep_if ? vt::key_flags(flags, shape[0], shape[1])
                          : vt::from_torch_key_padding_mask(flags, shape[0], shape[1]);
    }
    case MaskPart::keep_matrix: {
      const std::vector<Index> s = four_axes(part.shape, heads);
      if (part.keep_if) return vt::keep_matrix(flags, s[0], s[1], s[2], s[3]);
      return vt::from_torch_attn_mask(flags, s[0] * s[1], s[1], s[2], s[3]);
    }
    case MaskPart::bias: {
      const std::vector<Index> s = four_axes(part.shape, heads);
      return vt::additive_bias(static_cast<const S*>(part.data), s[0], s[1], s[2], s[3]);
    }
    case MaskPart::key_bias: {
      const std::vector<Index> shape = two_axes(part.shape);
      return vt::key_bias(static_cast<const S*>(part.data), shape[0], shape[1]);
    }
  }
  return {};
}

template <class S>
vt::Mask<S> mask(const MaskParts& parts, Index heads) {
  vt::Mask<S> all;
  for (const MaskPart& part : parts) all = all & mask_part<S>(part, heads);
  return all;
}

}  // namespace
}  // namespace vitrine_python
