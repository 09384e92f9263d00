#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <span>
#include <string>
#include <vector>
#include <vitrine/io/safetensors_writer.hpp>
#include <vitrine/io/sentence_modules.hpp>

#include "../support/numbers.hpp"
#include "scratch.hpp"

namespace vt = vitrine;
using vt::Index;

namespace {

// Three tokens of width 4.
const float hidden[] = {-1.25f, -0.5f, 0.25f, 1.f, 0.5f, 1.25f, -0.75f, 0.f, -0.5f, 0.25f, 1.f, -1.f};

struct Folder {
  Scratch scratch;
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((scratch / name).parent_path());
    scratch.write(name, text);
  }
  // modules.json of these types, each in the folder of its number and name.
  void modules(std::initializer_list<const char*> types) const {
    std::string list;
    int number = 0;
    for (const std::string type : types) {
      const std::string path = number == 0 ? "" : std::to_string(number) + "_" + type;
      list += (number == 0 ? "[" : ", ") + std::string(R"({"idx": )") + std::to_string(number) + R"(, "path": ")" +
              path + R"(", "type": "sentence_transformers.models.)" + type + "\"}";
      ++number;
    }
    write("modules.json", list + "]");
  }
  std::vector<float> vector() const { return vt::SentenceModules(scratch.folder).vector(hidden, 3, 4); }
  std::string refusal(std::string* message = nullptr) const {
    return error_of([&] { (void)vector(); }, message);
  }
  // A Dense of ((5 r + 2 c) mod 7 - 3) / 4.
  void dense(const std::string& more, Index rows = 3, bool bias = true) const {
    write("2_Dense/config.json", R"({"in_features": 4, "out_features": )" + std::to_string(rows) + more + "}");
    std::vector<float> weight;
    for (Index r = 0; r < rows; ++r)
      for (Index c = 0; c < 4; ++c) weight.push_back(float((r * 5 + c * 2) % 7 - 3) / 4);
    const std::vector<float> offsets = {0.5f, -0.25f, 0.125f};
    vt::SafeTensorsWriter writer(scratch / "2_Dense/model.safetensors");
    writer.add("linear.weight", {rows, 4}, std::span<const float>(weight));
    if (bias) writer.add("linear.bias", {3}, std::span<const float>(offsets));
    writer.finish();
  }
};

}  // namespace

// Wanted: sentence-transformers 6.2's Pooling, Dense and Normalize in double precision.
TEST_CASE("pooling") {
  const Folder folder;
  folder.modules({"Transformer", "Pooling"});
  const auto with = [&](const std::string& config) {
    folder.write("1_Pooling/config.json", config);
    return folder.vector();
  };
  check_near(with(R"({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false})"), {-1.25, -0.5, 0.25, 1});
  check_near(with(R"({"pooling_mode_max_tokens": true})"), {0.5, 1.25, 1, 1});
  check_near(with(R"({"pooling_mode_mean_tokens": true})"), {-0.416666667, 0.333333333, 0.166666667, 0});
  check_near(with("{}"), {-0.416666667, 0.333333333, 0.166666667, 0});
  check_near(with(R"({"pooling_mode_mean_sqrt_len_tokens": true})"), {-0.721687836, 0.577350269, 0.288675135, 0});
  check_near(with(R"({"pooling_mode_weightedmean_tokens": true})"),
             {-0.291666667, 0.458333333, 0.291666667, -0.333333333});
  check_near(with(R"({"pooling_mode_lasttoken": true})"), {-0.5, 0.25, 1, -1});
  check_near(with(R"({"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true})"),
             {-1.25, -0.5, 0.25, 1, -0.416666667, 0.333333333, 0.166666667, 0});
  check_near(with(R"({"pooling_mode": "lasttoken", "pooling_mode_cls_token": true})"), {-0.5, 0.25, 1, -1});
  check_near(with(R"({"pooling_mode": ["max"]})"), {0.5, 1.25, 1, 1});
  std::string message;
  folder.write("1_Pooling/config.json", R"({"pooling_mode": "median"})");
  CHECK(folder.refusal(&message) == "config_unsupported");
  CHECK(message.find("\"pooling_mode\" \"median\"") != message.npos);
}

