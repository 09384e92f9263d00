// Pictures and figures of maps: what vitrine/inspect.py calls. Compiled once: no instruction set makes it faster.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <vitrine/core/eigen.hpp>
#include <vitrine/inspect/alignment.hpp>
#include <vitrine/inspect/alignment_error.hpp>
#include <vitrine/inspect/bertviz.hpp>
#include <vitrine/inspect/rollout.hpp>
#include <vitrine/inspect/scores.hpp>
#include <vitrine/inspect/html_page.hpp>

#include "arrays.hpp"

namespace vitrine_python {
namespace {

namespace vt = vitrine;
namespace inspect = vitrine::inspect;

// A map of Python's, (T, S) float32, contiguous.
struct Map {
  In array;
  vt::MatrixView<float> view;
  explicit Map(nb::handle object) : array(array_of(object)), view(nullptr, 0, 0) {
    require(array.ndim() == 2 && array.dtype() == nb::dtype<float>() && contiguous(array),
            "vitrine: a map is (T, S), contiguous float32");
    new (&view)
        vt::MatrixView<float>(static_cast<const float*>(array.data()), Index(array.shape(0)), Index(array.shape(1)));
  }
};
Index count_of(Index wanted, Index most, const char* sentence) {
  if (wanted > most || wanted < -1) throw std::invalid_argument(sentence);
  return wanted < 0 ? most : wanted;
}

// (kind, query tokens, key tokens, [(H, T, S) or None for each layer])
inspect::MapGroup group_of(nb::handle item) {
  const nb::tuple fields = nb::cast<nb::tuple>(item);
  inspect::MapGroup group;
  group.kind = nb::cast<std::string>(fields[0]);
  group.query_tokens = nb::cast<std::vector<std::string>>(fields[1]);
  group.key_tokens = nb::cast<std::vector<std::string>>(fields[2]);
  const auto layers = std::make_shared<std::vector<In>>();
  for (nb::handle one : nb::cast<nb::tuple>(fields[3])) {
    In& array = layers->emplace_back();
    if (one.is_none()) continue;
    array = array_of(one);
    require(array.ndim() == 3 && array.dtype() == nb::dtype<float>() && contiguous(array) &&
                Index(array.shape(1)) == group.query_count() && Index(array.shape(2)) == group.key_count(),
            "vitrine: the maps of a layer are (H, T, S), contiguous float32, with a token for each row and column");
    group.heads = std::max(group.heads, Index(array.shape(0)));
  }
  group.layers = Index(layers->size());
  group.map = [layers, size = group.query_count() * group.key_count()](Index layer, Index head) -> const float* {
    const In& array = (*layers)[std::size_t(layer)];
    if (!array.is_valid() || head >= Index(array.shape(0))) return nullptr;
    return static_cast<const float*>(array.data()) + head * size;
  };
  return group;
}
// [(title, [group, ...]), ...]
inspect::Page page_of(const std::string& title, nb::list examples) {
  inspect::Page made;
  made.title = title;
  for (nb::handle item : examples) {
    const nb::tuple fields = nb::cast<nb::tuple>(item);
    inspect::Example& example = made.examples.emplace_back();
    example.title = nb::cast<std::string>(fields[0]);
    for (nb::handle group : nb::cast<nb::list>(fields[1])) example.groups.push_back(group_of(group));
  }
  return made;
}

// The layers whose maps all groups have; none where that are all, or none.
std::vector<Index> kept_layers(const std::vector<inspect::MapGroup>& groups) {
  std::vector<Index> kept;
  const Index layers = groups.empty() ? 0 : groups[0].layers;
  const auto has = [&](Index layer) {
    return [layer](const inspect::MapGroup& group) { return layer < group.layers && group.map(layer, 0) != nullptr; };
  };
  for (Index layer = 0; layer < layers; ++layer)
    if (std::all_of(groups.begin(), groups.end(), has(layer))) kept.push_back(layer);
  return Index(kept.size()) == layers ? std::vector<Index>{} : kept;
}

nb::list links_to_python(const inspect::Links& links) {
  nb::list all;
  for (const inspect::Link& one : links) all.append(nb::make_tuple(one.source, one.target));
  return all;
}
inspect::Links links_of(nb::list pairs) {
  inspect::Links links;
  for (nb::handle one : pairs) {
    const nb::tuple pair = nb::cast<nb::tuple>(one);
    require(nb::len(pair) == 2, "vitrine: a link is (source, target)");
    links.push_back({nb::cast<Index>(pair[0]), nb::cast<Index>(pair[1])});
  }
  std::sort(links.begin(), links.end());
  return links;
}

}  // namespace

void define_looking(nb::module_& m) {
  m.def("page_html",
        [](const std::string& title, nb::list examples) { return inspect::page_html(page_of(title, examples)); });
  m.def("bertviz", [](const std::string& view, nb::list groups) {
    std::vector<inspect::MapGroup> all;
    for (nb::handle group : groups) all.push_back(group_of(group));
    const inspect::BertvizOptions options{.include_layers = kept_layers(all)};
    return view == "model" ? inspect::bertviz_model_view(all, options) : inspect::bertviz_head_view(all, options);
  });
  m.def("score", [](const std::string& name, nb::handle object, Index targets, Index sources) {
    const Map map(object);
    const Index rows = count_of(targets, map.view.rows(), "vitrine: there are fewer target tokens than asked for"),
                columns = count_of(sources, map.view.cols(), "vitrine: there are fewer source tokens than asked for");
    if (name == "coverage") return inspect::coverage(map.view, columns);
    if (name == "confidence") return inspect::confidence(map.view, rows, columns);
    if (name == "entropy") return inspect::entropy(map.view);
    return inspect::distraction(map.view);
  });
  m.def("hard_links", [](nb::handle object, Index targets, Index sources) {
    const Map map(object);
    return links_to_python(inspect::hard_links(
        map.view, count_of(targets, map.view.rows(), "vitrine: there are fewer target tokens than asked for"),
        count_of(sources, map.view.cols(), "vitrine: there are fewer source tokens than asked for")));
  });
  m.def("threshold_links", [](nb::handle object, double threshold, Index targets, Index sources) {
    const Map map(object);
    return links_to_python(inspect::threshold_links(
        map.view, threshold,
        count_of(targets, map.view.rows(), "vitrine: there are fewer target tokens than asked for"),
        count_of(sources, map.view.cols(), "vitrine: there are fewer source tokens than asked for")));
  });
  m.def("pharaoh", [](nb::list links) { return inspect::pharaoh(links_of(links)); });
  m.def("parse_pharaoh",
        [](const std::string& text, Index offset) { return links_to_python(inspect::parse_pharaoh(text, offset)); });
  m.def("parse_gold", [](const std::string& text, Index offset) {
    const inspect::GoldLinks gold = inspect::parse_gold(text, offset);
    return nb::make_tuple(links_to_python(gold.sure), links_to_python(gold.possible));
  });
  // (proposed, sure, hit_sure, hit_possible) of one sentence
  m.def("alignment_counts", [](nb::list links, nb::list sure, nb::list possible) {
    inspect::AlignmentErrors errors;
    errors.add(links_of(links), {links_of(sure), links_of(possible)});
    return nb::make_tuple(errors.proposed, errors.sure, errors.hit_sure, errors.hit_possible);
  });
  m.def("area_under_curve", [](const std::vector<double>& scores, const std::vector<bool>& positive) {
    return inspect::area_under_curve(scores, positive);
  });
  // (T, T) of [(T, T) means over heads, layer after layer]
  m.def("rollout", [](nb::list means, float residual) {
    vt::RowMajor<float> rolled;
    for (nb::handle one : means) rolled = inspect::roll_layer<float>(Map(one).view, rolled, residual);
    const Index rows = rolled.rows(), columns = rolled.cols();
    auto values = std::make_unique<float[]>(std::size_t(rows * columns + 1));
    std::copy_n(rolled.data(), rows * columns, values.get());
    float* const raw = values.release();
    const nb::capsule owner(raw, [](void* p) noexcept { delete[] static_cast<float*>(p); });
    return to_python(Array{raw, Array::f32, {rows, columns}, {columns, 1}}, owner);
  });
}

}  // namespace vitrine_python
