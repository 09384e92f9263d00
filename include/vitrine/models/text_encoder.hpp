// TextEncoder: token ids through embeddings, a norm and an Encoder; what Bert, DistilBert, Roberta, XlmRoberta and
// Albert have in common.
//
//   auto r = model(tokens);                                       // Tokens: one sequence, padded or ragged
//   auto r = model(padded, {.src_mask = vt::key_lengths(lengths)});
//   r.output: last hidden states (B, T, E)      r.self_attn[layer].matrix(b, h): T x T
//
// Padding: a mask hides padded keys, and padded queries are computed over the keys that are left, as Transformers does.
// A row with no key left has weights 0 here, where Transformers' finite bias makes it uniform.
#pragma once
#include <vitrine/models/encoder.hpp>
#include <vitrine/models/pooler.hpp>
#include <vitrine/models/tokens.hpp>

#include <type_traits>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// Keys of config.json that change a result, by BERT's names.
struct TextEncoderConfig {
  Index vocab_size = 30522, hidden_size = 768;
  Index num_hidden_layers = 12, num_attention_heads = 12, intermediate_size = 3072;
  Index max_position_embeddings = 512;
  Index type_vocab_size = 2;  // 0: no token types
  Activation hidden_act = Activation::gelu;
  double layer_norm_eps = 1e-12;
  bool pooler = true;  // does the checkpoint have one?
  Index pad_token_id = 0;
  // ALBERT's: the width of the embeddings, which a matrix widens (Dynamic: hidden_size, and there is no matrix), and
  // how many groups of inner_group_num layers have values of their own, each used several times in turn (0: all).
  Index embedding_size = Dynamic, num_hidden_groups = 0, inner_group_num = 1;

  // Layers that are computed.
  constexpr Index layers() const { return num_hidden_layers * inner_group_num; }
  // The group of the i-th of num_hidden_layers, rounded as Transformers rounds it.
  constexpr Index group_of(Index i) const {
    return Index(double(i) / (double(num_hidden_layers) / double(num_hidden_groups)));
  }
  // The first layer with the values that layer i has.
  constexpr Index first_layer(Index i) const {
    if (num_hidden_groups <= 0) return i;
    Index first = i / inner_group_num;
    while (first > 0 && group_of(first - 1) == group_of(first)) --first;
    return first * inner_group_num + i % inner_group_num;
  }
};

// What a call may be given.
template <class S>
struct TextEncoderMasks {
  Mask<S> src_mask = {};
  std::span<const S> head_scale = {};       // see EncoderMasks
  std::span<const Index> token_types = {};  // one for each id; empty: all 0
};

// The last hidden states, self_attn, and the embeddings, both (B, T, E).
template <class K, class S>
struct TextEncoderResult : EncoderResult<K, S> {
  Tensor<S> embedded = Tensor<S>{};  // what the first layer saw
  Tensor<S> narrow = Tensor<S>{};    // ALBERT's embeddings before they are widened, (B, T, embedding_size)
};

template <class S>
class TextEncoder : public Module<TextEncoder<S>, S> {
 public:
  // The second argument of a call.
  using Masks = TextEncoderMasks<S>;

  // The configuration.
  const TextEncoderConfig& config() const noexcept { return config_; }
  // The stack behind the embeddings.
  const Encoder<S>& encoder() const noexcept { return encoder_; }
  // The longest sequence of ids that has positions.
  Index max_length() const noexcept { return positions_.rows - places_.offset; }
  // Ids that the embedding knows.
  Index vocab_size() const noexcept { return words_.rows; }

