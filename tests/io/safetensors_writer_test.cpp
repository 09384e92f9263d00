#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>
#include <vitrine/io/safetensors.hpp>
#include <vitrine/io/safetensors_writer.hpp>

#include "scratch.hpp"

namespace vt = vitrine;
using vt::Index;

TEST_CASE("what is written is read back, aligned, with its metadata") {
  const Scratch scratch;
  const auto path = scratch / "x.safetensors";
  const std::vector<float> f32 = {1, 2, std::numeric_limits<float>::infinity(), 4, 5, 6};
  const std::vector<double> f64 = {0.1, 0.2};
  const std::vector<std::int64_t> i64 = {-1, 2, 3};
  const bool flags[3] = {true, false, true};
  const std::vector<std::uint16_t> halves = {vt::float_to_half(0.5f), vt::float_to_half(-3.0f)};
  vt::SafeTensorsWriter writer(path);
  writer.metadata["config"] = "{\"nhead\": 4}";
  writer.metadata["b"] = "line\n\"quoted\" \xc3\xa9";
  writer.add("flags", {3}, std::span<const bool>(flags));
  writer.add<float>("f32", {2, 3}, f32);
  writer.add<double>("f64", {2}, f64);
  writer.add<std::int64_t>("i64", {3, 1}, i64);
  writer.add("f16", vt::DType::F16, {2}, std::as_bytes(std::span(halves)));
  writer.add("bf16", vt::DType::BF16, {2}, std::as_bytes(std::span(halves)));
  writer.add<float>("empty", {0, 5}, {});
  writer.add<float>("scalar", {}, std::span(f32).first(1));
  CHECK(!std::filesystem::exists(path));
  writer.finish();

  const vt::SafeTensors file(path);
  CHECK(file.tensors().size() == 8);
  CHECK(file.metadata() == writer.metadata);
  CHECK(file.at("f32").to_vector<float>() == f32);
  CHECK(file.at("f64").to_vector<double>() == f64);
  CHECK(file.at("i64").to_vector<std::int64_t>() == i64);
  CHECK(file.at("i64").shape == std::vector<Index>{3, 1});
  CHECK(file.at("flags").to_vector<int>() == std::vector<int>{1, 0, 1});
  CHECK(file.at("f16").to_vector<float>() == std::vector<float>{0.5f, -3.0f});
  CHECK(file.at("scalar").to_vector<float>() == std::vector<float>{1});
  CHECK(file.at("empty").elements() == 0);
  CHECK(file.at("f64").aligned_data<double>() != nullptr);
  CHECK(file.at("f32").aligned_data<float>() != nullptr);
  CHECK(file.at("i64").aligned_data<std::int64_t>() != nullptr);

  // The views of a file are what save_safetensors takes: a copy is the same bytes.
  vt::save_safetensors(scratch / "copy.safetensors", file.tensors(), file.metadata());
  const vt::SafeTensors copy(scratch / "copy.safetensors");
  CHECK(copy.metadata() == file.metadata());
  for (const vt::TensorView& view : file.tensors()) {
    CHECK(std::equal(view.data, view.data + view.nbytes, copy.at(view.name).data));
  }
}

TEST_CASE("an empty file is a file") {
  const Scratch scratch;
  vt::save_safetensors(scratch / "x", {});
  CHECK(vt::SafeTensors(scratch / "x").names().empty());
}

TEST_CASE("what could not be read back is not written") {
  const Scratch scratch;
  const auto path = scratch / "x.safetensors";
  const std::vector<float> values(4);
  const auto with = [&](auto fill) {
    return error_of([&] {
      vt::SafeTensorsWriter writer(path);
      fill(writer);
      writer.finish();
    });
  };
  CHECK(with([&](auto& w) { w.template add<float>("a", {5}, values); }) == "size_mismatch");
  CHECK(with([&](auto& w) { w.template add<float>("a", {-2, -2}, values); }) == "bad_shape");
  CHECK(with([&](auto& w) {
          w.template add<float>("a", {Index{1} << 40, Index{1} << 40}, values);
        }) == "shape_overflow");
  CHECK(with([&](auto& w) { w.template add<float>("__metadata__", {4}, values); }) == "duplicate_name");
  CHECK(with([&](auto& w) {
          w.template add<float>("a", {4}, values);
          w.template add<float>("a", {2, 2}, values);
        }) == "duplicate_name");
  CHECK(with([&](auto& w) { w.template add<float>("\xff", {4}, values); }) == "header_not_utf8");
  CHECK(with([&](auto& w) { w.metadata["k"] = "\xff"; }) == "header_not_utf8");
  CHECK(with([&](auto& w) { w.add("a", vt::DType::unknown, {4}, std::as_bytes(std::span(values))); }) ==
        "unknown_dtype");
  CHECK(scratch.files() == 0);
  CHECK(error_of([&] { vt::SafeTensorsWriter(scratch / "none/x").finish(); }) == "file_not_created");
}
