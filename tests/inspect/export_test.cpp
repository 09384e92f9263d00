#include <doctest/doctest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>
#include <vitrine/generate/generate.hpp>
#include <vitrine/inspect/export.hpp>
#include <vitrine/models/marian.hpp>

#include "../io/scratch.hpp"

namespace vt = vitrine;
using namespace vitrine;
using namespace vitrine::inspect;

namespace {

// A small model with given weights, and a pass over two ragged pairs.
struct Pass {
  Marian<float> model{{.vocab_size = 7,
                       .d_model = 8,
                       .encoder_layers = 2,
                       .decoder_layers = 3,
                       .encoder_attention_heads = 2,
                       .decoder_attention_heads = 4,
                       .encoder_ffn_dim = 8,
                       .decoder_ffn_dim = 8,
                       .max_position_embeddings = 16,
                       .final_logits_bias = false}};
  Workspace workspace{heap()};
  std::vector<Index> ids = {1, 2, 3, 0, 4, 0}, lengths = {4, 2};
  template <class K>
  auto run(const K& keep) {
    throw_if_failed(model.init(3));
    GenerationConfig config;
    config.decoder_start_token_id = 6, config.eos_token_ids = {0};
    return score(model, workspace, Tokens(ids, lengths), {{5, 0}, {2, 3, 0}}, config, keep);
  }
};
const std::vector<std::string> source = {"a", "b", "c", "</s>"}, target = {"x", "</s>"};

}  // namespace

TEST_CASE("export: an npz has the contract's members, and the maps themselves") {
  const Scratch scratch;
  Pass pass;
  const auto scored = pass.run(keep::weights);
  const Page page{.title = "two",
                  .examples = {seq2seq_example(scored.result, 0, source, target, "first"),
                               seq2seq_example(scored.result, 1, {"d", "</s>"}, {"y", "z", "</s>"})}};
  save_maps(scratch / "maps.npz", page);
  const Npz archive(scratch / "maps.npz");
  CHECK(archive.names() == std::vector<std::string>{"0/cross", "0/decoder_self", "0/encoder_self", "0/source_tokens",
                                                    "0/target_tokens", "1/cross", "1/decoder_self", "1/encoder_self",
                                                    "1/source_tokens", "1/target_tokens"});
  const TensorView cross = archive.at("1/cross");
  CHECK(cross.shape == std::vector<Index>{3, 4, 3, 2});
  const auto values = cross.to_vector<float>();
  for (Index layer = 0; layer < 3; ++layer)
    for (Index head = 0; head < 4; ++head)
      for (Index t = 0; t < 3; ++t)
        for (Index s = 0; s < 2; ++s)
          CHECK(values[std::size_t(((layer * 4 + head) * 3 + t) * 2 + s)] ==
                scored.result.cross_attn[layer].matrix(1, head)(t, s));
  const TensorView encoder = archive.at("0/encoder_self"), decoder = archive.at("0/decoder_self");
  CHECK(encoder.shape == std::vector<Index>{2, 2, 4, 4});
  CHECK(decoder.shape == std::vector<Index>{3, 4, 2, 2});
}

TEST_CASE("export: compact maps are written as the floats that they read as") {
  const Scratch scratch;
  Pass pass;
  const auto scored = pass.run(keep::weights.as<MapStorage::u8>());
  const Page page{.title = "one", .examples = {seq2seq_example(scored.result, 0, source, target, "first")}};
  for (const char* name : {"maps.npz", "maps.html"}) save_maps(scratch / name, page);
  const Npz archive(scratch / "maps.npz");
  const TensorView cross = archive.at("0/cross");
  CHECK(cross.shape == std::vector<Index>{3, 4, 2, 4});
  const auto values = cross.to_vector<float>();
  for (Index layer = 0; layer < 3; ++layer)
    for (Index head = 0; head < 4; ++head)
      for (Index t = 0; t < 2; ++t)
        for (Index s = 0; s < 4; ++s)
          CHECK(values[std::size_t(((layer * 4 + head) * 2 + t) * 4 + s)] ==
                scored.result.cross_attn[layer].matrix(0, head)(t, s));
  CHECK(archive.at("0/encoder_self").shape == std::vector<Index>{2, 2, 4, 4});
}

