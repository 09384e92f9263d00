// Checkpoint folders: every family that vitrine opens, called, generated from, scored, and stepped through.
//
// Which there are, vt::find_model knows; what a family can do follows from what its class is.
#pragma once
#include <vitrine/generate/generate.hpp>
#include <vitrine/io/checkpoint.hpp>
#include <vitrine/models/gpt2.hpp>

#include "layers.hpp"

namespace vitrine_python {
namespace {

using K = AnyKeep;

inline vt::Tokens tokens_of(const Ids& ids) { return {ids.ids.data(), ids.batch, ids.length}; }

// Sequences one after another.
struct Packed {
  std::vector<Index> ids = {}, lengths = {};
  explicit Packed(const Lists& sequences) {
    for (const std::vector<Index>& one : sequences) {
      ids.insert(ids.end(), one.begin(), one.end());
      lengths.push_back(Index(one.size()));
    }
  }
  vt::Tokens tokens() const { return {std::span<const Index>(ids), std::span<const Index>(lengths)}; }
};

template <class R>
class ModelResult : public Result {
 public:
  std::vector<Entry> entries() const override {
    std::vector<Entry> all;
    add_output(all, "output", result.output);
    add_maps<float>(all, "self_attn", result.self_attn, true);
    add_maps<float>(all, "cross_attn", result.cross_attn, true);
    if constexpr (requires { result.hidden; }) add_output(all, "hidden", result.hidden);
    if constexpr (requires { result.pooled; }) add_output(all, "pooled", result.pooled);
    if constexpr (requires { result.encoder; }) {
      add_output(all, "encoder.output", result.encoder.output);
      add_maps<float>(all, "encoder.self_attn", result.encoder.self_attn, true);
    }
    return all;
  }
  R result;
};

// What a search found, of models with an encoder.
class FoundTargets : public Sequences {
 public:
  Index sources() const override { return Index(found.hypotheses.size()); }
  std::vector<Sequence> of(Index source) const override {
    std::vector<Sequence> all;
    for (const auto& one : found.hypotheses.at(std::size_t(source))) {
      Sequence& s = all.emplace_back(Sequence{one.ids, one.score, one.log_probs});
      add_maps<float>(s.entries, "self_attn", one.self_attn, true, 0);
      add_maps<float>(s.entries, "cross_attn", one.cross_attn, true, 0);
      add_maps<float>(s.entries, "encoder.self_attn", found.encoder.self_attn, true, source);
      add_output(s.entries, "encoder.output", found.encoder.output, source);
    }
    return all;
  }
  vt::Generated<K, float> found;
};
// What continues prompts.
class FoundContinuations : public Sequences {
 public:
  Index sources() const override { return Index(found.size()); }
  std::vector<Sequence> of(Index source) const override {
    std::vector<Sequence> all;
    for (const auto& one : found.at(std::size_t(source))) {
      Sequence& s = all.emplace_back(Sequence{one.ids, one.score, one.log_probs});
      add_maps<float>(s.entries, "self_attn", one.self_attn, true, 0);
    }
    return all;
  }
  std::vector<std::vector<vt::CausalHypothesis<K, float>>> found;
};

inline double sum_of(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += double(value);
  return sum;
}
template <class R>
Sequence scored_sequence(const R& result, const std::vector<float>& log_probs, Index b) {
  Sequence s{{}, sum_of(log_probs), log_probs};
  add_output(s.entries, "output", result.output, b);
  add_maps<float>(s.entries, "self_attn", result.self_attn, true, b);
  add_maps<float>(s.entries, "cross_attn", result.cross_attn, true, b);
  if constexpr (requires { result.encoder; }) {
    add_maps<float>(s.entries, "encoder.self_attn", result.encoder.self_attn, true, b);
    add_output(s.entries, "encoder.output", result.encoder.output, b);
  }
  return s;
}
class ScoredTargets : public Sequences {
 public:
  Index sources() const override { return Index(scored.log_probs.size()); }
  std::vector<Sequence> of(Index b) const override {
    return {scored_sequence(scored.result, scored.log_probs.at(std::size_t(b)), b)};
  }
  vt::Scored<K, float> scored;
};
class ScoredContinuations : public Sequences {
 public:
  Index sources() const override { return Index(scored.size()); }
  std::vector<Sequence> of(Index b) const override {
    const auto& one = scored.at(std::size_t(b));
    return {scored_sequence(one.result, one.log_probs[0], 0)};
  }
  std::vector<vt::CausalScored<K, float>> scored;
};

template <class R>
class StepResult : public Result {
 public:
  std::vector<Entry> entries() const override {
    std::vector<Entry> all;
    add_output(all, "output", result.output);
    add_maps<float>(all, "self_attn", result.self_attn, true);
    // Sources of different lengths: one map for each sequence.
    bool ragged = false;
    if constexpr (requires { result.cross_attn.batch(); }) {
      for (Index b = 1; b < result.cross_attn.batch(); ++b)
        ragged = ragged || result.cross_attn.memory_length(b) != result.cross_attn.memory_length(0);
      if (ragged) {
        for (Index b = 0; b < result.cross_attn.batch(); ++b)
          add_maps<float>(all, "cross_attn.of", result.cross_attn, true, b);
        return all;
      }
    }
    add_maps<float>(all, "cross_attn", result.cross_attn, true);
    return all;
  }
  R result;
};

// Steps of a model, which must outlive them.
template <class S>
class StepsOf : public Steps {
 public:
  template <class M, class Begin>
  StepsOf(std::shared_ptr<const M> model, int threads, const vt::DecodingOptions& options, Begin&& begin)
      : owner_(model), workspace_(vt::heap(), threads), steps_(*model, workspace_, options) {
    begin(steps_);
  }
  std::shared_ptr<Result> step(const std::vector<Index>& ids, const Keep& keep) override {
    const std::lock_guard lock(mutex_);
    return with_maps(keep, [&](const AnyKeep& policy) -> std::shared_ptr<Result> {
      auto made = std::make_shared<StepResult<typename S::template Result<AnyKeep>>>();
      vt::throw_if_failed(steps_.next_into(made->result, ids, policy));
      return made;
    });
  }
  void reorder(const std::vector<Index>& parents) override {
    const std::lock_guard lock(mutex_);
    vt::throw_if_failed(steps_.reorder(parents));
  }
  Index rows() const override { return steps_.hypotheses(); }

