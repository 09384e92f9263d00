// What people give instead of the file that is wanted: found by its first bytes, and said in words that help.
#pragma once
#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vitrine/io/error.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// What begins with these bytes, "is a ..."; empty for a file of no kind that is known here. Never throws.
inline std::string_view other_kind(std::string_view bytes) noexcept {
  using namespace std::string_view_literals;
  constexpr std::pair<std::string_view, std::string_view> kinds[] = {
      {"version https://git-lfs.github.com/"sv,
       "is a Git LFS pointer, not the file that it stands for: run git lfs pull in its folder"sv},
      {"\x93NUMPY"sv, "is a NumPy array (.npy), which vt::Npy reads"sv},
      {"\x89HDF\r\n"sv, "is an HDF5 file, as TensorFlow's .h5 are"sv},
      {"GGUF"sv, "is a GGUF file of llama.cpp"sv},
      {"\x1f\x8b"sv, "is compressed by gzip"sv},
      {"\x28\xb5\x2f\xfd"sv, "is compressed by zstd"sv},
      {"<!DOCTYPE"sv, "is a web page: the download went wrong"sv},
      {"<!doctype"sv, "is a web page: the download went wrong"sv},
      {"<html"sv, "is a web page: the download went wrong"sv},
      {"\x80\x02"sv, "is a Python pickle"sv},
      {"\x80\x04"sv, "is a Python pickle"sv}};
  for (const auto& [magic, kind] : kinds)
    if (bytes.starts_with(magic)) return kind;
  if (!bytes.starts_with("PK\3\4"sv)) return {};
  const std::string_view first_member = bytes.substr(std::min<std::size_t>(30, bytes.size()), 200);
  return first_member.find(".npy"sv) != first_member.npos
             ? "is an archive of NumPy arrays (.npz), which vt::Npz reads"sv
             : "is a zip archive, as PyTorch's pickles are: examples/python/to_safetensors.py converts those"sv;
}

/// Could this be a model's name on the Hugging Face hub, "gpt2" or "owner/name"? A file's is not. Never throws.
inline bool is_hub_name(std::string_view path) noexcept {
  for (const std::string_view suffix : {".safetensors", ".bin", ".json", ".npz", ".npy", ".pt", ".ckpt"})
    if (path.ends_with(suffix)) return false;
  const auto word = [](std::string_view part) {
    constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    return !part.empty() && part.size() <= 96 && part.front() != '.' && part.find_first_not_of(allowed) == part.npos;
  };
  const std::size_t slash = path.find('/');
  return slash == path.npos ? word(path) : word(path.substr(0, slash)) && word(path.substr(slash + 1));
}

/// Why `folder` cannot be a checkpoint's folder, with what to do about it; empty for one that is there and may be one.
inline std::string no_folder(const std::filesystem::path& folder) {
  std::error_code failed;
  const std::string name = folder.string();
  if (std::filesystem::is_directory(folder / "snapshots", failed))
    return concat("is the hub's cache of a model: name one of the folders in ",
                  in_quotes((folder / "snapshots").string()));
  if (std::filesystem::is_directory(folder, failed)) return {};
  if (std::filesystem::exists(folder, failed)) return "is a file where the folder of a checkpoint is wanted";
  std::string sentence = "is no folder that exists";
  if (is_hub_name(name))
    sentence += concat("; if it is a model's name on the Hugging Face hub, fetch it first: hf download ", name,
                       " --local-dir ", name.substr(name.find('/') + 1));
  return sentence;
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
