// Sequences in and out: (B, T, E) with strides, or ragged rows one after another.
//
//   Sequences<S>    a view that every call takes: of a pointer, a Tensor, a row-major Eigen matrix, or Ragged
//   Ragged{packed, lengths}    sequences of different lengths without padded rows
//   from_seq_first(p, T, B, E) a view of PyTorch's (T, B, E) data
//   Tensor<S>       the owning form, which results carry: matrix(b) is (T, E), or (T_b, E) of ragged data
#pragma once
#include <vitrine/core/config.hpp>
#include <vitrine/core/eigen.hpp>
#include <vitrine/core/keep.hpp>
#include <vitrine/core/memory.hpp>

#include <span>
#include <type_traits>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

template <class S>
class Tensor;
template <class S>
struct Sequences;

namespace detail {

// Numbers in memory without rows and columns: of a vector, an array, a span, a pointer; also vectors of vectors.
template <class T>
concept Number = std::is_floating_point_v<std::remove_cv_t<T>>;
template <class T>
concept Shapeless = (std::is_pointer_v<T> && Number<std::remove_pointer_t<T>>) ||
                    (std::is_array_v<T> && Number<std::remove_all_extents_t<T>>) ||
                    (
                        requires(const T& t) { t.data(), t.size(); } && !requires(const T& t) { t.derived(); });

// Does not compile unless rows of S can be seen where the expression's values are.
template <class S, class D>
constexpr void check_expression() {
  using E = std::remove_const_t<D>;
  constexpr bool rows_in_memory = requires(const E& e) { e.data(), e.innerStride(), e.outerStride(); };
  static_assert(rows_in_memory,
                "vitrine: an Eigen expression has no rows in memory: give it a name first, as a RowMajor matrix");
  if constexpr (rows_in_memory) {
    static_assert(std::is_same_v<typename E::Scalar, S>,
                  "vitrine: an input's numbers must be of the layer's type: convert them (x.cast<float>().eval())");
    static_assert(E::IsRowMajor || E::ColsAtCompileTime == 1,
                  "vitrine: an Eigen input must be RowMajor (Eigen::Matrix<S, Dynamic, Dynamic, Eigen::RowMajor>)");
    static_assert(E::ColsAtCompileTime == 1 || int(E::InnerStrideAtCompileTime) == 1 ||
                      int(E::InnerStrideAtCompileTime) == Eigen::Dynamic,
                  "vitrine: the values of an Eigen input's row must stand side by side: no InnerStride");
  }
}

}  // namespace detail

// A view of packed rows (sum of lengths, width) with the length of each sequence. The caller keeps both alive.
template <class S>
struct Ragged {
  const S* data = nullptr;
  Index width = 0;
  std::span<const Index> lengths = {};
  Index row_stride = 0, column_stride = 1;
  Index rows = Status::unset;  // of a matrix: what the lengths must sum to; a pointer's are not known
  // Rows (sum of lengths, columns) from a pointer, or from a row-major matrix.
  Ragged(const S* packed, Index columns, std::span<const Index> lengths_of)
      : data(packed), width(columns), lengths(lengths_of), row_stride(columns) {}
  template <class D>
  Ragged(const Eigen::EigenBase<D>& packed, std::span<const Index> lengths_of)
      : Ragged(Sequences<S>(packed), lengths_of) {}
  // Does not compile: says what to do instead.
  template <detail::Shapeless T>
  requires(!std::is_pointer_v<T>) Ragged(const T&, std::span<const Index>) {
    static_assert(never<T>, "vitrine: a vector or pointer has no columns: vt::Ragged<S>(data, columns, lengths)");
  }

 private:
  Ragged(const Sequences<S>& packed, std::span<const Index> lengths_of)
      : data(packed.data),
        width(packed.width),
        lengths(lengths_of),
        row_stride(packed.row_stride),
        column_stride(packed.column_stride),
        rows(packed.length) {}
};
template <class D>
Ragged(const Eigen::EigenBase<D>&, std::span<const Index>) -> Ragged<typename D::Scalar>;
template <detail::Shapeless T>
Ragged(const T&, std::span<const Index>) -> Ragged<float>;

// A view of B sequences of T rows of E values: what every call takes. The caller keeps the values alive and unchanged
// for the call.
template <class S>
struct Sequences {
  const S* data = nullptr;
  Index batch = 1, length = 0, width = 0;
  Index row_stride = 0, batch_stride = 0;
  std::span<const Index> lengths = {};  // of ragged rows; then length is the longest and batch_stride is not used
  Index column_stride = 1;              // of an Eigen map; a call refuses any other
  Index rows_given = Status::unset;     // of Ragged{matrix, lengths}: what the lengths must sum to

