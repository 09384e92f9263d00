// The lines of a vocabulary in a file: vocab.txt, merges.txt. Internal.
#pragma once
#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string_view>
#include <vitrine/io/detail/utf8.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/io/mapped_file.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// f(line) for each line of the file, without its line feed. Error io and bad_vocabulary.
template <class F>
void each_vocabulary_line(const std::filesystem::path& path, F&& f) {
  const MappedFile file(path);
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (text.size() > (std::size_t{64} << 20))
    throw Error(LoadError::bad_vocabulary, path.string(), "has more than 64 MB");
  if (!is_utf8(text)) throw Error(LoadError::bad_vocabulary, path.string(), "is not UTF-8");
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    f(text.substr(at, end - at));
    at = end + 1;
  }
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
