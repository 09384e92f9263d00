// Counts every allocation of the process: layers of fixed sizes make none, calls with a reused result and workspace
// make none from the second on. Exits with 1 when one is made, 77 when they cannot be counted (a sanitizer's malloc).
#include "../../bench/count_allocations.hpp"

#include <vitrine/vitrine.hpp>

#include <cstdio>

namespace {

using vt::Index;
int failures = 0;

#define CHECK(condition) \
  ((condition) ? void() : (++failures, void(std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition))))

// Allocations while f runs.
template <class F>
long long allocations(F&& f) {
  const long long before = bench::allocation_count;
  f();
  return bench::allocation_count - before;
}

constexpr vt::Dims dims{.d_model = 16,
                        .nhead = 4,
                        .dim_feedforward = 24,
                        .num_layers = 2,
                        .max_batch = 2,
                        .max_length = 7,
                        .max_memory_length = 9};
float weights[4096], inputs[2 * 9 * 16];
alignas(vt::alignment) std::byte scratch[1 << 18];

template <class Layer>
void bind_all(Layer& layer) {
  struct Binding {
    char name[64];
    Index size;
  } bindings[64];
  int count = 0;
  layer.parameters([&](const char* name, const vt::Parameter<float>& p) {
    Binding& b = bindings[count++];
    int i = 0;
    for (; name[i] != 0; ++i) b.name[i] = name[i];
    b.name[i] = 0, b.size = p.elements();
  });
  for (int i = 0; i < count; ++i)
    CHECK(layer.bind(bindings[i].name, {weights + 5 * i, std::size_t(bindings[i].size)}) == vt::Status::ok);
  CHECK(layer.loaded());
}

void fixed_layers() {
  static float output[2 * 7 * 16], self[2 * 2 * 4 * 7 * 7], self_scores[2 * 2 * 4 * 7 * 7], cross[2 * 2 * 4 * 7 * 9];
  CHECK(allocations([] {
          vt::Workspace workspace(scratch);
          const vt::Sequences<float> tgt(inputs, 2, 7, 16), memory(inputs, 2, 9, 16);
          const Index lengths[] = {7, 3};
          {
            vt::EncoderLayer<float, dims> layer;
            bind_all(layer);
            const auto copy = layer;
            vt::EncoderResult<std::remove_cvref_t<decltype(vt::keep::scores)>, float> r{
                vt::Tensor<float>(output), vt::ScoredMaps<float>(self, self_scores)};
            CHECK(copy.forward_into(r, workspace, tgt, {.src_mask = vt::causal() & vt::key_lengths(lengths)},
                                    vt::keep::scores) == vt::Status::ok);
            CHECK(r.self_attn.matrix(1, 3).rows() == 7);
            CHECK(r.self_attn.scores(1, 3).cols() == 7);
          }
          {
            vt::Encoder<float, dims> encoder;
            bind_all(encoder);
            vt::EncoderResult<vt::DefaultKeep, float> r{vt::Tensor<float>(output), vt::Maps<float>(self)};
            CHECK(encoder.forward_into(r, workspace, tgt) == vt::Status::ok);
            const auto moved = static_cast<decltype(r)&&>(r);
            CHECK(moved.self_attn[1].matrix(1, 3).data() == self + 2 * 2 * 4 * 49 - 49);
            static std::uint8_t codes[2 * 2 * 4 * 7 * 7];
            vt::EncoderResult<vt::keep::Compact<vt::MapStorage::u8>, float> compact{
                vt::Tensor<float>(output), vt::CompactMaps<float, vt::MapStorage::u8>(codes)};
            CHECK(encoder.forward_into(compact, workspace, tgt, {}, vt::keep::weights.as<vt::MapStorage::u8>()) ==
                  vt::Status::ok);
            CHECK(compact.self_attn[1].matrix(1, 3).codes() == codes + 2 * 2 * 4 * 49 - 49);
          }
          {
            vt::Decoder<float, dims> decoder;
            bind_all(decoder);
            vt::DecoderResult<vt::DefaultKeep, float> r{vt::Tensor<float>(output), vt::Maps<float>(self),
                                                        vt::Maps<float>(cross)};
            CHECK(decoder.forward_into(r, workspace, tgt, memory, {.tgt_mask = vt::causal()}) == vt::Status::ok);
            CHECK(decoder.forward_into(r, workspace, memory, memory) == vt::Status::result_too_small);
            CHECK(decoder.forward_into(r, workspace, {inputs, 2, 7, 15}, memory) == vt::Status::bad_shape);
            vt::DecoderResult<vt::keep::Nothing, float> plain{vt::Tensor<float>(output)};
            CHECK(decoder.forward_into(plain, workspace, tgt, memory, {}, vt::keep::nothing) == vt::Status::ok);
            // A trace: the same bits, in caller memory of the stated size.
            static float traced[2 * 7 * 16];
            vt::Workspace larger(std::span<std::byte>(scratch).first(decoder.traced_workspace_bytes()));
            vt::DecoderResult<vt::keep::Nothing, float> shown{vt::Tensor<float>(traced)};
            int seen = 0;
            CHECK(decoder.forward_into(shown, larger, tgt, memory, {}, vt::keep::nothing,
                                       [&](std::string_view, Index layer, const vt::TraceView<float>& view) {
                                         seen += layer < 2 && view.batch() == 2;
                                       }) == vt::Status::ok);
            CHECK(seen == 2 * 24);
            for (int i = 0; i < 2 * 7 * 16; ++i) CHECK(traced[i] == output[i]);
          }
          {
            vt::MultiheadAttention<float, dims> mha;
            bind_all(mha);
            vt::SelfResult<std::remove_cvref_t<decltype(vt::keep::head_mean)>, float> r{vt::Tensor<float>(output),
                                                                                        vt::MeanMaps<float>(self)};
            CHECK(mha.forward_into(r, workspace, tgt, {}, vt::keep::head_mean) == vt::Status::ok);
            vt::CrossResult<vt::DefaultKeep, float> c{vt::Tensor<float>(output), {}, vt::Maps<float>(cross)};
            CHECK(mha.forward_into(c, workspace, tgt, memory, memory) == vt::Status::ok);
          }
        }) == 0);
  static_assert(vt::Decoder<float, dims>::workspace_bytes() <= sizeof scratch);
  static_assert(vt::Decoder<float, dims>::workspace_bytes() < vt::Decoder<float, dims>::traced_workspace_bytes());
}