  Sequences() = default;
  // (B, T, E), contiguous.
  Sequences(const S* p, Index b, Index t, Index e)
      : data(p), batch(b), length(t), width(e), row_stride(e), batch_stride(sizes::product(t, e)) {}
  // One sequence: a row-major matrix, a row-major block or map with its row stride, a column; ragged rows; or an
  // earlier result's output. An expression has no memory to be seen, and does not compile.
  template <class D>
  Sequences(const Eigen::EigenBase<D>& expression) {
    detail::check_expression<S, D>();
    if constexpr (requires { data = expression.derived().data(); }) {
      const D& m = expression.derived();
      *this = Sequences(m.data(), 1, m.rows(), m.cols());
      if constexpr (D::ColsAtCompileTime == 1)
        row_stride = m.innerStride();
      else
        row_stride = m.outerStride(), column_stride = m.innerStride();
    }
  }
  Sequences(const Ragged<S>& r)
      : data(r.data),
        batch(Index(r.lengths.size())),
        width(r.width),
        row_stride(r.row_stride),
        lengths(r.lengths),
        column_stride(r.column_stride),
        rows_given(r.rows) {
    for (Index l : lengths) length = l > length ? l : length;
  }
  Sequences(const Tensor<S>& t);
  // Do not compile: say what to do instead.
  template <class T>
  requires(!std::is_same_v<T, S>) Sequences(const Tensor<T>&) { detail::check_expression<S, Eigen::Matrix<T, 1, 1>>(); }
  template <class T>
  requires(!std::is_same_v<T, S>) Sequences(const Ragged<T>&) { detail::check_expression<S, Eigen::Matrix<T, 1, 1>>(); }
  template <class T>
  requires(!std::is_same_v<T, S>) Sequences(const Sequences<T>&) {
    detail::check_expression<S, Eigen::Matrix<T, 1, 1>>();
  }
  template <detail::Shapeless T>
  Sequences(const T&) {
    static_assert(never<T>,
                  "vitrine: a vector or pointer has no rows and columns: vt::Sequences<S>(data, batch, length, width)");
  }

  // Sequences have lengths of their own.
  bool ragged() const { return !lengths.empty(); }
  // The number of rows of all sequences.
  Index rows() const {
    if (!ragged()) return sizes::product(batch, length);
    Index all = 0;
    for (Index l : lengths) all = sizes::sum(all, l);
    return all;
  }
  // The number of rows of sequence b.
  Index length_of(Index b) const { return ragged() ? lengths[std::size_t(b)] : length; }
  // Rows stand one after another, sequence after sequence.
  bool contiguous() const {
    return row_stride == width && (ragged() || batch <= 1 || batch_stride == sizes::product(length, width));
  }
  // bad_shape for what cannot be rows of numbers: negative extents, rows without data, more values than any memory has,
  // columns that do not stand side by side, lengths that do not sum to the rows that there are.
  Status check() const {
    if (batch < 0 || length < 0)
      return {Status::bad_shape, "an input's extents must not be negative", batch < length ? batch : length};
    for (Index l : lengths)
      if (l < 0) return {Status::bad_shape, "a ragged input's lengths must not be negative", l};
    const Index all = rows();
    if (rows_given != Status::unset && all != rows_given)
      return {Status::bad_shape, "the lengths of a ragged input must sum to the matrix's rows", all, rows_given};
    if (column_stride != 1 && width > 1)
      return {Status::bad_shape, "the values of an input's row must stand side by side (inner stride)", column_stride,
              1};
    if (ragged() && row_stride != width)
      return {Status::bad_shape, "the rows of a ragged input must stand one after another", row_stride, width};
    if (data == nullptr && all > 0) return {Status::bad_shape, "an input has rows but no data"};
    if (sizes::bytes_of<S>(all, width > 0 ? width : 1) == std::size_t(sizes::largest))
      return {Status::bad_shape, "an input is larger than any memory (rows)", all};
    if (all > 0 && sizes::bytes_of<S>(reach()) == std::size_t(sizes::largest))
      return {Status::bad_shape, "an input's strides reach over more than any memory (row stride)", row_stride};
    return {};
  }
  // Values from the first to behind the last, in whichever direction the strides lead.
  Index reach() const {
    const Index between = sizes::product(length - 1, sizes::distance(row_stride));
    const Index sequences = ragged() ? 0 : sizes::product(batch - 1, sizes::distance(batch_stride));
    return sizes::sum(ragged() ? sizes::product(rows(), width) : sizes::sum(between, width), sequences);
  }
};

// A view of PyTorch's (T, B, E) data, batch_first = False.
template <class S>
Sequences<S> from_seq_first(const S* data, Index length, Index batch, Index width) {
  Sequences<S> view(data, batch, length, width);
  view.row_stride = sizes::product(batch, width);
  view.batch_stride = width;
  return view;
}

