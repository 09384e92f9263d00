// Times the translation of a source by a model of opus-mt's kind (Marian), under one policy of keeping attention.
#include "flags.hpp"
#include "measure.hpp"

#include <vitrine/generate/generate.hpp>
#include <vitrine/models/marian.hpp>

#include <iostream>
#include <optional>

namespace {

using namespace bench;

constexpr const char* about =
    "decode: times the translation of random ids by a model of Marian's kind with random weights (SiLU, sinusoids, "
    "tied\n"
    "embeddings), for exactly --steps tokens. One JSON object on stdout; of several policies of --keep, which are\n"
    "timed in turn, {\"results\": [one for each]}.\n"
    "\n"
    "--beams 1   the encoder, then greedy steps of DecodingSteps; with maps each step has its own result, so that all\n"
    "            of them are there at the end. All is reused between calls\n"
    "--beams N   vt::generate with the maps of the best hypothesis of each source, kept as it runs (statistics and\n"
    "            top8, which no search keeps: vt::score for it afterwards)\n"
    "\n"
    "median_ms      a whole call, encoder included\n"
    "ms_per_step    the call without the encoder and the reading of its output, divided by the steps\n"
    "read_gbps      bytes of weights that a step must read (decoder layers without the projections of the encoder's\n"
    "               output, the output matrix once), divided by that time; caches are not counted\n"
    "gflops         2 for each multiply-add of a call, encoder and all beams included, over median_ms\n"
    "peak_gflops    fused multiply-adds in registers, --threads threads: the best bursts before and after the timing\n"
    "tile_gflops    the same for the micro-kernel alone, its operands in the first-level cache\n"
    "search_share   of the time of all steps, what is neither a step of the model (the product of the logits "
    "included)\n"
    "               nor the reordering of its cache: log-softmax, the choice of ids, beams; of a search of its own "
    "after\n"
    "               the timing, vt::generate's. reorder_share: the reordering\n"
    "peak_read_gbps   reading a buffer of that size on --threads threads: the best of many passes, after the timing\n"
    "\n"
    "The check: logits and maps of the last step (with beams: the scores and maps of the hypotheses) must be those "
    "that\n"
    "the model gives with the whole target at once, the logits and maps bit for bit, and vt::generate must choose the\n"
    "same ids.\n"
    "\n"
    "usage: decode [flags]";

struct Options {
  Index d_model = 512, nhead = 8, dim_feedforward = 2048, encoder_layers = 6, decoder_layers = 6, vocab = 32000;
  Index batch = 1, source_length = 32, steps = 32, beams = 1;
  Index threads = vt::default_threads(), repetitions = 9, seed = 1;
  std::vector<std::string> keep{"weights"}, map_storage{"f32"}, scalar{"float"}, weights{"f32"};
};

template <class S>
struct Work {
  vt::Marian<S> model;
  std::vector<Index> source;
  Options options;
  Index start;

  vt::Tokens tokens() const { return vt::Tokens(source.data(), options.batch, options.source_length); }
  vt::GenerationConfig generation() const {
    vt::GenerationConfig config;
    config.num_beams = options.beams;
    config.max_new_tokens = options.steps;
    config.decoder_start_token_id = start;  // and no end: exactly `steps` tokens
    return config;
  }
};

// Steps of a search, timed.
template <class Steps>
struct TimedSteps {
  Steps& steps;
  double next_seconds = 0, reorder_seconds = 0;

