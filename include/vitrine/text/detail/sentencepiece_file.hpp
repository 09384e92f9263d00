// A SentencePiece model, checked for what SentencePiece reads without a look (0.1.97, Debian 12's): with a damaged one
// it reads past the end, or ends the process. The file is a protobuf message: field 1 are the pieces; 3 and 5 the
// normalizer and denormalizer, whose character map is a Darts double array of what is replaced, then the replacements.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/io/error.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// The model that SentencePiece may be given: `model` without its self-test samples (field 4), which loading would run.
/// Takes up to 8 bytes of heap for each of the model. Throws Error file_unreadable, which names `file`.
std::string checked_sentencepiece(std::string model, std::string_view file);

// ---- implementation

/// One field of a protobuf message; `bytes` where its wire type is 2, `value` where it is 0.
struct ProtoField {
  std::uint32_t number = 0, wire = 0;
  std::uint64_t value = 0;
  std::string_view bytes = {};
};

inline bool take_varint(std::string_view& rest, std::uint64_t& value) noexcept {
  value = 0;
  for (std::size_t i = 0; i < std::min<std::size_t>(10, rest.size()); ++i) {
    const auto byte = static_cast<unsigned char>(rest[i]);
    value |= std::uint64_t{byte & 0x7fu} << 7 * i;
    if (byte < 0x80) return rest.remove_prefix(i + 1), true;
  }
  return false;
}

/// Takes the field at the beginning of `rest`; false where there is none. Groups, which no model has, are none.
inline bool take_field(std::string_view& rest, ProtoField& field) noexcept {
  std::uint64_t tag = 0, bytes = 0;
  if (!take_varint(rest, tag) || tag < 8 || tag > 0xffffffff) return false;
  field = {.number = static_cast<std::uint32_t>(tag >> 3), .wire = static_cast<std::uint32_t>(tag & 7)};
  if (field.wire == 0) return take_varint(rest, field.value);
  if (field.wire == 1) bytes = 8;
  if (field.wire == 5) bytes = 4;
  if (bytes == 0 && (field.wire != 2 || !take_varint(rest, bytes))) return false;
  if (bytes > rest.size()) return false;
  field.bytes = rest.substr(0, bytes);
  rest.remove_prefix(bytes);
  return true;
}

/// What can be wrong with a model, each as a sentence in an Error.
class SentencePieceCheck {
 public:
  explicit SentencePieceCheck(std::string_view file) : file_(file) {}
  void model(std::string_view all);
  void character_map(std::string_view map) const;

 private:
  // Darts and BPE descend by recursion, a level for each byte of a piece: 2 MB of stack are enough. Newer
  // SentencePieces have the same limit.
  static constexpr std::size_t longest_piece = 8000;
  // SentencePiece looks at these numbers of matches at one place, and has no more room.
  static constexpr std::size_t most_symbols = 64, most_keys = 32;
  // Without these, what is short could take very long, or become very long.
  static constexpr std::size_t longest_key = 1024, longest_replacement = 1024;

  [[noreturn]] void fail(std::string_view sentence) const {
    throw Error(LoadError::file_unreadable, file_, concat("is no SentencePiece model: ", sentence));
  }
  /// Calls f(field) for each field of a message.
  template <class F>
  void each_field(std::string_view message, const char* what, F f) const {
    for (ProtoField field; !message.empty(); f(field))
      if (!take_field(message, field)) fail(concat(what, " is cut off or damaged"));
  }
  void piece(std::string_view message);
  void nested_symbols();

  std::string_view file_;
  std::vector<std::string_view> symbols_ = {};  // the user-defined pieces
};

inline std::string checked_sentencepiece(std::string model, std::string_view file) {
  SentencePieceCheck(file).model(model);
  std::string_view rest = model;
  std::size_t kept = 0;
  const char* begin = rest.data();
  for (ProtoField field; take_field(rest, field); begin = rest.data()) {
    if (field.number == 4) continue;
    const auto size = static_cast<std::size_t>(rest.data() - begin);
    std::char_traits<char>::move(model.data() + kept, begin, size);
    kept += size;
  }
  model.resize(kept);
  return model;
}

inline void SentencePieceCheck::model(std::string_view all) {
  if (all.size() > 0x7fffffff) fail("has 2 GB or more");
  each_field(all, "it", [&](const ProtoField& field) {
    if (field.wire == 2 && field.number == 1) piece(field.bytes);
    if (field.wire != 2 || (field.number != 3 && field.number != 5)) return;
    each_field(field.bytes, "its normalizer", [&](const ProtoField& inner) {
      if (inner.wire == 2 && inner.number == 2 && !inner.bytes.empty()) character_map(inner.bytes);
    });
  });
  nested_symbols();
}

