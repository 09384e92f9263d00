// Token ids in, rows of embeddings out, x = norm(factor * table[id] + positions[place]): what every model that reads
// text begins with. The place is t + offset; in some families padding ids take none (Places).
//
//   Tokens   a view of ids: (B, T) with padding, or ragged ones, sequence after sequence
#pragma once
#include <vitrine/core/views.hpp>
#include <vitrine/layers/embedding.hpp>
#include <vitrine/layers/layer_norm.hpp>
#include <vitrine/layers/positional_encoding.hpp>
#include <vitrine/run/rows_call.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// The caller keeps ids and lengths alive for the call.
struct Tokens {
  const Index* ids = nullptr;
  Index batch = 1, length = 0;          // length: of the longest
  std::span<const Index> lengths = {};  // of ragged ids
  Index given = Status::unset;          // of ragged ids: how many there are, which the lengths must sum to

  Tokens() = default;
  // One sequence.
  Tokens(std::span<const Index> sequence) : ids(sequence.data()), length(Index(sequence.size())) {}
  // (B, T), padding included: it is computed like everything else and kept out by masks.
  Tokens(const Index* padded, Index batch_size, Index padded_length)
      : ids(padded), batch(batch_size), length(padded_length) {}
  // Sequences one after another: no padding is computed.
  Tokens(std::span<const Index> packed, std::span<const Index> lengths_of)
      : ids(packed.data()), batch(Index(lengths_of.size())), lengths(lengths_of), given(Index(packed.size())) {
    for (Index l : lengths) length = l > length ? l : length;
  }

  // Sequences have lengths of their own.
  bool ragged() const { return !lengths.empty(); }
  // The number of ids of sequence b.
  Index length_of(Index b) const { return ragged() ? lengths[std::size_t(b)] : length; }
  // The number of ids of all sequences.
  Index rows() const {
    if (!ragged()) return sizes::product(batch, length);
    Index all = 0;
    for (Index l : lengths) all = sizes::sum(all, l);
    return all;
  }
};

namespace detail {

// bad_shape for extents and lengths that make no sense, or not these ids.
inline Status check_extents(const Tokens& tokens) noexcept {
  if (tokens.batch < 0 || tokens.length < 0)
    return {Status::bad_shape, "a batch of tokens must not have negative extents", tokens.batch};
  for (Index l : tokens.lengths)
    if (l < 0) return {Status::bad_shape, "a sequence of tokens must not have a negative length", l};
  const Index rows = tokens.rows();
  if (tokens.given != Status::unset && rows != tokens.given)
    return {Status::bad_shape, "the lengths of ragged tokens must sum to the number of ids", rows, tokens.given};
  if (sizes::bytes_of<Index>(rows) == std::size_t(sizes::largest))
    return {Status::bad_shape, "there are more tokens than any memory holds", rows};
  if (tokens.ids == nullptr && rows > 0) return {Status::bad_shape, "there are tokens but no ids"};
  return {};
}

// Which rows of the table of positions the ids of a sequence take: id t takes row t + offset. Where a padding id is
// given, that id takes the row of its own number, and the others count on without it (fairseq's make_positions).
struct Places {
  Index offset = 0, padding = -1;
  // fairseq's: the first id stands behind the padding's row.
  static constexpr Places behind(Index padding_id) { return {sizes::sum(padding_id, 1), padding_id}; }
  bool counts(Index id) const { return id != padding; }
  // The row of an id behind `before` others that count.
  Index row(Index id, Index before) const { return counts(id) ? offset + before : padding; }
};

// One side's embeddings, each step rounded.
template <class S>
struct TokenEmbedding {
  const Parameter<S>*table = nullptr, *positions = nullptr;  // positions null: the layers know them
  const NormCore<S>* norm = nullptr;                         // null: none
  S factor = S(1);
  Places places = {};
  Index most = 0;          // the longest sequence; 0: what the table of positions has
  Sinusoid sinusoid = {};  // what goes on behind the table where `most` is more