  template <class R, class K>
  vt::Status next_into(R& result, std::span<const Index> ids, const K& keep) {
    const double begin = seconds_now();
    const vt::Status status = steps.next_into(result, ids, keep);
    next_seconds += seconds_now() - begin;
    return status;
  }
  vt::Status reorder(std::span<const Index> parents) {
    const double begin = seconds_now();
    const vt::Status status = steps.reorder(parents);
    reorder_seconds += seconds_now() - begin;
    return status;
  }
};
struct Shares {
  double search = 0, reorder = 0;
};

template <class S>
class Case : public Timed {
 public:
  using Timed::Timed;
  virtual double step_milliseconds() const = 0;
  virtual std::size_t kept() const = 0;
  virtual std::vector<std::vector<Index>> ids() const = 0;  // of each source
  virtual bool check() = 0;
  virtual Shares shares() = 0;  // of the time of all steps
};

// What a search of generate() spends beside the steps of the model.
template <class S, class K>
Shares shares_of(const Work<S>& work, vt::Workspace& workspace, vt::DecodingSteps<S>& steps, const K& keep) {
  const vt::GenerationConfig config = work.generation();
  const std::vector<std::vector<Index>> starts(std::size_t(work.options.batch), {work.start});
  std::vector<double> search, reorder;
  for (int i = 0; i < 5; ++i) {
    vt::EncoderResult<K, S> encoder;
    vt::throw_if_failed(steps.begin_into(encoder, work.tokens(), keep));
    vt::detail::StepMaps<vt::DecoderResult<K, S>> kept;
    TimedSteps<vt::DecodingSteps<S>> timed{steps};
    const double begin = seconds_now();
    (void)vt::detail::search<S>(timed, {starts, work.options.vocab, config, workspace}, keep, kept);
    const double all = seconds_now() - begin;
    search.push_back((all - timed.next_seconds - timed.reorder_seconds) / all);
    reorder.push_back(timed.reorder_seconds / all);
  }
  return {median(search), median(reorder)};
}

// A search keeps it, or there is nothing to keep.
template <class K, class S>
inline constexpr bool searched =
    std::is_same_v<K, vt::keep::Nothing> || vt::detail::is_map<typename K::template map<S, 0>>;

template <class S, class K>
class Greedy final : public Case<S> {
 public:
  Greedy(std::string policy, const Work<S>& work, K keep)
      : Case<S>(std::move(policy)),
        work_(work),
        keep_(keep),
        workspace_(vt::heap(), int(work.options.threads)),
        steps_(work.model, workspace_, {.max_length = work.options.steps}),
        results_(keeps ? std::size_t(work.options.steps) : 1),
        ids_(std::size_t(work.options.batch * (work.options.steps + 1)), work.start) {
    step_ms_.reserve(std::size_t(work.options.repetitions) + 2);
  }
  vt::Status run() override {
    const Index batch = work_.options.batch, vocab = work_.options.vocab;
    if (vt::Status s = steps_.begin_into(encoder_, work_.tokens(), keep_); s != vt::Status::ok) return s;
    const double begin = seconds_now();
    for (Index t = 0; t < work_.options.steps; ++t) {
      auto& result = results_[keeps ? std::size_t(t) : 0];
      const Index* last = ids_.data() + t * batch;
      if (vt::Status s = steps_.next_into(result, {last, std::size_t(batch)}, keep_); s != vt::Status::ok) return s;
      vt::run_team(int(work_.options.threads), [&](vt::Team& team) {
        team.for_each(batch, [&](Index b) {
          ids_[std::size_t((t + 1) * batch + b)] = vt::argmax(result.output.data() + b * vocab, vocab);
        });
      });
    }
    step_ms_.push_back((seconds_now() - begin) * 1e3 / double(work_.options.steps));
    return {};
  }
  double step_milliseconds() const override {
    const auto timed = std::ptrdiff_t(this->milliseconds.size());
    return median({step_ms_.end() - timed, step_ms_.end()});
  }
  std::size_t kept() const override {
    std::size_t bytes = kept_bytes(encoder_.self_attn);
    for (const auto& result : results_) bytes += kept_bytes(result.self_attn) + kept_bytes(result.cross_attn);
    return bytes;
  }
  std::vector<std::vector<Index>> ids() const override {
    std::vector<std::vector<Index>> all(std::size_t(work_.options.batch));
    for (std::size_t i = all.size(); i < ids_.size(); ++i) all[i % all.size()].push_back(ids_[i]);
    return all;
  }
  bool check() override {
    const Index batch = work_.options.batch, vocab = work_.options.vocab, steps = work_.options.steps;
    std::vector<Index> target;  // what the steps were given, sequence by sequence
    for (Index b = 0; b < batch; ++b)
      for (Index t = 0; t < steps; ++t) target.push_back(ids_[std::size_t(t * batch + b)]);
    vt::Seq2SeqResult<K, S> whole;
    if (work_.model.forward_into(whole, workspace_, work_.tokens(), vt::Tokens(target.data(), batch, steps), {},
                                 keep_) != vt::Status::ok)
      return false;
    const auto& last = results_.back();
    bool same = true;
    for (Index b = 0; b < batch; ++b)
      same = same && std::memcmp(last.output.data() + b * vocab, whole.output.data() + ((b + 1) * steps - 1) * vocab,
                                 std::size_t(vocab) * sizeof(S)) == 0;
    if constexpr (keeps)
      for (Index layer = 0; layer < work_.options.decoder_layers; ++layer)
        for (Index b = 0; b < batch; ++b)
          for (Index h = 0; h < last.self_attn.heads(); ++h)
            same = same && same_row(last.self_attn, whole.self_attn, layer, b, h) &&
                   same_row(last.cross_attn, whole.cross_attn, layer, b, h);
    return same && same_as_generate();
  }
  Shares shares() override {
    if constexpr (searched<K, S>)
      return shares_of(work_, workspace_, steps_, keep_);
    else
      return shares_of(work_, workspace_, steps_, vt::keep::nothing);
  }

