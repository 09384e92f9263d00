#include <vitrine/io/causal_config.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vitrine/io/causal_checkpoint.hpp>
#include <vitrine/io/t5_config.hpp>

#include "refused_config.hpp"

namespace vt = vitrine;
using vt::Index;

namespace {

std::string rope(const std::string& inner) { return "{\"rope_parameters\": {" + inner + "}}"; }

}  // namespace

TEST_CASE("defaults of Transformers") {
  const vt::LlamaConfig llama = vt::llama_config(config("{}")), mistral = vt::mistral_config(config("{}"));
  CHECK(llama.vocab_size == 32000);
  CHECK(llama.num_key_value_heads == 32);
  CHECK(llama.rope_parameters.theta == 10000);
  CHECK(mistral.num_key_value_heads == 8);
  CHECK(mistral.sliding_window == 4096);
  CHECK(vt::qwen2_config(config("{}")).qkv_bias);
  CHECK(vt::qwen3_config(config("{}")).qk_norm);
  CHECK(vt::qwen3_config(config("{}")).head_dim == 128);
  CHECK(vt::gemma2_config(config("{}")).attn_logit_softcapping == 50);
  CHECK(vt::gpt_neox_config(config("{}")).rope_parameters.dim == 24);
  CHECK(vt::t5_config(config("{}")).d_kv == 64);
  CHECK(vt::mt5_config(config("{}")).vocab_size == 250112);
  // As Transformers' T5Config: what it saved of feed_forward_proj comes before that.
  const vt::T5Config saved =
      vt::t5_config(config(R"({"feed_forward_proj": "gated-gelu", "dense_act_fn": "relu", "is_gated_act": false})"));
  CHECK(saved.dense_act_fn == vt::Activation::relu);
  CHECK_FALSE(saved.is_gated_act);
  CHECK(vt::t5_config(config(R"({"dense_act_fn": "gelu_new"})")).dense_act_fn == vt::Activation::gelu_tanh);
}

TEST_CASE("rotary positions as newer and as older files have them") {
  const vt::LlamaConfig newer =
      vt::llama_config(config(rope(R"("rope_theta": 5e5, "rope_type": "linear", "factor": 4)")));
  const vt::LlamaConfig older =
      vt::llama_config(config(R"({"rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 4}})"));
  for (const vt::LlamaConfig* c : {&newer, &older}) {
    CHECK(c->rope_parameters.theta == 5e5);
    CHECK(c->rope_parameters.scaling == vt::RotaryScaling::linear);
    CHECK(c->rope_parameters.factor == 4);
  }
  CHECK(vt::llama_config(config(R"({"rope_scaling": null})")).rope_parameters.scaling == vt::RotaryScaling::none);
  for (const char* kind : {"longrope", "other"}) {
    CAPTURE(kind);
    CHECK(refused(vt::llama_config, rope(std::string(R"("factor": 2, "rope_type": ")") + kind + "\""),
                  "rope_parameters") == "config_unsupported");
  }
  CHECK(refused(vt::llama_config, rope(R"("rope_type": "linear", "factor": 0)"), "factor") == "config_bad_value");
  CHECK(refused(vt::llama_config, rope(R"("rope_type": "dynamic")"), "factor") == "config_bad_value");
  CHECK(refused(vt::llama_config, rope(R"("rope_theta": "10")"), "rope_theta") == "config_bad_value");
  CHECK(refused(vt::llama_config, R"({"rope_parameters": [1]})", "rope_parameters") == "config_bad_value");
}

TEST_CASE("sizes that no model can have, and what would give other numbers, are refused by name") {
  CHECK(refused(vt::llama_config, R"({"num_key_value_heads": 5})", "num_key_value_heads") == "config_bad_value");
  CHECK(refused(vt::llama_config, R"({"vocab_size": -1})", "vocab_size") == "config_bad_value");
  CHECK(refused(vt::qwen3_config, R"({"layer_types": ["sliding_attention"]})", "layer_types") == "config_bad_value");
  // Where Transformers has no mask for a layer.
  CHECK(refused(vt::gemma2_config, R"({"sliding_window": null})", "sliding_window") == "config_bad_value");
  for (const auto family : {vt::mistral_config, vt::qwen2_config, vt::qwen3_config})
    CHECK(refused(family,
                  R"({"num_hidden_layers": 2, "sliding_window": null, "use_sliding_window": true,
                      "layer_types": ["full_attention", "sliding_attention"]})",
                  "sliding_window") == "config_bad_value");
  // Transformers' Gemma2 turns whole heads whatever it says, and its Llama cannot turn a part.
  for (const char* text :
       {R"({"partial_rotary_factor": 0.5})", R"({"rope_parameters": {"partial_rotary_factor": 0.5}})"}) {
    CHECK(refused(vt::gemma2_config, text, "partial_rotary_factor") == "config_unsupported");
    CHECK(refused(vt::llama_config, text, "partial_rotary_factor") == "config_unsupported");
  }
  CHECK(refused(vt::gpt_neox_config, R"({"hidden_size": 8, "num_attention_heads": 2, "rotary_pct": 0.25})",
                "rotary_pct") == "config_unsupported");
  CHECK_FALSE(vt::t5_config(config(R"({"scale_decoder_outputs": null})")).scale_decoder_outputs);
  CHECK(refused(vt::t5_config, R"({"is_encoder_decoder": false})", "is_encoder_decoder") == "config_unsupported");
  CHECK(refused(vt::gemma2_config, R"({"query_pre_attn_scalar": 0})", "query_pre_attn_scalar") == "config_bad_value");
  CHECK(refused(vt::t5_config, R"({"relative_attention_num_buckets": 2})", "relative_attention_num_buckets") ==
        "config_bad_value");
  CHECK(refused(vt::t5_config, R"({"feed_forward_proj": "gated-tanh2"})", "feed_forward_proj") == "config_unsupported");
  CHECK(refused(vt::t5_config, R"({"dense_act_fn": "tanh2"})", "dense_act_fn") == "config_unsupported");
  // 8 and 16 distances have a bucket each; Transformers divides by the logarithm of their ratio to this.
  for (const char* distance : {"8", "16"})
    CHECK(refused(vt::t5_config, std::string("{\"relative_attention_max_distance\": ") + distance + "}",
                  "relative_attention_max_distance") == "config_bad_value");
  CHECK(vt::t5_config(config(R"({"relative_attention_max_distance": 6})")).relative_attention_max_distance == 6);
}