  // Allocates only to grow result and workspace. bad_shape names an id, a token type or a length that the model does
  // not have, not_supported token types where it has none; otherwise as Encoder.
  template <class K = DefaultKeep, class F = NoTrace>
  Status forward_into(TextEncoderResult<K, S>& result, Workspace& workspace, const Tokens& tokens,
                      const Masks& masks = {}, const K& keep = {}, F&& trace = {}) const noexcept {
    if (Status s = check_embedding(tokens, masks.token_types); s != Status::ok) return s;
    if (Status s = embed(tokens, masks.token_types, widened() ? result.narrow : result.embedded, workspace);
        s != Status::ok)
      return s;
    if (widened())
      if (Status s = widen(result, workspace); s != Status::ok) return s;
    detail::show(trace, "embeddings", result.embedded);
    return encoder_.forward_into(result, workspace, result.embedded,
                                 {.src_mask = masks.src_mask, .head_scale = masks.head_scale}, keep,
                                 detail::prefixed("encoder.", trace));
  }
#if VITRINE_EXCEPTIONS
  // The same with fresh results and scratch from memory(). Throws StatusError.
  template <class K = DefaultKeep, class F = NoTrace>
  TextEncoderResult<K, S> operator()(const Tokens& tokens, const Masks& masks = {}, const K& keep = {},
                                     F&& trace = {}) const {
    return this->template fresh<TextEncoderResult<K, S>>(tokens, masks, keep, trace);
  }
#endif

  template <class Self, class F>
  static void visit_parameters(Self& self, detail::NamePath& path, F& visit) {
    using detail::visit_parameter;
    visit_parameter(visit, path, "embeddings.word_embeddings.weight", self.words_);
    visit_parameter(visit, path, "embeddings.position_embeddings.weight", self.positions_);
    visit_parameter(visit, path, "embeddings.token_type_embeddings.weight", self.types_);
    detail::visit_part(self.norm_, "embeddings.LayerNorm.", path, visit);
    visit_parameter(visit, path, "encoder.embedding_hidden_mapping_in.weight", self.widen_weight_);
    visit_parameter(visit, path, "encoder.embedding_hidden_mapping_in.bias", self.widen_bias_);
    visit_layers(self, path, visit);
    detail::visit_part(self.pooler_, "pooler.", path, visit);
  }
  // As Module's: bad_config, out_of_memory.
  Status check_config() const noexcept {
    if (config_.vocab_size <= 0 || config_.hidden_size <= 0 || config_.max_position_embeddings <= 0)
      return {Status::bad_config, "vocab_size, hidden_size and max_position_embeddings must be positive"};
    return encoder_.check_config();
  }

 protected:
  TextEncoder(const TextEncoderConfig& c, const Memory* memory, const detail::Places& places = {}) noexcept
      : Module<TextEncoder, S>(memory),
        config_(c),
        places_(places),
        norm_(embedding_size(), c.layer_norm_eps, true),
        encoder_({{.d_model = c.hidden_size,
                   .nhead = c.num_attention_heads,
                   .dim_feedforward = c.intermediate_size,
                   .activation = c.hidden_act,
                   .layer_norm_eps = c.layer_norm_eps},
                  c.layers(),
                  false},
                 memory) {
    words_ = table(c.vocab_size), positions_ = table(c.max_position_embeddings);
    if (c.type_vocab_size > 0) types_ = table(c.type_vocab_size);
    if (c.pooler) pooler_ = detail::Pooler<S>(c.hidden_size, c.hidden_size);
    if (!widened()) return;
    widen_weight_ = detail::matrix_parameter<S>(c.hidden_size, c.embedding_size);
    widen_bias_ = detail::vector_parameter<S>(c.hidden_size);
  }
  // Null when the checkpoint has none.
  const detail::Pooler<S>* pooler() const noexcept { return pooler_.exists() ? &pooler_ : nullptr; }

