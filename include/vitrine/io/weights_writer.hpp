// Weights into a safetensors file as they are stored: BF16, F16, or I8 with their scales. vt::save and
// vt::store_checkpoint write through it; examples/loading.md has the layout.
//
//   vt::WeightsWriter writer("out.safetensors");
//   writer.add("linear1.weight", {rows, cols}, values, vt::Storage::int8);      and linear1.weight_scale, (rows, 1)
//   writer.finish();
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/half.hpp>
#include <vitrine/io/safetensors.hpp>
#include <vitrine/io/safetensors_writer.hpp>
#include <vitrine/run/stored_weight.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// Collects tensors, in bytes of its own, then writes them at once. Memory: one copy as stored.
class WeightsWriter {
 public:
  // For a file at `path`, whole or not there, which finish() touches; throws no Error.
  explicit WeightsWriter(const std::filesystem::path& path) : label_(path.string()), writer_(path) {}

  /// The file's `__metadata__`.
  std::map<std::string, std::string>& metadata() noexcept { return writer_.metadata; }

  /// A tensor as it is.
  template <class T>
  void add(std::string tensor_name, std::vector<Index> shape, std::span<const T> values) {
    const DType type = dtype_of<T>();
    add(std::move(tensor_name), type, std::move(shape), std::as_bytes(values));
  }
  /// The same from its bytes.
  void add(std::string tensor_name, DType type, std::vector<Index> shape, std::span<const std::byte> bytes) {
    const auto& own = bytes_.emplace_back(bytes.begin(), bytes.end());
    writer_.add(std::move(tensor_name), type, std::move(shape), own);
  }
  /// A weight in the given storage. int8: codes and, as NAME_scale, an F32 for each row, (rows, 1), of a transposed
  /// matrix (columns, rows) for each column, (1, rows); a vector stays F32. The layout is compressed-tensors'
  /// "int-quantized", symmetric, by channel. Throws Error bad_usage for a value that the storage does not hold.
  void add(const std::string& tensor_name, const std::vector<Index>& shape, std::span<const float> values,
           Storage storage, bool transposed = false);

  /// Writes the file. Without it nothing is written. Throws as save_safetensors.
  void finish() const { writer_.finish(); }

 private:
  void add_codes(const std::string& tensor_name, const std::vector<Index>& shape, std::span<const float> values,
                 bool transposed);

  std::string label_;
  SafeTensorsWriter writer_;
  std::list<std::vector<std::byte>> bytes_ = {};
};

inline void WeightsWriter::add(const std::string& tensor_name, const std::vector<Index>& shape,
                               std::span<const float> values, Storage storage, bool transposed) {
  const detail::StoredWeight<float>* const how = detail::stored_weight(storage);
  if (how == nullptr || (storage == Storage::int8 && shape.size() < 2)) return add(tensor_name, shape, values);
  for (const float x : values)
    if (!how->holds(x))
      throw Error(LoadError::bad_usage, label_, detail::concat(detail::in_quotes(tensor_name), ": ", how->refusal));
  if (storage == Storage::int8) return add_codes(tensor_name, shape, values, transposed);
  std::vector<std::uint16_t> halves(values.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    halves[i] = storage == Storage::bf16 ? float_to_bfloat16(values[i]) : float_to_half(values[i]);
  add(tensor_name, storage == Storage::bf16 ? DType::BF16 : DType::F16, shape, std::as_bytes(std::span(halves)));
}

inline void WeightsWriter::add_codes(const std::string& tensor_name, const std::vector<Index>& shape,
                                     std::span<const float> values, bool transposed) {
  const Index rows = shape[transposed ? 1 : 0], depth = rows > 0 ? Index(values.size()) / rows : 0;
  const Index row_stride = transposed ? 1 : depth, stride = transposed ? rows : 1;
  std::vector<float> scales(std::size_t(rows), 0.0f);
  std::vector<std::int8_t> codes(values.size()), of_row(std::size_t(depth), 0);
  for (Index r = 0; r < rows; ++r) {
    const float* const row = values.data() + r * row_stride;
    const float scale = scales[std::size_t(r)] = kernels::int8_row_scale(row, stride, depth);
    kernels::int8_row_codes(row, stride, depth, scale, of_row.data());
    for (Index k = 0; k < depth; ++k) codes[std::size_t(r * row_stride + k * stride)] = of_row[std::size_t(k)];
  }
  add(tensor_name, shape, std::span<const std::int8_t>(codes));
  std::vector<Index> of_scales(shape.size(), 1);
  of_scales[transposed ? 1 : 0] = rows;
  add(detail::scale_name(tensor_name), of_scales, std::span<const float>(scales));
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
