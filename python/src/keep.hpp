// Policies and selections from what Python says, and the arrays of what was kept.
//
// A policy is a type in C++ and a word in Python. One type for all words keeps the extension small: AnyMaps holds what
// the word asks for.
#pragma once
#include <stdexcept>
#include <type_traits>
#include <variant>
#include <vitrine/core/compact_maps.hpp>
#include <vitrine/core/statistics.hpp>
#include <vitrine/vitrine.hpp>

#include "backend.hpp"

namespace vitrine_python {

// What the call that this thread makes keeps; results are made inside of calls.
struct ChosenPolicy {
  Keep::Policy policy = Keep::weights;
  Keep::MapStorage map_storage = Keep::f32;
};
inline thread_local ChosenPolicy chosen_policy;
class ChoosePolicy {
 public:
  explicit ChoosePolicy(const Keep& keep) : before_(chosen_policy) { chosen_policy = {keep.policy, keep.map_storage}; }
  ~ChoosePolicy() { chosen_policy = before_; }
  ChoosePolicy(const ChoosePolicy&) = delete;
  ChoosePolicy& operator=(const ChoosePolicy&) = delete;

 private:
  ChosenPolicy before_;
};

template <class S, class... More>
using MapsBesides = std::variant<vt::Maps<S>, vt::ScoredMaps<S>, vt::MeanMaps<S>, vt::Statistics<S>,
                                 vt::TopWeights<S, 8>, vt::Rollout<S>, More...>;
using Bytes = vt::CompactMaps<float, vt::MapStorage::u8>;
using Halves = vt::CompactMaps<float, vt::MapStorage::f16>;  // of bf16, too: only what writes the codes is another
// Every class of maps that there is of a scalar.
template <class S>
using MapsOf = std::conditional_t<std::is_same_v<S, float>, MapsBesides<S, Bytes, Halves>, MapsBesides<S>>;

// The maps, or the figures, of a layer or stack by the policy that was chosen when it was made. What layers and
// searches ask of maps, see vt::Maps.
template <class S, int Place>
class AnyMaps {
 public:
  AnyMaps() {
    switch (chosen_policy.policy) {
      case Keep::nothing:
        break;
      case Keep::weights:
        store_as(chosen_policy.map_storage);
        break;
      case Keep::scores:
        maps_.template emplace<vt::ScoredMaps<S>>();
        break;
      case Keep::head_mean:
        maps_.template emplace<vt::MeanMaps<S>>();
        break;
      case Keep::statistics:
        maps_.template emplace<vt::Statistics<S>>();
        break;
      case Keep::top8:
        maps_.template emplace<vt::TopWeights<S, 8>>();
        break;
      case Keep::rollout:
        if constexpr (Place == 0)
          maps_.template emplace<vt::Rollout<S>>();
        else
          nothing_ = true;
        break;
    }
  }
  // f(the maps of the class that was chosen).
  template <class F>
  decltype(auto) visit(F&& f) const {
    return std::visit(std::forward<F>(f), maps_);
  }
  Index batch() const {
    return visit([](const auto& maps) { return maps.batch(); });
  }
  Index heads() const {
    return visit([](const auto& maps) { return maps.heads(); });
  }
  Index memory_length(Index b = 0) const {
    return visit([&](const auto& maps) { return maps.memory_length(b); });
  }
  void use(const vt::Memory* memory) noexcept {
    std::visit([&](auto& maps) { maps.use(memory); }, maps_);
  }
  vt::Status prepare(const vt::MapShape& shape, vt::Selection selection, vt::Which kind) noexcept {
    if (refused_)
      return {vt::Status::not_supported,
              "maps of float64 layers are stored as float64: map_storage is of float32 layers"};
    if (nothing_) selection = {vt::Which::none};
    return std::visit([&](auto& maps) { return maps.prepare(shape, selection, kind); }, maps_);
  }
  vt::detail::AttentionSink<S> sink(Index layer) noexcept {
    auto sink = std::visit([&](auto& maps) { return vt::detail::sink_of<S>(maps, layer); }, maps_);
    if constexpr (std::is_same_v<S, float>)
      if (is_bf16_ && sink.any()) sink.compute_figures = vt::detail::attend_compact<S, vt::MapStorage::bf16>;
    return sink;
  }
  // Halves are those of bfloat16.
  bool is_bf16() const { return is_bf16_; }
  // As CompactMaps::code_bytes; 0 of maps that are no codes.
  Index code_bytes() const {
    return visit([](const auto& maps) {
      if constexpr (requires { maps.code_bytes(); })
        return maps.code_bytes();
      else
        return Index{0};
    });
  }

