// Times a causal language model of Llama's or GPT-2's kind: a prompt at once, then a token at a time, under one policy
// of keeping attention or two in turn.
#include "flags.hpp"
#include "measure.hpp"

#include <vitrine/generate/generate.hpp>
#include <vitrine/models/gpt2.hpp>
#include <vitrine/models/llama.hpp>

#include <iostream>
#include <optional>
#include <string_view>

namespace {

using namespace bench;

constexpr const char* about =
    "causal: times a causal language model with random weights: --prompt random ids are read at once, then --steps "
    "are\n"
    "generated, greedily, one at a time (CausalSteps). With maps each step has its own result, so that all of them "
    "are\n"
    "there at the end. One JSON object on stdout; {\"results\": [...]} of two policies, which take turns.\n"
    "\n"
    "median_ms        a whole call: the prompt, then the steps\n"
    "prefill_ms       the reading of the prompt, without logits\n"
    "prefill_peak_fraction   its multiply-adds (all weights of the layers for each id, attention over the visible "
    "pairs)\n"
    "                 over peak_gflops, fused multiply-adds measured in the same run\n"
    "ms_per_step      the rest, divided by the steps\n"
    "read_gbps        bytes of weights that a step must read (the layers and the output matrix once), divided by that\n"
    "                 time; caches are not counted\n"
    "peak_read_gbps   reading a buffer of that size on --threads threads: the best of many passes, after the timing\n"
    "\n"
    "Checked before anything is timed: logits and maps of every step are those that the model gives with all ids at\n"
    "once, bit for bit, and vt::generate chooses the same ids.\n"
    "\n"
    "usage: causal [flags]";

struct Options {
  std::vector<std::string> config{"llama"}, keep{"weights"}, map_storage{"f32"}, scalar{"float"}, weights{"f32"};
  Index d_model = 576, nhead = 9, kv_heads = 3, dim_feedforward = 1536, num_layers = 30, vocab = 49152;
  Index prompt = 512, steps = 32, batch = 1;
  Index threads = vt::default_threads(), repetitions = 5, seed = 1;
  bool gpt2() const { return config[0] == "gpt2"; }
};

template <class S>
struct Work {
  const vt::Causal<S>& model;
  Options options;
  std::vector<Index> prompt = {};  // batch x (prompt + 1): the last id of each is the first step's

  std::span<const Index> of(Index b) const {
    return std::span(prompt).subspan(std::size_t(b * (options.prompt + 1)), std::size_t(options.prompt + 1));
  }
};

template <class S>
class Case : public Timed {
 public:
  using Timed::Timed;
  virtual bool check() = 0;
  virtual std::size_t kept() const = 0;
  virtual const std::vector<Index>& ids() const = 0;
  double prefill_milliseconds() const { return median(last(prefill_ms_)); }
  double step_milliseconds() const { return median(last(step_ms_)); }

 protected:
  std::vector<double> prefill_ms_, step_ms_;

 private:
  std::vector<double> last(const std::vector<double>& all) const {  // without the calls before the timed ones
    return {all.end() - std::ptrdiff_t(this->milliseconds.size()), all.end()};
  }
};

template <class S, class K>
class Greedy final : public Case<S> {
 public:
  Greedy(std::string policy, const Work<S>& work, K keep)
      : Case<S>(std::move(policy)),
        work_(work),
        keep_(keep),
        workspace_(vt::heap(), int(work.options.threads)),
        steps_(work.model, workspace_, {.max_length = work.options.prompt + work.options.steps}),
        results_(keeps ? std::size_t(work.options.steps) : 1) {
    const auto& o = work.options;
    for (auto* times : {&this->prefill_ms_, &this->step_ms_}) times->reserve(std::size_t(o.repetitions) + 3);
    for (Index b = 0; b < o.batch; ++b) {
      past_.insert(past_.end(), work.of(b).begin(), work.of(b).end() - 1);
      lengths_.push_back(o.prompt);
      ids_.push_back(work.of(b).back());
    }
    ids_.resize(std::size_t(o.batch * (o.steps + 1)));
  }
  vt::Status run() override {
    const auto& o = work_.options;
    const double begin = seconds_now();
    if (vt::Status s = steps_.begin_into(read_, vt::Tokens(past_, lengths_), keep_); s != vt::Status::ok) return s;
    const double middle = seconds_now();
    for (Index t = 0; t < o.steps; ++t) {
      auto& result = results_[keeps ? std::size_t(t) : 0];
      const Index* last = ids_.data() + t * o.batch;
      if (vt::Status s = steps_.next_into(result, {last, std::size_t(o.batch)}, keep_); s != vt::Status::ok) return s;
      for (Index b = 0; b < o.batch; ++b)
        ids_[std::size_t((t + 1) * o.batch + b)] = vt::argmax(result.output.data() + b * o.vocab, o.vocab);
    }
    this->prefill_ms_.push_back((middle - begin) * 1e3);
    this->step_ms_.push_back((seconds_now() - middle) * 1e3 / double(o.steps));
    return {};
  }
  std::size_t kept() const override {
    std::size_t bytes = kept_bytes(read_.self_attn);
    for (const auto& result : results_) bytes += kept_bytes(result.self_attn);
    return bytes;
  }
  const std::vector<Index>& ids() const override { return ids_; }
  bool check() override {
    bool same = run() == vt::Status::ok;
    for (Index b = 0; same && b < work_.options.batch; ++b) same = same_as_whole(b) && same_as_generate(b);
    return same;
  }

