// What programs that read a pool of sentences share: lines from a stream, safely, and lines to ids and back.
#pragma once
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <istream>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>
#include <vitrine/generate/generate.hpp>
#include <vitrine/inspect/text.hpp>
#include <vitrine/text/vocabulary.hpp>
#if VITRINE_SENTENCEPIECE
#include <vitrine/text/marian_tokenizer.hpp>
#endif

namespace lines {

namespace vt = vitrine;
using vt::Index;

// One line of input. `error` says why it has no ids; a blank line has neither.
struct Line {
  Index number = 0;  // from 0
  std::vector<Index> ids = {};
  std::vector<std::string> tokens = {};  // one for each id
  std::string error = {};
  bool usable() const { return !ids.empty(); }
};

inline constexpr std::size_t longest_line = 1 << 20;  // bytes

// The next line without its end (\n or \r\n); the last may have none. What is beyond longest_line is thrown away, and
// `too_long` set. False at the end of the input; an input that cannot be read is a std::runtime_error.
inline bool read_line(std::istream& in, std::string& line, bool& too_long) try {
  line.clear(), too_long = false;
  std::streambuf& buffer = *in.rdbuf();
  constexpr int end = std::char_traits<char>::eof();
  int c = buffer.sbumpc();
  if (c == end) return false;
  for (; c != end && c != '\n'; c = buffer.sbumpc()) {
    if (line.size() < longest_line)
      line.push_back(static_cast<char>(c));
    else
      too_long = true;
  }
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return true;
} catch (const std::ios_base::failure& error) {
  throw std::runtime_error("the input cannot be read: " + error.code().message());
}

// The lines of a stream and, from a file, a target for each.
class Input {
 public:
  struct Text {
    std::string text = {};
    bool too_long = false;
  };
  // No targets with an empty name of their file. Throws Error.
  explicit Input(std::istream& stream, const std::string& targets = {}) : stream_(stream), file_(targets) {
    if (targets.empty()) return;
    targets_.open(targets, std::ios::binary);
    if (!targets_) throw vt::Error(vt::LoadError::file_unreadable, targets, "cannot be opened");
  }
  bool has_targets() const { return targets_.is_open(); }
  // The next line, and its target if there are any. False at the end of either.
  bool next() {
    if (ended_) return false;
    const bool some = read_line(stream_, source.text, source.too_long);
    const bool paired = has_targets() ? read_line(targets_, target.text, target.too_long) : some;
    ended_ = !some || !paired;
    if (!ended_) ++count_;
    if (some != paired)
      mismatch_ = some ? "has fewer lines than the input: line " + std::to_string(count_ + 1) + " is missing"
                       : "has more lines than the input, which has " + std::to_string(count_);
    return !ended_;
  }
  Text source = {}, target = {};
  // Of the line that next() has found last, from 0.
  Index number() const { return count_ - 1; }
  // Throws Error if one ended before the other; to be called when all that was read has been dealt with.
  void check_end() const {
    if (!mismatch_.empty()) throw vt::Error(vt::LoadError::bad_usage, file_, mismatch_);
  }

 private:
  std::istream& stream_;
  std::string file_, mismatch_;
  std::ifstream targets_;
  bool ended_ = false;
  Index count_ = 0;
};

// A text that programs of lines can read as one: line breaks are shown as inspect::visible shows them.
inline std::string on_one_line(const std::string& text) {
  std::string out;
  for (const char& c : text) out += c == '\n' || c == '\r' ? vt::inspect::visible({&c, 1}) : std::string(1, c);
  return out;
}

inline bool blank(const std::string& line) { return line.find_first_not_of(" \t") == line.npos; }

// Lines to ids and ids to text: MarianMT's SentencePiece (a folder with source.spm), else one token a character (a
// folder with vocab.json); or JSON lines with the ids of any tokenizer, {"ids": [...], "tokens": [...]} (tokens are
// optional labels).
class Reader {
 public:
  Reader(const std::filesystem::path& folder, bool json, Index end, Index longest, Index source_vocab_size,
         Index target_vocab_size)
      : json_(json), end_(end), longest_(longest), source_{source_vocab_size}, target_{target_vocab_size} {
    std::error_code failed;
    if (std::filesystem::exists(folder / "source.spm", failed)) {
#if VITRINE_SENTENCEPIECE
      pieces_.emplace(folder);
      source_.names = pieces_->source_ids(), target_.names = pieces_->target_ids();
      return;
#else
      if (!json)
        throw vt::Error(vt::LoadError::config_unsupported, folder.string(),
                        "has a SentencePiece tokenizer (source.spm), and this build was made without SentencePiece "
                        "(Debian, Ubuntu: package libsentencepiece-dev); or tokenize outside and use --input-format "
                        "jsonl");
#endif
    }
    if (!json && std::filesystem::exists(folder / "merges.txt", failed))
      throw vt::Error(vt::LoadError::config_unsupported, folder.string(),
                      "has a byte-pair tokenizer (merges.txt), which is not read here; tokenize outside and use "
                      "--input-format jsonl");
    if (!json || std::filesystem::exists(folder / "vocab.json", failed)) target_.names.emplace(folder / "vocab.json");
    source_.names = target_.names;
  }

