// All parts of a folder as one whole, in order: what one uninterrupted run would have written, or a sentence about what
// is missing, doubled, damaged or of other work.
//   const auto whole = vt::corpus::check_parts("out", false);
//   vt::corpus::merge("out", whole, [](std::string_view text) { ... });
#pragma once
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <vector>
#include <vitrine/corpus/manifest.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::corpus {

/// The manifests of a folder, all of one whole and without a gap; on the heap. With `mixed`, vectors and versions may
/// differ between parts, whose rows then may differ in their last digits from those of one run. Reads every byte of the
/// parts once. Throws Error bad_usage with all that is wrong (ten faults at most), file_unreadable.
std::vector<Manifest> check_parts(const std::filesystem::path& folder, bool mixed);

/// Calls write(text) with the whole, piece by piece of 64 KiB: one header, then all rows. Throws Error file_unreadable,
/// and what write throws.
template <class F>
void merge(const std::filesystem::path& folder, const std::vector<Manifest>& parts, F&& write);

// ---- implementation

namespace detail {

/// Sentences about faults, some of them.
class Faults {
 public:
  void add(const std::string& fault) {
    if (++count_ <= 10) text_ += (text_.empty() ? "" : "; ") + fault;
  }
  bool any() const { return count_ > 0; }
  std::string text() const { return count_ > 10 ? text_ + "; and " + std::to_string(count_ - 10) + " more" : text_; }

 private:
  std::string text_;
  int count_ = 0;
};

inline std::vector<Manifest> read_manifests(const std::filesystem::path& folder, Faults& faults) {
  std::vector<std::filesystem::path> files;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(folder, failed)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("part-") && entry.path().extension() == ".json") files.push_back(entry.path());
  }
  if (failed) throw Error(LoadError::file_unreadable, folder.string(), "cannot be read: " + failed.message());
  std::sort(files.begin(), files.end());
  std::vector<Manifest> parts;
  for (const auto& file : files) try {
      parts.push_back(read_manifest(file));
      if (file != part_path(folder, parts.back().shard.index, ".json"))
        faults.add(file.filename().string() + " is the manifest of part " + std::to_string(parts.back().shard.index));
    } catch (const Error& error) { faults.add(error.message()); }
  return parts;
}

inline void add_missing(Faults& faults, const std::filesystem::path& folder, const Manifest& one, Index shard) {
  std::error_code failed;
  if (std::filesystem::exists(part_path(folder, shard, ".json"), failed)) return;  // what is wrong with it was said
  const bool begun = std::filesystem::exists(part_path(folder, shard, one.extension + ".tmp"), failed);
  faults.add("part " + std::to_string(shard) + " of " + std::to_string(one.shard.count) +
             (begun ? " is not finished" : " is missing"));
}

}  // namespace detail

inline std::vector<Manifest> check_parts(const std::filesystem::path& folder, bool mixed) {
  detail::Faults faults;
  std::vector<Manifest> parts = detail::read_manifests(folder, faults);
  if (parts.empty()) faults.add("holds no part-*.json");
  Index next = 0;
  for (const Manifest& part : parts) {
    const std::string name = part_path(folder, part.shard.index, "").filename().string();
    if (const std::string other = difference(parts[0], part, mixed); !other.empty()) {
      faults.add(name + " " + other);
      continue;
    }
    for (; next < part.shard.index; ++next) detail::add_missing(faults, folder, part, next);
    const LineRange range = part.shard.range(part.input_lines);
    if (part.shard.index < next)
      faults.add(name + " is there twice");
    else if (part.range.first != range.first || part.range.end != range.end)
      faults.add(name + " has lines " + std::to_string(part.range.first) + " to " + std::to_string(part.range.end) +
                 ", which overlap others' or leave a gap");
    next = part.shard.index + 1;
    if (part.header_bytes != parts[0].header_bytes)
      faults.add(name + " has a header of " + std::to_string(part.header_bytes) + " bytes, the first part one of " +
                 std::to_string(parts[0].header_bytes));
    if (const std::string wrong = damage(folder, part); !wrong.empty()) faults.add(wrong);
  }
  if (!parts.empty())
    for (; next < parts[0].shard.count; ++next) detail::add_missing(faults, folder, parts[0], next);
  if (faults.any()) throw Error(LoadError::bad_usage, folder.string(), faults.text());
  return parts;
}

template <class F>
void merge(const std::filesystem::path& folder, const std::vector<Manifest>& parts, F&& write) {
  std::vector<char> piece(1 << 16);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto path = part_path(folder, parts[i].shard.index, parts[i].extension);
    const std::uint64_t header = i > 0 ? parts[i].header_bytes : 0;
    if (parts[i].bytes == 0) continue;
    std::ifstream file(path, std::ios::binary);
    file.seekg(static_cast<std::streamoff>(header));
    std::uint64_t left = parts[i].bytes - header;
    while (left > 0 && file) {
      file.read(piece.data(), static_cast<std::streamsize>(std::min<std::uint64_t>(left, piece.size())));
      if (file.gcount() <= 0) break;
      write(std::string_view(piece.data(), static_cast<std::size_t>(file.gcount())));
      left -= static_cast<std::uint64_t>(file.gcount());
    }
    if (left > 0) throw Error(LoadError::file_unreadable, path.string(), "changed while it was merged");
  }
}

}  // namespace vitrine::inline VITRINE_ABI::corpus

#include <vitrine/core/macros_pop.hpp>
