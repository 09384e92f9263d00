// How a file differs from our own names: LoadOptions, the last argument of vt::load.
//
//   vt::load(encoder, file, "encoder.", {.source = vt::renamed({{"self_attn", "self_attention.multihead_attn"},
//                                                               {"linear1", "positionwise_feedforward.fc_1"}})});
//   {"self_attn.in_proj_weight", "attention.{query,key,value}.weight"}     of three tensors, one below the other
//   {"encoder.layers.*.norm2", "encoder.blocks.*.ln_2"}                    a `*` is any one part, and stands for it
#pragma once
#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/core/sizes.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/io/remark.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// What one parameter is made of: tensors, one below the other. Names are without the prefix.
struct Source {
  std::vector<std::string> tensors;
  bool transposed = false;  // each is stored (columns, rows), as GPT-2's Conv1D is
  // The shape of each, where it is another than the parameter's with the same values in the same order: (out, in,
  // height, width) of nn.Conv2d's weight, a parameter (out, in x height x width).
  std::vector<Index> shape = {};
  std::vector<Index> rows = {};                 // of each tensor; empty: equally many
  std::function<Index(Index)> stored_row = {};  // where our row stands in the one tensor, as GPT-NeoX mixes its heads
};

/// How a file differs from our own names. All functions see and return names without the prefix.
struct LoadOptions {
  std::function<Source(const std::string& parameter)> source = {};  // empty: the tensor of that name
  std::function<bool(const std::string& tensor)> ignored = {};      // tensors that the file may have besides
  std::function<bool(const std::string& tensor)> left_out = {};     // the same, and `remark` is told of them
  std::vector<std::pair<std::string, std::string>> tied = {};       // {second, first}: accepted if equal to first
  Remark remark = remark_on_stderr;
  // Is told of every tensor that is asked for: whether it is a weight of products, and stored transposed.
  std::function<void(const std::string& tensor, bool of_products, bool transposed)> used = {};
};

/// Rules {our part, the file's} as a LoadOptions::source. A part is one or more whole pieces of a dotted name, `*`
/// being any one of them. Our name is read from left to right; at each piece the first rule that fits stands for what
/// it fits, other pieces for themselves, so that rules may exchange names. On the file's side a `*` is what our `*` in
/// that place was, "" leaves the part out, and one {a,b,c} makes several tensors, one below the other (q, k and v of
/// nn.MultiheadAttention's in_proj_weight). Throws Error bad_usage for a rule that cannot be read. The idea is that of
/// the key_mapping of Transformers' from_pretrained.
std::function<Source(const std::string& parameter)> renamed(
    const std::vector<std::pair<std::string, std::string>>& rules);

namespace detail {

/// The pieces of a dotted name; none of "".
inline std::vector<std::string> name_pieces(std::string_view name) {
  std::vector<std::string> pieces;
  for (std::size_t begin = 0; begin < name.size();) {
    const std::size_t dot = std::min(name.find('.', begin), name.size());
    pieces.emplace_back(name.substr(begin, dot - begin));
    begin = dot + 1;
  }
  return pieces;
}

/// One rule of `renamed`, in pieces.
struct RenamingRule {
  std::vector<std::string> ours, theirs;

  bool fits(const std::vector<std::string>& name, std::size_t at) const {
    if (name.size() - at < ours.size()) return false;
    for (std::size_t i = 0; i < ours.size(); ++i)
      if (ours[i] != "*" && ours[i] != name[at + i]) return false;
    return true;
  }
  /// Appends what stands in the file for the pieces from `at`.
  void apply(std::vector<std::string>& out, const std::vector<std::string>& name, std::size_t at) const {
    std::size_t star = 0;
    for (const std::string& piece : theirs) {
      if (piece != "*") {
        out.push_back(piece);
        continue;
      }
      while (ours[star] != "*") ++star;
      out.push_back(name[at + star++]);
    }
  }
};

inline RenamingRule renaming_rule(const std::string& ours, const std::string& theirs) {
  RenamingRule rule{name_pieces(ours), name_pieces(theirs)};
  const auto refuse = [&](const char* why) {
    throw Error(LoadError::bad_usage, concat("the rule {", in_quotes(ours), ", ", in_quotes(theirs), "}"), why);
  };
  if (rule.ours.empty()) refuse("names no part of ours");
  if (std::count(rule.theirs.begin(), rule.theirs.end(), "*") > std::count(rule.ours.begin(), rule.ours.end(), "*"))
    refuse("has more \"*\" on the file's side than on ours");
  const auto open = std::count(theirs.begin(), theirs.end(), '{'),
             close = std::count(theirs.begin(), theirs.end(), '}');
  if (open != close || open > 1 || theirs.find('{') > theirs.find('}'))
    refuse("may have one {a,b,c} on the file's side");
  return rule;
}

/// A name with {a,b,c} in it as three names.
inline std::vector<std::string> each_of_braces(const std::string& name) {
  const std::size_t open = name.find('{'), close = name.find('}');
  if (open == name.npos || close == name.npos) return {name};
  std::vector<std::string> names;
  for (std::size_t begin = open + 1; begin <= close;) {
    const std::size_t end = std::min(name.find(',', begin), close);
    names.push_back(concat(name.substr(0, open), name.substr(begin, end - begin), name.substr(close + 1)));
    begin = end + 1;
  }
  return names;
}

}  // namespace detail

inline std::function<Source(const std::string& parameter)> renamed(
    const std::vector<std::pair<std::string, std::string>>& rules) {
  std::vector<detail::RenamingRule> read;
  read.reserve(rules.size());
  for (const auto& [ours, theirs] : rules) read.push_back(detail::renaming_rule(ours, theirs));
  return [rules = std::move(read)](const std::string& parameter) {
    const std::vector<std::string> name = detail::name_pieces(parameter);
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < name.size();) {
      std::size_t rule = 0;
      while (rule < rules.size() && !rules[rule].fits(name, at)) ++rule;
      if (rule == rules.size()) {
        pieces.push_back(name[at++]);
        continue;
      }
      rules[rule].apply(pieces, name, at);
      at += rules[rule].ours.size();
    }
    std::string joined;
    for (const std::string& piece : pieces) joined += (joined.empty() ? "" : ".") + piece;
    return Source{detail::each_of_braces(joined)};
  };
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