inline void SentencePieceCheck::piece(std::string_view message) {
  std::string_view text;
  std::uint32_t type = 1;
  each_field(message, "a piece", [&](const ProtoField& field) {
    if (field.number == 1 && field.wire == 2) text = field.bytes;
    // Other numbers are no types, and change none.
    if (const auto given = static_cast<std::uint32_t>(field.value); field.number == 3 && field.wire == 0)
      if (given >= 1 && given <= 6) type = given;
  });
  if (text.empty() || text.size() >= longest_piece) fail(concat("a piece has ", text.size(), " bytes"));
  if (text.find('\0') != text.npos) fail(concat("a piece contains a NUL byte: ", in_quotes(text)));
  if (type == 4) symbols_.push_back(text);
}

inline void SentencePieceCheck::nested_symbols() {
  std::sort(symbols_.begin(), symbols_.end());  // what begins another one stands before it
  std::vector<std::string_view> open;
  for (const std::string_view symbol : symbols_) {
    while (!open.empty() && !symbol.starts_with(open.back())) open.pop_back();
    open.push_back(symbol);
    if (open.size() > most_symbols)
      fail(concat(open.size(), " user-defined symbols are beginnings of ", in_quotes(symbol)));
  }
}

inline void SentencePieceCheck::character_map(std::string_view map) const {
  const auto little = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(map[at + i]);
    return value;
  };
  const std::size_t bytes = map.size() < 4 ? 0 : little(0);
  if (bytes == 0 || bytes % 4 != 0 || bytes >= map.size() - 4) fail("its character map's size is wrong");
  const std::string_view texts = map.substr(4 + bytes);
  if (texts.back() != '\0') fail("its character map's last replacement does not end");

  // From place p of the array, byte c of a text leads to unit p ^ c if that is labelled c, and from there to the place
  // of the unit's index ^ offset. Where the unit has the leaf bit, what was read until then is replaced: by the text at
  // the value of the unit of that very index.
  struct Place {
    std::uint32_t first;    // of the units that it leads to
    std::uint32_t next;     // after the unit of this index, among those of its place
    std::uint16_t key = 0;  // the longest rest of a key
    std::uint8_t keys = 0;  // the most keys met on one way
    enum : std::uint8_t { fresh, open, done } state = fresh;
  };
  const auto count = static_cast<std::uint32_t>(bytes / 4), none = count;
  const auto unit = [&](std::uint32_t index) { return little(4 + 4 * std::size_t{index}); };
  std::vector<Place> places(count, Place{none, none});
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t place = i ^ (unit(i) & 0xff);
    if (unit(i) >> 31 != 0 || place >= count) continue;  // a leaf is no unit that a byte leads to
    places[i].next = places[place].first;
    places[place].first = i;
  }
  const auto behind = [&](std::uint32_t index) {
    const std::uint32_t place = index ^ (unit(index) >> 10) << (unit(index) >> 6 & 8);
    if ((place | 0xff) >= count) fail("its character map leads past its end");
    return place;
  };
  const auto too_long = [&] { fail(concat("its character map has a key of more than ", longest_key, " bytes")); };

  std::vector<std::uint32_t> way = {behind(0)};
  places[way[0]].state = Place::open;
  while (!way.empty()) {
    Place& here = places[way.back()];
    if (here.first == none) {
      here.state = Place::done;
      way.pop_back();
      continue;
    }
    const std::uint32_t to = behind(here.first);
    Place& there = places[to];
    if (there.state == Place::open) fail("its character map leads back to itself");
    if (there.state == Place::fresh) {
      there.state = Place::open;
      way.push_back(to);
      if (way.size() > longest_key + 1) too_long();
      continue;
    }
    const std::uint32_t leaf = unit(here.first) >> 8 & 1;
    if (leaf != 0) {
      const std::uint32_t at = unit(to) & 0x7fffffff;
      if (at >= texts.size()) fail("its character map's replacements end before one that it names");
      if (texts.substr(at, longest_replacement + 1).find('\0') == texts.npos)
        fail(concat("its character map has a replacement of more than ", longest_replacement, " bytes"));
    }
    here.keys = std::max(here.keys, static_cast<std::uint8_t>(there.keys + leaf));
    here.key = std::max(here.key, static_cast<std::uint16_t>(there.key + 1));
    if (here.keys > most_keys)
      fail(concat("its character map has more than ", most_keys, " keys, each within the next"));
    if (here.key > longest_key) too_long();
    here.first = places[here.first].next;
  }
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
