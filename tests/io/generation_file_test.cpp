#include <doctest/doctest.h>

#include <filesystem>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>
#include <vitrine/generate/generate.hpp>
#include <vitrine/io/checkpoint.hpp>
#include <vitrine/io/generation_file.hpp>

#include "refused_config.hpp"
#include "scratch.hpp"

namespace vt = vitrine;
using vt::Index;

namespace {

std::string option_refusal(const std::string& text, std::string* message = nullptr) {
  return error_of([&] { (void)vt::generation_config(config(text)); }, message);
}

}  // namespace

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
       {"\"do_sample\": true, \"num_beams\": 4", "\"eta_cutoff\": 0.1, \"do_sample\": true",
        "\"encoder_repetition_penalty\": 2", "\"num_beam_groups\": 2", "\"penalty_alpha\": 0.6",
        "\"suppress_tokens\": [1]", "\"begin_suppress_tokens\": [1]", "\"sequence_bias\": [[[1], 2.0]]",
        "\"encoder_no_repeat_ngram_size\": 2", "\"exponential_decay_length_penalty\": [5, 1.1]",
        "\"guidance_scale\": 2.0", "\"remove_invalid_values\": true", "\"force_words_ids\": [[1]]",
        "\"constraints\": [1]", "\"stop_strings\": [\"a\"]", "\"max_time\": 2.5", "\"token_healing\": true",
        "\"dola_layers\": \"high\""}) {
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

TEST_CASE("options that change nothing are accepted") {
  for (const char* option :
       {"\"guidance_scale\": 1.0", "\"guidance_scale\": 1", "\"suppress_tokens\": [-1]",
        "\"begin_suppress_tokens\": [-1, -2]", "\"watermarking_config\": {}", "\"watermarking_config\": null",
        "\"penalty_alpha\": 0", "\"num_beam_groups\": 1", "\"encoder_repetition_penalty\": 1",
        "\"temperature\": 0.6, \"top_k\": 50, \"top_p\": 0.9, \"typical_p\": 0.5",
        "\"cache_implementation\": \"hybrid\"", "\"use_mtp\": false", "\"num_beams\": null", "\"pad_token_id\": -1",
        "\"low_memory\": true", "\"epsilon_cutoff\": 0.1"}) {
    CAPTURE(option);
    CHECK(option_refusal("{" + std::string(option) + "}") == "no error");
  }
  std::string message;
  for (const char* option : {"\"suppress_tokens\": [-1, 5]", "\"suppress_tokens\": [0]", "\"guidance_scale\": 0",
                             "\"watermarking_config\": {\"bias\": 2.0}", "\"use_mtp\": true"})
    CHECK(option_refusal("{" + std::string(option) + "}", &message) == "config_unsupported");
}

// What Transformers 5.23's from_pretrained makes of bart_0's config.json with the same keys changed, and no
// generation_config.json beside it: ids are those that the file states, none of BartConfig's defaults.
TEST_CASE("a folder without generation_config.json: what its config.json states") {
  const Scratch scratch;
  const auto read = [&](const std::string& text, const std::string& own = "") {
    scratch.write("config.json", text);
    std::filesystem::remove(scratch / "generation_config.json");
    if (!own.empty()) scratch.write("generation_config.json", own);
    return vt::read_generation_config(scratch.folder);
  };
  const auto bare = read(R"({"model_type": "bart"})");
  CHECK(bare.eos_token_ids.empty());
  CHECK(bare.forced_eos_token_id == -1);
  CHECK(bare.decoder_start_token_id == -1);
  const auto started = read(R"({"model_type": "bart", "bos_token_id": 0, "num_beams": null})");
  CHECK(started.decoder_start_token_id == 0);
  CHECK(started.num_beams == 1);
  // force_bos_token_to_be_generated, from a config.json or a generation file that was made of one
  const std::string old = R"({"bos_token_id": 0, "force_bos_token_to_be_generated": true)";
  CHECK(read(old + "}").forced_bos_token_id == 0);
  CHECK(read(old + R"(, "forced_bos_token_id": 5})").forced_bos_token_id == 0);
  CHECK(read(R"({"forced_bos_token_id": 5, "force_bos_token_to_be_generated": false})").forced_bos_token_id == 5);
  CHECK(read(old + "}", "{\"eos_token_id\": 3}").forced_bos_token_id == -1);
  CHECK(read("{}", old + "}").forced_bos_token_id == -1);
  CHECK(read("{}", old + R"(, "_from_model_config": true})").forced_bos_token_id == 0);
}

// Wanted: Transformers 5.23's generate, from folders with bart_0's weights and these keys.
TEST_CASE("what is generated from a folder without generation_config.json") {
  const std::filesystem::path original = "tests/golden/models/bart_0";
  const auto generated = [&](std::initializer_list<const char*> without, const nlohmann::json& with) {
    const Scratch scratch;
    nlohmann::json config = nlohmann::json::parse(read_text(original / "config.json"));
    for (const char* key : without) config.erase(key);
    config.update(with);
    scratch.write("config.json", config.dump());
    std::filesystem::copy_file(original / "model.safetensors", scratch / "model.safetensors");
    const auto model = vt::load_model<vt::Bart<float>>(scratch.folder);
    vt::Workspace workspace(vt::heap(), 1);
    auto options = vt::read_generation_config(scratch.folder);
    options.max_new_tokens = 5;
    const std::vector<Index> source = {3, 4, 5, 2};
    return vt::generate(model, workspace, vt::Tokens(source), options)[0][0].ids;
  };
  const auto none = nlohmann::json::object();
  CHECK(generated({}, none) == std::vector<Index>{7, 7, 7, 7, 2});
  CHECK(generated({"forced_eos_token_id"}, none) == std::vector<Index>{7, 7, 7, 7, 7});
  CHECK(generated({"eos_token_id"}, none) == std::vector<Index>{7, 7, 7, 7, 2});
  CHECK(generated({"decoder_start_token_id"}, none) == std::vector<Index>{7, 7, 7, 7, 2});
  CHECK(generated({"eos_token_id", "forced_eos_token_id"}, none) == std::vector<Index>{7, 7, 7, 7, 7});
  CHECK(generated({}, {{"force_bos_token_to_be_generated", true}}) == std::vector<Index>{0, 7, 7, 7, 2});
  CHECK(generated({}, {{"force_bos_token_to_be_generated", true}, {"bos_token_id", 9}}) ==
        std::vector<Index>{9, 7, 7, 7, 2});
}
