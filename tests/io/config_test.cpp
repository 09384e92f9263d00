#include <doctest/doctest.h>

#include <string>
#include <vitrine/io/config.hpp>

#include "scratch.hpp"

namespace vt = vitrine;
using vt::Index;

namespace {

vt::ConfigFile config(const std::string& text) { return vt::ConfigFile(text, "config.json"); }

// What reading one of the models' configurations throws.
std::string refusal(const std::string& more, const std::string& type = "marian", std::string* message = nullptr) {
  const std::string text = R"({"model_type": ")" + type +
                           R"(", "vocab_size": 40, "d_model": 24, "encoder_attention_heads": 4,
      "decoder_attention_heads": 3)" +
                           (more.empty() ? "" : ", " + more) + "}";
  return error_of([&] { (void)vt::seq2seq_config(config(text), type); }, message);
}
std::string option_refusal(const std::string& text, std::string* message = nullptr) {
  return error_of([&] { (void)vt::generation_config(config(text)); }, message);
}

}  // namespace

TEST_CASE("files that are no configuration") {
  const Scratch scratch;
  const auto open = [&](const std::string& text) {
    return error_of([&] { vt::ConfigFile file(scratch.write("config.json", text)); });
  };
  CHECK(error_of([&] { vt::ConfigFile file(scratch / "nothing.json"); }) == "config_missing");
  CHECK(open("{}") == "no error");
  for (const char* bad : {"", "{", "[1]", "3", "{\"a\": }", "{\"a\": 1} x", "\xff{}", "{\"a\": \"\xc0\"}"})
    CHECK(open(bad) == "config_not_json");
  CHECK(open(std::string("{\"a\":") + std::string(100, '[') + std::string(100, ']') + "}") == "config_not_json");
}

TEST_CASE("values by key") {
  const auto file = config(R"({"n": 3, "x": 0.5, "yes": true, "none": null, "text": "t", "big": 99999999999, "neg": -1,
                               "huge": 18446744073709551615, "ids": [1, 2], "one": 7, "lists": [[1], [2, 3]],
                               "bad_lists": [[1], []], "bad_ids": [1, "a"], "half": 1.5})");
  CHECK(file.integer("n") == 3);
  CHECK(file.integer("none", 8) == 8);
  CHECK(file.integer("gone", 9) == 9);
  CHECK(file.number("x") == 0.5);
  CHECK(file.number("n") == 3);
  CHECK(file.boolean("yes", false));
  CHECK(file.text("text", "") == "t");
  CHECK(file.has("n"));
  CHECK(!file.has("none"));
  CHECK(file.ids("ids") == std::vector<Index>{1, 2});
  CHECK(file.ids("one") == std::vector<Index>{7});
  CHECK(file.ids("none").empty());
  CHECK(file.id_lists("lists") == std::vector<std::vector<Index>>{{1}, {2, 3}});
  std::string message;
  for (const char* key : {"big", "neg", "huge", "half", "text", "yes", "ids", "gone"}) {
    CHECK(error_of([&] { (void)file.integer(key); }, &message) == "config_bad_value");
    CHECK(message.find("\"" + std::string(key) + "\"") != message.npos);
  }
  CHECK(error_of([&] { (void)file.boolean("n", true); }) == "config_bad_value");
  CHECK(error_of([&] { (void)file.number("text"); }) == "config_bad_value");
  CHECK(error_of([&] { (void)file.text("n", ""); }) == "config_bad_value");
  CHECK(error_of([&] { (void)file.ids("bad_ids"); }) == "config_bad_value");
  CHECK(error_of([&] { (void)file.ids("text"); }) == "config_bad_value");
  CHECK(error_of([&] { (void)file.id_lists("bad_lists"); }) == "config_bad_value");
  CHECK(error_of([&] { (void)file.id_lists("ids"); }) == "config_bad_value");
}

