// Writing safetensors: whole or not at all (atomic_file.hpp), data aligned to 64 bytes, readable by every other
// implementation.
//   vt::SafeTensorsWriter writer("out.safetensors");
//   writer.metadata["config"] = "{}";
//   writer.add("weight", {rows, cols}, std::span<const float>(values));
//   writer.finish();
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/core/half.hpp>
#include <vitrine/io/atomic_file.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/io/safetensors_header.hpp>
#include <vitrine/io/tensor_view.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// Writes the tensors, in their order with larger elements first, and the metadata. The views' names, types, shapes and
/// bytes are used. Throws Error: duplicate_name, unknown_dtype, bad_shape, shape_overflow, size_mismatch,
/// header_not_utf8, header_too_large, file_not_created, write_failed.
inline void save_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                             const std::map<std::string, std::string>& metadata = {});

/// Collects views of tensors in the caller's memory, then writes them at once; the memory must live until finish(),
/// which alone touches the file and throws Error.
class SafeTensorsWriter {
 public:
  // For a file at `path`, whole or not there.
  explicit SafeTensorsWriter(std::filesystem::path path) : path_(std::move(path)) {}

  std::map<std::string, std::string> metadata;

  /// A tensor stored as `T` is: float F32, double F64, std::int64_t I64, bool BOOL and so on. finish() checks its size.
  template <class T>
  void add(std::string tensor_name, std::vector<Index> shape, std::span<const T> values) {
    add(std::move(tensor_name), dtype_of<T>(), std::move(shape), std::as_bytes(values));
  }

  /// A tensor of any type from its bytes; F16 and BF16 come from float_to_half and float_to_bfloat16.
  void add(std::string tensor_name, DType dtype, std::vector<Index> shape, std::span<const std::byte> bytes) {
    tensors_.push_back({std::move(tensor_name), dtype, std::string(name(dtype)), std::move(shape), bytes.data(),
                        bytes.size(), nullptr});
  }

  /// Writes the file. Without it nothing is written. Throws as save_safetensors.
  void finish() const { save_safetensors(path_, tensors_, metadata); }

 private:
  std::filesystem::path path_;
  std::vector<TensorView> tensors_;
};

namespace detail {

inline std::string json_text(const nlohmann::json& value, const std::string& file) {
  try {
    return value.dump();
  } catch (const nlohmann::json::exception&) {
    throw Error(LoadError::header_not_utf8, file, "would have a name or metadata that is not UTF-8");
  }
}

}  // namespace detail

inline void save_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                             const std::map<std::string, std::string>& metadata) {
  const std::string file = path.string();
  std::vector<const TensorView*> order;
  for (const TensorView& tensor : tensors) order.push_back(&tensor);
  // Larger elements first: then every tensor is aligned to its own element.
  std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) { return size_of(a->dtype) > size_of(b->dtype); });

  std::string text = "{";
  if (!metadata.empty()) text.append("\"__metadata__\":").append(detail::json_text(metadata, file));
  std::set<std::string_view> names = {"__metadata__"};
  std::uint64_t position = 0;
  for (const TensorView* tensor : order) {
    if (!names.insert(tensor->name).second) {
      throw Error(LoadError::duplicate_name, file,
                  detail::concat("would have ", detail::in_quotes(tensor->name), " twice"));
    }
    if (tensor->dtype == DType::unknown) tensor->fail(LoadError::unknown_dtype, "has no type that can be written");
    detail::HeaderSax::Entry entry{*tensor, position, position + tensor->nbytes};
    detail::check_entry(entry, std::numeric_limits<std::uint64_t>::max(), file);
    text += detail::concat(text.size() > 1 ? "," : "", detail::json_text(tensor->name, file), ":{\"dtype\":\"",
                           name(tensor->dtype), "\",\"shape\":", detail::json_text(tensor->shape, file),
                           ",\"data_offsets\":[", entry.begin, ",", entry.end, "]}");
    position = entry.end;
  }
  text += "}";
  text.append((64 - (8 + text.size()) % 64) % 64, ' ');
  if (text.size() > max_safetensors_header)
    throw Error(LoadError::header_too_large, file, detail::concat("would have a header of ", text.size(), " bytes"));

  AtomicFile out(path);
  std::byte length[8];
  for (std::size_t i = 0; i < 8; ++i)
    length[i] = static_cast<std::byte>(static_cast<std::uint64_t>(text.size()) >> (8 * i) & 0xff);
  out.write(length);
  out.write(text);
  for (const TensorView* tensor : order) out.write({tensor->data, tensor->nbytes});
  out.commit();
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