  // Never throws for what a line holds.
  Line read(const std::string& text, bool too_long, Index number) const {
    return read(text, too_long, number, source_);
  }
  // A given target: token texts between blanks (or the line's ids, for JSON), and the end mark.
  Line read_target(const std::string& text, bool too_long, Index number) const {
    if (json_) return read(text, too_long, number, target_);
    Line line{number};
    if (too_long) line.error = "is longer than " + std::to_string(longest_line) + " bytes";
#if VITRINE_SENTENCEPIECE
    if (pieces_ && line.error.empty() && !vt::detail::is_utf8(text)) line.error = "is not UTF-8";
    if (pieces_ && line.error.empty() && !blank(text)) take(pieces_->encode_target(text), line);
    if (pieces_) return checked(std::move(line));
#endif
    for (std::size_t at = 0; line.error.empty() && (at = text.find_first_not_of(" \t", at)) != text.npos;) {
      const std::size_t stop = std::min(text.find_first_of(" \t", at), text.size());
      line.tokens.push_back(text.substr(at, stop - at));
      line.ids.push_back(target_.names->find(line.tokens.back()));
      if (line.ids.back() < 0)
        line.error = vt::detail::concat("has no token ", vt::detail::in_quotes(line.tokens.back()));
      at = stop;
    }
    if (line.usable()) line.ids.push_back(end_), line.tokens.push_back(token(end_));
    return checked(std::move(line));
  }

  // Of the target's ids; a number where nothing names one.
  std::string token(Index id) const { return token(id, target_); }
  std::vector<std::string> tokens(const std::vector<Index>& ids) const { return tokens(ids, target_); }
  // The text that SentencePiece makes of ids; else tokens without the end mark, with blanks between. One line.
  std::string text(const std::vector<Index>& ids) const {
#if VITRINE_SENTENCEPIECE
    if (pieces_) return on_one_line(pieces_->decode(ids));
#endif
    std::string out;
    for (Index id : ids) {
      if (id == end_) continue;
      if (!out.empty()) out += ' ';
      out += token(id);
    }
    return on_one_line(out);
  }
  Index end() const { return end_; }
  bool json() const { return json_; }
  const std::optional<vt::Vocabulary>& vocabulary() const { return target_.names; }

 private:
  // The ids of one side of the model, and where the folder has them their names.
  struct Ids {
    Index count;
    std::optional<vt::Vocabulary> names = {};
  };

  static std::string token(Index id, const Ids& known) {
    const std::string text = known.names ? known.names->token(id) : std::string();
    return text.empty() ? std::to_string(id) : text;
  }
  static std::vector<std::string> tokens(const std::vector<Index>& ids, const Ids& known) {
    std::vector<std::string> texts;
    for (Index id : ids) texts.push_back(token(id, known));
    return texts;
  }
  Line read(const std::string& text, bool too_long, Index number, const Ids& known) const {
    Line line{number};
    try {
      if (too_long)
        line.error = "is longer than " + std::to_string(longest_line) + " bytes";
      else if (!vt::detail::is_utf8(text))
        line.error = "is not UTF-8";
      else if (!blank(text))
        json_ ? read_json(text, known, line) : spell(text, line);
    } catch (const vt::Error& error) { line.error = error.message(); }
    return checked(std::move(line));
  }
  Line checked(Line line) const {
    if (line.error.empty() && Index(line.ids.size()) > longest_)
      line.error =
          "has " + std::to_string(line.ids.size()) + " tokens; the model has room for " + std::to_string(longest_);
    if (!line.error.empty()) line.ids.clear(), line.tokens.clear();
    return line;
  }
#if VITRINE_SENTENCEPIECE
  static void take(vt::MarianTokenizer::Encoding encoding, Line& line) {
    line.ids = std::move(encoding.ids), line.tokens = std::move(encoding.pieces);
  }
#endif
  void spell(std::string text, Line& line) const {
#if VITRINE_SENTENCEPIECE
    if (pieces_) return take(pieces_->encode(text), line);
#endif
    for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    line.ids = target_.names->spell(text);
    line.tokens = vt::Vocabulary::characters(text);
    line.ids.push_back(end_);
    line.tokens.push_back(token(end_));
  }
  static void read_json(const std::string& text, const Ids& known, Line& line) {
    const vt::ConfigFile object(text, "JSON");
    line.ids = object.ids("ids");
    for (Index id : line.ids)
      if (id >= known.count) {
        line.error = "has the id " + std::to_string(id) + "; the model has " + std::to_string(known.count);
        return;
      }
    if (line.ids.empty()) {
      line.error = "has no \"ids\"";
    } else if (!object.has("tokens")) {
      line.tokens = tokens(line.ids, known);
    } else {
      const auto& labels = object.json().at("tokens");
      const bool fits = labels.is_array() && labels.size() == line.ids.size() &&
                        std::all_of(labels.begin(), labels.end(), [](const auto& one) { return one.is_string(); });
      if (fits)
        for (const auto& label : labels) line.tokens.push_back(label.template get<std::string>());
      else
        line.error = "\"tokens\" must be a text for each id";
    }
  }

  bool json_;
  Index end_, longest_;
  Ids source_, target_;
#if VITRINE_SENTENCEPIECE
  std::optional<vt::MarianTokenizer> pieces_;
#endif
};

// Batches of similar lengths: indices of the usable lines, longest first, at most `tokens` padded tokens and 64 lines
// to a batch. What is computed for a line does not depend on its batch.
inline std::vector<std::vector<std::size_t>> batches(const std::vector<Line>& all, Index tokens) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i].usable()) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return all[a].ids.size() > all[b].ids.size(); });
  std::vector<std::vector<std::size_t>> result;
  for (std::size_t i : order) {
    if (result.empty() || result.back().size() == 64 ||
        (Index(result.back().size()) + 1) * Index(all[result.back().front()].ids.size()) > tokens)
      result.emplace_back();
    result.back().push_back(i);
  }
  return result;
}

// The ids of some lines, one after another.
struct Packed {
  std::vector<Index> ids = {}, lengths = {};
  void add(const std::vector<Index>& more) {
    ids.insert(ids.end(), more.begin(), more.end());
    lengths.push_back(Index(more.size()));
  }
  vt::Tokens tokens() const { return {ids, lengths}; }
};

}  // namespace lines