TEST_CASE("dense layers and normalization, in the order of modules.json") {
  const Folder folder;
  folder.write("1_Pooling/config.json", "{}");
  folder.modules({"Transformer", "Pooling", "Dense"});
  folder.dense(R"(, "bias": true, "activation_function": "torch.nn.modules.activation.Tanh")");
  check_near(folder.vector(), {0.647413758, -0.635148952, 0.165140413});
  folder.dense("");  // Tanh is the default
  check_near(folder.vector(), {0.647413758, -0.635148952, 0.165140413});
  folder.dense(R"(, "activation_function": "torch.nn.modules.linear.Identity")");
  check_near(folder.vector(), {0.770833333, -0.75, 0.166666667});
  folder.dense(R"(, "activation_function": "torch.nn.modules.activation.ReLU")");
  check_near(folder.vector(), {0.770833333, 0, 0.166666667});
  folder.dense(R"(, "activation_function": "torch.nn.modules.activation.GELU")");
  check_near(folder.vector(), {0.600939459, -0.169970514, 0.094363972});
  folder.dense(R"(, "bias": false, "use_residual": true)", 4, false);
  check_near(folder.vector(), {-0.152266583, -0.128783824, 0.208309237, 0.28366809});
  folder.modules({"Transformer", "Pooling", "Dense", "Normalize"});
  folder.dense(R"(, "activation_function": "torch.nn.modules.activation.GELU")");
  check_near(folder.vector(), {0.951450743, -0.269109591, 0.149403854});
  folder.modules({"Transformer", "Pooling", "Normalize"});
  check_near(folder.vector(), {-0.745355992, 0.596284794, 0.298142397, 0});

  std::string message;
  folder.modules({"Transformer", "Pooling", "Dense"});
  folder.dense(R"(, "activation_function": "torch.nn.modules.activation.Mish")");
  CHECK(folder.refusal(&message) == "config_unsupported");
  CHECK(message.find("\"activation_function\" \"torch.nn.modules.activation.Mish\"") != message.npos);
  folder.dense(R"(, "use_residual": true)");
  CHECK(folder.refusal() == "config_unsupported");
  folder.dense(R"(, "module_input_name": "token_embeddings")");
  CHECK(folder.refusal() == "config_unsupported");
  folder.dense("");
  folder.write("2_Dense/config.json", R"({"in_features": 5, "out_features": 3})");
  CHECK(folder.refusal() == "shape_mismatch");
  folder.dense("");
}

TEST_CASE("what is not known is refused by name") {
  const Folder folder;
  std::string message;
  folder.write("1_Pooling/config.json", "{}");
  folder.modules({"Transformer", "Pooling", "LayerNorm"});
  CHECK(folder.refusal(&message) == "config_unsupported");
  CHECK(message.find("\"sentence_transformers.models.LayerNorm\"") != message.npos);
  folder.modules({"Transformer", "WeightedLayerPooling", "Pooling"});
  CHECK(folder.refusal() == "config_unsupported");
  folder.modules({"Transformer"});
  CHECK(folder.refusal() == "config_unsupported");
  folder.write("modules.json", R"([{"type": "a.Transformer", "path": "../x"}])");
  CHECK(folder.refusal() == "config_bad_value");
  folder.write("modules.json", "{}");
  CHECK(folder.refusal() == "config_bad_value");
  folder.write("modules.json", "[{},]");
  CHECK(folder.refusal(&message) == "config_not_json");
  CHECK(message.find("has a comma behind the last value") != message.npos);
  folder.modules({"Transformer", "Pooling"});
  folder.write("sentence_bert_config.json", R"({"tokenizer_args": {"do_basic_tokenize": false}})");
  CHECK(folder.refusal(&message) == "config_unsupported");
  CHECK(message.find("\"do_basic_tokenize\"") != message.npos);
  folder.write("sentence_bert_config.json", R"({"tokenizer_args": {"padding_side": "left"}})");
  CHECK(folder.refusal() == "no error");
  CHECK(error_of([&] { vt::SentenceModules{"no-such-owner/no-such-model"}; }, &message) == "file_missing");
  CHECK(message.find("hf download no-such-owner/no-such-model") != message.npos);
}

TEST_CASE("without modules.json: 1_Pooling or the mean, of length 1; what is said of lengths, case and prompts") {
  const Folder folder;
  check_near(folder.vector(), {-0.745355992, 0.596284794, 0.298142397, 0});
  folder.write("1_Pooling/config.json", R"({"pooling_mode_cls_token": true})");
  CHECK(vt::SentenceModules(folder.scratch.folder).pooling() == std::vector{vt::Pooling::cls});
  CHECK(folder.vector()[3] == doctest::Approx(1 / std::sqrt(2.875)));
  folder.write("sentence_bert_config.json", R"({"max_seq_length": 8, "do_lower_case": true})");
  folder.write("config_sentence_transformers.json",
               R"({"prompts": {"query": "query: ", "document": ""}, "default_prompt_name": "query"})");
  const vt::SentenceModules modules(folder.scratch.folder);
  CHECK(modules.lower_case());
  CHECK(modules.max_seq_length(512) == 8);
  CHECK(modules.max_seq_length(4) == 4);
  CHECK(modules.prompt() == "query: ");
  CHECK(modules.transformer() == folder.scratch.folder);
  CHECK(error_of([&] { (void)modules.vector(hidden, 0, 4); }) == "bad_usage");
  folder.write("1_Pooling/config.json", R"({"include_prompt": false})");
  CHECK(folder.refusal() == "config_unsupported");
  folder.write("config_sentence_transformers.json", R"({"prompts": {}, "default_prompt_name": "query"})");
  CHECK(folder.refusal() == "config_bad_value");
  folder.write("config_sentence_transformers.json", R"({"prompts": {}, "default_prompt_name": null})");
  CHECK(folder.refusal() == "no error");
  CHECK(vt::SentenceModules(folder.scratch.folder).prompt().empty());
  std::filesystem::create_directories(folder.scratch / "2_Dense");
  CHECK(folder.refusal() == "config_unsupported");
}
