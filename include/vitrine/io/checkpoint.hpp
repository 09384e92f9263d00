// A Hugging Face checkpoint folder (config.json and model.safetensors, one file or shards) to one of our models.
//
//   auto model = vt::load_model<vt::Marian<float>>("opus-mt-en-de");
//   auto small = vt::load_model<vt::Marian<float>>("opus-mt-en-de", {.weights = vt::Storage::int8});
//   vt::find_model<float>(folder, []<class M>(std::type_identity<M>) { ... vt::load_model<M>(folder) ... });
//
// With or without the prefix of a model with a head ("model.", "bert.", ...); F16 and BF16 are widened. As in
// Transformers, the tensors of a task's head (a classifier, ...) are left out, and an embedding or an output matrix
// that is stored beside the one to which the configuration ties it, and differs, is used as it is; a line on stderr
// tells.
#pragma once
#include <concepts>
#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>
#include <vitrine/io/causal_checkpoint.hpp>
#include <vitrine/io/config.hpp>
#include <vitrine/io/load.hpp>
#include <vitrine/io/safetensors.hpp>
#include <vitrine/io/t5_config.hpp>
#include <vitrine/io/text_checkpoint.hpp>
#include <vitrine/io/vit_checkpoint.hpp>
#include <vitrine/models/bart.hpp>
#include <vitrine/models/m2m100.hpp>
#include <vitrine/models/marian.hpp>
#include <vitrine/models/mbart.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// How a model's values are kept once they are read, and who is told of what.
struct ModelOptions {
  Storage weights = Storage::f32;  // of the weights of products, an embedding that is one of them included
  Remark remark = remark_on_stderr;
};

/// M is the class of a family with this scalar, Marian<float>, Llama<double>, ...: examples/loading.md has all, and
/// examples/numerics.md what another storage of weights costs. Memory: the model's packed values; the file is mapped
/// and given back piece by piece; another storage takes, while it loads, the values in float and one weight more.
/// Throws Error: config_mismatch for another kind of model, bad_usage for weights that the storage cannot hold (see
/// Module::store_weights), and what ConfigFile, SafeTensors and load throw.
template <class M>
M load_model(const std::filesystem::path& folder, const ModelOptions& options = {});

/// The same with float weights: `remark` is called with each remark, a std::string_view.
template <class M, std::invocable<std::string_view> R>
M load_model(const std::filesystem::path& folder, R&& remark) {
  return load_model<M>(folder, ModelOptions{.remark = std::forward<R>(remark)});
}

/// Calls visit(std::type_identity<M>()) with the class M, over the scalar S, of the family that a folder's config.json
/// is of: `architectures`, else `model_type`, as Transformers' AutoModel. Throws Error: config_unsupported for a family
/// that is not known, and what ConfigFile throws.
template <class S, class Visit>
void find_model(const std::filesystem::path& folder, Visit&& visit);

namespace detail {

/// Replaces the first `from` in `text`, if it is there.
inline bool replace_first(std::string& text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  if (at == text.npos) return false;
  text.replace(at, from.size(), to);
  return true;
}

/// Our name of one of Seq2Seq's parameters to Transformers' names, without "model.".
inline std::vector<std::string> seq2seq_tensors(std::string name) {
  const bool decoder = name.starts_with("decoder.");
  replace_first(name, ".multihead_attn.", ".encoder_attn.");
  if (name.find(".layers.") != name.npos) {
    replace_first(name, ".linear1.", ".fc1.") || replace_first(name, ".linear2.", ".fc2.") ||
        replace_first(name, ".norm1.", ".self_attn_layer_norm.") ||
        replace_first(name, ".norm2.", decoder ? ".encoder_attn_layer_norm." : ".final_layer_norm.") ||
        replace_first(name, ".norm3.", ".final_layer_norm.");
  } else if (name.starts_with("encoder.norm.") || name.starts_with("decoder.norm.")) {
    replace_first(name, ".norm.", ".layer_norm.");
  }
  for (const char* kind : {"weight", "bias"}) {
    const std::string packed = concat("in_proj_", kind);
    if (!name.ends_with(packed)) continue;
    const std::string before = name.substr(0, name.size() - packed.size());
    return {before + "q_proj." + kind, before + "k_proj." + kind, before + "v_proj." + kind};
  }
  return {name};
}

/// Which tensors a sequence-to-sequence model's three matrices of words are. Those that are stored and differ from what
/// the configuration ties them to are matrices of their own, as in Transformers.
class WordMatrices {
 public:
  std::string shared = {}, encoder, decoder, head = "lm_head.weight";  // tensors' names

