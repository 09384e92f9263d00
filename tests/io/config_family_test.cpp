#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string>
#include <vitrine/io/config_families.hpp>
#include <vitrine/io/config_family.hpp>
#include <vitrine/io/generation_file.hpp>
#include <vitrine/io/seq2seq_config.hpp>
#include <vitrine/io/text_config.hpp>

#include "refused_config.hpp"
#include "scratch.hpp"

namespace vt = vitrine;
using vt::Index;

namespace {

// What reading one of the models' configurations throws.
std::string refusal(const std::string& more, const std::string& type = "marian", std::string* message = nullptr) {
  const std::string text = R"({"model_type": ")" + type +
                           R"(", "vocab_size": 40, "d_model": 24, "encoder_attention_heads": 4,
      "decoder_attention_heads": 3)" +
                           (more.empty() ? "" : ", " + more) + "}";
  return error_of([&] { (void)vt::seq2seq_config(config(text), type); }, message);
}

}  // namespace

TEST_CASE("Marian's and Bart's config.json") {
  const auto c = vt::seq2seq_config(vt::ConfigFile("examples/models/g2p/config.json"), "marian");
  CHECK(c.vocab_size == 69);
  CHECK(c.d_model == 128);
  CHECK(c.encoder_layers == 3);
  CHECK(c.decoder_attention_heads == 4);
  CHECK(c.activation_function == vt::Activation::silu);
  CHECK(c.scale_embedding);
  CHECK(c.decoder_start_token_id == 68);
  std::string message;
  CHECK(refusal("") == "no error");
  CHECK(refusal("\"normalize_before\": false, \"static_position_embeddings\": true") == "no error");
  CHECK(refusal("\"eos_token_id\": [3, 4]") == "no error");
  CHECK(refusal("\"normalize_before\": true", "marian", &message) == "config_unsupported");
  CHECK(message.find("normalize_before") != message.npos);
  CHECK(refusal("\"static_position_embeddings\": false") == "config_unsupported");
  CHECK(refusal("\"normalize_embedding\": true") == "config_unsupported");
  CHECK(refusal("\"normalize_embedding\": true", "bart") == "no error");
  CHECK(refusal("\"add_final_layer_norm\": true", "bart") == "config_unsupported");
  CHECK(refusal("\"activation_function\": \"mish\"") == "config_unsupported");
  for (const char* type : {"marian", "bart", "mbart", "m2m_100"})  // Transformers 5.23's masks see what comes then
    CHECK(refusal("\"is_causal\": false", type) == "config_unsupported");
  for (const char* type : {"gpt2", "llama", "mistral", "qwen2", "qwen3", "gemma2", "gpt_neox", "t5", "mt5"}) {
    const auto file = config(std::string(R"({"is_causal": false, "model_type": ")") + type + "\"}");
    CAPTURE(type);
    CHECK(error_of([&] { vt::family_of(file)->read(file); }, &message) == "config_unsupported");
    CHECK(message.find("\"is_causal\"") != message.npos);
  }
  CHECK(error_of([&] { (void)vt::bert_config(config(R"({"is_causal": false})")); }) == "no error");
  CHECK(refusal("\"encoder_layers\": 0") == "config_bad_value");
  CHECK(refusal("\"encoder_layers\": 100000") == "config_bad_value");
  CHECK(refusal("\"decoder_ffn_dim\": \"wide\"") == "config_bad_value");
  const std::string head = R"({"model_type": "marian", "vocab_size": 4)";
  CHECK(error_of(
            [&] {
              (void)vt::seq2seq_config(config(head + R"(, "d_model": 10, "encoder_attention_heads": 3})"), "marian");
            },
            &message) == "config_bad_value");
  CHECK(message.find("not divisible by 3") != message.npos);
  CHECK(error_of([&] { (void)vt::seq2seq_config(config(R"({"model_type": "t5"})"), "marian"); }) == "config_mismatch");
}

