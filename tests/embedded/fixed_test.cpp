// Weights as source, there and back; and a model of fixed sizes against the dynamic one, under every policy.
#include <vitrine/vitrine.hpp>

#include <vitrine/io/load.hpp>

#include <doctest/doctest.h>
#include <round_trip_in_bf16.hpp>
#include <round_trip_in_f16.hpp>
#include <round_trip_in_int8.hpp>
#include <round_trip_panels.hpp>
#include <round_trip_plain.hpp>

#include <algorithm>
#include <cstring>
#include <vector>

#include "stored_dims.hpp"

namespace vt = vitrine;
using vt::Index;

namespace {

// What weights_to_header was told, see CMakeLists.txt.
vt::Encoder<float> dynamic_model(vt::Storage weights = vt::Storage::f32) {
  vt::Encoder<float> model(
      {.layer =
           {.d_model = 40, .nhead = 5, .dim_feedforward = 72, .activation = vt::Activation::gelu, .norm_first = true},
       .num_layers = 2,
       .final_norm = true});
  REQUIRE(model.init(11) == vt::Status::ok);
  REQUIRE(model.store_weights(weights) == vt::Status::ok);
  return model;
}

std::vector<float> input() {
  std::vector<float> x(12 * 40);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = float(int((std::uint32_t(i) * 2654435761u) >> 20) - 2048) * 0x1p-10f;
  return x;
}

template <class Fixed>
void same_values(const Fixed& model, vt::Storage weights = vt::Storage::f32) {
  const auto other = dynamic_model(weights);
  std::vector<std::pair<std::string, const vt::Parameter<float>*>> all;
  other.parameters([&](const char* name, const vt::Parameter<float>& p) { all.emplace_back(name, &p); });
  std::size_t i = 0;
  model.parameters([&](const char* name, const vt::Parameter<float>& p) {
    REQUIRE(i < all.size());
    CHECK(all[i].first == name);
    const vt::Parameter<float>& twin = *all[i++].second;
    REQUIRE((p.rows == twin.rows && p.cols == twin.cols));
    bool equal = true;
    for (Index row = 0; row < p.rows; ++row)
      for (Index col = 0; col < (p.is_vector() ? 1 : p.cols); ++col)
        equal = equal && p.value(row, col) == twin.value(row, col);
    CHECK(equal);
  });
  CHECK(i == all.size());
}

// Maps whose memory is two spans of one size.
template <class K>
constexpr bool takes_two = std::is_same_v<typename K::template map<float, 0>, vt::ScoredMaps<float>> ||
                           std::is_same_v<typename K::template map<float, 0>, vt::Rollout<float>>;

template <class K>
auto result_over(std::span<float> output, [[maybe_unused]] std::span<float> maps,
                 [[maybe_unused]] std::span<float> scores) {
  using Map = typename K::template map<float, 0>;
  vt::EncoderResult<K, float> result;
  result.output = vt::Tensor<float>(output);
  if constexpr (takes_two<K>)
    result.self_attn = Map(maps, scores);
  else if constexpr (!std::is_empty_v<Map>)
    result.self_attn = Map(maps);
  return result;
}

template <class Fixed, class K>
void same_results(const Fixed& fixed, const K& keep, vt::Storage weights = vt::Storage::f32) {
  const auto x = input();
  const vt::Sequences<float> in(x.data(), 1, 12, 40);
  const auto dynamic = dynamic_model(weights);
  const auto wanted = dynamic(in, {.src_mask = vt::causal()}, keep);

  // Exactly as much memory as the model says, and not a byte more.
  std::vector<std::byte> scratch(fixed.workspace_bytes({1, 12}, 1, keep));
  REQUIRE(Fixed::template workspace_bytes<K>() >= scratch.size());
  std::vector<float> output(12 * 40), maps, scores;
  const std::size_t map_bytes = Fixed::template result_bytes<K>() - output.size() * sizeof(float);
  maps.resize(map_bytes / sizeof(float));
  if constexpr (takes_two<K>) {
    maps.resize(maps.size() / 2);
    scores.resize(maps.size());
  }
  auto result = result_over<K>(output, maps, scores);
  vt::Workspace workspace(scratch);
  const vt::Status status = fixed.forward_into(result, workspace, in, {.src_mask = vt::causal()}, keep);
  INFO(status.sentence);
  REQUIRE(status == vt::Status::ok);
  CHECK(result.output.data() == output.data());
  CHECK(std::memcmp(output.data(), wanted.output.data(), output.size() * sizeof(float)) == 0);
  if constexpr (requires { wanted.self_attn.values(); }) {
    const auto values = wanted.self_attn.values();
    CHECK(result.self_attn.values().data() == maps.data());
    REQUIRE(values.size() <= maps.size());
    CHECK(std::memcmp(maps.data(), values.data(), values.size_bytes()) == 0);
  }

  // A buffer that is too small is a status, whatever is missing.
  vt::Workspace little(std::span<std::byte>(scratch.data(), workspace.peak_bytes() - 1));
  CHECK(fixed.forward_into(result, little, in, {}, keep) == vt::Status::workspace_too_small);
  auto short_output = result_over<K>(std::span<float>(output).first(output.size() - 1), maps, scores);
  CHECK(fixed.forward_into(short_output, workspace, in, {}, keep) == vt::Status::result_too_small);
  if (!maps.empty() && keep.selection.layers.all()) {
    auto short_maps = result_over<K>(output, std::span<float>(maps).first(maps.size() - 1), scores);
    CHECK(fixed.forward_into(short_maps, workspace, in, {}, keep) == vt::Status::result_too_small);
  }
}

template <class Fixed>
void every_policy(const Fixed& fixed) {
  same_results(fixed, vt::keep::weights);
  same_results(fixed, vt::keep::scores);
  same_results(fixed, vt::keep::head_mean);
  same_results(fixed, vt::keep::statistics);
  same_results(fixed, vt::keep::top<2>);
  same_results(fixed, vt::keep::rollout);
  same_results(fixed, vt::keep::nothing);
  same_results(fixed, vt::keep::weights.only({.layers = {1}, .heads = {0, 4}}));
}

}  // namespace

