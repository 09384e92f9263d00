// A named tensor inside a file's bytes, of any number type, and its exact conversion into the caller's memory.
// safetensors.hpp and npy.hpp hand these out; they own nothing and stay valid as long as the object that gave them, or
// a copy of it.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/core/half.hpp>
#include <vitrine/io/error.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// Number types, by safetensors' names; `unknown` stands for any other, whose bytes can be seen but not converted.
enum class DType : std::uint8_t { F64, F32, F16, BF16, I64, I32, I16, I8, U64, U32, U16, U8, BOOL, unknown };

/// "F32" and so on; "unknown" for DType::unknown.
constexpr std::string_view name(DType dtype) noexcept {
  constexpr std::array<std::string_view, 14> names = {"F64", "F32", "F16", "BF16", "I64", "I32",  "I16",
                                                      "I8",  "U64", "U32", "U16",  "U8",  "BOOL", "unknown"};
  return names[static_cast<std::size_t>(dtype)];
}

/// Bytes of one element; 0 for DType::unknown.
constexpr std::size_t size_of(DType dtype) noexcept {
  constexpr std::array<std::uint8_t, 14> sizes = {8, 4, 2, 2, 8, 4, 2, 1, 8, 4, 2, 1, 1, 0};
  return sizes[static_cast<std::size_t>(dtype)];
}

/// The DType that stores `T` as it is.
template <class T>
constexpr DType dtype_of() noexcept {
  static_assert(std::is_arithmetic_v<T>, "vitrine: tensors in files hold float, double, bool or integers");
  if constexpr (std::is_same_v<T, bool>) return DType::BOOL;
  if constexpr (std::is_floating_point_v<T>) return sizeof(T) == 4 ? DType::F32 : DType::F64;
  constexpr DType integers[2][4] = {{DType::U8, DType::U16, DType::U32, DType::U64},
                                    {DType::I8, DType::I16, DType::I32, DType::I64}};
  return integers[std::is_signed_v<T>][sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3];
}

/// One tensor: row-major, little endian, at any alignment. Integers with scales beside them read as the numbers that
/// they stand for.
struct TensorView {
  std::string name;
  DType dtype = DType::unknown;
  std::string dtype_name;  // as the file spells it
  std::vector<Index> shape;
  const std::byte* data = nullptr;
  std::size_t nbytes = 0;
  const std::string* file = nullptr;  // for messages
  // Of an I8 tensor that stands for code * scale: (rows, 1, ...), or of a matrix (1, columns); compressed-tensors'.
  const TensorView* scale = nullptr;

  /// The number of values: the product of the shape, 1 for rank 0.
  Index elements() const noexcept { return product(0); }
  /// The first extent, 1 for rank 0.
  Index rows() const noexcept { return shape.empty() ? 1 : shape.front(); }
  // Values in a row: the product of all extents but the first.
  Index row_elements() const noexcept { return product(1); }

  /// Copies all values into `out`, which must have elements() of them. A floating target takes every type (F64 to float
  /// and large integers round to nearest; with a `scale` each is multiplied by its own); an integer or bool target
  /// takes integers and BOOL that fit, and codes without their scale. Allocates nothing. Throws Error: unknown_dtype,
  /// shape_mismatch (wrong size of out), wrong_dtype, value_out_of_range.
  template <class T, std::size_t Extent>
  void copy_to(std::span<T, Extent> out) const {
    if (static_cast<Index>(out.size()) != elements()) {
      fail(LoadError::shape_mismatch,
           detail::concat("has ", elements(), " values, the target has room for ", out.size()));
    }
    read(0, elements(), out.data());
  }

  /// Copies rows [first_row, first_row + count) into `out` (count * row_elements() values), converting as copy_to does,
  /// so that packing needs no whole copy. Throws as copy_to; shape_mismatch for rows that do not exist.
  template <class T>
  void read_rows(Index first_row, Index count, T* out) const {
    if (first_row < 0 || count < 0 || first_row > rows() || count > rows() - first_row) {
      fail(LoadError::shape_mismatch, detail::concat("has ", rows(), " rows, not ", count, " from row ", first_row));
    }
    read(first_row * row_elements(), count * row_elements(), out);
  }

  /// All values in a new vector (T not bool). Throws as copy_to.
  template <class T>
  std::vector<T> to_vector() const {
    check_dtype<T>();
    std::vector<T> values(static_cast<std::size_t>(elements()));
    copy_to(std::span<T>(values));
    return values;
  }

  /// Holds numbers that are not whole: floating, or with a scale.
  bool is_floating() const noexcept { return dtype <= DType::BF16 || scale != nullptr; }

  /// The values in place, without a copy; nullptr if they are of another type or not aligned for T.
  template <class T>
  const T* aligned_data() const noexcept {
    return dtype == dtype_of<T>() && reinterpret_cast<std::uintptr_t>(data) % alignof(T) == 0
               ? reinterpret_cast<const T*>(data)
               : nullptr;
  }

  // Throws Error about this tensor.
  [[noreturn]] void fail(LoadError code, std::string_view what) const {
    throw Error(code, file ? *file : std::string("(memory)"),
                detail::concat("tensor ", detail::in_quotes(name), " ", what));
  }

