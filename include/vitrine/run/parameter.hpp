// Parameters: a name in PyTorch's spelling, a shape, (rows, cols) or (rows), and values that are plain or in panels.
// Layers name every one of theirs in parameters(visitor), so that loading, saving, counting and binding know no layer
// by name.
#pragma once
#include <vitrine/core/memory.hpp>
#include <vitrine/core/storage.hpp>
#include <vitrine/kernels/panel.hpp>

#include <type_traits>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

template <class S>
struct Parameter;

namespace detail {

template <class S>
struct LinearCall;

// How weights are made, multiplied and read that are something else than values of S: run/stored_weight.hpp.
template <class S>
struct StoredWeight {
  Storage storage;
  Index (*columns)(Index cols);                                // values' room that a row takes in its panel
  void (*pack)(const Parameter<S>& from, Index group, S* to);  // a group of a weight of values, into its panels
  void (*multiply)(const LinearCall<S>& call, Index first_panel, Index last_panel);
  void (*read)(const Parameter<S>& weight, Index row, Index first, Index count, S* out);  // some columns of a row
  S below;              // what is stored is smaller, by its size
  const char* refusal;  // and this sentence is said of what is not

  constexpr bool holds(S x) const { return (x < 0 ? -x : x) < below; }
};
// That of a storage; null: values of S. run/stored_weight.hpp.
template <class S>
constexpr const StoredWeight<S>* stored_weight_of(Storage storage);

// Which StoredWeight a parameter's values are; null: they are values of S. Only loaders choose another at run time, so
// builds without exceptions, which have none, carry nothing of it: there a weight is what its layer's Dims say.
template <class S>
class StoredAs {
 public:
  constexpr StoredAs() = default;
#if VITRINE_EXCEPTIONS
  constexpr explicit StoredAs(const StoredWeight<S>* how) : how_(how) {}
  constexpr const StoredWeight<S>* get() const { return how_; }

 private:
  const StoredWeight<S>* how_ = nullptr;
#else
  static constexpr const StoredWeight<S>* get() { return nullptr; }
#endif
};

}  // namespace detail

// Immutable once set, cheap to copy: copies of a layer share the values.
template <class S>
struct Parameter {
  Index rows = 0, cols = 0;  // cols 0: a vector of `rows` values; rows 0: this layer has no such parameter
  // Equal groups of rows that are multiplied apart (q, k and v of in_proj_weight): each begins a panel.
  Index groups = 1;
  Index leading_ones = 0;           // extents of 1 before the others, as in bias_k's (1, 1, E)
  bool packable = false;            // right operand of a product: kept in panels by the loader
  Storage declared = Storage::f32;  // what its layer's Dims say of its panels
  SharedValues<S> values = {};
  Index panel = 0;  // 0: plain, row after row, as PyTorch has it; else kernels::panel_width<S>
  [[no_unique_address]] detail::StoredAs<S> stored_as = {};  // panels of something else than values of S

