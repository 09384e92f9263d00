#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>
#include <vitrine/io/checkpoint.hpp>

#include "changed_checkpoint.hpp"

namespace vt = vitrine;
namespace fs = std::filesystem;
using vt::Index;

namespace {

const fs::path marian = "tests/golden/models/marian_0", bart = "tests/golden/models/bart_0";

template <class M>
std::vector<float> logits(const fs::path& folder) {
  const M model = vt::load_model<M>(folder);
  const std::vector<Index> source = {3, 4, 5, 0}, target = {60, 7, 8};
  const auto result = model(vt::Tokens(std::span<const Index>(source)), vt::Tokens(std::span<const Index>(target)));
  return {result.output.span().begin(), result.output.span().end()};
}
template <class M>
std::string refusal(const Changed& folder, std::string* message = nullptr) {
  const fs::path path = folder.save();
  return error_of([&] { (void)vt::load_model<M>(path); }, message);
}
using Marian = vt::Marian<float>;
using Bart = vt::Bart<float>;

}  // namespace

TEST_CASE("half precision and shards: the values that the file holds") {
  const Changed folder(marian);
  const auto wanted = logits<Marian>(marian);
  CHECK(logits<Marian>(folder.save(vt::DType::F32, 3)) == wanted);
  for (const vt::DType type : {vt::DType::F16, vt::DType::BF16}) {
    Changed rounded(marian);
    for (auto& [name, tensor] : rounded.tensors)
      for (float& value : tensor.values)
        value = type == vt::DType::F16 ? vt::half_to_float(vt::float_to_half(value))
                                       : vt::bfloat16_to_float(vt::float_to_bfloat16(value));
    const auto expected = logits<Marian>(rounded.save());
    CHECK(expected != wanted);
    CHECK(logits<Marian>(Changed(marian).save(type)) == expected);
    CHECK(logits<Marian>(Changed(marian).save(type, 2)) == expected);
  }
}

TEST_CASE("spellings of one checkpoint give the same bits") {
  const auto wanted = logits<Marian>(marian);
  {
    Changed folder(marian);  // MarianModel, the body alone
    const auto all = folder.tensors;
    for (const auto& [name, tensor] : all)
      if (name.starts_with("model.")) folder.rename(name, name.substr(6));
    CHECK(logits<Marian>(folder.save()) == wanted);
  }
  {
    Changed folder(marian);  // tied tensors more than once, and under another name
    const auto table = folder.tensors.at("model.shared.weight");
    folder.tensors["lm_head.weight"] = folder.tensors["model.encoder.embed_tokens.weight"] = table;
    CHECK(logits<Marian>(folder.save()) == wanted);
    folder.tensors.erase("model.shared.weight");
    CHECK(logits<Marian>(folder.save()) == wanted);
  }
  {
    Changed folder(marian);  // stored positions count
    const auto table = vt::detail::sinusoid_table<float>(vt::heap(), 32, 32, vt::Sinusoid::halves);
    const Changed::Tensor positions{{32, 32}, {table.span().begin(), table.span().end()}};
    folder.tensors["model.encoder.embed_positions.weight"] = folder.tensors["model.decoder.embed_positions.weight"] =
        positions;
    CHECK(logits<Marian>(folder.save()) == wanted);
    folder.tensors["model.decoder.embed_positions.weight"].values[40] += 1;
    CHECK(logits<Marian>(folder.save()) != wanted);
  }
  {
    Changed folder(marian);  // a table for each side; the output is tied to the decoder's
    folder.config["share_encoder_decoder_embeddings"] = false;
    const auto table = folder.tensors.at("model.shared.weight");
    folder.tensors.erase("model.shared.weight");
    folder.tensors["model.encoder.embed_tokens.weight"] = folder.tensors["model.decoder.embed_tokens.weight"] = table;
    CHECK(logits<Marian>(folder.save()) == wanted);
    folder.tensors["lm_head.weight"] = table;
    CHECK(logits<Marian>(folder.save()) == wanted);
    folder.tensors["lm_head.weight"].values[5] += 1;
    CHECK(refusal<Marian>(folder) == "values_differ");
  }
  {
    Changed folder(bart);  // no bias, and what old files carry besides
    for (float& value : folder.tensors.at("final_logits_bias").values) value = 0;
    const auto without = logits<Bart>(folder.save());
    folder.tensors.erase("final_logits_bias");
    folder.tensors["model.encoder.version"] = folder.tensors["model.decoder.version"] = {{1}, {3}};
    CHECK(logits<Bart>(folder.save()) == without);
  }
}

TEST_CASE("what a checkpoint is refused for, by name") {
  std::string message;
  {
    Changed folder(marian);
    folder.tensors.erase("model.decoder.layers.0.fc1.bias");
    folder.tensors.erase("model.encoder.layers.0.self_attn.k_proj.weight");
    CHECK(refusal<Marian>(folder, &message) == "missing_tensors");
    CHECK(message.find("model.decoder.layers.0.fc1.bias") != message.npos);
    CHECK(message.find("model.encoder.layers.0.self_attn.k_proj.weight") != message.npos);
  }
  {
    Changed folder(marian);
    folder.tensors["model.encoder.layers.1.fc1.bias"] = {{24}, std::vector<float>(24)};
    CHECK(refusal<Marian>(folder, &message) == "unexpected_tensors");
    CHECK(message.find("model.encoder.layers.1.fc1.bias") != message.npos);
  }
  {
    Changed folder(marian);
    folder.tensors.at("model.encoder.layers.0.fc1.weight").shape = {32, 24};
    CHECK(refusal<Marian>(folder, &message) == "shape_mismatch");
    CHECK(message.find("(32, 24) instead of (24, 32)") != message.npos);
  }
  {
    Changed folder(marian);
    folder.tensors["lm_head.weight"] = folder.tensors.at("model.shared.weight");
    folder.tensors["lm_head.weight"].values[5] += 1;
    CHECK(refusal<Marian>(folder) == "values_differ");
  }
  {
    const Changed folder(bart);
    CHECK(refusal<Marian>(folder) == "config_mismatch");
    CHECK(refusal<Bart>(folder) == "no error");
  }
  {
    const Scratch empty;
    CHECK(error_of([&] { (void)vt::load_model<Marian>(empty.folder); }) == "config_missing");
    fs::copy_file(marian / "config.json", empty / "config.json");
    CHECK(error_of([&] { (void)vt::load_model<Marian>(empty.folder); }) == "file_missing");
    empty.write("pytorch_model.bin", "PK");
    CHECK(error_of([&] { (void)vt::load_model<Marian>(empty.folder); }, &message) == "only_pickle");
    CHECK(message.find("to_safetensors.py") != message.npos);
  }
}