TEST_CASE("weights as source come back as they were") {
  same_values(plain::model);
  same_values(panels::model);
  panels::Model own(panels::config);
  CHECK_FALSE(own.loaded());
  CHECK(panels::bind(own) == vt::Status::ok);
  CHECK(own.loaded());
}

namespace {

template <class Fixed>
void as_stored(const Fixed& fixed, vt::Storage weights) {
  CAPTURE(vt::name(weights));
  same_values(fixed, weights);
  same_results(fixed, vt::keep::weights, weights);
  same_results(fixed, vt::keep::nothing, weights);
  same_results(fixed, vt::keep::weights.only({.layers = {1}, .heads = {0, 4}}), weights);
  CHECK(fixed.packed_bytes() == dynamic_model(weights).packed_bytes());
}

}  // namespace

TEST_CASE("weights that stand as source in fewer bytes give the dynamic model's numbers in that storage, bit for bit") {
  as_stored(in_int8::model, vt::Storage::int8);
  as_stored(in_f16::model, vt::Storage::f16);
  as_stored(in_bf16::model, vt::Storage::bf16);
}

TEST_CASE("weights in f16 give the numbers of a float model that holds these values") {
  std::vector<std::vector<float>> values;
  panels::Model rounded(panels::config);
  in_f16::model.parameters([&](const char* name, const vt::Parameter<float>& p) {
    auto& own = values.emplace_back();
    for (Index row = 0; row < p.rows; ++row)
      for (Index col = 0; col < (p.is_vector() ? 1 : p.cols); ++col) own.push_back(p.value(row, col));
    REQUIRE(rounded.bind(name, std::span<const float>(own)) == vt::Status::ok);
  });
  const auto x = input();
  const auto run = [&](const auto& model) {
    vt::EncoderResult<vt::DefaultKeep, float> result{vt::Tensor<float>(vt::heap()), vt::Maps<float>(vt::heap()), {}};
    vt::Workspace workspace(vt::heap());
    REQUIRE(model.forward_into(result, workspace, {x.data(), 1, 12, 40}) == vt::Status::ok);
    return result;
  };
  const auto ours = run(in_f16::model), theirs = run(rounded);
  CHECK(std::memcmp(ours.output.data(), theirs.output.data(), 12 * 40 * sizeof(float)) == 0);
  CHECK(std::ranges::equal(ours.self_attn.values(), theirs.self_attn.values()));
}

