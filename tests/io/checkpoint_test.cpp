#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>
#include <vitrine/io/checkpoint.hpp>
#include <vitrine/io/remark.hpp>

#include "../support/numbers.hpp"
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
    folder.tensors["model.encoder.layers.0.fc3.bias"] = {{24}, std::vector<float>(24)};
    CHECK(refusal<Marian>(folder, &message) == "unexpected_tensors");
    CHECK(message.find("model.encoder.layers.0.fc3.bias") != message.npos);
  }
  {
    Changed folder(marian);
    folder.tensors.at("model.encoder.layers.0.fc1.weight").shape = {32, 24};
    CHECK(refusal<Marian>(folder, &message) == "shape_mismatch");
    CHECK(message.find("(32, 24) instead of (24, 32)") != message.npos);
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

namespace {

// The first logits of the target's first id, and what is said while loading.
template <class M>
std::vector<float> told(const fs::path& folder, std::vector<std::string>& lines) {
  lines.clear();
  const M model = vt::load_model<M>(folder, [&](std::string_view line) { lines.emplace_back(line); });
  const std::vector<Index> source = {3, 4, 5, 0}, target = {60, 7};
  const auto result = model(vt::Tokens(std::span<const Index>(source)), vt::Tokens(std::span<const Index>(target)));
  return {result.output.span().begin(), result.output.span().begin() + 4};
}
// The table with its last row first, a table of its own.
Changed::Tensor rolled(const Changed::Tensor& table) {
  Changed::Tensor result = table;
  std::rotate(result.values.begin(), result.values.end() - table.shape[1], result.values.end());
  return result;
}

}  // namespace

// Wanted: logits of Transformers 5.23's from_pretrained on the same folders, in double precision.
TEST_CASE("matrices that are stored beside the one they are tied to, and differ, are used as they are") {
  std::vector<std::string> lines;
  const std::string shared = "model.shared.weight", encoder = "model.encoder.embed_tokens.weight",
                    decoder = "model.decoder.embed_tokens.weight", head = "lm_head.weight";
  const auto with = [&]<class M>(const fs::path& original, std::initializer_list<std::string> names,
                                 std::initializer_list<double> wanted, M*) {
    Changed folder(original);
    for (const std::string& name : names) folder.tensors[name] = rolled(folder.tensors.at(shared));
    check_near(told<M>(folder.save(), lines), wanted, 2e-5);
    REQUIRE(lines.size() == names.size());
    std::size_t i = 0;
    for (const std::string& name : names)
      CHECK(lines[i++].find("\"" + name + "\" differs from \"" + shared + "\"") != std::string::npos);
  };
  Marian* const m = nullptr;
  Bart* const b = nullptr;
  with(marian, {}, {-1.49902, -0.317619, 0.565493, -1.907551}, m);
  with(marian, {head}, {-0.505508, -1.326987, -0.206996, -0.292198}, m);
  with(marian, {encoder}, {-1.560513, -0.340612, 0.676773, -1.780266}, m);
  with(marian, {decoder}, {-1.686556, -0.694699, 0.832079, -1.776317}, m);
  with(marian, {encoder, decoder}, {-1.739369, -0.692386, 0.908475, -1.659909}, m);
  with(bart, {head}, {-1.792446, -1.489801, -2.608692, -1.089766}, b);
  with(bart, {encoder}, {-0.16854, -1.825543, 0.227978, -2.525043}, b);
  with(bart, {decoder}, {-1.320887, -2.25873, -1.452579, -0.933424}, b);
  with(bart, {encoder, decoder}, {-0.160011, -1.945617, 0.563247, -2.221467}, b);
  {
    Changed folder(bart);  // no shared matrix: the output is tied to the decoder's
    folder.tensors[decoder] = rolled(folder.tensors.at(shared));
    folder.rename(shared, encoder);
    check_near(told<Bart>(folder.save(), lines), {-2.09287, -1.320887, -2.25873, -1.452579}, 2e-5);
    CHECK(lines.size() == 1);
  }
  {
    Changed folder(bart);  // the output's name alone
    folder.rename(shared, head);
    check_near(told<Bart>(folder.save(), lines), {-1.489801, -2.608692, -1.089766, -0.625592}, 2e-5);
    CHECK(lines.empty());
  }
  {
    Changed folder(marian);  // a table for each side, and an output that is neither's
    folder.config["share_encoder_decoder_embeddings"] = false;
    folder.tensors[head] = rolled(folder.tensors.at(shared));
    folder.tensors[decoder] = folder.tensors.at(shared);
    folder.rename(shared, encoder);
    check_near(told<Marian>(folder.save(), lines), {-0.505508, -1.326987, -0.206996, -0.292198}, 2e-5);
    CHECK(lines.size() == 1);
  }
}

TEST_CASE("the head of a task is left out, and a line tells") {
  std::vector<std::string> lines;
  const auto wanted = logits<Bart>(bart);
  Changed folder(bart);
  folder.tensors["classification_head.dense.weight"] = {{32, 32}, std::vector<float>(1024)};
  folder.tensors["classification_head.out_proj.bias"] = {{3}, std::vector<float>(3)};
  const fs::path path = folder.save();
  CHECK(logits<Bart>(path) == wanted);
  (void)told<Bart>(path, lines);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0] == path.string() +
                        ": left out, being no part of the model, are \"classification_head.dense.weight\", "
                        "\"classification_head.out_proj.bias\"");
  folder.tensors["model.encoder.layers.9.fc1.bias"] = {{24}, std::vector<float>(24)};  // of a layer too many
  (void)told<Bart>(folder.save(), lines);
  CHECK(lines.back().find("model.encoder.layers.9.fc1.bias") != std::string::npos);
  folder.tensors["model.encoder.layers.x.fc1.bias"] = {{24}, std::vector<float>(24)};  // a part of it, and not known
  CHECK(refusal<Bart>(folder) == "unexpected_tensors");
}
