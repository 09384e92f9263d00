// Reading safetensors: a file, a checkpoint folder (one file or shards with an index), or bytes in memory.
//   vt::SafeTensors file("model.safetensors");
//   std::vector<float> weight = file.at("encoder.layers.0.linear1.weight").to_vector<float>();
// Everything is checked when it is opened, nothing is copied until asked for. safetensors_writer.hpp writes. An I8
// tensor NAME beside a floating NAME_scale of (rows, 1, ...) or (1, columns) reads as code * scale.
#pragma once
#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/io/detail/names.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/io/mapped_file.hpp>
#include <vitrine/io/safetensors_header.hpp>
#include <vitrine/io/tensor_view.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// An open checkpoint; copies are cheap and share it, and it may be read by many threads at once.
class SafeTensors {
 public:
  // See SafeTensorsOptions.
  using Options = SafeTensorsOptions;

  /// Opens a .safetensors file, or a folder with model.safetensors or model.safetensors.index.json and all the shards
  /// that it names. Memory: maps the files; allocates for names and shapes. Throws Error: file_missing (for what may be
  /// a name on the Hugging Face hub, the message has the command that fetches it), file_unreadable, only_pickle (the
  /// message has the command that converts), what parse_safetensors throws, and for shards bad_index. A tensor that the
  /// index names and no shard holds is missing when it is asked for.
  explicit SafeTensors(const std::filesystem::path& path, Options options = {});

  /// Reads a container that is already in memory, which must outlive this object and its copies. `label` stands for the
  /// file in errors. Throws what parse_safetensors throws.
  explicit SafeTensors(std::span<const std::byte> bytes, std::string label = "(memory)", Options options = {});

  /// All tensors, sorted by name. Views live as long as this object or a copy of it.
  std::span<const TensorView> tensors() const& noexcept { return contents_->tensors; }
  std::span<const TensorView> tensors() const&& =
      delete;  // the views would outlive the file: give the SafeTensors a name first

  /// All names, sorted; new strings.
  std::vector<std::string> names() const;

  /// The tensor of that name, or nullptr.
  const TensorView* find(std::string_view name) const& noexcept;
  const TensorView* find(std::string_view name) const&& =
      delete;  // the view would outlive the file: give the SafeTensors a name first

  /// The tensor of that name; throws Error no_such_tensor, which lists the names nearest to it.
  const TensorView& at(std::string_view name) const&;
  const TensorView& at(std::string_view name) const&& =
      delete;  // the view would outlive the file: give the SafeTensors a name first

  // There is a tensor of that name.
  bool contains(std::string_view name) const noexcept { return find(name) != nullptr; }

  /// The `__metadata__` of the file; of shards, all of them, the first to name a key wins.
  const std::map<std::string, std::string>& metadata() const& noexcept { return contents_->metadata; }
  const std::map<std::string, std::string>& metadata() const&& =
      delete;  // would outlive the file: give the SafeTensors a name first

  /// The path or label that errors name.
  const std::string& file() const& noexcept { return contents_->label; }

  /// Gives back the mapped pages of a tensor that has been packed; they are read again if touched.
  void release_pages(const TensorView& view) const noexcept;

 private:
  struct Shard {
    std::string label;
    std::optional<MappedFile> file;  // empty: the caller's bytes
  };
  struct Contents {
    std::string label;
    std::list<Shard> shards;  // a list: views point to the labels
    std::vector<TensorView> tensors;
    std::map<std::string, std::string> metadata;
  };
  static SafeTensorsHeader add_shard(Contents& contents, const std::filesystem::path& path, Options options);
  static void open_shards(Contents& contents, const std::filesystem::path& index, Options options);
  static void find_scales(Contents& contents);

  std::shared_ptr<const Contents> contents_;
};