  Index width() const { return table->cols; }
  Index longest() const { return most > 0 ? most : positions->rows - places.offset; }
  void row(Index id, Index before, S* out) const {
    const Index columns = width();
    embed_row(*table, id, factor, out);
    if (positions != nullptr) {
      const Index at = places.row(id, before);
      if (at < positions->rows) {
        const S* position = positions->values.data() + at * columns;
        for (Index c = 0; c < columns; ++c) out[c] = out[c] + position[c];
      } else {
        for (Index c = 0; c < columns; ++c)
          out[c] = out[c] + S(float(detail::sinusoid(at, sinusoid_term(c, columns, sinusoid))));
      }
    }
    const Rows<S> one(out, 1, columns);
    if (norm != nullptr) (*norm)(one, one);
  }
  Status check(const Tokens& tokens) const {
    if (Status s = check_extents(tokens); s != Status::ok) return s;
    if (tokens.length > longest())
      return {Status::bad_shape, "a sequence is longer than the model's positions (max_position_embeddings)",
              tokens.length, longest(), Status::at_most};
    for (Index i = 0, rows = tokens.rows(); i < rows; ++i)
      if (tokens.ids[i] < 0 || tokens.ids[i] >= table->rows)
        return {Status::bad_shape, "an id is not in the embedding table", tokens.ids[i], table->rows, Status::below};
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
    for (Index b = 0; b < tokens.batch; ++b) {
      Index before = 0;
      for (Index t = 0; t < tokens.length_of(b); ++t, ++at) {
        row(tokens.ids[at], before, out.data() + at * width());
        before += Index(places.counts(tokens.ids[at]));
      }
    }
    return {};
  }
};

// What follows the last layer: logits = cap(factor * hidden W^T + bias), W the output matrix or the tied embedding.
template <class S>
struct LogitsHead {
  const Parameter<S>* weight = nullptr;
  const Parameter<S>* bias = nullptr;
  S factor = S(1), softcap = S(0);

  Index width() const { return weight->rows; }
  RowsWork<S> work() const {
    return {width(), double(weight->rows) * double(weight->cols), {.hidden = weight->cols, .depth = weight->cols}};
  }
  // Rows of a block. Does not wait.
  template <class Trace>
  void operator()(const Runner<S, Trace>& block, Rows<const S> hidden, const Rows<S>& logits) const {
    if (factor != S(1)) {
      const Rows<S> scaled = block.hidden(hidden.width);
      block.split([&](Index first, Index last) {
        for (Index r = first; r < last; ++r)
          for (Index c = 0; c < hidden.width; ++c)
            scaled.data[r * scaled.stride + c] = mul(hidden.data[r * hidden.stride + c], factor);
      });
      block.wait();
      hidden = scaled;
    }
    Operand<S> from(hidden);
    Affine<S> affine(*weight);
    if (bias != nullptr && bias->exists()) affine.bias = bias->vector();
    block.linear(nullptr, from, affine, logits);
    if (softcap == S(0)) return;
    block.wait();
    block.split([&](Index first, Index last) {
      for (Index r = first; r < last; ++r)
        kernels::detail::cap_row(logits.data + r * logits.stride, logits.width, softcap, logits.width);
    });
  }
};
// Logits (B, T, V) of hidden states (B, T, E), in a call of their own.
template <class S>
Status project_logits(Workspace& workspace, const LogitsHead<S>& head, const Tensor<S>& hidden,
                      Tensor<S>& logits) noexcept {
  return run_rows(logits, workspace, Sequences<S>(hidden), head.work(),
                  [&](auto& block, const auto& x, const auto& y) { head(block, x, y); });
}
// y (B, T, V) = x W^T + bias of each row.
template <class S>
Status multiply_rows(Workspace& workspace, const Parameter<S>& weight, const Parameter<S>& bias, const Tensor<S>& x,
                     Tensor<S>& y) noexcept {
  return project_logits(workspace, LogitsHead<S>{&weight, &bias}, x, y);
}

}  // namespace detail

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
