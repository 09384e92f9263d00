#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>
#include <vitrine/io/load.hpp>
#include <vitrine/io/load_options.hpp>
#include <vitrine/vitrine.hpp>

#include "scratch.hpp"

namespace {

namespace vt = vitrine;
using vt::Index;

constexpr vt::LayerConfig small{.d_model = 12, .nhead = 3, .dim_feedforward = 37, .activation = vt::Activation::gelu};

/// Every parameter of a layer, unpacked, by name.
template <class Layer>
std::map<std::string, std::vector<double>> values(const Layer& layer) {
  std::map<std::string, std::vector<double>> all;
  layer.parameters([&](const char* name, const auto& p) {
    for (Index r = 0; r < p.rows; ++r)
      for (Index c = 0; c < (p.is_vector() ? 1 : p.cols); ++c) all[name].push_back(double(p.value(r, c)));
  });
  return all;
}

template <class Layer>
Layer scrambled(Layer layer, std::uint64_t seed = 3) {
  REQUIRE(layer.init(seed) == vt::Status::ok);
  return layer;
}

/// A checkpoint that a test writes tensor by tensor.
struct Checkpoint {
  Scratch scratch;
  std::map<std::string, std::string> metadata;
  std::map<std::string, std::pair<std::vector<Index>, std::vector<float>>> tensors;