 private:
  static constexpr bool keeps = !std::is_same_v<K, vt::keep::Nothing>;
  using Maps = typename K::template map<S, 0>;
  static constexpr bool whole_maps =
      vt::detail::has_weights<Maps> || vt::detail::storage_of<Maps> != vt::MapStorage::f32;

  std::vector<Index> chosen(Index b) const {
    std::vector<Index> all;
    for (Index t = 1; t <= work_.options.steps; ++t) all.push_back(ids_[std::size_t(t * work_.options.batch + b)]);
    return all;
  }
  bool same_as_whole(Index b) {
    const auto& o = work_.options;
    std::vector<Index> all(work_.of(b).begin(), work_.of(b).end());
    const auto made = chosen(b);
    all.insert(all.end(), made.begin(), made.end() - 1);
    vt::CausalResult<K, S> whole;
    if (work_.model.forward_into(whole, workspace_, vt::Tokens(std::span<const Index>(all)), {}, keep_) !=
        vt::Status::ok)
      return false;
    bool same = true;
    for (Index t = keeps ? 0 : o.steps - 1; t < o.steps; ++t) {
      const auto& step = results_[keeps ? std::size_t(t) : 0];
      const Index row = o.prompt + t;
      same = same && std::memcmp(step.output.data() + b * o.vocab, whole.output.data() + row * o.vocab,
                                 std::size_t(o.vocab) * sizeof(S)) == 0;
      if constexpr (whole_maps)
        for (Index layer = 0; layer < o.num_layers; ++layer)
          for (Index h = 0; h < o.nhead; ++h)
            same = same &&
                   step.self_attn[layer].matrix(b, h) == whole.self_attn[layer].matrix(0, h).row(row).head(row + 1);
    }
    if constexpr (whole_maps)
      for (Index layer = 0; layer < o.num_layers; ++layer)
        for (Index h = 0; h < o.nhead; ++h)
          same = same && read_.self_attn[layer].matrix(b, h) ==
                             whole.self_attn[layer].matrix(0, h).topLeftCorner(o.prompt, o.prompt);
    return same;
  }
  bool same_as_generate(Index b) {
    vt::GenerationConfig config;  // no end: exactly `steps` tokens
    config.max_new_tokens = work_.options.steps;
    return vt::generate(work_.model, workspace_, work_.of(b), config)[0].ids == chosen(b);
  }

