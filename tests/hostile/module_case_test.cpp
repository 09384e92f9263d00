// Module cases whose inputs do not fit one another, each refused by name before anything is computed or allocated.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "../../examples/module_case.hpp"
#include "../io/scratch.hpp"
#include "allocation.hpp"

namespace vt = vitrine;
using vt::Index;

namespace {

using Shape = std::vector<Index>;

struct Tensors {
  std::string call = "{}";
  Shape query = {2, 3, 4}, key = {2, 3, 4}, value = {2, 3, 4};
  Shape mask = {}, padding = {};
};

std::filesystem::path write(const Scratch& scratch, const Tensors& tensors) {
  const auto path = scratch / "case.safetensors";
  vt::SafeTensorsWriter writer(path);
  writer.metadata = {
      {"module", "MultiheadAttention"}, {"config", R"({"embed_dim": 4, "num_heads": 2})"}, {"call", tensors.call}};
  const std::vector<float> values(1024, 0.5f);
  const auto add = [&](const std::string& name, const Shape& shape) {
    Index count = 1;
    for (const Index extent : shape) count *= extent;
    writer.add(name, shape, std::span<const float>(values).first(std::size_t(count)));
  };
  add("param.in_proj_weight", {12, 4}), add("param.in_proj_bias", {12});
  add("param.out_proj.weight", {4, 4}), add("param.out_proj.bias", {4});
  add("input.query", tensors.query), add("input.key", tensors.key), add("input.value", tensors.value);
  const bool some[64] = {};
  const auto flags = [&](const char* name, const Shape& shape) {
    Index count = 1;
    for (const Index extent : shape) count *= extent;
    if (!shape.empty()) writer.add(name, shape, std::span<const bool>(some).first(std::size_t(count)));
  };
  flags("input.attn_mask", tensors.mask), flags("input.key_padding_mask", tensors.padding);
  writer.finish();
  return path;
}

void run_case(const std::filesystem::path& path) { module_case::run(module_case::Case<float>(vt::SafeTensors(path))); }

}  // namespace

TEST_CASE("a module case is refused when its inputs do not fit one another") {
  const Scratch scratch;
  CHECK(error_of([&] { run_case(write(scratch, {})); }) == "no error");
  CHECK(error_of([&] { run_case(write(scratch, {.mask = {3, 3}, .padding = {2, 3}})); }) == "no error");
  const std::string self = R"({"self_attention": true})";
  CHECK(error_of([&] { run_case(write(scratch, {.call = self})); }) == "no error");

  // Only the query was computed: weights were read as if they had the key's columns.
  CHECK(error_of([&] {
          run_case(write(scratch, {.call = self, .key = {2, 30, 4}, .value = {2, 30, 4}}));
        }) == "shape_mismatch");
  CHECK(error_of([&] { run_case(write(scratch, {.call = self, .key = {50, 3, 4}})); }) == "shape_mismatch");
  CHECK(error_of([&] { run_case(write(scratch, {.key = {50, 3, 4}, .value = {50, 3, 4}})); }) == "shape_mismatch");
  CHECK(error_of([&] { run_case(write(scratch, {.query = {2, 3, 4, 1}})); }) == "shape_mismatch");
  CHECK(error_of([&] { run_case(write(scratch, {.query = {}})); }) == "shape_mismatch");
  CHECK(error_of([&] { run_case(write(scratch, {.mask = {0, 3}})); }) == "shape_mismatch");
  CHECK(error_of([&] { run_case(write(scratch, {.padding = {2, 0}})); }) == "shape_mismatch");

  // No value stands behind these many sequences.
  const auto path = write(scratch, {.query = {Index{1} << 36, 0, 4}});
  const std::size_t before = start_counting_allocation();
  CHECK(error_of([&] { run_case(path); }) == "shape_mismatch");
  CHECK(peak_allocation() - before < 64 << 10);

  for (const char* call : {R"({"self_attention": 1})", R"({"attn_mask_kind": []})"})
    CHECK(error_of([&] { run_case(write(scratch, {.call = call, .mask = {3, 3}})); }) == "config_bad_value");
  CHECK(error_of([&] { run_case(write(scratch, {.call = "[]"})); }) == "config_not_json");
}