template <class K>
void reused_results(int threads, const K& keep) {
  vt::Transformer<float> model(
      {.d_model = 16, .nhead = 4, .num_encoder_layers = 2, .num_decoder_layers = 2, .dim_feedforward = 24});
  CHECK(model.init(1) == vt::Status::ok);
  vt::TransformerResult<K, float> r;
  vt::Workspace workspace(vt::heap(), threads);
  workspace.parallel_from(0);
  const auto call = [&](Index batch, Index source, Index target) {
    CHECK(model.forward_into(r, workspace, {inputs, batch, source, 16}, {inputs, batch, target, 16},
                             {.tgt_mask = vt::causal()}, keep) == vt::Status::ok);
  };
  CHECK(allocations([&] { call(2, 9, 7); }) > 0);  // so it is counted
  CHECK(allocations([&] { call(2, 9, 7); }) == 0);
  CHECK(allocations([&] { call(1, 9, 7), call(2, 1, 1), call(2, 7, 7), call(2, 9, 7); }) == 0);
  const auto traced = [&] {
    CHECK(model.forward_into(r, workspace, {inputs, 2, 9, 16}, {inputs, 2, 7, 16}, {}, keep,
                             [](std::string_view, Index, const vt::TraceView<float>&) {}) == vt::Status::ok);
  };
  traced();
  CHECK(allocations(traced) == 0);
  const Index lengths[] = {3, 6}, more[] = {6, 3};
  const auto ragged = [&](const Index(&l)[2]) {
    const vt::Ragged<float> x(inputs, 16, l);
    CHECK(model.forward_into(r, workspace, x, x, {}, keep) == vt::Status::ok);
  };
  ragged(lengths);
  CHECK(allocations([&] { ragged(more), ragged(lengths), call(2, 9, 7), ragged(more); }) == 0);
  CHECK(allocations([&] {
          (void)(model.forward_into(r, workspace, {inputs, 1, 9, 15}, {inputs, 1, 9, 16}, {}, keep) == vt::Status::ok);
        }) == 0);
  const vt::Transformer<float> copy = model;  // whose weights are shared: only the layers' descriptions are new
  CHECK(copy.encoder().parameter_count() == model.encoder().parameter_count());
}

}  // namespace

int main() {
  std::fprintf(stderr, "%s\n", vt::build_info().data());
  if (!bench::counts_allocations) return 77;
  for (int i = 0; i < 4096; ++i) weights[i] = 0.01f * float(i % 37 - 18);
  for (int i = 0; i < 2 * 9 * 16; ++i) inputs[i] = 0.1f * float(i % 23 - 11);
  fixed_layers();
  for (const int threads : {1, 2, 3}) {
    reused_results(threads, vt::keep::scores);
    reused_results(threads, vt::keep::weights.as<vt::MapStorage::bf16>());
  }
  std::fprintf(stderr, "%d failures\n", failures);
  return failures == 0 ? 0 : 1;
}