// What Transformers 5.23's from_dict makes of the same.
TEST_CASE("keys under Transformers' other names hold, and come before the own ones") {
  const auto gpt2 = vt::gpt2_config(config(R"({"model_type": "gpt2", "num_attention_heads": 2, "hidden_size": 64,
                                                "num_hidden_layers": 3, "max_position_embeddings": 77})"));
  CHECK(gpt2.n_head == 2);
  CHECK(gpt2.n_embd == 64);
  CHECK(gpt2.n_layer == 3);
  CHECK(gpt2.n_positions == 77);
  CHECK(gpt2.n_inner == 256);
  CHECK(vt::gpt2_config(config(R"({"n_head": 4, "num_attention_heads": 2})")).n_head == 2);
  CHECK(vt::gpt2_config(config(R"({"num_attention_heads": 2, "n_head": 4})")).n_head == 2);
  const auto small = vt::distilbert_config(
      config(R"({"model_type": "distilbert", "num_attention_heads": 2, "hidden_size": 10, "num_hidden_layers": 1})"));
  CHECK(small.num_attention_heads == 2);
  CHECK(small.hidden_size == 10);
  CHECK(small.num_hidden_layers == 1);
  for (const char* type : {"bart", "marian"}) {
    const auto c = vt::seq2seq_config(
        config(R"({"encoder_layers": 5, "num_hidden_layers": 3, "num_attention_heads": 2, "hidden_size": 32})"), type);
    CHECK(c.encoder_layers == 3);
    CHECK(c.decoder_layers == 12);
    CHECK(c.encoder_attention_heads == 2);
    CHECK(c.decoder_attention_heads == 16);
    CHECK(c.d_model == 32);
  }
  std::string message;  // the name that the file has is the one in the sentence
  CHECK(error_of([&] { (void)vt::gpt2_config(config(R"({"num_attention_heads": 0})")); }, &message) ==
        "config_bad_value");
  CHECK(message.find("\"num_attention_heads\"") != message.npos);
  CHECK(error_of([&] { (void)vt::gpt2_config(config(R"({"num_attention_heads": 7})")); }, &message) ==
        "config_bad_value");
  CHECK(message.find("\"num_attention_heads\"") != message.npos);
}

TEST_CASE("what is absent is the configuration class's default, and null a size that is refused") {
  const auto bart = vt::seq2seq_config(config("{}"), "bart"), marian = vt::seq2seq_config(config("{}"), "marian");
  CHECK(bart.vocab_size == 50265);
  CHECK(bart.eos_token_id == 2);
  CHECK(bart.decoder_start_token_id == 2);
  CHECK(bart.pad_token_id == 1);
  CHECK(bart.bos_token_id == 0);
  CHECK(marian.vocab_size == 58101);
  CHECK(marian.decoder_vocab_size == 58101);
  CHECK(marian.eos_token_id == 0);
  CHECK(marian.decoder_start_token_id == 58100);
  CHECK(marian.pad_token_id == 58100);
  CHECK(marian.bos_token_id == -1);
  CHECK(vt::gpt2_config(config("{}")).eos_token_id == 50256);
  CHECK(vt::gpt2_config(config("{}")).pad_token_id == -1);
  const auto none =
      vt::seq2seq_config(config(R"({"eos_token_id": null, "pad_token_id": -1, "bos_token_id": []})"), "bart");
  CHECK(none.eos_token_id == -1);
  CHECK(none.pad_token_id == -1);
  CHECK(none.bos_token_id == -1);
  std::string message;
  CHECK(error_of([&] { (void)vt::gpt2_config(config(R"({"n_head": null})")); }, &message) == "config_bad_value");
  CHECK(message.find("\"n_head\" is null") != message.npos);
  CHECK(refusal("\"decoder_vocab_size\": null") == "no error");
  CHECK(error_of([&] { (void)vt::bert_config(config(R"({"layer_norm_eps": -1})")); }) == "config_bad_value");
  CHECK(error_of([&] { (void)vt::bert_config(config(R"({"layer_norm_eps": 1e300})")); }) == "config_bad_value");
}

