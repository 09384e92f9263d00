// A folder with a checkpoint of an encoder and a decoder (Marian, Bart, MBart, M2M100), opened: model, tokens,
// generation options, and teacher forcing of many lines in bounded memory.
#pragma once
#ifdef __linux__
#include <malloc.h>
#endif
#include <algorithm>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>
#include <vitrine/corpus/batches.hpp>
#include <vitrine/corpus/reader.hpp>
#include <vitrine/generate/generate.hpp>
#include <vitrine/io/checkpoint.hpp>

class Seq2SeqFolder {
 public:
  using Index = vitrine::Index;
  using Model = vitrine::Seq2Seq<float>;

  // max_new_tokens 0: what the folder says, and without a word there as many as the model has positions for.
  Seq2SeqFolder(const std::filesystem::path& folder, bool json, Index max_new_tokens, Index threads,
                vitrine::Storage weights = vitrine::Storage::f32)
      : model_(load(folder, weights)),
        config_(generation(folder, max_new_tokens)),
        reader_(folder, {.json = json,
                         .end = config_.eos_token_ids.front(),
                         .longest = model_->most_ids(),
                         .source_ids = model_->config().vocab_size,
                         .target_ids = model_->vocab_size()}),
        workspace_(vitrine::heap(), int(threads)) {
#ifdef __GLIBC__
    // A search's caches are megabytes that come and go with every batch. Left to itself glibc soon takes such blocks
    // from its heap, which they break into pieces: a long pool cost up to 100 MB more than a short one.
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
  }

  const Model& model() const { return *model_; }
  const vitrine::corpus::Reader& reader() const { return reader_; }
  // Greedy search; a copy may ask for more.
  const vitrine::GenerationConfig& config() const { return config_; }
  vitrine::Workspace& workspace() { return workspace_; }
  bool is_end(Index id) const { return config_.is_end(id); }
  // How many there are but for an end mark.
  Index words(const std::vector<Index>& ids) const { return Index(config_.without_end(ids).size()); }
  Index layers() const { return model_->decoder().config().num_layers; }
  Index heads() const { return model_->decoder().config().layer.nhead; }

  // From here on so many calls of greedy and force at once, or fewer: how many, each with its share of the threads.
  Index share(Index calls) {
    const Index workers = std::clamp<Index>(calls, 1, workspace_.threads());
    const int each = int(workspace_.threads() / workers);
    if (each != each_) free_.clear();
    each_ = each;
    return workers;
  }

  // The ids that greedy search finds for each source.
  std::vector<std::vector<Index>> greedy(const vitrine::Tokens& sources) {
    std::vector<std::vector<Index>> found;
    Lease lease(*this);
    for (auto& hypotheses : vitrine::generate(*model_, lease.workspace(), sources, config_))
      found.push_back(std::move(hypotheses[0].ids));
    return found;
  }

  // The same with what the search is to keep of its maps: the bits of one more pass over what was found.
  template <class K>
  vitrine::Generated<K, float> greedy(const vitrine::Tokens& sources, const K& keep) {
    Lease lease(*this);
    return vitrine::generate(*model_, lease.workspace(), sources, config_, keep);
  }
  // Do the cross-attentions of that search stay below 128 MB, however long the targets become?
  bool keeps_search(const vitrine::Tokens& sources) const {
    return vitrine::sizes::product(sources.rows(), config_.limit(), layers() * heads()) <= most;
  }

  // One pass over a given target.
  template <class K>
  vitrine::Scored<K, float> score(const std::vector<Index>& source, const std::vector<Index>& target, const K& keep) {
    return vitrine::score(*model_, workspace_, vitrine::Tokens(source), {target}, config_, keep);
  }

