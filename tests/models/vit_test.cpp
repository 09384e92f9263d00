#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>
#include <vitrine/models/vit.hpp>

namespace vt = vitrine;
using vt::Index;

namespace {

vt::VitConfig small_vit() {
  vt::VitConfig c;
  c.hidden_size = 12, c.num_hidden_layers = 2, c.num_attention_heads = 3, c.intermediate_size = 20;
  c.image_height = 7, c.image_width = 6, c.patch_height = 3, c.patch_width = 2, c.num_channels = 2;
  c.pooler_output_size = 5;
  return c;
}
// Pixel (b, c, y, x) of images of 2 channels, 7 x 6.
float pixel(Index b, Index c, Index y, Index x) { return float((b * 31 + c * 17 + y * 7 + x * 3) % 11) - 5; }
std::vector<float> some_pixels(Index batch) {
  std::vector<float> pixels;
  for (Index b = 0; b < batch; ++b)
    for (Index c = 0; c < 2; ++c)
      for (Index y = 0; y < 7; ++y)
        for (Index x = 0; x < 6; ++x) pixels.push_back(pixel(b, c, y, x));
  return pixels;
}

}  // namespace

TEST_CASE("Vit: patches row by row, channel by channel; what is left of the image is of none") {
  vt::Vit<float> model(small_vit());
  REQUIRE(model.init(3) == vt::Status::ok);
  CHECK(model.config().patches() == 6);
  const auto pixels = some_pixels(2);
  std::vector<std::string> shown;
  const auto result =
      model({pixels.data(), 2, 2, 7, 6}, {}, vt::keep::weights,
            [&](std::string_view name, Index, const vt::TraceView<float>&) { shown.emplace_back(name); });
  REQUIRE(result.patches.width() == 12);
  for (Index b = 0; b < 2; ++b)
    for (Index n = 0; n < 6; ++n)
      for (Index i = 0; i < 12; ++i)
        CHECK(result.patches.matrix(b)(n, i) == pixel(b, i / 6, n / 3 * 3 + i / 2 % 3, n % 3 * 2 + i % 2));
  CHECK(result.output.matrix(1).rows() == 7);
  CHECK(result.self_attn[1].matrix(1, 2).cols() == 7);
  CHECK(result.pooled.matrix(1).cols() == 5);
  CHECK(shown.front() == "embeddings");
  CHECK(shown.back() == "pooler");

  // An image alone, on several threads, with nothing kept: the same bits.
  vt::Workspace workspace(vt::heap(), 3);
  workspace.parallel_from(0);
  vt::VitResult<vt::keep::Nothing, float> alone;
  for (int call = 0; call < 2; ++call) {
    REQUIRE(model.forward_into(alone, workspace, {pixels.data() + 84, 1, 2, 7, 6}, {}, vt::keep::nothing) ==
            vt::Status::ok);
    CHECK(alone.output.matrix() == result.output.matrix(1));
    CHECK(alone.pooled.matrix() == result.pooled.matrix(1));
  }
}

TEST_CASE("Vit: without biases of query, key and value, and without a pooler") {
  vt::VitConfig c = small_vit();
  c.qkv_bias = false, c.pooler = false;
  vt::Vit<float> model(c);
  bool out_bias = false;
  model.parameters([&](const std::string& name, const auto&) {
    CHECK(name.find("in_proj_bias") == name.npos);
    CHECK(name.find("pooler") == name.npos);
    out_bias = out_bias || name == "encoder.layers.0.self_attn.out_proj.bias";
  });
  CHECK(out_bias);
  REQUIRE(model.init(3) == vt::Status::ok);
  const auto pixels = some_pixels(1);
  CHECK(model({pixels.data(), 1, 2, 7, 6}).pooled.span().empty());
  CHECK(model({nullptr, 0, 2, 7, 6}).output.span().empty());
}

TEST_CASE("Vit: refusals name the value") {
  vt::Vit<float> model(small_vit());
  vt::Workspace workspace(vt::heap());
  vt::VitResult<vt::DefaultKeep, float> result;
  const auto pixels = some_pixels(1);
  const auto status = [&](const vt::Images<float>& images) { return model.forward_into(result, workspace, images); };
  CHECK(status({pixels.data(), 1, 2, 7, 6}) == vt::Status::not_loaded);
  REQUIRE(model.init(3) == vt::Status::ok);
  CHECK(status({pixels.data(), 1, 2, 7, 6}) == vt::Status::ok);
  CHECK(status({pixels.data(), 1, 3, 7, 6}) == vt::Status::bad_shape);
  CHECK(status({pixels.data(), 1, 3, 7, 6}).actual == 3);
  CHECK(status({pixels.data(), 1, 2, 8, 6}).actual == 8);
  CHECK(status({pixels.data(), 1, 2, 7, 5}).actual == 5);
  CHECK(status({pixels.data(), -1, 2, 7, 6}) == vt::Status::bad_shape);
  CHECK(status({nullptr, 1, 2, 7, 6}) == vt::Status::bad_shape);
  vt::VitConfig c = small_vit();
  c.patch_height = 8;
  CHECK(vt::Vit<float>(c).forward_into(result, workspace, {pixels.data(), 1, 2, 7, 6}) == vt::Status::bad_config);
}

TEST_CASE("Vit: an image that holds no patch, and sizes that wrap, are errors") {
  const auto answer = [](auto change) {
    vt::VitConfig c = small_vit();
    change(c);
    vt::Vit<float> model(c);
    CHECK(model.check_config() == model.init(1).code);
    return model.init(1).code;
  };
  CHECK(answer([](vt::VitConfig&) {}) == vt::Status::ok);
  CHECK(answer([](vt::VitConfig& c) { c.patch_height = 0; }) == vt::Status::bad_config);
  CHECK(answer([](vt::VitConfig& c) { c.patch_width = -1; }) == vt::Status::bad_config);
  CHECK(answer([](vt::VitConfig& c) { c.image_width = 1; }) == vt::Status::bad_config);
  CHECK(answer([](vt::VitConfig& c) { c.num_channels = 0; }) == vt::Status::bad_config);
  CHECK(answer([](vt::VitConfig& c) { c.hidden_size = 0; }) == vt::Status::bad_config);
  vt::VitConfig c = small_vit();
  c.image_height = c.image_width = Index{1} << 62, c.patch_height = c.patch_width = 1;
  CHECK(vt::Vit<float>(c).init(1) == vt::Status::out_of_memory);
  vt::Vit<float> model(small_vit());
  REQUIRE(model.init(1) == vt::Status::ok);
  const float pixel = 0;
  vt::VitResult<vt::DefaultKeep, float> result;
  vt::Workspace workspace(vt::heap());
  CHECK(model.forward_into(result, workspace, {&pixel, Index{1} << 60, 2, 7, 6}) == vt::Status::bad_shape);
}
