#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>
#include <vitrine/io/tensor_view.hpp>

#include "scratch.hpp"

namespace vt = vitrine;
using vt::Index;

namespace {

/// A tensor over bytes at an odd address.
struct Odd {
  std::string bytes;
  vt::TensorView view;

  template <class Stored>
  Odd(vt::DType dtype, const std::vector<Stored>& values, std::vector<Index> shape) {
    bytes.assign(1, 'x').append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Stored));
    view = {"t",
            dtype,
            std::string(name(dtype)),
            std::move(shape),
            reinterpret_cast<const std::byte*>(bytes.data()) + 1,
            bytes.size() - 1,
            nullptr};
  }
  Odd(const Odd&) = delete;
};

template <class Stored>
void check_integers(vt::DType dtype) {
  using Limits = std::numeric_limits<Stored>;
  const std::vector<Stored> values = {0, 1, Limits::min(), Limits::max()};
  const Odd odd(dtype, values, {2, 2});
  CHECK(odd.view.to_vector<Stored>() == values);
  const auto doubles = odd.view.to_vector<double>();
  for (std::size_t i = 0; i < 4; ++i) CHECK(doubles[i] == static_cast<double>(values[i]));
  CHECK(vt::dtype_of<Stored>() == dtype);
}

}  // namespace

TEST_CASE("every integer type converts exactly, unaligned") {
  check_integers<std::int64_t>(vt::DType::I64);
  check_integers<std::int32_t>(vt::DType::I32);
  check_integers<std::int16_t>(vt::DType::I16);
  check_integers<std::int8_t>(vt::DType::I8);
  check_integers<std::uint64_t>(vt::DType::U64);
  check_integers<std::uint32_t>(vt::DType::U32);
  check_integers<std::uint16_t>(vt::DType::U16);
  check_integers<std::uint8_t>(vt::DType::U8);
}

TEST_CASE("floating types convert exactly upwards and round downwards") {
  const double inf = std::numeric_limits<double>::infinity();
  const Odd f64(vt::DType::F64, std::vector<double>{1.0 / 3, 1e300, -0.0, std::nan("")}, {4});
  const auto narrowed = f64.view.to_vector<float>();
  CHECK(narrowed[0] == static_cast<float>(1.0 / 3));
  CHECK(narrowed[1] == static_cast<float>(inf));
  CHECK(std::signbit(narrowed[2]));
  CHECK(std::isnan(narrowed[3]));
  const Odd f16(vt::DType::F16, std::vector<std::uint16_t>{0x3555, 0x0001, 0xfc00}, {3});
  CHECK(f16.view.to_vector<double>() == std::vector<double>{0.333251953125, 0x1p-24, -inf});
  CHECK(f16.view.to_vector<float>()[1] == 0x1p-24f);
  const Odd bf16(vt::DType::BF16, std::vector<std::uint16_t>{0x3fc0, 0xc000}, {2});
  CHECK(bf16.view.to_vector<float>() == std::vector<float>{1.5f, -2.0f});
  const Odd nan(vt::DType::F32, std::vector<std::uint32_t>{0x7f800123u}, {1});  // bits of a NaN survive a copy
  CHECK(std::bit_cast<std::uint32_t>(nan.view.to_vector<float>()[0]) == 0x7f800123u);
}

TEST_CASE("BOOL is 0 or 1 whatever its byte") {
  const Odd flags(vt::DType::BOOL, std::vector<std::uint8_t>{0, 1, 200}, {3});
  CHECK(flags.view.to_vector<float>() == std::vector<float>{0, 1, 1});
  bool values[3];
  flags.view.copy_to(std::span<bool>(values));
  CHECK((!values[0] && values[1] && values[2]));
  const Odd bytes(vt::DType::U8, std::vector<std::uint8_t>{1, 2}, {2});
  CHECK(error_of([&] { bytes.view.copy_to(std::span<bool>(values, 2)); }) == "value_out_of_range");
}

TEST_CASE("integers that do not fit, and numbers that are not integers, are refused") {
  const Odd wide(vt::DType::I64, std::vector<std::int64_t>{1, 1ll << 40}, {2});
  std::string message;
  CHECK(error_of([&] { wide.view.to_vector<std::int32_t>(); }, &message) == "value_out_of_range");
  CHECK(message == "value_out_of_range: (memory): tensor \"t\" holds 1099511627776, which does not fit into I32");
  const Odd negative(vt::DType::I8, std::vector<std::int8_t>{-1}, {1});
  CHECK(error_of([&] { negative.view.to_vector<std::uint64_t>(); }) == "value_out_of_range");
  const Odd real(vt::DType::F32, std::vector<float>{1}, {1});
  CHECK(error_of([&] { real.view.to_vector<std::int64_t>(); }) == "wrong_dtype");
}

TEST_CASE("an unknown type can be seen but not converted") {
  Odd odd(vt::DType::U8, std::vector<std::uint8_t>{1}, {1});
  odd.view.dtype = vt::DType::unknown;
  odd.view.dtype_name = "F8_E4M3";
  std::string message;
  CHECK(error_of([&] { odd.view.to_vector<float>(); }, &message) == "unknown_dtype");
  CHECK(message.find("F8_E4M3") != std::string::npos);
  CHECK(odd.view.aligned_data<std::uint8_t>() == nullptr);
}

TEST_CASE("rows are read without the rest; wrong sizes and rows are refused") {
  const Odd odd(vt::DType::F32, std::vector<float>{0, 1, 2, 3, 4, 5}, {3, 2});
  CHECK(odd.view.rows() == 3);
  CHECK(odd.view.row_elements() == 2);
  double rows[4];
  odd.view.read_rows(1, 2, rows);
  CHECK((rows[0] == 2 && rows[3] == 5));
  odd.view.read_rows(3, 0, rows);
  CHECK(error_of([&] { odd.view.read_rows(2, 2, rows); }) == "shape_mismatch");
  CHECK(error_of([&] { odd.view.read_rows(-1, 1, rows); }) == "shape_mismatch");
  CHECK(error_of([&] { odd.view.read_rows(4, 0, rows); }) == "shape_mismatch");
  CHECK(error_of([&] { odd.view.copy_to(std::span<double>(rows)); }) == "shape_mismatch");
  const Odd scalar(vt::DType::F32, std::vector<float>{7}, {});
  CHECK((scalar.view.elements() == 1 && scalar.view.rows() == 1 && scalar.view.row_elements() == 1));
  scalar.view.read_rows(0, 1, rows);
  CHECK(rows[0] == 7);
  const Odd empty(vt::DType::F32, std::vector<float>{}, {2, 0});
  CHECK(empty.view.to_vector<float>().empty());
}

TEST_CASE("values in place only where type and alignment allow") {
  alignas(8) float values[3] = {1, 2, 3};
  vt::TensorView view{"t", vt::DType::F32, "F32", {3}, reinterpret_cast<const std::byte*>(values), 12, nullptr};
  CHECK(view.aligned_data<float>() == values);
  CHECK(view.aligned_data<std::int32_t>() == nullptr);
  view.data += 1;
  CHECK(view.aligned_data<float>() == nullptr);
}
