// A checkpoint or module that is written with its weights in bf16, f16 or int8: loaded again it is the same model, bit
// for bit, and in float it is code * scale.
#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>
#include <vitrine/io/store_checkpoint.hpp>
#include <vitrine/io/weights_writer.hpp>
#include <vitrine/layers/encoder_layer.hpp>

#include "scratch.hpp"

namespace vt = vitrine;
using vt::Index;

namespace {

constexpr vt::Storage narrower[] = {vt::Storage::int8, vt::Storage::bf16, vt::Storage::f16};

// Every stored byte: codes and scales.
template <class M>
bool same_bytes(const M& one, const M& other) {
  std::vector<std::span<const float>> values;
  one.parameters([&](const char*, const vt::Parameter<float>& p) {
    values.emplace_back(p.values.data(), std::size_t(p.values.size()));
  });
  std::size_t at = 0;
  bool same = true;
  other.parameters([&](const char*, const vt::Parameter<float>& p) {
    const std::span<const float> own = values[at++];
    same =
        same && Index(own.size()) == p.values.size() && std::memcmp(own.data(), p.values.data(), own.size_bytes()) == 0;
  });
  return same && at == values.size();
}
// Every number that a weight stands for.
template <class M>
std::vector<float> numbers(const M& model) {
  std::vector<float> all;
  model.parameters([&](const char*, const vt::Parameter<float>& p) {
    for (Index i = 0; i < p.elements(); ++i)
      all.push_back(p.is_vector() ? p.value(i) : p.value(i / p.cols, i % p.cols));
  });
  return all;
}

void check_checkpoint(const std::filesystem::path& folder) {
  CAPTURE(folder);
  const vt::Remark quiet = [](std::string_view) {};
  vt::find_model<float>(folder, [&]<class M>(std::type_identity<M>) {
    for (const vt::Storage storage : narrower) {
      CAPTURE(name(storage));
      const Scratch scratch;
      vt::store_checkpoint(folder, scratch / "to", storage, quiet);
      CHECK(std::filesystem::exists(scratch / "to/config.json"));
      const M wanted = vt::load_model<M>(folder, {.weights = storage, .remark = quiet});
      std::string remarks;
      const auto keep = [&](std::string_view line) { remarks += line; };
      const M model = vt::load_model<M>(scratch / "to", {.weights = storage, .remark = keep});
      CHECK(remarks.find("differs") == remarks.npos);
      CHECK(same_bytes(model, wanted));
      CHECK(numbers(vt::load_model<M>(scratch / "to", quiet)) == numbers(wanted));
      vt::store_checkpoint(scratch / "to", scratch / "wide", vt::Storage::f32, quiet);
      CHECK(numbers(vt::load_model<M>(scratch / "wide", quiet)) == numbers(wanted));
    }
  });
}

}  // namespace

TEST_CASE("a stored checkpoint is the same model as the original in that storage, for every way that weights stand") {
  for (const char* folder :
       {"examples/models/g2p", "tests/golden/models/bert_0", "tests/golden/models/gpt2_0", "tests/golden/models/bart_0",
        "tests/golden/families/gpt_neox_0", "tests/golden/families/t5_0", "tests/golden/families/vit_0"})
    check_checkpoint(folder);
}

TEST_CASE("the layout: I8 codes (rows, columns) and an F32 scale a row; transposed, a scale a column; halves plain") {
  const Scratch scratch;
  const vt::Remark quiet = [](std::string_view) {};
  vt::store_checkpoint("tests/golden/models/gpt2_0", scratch / "gpt2", vt::Storage::int8, quiet);
  vt::store_checkpoint("examples/models/g2p", scratch / "int8", vt::Storage::int8, quiet);
  vt::store_checkpoint("examples/models/g2p", scratch / "bf16", vt::Storage::bf16, quiet);
  const vt::SafeTensors file(scratch / "int8"), halves(scratch / "bf16"), transposed(scratch / "gpt2"),
      original("examples/models/g2p");
  const std::string name = "model.encoder.layers.0.fc1.weight";
  const vt::TensorView &codes = file.at(name), &scale = file.at(name + "_scale");
  CHECK(codes.dtype == vt::DType::I8);
  CHECK(codes.shape == std::vector<Index>{512, 128});
  CHECK(scale.dtype == vt::DType::F32);
  CHECK(scale.shape == std::vector<Index>{512, 1});
  CHECK(halves.at(name).dtype == vt::DType::BF16);
  CHECK(halves.at(name).shape == codes.shape);
  CHECK(file.at("model.encoder.layers.0.fc1.bias").dtype == original.at("model.encoder.layers.0.fc1.bias").dtype);
  const auto integers = codes.to_vector<std::int8_t>();
  const auto scales = scale.to_vector<float>(), values = codes.to_vector<float>(),
             exact = original.at(name).to_vector<float>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    REQUIRE(values[i] == float(integers[i]) * scales[i / 128]);
    REQUIRE(std::abs(values[i] - exact[i]) <= 0.501f * scales[i / 128]);
  }
  for (const vt::TensorView& one : transposed.tensors())
    if (one.name.ends_with("c_attn.weight")) {
      REQUIRE(one.scale != nullptr);
      CHECK(one.scale->shape == std::vector<Index>{1, one.shape[1]});
      CHECK(one.to_vector<float>()[1] == float(one.to_vector<std::int8_t>()[1]) * one.scale->to_vector<float>()[1]);
    }
}

