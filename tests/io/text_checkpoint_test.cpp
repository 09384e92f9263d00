#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>
#include <vitrine/io/checkpoint.hpp>
#include <vitrine/io/safetensors_writer.hpp>
#include <vitrine/io/text_checkpoint.hpp>
#include <vitrine/io/text_config.hpp>

#include "changed_checkpoint.hpp"

namespace vt = vitrine;
namespace fs = std::filesystem;
using vt::Index;

namespace {

using Bert = vt::Bert<float>;
using DistilBert = vt::DistilBert<float>;
using Gpt2 = vt::Gpt2<float>;
const fs::path bert = "tests/golden/models/bert_0", distilbert = "tests/golden/models/distilbert_1",
               gpt2 = "tests/golden/models/gpt2_1";

template <class M>
std::vector<float> output(const fs::path& folder) {
  const M model = vt::load_model<M>(folder);
  const std::vector<Index> ids = {3, 4, 60, 0, 17};
  const auto result = model(vt::Tokens(std::span<const Index>(ids)));
  std::vector<float> values(result.output.span().begin(), result.output.span().end());
  if constexpr (requires { result.pooled; })
    values.insert(values.end(), result.pooled.span().begin(), result.pooled.span().end());
  return values;
}

}  // namespace

TEST_CASE("Bert: spellings of one checkpoint give the same bits") {
  const auto wanted = output<Bert>(bert);
  Changed folder(bert);
  SUBCASE("as it is, in shards") { CHECK(output<Bert>(folder.save(vt::DType::F32, 3)) == wanted); }
  SUBCASE("under the prefix of a task, beside its heads") {
    folder.put_before("bert.");
    folder.tensors["cls.predictions.bias"] = {{61}, std::vector<float>(61)};
    folder.tensors["cls.predictions.decoder.weight"] = folder.tensors.at("bert.embeddings.word_embeddings.weight");
    folder.tensors["cls.seq_relationship.weight"] = {{2, 32}, std::vector<float>(64)};
    folder.tensors["bert.embeddings.position_ids"] = {{1, 32}, std::vector<float>(32)};
    CHECK(output<Bert>(folder.save()) == wanted);
  }
  SUBCASE("gamma and beta") {
    folder.rename("LayerNorm.weight", "LayerNorm.gamma");
    folder.rename("LayerNorm.bias", "LayerNorm.beta");
    CHECK(folder.tensors.contains("encoder.layer.1.output.LayerNorm.gamma"));
    CHECK(output<Bert>(folder.save()) == wanted);
  }
}

TEST_CASE("names that are no parameter of a layer stand for themselves") {
  for (const std::string name : {"pooler.dense.weight", "layers.3.gate.weight"})
    CHECK(vt::detail::layer_tensors(name, "layers.", vt::detail::bert_names) == std::vector<std::string>{name});
}

TEST_CASE("F16 and BF16 are widened exactly") {
  Changed folder(bert), transposed(gpt2);
  for (Changed* one : {&folder, &transposed})
    for (auto& [name, tensor] : one->tensors)  // 6 bits: the same in all three types
      for (float& value : tensor.values) value = std::round(value * 16) / 16;
  const auto wanted = output<Bert>(folder.save()), wanted_too = output<Gpt2>(transposed.save());
  for (vt::DType type : {vt::DType::F16, vt::DType::BF16}) {
    CHECK(output<Bert>(folder.save(type)) == wanted);
    CHECK(output<Gpt2>(transposed.save(type)) == wanted_too);
  }
}

TEST_CASE("Bert without a pooler") {
  Changed folder(bert);
  folder.tensors.erase("pooler.dense.weight");
  folder.tensors.erase("pooler.dense.bias");
  auto wanted = output<Bert>(bert);
  wanted.resize(wanted.size() - 32);
  CHECK(output<Bert>(folder.save()) == wanted);
  folder.tensors["pooler.dense.bias"] = {{32}, std::vector<float>(32)};
  CHECK(refusal<Bert>(folder) == "missing_tensors");
}