 private:
  std::shared_ptr<const void> owner_;
  std::mutex mutex_;
  vt::Workspace workspace_;
  S steps_;
};

// What all kinds of models have; M is the class whose calls they are.
template <class M>
class ModelOf : public Model {
 public:
  ModelOf(std::shared_ptr<const M> model, const char* model_type) : model_(std::move(model)), model_type_(model_type) {}

  std::shared_ptr<Result> call(const ModelCall& call) const override {
    return workspaces_.use(call.threads, [&](vt::Workspace& workspace) {
      return with_keep(call.keep, [&](const AnyKeep& keep) {
        vt::Mask<float> padding = mask<float>(call.mask, model_->encoder().config().layer.nhead);
        if (!call.source.lengths.empty()) padding = padding & vt::key_lengths(call.source.lengths);
        return run(call, padding, workspace, keep);
      });
    });
  }
  std::shared_ptr<Sequences> generate(const Lists&, const std::string&, const Keep&, int,
                                      const std::function<void()>&) const override {
    return refuse("generates nothing");
  }
  std::shared_ptr<Sequences> score(const Lists&, const Lists&, const Keep&, int) const override {
    return refuse("scores no targets");
  }
  std::shared_ptr<Steps> steps(const Lists&, Index, Index, int) const override { return refuse("has no steps"); }
  ModelInfo info() const override {
    ModelInfo info;
    info.model_type = model_type_;
    if constexpr (requires { model_->vocab_size(); })
      info.vocab_size = model_->vocab_size(), info.max_length = model_->max_length();
    if constexpr (requires { model_->config().pad_token_id; }) info.pad_token_id = model_->config().pad_token_id;
    info.encoder_layers = model_->encoder().config().num_layers;
    info.layers = info.encoder_layers, info.heads = model_->encoder().config().layer.nhead;
    return info;
  }

 protected:
  virtual std::shared_ptr<Result> run(const ModelCall& call, const vt::Mask<float>& padding, vt::Workspace& workspace,
                                      const AnyKeep& keep) const = 0;
  // A call whose result has the type R.
  template <class R, class... Arguments>
  std::shared_ptr<Result> finish(vt::Workspace& workspace, const Arguments&... arguments) const {
    auto made = std::make_shared<ModelResult<R>>();
    vt::throw_if_failed(model_->forward_into(made->result, workspace, arguments...));
    return made;
  }
  std::nullptr_t refuse(const char* what) const {
    throw std::invalid_argument(std::string("vitrine: ") + model_type_ + " is an encoder, which " + what);
  }

  std::shared_ptr<const M> model_;
  const char* model_type_;
  Workspaces workspaces_;
};

// Bert, DistilBert, ...: one text in, its hidden states out.
template <class M>
class EncoderModel : public ModelOf<M> {
 public:
  using ModelOf<M>::ModelOf;
  ModelInfo info() const override {
    ModelInfo info = ModelOf<M>::info();
    info.kind = "encoder";
    return info;
  }