  void take(const auto& layer, const std::string& prefix = "") {
    layer.parameters([&](const char* name, const auto& p) {
      std::vector<float> plain;
      for (Index r = 0; r < p.rows; ++r)
        for (Index c = 0; c < (p.is_vector() ? 1 : p.cols); ++c) plain.push_back(float(p.value(r, c)));
      tensors[prefix + name] = {vt::detail::shape_of(p), plain};
    });
  }
  vt::SafeTensors file(vt::DType type = vt::DType::F32) const {
    std::map<std::string, std::vector<std::uint16_t>> narrow;
    std::map<std::string, std::vector<double>> wide;
    vt::SafeTensorsWriter writer(scratch / "model.safetensors");
    writer.metadata = metadata;
    for (const auto& [name, tensor] : tensors) {
      const auto& [shape, plain] = tensor;
      if (type == vt::DType::F32) {
        writer.add<float>(name, shape, plain);
      } else if (type == vt::DType::F64) {
        wide[name].assign(plain.begin(), plain.end());
        writer.add<double>(name, shape, wide[name]);
      } else {
        for (float x : plain)
          narrow[name].push_back(type == vt::DType::F16 ? vt::float_to_half(x) : vt::float_to_bfloat16(x));
        writer.add(name, type, shape, std::as_bytes(std::span<const std::uint16_t>(narrow[name])));
      }
    }
    writer.finish();
    return vt::SafeTensors(scratch / "model.safetensors");
  }
};

template <class Layer>
std::string load_error(Layer& layer, const vt::SafeTensors& file, const std::string& prefix, std::string& message,
                       const vt::LoadOptions& options = {}) {
  std::map<std::string, std::vector<double>> before;
  if (layer.loaded()) before = values(layer);
  const std::string error = error_of([&] { vt::load(layer, file, prefix, options); }, &message);
  if (error != "no error") {  // then nothing has changed
    CHECK(layer.loaded() == !before.empty());
    if (layer.loaded()) CHECK(values(layer) == before);
  }
  return error;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

}  // namespace

TEST_CASE_TEMPLATE("what is saved can be loaded: the same values, packed where they are multiplied", S, float, double) {
  const Scratch scratch;
  const auto round_trip = [&](const auto& layer, auto fresh) {
    vt::save(layer, scratch / "layer.safetensors");
    vt::load(fresh, vt::SafeTensors(scratch / "layer.safetensors"));
    CHECK(values(layer) == values(fresh));
    CHECK(layer.packed_bytes() == fresh.packed_bytes());
    vt::save(layer, scratch / "prefixed.safetensors", "a.b.");
    vt::load(fresh, vt::SafeTensors(scratch / "prefixed.safetensors"), "a.b.");
    CHECK(values(layer) == values(fresh));
  };
  const vt::AttentionConfig attention{.embed_dim = 12, .num_heads = 3, .add_bias_kv = true, .kdim = 5};
  round_trip(scrambled(vt::MultiheadAttention<S>(attention)), vt::MultiheadAttention<S>(attention));
  round_trip(scrambled(vt::EncoderLayer<S>(small)), vt::EncoderLayer<S>(small));
  round_trip(scrambled(vt::DecoderLayer<S>(small)), vt::DecoderLayer<S>(small));
  const vt::StackConfig stack{.layer = small, .num_layers = 2, .final_norm = true};
  round_trip(scrambled(vt::Encoder<S>(stack)), vt::Encoder<S>(stack));
  round_trip(scrambled(vt::Decoder<S>(stack)), vt::Decoder<S>(stack));
  const vt::TransformerConfig whole{
      .d_model = 8, .nhead = 2, .num_encoder_layers = 1, .num_decoder_layers = 2, .dim_feedforward = 20, .bias = false};
  round_trip(scrambled(vt::Transformer<S>(whole)), vt::Transformer<S>(whole));
  round_trip(scrambled(vt::Linear<S>(7, 33)), vt::Linear<S>(7, 33));
  round_trip(scrambled(vt::Embedding<S>(9, 4)), vt::Embedding<S>(9, 4));
}

TEST_CASE("a file has PyTorch's names and shapes, and the configuration") {
  const Scratch scratch;
  vt::save(scrambled(vt::Encoder<float>({.layer = small, .num_layers = 2, .final_norm = true})),
           scratch / "x.safetensors");
  const vt::SafeTensors file(scratch / "x.safetensors");
  CHECK(file.tensors().size() == 26);
  CHECK(file.at("layers.1.self_attn.in_proj_weight").shape == std::vector<Index>{36, 12});
  CHECK(file.at("layers.0.linear1.weight").shape == std::vector<Index>{37, 12});
  CHECK(file.at("norm.bias").shape == std::vector<Index>{12});
  CHECK(file.metadata().at("module") == "Encoder");
  CHECK(file.metadata().at("config") ==
        R"({"activation":"gelu","bias":true,"d_model":12,"dim_feedforward":37,"dropout":0.1,"final_norm":true,)"
        R"("layer_norm_eps":1e-05,"nhead":3,"norm_first":false,"num_layers":2})");
  std::string message;
  CHECK(error_of([&] { vt::save(vt::EncoderLayer<float>(small), scratch / "y.safetensors"); }, &message) ==
        "bad_usage");
  CHECK(scratch.files() == 1);
}

TEST_CASE("every floating type is converted, others are refused") {
  const auto layer = scrambled(vt::EncoderLayer<float>(small));
  Checkpoint checkpoint;
  checkpoint.take(layer, "encoder.");
  vt::EncoderLayer<float> same(small);
  vt::load(same, checkpoint.file(vt::DType::F64), "encoder.");
  CHECK(values(same) == values(layer));
  for (const auto type : {vt::DType::F16, vt::DType::BF16}) {
    vt::EncoderLayer<double> narrow(small);
    vt::load(narrow, checkpoint.file(type), "encoder.");
    const auto wanted = values(layer), got = values(narrow);
    for (const auto& [name, all] : wanted)
      for (std::size_t i = 0; i < all.size(); ++i) {
        const auto x = float(all[i]);
        CHECK(got.at(name)[i] == double(type == vt::DType::F16 ? vt::half_to_float(vt::float_to_half(x))
                                                               : vt::bfloat16_to_float(vt::float_to_bfloat16(x))));
      }
  }
  vt::LayerNorm<float> norm(3);
  const Scratch scratch;
  vt::SafeTensorsWriter writer(scratch / "i.safetensors");
  const std::int64_t integers[3] = {1, 2, 3};
  writer.add<std::int64_t>("weight", {3}, integers);
  writer.add<std::int64_t>("bias", {3}, integers);
  writer.finish();
  std::string message;
  CHECK(load_error(norm, vt::SafeTensors(scratch / "i.safetensors"), "", message) == "wrong_dtype");
  CHECK(has(message, "\"bias\": \"I64\""));
}

TEST_CASE("a checkpoint with NaN and infinity loads as it is, and they reach no other value") {
  constexpr float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const auto sound = scrambled(vt::EncoderLayer<float>(small));
  for (const auto type : {vt::DType::F32, vt::DType::F64, vt::DType::F16, vt::DType::BF16}) {
    CAPTURE(vt::name(type));
    Checkpoint checkpoint;
    checkpoint.take(sound);
    vt::EncoderLayer<float> clean(small), layer(small);
    vt::load(clean, checkpoint.file(type));
    auto& bias = checkpoint.tensors.at("norm2.bias").second;
    bias[3] = infinity, bias[5] = nan, bias[7] = -infinity;
    vt::load(layer, checkpoint.file(type));
    const std::vector<float> x(24, 0.5f);
    const auto wanted = clean({x.data(), 1, 2, 12}).output, got = layer({x.data(), 1, 2, 12}).output;
    for (Index i = 0; i < 24; ++i) {
      const float y = got.data()[i], other = wanted.data()[i];
      CHECK(std::isfinite(other));
      CHECK((i % 12 == 3 ? y == infinity : i % 12 == 5 ? std::isnan(y) : i % 12 == 7 ? y == -infinity : y == other));
    }

    // In every parameter, packed or not: each third value.
    for (auto& tensor : checkpoint.tensors)
      for (std::size_t i = 0; i < tensor.second.second.size(); i += 3)
        tensor.second.second[i] = i % 9 == 0 ? infinity : i % 9 == 3 ? nan : -infinity;
    vt::load(layer, checkpoint.file(type));
    const auto loaded = values(layer), before = values(clean);
    for (const auto& parameter : loaded) {
      const std::string& name = parameter.first;
      const std::vector<double>& all = parameter.second;
      CAPTURE(name);
      bool right = true;
      for (std::size_t i = 0; i < all.size(); ++i)
        right = right && (i % 9 == 0   ? all[i] == double(infinity)
                          : i % 9 == 3 ? std::isnan(all[i])
                          : i % 9 == 6 ? all[i] == -double(infinity)
                                       : all[i] == before.at(name)[i] || name == "norm2.bias");
      CHECK(right);
    }
  }
}

TEST_CASE("one error names everything that is missing, unexpected or of another shape") {
  auto layer = scrambled(vt::EncoderLayer<float>(small));
  Checkpoint checkpoint;
  checkpoint.take(layer, "layers.0.");
  checkpoint.tensors["elsewhere.weight"] = {{1}, {0}};  // not under the prefix: nobody's business
  std::string message;
  checkpoint.tensors.erase("layers.0.norm1.bias");
  checkpoint.tensors.erase("layers.0.linear2.weight");
  checkpoint.tensors["layers.0.norm4.weight"] = {{12}, std::vector<float>(12)};
  checkpoint.tensors["layers.0.linear1.weight"] = {{12, 37}, std::vector<float>(12 * 37)};
  CHECK(load_error(layer, checkpoint.file(), "layers.0.", message) == "missing_tensors");
  for (const char* part :
       {"missing are \"layers.0.linear2.weight\", \"layers.0.norm1.bias\"", "unexpected are \"layers.0.norm4.weight\"",
        "of another shape are \"layers.0.linear1.weight\" (12, 37) instead of (37, 12)"}) {
    CAPTURE(part);
    CHECK(has(message, part));
  }
  CHECK(!has(message, "elsewhere"));
}

TEST_CASE("a wrong prefix lists those that exist") {
  vt::DecoderLayer<float> layer(small);
  Checkpoint checkpoint;
  checkpoint.take(scrambled(layer), "decoder.layers.0.");
  checkpoint.take(scrambled(layer), "decoder.layers.1.");
  std::string message;
  CHECK(load_error(layer, checkpoint.file(), "layers.0.", message) == "missing_tensors");
  CHECK(has(message, "the prefixes under which it has such a layer: \"decoder.layers.0.\", \"decoder.layers.1.\""));
  CHECK(load_error(layer, checkpoint.file(), "", message) == "missing_tensors");
  CHECK(has(message, "\"decoder.layers.0.\""));
  vt::Linear<float> other(3, 3);
  Checkpoint strange;
  strange.tensors["x.y"] = {{1}, {0}};
  CHECK(load_error(other, strange.file(), "z.", message) == "missing_tensors");
  CHECK(has(message, "its prefixes: \"x.\""));
}

TEST_CASE("a configuration that disagrees is refused with both values") {
  auto layer = scrambled(vt::EncoderLayer<float>(small));
  Checkpoint checkpoint;
  checkpoint.take(layer);
  checkpoint.metadata["module"] = "EncoderLayer";
  std::string message;
  const auto with = [&](const char* config) {
    checkpoint.metadata["config"] = config;
    return load_error(layer, checkpoint.file(), "", message);
  };
  CHECK(with(R"({"d_model": 12, "nhead": 3, "dim_feedforward": 37, "activation": "gelu", "batch_first": false,
                 "dropout": 0.5, "layer_norm_eps": 9.999999747378752e-06, "norm_first": false})") == "no error");
  CHECK(with(R"({"nhead": 6})") == "config_mismatch");
  CHECK(has(message, "nhead is 6 in the file's configuration and 3 in the layer's"));
  CHECK(with(R"({"norm_first": true, "activation": "relu"})") == "config_mismatch");
  CHECK(has(message, "norm_first is true in the file's configuration and false in the layer's"));
  CHECK(has(message, R"(activation is "relu" in the file's configuration and "gelu" in the layer's)"));
  CHECK(with(R"({"layer_norm_eps": 1e-12})") == "config_mismatch");
  CHECK(with(R"({"rotary": true})") == "config_unsupported");
  CHECK(has(message, "\"rotary\""));
  CHECK(with(R"({"nhead": "3"})") == "config_bad_value");
  CHECK(with(R"({"activation": "tanhexp"})") == "config_bad_value");
  CHECK(with("{") == "config_not_json");
  checkpoint.metadata["module"] = "SomebodyElse";
  CHECK(with("{") == "no error");
}

TEST_CASE("a layer out of a stack's file is checked against the stack's configuration") {
  Checkpoint checkpoint;
  checkpoint.take(scrambled(vt::Encoder<float>({.layer = small, .num_layers = 3})));
  checkpoint.metadata["module"] = "Encoder";
  checkpoint.metadata["config"] = vt::write_config(vt::StackConfig{.layer = small, .num_layers = 3});
  const vt::SafeTensors file = checkpoint.file();
  std::string message;
  vt::EncoderLayer<float> layer(small);
  CHECK(load_error(layer, file, "layers.2.", message) == "no error");
  vt::MultiheadAttention<float> attention({.embed_dim = 12, .num_heads = 3});
  CHECK(load_error(attention, file, "layers.0.self_attn.", message) == "no error");
  vt::MultiheadAttention<float> wrong({.embed_dim = 12, .num_heads = 2});
  CHECK(load_error(wrong, file, "layers.0.self_attn.", message) == "config_mismatch");
  CHECK(has(message, "nhead is 3 in the file's configuration and 2 in the layer's"));
}

TEST_CASE("a parameter's values under another shape: all of them, or a refusal") {
  vt::Linear<float> wanted(12, 4);
  REQUIRE(wanted.init(3) == vt::Status::ok);
  Checkpoint checkpoint;
  checkpoint.take(wanted, "");
  vt::LoadOptions options;
  options.source = [](const std::string& name) {
    vt::Source source{{name}};
    if (name == "weight") source.shape = {4, 3, 2, 2};
    return source;
  };
  vt::Linear<float> layer(12, 4);
  CHECK(error_of([&] { vt::load(layer, checkpoint.file(), "", options); }) == "shape_mismatch");
  checkpoint.tensors["weight"].first = {4, 3, 2, 2};
  vt::load(layer, checkpoint.file(), "", options);
  CHECK(values(layer)["weight"] == values(wanted)["weight"]);
  checkpoint.tensors["weight"] = {{4, 3, 2, 1}, std::vector<float>(24)};
  options.source = [](const std::string& name) {
    vt::Source source{{name}};
    if (name == "weight") source.shape = {4, 3, 2, 1};
    return source;
  };
  CHECK(error_of([&] { vt::load(layer, checkpoint.file(), "", options); }) == "shape_mismatch");
}

TEST_CASE("other people's names: several tensors, transposed ones, ignored and tied ones") {
  const auto wanted = scrambled(vt::MultiheadAttention<float>({.embed_dim = 12, .num_heads = 3}));
  Checkpoint checkpoint;
  checkpoint.take(wanted, "attn.");
  const auto weight = checkpoint.tensors["attn.in_proj_weight"].second,
             bias = checkpoint.tensors["attn.in_proj_bias"].second;
  const auto out = checkpoint.tensors["attn.out_proj.weight"].second;
  checkpoint.tensors.clear();
  for (int i = 0; i < 3; ++i) {
    const std::string part(1, "qkv"[i]);
    checkpoint.tensors["attn." + part + ".weight"] = {{12, 12},
                                                      {weight.begin() + i * 144, weight.begin() + (i + 1) * 144}};
    checkpoint.tensors["attn." + part + ".bias"] = {{12}, {bias.begin() + i * 12, bias.begin() + (i + 1) * 12}};
  }
  std::vector<float> turned;
  for (std::size_t c = 0; c < 12; ++c)
    for (std::size_t r = 0; r < 12; ++r) turned.push_back(out[r * 12 + c]);
  checkpoint.tensors["attn.o.weight"] = {{12, 12}, turned};
  checkpoint.tensors["attn.o.bias"] = {{12}, std::vector<float>(12)};
  checkpoint.tensors["attn.position_ids"] = {{2}, {0, 1}};
  checkpoint.tensors["attn.o2.weight"] = {{12, 12}, turned};

  vt::LoadOptions options;
  options.source = [](const std::string& name) -> vt::Source {
    if (name == "in_proj_weight") return {{"q.weight", "k.weight", "v.weight"}};
    if (name == "in_proj_bias") return {{"q.bias", "k.bias", "v.bias"}};
    if (name == "out_proj.weight") return {{"o.weight"}, true};
    return {{"o.bias"}};
  };
  options.ignored = [](const std::string& name) { return name == "position_ids"; };
  options.tied = {{"o2.weight", "o.weight"}, {"not there", "o.weight"}};
  vt::MultiheadAttention<float> layer({.embed_dim = 12, .num_heads = 3});
  vt::load(layer, checkpoint.file(), "attn.", options);
  auto expected = values(wanted), got = values(layer);
  CHECK(got["in_proj_weight"] == expected["in_proj_weight"]);
  CHECK(got["in_proj_bias"] == expected["in_proj_bias"]);
  CHECK(got["out_proj.weight"] == expected["out_proj.weight"]);

  std::string message;
  checkpoint.tensors["attn.o2.weight"].second[5] += 1;
  CHECK(load_error(layer, checkpoint.file(), "attn.", message, options) == "values_differ");
  CHECK(has(message, "\"attn.o2.weight\" and \"attn.o.weight\""));
  options.tied.clear(), options.ignored = nullptr;
  CHECK(load_error(layer, checkpoint.file(), "attn.", message, options) == "unexpected_tensors");
  CHECK(has(message, "\"attn.o2.weight\", \"attn.position_ids\""));
  options.source = [](const std::string& name) -> vt::Source {
    return name == "in_proj_weight" ? vt::Source{{"q.weight", "k.weight"}} : vt::Source{{"o.bias"}};
  };
  CHECK(load_error(layer, checkpoint.file(), "attn.", message, options) == "unexpected_tensors");
  CHECK(has(message, "\"attn.q.weight\" (12, 12) instead of (18, 12)"));
}

TEST_CASE("a tied tensor may have another type, not other values or another shape") {
  const Scratch scratch;
  const std::vector<float> weight = {1, 2, 0.5f, -4, 8, 16}, bias = {0, 1};
  const auto with = [&](std::vector<Index> shape, float last) {
    std::vector<std::uint16_t> half;
    for (float x : weight) half.push_back(vt::float_to_half(x));
    half.back() = vt::float_to_half(last);
    vt::SafeTensorsWriter writer(scratch / "a.safetensors");
    writer.add<float>("weight", {2, 3}, weight);
    writer.add<float>("bias", {2}, bias);
    writer.add("copy", vt::DType::F16, shape, std::as_bytes(std::span<const std::uint16_t>(half)));
    writer.finish();
    vt::LoadOptions options;
    options.tied = {{"copy", "weight"}};
    vt::Linear<float> layer(3, 2);
    std::string message;
    return load_error(layer, vt::SafeTensors(scratch / "a.safetensors"), "", message, options);
  };
  CHECK(with({2, 3}, 16) == "no error");
  CHECK(with({2, 3}, 17) == "values_differ");
  CHECK(with({3, 2}, 16) == "values_differ");
}

// ---- memory that runs out
namespace {
int allocations_left = 0;
std::size_t largest_allocation = ~std::size_t{0};
const vt::Memory rationed{[](std::size_t bytes) noexcept -> void* {
                            if (bytes > largest_allocation) return nullptr;
                            return allocations_left-- > 0 ? vt::heap()->allocate(bytes) : nullptr;
                          },
                          [](void* p, std::size_t bytes) noexcept { vt::heap()->release(p, bytes); }};
// ---- other people's names (load_options.hpp)

using Names = std::vector<std::string>;
using Rules = std::vector<std::pair<std::string, std::string>>;

Names file_names(const Rules& rules, const std::string& parameter) { return vt::renamed(rules)(parameter).tensors; }

std::string rules_refusal(const std::string& ours, const std::string& theirs) {
  try {
    vt::renamed({{ours, theirs}});
  } catch (const vt::Error& e) {
    CHECK(e.code() == vt::LoadError::bad_usage);
    return e.what();
  }
  return "";
}

TEST_CASE("a part of a name is whole pieces, wherever they stand; other pieces stand for themselves") {
  const Rules rules = {{"norm1", "ln_1"}, {"self_attn.out_proj", "attn.proj"}, {"layers", "blocks"}};
  CHECK(file_names(rules, "layers.3.norm1.weight") == Names{"blocks.3.ln_1.weight"});
  CHECK(file_names(rules, "layers.12.self_attn.out_proj.bias") == Names{"blocks.12.attn.proj.bias"});
  CHECK(file_names(rules, "layers.0.norm12.weight") == Names{"blocks.0.norm12.weight"});
  CHECK(file_names(rules, "layers.0.self_attn.in_proj_bias") == Names{"blocks.0.self_attn.in_proj_bias"});
  CHECK(file_names({}, "layers.0.norm1.weight") == Names{"layers.0.norm1.weight"});
  CHECK(file_names({{"layers", ""}}, "layers.0.norm1.weight") == Names{"0.norm1.weight"});
}

TEST_CASE("rules exchange names, and of two that fit the first holds") {
  CHECK(file_names({{"norm1", "norm2"}, {"norm2", "norm1"}}, "norm1.norm2") == Names{"norm2.norm1"});
  CHECK(file_names({{"a.b", "x"}, {"a", "y"}}, "a.b.a.c") == Names{"x.y.c"});
  CHECK(file_names({{"a", "y"}, {"a.b", "x"}}, "a.b") == Names{"y.b"});
  CHECK(file_names({{"self_attn", "self_attn.multihead_attn"}, {"multihead_attn", "cross"}}, "self_attn.bias") ==
        Names{"self_attn.multihead_attn.bias"});
}

TEST_CASE("a star is one piece") {
  const Rules rules = {
      {"encoder.layers.*.norm2", "encoder.*.ff_norm"}, {"decoder.layers.*.norm2", "decoder.*.mid"}, {"*.w.*", "*.v.*"}};
  CHECK(file_names(rules, "encoder.layers.7.norm2.bias") == Names{"encoder.7.ff_norm.bias"});
  CHECK(file_names(rules, "decoder.layers.7.norm2.bias") == Names{"decoder.7.mid.bias"});
  CHECK(file_names(rules, "encoder.layers.7.norm1.bias") == Names{"encoder.layers.7.norm1.bias"});
  CHECK(file_names(rules, "x.w.3") == Names{"x.v.3"});
  CHECK(file_names({{"*.*.k", "*"}}, "a.b.k") == Names{"a"});
}

TEST_CASE("braces are several tensors, one below the other") {
  const Rules rules = {{"self_attn.in_proj_weight", "attention.{query,key,value}.weight"}};
  CHECK(file_names(rules, "layers.0.self_attn.in_proj_weight") ==
        Names{"layers.0.attention.query.weight", "layers.0.attention.key.weight", "layers.0.attention.value.weight"});
  CHECK(file_names({{"in_proj_weight", "{q,k,v}"}}, "in_proj_weight") == Names{"q", "k", "v"});
  CHECK(file_names({{"in_proj_weight", "w{q}"}}, "in_proj_weight") == Names{"wq"});
}

TEST_CASE("rules that cannot be read are refused with the rule") {
  CHECK(rules_refusal("", "x") == "bad_usage: the rule {\"\", \"x\"}: names no part of ours");
  CHECK(rules_refusal("a.*", "b.*.*").find("more \"*\" on the file's side") != std::string::npos);
  for (const char* theirs : {"{a,b", "a}", "}a{", "{a}{b}", "{a,{b}}"})
    CHECK(rules_refusal("a", theirs).find("one {a,b,c}") != std::string::npos);
}

TEST_CASE("a layer from three projections of other names has the same values") {
  const Scratch scratch;
  vt::MultiheadAttention<float> mha({.embed_dim = 4, .num_heads = 2});
  REQUIRE(mha.init(3) == vt::Status::ok);
  vt::SafeTensorsWriter writer(scratch / "model.safetensors");
  std::vector<std::vector<float>> held;
  mha.parameters([&](const std::string& name, const vt::Parameter<float>& p) {
    const vt::Index cols = p.is_vector() ? 1 : p.cols;
    for (int part = 0; part < (name.starts_with("in_proj") ? 3 : 1); ++part) {
      std::vector<float>& values = held.emplace_back();
      const vt::Index rows = name.starts_with("in_proj") ? p.rows / 3 : p.rows;
      for (vt::Index r = 0; r < rows; ++r)
        for (vt::Index c = 0; c < cols; ++c) values.push_back(p.value(part * rows + r, c));
    }
  });
  const auto add = [&](const std::string& name, std::size_t i, bool vector) {
    const std::vector<vt::Index> shape = vector ? std::vector<vt::Index>{4} : std::vector<vt::Index>{4, 4};
    writer.add(name, shape, std::span<const float>(held[i]));
  };
  const char* letters[] = {"q", "k", "v"};
  for (std::size_t i = 0; i < 3; ++i) add(std::string("m.w") + letters[i] + ".weight", i, false);
  for (std::size_t i = 0; i < 3; ++i) add(std::string("m.w") + letters[i] + ".bias", 3 + i, true);
  add("m.wo.weight", 6, false), add("m.wo.bias", 7, true);
  writer.finish();

  vt::MultiheadAttention<float> other({.embed_dim = 4, .num_heads = 2});
  vt::load(other, vt::SafeTensors(scratch / "model.safetensors"), "m.",
           {.source = vt::renamed(
                {{"in_proj_weight", "w{q,k,v}.weight"}, {"in_proj_bias", "w{q,k,v}.bias"}, {"out_proj", "wo"}})});
  const vt::RowMajor<float> x = vt::RowMajor<float>::Ones(3, 4);
  const auto expected = mha(x), found = other(x);
  CHECK((found.output.matrix(0) == expected.output.matrix(0)));
}

}  // namespace

TEST_CASE("memory that runs out at any point leaves the layer as it was") {
  Checkpoint checkpoint;
  std::string message;
  // Weights in one piece and vectors in another; and each for itself where memory has none for all, but for the last.
  for (const bool together : {true, false}) {
    largest_allocation = together ? ~std::size_t{0} : 8192;
    checkpoint.take(scrambled(vt::EncoderLayer<float>(small), 1));
    const vt::SafeTensors file = checkpoint.file();
    vt::EncoderLayer<float> layer(small, &rationed);
    int pieces = 0;
    for (; allocations_left = pieces, load_error(layer, file, "", message) == "out_of_memory"; ++pieces)
      REQUIRE(!layer.loaded());
    CHECK(layer.loaded());
    CHECK((together ? pieces == 2 : pieces > 3));
    allocations_left = 1000;
    const auto first = values(layer);
    checkpoint.take(scrambled(vt::EncoderLayer<float>(small), 2));
    const vt::SafeTensors second = checkpoint.file();
    for (int ration = 0; ration < pieces; ++ration) {
      allocations_left = ration;
      CHECK(load_error(layer, second, "", message) == "out_of_memory");
      CHECK(values(layer) == first);
    }
    allocations_left = 1000;
    vt::load(layer, second);
    CHECK(values(layer) != first);
  }
  largest_allocation = ~std::size_t{0};

  checkpoint.take(scrambled(vt::EncoderLayer<float>(small), 1));
  const vt::SafeTensors file = checkpoint.file();
  vt::EncoderLayer<float, vt::Dims{.d_model = 12, .nhead = 3, .dim_feedforward = 37, .max_length = 4}> fixed(small);
  CHECK(error_of([&] { vt::load(fixed, file); }, &message) == "bad_usage");
  CHECK(has(message, "bind"));
}

TEST_CASE("copies share what is loaded") {
  const auto layer = scrambled(vt::EncoderLayer<float>(small));
  Checkpoint checkpoint;
  checkpoint.take(layer);
  vt::EncoderLayer<float> loaded(small);
  vt::load(loaded, checkpoint.file());
  const vt::EncoderLayer<float> copy = loaded;
  std::vector<const float*> places[2];
  loaded.parameters([&](const char*, const auto& p) { places[0].push_back(p.values.data()); });
  copy.parameters([&](const char*, const auto& p) { places[1].push_back(p.values.data()); });
  CHECK(places[0] == places[1]);
}

TEST_CASE("load_module builds what the file's configuration says") {
  const Scratch scratch;
  const auto round_trip = [&]<class M>(const M& module) {
    vt::save(module, scratch / "module.safetensors");
    const auto same = vt::load_module<M>(scratch / "module.safetensors");
    CHECK(values(same) == values(module));
    CHECK(vt::write_config(same.config()) == vt::write_config(module.config()));
  };
  round_trip(scrambled(vt::EncoderLayer<float>({.d_model = 12, .nhead = 3, .dim_feedforward = 7, .norm_first = true})));
  round_trip(
      scrambled(vt::Encoder<float>({.layer = {.d_model = 8, .nhead = 2, .dim_feedforward = 5}, .num_layers = 3})));
  round_trip(
      scrambled(vt::Decoder<float>({.layer = {.d_model = 8, .nhead = 4, .dim_feedforward = 5}, .num_layers = 2})));
  round_trip(scrambled(vt::MultiheadAttention<float>({.embed_dim = 8, .num_heads = 2, .kdim = 3})));

  std::string message;
  const auto error = [&] {
    return error_of([&] { (void)vt::load_module<vt::Decoder<float>>(scratch / "module.safetensors"); }, &message);
  };
  CHECK(error() == "config_mismatch");
  CHECK(has(message, "holds a module of class \"MultiheadAttention\", not \"Decoder\""));
  scratch.write("module.safetensors", container("{}"));
  CHECK(error() == "config_missing");
  CHECK(has(message, "vt::save"));
  scratch.write("module.safetensors",
                container(R"({"__metadata__":{"module":"Decoder","config":"{\"nhead\": \"two\"}"}})"));
  CHECK(error() == "config_bad_value");
}
