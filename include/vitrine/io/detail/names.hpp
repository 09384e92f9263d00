// What is found by name: the order it stands in; and lists of names for error messages, the ones nearest to what was
// asked for, that stay short.
#pragma once
#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/io/error.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// At most ten names and the number of the others.
inline std::string name_list(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < 10; ++i) text.append(i ? ", " : "").append(in_quotes(names[i]));
  return names.size() > 10 ? concat(text, " and ", names.size() - 10, " more") : text;
}

/// Levenshtein's distance, of at most the first 128 bytes of each.
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  a = a.substr(0, 128);
  b = b.substr(0, 128);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

/// The `count` names nearest to `wanted`; a name that ends with it, or that it ends with (a forgotten prefix), comes
/// first. Looks at the first 4096 names.
inline std::vector<std::string> near_names(std::string_view wanted, const std::vector<std::string>& names,
                                           std::size_t count) {
  std::vector<std::pair<std::size_t, std::string>> ranked;
  for (const std::string& name : names) {
    if (ranked.size() == 4096) break;
    const bool prefix_only = !name.empty() && (name.ends_with(wanted) || wanted.ends_with(name));
    ranked.emplace_back(prefix_only ? 0 : 1 + edit_distance(wanted, name), name);
  }
  const std::size_t kept = std::min(count, ranked.size());
  std::partial_sort(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(kept), ranked.end());
  std::vector<std::string> result;
  for (std::size_t i = 0; i < kept; ++i) result.push_back(std::move(ranked[i].second));
  return result;
}

/// Sorts by name_of(item), a string. Of those of one name the last one stays, as the references do it that read into a
/// dictionary.
template <class Item, class Name>
void sort_by_name(std::vector<Item>& items, const Name& name_of) {
  std::stable_sort(items.begin(), items.end(), [&](const Item& a, const Item& b) { return name_of(a) < name_of(b); });
  const auto kept =
      std::unique(items.rbegin(), items.rend(), [&](const Item& a, const Item& b) { return name_of(a) == name_of(b); });
  items.erase(items.begin(), kept.base());
}

/// The view of that name in views sorted by name, or nullptr.
template <class View>
const View* find_by_name(const std::vector<View>& sorted, std::string_view name) noexcept {
  const auto found = std::lower_bound(sorted.begin(), sorted.end(), name,
                                      [](const View& view, std::string_view wanted) { return view.name < wanted; });
  return found != sorted.end() && found->name == name ? &*found : nullptr;
}

/// The names of views, in their order.
template <class View>
std::vector<std::string> names_of(const std::vector<View>& views) {
  std::vector<std::string> names;
  names.reserve(views.size());
  for (const View& view : views) names.push_back(view.name);
  return names;
}

/// The view of that name in views sorted by name; Error no_such_tensor names the file and the nearest.
template <class View>
const View& view_of(const std::vector<View>& sorted, std::string_view name, const std::string& file) {
  if (const View* view = find_by_name(sorted, name)) return *view;
  throw Error(LoadError::no_such_tensor, file,
              concat("has no tensor ", in_quotes(name), ", of its ", sorted.size(),
                     " the nearest are: ", name_list(near_names(name, names_of(sorted), 3))));
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
