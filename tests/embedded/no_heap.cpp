// Layers and stacks of fixed sizes, every policy, without one allocation. Also compiles without exceptions and RTTI,
// and for 32-bit machines; see check.sh. Prints the number of calls and of allocations; exits with 1 when one
// allocated.
#include <vitrine/layers/multihead_attention.hpp>
#include <vitrine/models/decoder.hpp>
#include <vitrine/models/encoder.hpp>

#include <cstdio>

#include "stored_dims.hpp"

static long allocations = 0;
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void* malloc(std::size_t bytes) { return ++allocations, __libc_malloc(bytes); }
void* calloc(std::size_t count, std::size_t bytes) { return ++allocations, __libc_calloc(count, bytes); }
void* realloc(void* old, std::size_t bytes) { return ++allocations, __libc_realloc(old, bytes); }
void* aligned_alloc(std::size_t unit, std::size_t bytes) { return ++allocations, __libc_memalign(unit, bytes); }
}

namespace vt = vitrine;

namespace {

constexpr vt::Dims dims{
    .d_model = 24, .nhead = 3, .dim_feedforward = 40, .num_layers = 2, .max_length = 9, .max_memory_length = 7};
float weights[40000], x[9 * 24], memory[7 * 24], output[9 * 24], self_maps[2 * 3 * 9 * 9], self_scores[2 * 3 * 9 * 9],
    cross_maps[2 * 3 * 9 * 7], cross_scores[2 * 3 * 9 * 7];
alignas(64) std::byte scratch[vt::Decoder<float, dims>::workspace_bytes()],
    traced_scratch[vt::Decoder<float, dims>::traced_workspace_bytes()];
int calls = 0, wrong = 0;

constexpr vt::Index width = vt::kernels::panel_width<float>;

template <class Layer>
Layer bound(Layer layer) {
  const float* next = weights;
  layer.parameters([&](const char* name, const vt::Parameter<float>& p) {
    if constexpr (is_stored<Layer>)
      if (p.declared != vt::Storage::f32) {  // any words are codes or halves
        const auto* const words = reinterpret_cast<const vt::StoredWord*>(next);
        const vt::Index size = vt::detail::stored_size(p, *vt::detail::stored_weight(p.declared));
        next += size;
        if (layer.bind(name, std::span(words, std::size_t(size)), width) != vt::Status::ok) ++wrong;
        return;
      }
    const auto values = std::span<const float>(next, std::size_t(p.elements()));
    next += p.elements();
    if (layer.bind(name, values) != vt::Status::ok) ++wrong;
  });
  if (!layer.loaded() || next > weights + sizeof weights / sizeof *weights) ++wrong;
  return layer;
}
void expect(vt::Status status, vt::Status::Code code = vt::Status::ok) {
  ++calls;
  if (status == code) return;
  ++wrong;
  std::printf("%s: %s (%ld, %ld)\n", vt::name(status.code), status.sentence, long(status.actual),
              long(status.expected));
}

template <class K>
auto self_result(const K&) {
  using Map = typename K::template map<float, 0>;
  vt::EncoderResult<K, float> result;
  result.output = vt::Tensor<float>(std::span<float>(output));
  if constexpr (std::is_same_v<Map, vt::ScoredMaps<float>>)
    result.self_attn = Map(self_maps, self_scores);
  else if constexpr (!std::is_empty_v<Map>)
    result.self_attn = Map(self_maps);
  return result;
}
template <class K>
auto both_result(const K&) {
  using Map = typename K::template map<float, 0>;
  vt::DecoderResult<K, float> result;
  result.output = vt::Tensor<float>(std::span<float>(output));
  if constexpr (std::is_same_v<Map, vt::ScoredMaps<float>>)
    result.self_attn = Map(self_maps, self_scores), result.cross_attn = Map(cross_maps, cross_scores);
  else if constexpr (!std::is_empty_v<Map>)
    result.self_attn = Map(self_maps), result.cross_attn = Map(cross_maps);
  return result;
}

const vt::Sequences<float> in(x, 1, 9, 24), of(memory, 1, 7, 24);

template <class K>
void all(const K& keep) {
  vt::Workspace workspace(scratch);
  auto self = self_result(keep);
  auto both = both_result(keep);
  expect(bound(vt::Encoder<float, dims>()).forward_into(self, workspace, in, {.src_mask = vt::causal()}, keep));
  expect(bound(vt::EncoderLayer<float, dims>()).forward_into(self, workspace, in, {}, keep));
  expect(bound(vt::MultiheadAttention<float, dims>()).forward_into(self, workspace, in, {}, keep));
  expect(bound(vt::Decoder<float, dims>()).forward_into(both, workspace, in, of, {.tgt_mask = vt::causal()}, keep));
  expect(bound(vt::DecoderLayer<float, dims>()).forward_into(both, workspace, in, of, {}, keep));
  vt::Workspace little(std::span<std::byte>(scratch, 1000));
  expect(bound(vt::Encoder<float, dims>()).forward_into(self, little, in, {}, keep), vt::Status::workspace_too_small);
  self.output = vt::Tensor<float>(std::span<float>(output, 9 * 24 - 1));
  expect(bound(vt::Encoder<float, dims>()).forward_into(self, workspace, in, {}, keep), vt::Status::result_too_small);
}

template <vt::Storage storage>
void stored_layers() {
  constexpr vt::Dims as = stored_as(dims, storage);
  vt::Workspace workspace(scratch);
  auto self = self_result(vt::keep::weights);
  auto both = both_result(vt::keep::weights);
  expect(bound(vt::Encoder<float, as>()).forward_into(self, workspace, in));
  expect(bound(vt::MultiheadAttention<float, as>()).forward_into(self, workspace, in));
  expect(bound(vt::Decoder<float, as>()).forward_into(both, workspace, in, of));
  vt::Encoder<float, as> model;
  expect(model.forward_into(self, workspace, in), vt::Status::not_loaded);
  expect(model.bind("layers.0.linear1.weight", std::span<const float>(weights, 40 * 24)), vt::Status::not_supported);
}

}  // namespace

int main() {
  for (std::size_t i = 0; i < sizeof weights / sizeof *weights; ++i)
    weights[i] = float(int((std::uint32_t(i) * 2654435761u) >> 20) - 2048) * 0x1p-13f;
  for (std::size_t i = 0; i < 9 * 24; ++i) x[i] = weights[i * 7] * 4;
  for (std::size_t i = 0; i < 7 * 24; ++i) memory[i] = weights[i * 5] * 4;
  const long before = allocations;
  all(vt::keep::weights);
  all(vt::keep::scores);
  all(vt::keep::head_mean);
  all(vt::keep::nothing);
  all(vt::keep::weights.only({.layers = {0}, .heads = {2}}));
  stored_layers<vt::Storage::int8>();
  stored_layers<vt::Storage::f16>();
  vt::Workspace traced(traced_scratch);
  auto both = both_result(vt::keep::nothing);
  int shown = 0;
  expect(bound(vt::Decoder<float, dims>())
             .forward_into(both, traced, in, of, {}, vt::keep::nothing,
                           [&](std::string_view, vt::Index, const vt::TraceView<float>&) { ++shown; }));
  if (shown != 2 * 24) ++wrong;
  const long during = allocations - before;
  std::printf("%d calls, %ld allocations, %d wrong\n", calls, during, wrong);
  return during != 0 || wrong != 0;
}
