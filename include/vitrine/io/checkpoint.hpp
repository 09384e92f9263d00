// A Hugging Face checkpoint folder (config.json and model.safetensors, one file or shards) to one of our models.
//
//   auto model = vt::load_model<vt::Marian<float>>("opus-mt-en-de");
//
// With or without the prefix of a model with a head ("model.", "bert.", ...); F16 and BF16 are widened; tied tensors
// that are stored twice must be equal. Throws Error: what ConfigFile, SafeTensors and load throw.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>
#include <vitrine/io/config.hpp>
#include <vitrine/io/load.hpp>
#include <vitrine/io/safetensors.hpp>
#include <vitrine/io/text_checkpoint.hpp>
#include <vitrine/models/bart.hpp>
#include <vitrine/models/marian.hpp>

namespace vitrine::inline VITRINE_ABI {

/// M is Marian<S>, Bart<S>, Bert<S>, DistilBert<S> or Gpt2<S>. Memory: the model's packed values; the file is mapped
/// and given back piece by piece. Throws Error: config_mismatch for another kind of model, and what ConfigFile,
/// SafeTensors and load throw.
template <class M>
M load_model(const std::filesystem::path& folder);

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
  }
  for (const char* kind : {"weight", "bias"}) {
    const std::string packed = concat("in_proj_", kind);
    if (!name.ends_with(packed)) continue;
    const std::string before = name.substr(0, name.size() - packed.size());
    return {before + "q_proj." + kind, before + "k_proj." + kind, before + "v_proj." + kind};
  }
  return {name};
}

template <class M>
M load_seq2seq(const std::filesystem::path& folder) {
  const ConfigFile config_file(folder / "config.json");
  Seq2SeqConfig config = seq2seq_config(config_file, M::model_type);
  const SafeTensors file(folder);
  // MarianModel and BartModel, the bodies without a head, are stored without "model.".
  const std::string body = file.contains("encoder.layers.0.fc1.weight") ? "" : "model.";
  config.final_logits_bias = file.contains("final_logits_bias");
  config.stored_positions = file.contains(body + "encoder.embed_positions.weight");
  if (std::string_view(M::model_type) == "marian" && !config.stored_positions) {
    // Sinusoids are computed before the tensors are compared, and no tensor has their number of rows.
    std::size_t bytes = std::size_t{16} << 20;
    for (const TensorView& tensor : file.tensors()) bytes += tensor.nbytes;
    const auto values = std::size_t(config.max_position_embeddings) * std::size_t(config.d_model);
    if (values > bytes / sizeof(typename M::Scalar))
      config_file.fail(LoadError::config_bad_value,
                       concat("\"max_position_embeddings\" ", config.max_position_embeddings, " of \"d_model\" ",
                              config.d_model, " would take more memory than the whole checkpoint"));
  }

  LoadOptions options;
  const std::string encoder_table = body + "encoder.embed_tokens.weight",
                    decoder_table = body + "decoder.embed_tokens.weight", head = "lm_head.weight";
  std::string shared = body + "shared.weight";
  if (config.share_encoder_decoder_embeddings) {
    if (!file.contains(shared))
      for (const std::string& other : {encoder_table, decoder_table, head})
        if (file.contains(other)) shared = other;
    for (const std::string& other : {body + "shared.weight", encoder_table, decoder_table})
      if (other != shared) options.tied.emplace_back(other, shared);
    if (config.tie_word_embeddings && head != shared) options.tied.emplace_back(head, shared);
  } else if (config.tie_word_embeddings) {
    options.tied.emplace_back(head, decoder_table);
  }
  options.source = [&](const std::string& name) -> Source {
    if (name == "shared.weight") return {{shared}};
    if (name == "final_logits_bias" || name == "lm_head.weight") return {{name}};
    Source source{seq2seq_tensors(name)};
    for (std::string& tensor : source.tensors) tensor.insert(0, body);
    return source;
  };
  options.ignored = [](const std::string& tensor) {
    return tensor.ends_with("encoder.version") || tensor.ends_with("decoder.version");
  };
  M model(config);
  load(model, file, "", options);
  return model;
}

}  // namespace detail

template <class M>
M load_model(const std::filesystem::path& folder) {
  using S = typename M::Scalar;
  if constexpr (std::is_base_of_v<TextEncoder<S>, M>)
    return detail::load_text_encoder<M>(folder);
  else if constexpr (std::is_same_v<Gpt2<S>, M>)
    return detail::load_gpt2<M>(folder);
  else
    return detail::load_seq2seq<M>(folder);
}

}  // namespace vitrine::inline VITRINE_ABI
