#include <doctest/doctest.h>

#include <string>
#include <vitrine/io/module_config.hpp>

#include "scratch.hpp"

namespace vt = vitrine;

TEST_CASE("a configuration survives being written and read") {
  const vt::AttentionConfig attention{.embed_dim = 6, .num_heads = 2, .bias = false, .add_bias_kv = true, .kdim = 9};
  CHECK(vt::write_config(attention) ==
        R"({"add_bias_kv":true,"add_zero_attn":false,"bias":false,"dropout":0.0,"embed_dim":6,"kdim":9,)"
        R"("num_heads":2,"vdim":null})");
  const auto again = vt::read_config<vt::AttentionConfig>(vt::write_config(attention), "x");
  CHECK(again.kdim == 9);
  CHECK(again.vdim == vt::Dynamic);
  CHECK(vt::write_config(again) == vt::write_config(attention));

  vt::TransformerConfig whole;
  whole.activation = vt::Activation::silu, whole.layer_norm_eps = 1e-12, whole.num_decoder_layers = 0;
  CHECK(vt::write_config(vt::read_config<vt::TransformerConfig>(vt::write_config(whole), "x")) ==
        vt::write_config(whole));
  vt::StackConfig stack;
  stack.layer.norm_first = true, stack.final_norm = true, stack.num_layers = 7;
  CHECK(vt::write_config(vt::read_config<vt::StackConfig>(vt::write_config(stack), "x")) == vt::write_config(stack));
}

TEST_CASE("absent options keep PyTorch's defaults; names of activations are Transformers' too") {
  const auto layer =
      vt::read_config<vt::LayerConfig>(R"({"d_model": 8, "activation": "gelu_new", "batch_first": true})", "x");
  CHECK(layer.d_model == 8);
  CHECK(layer.nhead == vt::Dynamic);
  CHECK(layer.dim_feedforward == 2048);
  CHECK(layer.activation == vt::Activation::gelu_tanh);
  CHECK(layer.layer_norm_eps == 1e-5);
}

TEST_CASE("what cannot be honoured is refused by name") {
  std::string message;
  const auto read = [&](const char* text) {
    return error_of([&] { vt::read_config<vt::LayerConfig>(text, "file.safetensors"); }, &message);
  };
  CHECK(read(R"({"nhead": -1})") == "config_bad_value");
  CHECK(read(R"({"nhead": 1e300})") == "config_bad_value");
  CHECK(read(R"({"nhead": 99999999999999999999})") == "config_bad_value");
  CHECK(read(R"({"norm_first": 1})") == "config_bad_value");
  CHECK(read(R"({"layer_norm_eps": "small"})") == "config_bad_value");
  CHECK(read(R"({"activation": 3})") == "config_bad_value");
  CHECK(read(R"({"activation": "\u0007mish"})") == "config_bad_value");
  CHECK(message.find('\a') == message.npos);
  CHECK(read(R"({"num_layers": 3})") == "config_unsupported");
  CHECK(read("[]") == "config_not_json");
  CHECK(read("") == "config_not_json");
  CHECK(message.starts_with("config_not_json: file.safetensors: "));
  CHECK(read((R"({"nhead": )" + std::string(100000, '[')).c_str()) == "nesting_too_deep");
}

TEST_CASE("the final norm's own options: written when chosen, compared with what the file's norm has") {
  vt::StackConfig stack{.layer = {.d_model = 8, .nhead = 2, .bias = false}, .num_layers = 1, .final_norm = true};
  CHECK(vt::write_config(stack).find("final_norm_") == std::string::npos);
  stack.final_norm_eps = 1e-6, stack.final_norm_bias = true;
  const std::string own = vt::write_config(stack);
  const auto same = vt::read_config<vt::StackConfig>(own, "f");
  CHECK(same.final_norm_eps == 1e-6);
  CHECK(same.final_norm_bias == true);
  CHECK(!vt::read_config<vt::StackConfig>(R"({"final_norm_eps": null})", "f").final_norm_eps);
  CHECK(error_of([] { (void)vt::read_config<vt::StackConfig>(R"({"final_norm_bias": 1})", "f"); }) ==
        "config_bad_value");

  const auto differences = [](const std::string& file, const vt::StackConfig& layer) {
    return vt::detail::config_differences("Encoder", file, "Encoder", vt::detail::config_json(layer), "f");
  };
  vt::StackConfig plain = stack;
  plain.final_norm_eps.reset(), plain.final_norm_bias.reset();
  CHECK(differences(own, stack).empty());
  CHECK(differences(vt::write_config(plain), plain).empty());
  CHECK(differences(own, plain) ==
        "final_norm_bias is true in the file's configuration and false in the layer's; final_norm_eps is 1e-06 in the "
        "file's configuration and 1e-05 in the layer's");
  CHECK(differences(vt::write_config(plain), stack) ==
        "final_norm_bias is false in the file's configuration and true in the layer's; final_norm_eps is 1e-05 in the "
        "file's configuration and 1e-06 in the layer's");
  CHECK(differences(R"({"final_norm": true, "num_layers": 1})", stack).empty());  // which says nothing of them
}
