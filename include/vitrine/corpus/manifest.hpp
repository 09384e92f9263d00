// What a part of a corpus is and how it was made: part-00007.json beside part-00007.csv. Two parts with the same
// difference() of "" are of one whole; a part whose damage() is "" is what its manifest says.
#pragma once
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>
#include <vitrine/core/simd.hpp>
#include <vitrine/corpus/shard.hpp>
#include <vitrine/io/atomic_file.hpp>
#include <vitrine/io/sha256.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::corpus {

/// The manifest of a part, format 1. Texts and lists are on the heap.
struct Manifest {
  // The work: equal in all parts of a whole.
  std::string program = {};
  std::string model_sha256 = {};
  nlohmann::json options = nlohmann::json::object();   // those that change what is written
  std::string input_sha256 = {}, targets_sha256 = {};  // of all lines; "": no targets
  Index input_lines = 0;
  std::string extension = {};  // of the parts, with its dot
  // The build: rows of builds with other vectors may differ in their last digits.
  std::string version = {};
  Index vector_bits = 0;
  bool fma = false;
  // Which part.
  Shard shard = {};
  LineRange range = {};
  // What was made.
  std::string range_sha256 = {};  // of the lines read
  Index unusable = 0;
  std::uint64_t header_bytes = 0, bytes = 0, bad_bytes = 0;
  std::string sha256 = {}, bad_sha256 = {};
  double seconds = 0;  // of computing, over all tries
};

/// This build's part of a manifest.
inline void describe_build(Manifest& manifest) {
  manifest.version = std::to_string(VITRINE_VERSION_MAJOR) + "." + std::to_string(VITRINE_VERSION_MINOR) + "." +
                     std::to_string(VITRINE_VERSION_PATCH);
  manifest.vector_bits = Index(simd<float>::lanes) * 32;
  manifest.fma = VITRINE_FMA != 0;
}

// The manifest as a JSON object.
nlohmann::json to_json(const Manifest& manifest);
/// A manifest from its file. Throws Error file_missing, config_not_json, config_bad_value.
Manifest read_manifest(const std::filesystem::path& path);
/// Writes to_json's object, with what was added to it; the file is whole or not there. Memory: its text, on the heap.
/// Throws Error file_not_created, write_failed.
void write_manifest(const std::filesystem::path& path, const nlohmann::json& json);

/// In which point `other` is not of the same whole as `one`, as the end of a sentence on the heap ("was made by
/// another model"); ""
/// if it is. With `mixed`, builds may differ. Never fails.
std::string difference(const Manifest& one, const Manifest& other, bool mixed);

/// "part-00007" in a folder; never fails.
inline std::filesystem::path part_path(const std::filesystem::path& folder, Index shard, const std::string& extension) {
  char name[32];
  std::snprintf(name, sizeof name, "part-%05td", static_cast<std::ptrdiff_t>(shard));
  return folder / (name + extension);
}

/// What is wrong with a part's files, as the end of a sentence on the heap; "" if they are as the manifest says. Reads
/// all of them; never throws for what they hold.
std::string damage(const std::filesystem::path& folder, const Manifest& manifest);

/// The SHA-256 of what decides a folder's results: names and hashes of its configuration, weights and tokenizer files.
/// Throws Error as MappedFile, config_missing for no such folder. 64 digits on the heap.
std::string model_hash(const std::filesystem::path& folder);

// ---- implementation

namespace detail {

/// Calls f(name, member) for every member that is a plain value.
template <class M, class F>
void for_each_member(M& m, F&& f) {
  f("program", m.program), f("model_sha256", m.model_sha256), f("options", m.options);
  f("input_sha256", m.input_sha256), f("targets_sha256", m.targets_sha256), f("input_lines", m.input_lines);
  f("extension", m.extension), f("version", m.version), f("vector_bits", m.vector_bits), f("fma", m.fma);
  f("shard", m.shard.index), f("shards", m.shard.count), f("first_line", m.range.first), f("end_line", m.range.end);
  f("range_sha256", m.range_sha256), f("unusable_lines", m.unusable), f("header_bytes", m.header_bytes);
  f("bytes", m.bytes), f("sha256", m.sha256), f("bad_bytes", m.bad_bytes), f("bad_sha256", m.bad_sha256);
  f("seconds", m.seconds);
}

}  // namespace detail

inline nlohmann::json to_json(const Manifest& manifest) {
  nlohmann::json json = {{"format", 1}};
  detail::for_each_member(manifest, [&](const char* name, const auto& value) { json[name] = value; });
  return json;
}

