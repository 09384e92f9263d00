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

namespace vitrine::inline VITRINE_ABI {

template <class S>
class Tensor;

// A view of packed rows (sum of lengths, width) with the length of each sequence. The caller keeps both alive.
template <class S>
struct Ragged {
  const S* data = nullptr;
  Index width = 0;
  std::span<const Index> lengths = {};
  // Rows (sum of lengths, columns) from a pointer, or from a row-major matrix.
  Ragged(const S* packed, Index columns, std::span<const Index> lengths_of)
      : data(packed), width(columns), lengths(lengths_of) {}
  template <class D>
  Ragged(const Eigen::PlainObjectBase<D>& packed, std::span<const Index> lengths_of)
      : Ragged(packed.data(), packed.cols(), lengths_of) {
    static_assert(D::IsRowMajor,
                  "vitrine: an Eigen input must be RowMajor (Eigen::Matrix<S, Dynamic, Dynamic, Eigen::RowMajor>)");
  }
};
template <class D>
Ragged(const Eigen::PlainObjectBase<D>&, std::span<const Index>) -> Ragged<typename D::Scalar>;

// A view of B sequences of T rows of E values: what every call takes. The caller keeps the values alive and unchanged
// for the call.
template <class S>
struct Sequences {
  const S* data = nullptr;
  Index batch = 1, length = 0, width = 0;
  Index row_stride = 0, batch_stride = 0;
  std::span<const Index> lengths = {};  // of ragged rows; then length is the longest and batch_stride is not used

  Sequences() = default;
  // (B, T, E), contiguous.
  Sequences(const S* p, Index b, Index t, Index e)
      : data(p), batch(b), length(t), width(e), row_stride(e), batch_stride(t * e) {}
  // One sequence: a row-major matrix, a row-major block or map with its row stride, ragged rows, or an earlier result's
  // output.
  template <class D>
  Sequences(const Eigen::PlainObjectBase<D>& m) : Sequences(m.data(), 1, m.rows(), m.cols()) {
    static_assert(D::IsRowMajor,
                  "vitrine: an Eigen input must be RowMajor (Eigen::Matrix<S, Dynamic, Dynamic, Eigen::RowMajor>)");
  }
  template <class D>
  Sequences(const Eigen::MapBase<D, Eigen::ReadOnlyAccessors>& m) : Sequences(m.data(), 1, m.rows(), m.cols()) {
    static_assert(D::IsRowMajor,
                  "vitrine: an Eigen input must be RowMajor (Eigen::Matrix<S, Dynamic, Dynamic, Eigen::RowMajor>)");
    row_stride = m.rowStride();
  }
  Sequences(const Ragged<S>& r)
      : data(r.data), batch(Index(r.lengths.size())), width(r.width), row_stride(r.width), lengths(r.lengths) {
    for (Index l : lengths) length = l > length ? l : length;
  }
  Sequences(const Tensor<S>& t);

  // Sequences have lengths of their own.
  bool ragged() const { return !lengths.empty(); }
  // The number of rows of all sequences.
  Index rows() const {
    if (!ragged()) return batch * length;
    Index sum = 0;
    for (Index l : lengths) sum += l;
    return sum;
  }
  // The number of rows of sequence b.
  Index length_of(Index b) const { return ragged() ? lengths[std::size_t(b)] : length; }
  // Rows stand one after another, sequence after sequence.
  bool contiguous() const { return row_stride == width && (ragged() || batch <= 1 || batch_stride == length * width); }
};

// A view of PyTorch's (T, B, E) data, batch_first = False.
template <class S>
Sequences<S> from_seq_first(const S* data, Index length, Index batch, Index width) {
  Sequences<S> view(data, batch, length, width);
  view.row_stride = batch * width;
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

  // result_too_small or out_of_memory when there is no memory for so many values; then it is as it was.
  Status resize(Index batch, Index length, Index width) noexcept {
    if (Status s = values_.resize(batch * length * width); s != Status::ok) return s;
    ragged_ = false;
    batch_ = batch, length_ = length, width_ = width;
    return {};
  }
  // The shape of `like`, with `width` columns; errors as resize.
  Status resize_like(const Sequences<S>& like, Index width) noexcept {
    if (!like.ragged()) return resize(like.batch, like.length, width);
    if (Status s = values_.resize(like.rows() * width); s != Status::ok) return s;
    if (Status s = starts_.resize(2 * like.batch + 1); s != Status::ok) {
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
