// Lines of a pool: as text from an input, and as the ids that a model reads.
//   vt::corpus::LineStream stream("pool.txt");
//   for (vt::corpus::Text text; stream.next(text);) ...
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/corpus/input_file.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::corpus {

/// Bytes of a line that are read; what is beyond is thrown away, and the line cannot be used.
inline constexpr std::size_t longest_line = std::size_t{1} << 20;

/// A line as it was read, without its end.
struct Text {
  std::string text = {};
  bool too_long = false;  // longer than longest_line
};

/// A line as a model reads it. `error` says why it has no ids; a blank line has neither.
struct Line {
  Index number = 0;  // in the whole input, from 0
  std::vector<Index> ids = {};
  std::vector<std::string> tokens = {};  // one for each id
  std::string error = {};
  std::string text = {};  // as it was read
  // Has it ids?
  bool usable() const { return !ids.empty(); }
};

/// Nothing but blanks and tabulators? Never fails.
inline bool blank(const std::string& text) { return text.find_first_not_of(" \t") == text.npos; }

/// The lines of an input in order: \n or \r\n ends one, the last may have no end, and a byte order mark before the
/// first is no part of it. Lines are on the heap, in the caller's Text.
class LineStream {
 public:
  /// A file, or standard input for "-". Throws Error as InputFile.
  explicit LineStream(const std::string& path) : file_(std::make_unique<InputFile>(path)) {}
  // Words, a line each; never fails.
  explicit LineStream(const std::vector<std::string>& words) : file_(std::make_unique<InputFile>(words)) {}

  /// The next line. False at the end, or where Stop came before the line's end. Throws Error as InputFile.
  bool next(Text& line);
  // The number of the line that comes next, from 0.
  Index number() const noexcept { return number_; }
  /// Goes to the line of this number, which starts at `offset` of a plain file. Throws Error as InputFile::seek.
  void seek(Index number, std::uint64_t offset) { file_->seek(offset), number_ = number; }
  // What it reads.
  const InputFile& file() const noexcept { return *file_; }
  InputFile& file() noexcept { return *file_; }

 private:
  std::unique_ptr<InputFile> file_;
  Index number_ = 0;
};

// ---- implementation

inline bool LineStream::next(Text& line) {
  line.text.clear(), line.too_long = false;
  constexpr int end = std::char_traits<char>::eof();
  const bool first = number_ == 0 && file_->position() == 0;
  int c = file_->sbumpc();
  if (c == end) return false;
  for (; c != end && c != '\n'; c = file_->sbumpc()) {
    if (line.text.size() < longest_line)
      line.text.push_back(static_cast<char>(c));
    else
      line.too_long = true;
  }
  if (file_->interrupted()) return false;
  if (first && line.text.starts_with("\xef\xbb\xbf")) line.text.erase(0, 3);
  if (!line.text.empty() && line.text.back() == '\r') line.text.pop_back();
  ++number_;
  return true;
}

}  // namespace vitrine::inline VITRINE_ABI::corpus

#include <vitrine/core/macros_pop.hpp>