  WordMatrices(Seq2SeqConfig& config, const SafeTensors& file, const std::string& body)
      : encoder(body + "encoder.embed_tokens.weight"), decoder(body + "decoder.embed_tokens.weight"), file_(file) {
    const std::string stored = body + "shared.weight";
    if (config.share_encoder_decoder_embeddings) {
      for (const std::string& one : {stored, decoder, encoder, head})
        if (shared.empty() && file.contains(one)) shared = one;
      if (shared.empty()) shared = stored;
      for (std::string* table : {&encoder, &decoder})
        if (!file.contains(*table)) *table = shared;
      const bool own_encoder = differ(encoder, shared), own_decoder = differ(decoder, shared);  // both are told of
      if (own_encoder || own_decoder) {
        config.share_encoder_decoder_embeddings = false;
        config.decoder_vocab_size = config.vocab_size;
      }
    }
    if (!config.tie_word_embeddings) return;
    const std::string& tied = shared == stored ? shared : decoder;
    if (!file.contains(head)) head = tied;
    config.tie_word_embeddings =
        !differ(head, tied) && (config.share_encoder_decoder_embeddings || same(tied, decoder));
  }

  /// The tensor of a model's parameter; null: it is none of them.
  const std::string* of(std::string_view parameter) const {
    if (parameter == "shared.weight") return &shared;
    if (parameter == "encoder.embed_tokens.weight") return &encoder;
    if (parameter == "decoder.embed_tokens.weight") return &decoder;
    return parameter == "lm_head.weight" ? &head : nullptr;
  }
  /// Is the tensor one of them, in use or a copy of one that is?
  bool contains(const std::string& tensor) const {
    return tensor == encoder || tensor == decoder || tensor == head || tensor == shared || tensor == "lm_head.weight";
  }
  void tell(const Remark& remark) const {
    for (const auto& [one, other] : different_)
      if (remark)
        remark(concat(file_.file(), ": ", in_quotes(one), " differs from ", in_quotes(other),
                      ", to which the configuration ties it, and is used as it is"));
  }

 private:
  bool same(const std::string& one, const std::string& other) const {
    const TensorView *first = file_.find(one), *second = file_.find(other);
    return first == second || first == nullptr || second == nullptr || equal_values(*first, *second);
  }
  bool differ(const std::string& one, const std::string& other) {
    if (same(one, other)) return false;
    different_.emplace_back(one, other);
    return true;
  }