 private:
  using Own = std::conditional_t<std::is_same_v<vt::PooledTextEncoder<float>, M>, vt::PooledTextEncoderResult<K, float>,
                                 vt::TextEncoderResult<K, float>>;
  std::shared_ptr<Result> run(const ModelCall& call, const vt::Mask<float>& padding, vt::Workspace& workspace,
                              const AnyKeep& keep) const override {
    vt::TextEncoderMasks<float> masks{padding};
    masks.token_types = call.token_types;
    return this->template finish<Own>(workspace, tokens_of(call.source), masks, keep);
  }
};

// Vit: images in, hidden states of their patches out.
class ImageModel : public ModelOf<vt::Vit<float>> {
 public:
  using ModelOf::ModelOf;
  ModelInfo info() const override {
    ModelInfo info = ModelOf::info();
    const vt::VitConfig& c = model_->config();
    info.kind = "image", info.image_size = {c.num_channels, c.image_height, c.image_width};
    return info;
  }

 private:
  std::shared_ptr<Result> run(const ModelCall& call, const vt::Mask<float>&, vt::Workspace& workspace,
                              const AnyKeep& keep) const override {
    const Operand& given = call.pixels;
    const vt::Images<float> images{static_cast<const float*>(given.data), given.batch, given.heads, given.length,
                                   given.width};
    return finish<vt::VitResult<K, float>>(workspace, images, vt::VitMasks<float>{}, keep);
  }
};

// What generates: search, teacher forcing and steps, by the folder's generation options.
template <class M>
class GeneratingModel : public ModelOf<M> {
 public:
  GeneratingModel(std::shared_ptr<const M> model, const char* model_type, const std::filesystem::path& folder)
      : ModelOf<M>(std::move(model), model_type), generation_(vt::read_generation_config(folder)) {}
  ModelInfo info() const override {
    ModelInfo info = ModelOf<M>::info();
    info.decoder_start_token_id = generation_.decoder_start_token_id;
    info.eos_token_ids = generation_.eos_token_ids;
    info.pad_of_search = generation_.pad_token_id;
    if (info.pad_token_id < 0) info.pad_token_id = info.pad_of_search;
    return info;
  }
  std::shared_ptr<Sequences> generate(const Lists& sources, const std::string& options, const Keep& keep, int threads,
                                      const std::function<void()>& on_step) const override {
    const vt::ConfigFile given(std::string_view(options), std::string("generate()"));
    vt::GenerationConfig config = vt::generation_config(given, generation_);
    config.seed = std::uint64_t(given.integer("seed", 0));  // Transformers has torch.manual_seed instead
    config.on_step = on_step;
    return this->workspaces_.use(threads, [&](vt::Workspace& workspace) {
      return with_maps(keep, [&](const AnyKeep& policy) { return search(sources, config, workspace, policy); });
    });
  }
  std::shared_ptr<Sequences> score(const Lists& sources, const Lists& targets, const Keep& keep,
                                   int threads) const override {
    if (sources.size() != targets.size())
      throw std::invalid_argument("vitrine: score() takes one target for each source (got " +
                                  std::to_string(targets.size()) + ", expected " + std::to_string(sources.size()) +
                                  ")");
    return this->workspaces_.use(threads, [&](vt::Workspace& workspace) {
      return with_keep(keep, [&](const AnyKeep& policy) { return force(sources, targets, workspace, policy); });
    });
  }

 protected:
  virtual std::shared_ptr<Sequences> search(const Lists& sources, const vt::GenerationConfig& config,
                                            vt::Workspace& workspace, const AnyKeep& keep) const = 0;
  virtual std::shared_ptr<Sequences> force(const Lists& sources, const Lists& targets, vt::Workspace& workspace,
                                           const AnyKeep& keep) const = 0;
  vt::GenerationConfig generation_;
};

// Marian, Bart, ...: a source and a target in, the target's logits out.
class Seq2SeqModel : public GeneratingModel<vt::Seq2Seq<float>> {
 public:
  using GeneratingModel::GeneratingModel;
  ModelInfo info() const override {
    ModelInfo info = GeneratingModel::info();
    info.kind = "seq2seq";
    info.layers = model_->decoder().config().num_layers, info.heads = model_->decoder().config().layer.nhead;
    return info;
  }
  std::shared_ptr<Steps> steps(const Lists& sources, Index beams, Index max_length, int threads) const override {
    const Packed packed(sources);
    return std::make_shared<StepsOf<vt::DecodingSteps<float>>>(model_, threads, vt::DecodingOptions{max_length, beams},
                                                               [&](auto& steps) { steps.begin(packed.tokens()); });
  }