TEST_CASE("ids are whole numbers from 0 to 2^24, alone or in lists") {
  CHECK(config(R"({"a": [0, 16777216]})").ids("a") == std::vector<Index>{0, 16777216});
  CHECK(config(R"({"a": 16777216})").ids("a") == std::vector<Index>{16777216});
  CHECK(config(R"({"a": []})").ids("a").empty());
  CHECK(config(R"({"a": []})").id_lists("a").empty());
  CHECK(config(R"({"a": null})").id_lists("a").empty());
  CHECK(config(R"({"a": [[0, 16777216]]})").id_lists("a") == std::vector<std::vector<Index>>{{0, 16777216}});
  for (const std::string id : {"-1", "16777217", "18446744073709551615", "1.0", "\"1\"", "null", "true", "[1]", "{}"}) {
    CAPTURE(id);
    std::string message;
    const auto refused = [&](const std::string& text, bool lists) {
      const auto file = config("{\"a\": " + text + "}");
      message.clear();
      return error_of([&] { lists ? void(file.id_lists("a")) : void(file.ids("a")); }, &message);
    };
    CHECK(refused("[2, " + id + "]", false) == "config_bad_value");
    CHECK(message.find("an id or a list of ids") != message.npos);
    if (id != "null" && id != "[1]") CHECK(refused(id, false) == "config_bad_value");
    CHECK(refused("[[3], [2, " + id + "]]", true) == "config_bad_value");
    CHECK(message.find("a list of lists of ids") != message.npos);
    if (id != "null" && id != "[1]") CHECK(refused(id, true) == "config_bad_value");
    if (id != "[1]") CHECK(refused("[[1], " + id + "]", true) == "config_bad_value");
  }
}

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

TEST_CASE("generation options") {
  const auto g = vt::generation_config(config(R"({"num_beams": 6, "num_return_sequences": 2, "max_length": 512,
      "max_new_tokens": 9, "min_length": 2, "min_new_tokens": 1, "length_penalty": 0.6, "early_stopping": "never",
      "no_repeat_ngram_size": 3, "bad_words_ids": [[58100]], "eos_token_id": [0, 2], "pad_token_id": 1,
      "decoder_start_token_id": 1, "forced_bos_token_id": 4, "forced_eos_token_id": 0, "renormalize_logits": true,
      "do_sample": false, "temperature": 0.3, "transformers_version": "5"})"));
  CHECK(g.num_beams == 6);
  CHECK(g.num_return_sequences == 2);
  CHECK(g.limit(3) == 12);
  CHECK(g.min_new_tokens == 1);
  CHECK(g.length_penalty == 0.6);
  CHECK(g.early_stopping == vt::EarlyStopping::never);
  CHECK(g.bad_words_ids == std::vector<std::vector<Index>>{{58100}});
  CHECK(g.eos_token_ids == std::vector<Index>{0, 2});
  CHECK(g.forced_bos_token_id == 4);
  CHECK(g.renormalize_logits);
  const vt::GenerationConfig empty = vt::generation_config(config("{}"));
  CHECK(empty.limit() == 21);  // Transformers' default: 20 new tokens behind the prompt
  CHECK(empty.limit(30) == 50);
  CHECK(empty.num_beams == 1);
  CHECK(vt::generation_config(config(R"({"min_length": 5, "min_new_tokens": 0})")).min_length == 0);  // it comes first
  CHECK(vt::generation_config(config(R"({"min_length": 5})")).min_length == 5);
  std::string message;
  for (const char* option :
       {"\"do_sample\": true", "\"repetition_penalty\": 1.2", "\"encoder_repetition_penalty\": 2",
        "\"num_beam_groups\": 2", "\"penalty_alpha\": 0.6", "\"suppress_tokens\": [1]",
        "\"begin_suppress_tokens\": [1]", "\"sequence_bias\": [[[1], 2.0]]", "\"encoder_no_repeat_ngram_size\": 2",
        "\"exponential_decay_length_penalty\": [5, 1.1]", "\"guidance_scale\": 2.0", "\"remove_invalid_values\": true",
        "\"force_words_ids\": [[1]]", "\"constraints\": [1]", "\"stop_strings\": [\"a\"]", "\"max_time\": 2.5",
        "\"token_healing\": true", "\"dola_layers\": \"high\""}) {
    CHECK(option_refusal("{" + std::string(option) + "}", &message) == "config_unsupported");
    const std::string key(option, std::string(option).find(':'));
    CHECK(message.find(key) != message.npos);
  }
  CHECK(option_refusal("{\"repetition_penalty\": 1, \"suppress_tokens\": null}") == "no error");
  CHECK(option_refusal("{\"suppress_tokens\": [], \"constraints\": []}") == "no error");
  CHECK(option_refusal("{\"early_stopping\": \"x\"}") == "config_bad_value");
  CHECK(option_refusal("{\"num_beams\": 0}") == "config_bad_value");
  CHECK(option_refusal("{\"max_new_tokens\": 0}") == "config_bad_value");
  CHECK(option_refusal("{\"bad_words_ids\": [1]}") == "config_bad_value");
  CHECK(vt::read_generation_config("examples/models/g2p").forced_eos_token_id == 0);
}