  const SafeTensors& file_;
  std::vector<std::pair<std::string, std::string>> different_ = {};
};

/// Sinusoids are computed before the tensors are compared, and no tensor has their number of rows.
inline void require_modest_positions(const Seq2SeqConfig& config, const SafeTensors& file, std::size_t scalar_bytes,
                                     const ConfigFile& config_file) {
  std::size_t bytes = std::size_t{16} << 20;
  for (const TensorView& tensor : file.tensors()) bytes += tensor.nbytes;
  const auto values = std::size_t(config.max_position_embeddings) * std::size_t(config.d_model);
  if (values > bytes / scalar_bytes)
    config_file.fail(LoadError::config_bad_value,
                     concat("\"max_position_embeddings\" ", config.max_position_embeddings, " of \"d_model\" ",
                            config.d_model, " would take more memory than the whole checkpoint"));
}

template <class M>
M load_seq2seq(const std::filesystem::path& folder, LoadOptions options) {
  const ConfigFile config_file(folder / "config.json");
  Seq2SeqConfig config = seq2seq_config(config_file, M::model_type);
  const SafeTensors file(folder);
  // MarianModel and BartModel, the bodies without a head, are stored without "model.".
  const std::string body = file.contains("encoder.layers.0.fc1.weight") ? "" : "model.";
  config.final_logits_bias = file.contains("final_logits_bias");
  const std::string_view type = M::model_type;
  config.stored_positions = type != "m2m_100" && file.contains(body + "encoder.embed_positions.weight");
  if (type == "m2m_100" || (type == "marian" && !config.stored_positions))
    require_modest_positions(config, file, sizeof(typename M::Scalar), config_file);

  const WordMatrices words(config, file, body);
  options.source = [&](const std::string& name) -> Source {
    if (const std::string* word = words.of(name)) return {{*word}};
    if (name == "final_logits_bias") return {{name}};
    Source source{seq2seq_tensors(name)};
    for (std::string& tensor : source.tensors) tensor.insert(0, body);
    return source;
  };
  options.ignored = [&](const std::string& tensor) {
    return words.contains(tensor) || tensor.ends_with("encoder.version") || tensor.ends_with("decoder.version") ||
           (type == "m2m_100" && tensor.ends_with(".embed_positions.weights"));  // sinusoids, which are computed
  };
  options.left_out = [&](const std::string& tensor) {
    return !is_part(tensor, body, {"shared.", "encoder.", "decoder."}) ||
           is_later_layer(tensor, body + "encoder.layers.", config.encoder_layers) ||
           is_later_layer(tensor, body + "decoder.layers.", config.decoder_layers);
  };
  M model(config);
  load(model, file, "", options);
  words.tell(options.remark);
  return model;
}

/// Our name of one of T5's parameters to Transformers' names.
inline std::vector<std::string> t5_tensors(const std::string& name, bool gated) {
  const std::string side = name.substr(0, name.find('.') + 1);
  if (name == concat(side, "norm.weight")) return {concat(side, "final_layer_norm.weight")};
  const std::size_t begin = side.size() + 7, dot = name.find('.', begin);  // behind "layers."
  const std::string part = name.substr(dot + 1),
                    block = concat(side, "block.", name.substr(begin, dot - begin), ".layer.");
  const bool decoder = side == "decoder.";
  const std::string last = concat(block, decoder ? "2." : "1."), dense = concat(last, "DenseReluDense.");
  if (part == "norm1.weight") return {concat(block, "0.layer_norm.weight")};
  if (part == "norm2.weight") return {concat(block, "1.layer_norm.weight")};
  if (part == "norm3.weight") return {concat(last, "layer_norm.weight")};
  if (part == "linear2.weight") return {dense + "wo.weight"};
  if (part == "linear1.weight" && gated) return {dense + "wi_0.weight", dense + "wi_1.weight"};
  if (part == "linear1.weight") return {dense + "wi.weight"};
  const bool cross = part.starts_with("multihead_attn.");
  const std::string attention = concat(block, cross ? "1.EncDecAttention." : "0.SelfAttention.");
  const std::string own = part.substr(part.find('.') + 1);
  if (own == "in_proj_weight") return {attention + "q.weight", attention + "k.weight", attention + "v.weight"};
  if (own == "out_proj.weight") return {attention + "o.weight"};
  if (own.ends_with("_proj_weight")) return {concat(attention, own.substr(0, 1), ".weight")};
  return {attention + own};
}

template <class M>
M load_t5(const std::filesystem::path& folder, LoadOptions options) {
  const ConfigFile config_file(folder / "config.json");
  T5Config config = std::string_view(M::model_type) == "mt5" ? mt5_config(config_file) : t5_config(config_file);
  const SafeTensors file(folder);
  Seq2SeqConfig tables{.vocab_size = config.vocab_size};
  const WordMatrices words(tables, file, "");
  config.share_encoder_decoder_embeddings = tables.share_encoder_decoder_embeddings;
  config.tie_word_embeddings = tables.tie_word_embeddings;
  options.source = [&](const std::string& name) -> Source {
    if (const std::string* word = words.of(name)) return {{*word}};
    return {t5_tensors(name, config.is_gated_act)};
  };
  options.ignored = [&](const std::string& tensor) {
    return words.contains(tensor) ||
           tensor.ends_with("EncDecAttention.relative_attention_bias.weight");  // of old files
  };
  options.left_out = [&](const std::string& tensor) {
    return !is_part(tensor, "", {"shared.", "encoder.", "decoder."}) ||
           is_later_layer(tensor, "encoder.block.", config.num_layers) ||
           is_later_layer(tensor, "decoder.block.", config.num_decoder_layers);
  };
  M model(config);
  load(static_cast<Seq2Seq<typename M::Scalar>&>(model), file, "", options);
  words.tell(options.remark);
  return model;
}

// All that load_model knows.
template <template <class> class...>
struct ModelTemplates {};
using KnownModels = ModelTemplates<Marian, Bart, MBart, M2M100, T5, MT5, Bert, DistilBert, Roberta, XlmRoberta, Albert,
                                   Vit, Gpt2, Llama, Mistral, Qwen2, Qwen3, Gemma2, GptNeoX>;

/// Visits the class of that model_type; false when there is none, and `known` then lists them.
template <class S, class Visit, template <class> class... M>
bool visit_class(std::string_view type, Visit& visit, std::string& known, ModelTemplates<M...>) {
  const auto is = [&]<class One>(std::type_identity<One> one) {
    known += concat(known.empty() ? "" : ", ", One::model_type);
    if (type == One::model_type) visit(one);
    return type == One::model_type;
  };
  return (is(std::type_identity<M<S>>{}) || ...);
}

}  // namespace detail