  // This layer has such a parameter.
  constexpr bool exists() const { return rows > 0; }
  // One value for each row.
  constexpr bool is_vector() const { return cols == 0; }
  // It has its values, or does not exist.
  constexpr bool loaded() const { return !exists() || (!values.empty() && as_declared()); }
  // Its values are stored as its layer's Dims say; without exceptions they cannot be otherwise.
  constexpr bool as_declared() const {
    if constexpr (!VITRINE_EXCEPTIONS) return true;
    const detail::StoredWeight<S>* const now = stored_as.get();
    return declared == Storage::f32 || (now != nullptr && now->storage == declared);
  }
  // How its values are stored; null: they are values of S.
  constexpr const detail::StoredWeight<S>* stored_weight() const {
    if constexpr (VITRINE_EXCEPTIONS) return stored_as.get();
    return detail::stored_weight_of<S>(declared);
  }
  // It is multiplied as it stands: panels of values of S.
  constexpr bool in_place() const { return panel != 0 && stored_as.get() == nullptr; }
  // rows x cols, or rows.
  constexpr Index elements() const { return sizes::product(rows, cols > 0 ? cols : 1); }
  // The layout that it gets with its values, by load and init: plain or in panels.
  constexpr Index own_panel() const { return packable ? kernels::panel_width<S> : 0; }
  // Rows of one group.
  constexpr Index group_rows() const { return rows / groups; }
  // Values in storage of the given layout.
  constexpr Index stored(Index panel_of) const {
    return panel_of == 0 ? elements()
                         : sizes::product(groups, sizes::round_up(group_rows(), kernels::panel_width<S>), cols);
  }
  // Where element (row, col) stands in storage of the given layout.
  constexpr Index at(Index row, Index col, Index panel_of) const {
    if (panel_of == 0) return row * (cols > 0 ? cols : 1) + col;
    const Index group = row / group_rows();
    return group * kernels::packed_size<S>(group_rows(), cols) + kernels::packed_at<S>(row % group_rows(), col, cols);
  }
  // Takes its values, in a layout and a storage.
  constexpr void hold(const SharedValues<S>& shared, Index panel_of, detail::StoredAs<S> as = {}) {
    values = shared, panel = panel_of, stored_as = as;
  }
  // One value, wherever it stands and however it is stored.
  S value(Index row, Index col = 0) const {
    if (const detail::StoredWeight<S>* const stored = stored_weight()) {
      S value = S(0);
      stored->read(*this, row, col, 1, &value);
      return value;
    }
    return values.data()[at(row, col, panel)];
  }
  // The first stored value of a group: stored(panel) / groups values.
  const S* group(Index g) const { return values.data() + g * values.size() / groups; }
  // The values of a vector, one for each row.
  const S* vector() const { return values.data(); }
  // The panels of a group; null when the values are plain.
  const S* panels(Index g = 0) const { return panel != 0 ? group(g) : nullptr; }
};

namespace detail {

template <class S>
constexpr Parameter<S> matrix_parameter(Index rows, Index cols, Index groups = 1, Storage declared = Storage::f32) {
  Parameter<S> p;
  p.rows = rows, p.cols = cols, p.groups = groups, p.packable = true, p.declared = declared;
  return p;
}
template <class S>
constexpr Parameter<S> vector_parameter(Index rows) {
  Parameter<S> p;
  p.rows = rows;
  return p;
}

// Where the values of a layer's parameters are made. Weights of products have pieces of their own: those go when the
// weights become something else (store_weights), and vectors and tables do not.
template <class S>
struct ParameterPieces {
  SharedPieces<S> weights, others;

  explicit ParameterPieces(const Memory* memory) : weights(memory), others(memory) {}
  SharedPieces<S>& of(const Parameter<S>& p) { return p.packable ? weights : others; }
};

// A dotted name that grows and shrinks while a visitor walks through layers. Truncated past 127 characters.
class NamePath {
 public:
  class Scope {
   public:
    constexpr Scope(NamePath& path, const char* part) : path_(path), size_(path.size_) { path.append(part); }
    constexpr ~Scope() { path_.text_[path_.size_ = size_] = 0; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    NamePath& path_;
    Index size_;
  };
  constexpr void append(const char* part) {
    while (*part != 0 && size_ + 1 < Index(sizeof text_)) text_[size_++] = *part++;
    text_[size_] = 0;
  }
  constexpr void append(Index number) {
    if (number >= 10) append(number / 10);
    const char digit[2] = {static_cast<char>('0' + number % 10), 0};
    append(digit);
  }
  constexpr const char* c_str() const { return text_; }

 private:
  char text_[128] = {};
  Index size_ = 0;
};

// Visits a parameter that exists under path + name.
template <class F, class P>
constexpr void visit_parameter(F& visit, NamePath& path, const char* name, P& parameter) {
  if (!parameter.exists()) return;
  NamePath::Scope scope(path, name);
  visit(path.c_str(), parameter);
}

template <class Part, class F>
constexpr void visit_part(Part& part, const char* name, NamePath& path, F& visit) {
  NamePath::Scope scope(path, name);
  std::remove_const_t<Part>::parameters(part, path, visit);
}
template <class Part, class F>
constexpr void visit_module(Part& part, const char* name, NamePath& path, F& visit) {
  NamePath::Scope scope(path, name);
  std::remove_const_t<Part>::visit_parameters(part, path, visit);
}

}  // namespace detail

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
