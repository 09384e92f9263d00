// Where the lines of a file begin, so that a shard reads nothing but its own: built once in one pass, kept beside the
// file as FILE.vitrine-index, and built again when size or time of the file say that it has changed.
//   const auto index = vt::corpus::line_index("pool.txt");       index.lines, index.sha256
//   index.seek(stream, 20000000);                                the stream goes on with that line
#pragma once
#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>
#include <vitrine/corpus/line.hpp>
#include <vitrine/io/atomic_file.hpp>
#include <vitrine/io/config.hpp>
#include <vitrine/io/sha256.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::corpus {

/// The index of one file, on the heap: 8 bytes for every 1,024 lines.
struct LineIndex {
  static constexpr Index step = 1024;

  Index lines = 0;
  std::string sha256 = {};                  // of the lines without their ends, a \n behind each
  std::vector<std::uint64_t> offsets = {};  // of line 0, step, 2 step, ...; empty for a compressed file
  std::uint64_t bytes = 0, modified_ns = 0, changed_ns = 0;  // of the file on the disk; changed: also by who sets times
  bool kept = false;                                         // does it lie beside the file?

  /// Goes to a line: at most 1,023 lines are read and dropped; of a compressed file all before it. Throws Error as
  /// LineStream.
  void seek(LineStream& stream, Index line) const;
};

/// Where the index of a file is kept; never fails.
inline std::filesystem::path index_path(const std::filesystem::path& file) {
  return std::filesystem::path(file).concat(".vitrine-index");
}

/// The index that is kept beside the file if it is still right, else a new one, which is kept where the folder allows
/// it. Throws Error as InputFile, and file_unreadable when Stop was asked.
LineIndex line_index(const std::filesystem::path& path);

// ---- implementation

namespace detail {

inline bool stat_file(const std::filesystem::path& path, LineIndex& index) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  index.bytes = static_cast<std::uint64_t>(status.st_size);
  const auto nanoseconds = [](const timespec& time) {
    return static_cast<std::uint64_t>(time.tv_sec) * 1000000000u + static_cast<std::uint64_t>(time.tv_nsec);
  };
  index.modified_ns = nanoseconds(status.st_mtim), index.changed_ns = nanoseconds(status.st_ctim);
  return true;
}

/// The kept index, if it is one of this very file.
inline bool read_index(const std::filesystem::path& path, LineIndex& index) try {
  std::error_code failed;
  if (!std::filesystem::exists(index_path(path), failed)) return false;
  const MappedFile bytes(index_path(path));
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  const auto json = nlohmann::json::parse(text, text + bytes.size(), nullptr, false);
  if (!json.is_object() || json.value("format", nlohmann::json()) != 1 ||
      json.value("bytes", nlohmann::json()) != index.bytes ||
      json.value("modified_ns", nlohmann::json()) != index.modified_ns ||
      json.value("changed_ns", nlohmann::json()) != index.changed_ns)
    return false;
  LineIndex kept = index;
  kept.lines = json.at("lines").get<Index>();
  kept.sha256 = json.at("sha256").get<std::string>();
  kept.offsets = json.at("offsets").get<std::vector<std::uint64_t>>();
  if (!kept.offsets.empty() && Index(kept.offsets.size()) != (kept.lines + LineIndex::step - 1) / LineIndex::step)
    return false;
  index = std::move(kept);
  return true;
} catch (const nlohmann::json::exception&) { return false; } catch (const Error&) {
  return false;
}  // unreadable: as if it were not there

/// False where the folder takes no file: then every task makes its own.
inline bool write_index(const std::filesystem::path& path, const LineIndex& index) try {
  const nlohmann::json json = {{"format", 1},
                               {"bytes", index.bytes},
                               {"modified_ns", index.modified_ns},
                               {"changed_ns", index.changed_ns},
                               {"lines", index.lines},
                               {"sha256", index.sha256},
                               {"offsets", index.offsets}};
  AtomicFile file(index_path(path));
  file.write(json.dump() + "\n");
  file.commit();
  return true;
} catch (const Error&) { return false; }

}  // namespace detail

inline LineIndex line_index(const std::filesystem::path& path) {
  LineIndex index;
  if (!detail::stat_file(path, index))
    throw Error(LoadError::file_missing, path.string(), "is no file that can be indexed");
  if ((index.kept = detail::read_index(path, index))) return index;
  LineStream stream(path.string());
  std::vector<std::uint64_t> offsets;
  Sha256 hash;
  for (Text text;; ++index.lines) {
    const std::uint64_t offset = stream.file().position();
    if (!stream.next(text)) break;
    hash.update(text.text), hash.update("\n");
    if (index.lines % LineIndex::step == 0) offsets.push_back(offset);
    if (Stop::asked()) throw TryAgain(path.string() + ": stopped before all its lines were found");
  }
  if (!stream.file().compressed()) index.offsets = std::move(offsets);
  index.sha256 = hash.hex();
  LineIndex after;
  if (!detail::stat_file(path, after) || after.bytes != index.bytes || after.modified_ns != index.modified_ns ||
      after.changed_ns != index.changed_ns)
    throw Error(LoadError::file_unreadable, path.string(), "changes while it is read");
  index.kept = detail::write_index(path, index);
  return index;
}

inline void LineIndex::seek(LineStream& stream, Index line) const {
  Text dropped;
  if (!offsets.empty() && line < lines) {
    const Index first = line / step;
    stream.seek(first * step, offsets[static_cast<std::size_t>(first)]);
  }
  while (stream.number() < line && stream.next(dropped)) {}
}

}  // namespace vitrine::inline VITRINE_ABI::corpus

#include <vitrine/core/macros_pop.hpp>