 private:
  static constexpr bool keeps = !std::is_same_v<K, vt::keep::Nothing>;

  // The one row of a step's map against the last row of the whole target's.
  template <class M>
  static bool same_row(const M& step, const M& whole, Index layer, Index b, Index h) {
    const auto compare = [](const auto& x, const auto& y) {
      return x.cols() == y.cols() && x.row(0) == y.row(y.rows() - 1);
    };
    if constexpr (std::is_same_v<M, vt::MeanMaps<S>>) {
      return compare(step[layer].matrix(b), whole[layer].matrix(b));
    } else if constexpr (std::is_same_v<M, vt::Statistics<S>>) {
      const auto row = std::size_t(whole.length(b) - 1);
      return step[layer].entropy(b, h)[0] == whole[layer].entropy(b, h)[row] &&
             step[layer].log_sum_exp(b, h)[0] == whole[layer].log_sum_exp(b, h)[row];
    } else if constexpr (vt::detail::is_top<M>) {
      return compare(step[layer].weights(b, h), whole[layer].weights(b, h));
    } else {
      return compare(step[layer].matrix(b, h), whole[layer].matrix(b, h));
    }
  }
  bool same_as_generate() {
    const auto found = vt::generate(work_.model, workspace_, work_.tokens(), work_.generation());
    const auto own = ids();
    bool same = found.size() == own.size();
    for (std::size_t b = 0; same && b < own.size(); ++b) same = found[b][0].ids == own[b];
    return same;
  }

  const Work<S>& work_;
  K keep_;
  vt::Workspace workspace_;
  vt::DecodingSteps<S> steps_;
  vt::EncoderResult<K, S> encoder_;
  std::vector<vt::DecoderResult<K, S>> results_;  // of each step, or one when no maps are kept
  std::vector<Index> ids_;                        // (steps + 1, batch), the start first
  std::vector<double> step_ms_;
};

template <class S, class K>
class BeamSearch final : public Case<S> {
 public:
  BeamSearch(std::string policy, const Work<S>& work, K keep)
      : Case<S>(std::move(policy)),
        work_(work),
        keep_(keep),
        workspace_(vt::heap(), int(work.options.threads)),
        steps_(work.model, workspace_, {.max_length = work.options.steps, .beams = work.options.beams}) {}
  void prepare() override {  // what a call spends before its first step
    const double begin = seconds_now();
    vt::throw_if_failed(steps_.begin_into(work_.tokens()));
    begin_ms_.push_back((seconds_now() - begin) * 1e3);
  }
  vt::Status run() override {
    const vt::GenerationConfig config = work_.generation();
    if constexpr (searched<K, S>) {
      found_ = vt::generate(work_.model, workspace_, work_.tokens(), config, keep_);
    } else {
      found_ = vt::generate(work_.model, workspace_, work_.tokens(), config, vt::keep::nothing);
      scored_ = vt::score(work_.model, workspace_, work_.tokens(), ids(), config, keep_);
    }
    return {};
  }
  double step_milliseconds() const override {
    return (median(this->milliseconds) - median(begin_ms_)) / double(work_.options.steps);
  }
  std::size_t kept() const override {
    const auto& result = scored_.result;
    std::size_t bytes = kept_bytes(result.self_attn) + kept_bytes(result.cross_attn) +
                        kept_bytes(result.encoder.self_attn) + kept_bytes(found_.encoder.self_attn);
    for (const auto& list : found_.hypotheses)
      for (const auto& one : list) bytes += kept_bytes(one.self_attn) + kept_bytes(one.cross_attn);
    return bytes;
  }
  std::vector<std::vector<Index>> ids() const override {
    std::vector<std::vector<Index>> best;
    for (const auto& list : found_.hypotheses) best.push_back(list.at(0).ids);
    return best;
  }
  bool check() override {
    const auto scored = vt::score(work_.model, workspace_, work_.tokens(), ids(), work_.generation(), keep_);
    bool same = found_.hypotheses.size() == std::size_t(work_.options.batch);
    for (std::size_t b = 0; same && b < found_.hypotheses.size(); ++b) {
      const auto& best = found_.hypotheses[b][0];
      double sum = 0;
      for (const S one : scored.log_probs[b]) sum += double(one);
      const double expected = sum / double(work_.options.steps);
      same = Index(best.ids.size()) == work_.options.steps &&
             std::abs(double(best.score) - expected) <=
                 1024 * double(std::numeric_limits<S>::epsilon()) * (1 + std::abs(expected)) &&
             same_maps(best.self_attn, scored.result.self_attn, Index(b)) &&
             same_maps(best.cross_attn, scored.result.cross_attn, Index(b));
    }
    return same;
  }
  Shares shares() override { return shares_of(work_, workspace_, steps_, Policy{}); }

