// Token ids in, rows of embeddings out, x = norm(factor * table[id] + positions[t + offset]): what every model that
// reads text begins with.
//
//   Tokens   a view of ids: (B, T) with padding, or ragged ones, sequence after sequence
#pragma once
#include <vitrine/core/views.hpp>
#include <vitrine/layers/embedding.hpp>
#include <vitrine/layers/layer_norm.hpp>
#include <vitrine/run/rows_call.hpp>

namespace vitrine::inline VITRINE_ABI {

// The caller keeps ids and lengths alive for the call.
struct Tokens {
  const Index* ids = nullptr;
  Index batch = 1, length = 0;          // length: of the longest
  std::span<const Index> lengths = {};  // of ragged ids

  Tokens() = default;
  // One sequence.
  Tokens(std::span<const Index> sequence) : ids(sequence.data()), length(Index(sequence.size())) {}
  // (B, T), padding included: it is computed like everything else and kept out by masks.
  Tokens(const Index* padded, Index batch_size, Index padded_length)
      : ids(padded), batch(batch_size), length(padded_length) {}
  // Sequences one after another: no padding is computed.
  Tokens(std::span<const Index> packed, std::span<const Index> lengths_of)
      : ids(packed.data()), batch(Index(lengths_of.size())), lengths(lengths_of) {
    for (Index l : lengths) length = l > length ? l : length;
  }

  // Sequences have lengths of their own.
  bool ragged() const { return !lengths.empty(); }
  // The number of ids of sequence b.
  Index length_of(Index b) const { return ragged() ? lengths[std::size_t(b)] : length; }
  // The number of ids of all sequences.
  Index rows() const {
    if (!ragged()) return batch * length;
    Index sum = 0;
    for (Index l : lengths) sum += l;
    return sum;
  }
};

namespace detail {

// One side's embeddings, each step rounded.
template <class S>
struct TokenEmbedding {
  const Parameter<S>*table = nullptr, *positions = nullptr;
  const NormCore<S>* norm = nullptr;  // null: none
  S factor = S(1);
  Index offset = 0;

  Index width() const { return table->cols; }
  Index longest() const { return positions->rows - offset; }
  void row(Index id, Index t, S* out) const {
    const Index columns = width();
    embed_row(*table, id, factor, out);
    const S* position = positions->values.data() + (t + offset) * columns;
    for (Index c = 0; c < columns; ++c) out[c] = out[c] + position[c];
    const Rows<S> one(out, 1, columns);
    if (norm != nullptr) (*norm)(one, one);
  }
  Status check(const Tokens& tokens) const {
    if (tokens.batch < 0 || tokens.length < 0)
      return {Status::bad_shape, "a batch of tokens must not have negative extents", tokens.batch};
    for (Index l : tokens.lengths)
      if (l < 0) return {Status::bad_shape, "a sequence of tokens must not have a negative length", l};
    if (tokens.length > longest())
      return {Status::bad_shape, "a sequence is longer than the model's positions (max_position_embeddings)",
              tokens.length, longest()};
    const Index rows = tokens.rows();
    if (tokens.ids == nullptr && rows > 0) return {Status::bad_shape, "there are tokens but no ids"};
    for (Index i = 0; i < rows; ++i)
      if (tokens.ids[i] < 0 || tokens.ids[i] >= table->rows)
        return {Status::bad_shape, "an id is not in the embedding table", tokens.ids[i], table->rows};
    return {};
  }
  // The embeddings of all rows into `out`, which gets the shape of `tokens`.
  Status all(const Tokens& tokens, Tensor<S>& out, const Memory* memory) const noexcept {
    if (Status s = check(tokens); s != Status::ok) return s;
    out.use(memory);
    Sequences<S> like(nullptr, tokens.batch, tokens.length, width());
    like.lengths = tokens.lengths;
    if (Status s = out.resize_like(like, width()); s != Status::ok) return s;
    Index at = 0;
    for (Index b = 0; b < tokens.batch; ++b)
      for (Index t = 0; t < tokens.length_of(b); ++t, ++at) row(tokens.ids[at], t, out.data() + at * width());
    return {};
  }
};

// logits (B, T, V) = hidden W^T + bias; W the output matrix or the tied embedding.
template <class S>
Status project_logits(Workspace& workspace, const Parameter<S>& weight, const Parameter<S>& bias,
                      const Tensor<S>& hidden, Tensor<S>& logits) noexcept {
  const Index width = hidden.width();
  const RowsWork<S> work{weight.rows, double(width) * double(weight.rows), {.depth = width}};
  return run_rows(logits, workspace, Sequences<S>(hidden), work, [&](auto& block, const auto& x, const auto& y) {
    Operand<S> from(x);
    block.linear(nullptr, from, {weight, bias}, y);
  });
}

}  // namespace detail

}  // namespace vitrine::inline VITRINE_ABI