  const Work<S>& work_;
  K keep_;
  vt::Workspace workspace_;
  vt::CausalSteps<S> steps_;
  vt::EncoderResult<K, S> read_;
  std::vector<vt::EncoderResult<K, S>> results_;  // of each step, or one when no maps are kept
  std::vector<Index> past_, lengths_;
  std::vector<Index> ids_;  // (steps + 1, batch)
};

// Values of the layers' parameters.
template <class S>
double layer_values(const vt::Causal<S>& model) {
  double values = 0;
  model.encoder().parameters([&](const char*, const auto& p) { values += double(p.rows) * double(p.cols); });
  return values;
}
// Bytes of the weights that a step reads: all matrices but learned positions.
template <class S>
std::size_t step_bytes(const vt::Causal<S>& model) {
  Index values = 0;
  model.parameters([&](const char* name, const vt::Parameter<S>& p) {
    if (!p.is_vector() && std::string_view(name) != "wpe.weight") values += p.values.size();
  });
  return std::size_t(values) * sizeof(S);
}

template <class S>
int time(const Work<S>& work, std::size_t packed_bytes) {
  const Options& o = work.options;
  std::vector<std::unique_ptr<Case<S>>> cases;
  with_policies<S>(o.keep, o.map_storage, [&](auto keep, const std::string& name) -> Timed& {
    return *cases.emplace_back(std::make_unique<Greedy<S, decltype(keep)>>(name, work, keep));
  });
  for (const auto& one : cases)
    if (!one->check()) {
      std::fprintf(stderr, "error: a prompt, then step by step differs from all ids at once, keeping %s\n",
                   one->name.c_str());
      return 1;
    }
  const int threads = int(o.threads);
  double peak = peak_gflops<S>(threads);
  if (const vt::Status s = time_in_turn(cases, o.repetitions); s != vt::Status::ok) return refused(s);
  peak = std::max(peak, peak_gflops<S>(threads));
  const double tile = tile_gflops<S>(threads);
  const std::size_t rss = peak_rss_bytes();

  const double own = layer_values(work.model), output = double(o.vocab) * double(o.d_model);
  const double prompt = double(o.prompt), steps = double(o.steps), batch = double(o.batch);
  const double per_pair = 4 * double(o.num_layers) * double(o.d_model);  // scores and context of every head
  const double prefill = batch * (2 * own * prompt + per_pair * prompt * (prompt + 1) / 2);
  const double stepping = batch * steps * (2 * (own + output) + per_pair * (prompt + (steps + 1) / 2));
  const std::size_t bytes = step_bytes(work.model);
  const double peak_read = peak_read_gbps(threads, bytes);
  Json results = Json::array();
  for (const auto& one : cases) {
    Json json = entry(*one, prefill + stepping, peak, tile);
    const double prefill_ms = one->prefill_milliseconds(), step_ms = one->step_milliseconds();
    json["prefill_ms"] = prefill_ms;
    json["prefill_peak_fraction"] = prefill_ms > 0 && peak > 0 ? prefill / prefill_ms * 1e-6 / peak : 0;
    const double read = step_ms > 0 ? double(bytes) / step_ms * 1e-6 : 0;
    json["ms_per_step"] = step_ms;
    json["read_gbps"] = read;
    json["peak_read_gbps"] = peak_read;
    json["read_fraction"] = peak_read > 0 ? read / peak_read : 0;
    json["step_bytes"] = bytes;
    json["checksum"] = checksum(std::span<const Index>(one->ids()));
    json["kept_bytes"] = one->kept();
    json["weights"] = o.weights[0];
    json["packed_bytes"] = packed_bytes;
    finish_entry(json, *one, rss, threads);
    results.push_back(json);
  }
  std::cout << (results.size() == 1 ? results[0] : Json{{"results", results}}).dump(1) << std::endl;
  return 0;
}

template <class S, class M>
int run(M model, const Options& o) {
  if (const vt::Status s = model.init(std::uint64_t(o.seed)); s != vt::Status::ok) return refused(s);
  if (const vt::Status s = model.store_weights(storage_of(o.weights[0])); s != vt::Status::ok) return refused(s);
  Work<S> work{model, o};
  for (const double x : random_values<double>(o.batch * (o.prompt + 1), std::uint64_t(o.seed) + 1))
    work.prompt.push_back(std::min(Index((x + 1.75) / 3.5 * double(o.vocab)), o.vocab - 1));
  return time<S>(work, model.packed_bytes());
}
template <class S>
int run(const Options& o) {
  const Index positions = o.prompt + o.steps + 1;
  if (o.gpt2())
    return run<S>(vt::Gpt2<S>({.vocab_size = o.vocab,
                               .n_positions = positions,
                               .n_embd = o.d_model,
                               .n_layer = o.num_layers,
                               .n_head = o.nhead,
                               .n_inner = o.dim_feedforward}),
                  o);
  return run<S>(vt::Llama<S>({.vocab_size = o.vocab,
                              .hidden_size = o.d_model,
                              .intermediate_size = o.dim_feedforward,
                              .num_hidden_layers = o.num_layers,
                              .num_attention_heads = o.nhead,
                              .num_key_value_heads = o.kv_heads,
                              .max_position_embeddings = positions,
                              .tie_word_embeddings = true}),
                o);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  Flags flags(about);
  flags.choice("config", options.config, {"llama", "gpt2"},
               "what the layers are; output matrix and embedding are tied");
  flags.number("d_model", options.d_model, "width of the model");
  flags.number("nhead", options.nhead, "heads; must divide d_model");
  flags.number("kv_heads", options.kv_heads, "heads of keys and values; must divide nhead. llama alone");
  flags.number("dim_feedforward", options.dim_feedforward, "width of the feed-forward layers");
  flags.number("num_layers", options.num_layers, "layers");
  flags.number("vocab", options.vocab, "ids", 4);
  flags.number("prompt", options.prompt, "ids of each prompt that are read at once");
  flags.number("steps", options.steps, "ids that are generated for each");
  flags.number("batch", options.batch, "prompts");
  flags.choice("keep", options.keep, policies(), "what is kept of the attention", true);
  flags.choice("map_storage", options.map_storage, storages_of_maps(), "how kept weights are stored", true);
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