 private:
  Parameter<S> table(Index rows) const {
    Parameter<S> p;
    p.rows = rows, p.cols = embedding_size();
    return p;
  }
  bool widened() const noexcept { return config_.embedding_size != Dynamic; }
  Index embedding_size() const noexcept { return widened() ? config_.embedding_size : config_.hidden_size; }
  // Layers with values of their own, by the number of the first place where they stand; then what stands again gets
  // them, from a visitor that may change them.
  template <class Self, class F>
  static void visit_layers(Self& self, detail::NamePath& path, F& visit) {
    auto& layers = self.encoder_.stack_.layers;
    for (Index i = 0; i < layers.size(); ++i) {
      const Index first = self.config_.first_layer(i);
      if (first == i) {
        detail::NamePath::Scope scope(path, "encoder.layers.");
        path.append(i);
        path.append(".");
        detail::EncoderLayerCore<S>::parameters(layers.data()[i], path, visit);
      } else if constexpr (!std::is_const_v<Self>) {
        layers.data()[i] = layers.data()[first];
      }
    }
  }
  Status check_embedding(const Tokens& tokens, std::span<const Index> types) const noexcept {
    if (Status s = check_config(); s != Status::ok) return s;
    if (Status s = this->check_loaded(); s != Status::ok) return s;
    const detail::TokenEmbedding<S> words{.table = &words_, .positions = &positions_, .places = places_};
    if (Status s = words.check(tokens); s != Status::ok || types.empty()) return s;
    const Index rows = tokens.rows();
    if (!types_.exists()) return {Status::not_supported, "this model has no token types"};
    if (Index(types.size()) != rows)
      return {Status::bad_shape, "there must be one token type for each id", Index(types.size()), rows};
    for (Index type : types)
      if (type < 0 || type >= types_.rows)
        return {Status::bad_shape, "a token type is not in its table", type, types_.rows, Status::below};
    return {};
  }
  // embedded = norm((word + token type) + position), each step rounded.
  Status embed(const Tokens& tokens, std::span<const Index> types, Tensor<S>& embedded,
               Workspace& workspace) const noexcept {
    const Index rows = tokens.rows(), width = embedding_size();
    Sequences<S> like(nullptr, tokens.batch, tokens.length, width);
    like.lengths = tokens.lengths;
    embedded.use(this->memory());
    if (Status s = embedded.resize_like(like, width); s != Status::ok) return s;
    S* const out = embedded.data();
    run_team(workspace.threads_for(8 * double(rows) * double(width)), [&](Team& team) {
      const Sequences<S> x(embedded);
      team.split(tokens.batch, [&](Index first, Index last) {
        Index row = 0;
        for (Index b = 0; b < first; ++b) row += x.length_of(b);
        for (Index b = first; b < last; ++b) {
          Index before = 0;
          for (Index t = 0; t < x.length_of(b); ++t, ++row) {
            S* const to = out + row * width;
            detail::embed_row(words_, tokens.ids[row], S(1), to);
            if (types_.exists()) {
              const S* type = types_.values.data() + (types.empty() ? 0 : types[std::size_t(row)]) * width;
              for (Index c = 0; c < width; ++c) to[c] += type[c];
            }
            const S* position = positions_.values.data() + places_.row(tokens.ids[row], before) * width;
            for (Index c = 0; c < width; ++c) to[c] += position[c];
            before += Index(places_.counts(tokens.ids[row]));
          }
        }
      });
      team.barrier();
      team.split(rows, [&](Index first, Index last) {
        const detail::Rows<S> own(out + first * width, last - first, width);
        norm_(own, own);
      });
    });
    return {};
  }

  // result.embedded (B, T, E) = W narrow + b.
  template <class K>
  Status widen(TextEncoderResult<K, S>& result, Workspace& workspace) const noexcept {
    result.embedded.use(this->memory());
    return detail::multiply_rows(workspace, widen_weight_, widen_bias_, result.narrow, result.embedded);
  }

  TextEncoderConfig config_;
  detail::Places places_;
  Parameter<S> words_, positions_, types_, widen_weight_, widen_bias_;
  detail::Pooler<S> pooler_;
  detail::NormCore<S> norm_;
  Encoder<S> encoder_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
