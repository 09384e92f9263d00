// Embedding: rows of a table by number; nn.Embedding. The table may be the panels of a tied output projection.
#pragma once
#include <vitrine/core/heap.hpp>
#include <vitrine/core/views.hpp>
#include <vitrine/run/module.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

namespace detail {

// out[c] = factor * table[row][c], from either layout.
template <class S>
void embed_row(const Parameter<S>& table, Index row, S factor, S* out) {
  if (const StoredWeight<S>* const stored = table.stored_as.get()) {
    stored->read(table, row, 0, table.cols, out);
    for (Index c = 0; c < table.cols; ++c) out[c] = mul(out[c], factor);
    return;
  }
  const S* from = table.values.data() + table.at(row, 0, table.panel);
  const Index step = table.panel == 0 ? 1 : kernels::panel_width<S>;
  for (Index c = 0; c < table.cols; ++c) out[c] = factor == S(1) ? from[c * step] : mul(from[c * step], factor);
}

}  // namespace detail

// A table (num_embeddings, embedding_dim) of rows, one for each id: ids (B, T) to rows (B, T, E); nn.Embedding.
template <class S>
class Embedding : public Module<Embedding<S>, S> {
 public:
  // Not loaded until vt::load, bind or init; values and fresh results come from `memory`.
  Embedding(Index num_embeddings, Index embedding_dim, const Memory* memory = heap()) : Module<Embedding, S>(memory) {
    weight_.rows = num_embeddings, weight_.cols = embedding_dim;
  }

  // As Module's: bad_config, out_of_memory.
  Status check_config() const noexcept {
    if (weight_.rows > 0 && weight_.cols > 0) return {};
    return {Status::bad_config, "num_embeddings and embedding_dim must be positive",
            weight_.rows < weight_.cols ? weight_.rows : weight_.cols};
  }
  // ids: batch x length numbers below num_embeddings; y: (batch, length, embedding_dim). Allocates only to grow y.
  // bad_config, bad_shape (names an id out of range), not_loaded, result_too_small, out_of_memory.
  Status forward_into(Tensor<S>& y, std::span<const Index> ids, Index batch, Index length) const noexcept {
    if (Status s = check_config(); s != Status::ok) return s;
    if (Status s = this->check_loaded(); s != Status::ok) return s;
    if (batch < 0 || length < 0 || Index(ids.size()) != sizes::product(batch, length))
      return {Status::bad_shape, "there must be batch x length ids", Index(ids.size()), sizes::product(batch, length)};
    for (Index id : ids)
      if (id < 0 || id >= weight_.rows)
        return {Status::bad_shape, "an id is not in the embedding table", id, weight_.rows, Status::below};
    y.use(this->memory());
    if (Status s = y.resize(batch, length, weight_.cols); s != Status::ok) return s;
    for (std::size_t i = 0; i < ids.size(); ++i)
      detail::embed_row(weight_, ids[i], S(1), y.data() + Index(i) * weight_.cols);
    return {};
  }
#if VITRINE_EXCEPTIONS
  // The same with a fresh result from memory(). Throws StatusError.
  Tensor<S> operator()(std::span<const Index> ids, Index batch, Index length) const {
    Tensor<S> y(this->memory());
    throw_if_failed(forward_into(y, ids, batch, length));
    return y;
  }
#endif
  template <class Self, class F>
  static void visit_parameters(Self& self, detail::NamePath& path, F& visit) {
    detail::visit_parameter(visit, path, "weight", self.weight_);
  }

 private:
  Parameter<S> weight_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