TEST_CASE("a module saves its weights as they are stored") {
  vt::EncoderLayer<float> layer({.d_model = 24, .nhead = 4, .dim_feedforward = 40});
  REQUIRE(layer.init(7) == vt::Status::ok);
  const Scratch scratch;
  for (const vt::Storage storage : narrower) {
    vt::EncoderLayer<float> own(layer);
    REQUIRE(own.store_weights(storage) == vt::Status::ok);
    vt::save(own, scratch / "layer.safetensors");
    auto again = vt::load_module<vt::EncoderLayer<float>>(scratch / "layer.safetensors");
    CHECK(numbers(again) == numbers(own));
    REQUIRE(again.store_weights(storage) == vt::Status::ok);
    CHECK(same_bytes(again, own));
  }
}

TEST_CASE("int8 by others: scales of any floating type; codes without scales and zero points are refused by name") {
  const Scratch scratch;
  const std::vector<std::int8_t> codes = {1, -2, 127, -128, 0, 5};
  const std::vector<std::uint16_t> scales = {vt::float_to_bfloat16(0.5f), vt::float_to_bfloat16(3.0f)};
  const auto write = [&](std::vector<Index> shape, std::size_t count, bool zero_point) {
    vt::SafeTensorsWriter writer(scratch / "w.safetensors");
    writer.add("weight", {2, 3}, std::span<const std::int8_t>(codes));
    writer.add("weight_scale", vt::DType::BF16, std::move(shape), std::as_bytes(std::span(scales).first(count)));
    if (zero_point) writer.add("weight_zero_point", {2, 1}, std::span(codes).first(2));
    writer.finish();
    vt::Embedding<float> table(2, 3);
    vt::load(table, vt::SafeTensors(scratch / "w.safetensors"));
    return numbers(table);
  };
  CHECK(write({2, 1}, 2, false) == std::vector<float>{0.5f, -1, 63.5f, -384, 0, 15});
  std::string message;
  CHECK(error_of([&] { write({2}, 2, false); }, &message) == "unexpected_tensors");
  CHECK(message.find("\"weight\": \"I8\"") != message.npos);
  CHECK(error_of([&] { write({2, 1}, 2, true); }, &message) == "unexpected_tensors");
  CHECK(message.find("weight_zero_point") != message.npos);
}

TEST_CASE("a weight that the storage cannot hold is refused by name") {
  const Scratch scratch;
  vt::WeightsWriter writer(scratch / "w.safetensors");
  const std::vector<float> values = {1, 65520};
  std::string message;
  CHECK(error_of([&] { writer.add("w", {1, 2}, values, vt::Storage::f16); }, &message) == "bad_usage");
  CHECK(message.find("\"w\": a weight has a value that is not finite or larger than 65504") != message.npos);
}

TEST_CASE("storing refuses what it cannot do, and leaves nothing behind") {
  const Scratch scratch;
  std::string message;
  CHECK(error_of([&] { vt::store_checkpoint("examples/models/g2p", "examples/models/g2p", vt::Storage::int8); },
                 &message) == "bad_usage");
  CHECK(error_of([&] { vt::store_checkpoint(scratch / "none", scratch / "to", vt::Storage::int8); }, &message) ==
        "config_missing");
  CHECK(!std::filesystem::exists(scratch / "to"));
}
