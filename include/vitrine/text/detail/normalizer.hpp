// The normalizers of a tokenizer.json, each by the name and the rules of the tokenizers library. Part of
// text/tokenizer.hpp.
#pragma once
#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/text/detail/aligned_text.hpp>
#include <vitrine/text/detail/pattern.hpp>
#include <vitrine/text/detail/unicode.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// A step that rewrites a text.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void apply(AlignedText& text) const = 0;
};
using Normalizers = std::vector<std::unique_ptr<const Normalizer> >;

/// Rewrites by f(rewrite), which reads the old text.
template <class F>
void rewrite(AlignedText& text, F f) {
  Rewrite made(text);
  f(made);
  text = made.take();
}
/// Each character becomes f(character): what is appended to the string that f is given, nothing for one that goes.
template <class F>
void map_characters(AlignedText& text, F f) {
  rewrite(text, [&](Rewrite& made) {
    std::u32string into;
    each_character(text.text(), [&](char32_t c, std::size_t at) {
      into.clear();
      f(c, into);
      const Span origin = text.origin_of(at);
      for (const char32_t one : into) made.put(one, origin);
    });
  });
}

/// NFC, NFD, NFKC and NFKD.
class FormNormalizer : public Normalizer {
 public:
  explicit FormNormalizer(NormalForm form) : form_(form) {}
  void apply(AlignedText& text) const override {
    const std::u32string all = decode_utf8(text.text());
    const char32_t first = first_changed_by(form_);
    if (std::all_of(all.begin(), all.end(), [&](char32_t c) { return c < first; })) return;
    const std::vector<Changed> changed = normal_form(all, form_);
    rewrite(text, [&](Rewrite& made) {
      for (const Changed& one : changed) made.put(one);
    });
  }

 private:
  NormalForm form_;
};

class Lowercase : public Normalizer {
 public:
  void apply(AlignedText& text) const override {
    if (is_ascii(text.text())) {
      std::string lower(text.text());
      for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      text.replace_bytes(std::move(lower));
      return;
    }
    map_characters(text, [](char32_t c, std::u32string& into) { append_lower(into, c); });
  }
};

/// Without marks, of all kinds or only those that take no room.
class StripMarks : public Normalizer {
 public:
  explicit StripMarks(bool all) : all_(all) {}
  void apply(AlignedText& text) const override {
    if (is_ascii(text.text())) return;
    map_characters(text, [&](char32_t c, std::u32string& into) {
      if (!(all_ ? is_mark_character(c) : is_nonspacing_mark(c))) into += c;
    });
  }

 private:
  bool all_;
};

/// A text that is not empty gets this in front.
class Prepend : public Normalizer {
 public:
  explicit Prepend(std::string front) : front_(std::move(front)) {}
  void apply(AlignedText& text) const override {
    if (text.empty() || front_.empty()) return;
    rewrite(text, [&](Rewrite& made) {
      made.put(front_, text.origin_of(0));
      made.keep(0, text.text().size());
    });
  }

 private:
  std::string front_;
};

/// Every match of a pattern becomes one text, which stands for the match's last character.
class Replace : public Normalizer {
 public:
  Replace(Pattern pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void apply(AlignedText& text) const override {
    std::vector<Span> found;
    pattern_.each_match(text.text(), [&](std::size_t begin, std::size_t end) {
      found.push_back({std::uint32_t(begin), std::uint32_t(end)});
    });
    if (found.empty()) return;
    rewrite(text, [&](Rewrite& made) {
      std::size_t at = 0;
      for (const auto& [begin, end] : found) {
        made.keep(at, begin);
        made.put(content_, end == 0 ? Span{text.base(), text.base()} : text.origin_of(end - 1));
        at = end;
      }
      made.keep(at, text.text().size());
    });
  }

 private:
  Pattern pattern_;
  std::string content_;
};

/// Without spaces at its ends.
class StripSpaces : public Normalizer {
 public:
  StripSpaces(bool left, bool right) : left_(left), right_(right) {}
  void apply(AlignedText& text) const override {
    std::size_t begin = text.text().size(), end = 0;
    each_character(text.text(), [&](char32_t c, std::size_t at) {
      if (is_space(c)) return;
      begin = std::min(begin, at);
      end = at + utf8_size(c);
    });
    if (!left_) begin = 0;
    if (!right_) end = text.text().size();
    if (begin == 0 && end == text.text().size()) return;
    rewrite(text, [&](Rewrite& made) { made.keep(begin, std::max(begin, end)); });
  }

 private:
  static std::size_t utf8_size(char32_t c) { return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4; }
  bool left_, right_;
};

/// BertNormalizer (Devlin et al. 2019): control characters go, CJK characters stand alone, letters lose accents and
/// case.
class BertNormalizer : public Normalizer {
 public:
  struct Rules {
    bool clean_text = true, split_cjk = true, strip_accents = true, lower_case = true;
  };
  explicit BertNormalizer(Rules rules) : rules_(rules) {}
  void apply(AlignedText& text) const override {
    if (is_ascii(text.text())) {
      if (apply_to_ascii(text)) return;
    } else if (rules_.clean_text || rules_.split_cjk) {
      map_characters(text, [&](char32_t c, std::u32string& into) {
        if (rules_.clean_text && (c == 0 || c == 0xfffd || is_control_character(c))) return;
        const char32_t kept = rules_.clean_text && is_space(c) ? U' ' : c;
        if (rules_.split_cjk && is_cjk(kept))
          into.append({U' ', kept, U' '});
        else
          into += kept;
      });
    }
    if (rules_.strip_accents) {
      FormNormalizer(NormalForm::nfd).apply(text);
      StripMarks(false).apply(text);
    }
    if (rules_.lower_case) Lowercase().apply(text);
  }

 private:
  // In one pass; false where a control character has to go.
  bool apply_to_ascii(AlignedText& text) const {
    std::string out(text.text());
    for (char& c : out) {
      if (rules_.clean_text && is_space(char32_t(c))) c = ' ';
      if (rules_.clean_text && (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)) return clean_ascii(text);
      if (rules_.lower_case && c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    }
    text.replace_bytes(std::move(out));
    return true;
  }
  bool clean_ascii(AlignedText& text) const {
    map_characters(text, [&](char32_t c, std::u32string& into) {
      if (!is_control_character(c)) into += is_space(c) ? U' ' : c;
    });
    return false;
  }
  Rules rules_;
};

inline void normalize(AlignedText& text, const Normalizers& steps) {
  for (const auto& step : steps) step->apply(text);
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