 private:
  Index product(std::size_t from) const noexcept {
    Index result = 1;
    for (std::size_t axis = from; axis < shape.size(); ++axis) result *= shape[axis];
    return result;
  }

  template <class T>
  void check_dtype() const {
    if (dtype == DType::unknown) {
      fail(LoadError::unknown_dtype,
           detail::concat("is of type ", detail::in_quotes(dtype_name),
                          ", which is none of F64 F32 F16 BF16 I64 I32 I16 I8 U64 U32 U16 U8 BOOL"));
    }
    if (std::is_integral_v<T> && dtype <= DType::BF16) {
      fail(LoadError::wrong_dtype, detail::concat("is of type ", dtype_name, " where integers are wanted"));
    }
  }

  template <class T>
  void read(Index first, Index count, T* out) const;
  template <class T>
  void multiply_by_scales(Index first, Index count, T* out) const;
};

namespace detail {

/// The widening of one stored value: F16 and BF16 go through float, BOOL becomes 0 or 1.
template <DType D>
auto load_value(const std::byte* from) noexcept {
  using Stored = std::tuple_element_t<
      static_cast<std::size_t>(D),
      std::tuple<double, float, std::uint16_t, std::uint16_t, std::int64_t, std::int32_t, std::int16_t, std::int8_t,
                 std::uint64_t, std::uint32_t, std::uint16_t, std::uint8_t, std::uint8_t>>;
  Stored stored;
  std::memcpy(&stored, from, sizeof(Stored));
  if constexpr (D == DType::F16) {
    return half_to_float(stored);
  } else if constexpr (D == DType::BF16) {
    return bfloat16_to_float(stored);
  } else if constexpr (D == DType::BOOL) {
    return static_cast<std::uint8_t>(stored != 0);
  } else {
    return stored;
  }
}

/// Calls visitor.template operator()<D>() for the dtype, which must not be unknown.
template <class Visitor>
void visit_dtype(DType dtype, Visitor visitor) {
  [&]<std::size_t... D>(std::index_sequence<D...>) {
    static_cast<void>(
        ((dtype == static_cast<DType>(D) && (visitor.template operator()<static_cast<DType>(D)>(), true)) || ...));
  }
  (std::make_index_sequence<static_cast<std::size_t>(DType::unknown)>());
}

/// The bits that a tensor of this shape needs, with `bits` for an element. Fails with bad_shape for a negative extent
/// and with shape_overflow if its bytes could not be addressed, also where a zero extent hides it: products of parts of
/// a shape must fit too.
inline std::uint64_t checked_bits(const TensorView& view, std::uint64_t bits) {
  const std::uint64_t limit =
      static_cast<std::uint64_t>(std::numeric_limits<Index>::max()) / std::max<std::uint64_t>(bits, 64);
  std::uint64_t elements = 1;
  bool empty = false;
  for (const Index extent : view.shape) {
    if (extent < 0) view.fail(LoadError::bad_shape, "has a negative extent");
    empty = empty || extent == 0;
    const auto factor = static_cast<std::uint64_t>(std::max<Index>(extent, 1));
    if (elements > limit / factor)
      view.fail(LoadError::shape_overflow, "has a shape with more elements than memory can address");
    elements *= factor;
  }
  return empty ? 0 : elements * bits;
}

}  // namespace detail

template <class T>
void TensorView::read(Index first, Index count, T* out) const {
  check_dtype<T>();
  if (count == 0) return;
  const std::byte* source = data + first * static_cast<Index>(size_of(dtype));
  if (dtype == dtype_of<T>() && dtype != DType::BOOL) {
    std::memcpy(out, source, static_cast<std::size_t>(count) * sizeof(T));
    return;
  }
  detail::visit_dtype(dtype, [&]<DType D>() {
    for (Index i = 0; i < count; ++i) {
      const auto value = detail::load_value<D>(source + i * static_cast<Index>(size_of(D)));
      if constexpr (std::is_integral_v<T> && std::is_integral_v<decltype(value)>) {
        using Target = std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>;
        if (!std::in_range<Target>(value) || (std::is_same_v<T, bool> && static_cast<Target>(value) > 1)) {
          fail(LoadError::value_out_of_range,
               detail::concat("holds ", value, ", which does not fit into ", vitrine::name(dtype_of<T>())));
        }
      }
      out[i] = static_cast<T>(value);
    }
  });
  if constexpr (std::is_floating_point_v<T>)
    if (scale != nullptr) multiply_by_scales(first, count, out);
}

template <class T>
void TensorView::multiply_by_scales(Index first, Index count, T* out) const {
  const Index width = row_elements();
  const bool by_row = scale->rows() > 1 || scale->row_elements() == 1;
  T factor{};
  Index last = -1;
  for (Index i = 0; i < count; ++i) {
    const Index row = (first + i) / width, at = !by_row ? (first + i) % width : scale->rows() > 1 ? row : 0;
    if (at != last) scale->read(last = at, 1, &factor);
    out[i] *= factor;
  }
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