  // One pass over given targets. f(i, scored, b): source i is sequence b of `scored`. Lines are taken together as far
  // as maps and logits stay below 128 MB; no number depends on that.
  template <class K, class F>
  void force(const std::vector<const std::vector<Index>*>& sources, const std::vector<std::vector<Index>>& targets,
             const K& keep, const vitrine::Seq2SeqMasks<float>& masks, F&& f) {
    for (std::size_t first = 0, last = 0; first < sources.size(); first = last) {
      vitrine::corpus::Packed packed;
      std::vector<std::vector<Index>> chosen;
      for (Index values = 0; last < sources.size(); ++last) {
        const Index source = Index(sources[last]->size()), target = Index(targets[last].size());
        values += target * (model_->vocab_size() + layers() * heads() * (source + target));
        if (last > first && values > most) break;
        packed.add(*sources[last]);
        chosen.push_back(targets[last]);
      }
      Lease lease(*this);
      const auto scored = vitrine::score(*model_, lease.workspace(), packed.tokens(), chosen, config_, keep, masks);
      for (std::size_t i = first; i < last; ++i) f(i, scored, Index(i - first));
    }
  }

 private:
  // A workspace that no other thread uses.
  class Lease {
   public:
    explicit Lease(Seq2SeqFolder& owner) : owner_(owner) {
      if (owner.each_ != owner.workspace_.threads()) own_ = owner.taken();
    }
    ~Lease() {
      if (!own_) return;
      const std::lock_guard lock(owner_.mutex_);
      owner_.free_.push_back(std::move(own_));
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    vitrine::Workspace& workspace() { return own_ ? *own_ : owner_.workspace_; }

   private:
    Seq2SeqFolder& owner_;
    std::unique_ptr<vitrine::Workspace> own_;
  };
  std::unique_ptr<vitrine::Workspace> taken() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<vitrine::Workspace>(vitrine::heap(), each_);
    auto found = std::move(free_.back());
    free_.pop_back();
    return found;
  }
  static std::unique_ptr<Model> load(const std::filesystem::path& folder, vitrine::Storage weights) {
    std::unique_ptr<Model> model;
    vitrine::find_model<float>(folder, [&]<class M>(std::type_identity<M>) {
      if constexpr (std::is_base_of_v<Model, M>)
        model = std::make_unique<M>(vitrine::load_model<M>(folder, {.weights = weights}));
      else
        throw vitrine::Error(vitrine::LoadError::config_unsupported, folder.string(),
                             std::string("is of the family ") + M::model_type + ", which has no encoder and decoder");
    });
    return model;
  }
  vitrine::GenerationConfig generation(const std::filesystem::path& folder, Index max_new_tokens) const {
    vitrine::GenerationConfig g = vitrine::read_generation_config(folder);
    std::error_code failed;
    const std::filesystem::path own = folder / "generation_config.json";
    const vitrine::ConfigFile file(std::filesystem::exists(own, failed) ? own : folder / "config.json");
    if (!file.has("max_length") && !file.has("max_new_tokens")) g.max_length = model_->max_length() + 1;
    if (max_new_tokens > 0) g.max_new_tokens = max_new_tokens;
    g.num_beams = g.num_return_sequences = 1;
    if (g.limit() > model_->most_ids() + 1)
      throw std::invalid_argument((max_new_tokens > 0 ? "--max-new-tokens is" : "the folder's generation length is") +
                                  std::string(" more than the model's ") + std::to_string(model_->most_ids()) +
                                  " positions" + (max_new_tokens > 0 ? "" : "; give --max-new-tokens"));
    if (g.eos_token_ids.empty()) file.fail(vitrine::LoadError::config_bad_value, "has no \"eos_token_id\"");
    for (const Index end : g.eos_token_ids)
      if (end < 0 || end >= model_->vocab_size())
        file.fail(vitrine::LoadError::config_bad_value, "\"eos_token_id\" is " + std::to_string(end) +
                                                            "; the model's ids are below " +
                                                            std::to_string(model_->vocab_size()));
    vitrine::throw_if_failed(vitrine::check(g, model_->vocab_size()));
    return g;
  }

  static constexpr Index most = Index{1} << 25;  // values of maps and logits at a time

  std::unique_ptr<Model> model_;
  vitrine::GenerationConfig config_;
  vitrine::corpus::Reader reader_;
  vitrine::Workspace workspace_;
  int each_ = workspace_.threads();  // threads of a call, where several run at once
  std::mutex mutex_;
  std::vector<std::unique_ptr<vitrine::Workspace>> free_;
};