TEST_CASE("export: an example keeps the number it was given, in every kind of file") {
  const Scratch scratch;
  Pass pass;
  const auto scored = pass.run(keep::weights.only({.which = Which::cross}));
  Page page{.examples = {seq2seq_example(scored.result, 0, source, target),
                         seq2seq_example(scored.result, 1, {"d", "</s>"}, {"y", "z", "</s>"})}};
  page.examples[1].number = 7;
  save_maps(scratch / "maps.npz", page);
  CHECK(Npz(scratch / "maps.npz").names() == std::vector<std::string>{"0/cross", "0/source_tokens", "0/target_tokens",
                                                                      "7/cross", "7/source_tokens", "7/target_tokens"});
  const std::string csv = statistics_csv(page);
  CHECK(csv.find("\n7,cross,0,0,") != csv.npos);
  CHECK(csv.find("\n1,") == csv.npos);
  CHECK(page_html(page).find("\"numbers\":[0,7]") != std::string::npos);
}

TEST_CASE("export: what was not kept is left out, and said") {
  const Scratch scratch;
  Pass pass;
  const auto scored = pass.run(keep::weights.only({.which = Which::cross, .layers = {0, 2}, .heads = {3}}));
  const Page page{.examples = {seq2seq_example(scored.result, 0, source, target)}};
  CHECK(page.examples[0].groups.size() == 1);
  save_maps(scratch / "maps.npz", page);
  const Npz archive(scratch / "maps.npz");
  CHECK(archive.names() ==
        std::vector<std::string>{"0/cross", "0/cross.heads", "0/cross.layers", "0/source_tokens", "0/target_tokens"});
  CHECK(archive.at("0/cross.layers").to_vector<std::int64_t>() == std::vector<std::int64_t>{0, 2});
  CHECK(archive.at("0/cross.heads").to_vector<std::int64_t>() == std::vector<std::int64_t>{3});
  CHECK(archive.at("0/cross").shape[0] == 2);

  const auto all = pass.run(keep::weights);
  Page uneven{.examples = {seq2seq_example(all.result, 0, source, target)}};
  auto& map = uneven.examples[0].groups[0].map;
  map = [whole = map](Index layer, Index head) { return layer == 1 && head == 1 ? nullptr : whole(layer, head); };
  CHECK_THROWS_AS(save_maps(scratch / "uneven.npz", uneven), std::invalid_argument);
  CHECK_THROWS_AS((void)seq2seq_example(all.result, 0, {"one"}, target), std::invalid_argument);
  CHECK(scratch.files() == 1);
}

TEST_CASE("export: an npz of a decoder alone has the labels of both sides of its maps") {
  const Scratch scratch;
  Pass pass;
  const auto scored = pass.run(keep::weights.only({.which = Which::self}));
  save_maps(scratch / "maps.npz", {.examples = {seq2seq_example(scored.result, 0, source, target)}});
  const Npz archive(scratch / "maps.npz");
  CHECK(archive.names() == std::vector<std::string>{"0/decoder_self", "0/decoder_self.key_tokens", "0/target_tokens"});
}

TEST_CASE("export: labels of the decoder: queries are what was made, keys what was read") {
  Pass pass;
  const auto scored = pass.run(keep::weights);
  const Example example = seq2seq_example(scored.result, 0, source, target, "", "<pad>");
  CHECK(example.groups[0].kind == "cross");
  CHECK(example.groups[2].kind == "decoder");
  CHECK(example.groups[2].query_tokens == target);
  CHECK(example.groups[2].key_tokens == std::vector<std::string>{"<pad>", "x"});
  CHECK_THROWS_AS(seq2seq_example(scored.result, 0, {"a"}, target), std::invalid_argument);
}