 private:
  void store_as(Keep::MapStorage storage) {
    if constexpr (std::is_same_v<S, float>) {
      if (storage == Keep::u8) maps_.template emplace<Bytes>();
      if (storage == Keep::f16 || storage == Keep::bf16) maps_.template emplace<Halves>();
      is_bf16_ = storage == Keep::bf16;
    } else {
      refused_ = storage != Keep::f32;
    }
  }

  MapsOf<S> maps_;
  bool nothing_ = false, refused_ = false, is_bf16_ = false;
};

struct AnyKeep {
  template <class S, int Place>
  using map = AnyMaps<S, Place>;
  vt::Selection selection = {};
};

}  // namespace vitrine_python

namespace vitrine::inline VITRINE_ABI::detail {
template <class S, int Place>
inline constexpr bool is_map<vitrine_python::AnyMaps<S, Place>> = true;
// Scratch for whichever was chosen.
template <class S, int Place>
inline constexpr Index figure_columns<vitrine_python::AnyMaps<S, Place>> =
    figure_columns<Statistics<S>> > figure_columns<Rollout<S>> ? figure_columns<Statistics<S>>
                                                               : figure_columns<Rollout<S>>;
}  // namespace vitrine::inline VITRINE_ABI::detail

namespace vitrine_python {
namespace {

inline vt::Selection selection(const Keep& keep) {
  vt::Selection chosen;
  chosen.which = vt::Which(keep.which);
  const auto insert = [](vt::IndexSet& set, bool all, const std::vector<Index>& indices) {
    if (all) return;
    set = vt::IndexSet({});
    for (const Index i : indices) set.insert(int(i < -1 || i > 1'000'000 ? -1 : i));
  };
  insert(chosen.layers, keep.all_layers, keep.layers);
  insert(chosen.heads, keep.all_heads, keep.heads);
  return chosen;
}

// A call with the policy that Python chose: f(policy).
template <class F>
auto with_keep(const Keep& keep, F&& f) {
  const ChoosePolicy chosen(keep);
  AnyKeep policy{selection(keep)};
  if (keep.policy == Keep::nothing) policy.selection.which = vt::Which::none;
  return f(policy);
}
// The same of what keeps whole rows, which a search can trace back.
template <class F>
auto with_maps(const Keep& keep, F&& f) {
  if (keep.policy > Keep::head_mean)
    throw std::invalid_argument(
        "vitrine: a search keeps \"weights\", \"scores\", \"head_mean\" or None; for figures of what it found, give "
        "that to score()");
  return with_keep(keep, std::forward<F>(f));
}

template <class S>
Array view(const S* data, std::vector<Index> shape, std::vector<Index> strides = {}) {
  constexpr Array::Type types[] = {Array::u8, Array::f16, Array::f32, Array::f64};
  constexpr Array::Type type = types[sizeof(S) == 8 ? 3 : sizeof(S) / 2];
  Array array{data, type, std::move(shape), std::move(strides)};
  if (array.strides.empty()) {
    array.strides.assign(array.shape.size(), 1);
    for (std::size_t i = array.shape.size(); i-- > 1;) array.strides[i - 1] = array.strides[i] * array.shape[i];
  }
  return array;
}

// All sequences of a batch as one array, or one of them (then without the axis B).
inline constexpr Index whole = -1;

template <class S>
void add_output(std::vector<Entry>& to, const char* member, const vt::Tensor<S>& tensor, Index sequence = whole) {
  if (tensor.batch() == 0 && tensor.width() == 0) return;
  if (sequence != whole) {
    const auto rows = tensor.matrix(sequence);
    to.push_back({member, "", -1, view(rows.data(), {rows.rows(), rows.cols()})});
  } else {
    to.push_back({member, "", -1, view(tensor.data(), {tensor.batch(), tensor.length(), tensor.width()})});
  }
}

// The first head of a layer that was kept, and how many there are.
struct KeptHeads {
  Index first = -1, count = 0;
};
template <class M>
KeptHeads kept_heads(const M& maps, Index layer) {
  KeptHeads kept;
  for (Index h = maps.heads(); h-- > 0;)
    if (maps.kept(layer, h)) kept.first = h, ++kept.count;
  return kept;
}

template <class S, class M>
void add_layer(std::vector<Entry>& to, const char* member, const M& maps, Index layer, Index shown, Index sequence) {
  const KeptHeads kept = kept_heads(maps, layer);
  const Index head = kept.first, count = kept.count;
  if (count == 0 || maps.batch() == 0) return;
  const Index b = sequence == whole ? 0 : sequence, rows = maps.length(b), columns = maps.memory_length(b);
  // Heads of one sequence, `one` values apart, each of this shape and these strides.
  const auto add = [&](const char* field, const auto* first, Index one, std::vector<Index> shape,
                       std::vector<Index> strides) {
    shape.insert(shape.begin(), count), strides.insert(strides.begin(), one);
    if (sequence == whole) shape.insert(shape.begin(), maps.batch()), strides.insert(strides.begin(), count * one);
    to.push_back({member, field, shown, view(first, std::move(shape), std::move(strides))});
  };
  if constexpr (requires { maps[layer].entropy(Index{}, Index{}); }) {
    const Index one = 4 * rows + columns;
    const S* const largest = maps[layer].largest(b, head).data();
    add("entropy", maps[layer].entropy(b, head).data(), one, {rows}, {1});
    add("largest", largest, one, {rows}, {1});
    add("largest_key", largest + rows, one, {rows}, {1});
    add("log_sum_exp", maps[layer].log_sum_exp(b, head).data(), one, {rows}, {1});
    add("received", maps[layer].received(b, head).data(), one, {columns}, {1});
  } else if constexpr (requires { maps[layer].weights(Index{}, Index{}); }) {
    const auto weights = maps[layer].weights(b, head);
    const Index top = weights.cols(), one = 2 * top * rows;
    add("weights", weights.data(), one, {rows, top}, {top, 1});
    add("keys", weights.data() + top * rows, one, {rows, top}, {top, 1});
  } else if constexpr (std::is_same_v<M, vt::MeanMaps<S>>) {
    std::vector<Index> shape{rows, columns};
    if (sequence == whole) shape.insert(shape.begin(), maps.batch());
    to.push_back({member, "weights", shown, view(maps[layer].matrix(b).data(), std::move(shape))});
  } else if constexpr (requires { maps.code_bytes(); }) {
    add("weights", maps[layer].matrix(b, head).codes(), rows * columns, {rows, columns}, {columns, 1});
  } else {
    add("weights", maps[layer].matrix(b, head).data(), rows * columns, {rows, columns}, {columns, 1});
    if constexpr (std::is_same_v<M, vt::ScoredMaps<S>>)
      add("scores", maps[layer].scores(b, head).data(), rows * columns, {rows, columns}, {columns, 1});
  }
}

// Every map of a member; stack: one for each layer.
template <class S, class M>
void add_all(std::vector<Entry>& to, const char* member, const M& maps, bool stack, Index sequence) {
  if constexpr (std::is_same_v<M, vt::Rollout<S>>) {
    if (maps.batch() == 0 || !maps.kept(0, 0)) return;
    const Index b = sequence == whole ? 0 : sequence;
    std::vector<Index> shape{maps.length(b), maps.length(b)};
    if (sequence == whole) shape.insert(shape.begin(), maps.batch());
    to.push_back({member, "rollout", -1, view(maps.matrix(b).data(), std::move(shape))});
  } else {
    for (Index layer = 0; layer < maps.layers(); ++layer)
      add_layer<S>(to, member, maps, layer, stack ? layer : -1, sequence);
  }
}
template <class S, class M>
void add_maps(std::vector<Entry>& to, const char* member, const M& maps, bool stack, Index sequence = whole) {
  if constexpr (requires { maps.batch(); }) {
    const std::size_t before = to.size();
    maps.visit([&](const auto& chosen) { add_all<S>(to, member, chosen, stack, sequence); });
    for (std::size_t i = before; i < to.size() && maps.is_bf16(); ++i) to[i].array.type = Array::bf16;
  }
}

}  // namespace
}  // namespace vitrine_python
