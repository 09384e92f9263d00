// The post-processors of a tokenizer.json: what is put around the pieces of one text or two, and which offsets lose
// their blanks, by the names and rules of the tokenizers library. Part of text/tokenizer.hpp.
#pragma once
#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/text/detail/aligned_text.hpp>
#include <vitrine/text/encoding.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// The encodings of one text or of two become a sequence of them.
class PostProcessor {
 public:
  virtual ~PostProcessor() = default;
  /// `special`: also puts tokens around the texts.
  virtual void apply(std::vector<Encoding>& parts, bool special) const = 0;
};
using PostProcessors = std::vector<std::unique_ptr<const PostProcessor> >;

/// A token that a template names, with the ids that it stands for.
struct TemplateToken {
  std::vector<Index> ids = {};
  std::vector<std::string> tokens = {};
};

/// TemplateProcessing; BertProcessing is one.
class TemplateProcessing : public PostProcessor {
 public:
  struct Item {
    int text = -1;  // 0 or 1; -1: a token
    TemplateToken token = {};
    Index type_id = 0;
  };
  TemplateProcessing(std::vector<Item> single, std::vector<Item> pair)
      : single_(std::move(single)), pair_(std::move(pair)) {}
  void apply(std::vector<Encoding>& parts, bool special) const override {
    std::vector<Encoding> made;
    for (const Item& item : parts.size() > 1 ? pair_ : single_) {
      if (item.text >= 0) {
        Encoding part = item.text < int(parts.size()) ? parts[std::size_t(item.text)] : Encoding();
        part.type_ids.assign(part.ids.size(), item.type_id);
        made.push_back(std::move(part));
      } else if (special) {
        Encoding part;
        part.ids = item.token.ids, part.tokens = item.token.tokens;
        part.offsets.resize(part.ids.size());
        part.words.assign(part.ids.size(), -1), part.type_ids.assign(part.ids.size(), item.type_id);
        made.push_back(std::move(part));
      }
    }
    parts = std::move(made);
  }

 private:
  std::vector<Item> single_, pair_;
};

/// ByteLevel: offsets without the blanks at their ends.
class TrimOffsets : public PostProcessor {
 public:
  explicit TrimOffsets(bool add_prefix_space) : add_prefix_space_(add_prefix_space) {}
  void apply(std::vector<Encoding>& parts, bool) const override {
    for (Encoding& part : parts)
      for (std::size_t i = 0; i < part.ids.size(); ++i) trim(part.tokens[i], i == 0, part.offsets[i]);
  }

 private:
  void trim(std::string_view token, bool first, std::pair<Index, Index>& offsets) const {
    const auto blank = [](char32_t c) { return c == U'\u0120' || is_space(c); };  // a blank among GPT-2's letters
    Index leading = 0, trailing = 0;
    bool letters = false;
    each_character(token, [&](char32_t c, std::size_t) {
      letters = letters || !blank(c);
      leading += !letters;
      trailing = blank(c) ? trailing + 1 : 0;
    });
    if (leading > 0) {
      if (add_prefix_space_ && (first || offsets.first == 0)) --leading;
      offsets.first = std::min(offsets.first + leading, offsets.second);
    }
    if (trailing > 0 && offsets.second >= trailing) offsets.second = std::max(offsets.second - trailing, offsets.first);
  }
  bool add_prefix_space_;
};

/// Every type id becomes 0, as RobertaProcessing has it.
class OneType : public PostProcessor {
 public:
  void apply(std::vector<Encoding>& parts, bool) const override {
    for (Encoding& part : parts) std::fill(part.type_ids.begin(), part.type_ids.end(), 0);
  }
};

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