TEST_CASE("model_type may be absent, or another's, where the class is named") {
  CHECK(vt::bert_config(config(R"({"architectures": ["BertForMaskedLM"]})")).hidden_size == 768);
  CHECK(vt::bert_config(config("{}")).hidden_size == 768);  // the caller names it
  const char* translated = R"({"model_type": "bart", "architectures": ["MarianMTModel"], "normalize_embedding": false,
                               "static_position_embeddings": true})";
  CHECK(vt::seq2seq_config(config(translated), "marian").d_model == 1024);
  std::string message;
  CHECK(error_of([&] { (void)vt::bert_config(config(R"({"architectures": ["AlbertModel"]})")); }, &message) ==
        "config_mismatch");
  CHECK(message.find("\"architectures\" names \"AlbertModel\"") != message.npos);
  CHECK(error_of([&] { (void)vt::bert_config(config(R"({"model_type": "roberta", "architectures": null})")); }) ==
        "config_mismatch");
  CHECK(error_of([&] { (void)vt::bert_config(config(R"({"architectures": ["BertGenerationEncoder"]})")); }) ==
        "config_mismatch");

  const auto type_of = [](const char* text) -> std::string {
    const vt::KnownFamily* family = vt::family_of(config(text));
    return family == nullptr ? "none" : family->names->model_type;
  };
  CHECK(type_of(R"({"architectures": ["GPT2LMHeadModel"]})") == "gpt2");
  CHECK(type_of(R"({"architectures": ["DistilBertForSequenceClassification"]})") == "distilbert");
  CHECK(type_of(translated) == "marian");
  CHECK(type_of(R"({"model_type": "bert"})") == "bert");
  CHECK(type_of(R"({"model_type": "bert", "architectures": ["SomeModel", 3]})") == "bert");
  CHECK(type_of(R"({"model_type": "whisper"})") == "none");
  CHECK(type_of("{}") == "none");
}

TEST_CASE("what no family honours is refused by name") {
  std::string message;
  const auto refused = [&](const std::string& key, const std::string& value) {
    CHECK(error_of([&] { (void)vt::bert_config(config("{\"" + key + "\": " + value + "}")); }, &message) ==
          "config_unsupported");
    CHECK(message.find("\"" + key + "\"") != message.npos);
  };
  refused("auto_map", R"({"AutoConfig": "configuration_bert.BertConfig", "AutoModel": "bert_layers.BertModel"})");
  refused("auto_map", R"({"AutoModelForCausalLM": "x.Y"})");
  refused("auto_map", "3");
  refused("alibi_starting_size", "4096");
  refused("alibi", "true");
  refused("use_alibi_bias", "1");
  refused("quantization_config", R"({"bits": 4})");
  refused("pruned_heads", R"({"0": [1]})");
  for (
      const char* accepted :
      {R"({"auto_map": {"AutoTokenizer": ["a.B", null]}})", R"({"auto_map": null})", R"({"auto_map": {}})",
       R"({"alibi": false})", R"({"quantization_config": null})", R"({"pruned_heads": {}})", R"({"pruned_heads": []})",
       R"({"torch_dtype": "float16", "extra_pos_embeddings": 3, "directionality": "bidi", "gradient_checkpointing": true})"}) {
    CAPTURE(accepted);
    CHECK(error_of([&] { (void)vt::bert_config(config(accepted)); }) == "no error");
  }
  for (const char* type : {"marian", "bart"})
    for (const char* more : {"\"extra_pos_embeddings\": 62802", "\"add_bias_logits\": true", "\"output_past\": true"})
      CHECK(refusal(more, type) == "no error");
}

TEST_CASE("the page of what is refused states every key") {
  std::ifstream in("examples/loading.md");
  const std::string page(std::istreambuf_iterator<char>(in), {});
  const auto stated = [&](const std::string& key) {
    CAPTURE(key);
    CHECK(page.find("`" + key + "`") != page.npos);
  };
  for (const vt::KnownFamily& family : vt::config_families)
    for (const vt::OnlyValue& only : family.names->only) stated(only.key);
  for (const vt::OnlyValue& only : vt::detail::generation_options) stated(only.key);
  for (const char* key :
       {"auto_map", "alibi", "quantization_config", "pruned_heads", "suppress_tokens", "begin_suppress_tokens"})
    stated(key);
}