 private:
  std::shared_ptr<Result> run(const ModelCall& call, const vt::Mask<float>& padding, vt::Workspace& workspace,
                              const AnyKeep& keep) const override {
    return finish<vt::Seq2SeqResult<K, float>>(workspace, tokens_of(call.source), tokens_of(call.target),
                                               vt::Seq2SeqMasks<float>{padding}, keep);
  }
  std::shared_ptr<Sequences> search(const Lists& sources, const vt::GenerationConfig& config, vt::Workspace& workspace,
                                    const AnyKeep& keep) const override {
    auto made = std::make_shared<FoundTargets>();
    made->found = vt::generate(*model_, workspace, Packed(sources).tokens(), config, keep);
    return made;
  }
  std::shared_ptr<Sequences> force(const Lists& sources, const Lists& targets, vt::Workspace& workspace,
                                   const AnyKeep& keep) const override {
    auto made = std::make_shared<ScoredTargets>();
    made->scored = vt::score(*model_, workspace, Packed(sources).tokens(), targets, generation_, keep);
    return made;
  }
};

// Gpt2, Llama, ...: a text in, the logits of what follows out.
class CausalModel : public GeneratingModel<vt::Causal<float>> {
 public:
  using GeneratingModel::GeneratingModel;
  ModelInfo info() const override {
    ModelInfo info = GeneratingModel::info();
    info.kind = "causal";
    return info;
  }
  std::shared_ptr<Steps> steps(const Lists& prompts, Index beams, Index max_length, int threads) const override {
    if (prompts.size() != 1)
      throw std::invalid_argument("vitrine: steps of a model without an encoder continue one prompt");
    return std::make_shared<StepsOf<vt::CausalSteps<float>>>(model_, threads, vt::DecodingOptions{max_length, beams},
                                                             [&](auto& steps) { steps.begin(prompts[0]); });
  }

 private:
  std::shared_ptr<Result> run(const ModelCall& call, const vt::Mask<float>& padding, vt::Workspace& workspace,
                              const AnyKeep& keep) const override {
    return finish<vt::CausalResult<K, float>>(workspace, tokens_of(call.source), vt::CausalMasks<float>{padding}, keep);
  }
  std::shared_ptr<Sequences> search(const Lists& prompts, const vt::GenerationConfig& config, vt::Workspace& workspace,
                                    const AnyKeep& keep) const override {
    auto made = std::make_shared<FoundContinuations>();
    made->found = vt::generate(*model_, workspace, Packed(prompts).tokens(), config, keep);
    return made;
  }
  std::shared_ptr<Sequences> force(const Lists& prompts, const Lists& targets, vt::Workspace& workspace,
                                   const AnyKeep& keep) const override {
    auto made = std::make_shared<ScoredContinuations>();
    for (std::size_t b = 0; b < prompts.size(); ++b)
      made->scored.push_back(vt::score(*model_, workspace, std::span<const Index>(prompts[b]), {targets[b]}, keep));
    return made;
  }
};

// The folder's model, whose class is M.
template <class M>
std::shared_ptr<Model> open_as(const std::string& folder, vt::Storage weights) {
  const auto model = std::make_shared<const M>(vt::load_model<M>(folder, {.weights = weights}));
  if constexpr (std::is_base_of_v<vt::Seq2Seq<float>, M>)
    return std::make_shared<Seq2SeqModel>(model, M::model_type, folder);
  else if constexpr (std::is_base_of_v<vt::Causal<float>, M>)
    return std::make_shared<CausalModel>(model, M::model_type, folder);
  else if constexpr (std::is_same_v<vt::Vit<float>, M>)
    return std::make_shared<ImageModel>(model, M::model_type);
  else if constexpr (std::is_base_of_v<vt::PooledTextEncoder<float>, M>)
    return std::make_shared<EncoderModel<vt::PooledTextEncoder<float>>>(model, M::model_type);
  else
    return std::make_shared<EncoderModel<vt::TextEncoder<float>>>(model, M::model_type);
}

// The model of the class that the folder's config.json names.
inline std::shared_ptr<Model> load(const std::string& folder, vt::Storage weights) {
  std::shared_ptr<Model> found;
  vt::find_model<float>(folder, [&]<class M>(std::type_identity<M>) { found = open_as<M>(folder, weights); });
  return found;
}
// All model_types that are opened, ", " between them.
inline std::string model_types() {
  std::string known;
  const auto nothing = [](auto) {};
  vt::detail::visit_class<float>("", nothing, known, vt::detail::KnownModels{});
  return known;
}

}  // namespace
}  // namespace vitrine_python
