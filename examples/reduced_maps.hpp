// Fewer maps of a group: the mean of each layer's heads, or attention rollout (Abnar and Zuidema 2020), as groups of
// one head that own their values.
#pragma once
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>
#include <vitrine/inspect/map_group.hpp>
#include <vitrine/inspect/rollout.hpp>

namespace reduced {

namespace vt = vitrine;
namespace inspect = vt::inspect;
using vt::Index;
using Matrix = vt::RowMajor<float>;

inline Matrix mean_of_heads(const inspect::MapGroup& group, Index layer) {
  Matrix sum = Matrix::Zero(group.query_count(), group.key_count());
  Index heads = 0;
  for (Index head = 0; head < group.heads; ++head)
    if (const float* map = group.map(layer, head); map != nullptr) {
      sum += Eigen::Map<const Matrix>(map, sum.rows(), sum.cols());
      ++heads;
    }
  return heads > 0 ? Matrix(sum / float(heads)) : Matrix();
}

// Each layer's mean; with `rolled` the rollout through it and all layers below.
inline inspect::MapGroup reduce(const inspect::MapGroup& group, bool rolled) {
  auto maps = std::make_shared<std::vector<Matrix>>();
  for (Index layer = 0; layer < group.layers; ++layer) {
    Matrix mean = mean_of_heads(group, layer);
    if (rolled && mean.size() == 0)
      throw std::invalid_argument("a rollout goes through all layers: leave --layers out");
    maps->push_back(rolled ? inspect::roll_layer<float>(mean, layer > 0 ? maps->back() : Matrix(), 0.5f)
                           : std::move(mean));
  }
  inspect::MapGroup result = group;
  result.heads = 1;
  result.map = [maps](Index layer, Index) {
    const Matrix& one = (*maps)[std::size_t(layer)];
    return one.size() > 0 ? one.data() : nullptr;
  };
  return result;
}

// All groups of an example; a rollout has none for cross-attention, which is no map of a sequence to itself.
inline void reduce(inspect::Example& example, bool rolled) {
  if (rolled) std::erase_if(example.groups, [](const inspect::MapGroup& group) { return group.kind == "cross"; });
  for (inspect::MapGroup& group : example.groups) group = reduce(group, rolled);
}

}  // namespace reduced