namespace detail {

/// Where the scales of a tensor in int8 stand.
inline std::string scale_name(std::string_view tensor) { return concat(tensor, "_scale"); }

/// The path as one word of a shell command.
inline std::string shell_word(const std::string& path) {
  if (path.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./+,:@%=") == path.npos)
    return path;
  std::string word = "'";
  for (const char c : path) word.append(c == '\'' ? "'\\''" : std::string(1, c));
  return word + "'";
}

inline bool is_pickle_name(const std::filesystem::path& path) {
  const std::filesystem::path extension = path.extension();
  return extension == ".bin" || extension == ".pt" || extension == ".pth" || extension == ".ckpt";
}

[[noreturn]] inline void refuse_pickle(const std::filesystem::path& path) {
  throw Error(LoadError::only_pickle, path.string(),
              concat("is a PyTorch pickle, which can run code when it is read; convert it first: python3 "
                     "examples/python/to_safetensors.py ",
                     shell_word(path.string())));
}

/// For a folder that holds neither model.safetensors nor its index.
[[noreturn]] inline void refuse_folder(const std::filesystem::path& folder) {
  std::error_code failed;
  std::string others;
  std::filesystem::path pickle;
  std::size_t pickles = 0;
  bool hugging_face = false;  // then the converter finds the files of a folder itself
  for (std::filesystem::directory_iterator entry(folder, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    if (is_pickle_name(entry->path())) {
      ++pickles;
      hugging_face = hugging_face || entry->path().filename().string().starts_with("pytorch_model");
      if (pickle.empty() || entry->path() < pickle) pickle = entry->path();
    }
    if (entry->path().extension() == ".safetensors" && others.size() < 200)
      others.append(" ").append(entry->path().filename().string());
  }
  if (pickles > 0) {
    const bool alone = hugging_face || pickles == 1;
    throw Error(LoadError::only_pickle, folder.string(),
                concat("holds PyTorch pickles (", pickle.filename().string(), alone ? "" : " and others",
                       ") but no model.safetensors; convert them first: python3 examples/python/to_safetensors.py ",
                       alone ? shell_word(folder.string())
                             : concat(shell_word(pickle.string()), " --output ",
                                      shell_word((folder / "model.safetensors").string()))));
  }
  throw Error(LoadError::file_missing, folder.string(),
              concat("holds neither model.safetensors nor model.safetensors.index.json",
                     others.empty() ? "" : "; name one of its files:", others));
}

/// The callbacks for model.safetensors.index.json: {"metadata": anything, "weight_map": {tensor name: file name}}. Of
/// what is there twice the last holds, as in Python's json.
class IndexSax : public StrictSax {
 public:
  std::map<std::string, std::string> weight_map;

  using StrictSax::StrictSax;
  bool null() { return ignored(); }
  bool boolean(bool) { return ignored(); }
  bool binary(Json::binary_t&) { return ignored(); }
  bool number_integer(Json::number_integer_t) { return ignored(); }
  bool number_unsigned(Json::number_unsigned_t) { return ignored(); }
  bool number_float(Json::number_float_t, const std::string&) { return ignored(); }
  bool string(std::string& value) {
    if (!in_map()) return ignored();
    // Below the index's folder: no way out of it, nor one that errors could not show.
    bool plain = !value.empty() && value.front() != '/' && value.back() != '/' &&
                 value.find_first_of(std::string_view("\\:\0", 3)) == value.npos;
    for (const std::filesystem::path& part : std::filesystem::path(value)) plain = plain && part != "..";
    for (std::size_t at = 0; plain && at < value.size();) plain = prints(next_code_point(value, at));  // errors show it
    if (!plain)
      fail(LoadError::bad_index,
           concat("names the shard ", in_quotes(value), ", which is not the name of a file in the folder"));
    weight_map[key_] = std::move(value);
    return true;
  }
  bool key(std::string& value) {
    if (depth_ == 1) top_key_ = value;
    key_ = std::move(value);
    return true;
  }
  bool start_object(std::size_t) {
    if (in_map()) return ignored();
    if (depth_ == 1 && top_key_ == "weight_map") weight_map.clear();
    ++depth_;
    return true;
  }
  bool end_object() {
    --depth_;
    return true;
  }
  bool start_array(std::size_t) {
    if (depth_ == 1) ignored();  // weight_map itself must be an object
    return start_object(0);
  }
  bool end_array() { return end_object(); }

 private:
  bool in_map() const { return depth_ == 2 && top_key_ == "weight_map"; }
  bool ignored() const {
    if (in_map() || (depth_ == 1 && top_key_ == "weight_map"))
      fail(LoadError::bad_index, "its weight_map must map tensor names to file names");
    return true;
  }

  int depth_ = 0;
  std::string top_key_, key_;
};

}  // namespace detail

inline SafeTensors::SafeTensors(std::span<const std::byte> bytes, std::string label, Options options) {
  auto contents = std::make_shared<Contents>();
  contents->label = label;
  contents->shards.push_back({std::move(label), std::nullopt});
  SafeTensorsHeader header = parse_safetensors(bytes, contents->shards.back().label, options);
  contents->tensors = std::move(header.tensors);
  contents->metadata = std::move(header.metadata);
  find_scales(*contents);
  contents_ = std::move(contents);
}

inline SafeTensors::SafeTensors(const std::filesystem::path& path, Options options) {
  auto contents = std::make_shared<Contents>();
  contents->label = path.string();
  std::error_code failed;
  std::filesystem::path file = path;
  if (std::filesystem::is_directory(path, failed)) {
    const std::filesystem::path index = path / "model.safetensors.index.json";
    file = path / "model.safetensors";
    if (!std::filesystem::exists(file, failed)) {
      if (!std::filesystem::exists(index, failed)) detail::refuse_folder(path);
      open_shards(*contents, index, options);
      contents_ = std::move(contents);
      return;
    }
  } else if (path.filename().string().ends_with(".safetensors.index.json")) {
    open_shards(*contents, path, options);
    contents_ = std::move(contents);
    return;
  } else if (detail::is_pickle_name(path) && std::filesystem::exists(path, failed)) {
    detail::refuse_pickle(path);
  } else if (path.extension() != ".safetensors" && detail::is_hub_name(path.string()) &&
             !std::filesystem::exists(path, failed)) {
    throw Error(LoadError::file_missing, path.string(), detail::no_folder(path));
  }
  SafeTensorsHeader header = add_shard(*contents, file, options);
  contents->tensors = std::move(header.tensors);
  contents->metadata = std::move(header.metadata);
  find_scales(*contents);
  contents_ = std::move(contents);
}

inline SafeTensorsHeader SafeTensors::add_shard(Contents& contents, const std::filesystem::path& path,
                                                Options options) {
  contents.shards.push_back({path.string(), MappedFile(path)});
  return parse_safetensors(contents.shards.back().file->bytes(), contents.shards.back().label, options);
}

inline void SafeTensors::open_shards(Contents& contents, const std::filesystem::path& index, Options options) {
  const std::string label = index.string();
  const MappedFile file(index);
  if (file.size() > max_safetensors_header)
    throw Error(LoadError::header_too_large, label, detail::concat("has ", file.size(), " bytes"));
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  detail::check_json_text(text, 16, label);
  detail::IndexSax sax(label);
  nlohmann::json::sax_parse(text.begin(), text.end(), &sax);
  if (sax.weight_map.empty()) throw Error(LoadError::bad_index, label, "has no weight_map that names tensors");

  // As Transformers reads them: the index says which shards there are, the shards which tensors; of a tensor in several
  // the last holds.
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : sax.weight_map) shards.insert(std::filesystem::path(shard).lexically_normal());
  std::map<std::string, TensorView> tensors;
  for (const std::string& shard : shards) {
    SafeTensorsHeader header = add_shard(contents, index.parent_path() / shard, options);
    contents.metadata.merge(header.metadata);
    for (TensorView& view : header.tensors) tensors.insert_or_assign(view.name, view);
  }
  for (auto& [name, view] : tensors) contents.tensors.push_back(std::move(view));
  find_scales(contents);
}

inline void SafeTensors::find_scales(Contents& contents) {
  for (TensorView& view : contents.tensors) {
    if (view.dtype != DType::I8 || view.shape.size() < 2) continue;
    std::vector<Index> by_row(view.shape.size(), 1);
    const std::vector<Index> by_column{1, view.shape[1]};
    by_row[0] = view.shape[0];
    const TensorView* const scale = detail::find_by_name(contents.tensors, detail::scale_name(view.name));
    if (scale != nullptr && scale->dtype <= DType::BF16 &&
        (scale->shape == by_row || (view.shape.size() == 2 && scale->shape == by_column)))
      view.scale = scale;
  }
}

inline std::vector<std::string> SafeTensors::names() const { return detail::names_of(contents_->tensors); }

inline const TensorView* SafeTensors::find(std::string_view name) const& noexcept {
  return detail::find_by_name(contents_->tensors, name);
}

inline const TensorView& SafeTensors::at(std::string_view name) const& {
  return detail::view_of(contents_->tensors, name, file());
}

inline void SafeTensors::release_pages(const TensorView& view) const noexcept {
  for (const Shard& shard : contents_->shards) {
    if (!shard.file) continue;
    const auto begin = reinterpret_cast<std::uintptr_t>(shard.file->data()),
               data = reinterpret_cast<std::uintptr_t>(view.data);
    if (data >= begin && data - begin < shard.file->size()) shard.file->release_pages(data - begin, view.nbytes);
  }
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