TEST_CASE("a layer whose Dims say how its weights are stored takes them in no other way") {
  in_int8::Model model(in_int8::config);
  const std::string name = "layers.0.linear1.weight";
  const std::vector<float> values(72 * 40);
  const std::vector<vt::StoredWord> words(80, 0u);
  constexpr Index width = vt::kernels::panel_width<float>;
  CHECK(model.bind(name.c_str(), std::span<const float>(values)) == vt::Status::not_supported);
  CHECK(model.bind(name.c_str(), std::span<const vt::StoredWord>(words), width) == vt::Status::bad_shape);
  CHECK(model.bind(name.c_str(), std::span<const vt::StoredWord>(words), 2 * width) == vt::Status::not_supported);
  CHECK(model.bind("layers.0.linear1.bias", std::span<const vt::StoredWord>(words), width) ==
        vt::Status::not_supported);
  CHECK(model.bind("no_such", std::span<const vt::StoredWord>(words), width) == vt::Status::not_supported);
  CHECK_FALSE(model.loaded());

  // Values of a seed or a file are stored by store_weights, as the Dims say and not otherwise.
  vt::Encoder<float, in_int8::dims> own(in_int8::config, vt::heap());
  REQUIRE(own.init(11) == vt::Status::ok);
  const auto x = input();
  vt::EncoderResult<vt::keep::Nothing, float> result{vt::Tensor<float>(vt::heap()), {}, {}};
  vt::Workspace workspace(vt::heap());
  const vt::Status early = own.forward_into(result, workspace, {x.data(), 1, 12, 40}, {}, vt::keep::nothing);
  CHECK(early == vt::Status::not_loaded);
  CHECK(std::string(early.sentence).find("call store_weights first") != std::string::npos);
  CHECK(own.store_weights(vt::Storage::f16) == vt::Status::not_supported);
  REQUIRE(own.store_weights(vt::Storage::int8) == vt::Status::ok);
  same_values(own, vt::Storage::int8);
  same_results(own, vt::keep::nothing, vt::Storage::int8);
}

TEST_CASE("a model of fixed sizes gives the dynamic one's numbers, bit for bit") {
  every_policy(plain::model);
  every_policy(panels::model);
}

TEST_CASE("bytes are known when compiling, and panels need less scratch") {
  static_assert(panels::Model::workspace_bytes() >= panels::model.workspace_bytes({1, 12}));
  static_assert(plain::model.workspace_bytes({1, 12}) > panels::model.workspace_bytes({1, 12}));
  static_assert(in_int8::Model::workspace_bytes() >= in_int8::model.workspace_bytes({1, 12}));
  static_assert(in_int8::model.packed_bytes() < panels::model.packed_bytes());
  static_assert(panels::Model::result_bytes<vt::keep::Nothing>() == 12 * 40 * sizeof(float));
  static_assert(panels::Model::result_bytes<vt::DefaultKeep>() == (12 * 40 + 2 * 5 * 12 * 12) * sizeof(float));
  const auto x = input();
  std::vector<std::byte> scratch(panels::model.workspace_bytes({1, 12}));
  std::vector<float> output(12 * 40);
  auto result = result_over<vt::keep::Nothing>(output, {}, {});
  vt::Workspace workspace(scratch);
  CHECK(panels::model.forward_into(result, workspace, {x.data(), 1, 12, 40}, {}, vt::keep::nothing) == vt::Status::ok);
}

