#include <doctest/doctest.h>

#include <string>
#include <vitrine/io/checkpoint.hpp>
#include <vitrine/io/seq2seq_config.hpp>
#include <vitrine/io/text_config.hpp>
#include <vitrine/io/vit_checkpoint.hpp>
#include <vitrine/io/vit_config.hpp>

#include "changed_checkpoint.hpp"
#include "refused_config.hpp"
#include "scratch.hpp"

namespace vt = vitrine;
using vt::Index;

TEST_CASE("ViT's config.json: defaults of Transformers, sizes as one number or two") {
  const vt::VitConfig c = vt::vit_config(config(R"({"model_type": "vit"})"));
  CHECK(c.patches() == 196);
  CHECK(c.pooler_output_size == 768);
  CHECK(c.qkv_bias);
  const vt::VitConfig two = vt::vit_config(
      config(R"({"image_size": [32, 17], "patch_size": [8, 4], "pooler_output_size": null, "hidden_size": 96})"));
  CHECK(two.image_height == 32);
  CHECK(two.image_width == 17);
  CHECK(two.patches() == 16);
  CHECK(two.pooler_output_size == 96);
  CHECK(vt::vit_config(config(R"({"head_dim": 64})")).hidden_size == 768);
  CHECK(refused(vt::vit_config, R"({"head_dim": 32})", "head_dim") == "config_unsupported");
  CHECK(refused(vt::vit_config, R"({"pooler_act": "gelu"})", "pooler_act") == "config_unsupported");
  CHECK(refused(vt::vit_config, R"({"patch_size": 225})", "patch_size") == "config_bad_value");
  for (const char* value : {"0", "-3", "null", "[8]", "[8, 0]", "[8, 8, 8]", "8.5", "\"8\"", "70000", "1e300",
                            "18446744073709551615", "[]"}) {
    CAPTURE(value);
    CHECK(refused(vt::vit_config, std::string("{\"image_size\": ") + value + "}", "image_size") == "config_bad_value");
  }
}

TEST_CASE("families whose positions count from the padding id need one") {
  const auto m2m100 = [](const vt::ConfigFile& file) { return vt::seq2seq_config(file, "m2m_100"); };
  for (const char* text : {R"({"pad_token_id": null})", R"({"pad_token_id": -1})"}) {
    CHECK(refused(vt::roberta_config, text, "pad_token_id") == "config_bad_value");
    CHECK(refused(vt::xlm_roberta_config, text, "pad_token_id") == "config_bad_value");
    CHECK(refused(m2m100, text, "pad_token_id") == "config_bad_value");
  }
  CHECK(refused(vt::roberta_config, R"({"pad_token_id": 511})", "pad_token_id") == "config_bad_value");
  CHECK(vt::roberta_config(config(R"({"pad_token_id": 510})")).vocab_size == 50265);
  CHECK(refused(m2m100, R"({"pad_token_id": 1025})", "pad_token_id") == "config_bad_value");
  CHECK(refused(m2m100, R"({"d_model": 2, "encoder_attention_heads": 1, "decoder_attention_heads": 1})", "d_model") ==
        "config_bad_value");
  CHECK(m2m100(config("{}")).scale_embedding);
  CHECK(vt::seq2seq_config(config("{}"), "mbart").decoder_start_token_id == -1);
}

TEST_CASE("ALBERT's groups") {
  const auto c = vt::albert_config(config(R"({"num_hidden_layers": 6, "num_hidden_groups": 3, "inner_group_num": 2})"));
  CHECK(c.layers() == 12);
  CHECK(c.embedding_size == 128);
  CHECK(c.hidden_act == vt::Activation::gelu_tanh);
  CHECK(refused(vt::albert_config, R"({"num_hidden_groups": 13})", "num_hidden_groups") == "config_bad_value");
  CHECK(refused(vt::albert_config, R"({"num_hidden_layers": 1024, "inner_group_num": 2})", "inner_group_num") ==
        "config_bad_value");
  CHECK(refused(vt::albert_config, R"({"position_embedding_type": "relative_key"})", "position_embedding_type") ==
        "config_unsupported");
}

TEST_CASE("find_model: the class of a folder's family") {
  for (const std::string name : {"roberta", "xlm_roberta", "albert", "mbart", "m2m_100", "vit"}) {
    std::string found;
    vt::find_model<double>("tests/golden/families/" + name + "_1",
                           [&]<class M>(std::type_identity<M>) { found = M::model_type; });
    CHECK(found == (name == "xlm_roberta" ? "xlm-roberta" : name));
  }
  const Scratch scratch;
  scratch.write("config.json", R"({"model_type": "whisper"})");
  std::string message;
  CHECK(error_of([&] { vt::find_model<float>(scratch.folder, [](auto) {}); }, &message) == "config_unsupported");
  CHECK(message.find("\"whisper\", none of marian, bart, mbart, m2m_100") != message.npos);
}

TEST_CASE("heads of tasks stand beside the models of new families; prefixes, and weights of other shapes") {
  Changed vit("tests/golden/families/vit_1");
  vit.put_before("vit.");
  vit.tensors["classifier.weight"] = {{2, 32}, std::vector<float>(64)};
  vit.tensors["vit.embeddings.mask_token"] = {{1, 1, 32}, std::vector<float>(32)};
  vit.tensors.erase("vit.pooler.dense.weight");
  vit.tensors.erase("vit.pooler.dense.bias");
  std::string told;
  const auto model = vt::load_model<vt::Vit<float>>(vit.save(), [&](std::string_view line) { told += line; });
  CHECK(!model.config().pooler);
  CHECK(told.find("classifier.weight") != told.npos);
  CHECK(told.find("mask_token") == told.npos);
  auto& patches = vit.tensors.at("vit.embeddings.patch_embeddings.projection.weight");
  patches.shape = {32, 3, 4, 1};  // 12 values a row, as 3 x 2 x 2
  std::string message;
  CHECK(error_of([&] { (void)vt::load_model<vt::Vit<float>>(vit.save(), {}); }, &message) == "shape_mismatch");
  CHECK(message.find("(32, 3, 4, 1)") != message.npos);

  Changed albert("tests/golden/families/albert_0");
  albert.put_before("albert.");
  albert.tensors["predictions.bias"] = {{97}, std::vector<float>(97)};
  CHECK(vt::load_model<vt::Albert<float>>(albert.save(), {}).loaded());
  Changed xlm("tests/golden/families/xlm_roberta_0");
  xlm.put_before("roberta.");
  xlm.tensors["lm_head.bias"] = {{97}, std::vector<float>(97)};
  CHECK(vt::load_model<vt::XlmRoberta<float>>(xlm.save(), {}).loaded());
  Changed m2m100("tests/golden/families/m2m_100_0");
  m2m100.tensors["model.encoder.embed_positions.weights"] = {{34, 16}, std::vector<float>(34 * 16)};
  CHECK(vt::load_model<vt::M2M100<float>>(m2m100.save(), {}).loaded());
}