template <class S, class Visit>
void find_model(const std::filesystem::path& folder, Visit&& visit) {
  const ConfigFile file(folder / "config.json");
  const KnownFamily* family = family_of(file);
  const std::string type = family == nullptr ? file.text("model_type", "") : family->names->model_type;
  std::string known;
  if (!detail::visit_class<S>(type, visit, known, detail::KnownModels{}))
    file.fail(LoadError::config_unsupported,
              detail::concat("\"model_type\" is ", detail::in_quotes(type), ", none of ", known));
}

namespace detail {

template <class M>
M load_float_model(const std::filesystem::path& folder, LoadOptions options) {
  using S = typename M::Scalar;
  if constexpr (std::is_base_of_v<TextEncoder<S>, M>)
    return load_text_encoder<M>(folder, std::move(options));
  else if constexpr (std::is_same_v<Gpt2<S>, M>)
    return load_gpt2<M>(folder, std::move(options));
  else if constexpr (std::is_same_v<Vit<S>, M>)
    return load_vit<M>(folder, std::move(options));
  else if constexpr (std::is_base_of_v<Causal<S>, M>)
    return load_causal<M>(folder, std::move(options));
  else if constexpr (std::is_base_of_v<T5<S>, M>)
    return load_t5<M>(folder, std::move(options));
  else
    return load_seq2seq<M>(folder, std::move(options));
}

}  // namespace detail

template <class M>
M load_model(const std::filesystem::path& folder, const ModelOptions& options) {
  M model = detail::load_float_model<M>(folder, {.remark = options.remark});
  if (const Status status = model.store_weights(options.weights); status != Status::ok)
    throw Error(status == Status::out_of_memory ? LoadError::out_of_memory : LoadError::bad_usage, folder.string(),
                StatusError(status).what());
  return model;
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