TEST_CASE("export: page, BertViz and statistics from the same page") {
  const Scratch scratch;
  Pass pass;
  const auto scored = pass.run(keep::weights.only({.which = Which::cross}));
  const Page page{.examples = {seq2seq_example(scored.result, 0, source, target)}};
  save_maps(scratch / "maps.html", page);
  CHECK(read_text(scratch / "maps.html").starts_with("<!doctype html>"));
  save_maps(scratch / "maps.json", page);
  CHECK(read_text(scratch / "maps.json").starts_with("{\"attention\":[{\"name\":\"Cross\""));
  const std::string csv = statistics_csv(page);
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 1 + 3 * 4);
  CHECK(csv.starts_with("example,kind,layer,head,entropy,"));
  CHECK(csv.find("\n0,cross,2,3,") != csv.npos);
  std::string message;
  CHECK(error_of([&] { save_maps(scratch / "maps.txt", page); }, &message) == "bad_usage");
  CHECK(scratch.files() == 2);
  CHECK(can_save_maps("a.npz"));
  CHECK_FALSE(can_save_maps("a.png"));
}

TEST_CASE_TEMPLATE("export: any result that has maps: scores, means, double, a layer alone, a Transformer", S, float,
                   double) {
  vt::Transformer<S> model(
      {.d_model = 8, .nhead = 2, .num_encoder_layers = 2, .num_decoder_layers = 3, .dim_feedforward = 8});
  throw_if_failed(model.init(5));
  std::vector<S> x(7 * 8);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = S(int(i * 37 + 11) % 29) / S(15) - S(1);
  const Sequences<S> from(x.data(), 1, 4, 8), to(x.data() + 32, 1, 2, 8), all(x.data(), 1, 7, 8);
  const auto plain = model(from, to);
  const auto check_groups = [&](const auto& result, Index heads) {
    const Example example = seq2seq_example(result, 0, source, target);
    REQUIRE(example.groups.size() == 3);
    for (const MapGroup& group : example.groups) {
      const auto& maps = group.kind == "cross"     ? plain.cross_attn
                         : group.kind == "encoder" ? plain.encoder.self_attn
                                                   : plain.self_attn;
      CHECK(group.layers == maps.layers());
      CHECK(group.heads == heads);
      for (Index layer = 0; layer < group.layers; ++layer)
        for (Index head = 0; head < heads; ++head) {
          vt::RowMajor<S> wanted = maps[layer].matrix(0, head);
          for (Index h = 1; h < 2 && heads == 1; ++h) wanted += maps[layer].matrix(0, h);
          if (heads == 1) wanted /= S(2);
          const float* const map = group.map(layer, head);
          REQUIRE(map != nullptr);
          for (Index i = 0; i < Index(wanted.size()); ++i) CHECK(map[i] == doctest::Approx(float(wanted.data()[i])));
        }
    }
    const Scratch scratch;
    save_maps(scratch / "maps.html", {.examples = {example}});
    save_maps(scratch / "maps.npz", {.examples = {example}});
    CHECK(scratch.files() == 2);
  };
  check_groups(plain, 2);
  check_groups(model(from, to, {}, keep::scores), 2);
  check_groups(model(from, to, {}, keep::head_mean), 1);
  vt::EncoderLayer<S> layer({.d_model = 8, .nhead = 2, .dim_feedforward = 8});
  throw_if_failed(layer.init(5));
  const auto alone = layer(all);
  const std::vector<std::string> tokens(7, "x");
  const MapGroup group = map_group("encoder", alone.self_attn, 0, tokens, tokens);
  CHECK(group.layers == 1);
  CHECK(group.map(0, 1)[8] == float(alone.self_attn.matrix(0, 1).data()[8]));
  const std::vector<std::string> fewer(6, "x");
  CHECK_THROWS_AS((void)map_group("encoder", alone.self_attn, 0, tokens, fewer), std::invalid_argument);
  for (const Index b : {Index{-1}, alone.self_attn.batch()})
    CHECK_THROWS_AS((void)map_group("encoder", alone.self_attn, b, tokens, tokens), std::invalid_argument);
  const Page without{.examples = {{.groups = {{.kind = "encoder", .layers = 1, .heads = 1}}}}};
  CHECK_THROWS_AS((void)statistics_csv(without), std::invalid_argument);
}
