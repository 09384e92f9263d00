// Arrays from Python and to Python. What comes in has been brought into order by vitrine/_arrays.py; here it is only
// checked, so that nothing that Python says can make vitrine read what is not there.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "backend.hpp"

namespace vitrine_python {
namespace {

namespace nb = nanobind;
using In = nb::ndarray<nb::ro, nb::device::cpu>;

// An array without values is: NumPy gives it strides of 0.
inline bool contiguous(const In& array) {
  if (array.size() == 0) return true;
  Index step = 1;
  for (std::size_t i = array.ndim(); i-- > 0;) {
    if (array.shape(i) != 1 && array.stride(i) != step) return false;
    step *= Index(array.shape(i));
  }
  return true;
}
inline std::vector<Index> shape_of(const In& array) {
  std::vector<Index> shape;
  for (std::size_t i = 0; i < array.ndim(); ++i) shape.push_back(Index(array.shape(i)));
  return shape;
}
inline In array_of(nb::handle object) {
  In array;
  if (!nb::try_cast<In>(object, array)) throw std::invalid_argument("vitrine: this is no array on the CPU");
  return array;
}
inline void require(bool right, const char* sentence) {
  if (!right) throw std::invalid_argument(sentence);
}

// (B, T, E) of the scalar, its last axis contiguous, its strides not negative.
inline Input input_of(const In& array, bool is_double) {
  require(array.dtype() == (is_double ? nb::dtype<double>() : nb::dtype<float>()) && array.ndim() == 3,
          "vitrine: an input is (B, T, E), of the module's own type");
  Input input{array.data(), Index(array.shape(0)), Index(array.shape(1)), Index(array.shape(2))};
  input.row_stride = input.width;
  if (array.size() == 0) return input;  // whose strides NumPy leaves at 0
  input.batch_stride = array.stride(0), input.row_stride = array.stride(1);
  require((input.width <= 1 || array.stride(2) == 1) && input.batch_stride >= 0 && input.row_stride >= 0,
          "vitrine: the last axis of an input must be contiguous");
  return input;
}
// Values of the scalar, one after another.
inline const void* values_of(const In& array, bool is_double) {
  require(array.dtype() == (is_double ? nb::dtype<double>() : nb::dtype<float>()) && contiguous(array),
          "vitrine: an array must be contiguous, and of the module's own type");
  return array.data();
}
// Rows (sum of the lengths, E) of the scalar, contiguous.
inline Input ragged_of(const In& array, std::vector<Index> lengths, bool is_double) {
  require(array.ndim() == 2, "vitrine: packed rows are (rows, E)");
  const void* const values = values_of(array, is_double);
  Index rows = 0;
  for (const Index length : lengths) {
    require(length >= 0 && length <= Index(array.shape(0)) - rows, "vitrine: lengths must sum to the rows");
    rows += length;
  }
  require(rows == Index(array.shape(0)), "vitrine: lengths must sum to the rows");
  Input input{values, Index(lengths.size()), rows, Index(array.shape(1))};
  input.lengths = std::move(lengths);
  return input;
}
inline std::vector<Index> indices_of(nb::handle object) {
  const In array = array_of(object);
  require(array.dtype() == nb::dtype<std::int64_t>() && contiguous(array), "vitrine: indices are int64");
  const auto* const first = static_cast<const std::int64_t*>(array.data());
  return {first, first + array.size()};
}

// NumPy's type of an array: it has no bfloat16, whose codes are uint16.
inline nb::dlpack::dtype type_of(Array::Type type) {
  const auto floating = std::uint8_t(nb::dlpack::dtype_code::Float);
  switch (type) {
    case Array::f32:
      break;
    case Array::f64:
      return nb::dtype<double>();
    case Array::f16:
      return {floating, 16, 1};
    case Array::bf16:
      return nb::dtype<std::uint16_t>();
    case Array::u8:
      return nb::dtype<std::uint8_t>();
  }
  return nb::dtype<float>();
}
// An array of Python that views an entry and keeps `owner` alive.
inline nb::object to_python(const Array& array, nb::handle owner) {
  std::vector<std::size_t> shape(array.shape.begin(), array.shape.end());
  const std::vector<std::int64_t> strides(array.strides.begin(), array.strides.end());
  void* const data = const_cast<void*>(array.data);
  return nb::cast(nb::ndarray<nb::numpy>(data, shape.size(), shape.data(), owner, strides.data(), type_of(array.type)));
}
// [(member, field, layer, array), ...]
inline nb::list to_python(const std::vector<Entry>& entries, nb::handle owner) {
  nb::list all;
  for (const Entry& e : entries) all.append(nb::make_tuple(e.member, e.field, e.layer, to_python(e.array, owner)));
  return all;
}

}  // namespace
}  // namespace vitrine_python
