// A module case in other surroundings: padding, neighbours in the batch, or packed rows. What it computes for its own
// rows must have the same bits everywhere (examples/threads.md).
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "../../examples/module_case.hpp"

namespace module_case {

struct Placement {
  Index left = 0, right = 0;  // padded rows before and after each sequence; they hold NaN
  Index neighbours = 0;       // other sequences in the batch, half of them before the case's own
  bool ragged = false;        // packed rows, neighbours of other lengths; left and right have no meaning
};

// The case's own rows are those before the keys that every mask ignores at a sequence's end: padding that the case
// itself brought along counts as surroundings, so that packed rows can do without it.
template <class S>
void trim(Case<S>& c) {
  for (auto& [name, input] : c.inputs) {
    std::vector<Index> longest(std::size_t(input.batch), 0);
    bool any = false;
    for (std::size_t m = 0; m < c.masks.size(); ++m) {
      std::string columns = c.kind->masks[m].columns;
      const bool mine = columns == name || (columns == "key" && (name == "value" || c.self_attention));
      if (!mine) continue;
      any = true;
      const MaskInput<S>& mask = c.masks[m];
      for (Index b = 0; b < input.batch; ++b) {
        Index end = input.length;
        if (!mask.ignore_keys.empty())
          while (end > 0 && mask.ignore_keys[std::size_t(b * input.length + end - 1)] != 0) --end;
        longest[std::size_t(b)] = std::max(longest[std::size_t(b)], end);
      }
    }
    if (any) input.real = longest;
  }
}

// Does every row of the decoder's self-attention leave the later keys alone?
template <class S>
bool is_causal(const Case<S>& c) {
  if (c.kind->inputs.size() != 2) return false;
  const std::size_t self = c.kind->masks.size() == 3 ? 1 : 0;
  const MaskInput<S>& mask = c.masks[self];
  if (c.inputs.at("tgt").length <= 1) return true;
  if (mask.planes == 0) return false;
  for (Index p = 0; p < mask.planes; ++p)
    for (Index i = 0; i < mask.rows; ++i)
      for (Index j = i + 1; j < mask.columns; ++j) {
        const auto at = std::size_t((p * mask.rows + i) * mask.columns + j);
        if (mask.bias.empty() ? mask.ignore[at] == 0 : !vt::detail::is_minus_infinity(mask.bias[at])) return false;
      }
  return true;
}

// A generator for surroundings; any will do.
class Noise {
 public:
  double operator()() {  // in [-1, 1)
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return double(std::int64_t(state_)) * 0x1p-63;
  }
  Index below(Index n) { return std::min(n - 1, Index(((*this)() + 1) / 2 * double(n))); }

 private:
  std::uint64_t state_ = 12345;
};

template <class S>
Case<S> place(Case<S> c, const Placement& place) {
  trim(c);
  Noise noise;
  const Index own = Index(c.batches.size()), before = place.neighbours / 2, batch = own + place.neighbours;
  const Index left = place.ragged ? 0 : place.left, right = place.ragged ? 0 : place.right;
  const auto source = [&](Index b) { return b >= before && b < before + own ? b - before : Index{-1}; };
  const Case<S> old = c;

  // Neighbours' lengths are the same for inputs that belong together.
  std::map<std::string, std::vector<Index>> lengths;
  for (const char* name : c.kind->inputs) {
    const Input<S>& from = old.inputs.at(name);
    const std::string with = name == std::string("value") ? "key" : name;
    const auto known = lengths.find(c.self_attention ? "query" : with);
    if (known != lengths.end()) {
      lengths[name] = known->second;
      continue;
    }
    for (Index b = 0; b < batch; ++b)
      lengths[name].push_back(source(b) >= 0 ? from.real[std::size_t(source(b))] : 1 + noise.below(from.length));
  }
  for (const char* name : c.kind->inputs) {
    const Input<S>& from = old.inputs.at(name);
    Input<S>& to = c.inputs.at(name);
    to.batch = batch, to.left = left;
    to.values.clear(), to.lengths.clear();
    to.real.assign(std::size_t(batch), from.length);
    for (Index b = 0; b < own; ++b) to.real[std::size_t(before + b)] = from.real[std::size_t(b)];
    const auto rows = [&](Index b, Index first, Index last) {
      for (Index i = first * from.width; i < last * from.width; ++i)
        to.values.push_back(source(b) < 0 ? S(noise())
                                          : from.values[std::size_t(source(b) * from.length * from.width + i)]);
    };
    if (place.ragged) {
      to.lengths = lengths[name];
      to.length = *std::max_element(to.lengths.begin(), to.lengths.end());
      for (Index b = 0; b < batch; ++b) rows(b, 0, to.lengths[std::size_t(b)]);
      continue;
    }
    to.length = left + from.length + right;
    for (Index b = 0; b < batch; ++b) {
      to.values.insert(to.values.end(), std::size_t(left * from.width), std::numeric_limits<S>::quiet_NaN());
      rows(b, 0, from.length);
      to.values.insert(to.values.end(), std::size_t(right * from.width), std::numeric_limits<S>::quiet_NaN());
    }
  }
  c.batches.clear();
  for (Index b = 0; b < own; ++b) c.batches.push_back(before + b);

  for (std::size_t m = 0; m < c.masks.size(); ++m) {
    const MaskInput<S>& from = old.masks[m];
    MaskInput<S>& to = c.masks[m];
    const Input<S>&rows = c.inputs.at(c.kind->masks[m].rows), &columns = c.inputs.at(c.kind->masks[m].columns);
    const Index length = old.inputs.at(c.kind->masks[m].columns).length;
    if (from.planes > 0) {
      const bool causal = c.kind->masks[m].rows == c.kind->masks[m].columns && is_causal(old);  // stays so outside
      to.planes = from.planes == 1 ? 1 : batch * c.heads;
      to.rows = rows.length, to.columns = columns.length;
      to.ignore.clear(), to.bias.clear();
      for (Index plane = 0; plane < to.planes; ++plane) {
        const Index b = from.planes == 1 ? 0 : source(plane / c.heads);
        for (Index i = 0; i < to.rows; ++i)
          for (Index j = 0; j < to.columns; ++j) {
            const Index old_i = i - left, old_j = j - left;
            const bool inside = b >= 0 && old_i >= 0 && old_j >= 0 && old_i < from.rows && old_j < from.columns;
            const Index old_plane = from.planes == 1 ? 0 : b * c.heads + plane % c.heads;
            const auto at = std::size_t((old_plane * from.rows + old_i) * from.columns + old_j);
            if (from.bias.empty())
              to.ignore.push_back(inside ? from.ignore[at] : std::uint8_t(causal && j > i));
            else
              to.bias.push_back(inside ? from.bias[at] : causal && j > i ? -std::numeric_limits<S>::infinity() : S(0));
          }
      }
    }
    to.ignore_keys.clear(), to.key_lengths.clear();
    if (from.ignore_keys.empty() && left == 0) {
      if (right > 0) to.key_lengths.assign(std::size_t(batch), length);
      continue;
    }
    to.key_batch = batch, to.key_length = columns.length;
    for (Index b = 0; b < batch; ++b)
      for (Index j = 0; j < columns.length; ++j) {
        const Index old_j = j - left;
        const bool padded = old_j < 0 || old_j >= length;
        const bool ignored = !padded && source(b) >= 0 && !from.ignore_keys.empty() &&
                             from.ignore_keys[std::size_t(source(b) * length + old_j)] != 0;
        to.ignore_keys.push_back(padded || ignored);
      }
  }
  return c;
}

}  // namespace module_case
