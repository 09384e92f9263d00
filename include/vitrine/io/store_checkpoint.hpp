// A checkpoint folder again, its weights in another storage: half or a quarter of the bytes on disk and to load.
//
//   vt::store_checkpoint("opus-mt-en-de", "opus-mt-en-de-int8", vt::Storage::int8);
//   auto model = vt::load_model<vt::Marian<float>>("opus-mt-en-de-int8", {.weights = vt::Storage::int8});
//
// The model is the one that load_model of the first folder gives with that storage, bit for bit.
#pragma once
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>
#include <vitrine/io/checkpoint.hpp>
#include <vitrine/io/weights_writer.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// Writes `to`/model.safetensors, the weights of products in that storage and all else as it was, and copies what else
/// `from` holds but weights (config.json, the tokenizer, ...), folders in it too. Copies of a weight to which the
/// configuration ties it are left out. f32 widens. Memory: the model in float, and the new file. Throws Error:
/// bad_usage for the same folder twice and weights that the storage cannot hold; what find_model, load_model and
/// save_safetensors throw; file_not_created when a file cannot be copied.
inline void store_checkpoint(const std::filesystem::path& from, const std::filesystem::path& to, Storage weights,
                             const Remark& remark = remark_on_stderr);

namespace detail {

/// Of each tensor that is a weight of products: is it stored (columns, rows)?
using ProductTensors = std::map<std::string, bool>;

/// By loading the model once. `used` gets the names of all of the model's tensors.
inline ProductTensors product_tensors(const std::filesystem::path& folder, std::set<std::string>& used,
                                      const Remark& remark) {
  ProductTensors products;
  LoadOptions options{.remark = remark};
  options.used = [&](const std::string& tensor, bool of_products, bool transposed) {
    used.insert(tensor);
    if (of_products) products[tensor] = transposed;
  };
  find_model<float>(folder, [&]<class M>(std::type_identity<M>) { load_float_model<M>(folder, options); });
  return products;
}

inline bool holds_weights(const std::filesystem::path& file) {
  const std::string name = file.filename().string();
  for (const char* end :
       {".safetensors", ".index.json", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".gguf", ".ot"})
    if (name.ends_with(end)) return true;
  return false;
}

inline void copy_all_but_weights(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code failed;
  std::filesystem::create_directories(to, failed);
  for (std::filesystem::directory_iterator entry(from, failed), end; !failed && entry != end; entry.increment(failed)) {
    const std::filesystem::path target = to / entry->path().filename();
    if (entry->path().filename().string().starts_with(".") || std::filesystem::equivalent(entry->path(), to, failed))
      continue;
    if (entry->is_directory())
      copy_all_but_weights(entry->path(), target);
    else if (!holds_weights(entry->path()))
      std::filesystem::copy_file(entry->path(), target, std::filesystem::copy_options::overwrite_existing, failed);
    if (failed) break;
  }
  if (failed)
    throw Error(LoadError::file_not_created, to.string(),
                concat("cannot hold a copy of what ", from.string(), " holds: ", failed.message()));
}

/// A tensor that the model does not ask for, but a copy of one of products: what ties do, and would then differ.
inline bool is_copy(const TensorView& tensor, const SafeTensors& file, const ProductTensors& products) {
  for (const auto& [name, transposed] : products)
    if (const TensorView* const one = file.find(name); one != nullptr && equal_values(tensor, *one)) return true;
  return false;
}

}  // namespace detail

inline void store_checkpoint(const std::filesystem::path& from, const std::filesystem::path& to, Storage weights,
                             const Remark& remark) {
  if (std::error_code failed; std::filesystem::equivalent(from, to, failed))
    throw Error(LoadError::bad_usage, to.string(), "is the folder that is read: name another one");
  std::set<std::string> used;
  const detail::ProductTensors products = detail::product_tensors(from, used, remark);
  const SafeTensors file(from);
  WeightsWriter writer(to / "model.safetensors");
  writer.metadata() = file.metadata();
  std::set<const TensorView*> scales;
  for (const TensorView& tensor : file.tensors())
    if (products.contains(tensor.name)) scales.insert(tensor.scale);
  for (const TensorView& tensor : file.tensors()) {
    if (scales.contains(&tensor) || (!used.contains(tensor.name) && detail::is_copy(tensor, file, products))) continue;
    if (const auto product = products.find(tensor.name); product != products.end())
      writer.add(tensor.name, tensor.shape, tensor.to_vector<float>(), weights, product->second);
    else
      writer.add(tensor.name, tensor.dtype, tensor.shape, {tensor.data, tensor.nbytes});
    file.release_pages(tensor);
  }
  detail::copy_all_but_weights(from, to);
  writer.finish();
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