// Rows of numbers that a result owns (or has from the caller), with the shape of the call.
template <class S>
class Tensor {
 public:
  // Grows through `memory`; null: it has none until a call gives it the layer's.
  explicit Tensor(const Memory* memory = nullptr) noexcept : values_(memory), starts_(memory) {}
  // Caller memory, never grown: a call that needs more answers result_too_small.
  explicit Tensor(std::span<S> caller_memory) noexcept : values_(caller_memory) {}

  // Sequences in the batch.
  Index batch() const noexcept { return batch_; }
  // Rows of the longest sequence.
  Index length() const noexcept { return length_; }
  // Values in a row.
  Index width() const noexcept { return width_; }
  // Sequences have lengths of their own.
  bool ragged() const noexcept { return ragged_; }
  // The number of rows of sequence b.
  Index length_of(Index b) const { return ragged_ ? starts_[b + 1] - starts_[b] : length_; }
  // The number of rows of all sequences.
  Index rows() const { return ragged_ ? starts_[batch_] : batch_ * length_; }
  // All values, row after row, sequence after sequence.
  const S* data() const noexcept { return values_.data(); }
  S* data() noexcept { return values_.data(); }
  // The same as a span.
  std::span<const S> span() const noexcept { return values_.span(); }
  // (T, E) of sequence b. A view: it lives as long as this tensor.
  MatrixView<S> matrix(Index b = 0) const& {
    return MatrixView<S>(values_.data() + (ragged_ ? starts_[b] : b * length_) * width_, length_of(b), width_);
  }
  template <class... I>
  void matrix(I...) const&& {
    VITRINE_DANGLING(I...);
  }
  // Of ragged sequences; empty otherwise.
  std::span<const Index> lengths() const noexcept {
    return ragged_ ? std::span<const Index>{starts_.data() + batch_ + 1, std::size_t(batch_)}
                   : std::span<const Index>{};
  }

  Tensor(Tensor&& other) noexcept : Tensor() { *this = static_cast<Tensor&&>(other); }
  Tensor& operator=(Tensor&& other) noexcept {
    values_ = static_cast<Buffer<S>&&>(other.values_), starts_ = static_cast<Buffer<Index>&&>(other.starts_);
    batch_ = other.batch_, length_ = other.length_, width_ = other.width_, ragged_ = other.ragged_;
    if (this != &other) other.clear();
    return *this;
  }

  // result_too_small or out_of_memory when there is no memory for so many values, bad_shape when an extent is negative;
  // then it is as it was.
  Status resize(Index batch, Index length, Index width) noexcept {
    if ((batch | length | width) < 0) return {Status::bad_shape, "a tensor's extents must not be negative"};
    return reshape(batch, length, width);
  }
  // The shape of `like`, with `width` columns; errors as resize.
  Status resize_like(const Sequences<S>& like, Index width) noexcept {
    if (!like.ragged()) return reshape(like.batch, like.length, width);
    if (Status s = values_.resize(sizes::product(like.rows(), width)); s != Status::ok) return s;
    if (Status s = starts_.resize(sizes::sum(sizes::product(2, like.batch), 1)); s != Status::ok) {
      clear();
      return s;
    }
    ragged_ = true;
    batch_ = like.batch, length_ = like.length, width_ = width;
    starts_[0] = 0;
    for (Index b = 0; b < batch_; ++b) {
      starts_[batch_ + 1 + b] = like.lengths[std::size_t(b)];
      starts_[b + 1] = starts_[b] + like.lengths[std::size_t(b)];
    }
    return {};
  }
  // Of ragged sequences: the row where each begins, and where all end; null otherwise.
  const Index* starts() const noexcept { return ragged_ ? starts_.data() : nullptr; }
  // Where to grow, for a tensor that has neither memory nor a Memory yet.
  void use(const Memory* memory) noexcept { values_.use(memory), starts_.use(memory); }
  // Values that fit without another allocation.
  Index capacity() const noexcept { return values_.capacity(); }

 private:
  friend struct Sequences<S>;
  Status reshape(Index batch, Index length, Index width) noexcept {
    const Index values = sizes::product(batch, length, width > 0 ? width : 1);  // rows are counted, too
    if (Status s = values_.resize(width > 0 || values == sizes::largest ? values : 0); s != Status::ok) return s;
    ragged_ = false;
    batch_ = batch, length_ = length, width_ = width;
    return {};
  }
  void clear() noexcept { batch_ = length_ = width_ = 0, ragged_ = false; }
  Buffer<S> values_;
  Buffer<Index> starts_;  // of ragged sequences: the row where each begins and where all end, then the lengths
  Index batch_ = 0, length_ = 0, width_ = 0;
  bool ragged_ = false;
};

template <class S>
Sequences<S>::Sequences(const Tensor<S>& t) : Sequences(t.data(), t.batch(), t.length(), t.width()) {
  lengths = t.lengths();
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