 private:
  using Policy = std::conditional_t<searched<K, S>, K, vt::keep::Nothing>;  // of the search

  // The maps of one hypothesis against those of its source among all.
  template <class M, class N>
  static bool same_maps([[maybe_unused]] const M& one, [[maybe_unused]] const N& all, [[maybe_unused]] Index b) {
    bool same = true;
    if constexpr (std::is_same_v<M, N> && requires { one.heads(); }) {
      const auto compare = [&](const auto& x, const auto& y) {
        same = same && x.rows() == y.rows() && x.cols() == y.cols() && x == y;
      };
      for (Index layer = 0; layer < one.layers(); ++layer) {
        if constexpr (std::is_same_v<M, vt::MeanMaps<S>>)
          compare(one[layer].matrix(0), all[layer].matrix(b));
        else
          for (Index h = 0; h < one.heads(); ++h) compare(one[layer].matrix(0, h), all[layer].matrix(b, h));
      }
    }
    return same;
  }

  const Work<S>& work_;
  K keep_;
  vt::Workspace workspace_;
  vt::DecodingSteps<S> steps_;
  vt::Generated<Policy, S> found_;
  vt::Scored<K, S> scored_;
  std::vector<double> begin_ms_;
};

// Floating-point operations of one call: the encoder, the projections of its output, and every step of every beam.
template <class S>
double call_flops(const Work<S>& work) {
  const Options& o = work.options;
  const double width = double(o.d_model), hidden = double(o.dim_feedforward), layers = double(o.decoder_layers);
  const double read = layers * 2 * double(o.batch * o.source_length) * width * width;
  const double row = layers * (6 * width * width + 2 * width * hidden) + double(o.vocab) * width;
  double steps = 0;
  for (Index t = 0; t < o.steps; ++t) steps += row + layers * 2 * width * double(t + 1 + o.source_length);
  return work.model.encoder().flops({o.batch, o.source_length}) + 2 * (read + double(o.batch * o.beams) * steps);
}

// Bytes of weights that one step reads.
template <class S>
std::size_t step_bytes(const vt::Marian<S>& model) {
  Index values = 0;
  model.parameters([&](const char* name_of, const vt::Parameter<S>& p) {
    const std::string_view name = name_of;
    const Index stored = p.values.size();
    if (name == "shared.weight" || name == "final_logits_bias") values += stored;
    if (name.substr(0, 15) != "decoder.layers.") return;
    values += name.find("multihead_attn.in_proj") != name.npos ? stored / 3 : stored;
  });
  return std::size_t(values) * sizeof(S);
}

template <class S>
int run(const Options& o) {
  if (const vt::Status s = vt::detail::check_heads(o.d_model, o.nhead); s != vt::Status::ok) return refused(s);
  Work<S> work{vt::Marian<S>({.vocab_size = o.vocab,
                              .d_model = o.d_model,
                              .encoder_layers = o.encoder_layers,
                              .decoder_layers = o.decoder_layers,
                              .encoder_attention_heads = o.nhead,
                              .decoder_attention_heads = o.nhead,
                              .encoder_ffn_dim = o.dim_feedforward,
                              .decoder_ffn_dim = o.dim_feedforward,
                              .max_position_embeddings = std::max<Index>({512, o.source_length, o.steps + 1}),
                              .activation_function = vt::Activation::silu,
                              .scale_embedding = true}),
               {},
               o,
               o.vocab - 1};
  if (const vt::Status s = work.model.init(std::uint64_t(o.seed)); s != vt::Status::ok) return refused(s);
  if (const vt::Status s = work.model.store_weights(storage_of(o.weights[0])); s != vt::Status::ok) return refused(s);
  for (const double x : random_values<double>(o.batch * o.source_length, std::uint64_t(o.seed) + 1))
    work.source.push_back(2 + std::min(Index((x + 1.75) / 3.5 * double(o.vocab - 3)), o.vocab - 4));

  std::vector<std::unique_ptr<Case<S>>> cases;
  with_policies<S>(o.keep, o.map_storage, [&](auto keep, const std::string& name) -> Timed& {
    using K = decltype(keep);
    if (o.beams == 1)
      cases.push_back(std::make_unique<Greedy<S, K>>(name, work, keep));
    else
      cases.push_back(std::make_unique<BeamSearch<S, K>>(name, work, keep));
    return *cases.back();
  });
  const int threads = int(o.threads);
  const std::size_t bytes = step_bytes(work.model);
  double peak = peak_gflops<S>(threads);
  if (const vt::Status s = time_in_turn(cases, o.repetitions); s != vt::Status::ok) return refused(s);
  peak = std::max(peak, peak_gflops<S>(threads));
  const std::size_t rss = peak_rss_bytes();
  const double tile = tile_gflops<S>(threads);
  const double peak_read = peak_read_gbps(threads, bytes);  // after it: the buffer is not the call's memory
  const int used =
      vt::Workspace(vt::heap(), threads).threads_for(double(bytes / sizeof(S)) * double(o.batch * o.beams));

  Json results = Json::array();
  bool same = true;
  for (const auto& timed : cases) {
    const double step_ms = timed->step_milliseconds(), read = step_ms > 0 ? double(bytes) / step_ms * 1e-6 : 0;
    Json json = entry(*timed, call_flops(work), peak, tile);
    json["ms_per_step"] = step_ms;
    const Shares shares = timed->shares();
    json["search_share"] = shares.search;
    json["reorder_share"] = shares.reorder;
    json["read_gbps"] = read;
    json["peak_read_gbps"] = peak_read;
    json["read_fraction"] = peak_read > 0 ? read / peak_read : 0;
    json["step_bytes"] = bytes;
    std::vector<Index> all;
    for (const auto& ids : timed->ids()) all.insert(all.end(), ids.begin(), ids.end());
    json["checksum"] = checksum(std::span<const Index>(all));
    json["kept_bytes"] = timed->kept();
    json["weights"] = o.weights[0];
    json["packed_bytes"] = work.model.packed_bytes();
    finish_entry(json, *timed, rss, used);
    results.push_back(json);
    same = timed->check() && same;
  }
  std::cout << (results.size() == 1 ? results[0] : Json{{"results", results}}).dump(1) << std::endl;
  if (same) return 0;
  std::fprintf(stderr, "error: decoding step by step differs from the whole target at once\n");
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  Flags flags(about);
  flags.number("d_model", options.d_model, "width of the model");
  flags.number("nhead", options.nhead, "heads; must divide d_model");
  flags.number("dim_feedforward", options.dim_feedforward, "width of the feed-forward layers");
  flags.number("num_encoder_layers", options.encoder_layers, "layers of the encoder");
  flags.number("num_decoder_layers", options.decoder_layers, "layers of the decoder");
  flags.number("vocab", options.vocab, "ids", 4);
  flags.number("batch", options.batch, "sources");
  flags.number("source_length", options.source_length, "ids of each source");
  flags.number("steps", options.steps, "ids that are generated for each");
  flags.number("beams", options.beams, "1: greedy");
  flags.choice("keep", options.keep, policies(), "what is kept of the attention; several are timed in turn", true);
  flags.choice("map_storage", options.map_storage, storages_of_maps(),
               "how kept attention weights are stored; several are timed in turn", true);
  flags.choice("weights", options.weights, storages(), "how the weights are stored");
  flags.number("threads", options.threads, "threads of the workspace");
  flags.number("repetitions", options.repetitions, "timed calls");
  flags.choice("scalar", options.scalar, {"float", "double"}, "type of all numbers");
  flags.number("seed", options.seed, "of weights and ids", 0);
  if (const auto status = flags.parse(argc, argv)) return *status;
  std::fprintf(stderr, "%s\n", vt::build_info().data());
  try {
    return options.scalar[0] == "double" ? run<double>(options) : run<float>(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
}