inline Manifest read_manifest(const std::filesystem::path& path) {
  const MappedFile bytes(path);
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  const auto json = nlohmann::json::parse(text, text + bytes.size(), nullptr, false);
  if (!json.is_object()) throw Error(LoadError::config_not_json, path.string(), "is not a JSON object");
  if (json.value("format", nlohmann::json()) != 1)
    throw Error(LoadError::config_bad_value, path.string(), "is no manifest of format 1");
  Manifest manifest;
  try {
    detail::for_each_member(manifest, [&](const char* name, auto& value) {
      if (!json.contains(name))
        throw Error(LoadError::config_bad_value, path.string(), "has no \"" + std::string(name) + "\"");
      json.at(name).get_to(value);
    });
  } catch (const nlohmann::json::exception& error) {
    throw Error(LoadError::config_bad_value, path.string(), error.what());
  }
  if (manifest.shard.count < 1 || manifest.shard.index < 0 || manifest.shard.index >= manifest.shard.count)
    throw Error(LoadError::config_bad_value, path.string(), "names a shard that there is not");
  if (manifest.unusable < 0 || manifest.unusable > manifest.range.count())
    throw Error(
        LoadError::config_bad_value, path.string(),
        "has " + std::to_string(manifest.unusable) + " unusable lines of " + std::to_string(manifest.range.count()));
  if (manifest.header_bytes > manifest.bytes)
    throw Error(LoadError::config_bad_value, path.string(), "has more header_bytes than bytes");
  return manifest;
}

inline void write_manifest(const std::filesystem::path& path, const nlohmann::json& json) {
  AtomicFile file(path);
  file.write(json.dump(2) + "\n");
  file.commit();
}

inline std::string difference(const Manifest& one, const Manifest& other, bool mixed) {
  const auto is = [](const auto& a, const auto& b) {
    return " (" + nlohmann::json(b).dump() + ", not " + nlohmann::json(a).dump() + ")";
  };
  const auto vectors = [](const Manifest& made) {
    return std::to_string(made.vector_bits) + (made.fma ? " bits with fma" : " bits without fma");
  };
  if (one.program != other.program) return "was made by another program" + is(one.program, other.program);
  if (one.model_sha256 != other.model_sha256)
    return "was made by another model" + is(one.model_sha256, other.model_sha256);
  if (one.options != other.options || one.extension != other.extension)
    return "was made with other options" + is(one.options, other.options);
  if (one.input_sha256 != other.input_sha256 || one.input_lines != other.input_lines)
    return "was made of another input" + is(one.input_sha256, other.input_sha256);
  if (one.targets_sha256 != other.targets_sha256)
    return "was made of other targets" + is(one.targets_sha256, other.targets_sha256);
  if (one.shard.count != other.shard.count) return "is a part of another cut" + is(one.shard.count, other.shard.count);
  if (mixed) return "";
  if (one.vector_bits != other.vector_bits || one.fma != other.fma)
    return "was made with other vectors" + is(vectors(one), vectors(other));
  return one.version == other.version ? "" : "was made by another version" + is(one.version, other.version);
}

inline std::string damage(const std::filesystem::path& folder, const Manifest& manifest) {
  const auto file = [&](const std::string& extension, std::uint64_t bytes, const std::string& sha256) {
    const auto path = part_path(folder, manifest.shard.index, extension);
    std::error_code failed;
    const bool exists = std::filesystem::exists(path, failed);
    if (bytes == 0 && !exists) return std::string();
    if (!exists) return path.filename().string() + " is missing";
    const auto found = std::filesystem::file_size(path, failed);
    if (failed || found != bytes)
      return path.filename().string() + " has " + std::to_string(found) + " bytes, its manifest says " +
             std::to_string(bytes);
    try {
      return sha256_of_file(path) == sha256
                 ? std::string()
                 : path.filename().string() + " was changed: its SHA-256 is not its manifest's";
    } catch (const Error& error) { return std::string(error.message()); }
  };
  const std::string rows = file(manifest.extension, manifest.bytes, manifest.sha256);
  return rows.empty() ? file(".bad", manifest.bad_bytes, manifest.bad_sha256) : rows;
}

inline std::string model_hash(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(folder, failed))
    for (const char* kind : {".json", ".safetensors", ".spm", ".model", ".txt", ".tsv"})
      if (entry.path().extension() == kind) files.push_back(entry.path());
  if (failed) throw Error(LoadError::config_missing, folder.string(), "is no folder that can be read");
  std::sort(files.begin(), files.end());
  Sha256 hash;
  for (const auto& file : files) hash.update(file.filename().string() + " " + sha256_of_file(file) + "\n");
  return hash.hex();
}

}  // namespace vitrine::inline VITRINE_ABI::corpus

#include <vitrine/core/macros_pop.hpp>