namespace {

constexpr vt::Dims sizes{
    .d_model = 24, .nhead = 3, .dim_feedforward = 40, .num_layers = 2, .max_length = 9, .max_memory_length = 7};

// The dynamic layer's values, shared.
template <class Fixed, class Dynamic>
void share(Fixed& fixed, const Dynamic& dynamic) {
  dynamic.parameters([&](const char* name, const vt::Parameter<float>& p) {
    if constexpr (is_stored<Fixed>)
      if (p.packable) {
        const auto* const words = reinterpret_cast<const vt::StoredWord*>(p.values.data());
        CHECK(fixed.bind(name, std::span(words, std::size_t(p.values.size())), p.panel) == vt::Status::ok);
        return;
      }
    CHECK(fixed.bind(name, p.values, p.panel) == vt::Status::ok);
  });
  REQUIRE(fixed.loaded());
}
template <class A, class B>
bool equal_bits(const A& a, const B& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

template <class Fixed, class Dynamic>
void same_decoder(const Dynamic& dynamic, Index layers) {
  Fixed fixed;
  share(fixed, dynamic);
  const auto x = input();
  const vt::Sequences<float> tgt(x.data(), 1, 9, 24), memory(x.data() + 9 * 24, 1, 7, 24);
  const auto wanted = dynamic(tgt, memory, {.tgt_mask = vt::causal()});
  std::vector<std::byte> scratch(Fixed::workspace_bytes());
  std::vector<float> output(9 * 24), self(std::size_t(layers * 3 * 9 * 9)), cross(std::size_t(layers * 3 * 9 * 7));
  CHECK(Fixed::template result_bytes<>() == (output.size() + self.size() + cross.size()) * sizeof(float));
  vt::DecoderResult<vt::DefaultKeep, float> result{vt::Tensor<float>(std::span<float>(output)),
                                                   vt::Maps<float>(std::span<float>(self)),
                                                   vt::Maps<float>(std::span<float>(cross))};
  vt::Workspace workspace(scratch);
  REQUIRE(fixed.forward_into(result, workspace, tgt, memory, {.tgt_mask = vt::causal()}) == vt::Status::ok);
  CHECK(equal_bits(result.output.span(), wanted.output.span()));
  CHECK(equal_bits(result.self_attn.values(), wanted.self_attn.values()));
  CHECK(equal_bits(result.cross_attn.values(), wanted.cross_attn.values()));
}

}  // namespace

TEST_CASE("decoders of fixed sizes give the dynamic ones' numbers, bit for bit") {
  const vt::LayerConfig config{.d_model = 24, .nhead = 3, .dim_feedforward = 40};
  vt::DecoderLayer<float> layer(config);
  REQUIRE(layer.init(3) == vt::Status::ok);
  same_decoder<vt::DecoderLayer<float, sizes>>(layer, 1);
  vt::Decoder<float> decoder({.layer = config, .num_layers = 2});
  REQUIRE(decoder.init(4) == vt::Status::ok);
  same_decoder<vt::Decoder<float, sizes>>(decoder, 2);
  REQUIRE(layer.store_weights(vt::Storage::f16) == vt::Status::ok);
  same_decoder<vt::DecoderLayer<float, stored_as(sizes, vt::Storage::f16)>>(layer, 1);
  REQUIRE(decoder.store_weights(vt::Storage::int8) == vt::Status::ok);
  same_decoder<vt::Decoder<float, stored_as(sizes, vt::Storage::int8)>>(decoder, 2);
}

namespace {

template <vt::Storage weights>
void same_attention() {
  vt::MultiheadAttention<float> dynamic({.embed_dim = 24, .num_heads = 3});
  REQUIRE(dynamic.init(5) == vt::Status::ok);
  REQUIRE(dynamic.store_weights(weights) == vt::Status::ok);
  using Fixed = vt::MultiheadAttention<float, stored_as(sizes, weights)>;
  Fixed fixed;
  share(fixed, dynamic);
  const auto x = input();
  const vt::Sequences<float> query(x.data(), 1, 9, 24), memory(x.data() + 9 * 24, 1, 7, 24);
  const auto wanted = dynamic(query, memory, memory);
  std::vector<std::byte> scratch(Fixed::workspace_bytes());
  std::vector<float> output(9 * 24), maps(3 * 9 * 7);
  CHECK(Fixed::result_bytes() == (output.size() + maps.size()) * sizeof(float));
  CHECK(fixed.result_bytes({1, 9, 7}) == Fixed::result_bytes());
  vt::CrossResult<vt::DefaultKeep, float> result{
      vt::Tensor<float>(std::span<float>(output)), {}, vt::Maps<float>(std::span<float>(maps))};
  vt::Workspace workspace(scratch);
  REQUIRE(fixed.forward_into(result, workspace, query, memory, memory) == vt::Status::ok);
  CHECK(equal_bits(result.output.span(), wanted.output.span()));
  CHECK(equal_bits(result.cross_attn.values(), wanted.cross_attn.values()));
}

}  // namespace

TEST_CASE("an attention of fixed sizes gives the dynamic one's numbers, bit for bit") {
  same_attention<vt::Storage::f32>();
  same_attention<vt::Storage::int8>();
}

TEST_CASE("kept weights hold the scores meanwhile: less scratch, the same bits, whatever the mask") {
  constexpr vt::Dims many{.d_model = 16, .nhead = 2, .dim_feedforward = 16, .num_layers = 2, .max_length = 83};
  using Fixed = vt::Encoder<float, many>;
  vt::Encoder<float> dynamic({.layer = {.d_model = 16, .nhead = 2, .dim_feedforward = 16}, .num_layers = 2});
  REQUIRE(dynamic.init(6) == vt::Status::ok);
  Fixed fixed;
  share(fixed, dynamic);
  std::vector<float> x(83 * 16);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = float(int((std::uint32_t(i) * 2654435761u) >> 20) - 2048) * 0x1p-10f;
  std::vector<std::byte> scratch(fixed.workspace_bytes({1, 83}, 1, vt::keep::weights));
  CHECK(scratch.size() < fixed.workspace_bytes({1, 83}, 1, vt::keep::nothing));
  CHECK(fixed.workspace_bytes({1, 83}, 1, vt::keep::nothing) == fixed.workspace_bytes({1, 83}));
  const std::vector<float> bias(83 * 83, 0.5f);
  for (const Index length : {83, 64, 17, 1}) {
    const vt::Sequences<float> in(x.data(), 1, length, 16);
    const vt::Mask<float> masks[] = {
        {}, vt::causal(), vt::window(5, 3), vt::additive_bias(bias.data(), length, length) & vt::window(2, 40)};
    for (const auto& mask : masks) {
      const auto wanted = dynamic(in, {.src_mask = mask}, vt::keep::scores);
      std::vector<float> output(std::size_t(length * 16)), maps(std::size_t(2 * 2 * length * length)),
          scores(maps.size());
      vt::EncoderResult<vt::DefaultKeep, float> weights{
          vt::Tensor<float>(std::span<float>(output)), vt::Maps<float>(std::span<float>(maps)), {}};
      vt::Workspace workspace(scratch);
      REQUIRE(fixed.forward_into(weights, workspace, in, {.src_mask = mask}) == vt::Status::ok);
      CHECK(equal_bits(weights.output.span(), wanted.output.span()));
      CHECK(equal_bits(weights.self_attn.values(), wanted.self_attn.values()));
      auto both = result_over<std::remove_cvref_t<decltype(vt::keep::scores)>>(output, maps, scores);
      REQUIRE(fixed.forward_into(both, workspace, in, {.src_mask = mask}, vt::keep::scores) == vt::Status::ok);
      CHECK(equal_bits(both.output.span(), wanted.output.span()));
      CHECK(equal_bits(both.self_attn.values(), wanted.self_attn.values()));
      for (Index h = 0; h < 2; ++h) {
        const auto ours = both.self_attn[1].scores(0, h), theirs = wanted.self_attn[1].scores(0, h);
        CHECK(std::memcmp(ours.data(), theirs.data(), std::size_t(length * length) * sizeof(float)) == 0);
      }
    }
  }
}

TEST_CASE("a memory without keys needs no map, and touches no scratch that was not planned") {
  constexpr vt::Dims small{
      .d_model = 16, .nhead = 1, .dim_feedforward = 16, .num_layers = 1, .max_length = 9, .max_memory_length = 7};
  vt::MultiheadAttention<float> dynamic({.embed_dim = 16, .num_heads = 1});
  REQUIRE(dynamic.init(8) == vt::Status::ok);
  vt::MultiheadAttention<float, small> fixed;
  share(fixed, dynamic);
  const auto x = input();
  const vt::Sequences<float> query(x.data(), 1, 1, 16), none(x.data(), 1, 0, 16);
  const auto wanted = dynamic(query, none, none);
  std::vector<float> output(16, -1.0f);
  vt::CrossResult<vt::DefaultKeep, float> result{vt::Tensor<float>(std::span<float>(output)), {}, {}};
  std::vector<std::byte> scratch(vt::MultiheadAttention<float, small>::workspace_bytes(), std::byte{0x5a});
  vt::Workspace enough(scratch);
  REQUIRE(fixed.forward_into(result, enough, query, none, none) == vt::Status::ok);
  const std::size_t needed = enough.peak_bytes();
  std::fill(scratch.begin(), scratch.end(), std::byte{0x5a});
  vt::Workspace exact(std::span<std::byte>(scratch.data(), needed + vt::alignment));
  REQUIRE(fixed.forward_into(result, exact, query, none, none) == vt::Status::ok);
  CHECK(std::all_of(scratch.begin() + std::ptrdiff_t(needed + vt::alignment), scratch.end(),
                    [](std::byte b) { return b == std::byte{0x5a}; }));
  CHECK(equal_bits(result.output.span(), wanted.output.span()));
}

TEST_CASE("one tile of rows needs no room for a copy, however wide the layer") {
  namespace kernels = vt::kernels;
  const auto bytes = [](Index rows) {
    vt::Arena arena;
    vt::detail::Scratch<float>::plan(arena, 1, rows, {.hidden = 1024});
    return arena.used();
  };
  const Index hidden = kernels::tile_rows * 1024, copy = kernels::copy_size(kernels::tile_rows);
  CHECK(bytes(kernels::tile_rows) < std::size_t(hidden + copy) * sizeof(float));
}
