// Every key of the configuration classes of families in Transformers, one at a time: family_keys/NAME.json lists what
// each does there and here (family_keys/make.py).
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>
#include <vector>
#include <vitrine/io/checkpoint.hpp>

#include "scratch.hpp"

namespace vt = vitrine;
namespace fs = std::filesystem;
using vt::Index;

namespace {

// The output for the inputs of the golden case.
template <class M>
std::vector<double> output(const fs::path& folder, const vt::SafeTensors& inputs) {
  const M model = vt::load_model<M>(folder, {});
  const auto values = [&](auto result) {
    return std::vector<double>(result.output.span().begin(), result.output.span().end());
  };
  if constexpr (std::is_same_v<M, vt::Vit<double>>) {
    const vt::TensorView& view = inputs.at("input.pixel_values");
    const auto pixels = view.to_vector<double>();
    return values(model({pixels.data(), view.shape[0], view.shape[1], view.shape[2], view.shape[3]}));
  } else {
    const auto& shape = inputs.at("input.input_ids").shape;
    const auto ids = inputs.at("input.input_ids").to_vector<Index>();
    const vt::TensorView* const given = inputs.find("input.attention_mask");
    const auto mask = given != nullptr ? given->to_vector<Index>() : std::vector<Index>(ids.size(), 1);
    const auto keys = vt::from_hf_attention_mask(mask.data(), shape[0], shape[1]);
    const vt::Tokens tokens(ids.data(), shape[0], shape[1]);
    typename M::Masks masks;
    if constexpr (std::is_base_of_v<vt::Causal<double>, M>)
      masks.mask = keys;
    else
      masks.src_mask = keys;
    if constexpr (std::is_base_of_v<vt::Seq2Seq<double>, M>) {
      const vt::TensorView& target = inputs.at("input.decoder_input_ids");
      const auto targets = target.to_vector<Index>();
      return values(model(tokens, vt::Tokens(targets.data(), target.shape[0], target.shape[1]), masks));
    } else {
      return values(model(tokens, masks));
    }
  }
}

template <class M>
void check_keys(const std::string& name, double tolerance) {
  const fs::path golden = "tests/golden/families/" + name + "_0";
  const auto keys = nlohmann::json::parse(read_text("tests/io/family_keys/" + name + ".json"));
  const vt::SafeTensors inputs(golden / "expect.safetensors");
  const std::vector<double> own = output<M>(golden, inputs);
  CHECK(keys.size() > 20);
  for (const auto& entry : keys) {
    const std::string key = entry.at("key"), here = entry.at("here"), reference = entry.at("reference");
    CAPTURE(key);
    const Scratch scratch;
    auto config = nlohmann::json::parse(read_text(golden / "config.json"));
    config[key] = entry.at("value");
    scratch.write("config.json", config.dump());
    fs::copy_file(golden / "model.safetensors", scratch / "model.safetensors");
    std::string message;
    std::vector<double> found;
    const std::string error = error_of([&] { found = output<M>(scratch.folder, inputs); }, &message);
    if (here == "refused") {
      CHECK(error == "config_unsupported");
      CHECK(message.find("\"" + key + "\"") != message.npos);
    } else if (reference == "fails") {
      CHECK(here == "honoured");
      CHECK(error != "no error");
    } else {
      REQUIRE(error == "no error");
      if (reference == "same") CHECK(found == own);
      if (reference == "same") continue;
      CHECK(here == "honoured");
      CHECK(found != own);
      const auto last = entry.at("output").get<std::vector<double>>();
      REQUIRE(found.size() >= last.size());
      double worst = 0;
      for (std::size_t i = 0; i < last.size(); ++i)
        worst = std::max(worst, std::abs(found[found.size() - last.size() + i] - last[i]));
      CHECK(worst < tolerance);
    }
  }
}

}  // namespace

TEST_CASE("RoBERTa's keys") { check_keys<vt::Roberta<double>>("roberta", 1e-11); }
TEST_CASE("XLM-RoBERTa's keys") { check_keys<vt::XlmRoberta<double>>("xlm_roberta", 1e-11); }
TEST_CASE("ALBERT's keys") { check_keys<vt::Albert<double>>("albert", 1e-11); }
TEST_CASE("MBart's keys") { check_keys<vt::MBart<double>>("mbart", 1e-11); }
// The reference's sines and its softmax are floats (tests/golden/model_golden.hpp).
TEST_CASE("M2M100's keys") { check_keys<vt::M2M100<double>>("m2m_100", 2e-6); }
TEST_CASE("ViT's keys") { check_keys<vt::Vit<double>>("vit", 2e-6); }
// So are their softmaxes, norms and rotary angles.
TEST_CASE("Llama's keys") { check_keys<vt::Llama<double>>("llama", 5e-6); }
TEST_CASE("Mistral's keys") { check_keys<vt::Mistral<double>>("mistral", 5e-6); }
TEST_CASE("Qwen2's keys") { check_keys<vt::Qwen2<double>>("qwen2", 5e-6); }
TEST_CASE("Qwen3's keys") { check_keys<vt::Qwen3<double>>("qwen3", 5e-6); }
TEST_CASE("Gemma2's keys") { check_keys<vt::Gemma2<double>>("gemma2", 5e-6); }
TEST_CASE("GptNeoX's keys") { check_keys<vt::GptNeoX<double>>("gpt_neox", 5e-6); }
TEST_CASE("T5's keys") { check_keys<vt::T5<double>>("t5", 5e-6); }