TEST_CASE("DistilBert: alone or under its prefix, heads ignored") {
  const auto wanted = output<DistilBert>(distilbert);
  Changed folder(distilbert);
  folder.put_before("distilbert.");
  folder.tensors["vocab_transform.weight"] = {{8, 8}, std::vector<float>(64)};
  folder.tensors["classifier.bias"] = {{2}, std::vector<float>(2)};
  CHECK(output<DistilBert>(folder.save()) == wanted);
}

TEST_CASE("Gpt2: with and without prefix, tied twice, with old buffers") {
  const auto wanted = output<Gpt2>(gpt2);
  Changed folder(gpt2);
  SUBCASE("the hub's file") {
    folder.rename("transformer.", "");
    folder.tensors["h.0.attn.bias"] = {{1, 1, 32, 32}, std::vector<float>(1024)};
    folder.tensors["h.0.attn.masked_bias"] = {{1}, {-1e4f}};
    CHECK(output<Gpt2>(folder.save()) == wanted);
  }
  SUBCASE("the tied matrix twice, or only as the head's") {
    folder.tensors["lm_head.weight"] = folder.tensors.at("transformer.wte.weight");
    CHECK(output<Gpt2>(folder.save()) == wanted);
    folder.tensors["lm_head.weight"] = folder.tensors.at("transformer.wte.weight");
    folder.rename("transformer.", "");
    folder.tensors.erase("wte.weight");
    CHECK(output<Gpt2>(folder.save()) == wanted);
  }
  SUBCASE("an untied head") {
    folder.config["tie_word_embeddings"] = false;
    CHECK(refusal<Gpt2>(folder) == "missing_tensors");
    folder.tensors["lm_head.weight"] = folder.tensors.at("transformer.wte.weight");
    CHECK(output<Gpt2>(folder.save()) == wanted);
    folder.tensors["lm_head.weight"].values[3] += 1;
    CHECK(output<Gpt2>(folder.save()) != wanted);
  }
}

// Wanted: the first logits of Transformers 5.23's from_pretrained on the same folder, in double precision.
TEST_CASE("an output matrix that differs from the embedding it is tied to is used as it is, and a head left out") {
  std::vector<std::string> lines;
  const auto told = [&](const fs::path& folder) {
    lines.clear();
    const auto model = vt::load_model<Gpt2>(folder, [&](std::string_view line) { lines.emplace_back(line); });
    const std::vector<Index> ids = {5, 3, 8, 1};
    const auto result = model(vt::Tokens(std::span<const Index>(ids)));
    return std::vector<float>(result.output.span().begin(), result.output.span().begin() + 4);
  };
  Changed folder("tests/golden/models/gpt2_0");
  auto head = folder.tensors.at("transformer.wte.weight");
  std::rotate(head.values.begin(), head.values.end() - head.shape[1], head.values.end());
  folder.tensors["lm_head.weight"] = head;
  const auto values = told(folder.save());
  const double wanted[] = {3.029339, 2.240894, 3.039581, -0.45336};
  for (std::size_t i = 0; i < 4; ++i) CHECK(values[i] == doctest::Approx(wanted[i]).epsilon(2e-5));
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find("\"lm_head.weight\" differs from \"transformer.wte.weight\"") != std::string::npos);

  Changed classifier(gpt2);
  classifier.tensors["score.weight"] = {{2, 32}, std::vector<float>(64)};
  CHECK(output<Gpt2>(classifier.save()) == output<Gpt2>(gpt2));
  (void)told(classifier.save());
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].ends_with("left out, being no part of the model, are \"score.weight\""));
  classifier.rename("transformer.", "");  // the body's names without prefix
  CHECK(output<Gpt2>(classifier.save()) == output<Gpt2>(gpt2));
}

TEST_CASE("what would change a result and is not honoured is refused by name") {
  std::string message;
  const auto refused = [&]<class M>(const fs::path& original, const char* key, const nlohmann::json& value, M*) {
    Changed folder(original);
    folder.config[key] = value;
    CHECK(refusal<M>(folder, &message) == "config_unsupported");
    CHECK(message.find(key) != message.npos);
  };
  refused(bert, "position_embedding_type", "relative_key", static_cast<Bert*>(nullptr));
  refused(bert, "is_decoder", true, static_cast<Bert*>(nullptr));
  refused(bert, "add_cross_attention", true, static_cast<Bert*>(nullptr));
  refused(bert, "pruned_heads", {{"0", {1}}}, static_cast<Bert*>(nullptr));
  refused(bert, "hidden_act", "tanh", static_cast<Bert*>(nullptr));
  refused(distilbert, "activation", "mish", static_cast<DistilBert*>(nullptr));
  refused(gpt2, "add_cross_attention", true, static_cast<Gpt2*>(nullptr));
}

TEST_CASE("configurations: honoured keys, defaults, values that make no sense") {
  const auto bert_of = [](const char* text) { return vt::bert_config(vt::ConfigFile(text, "config.json")); };
  const auto defaults = bert_of(R"({"model_type": "bert"})");
  CHECK(defaults.vocab_size == 30522);
  CHECK(defaults.layer_norm_eps == 1e-12);
  CHECK(defaults.hidden_act == vt::Activation::gelu);
  CHECK(bert_of(R"({"model_type": "bert", "hidden_act": "gelu_new", "layer_norm_eps": 1e-5})").hidden_act ==
        vt::Activation::gelu_tanh);
  const auto error = [&](const char* text) { return error_of([&] { (void)bert_of(text); }); };
  CHECK(error(R"({"model_type": "bert", "num_attention_heads": 7})") == "config_bad_value");
  CHECK(error(R"({"model_type": "bert", "hidden_size": -1})") == "config_bad_value");
  CHECK(error(R"({"model_type": "bert", "num_hidden_layers": 1e9})") == "config_bad_value");
  CHECK(error(R"({"model_type": "roberta"})") == "config_mismatch");

  const auto small = vt::distilbert_config(
      vt::ConfigFile(R"({"model_type": "distilbert", "dim": 16, "n_heads": 4, "hidden_dim": 9})", "config.json"));
  CHECK(small.hidden_size == 16);
  CHECK(small.intermediate_size == 9);
  CHECK(small.type_vocab_size == 0);
  const auto large = vt::gpt2_config(vt::ConfigFile(
      R"({"model_type": "gpt2", "n_inner": null, "eos_token_id": [5, 6], "reorder_and_upcast_attn": true})", "c.json"));
  CHECK(large.n_inner == 3072);
  CHECK(large.eos_token_id == 5);
  CHECK(large.activation_function == vt::Activation::gelu_tanh);
}

TEST_CASE("tensors are refused by name, and another model's folder by its type") {
  std::string message;
  {
    Changed folder(bert);
    folder.tensors.erase("encoder.layer.2.output.dense.bias");
    folder.tensors.erase("encoder.layer.0.attention.self.key.weight");
    CHECK(refusal<Bert>(folder, &message) == "missing_tensors");
    CHECK(message.find("encoder.layer.2.output.dense.bias") != message.npos);
    CHECK(message.find("encoder.layer.0.attention.self.key.weight") != message.npos);
  }
  {
    Changed folder(bert);
    folder.tensors["encoder.layer.3.output.dense.bias"] = {{32}, std::vector<float>(32)};  // of a layer too many
    CHECK(refusal<Bert>(folder, &message) == "no error");
    folder.tensors["encoder.layer.0.output.more.bias"] = {{32}, std::vector<float>(32)};
    CHECK(refusal<Bert>(folder, &message) == "unexpected_tensors");
    CHECK(message.find("encoder.layer.0.output.more.bias") != message.npos);
  }
  {
    Changed folder(gpt2);  // an ordinary Linear where Conv1D is stored transposed
    folder.tensors.at("transformer.h.0.mlp.c_fc.weight").shape = {32, 8};
    CHECK(refusal<Gpt2>(folder, &message) == "shape_mismatch");
    CHECK(message.find("(32, 8) instead of (8, 32)") != message.npos);
  }
  CHECK(refusal<DistilBert>(Changed(bert)) == "config_mismatch");
  CHECK(refusal<Bert>(Changed(gpt2)) == "config_mismatch");
  CHECK(refusal<Gpt2>(Changed(distilbert)) == "config_mismatch");
}
