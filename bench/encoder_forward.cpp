// Times the forward pass of an encoder, under one policy of keeping attention or several in turn, and checks it.
#include "flags.hpp"
#include "measure.hpp"
#include "naive.hpp"

#include <iostream>
#include <optional>

namespace {

using namespace bench;

constexpr const char* about =
    "encoder_forward: times the forward pass of an encoder (nn.TransformerEncoder) and checks it.\n"
    "\n"
    "Weights are PyTorch's initialisation by seed, inputs are random by seed. The policies of --keep and the storages "
    "of\n"
    "--weights are timed in turn, A B A B, after two calls of each; results and workspace are reused unless --fresh. "
    "One JSON object on stdout.\n"
    "\n"
    "gflops     linear layers 2MNK over real tokens, attention 4 D for each visible pair and head\n"
    "peak_gflops  fused multiply-adds in registers, --threads threads: the best bursts before and after the timing\n"
    "tile_gflops  the same for the micro-kernel alone, its operands in the first-level cache\n"
    "max_error  of every layer: the layer alone is run on the output of the layers before it (the last such output "
    "must\n"
    "           equal the encoder's, bit for bit, and all policies must agree so); rows of it, and the same rows of "
    "the\n"
    "           kept maps, are compared with a naive twin in double that starts from the same input. All rows of "
    "small\n"
    "           calls; of large ones as many evenly spread ones as about 1e9 multiply-adds pay for. More than 1024 "
    "eps\n"
    "           times the largest number (at least 1), beyond the rounding of --map_storage, is a failed check;\n"
    "           eps is 2^-15 where int8 rounds the other operand of a product, 2^-16 where pairs of bf16 do\n"
    "peak_rss_bytes  of the process until the timing ended, all policies together; the check comes later\n"
    "\n"
    "usage: encoder_forward [flags]";

struct Options {
  Index d_model = 512, nhead = 8, dim_feedforward = 2048, num_layers = 6, batch = 8, length = 128;
  Index threads = vt::default_threads(), repetitions = 9, seed = 1;
  std::vector<Index> lengths;
  std::vector<std::string> keep{"weights"}, map_storage{"f32"}, scalar{"float"}, activation{"relu"}, weights{"f32"};
  bool causal = false, norm_first = false, fresh = false;
};

template <class S>
struct Work {
  vt::Encoder<S> encoder;
  vt::Sequences<S> x;
  vt::EncoderMasks<S> masks;
  int threads;
  bool fresh;
  std::string weights;
};

template <class S>
class Case : public Timed {
 public:
  using Timed::Timed;
  virtual std::span<const S> output() const = 0;
  virtual std::size_t kept() const = 0;
  virtual const Work<S>& work() const = 0;
  virtual void compare(Index layer, Index b, Index t, const NaiveEncoderLayer& naive, Error& error) const = 0;
};

template <class S, class K>
class CaseOf final : public Case<S> {
 public:
  CaseOf(std::string policy, const Work<S>& work, K keep) : Case<S>(std::move(policy)), work_(work), keep_(keep) {}
  void prepare() override {
    if (!work_.fresh && workspace_) return;
    result_ = {};
    workspace_.reset();
    workspace_.emplace(vt::heap(), work_.threads);
  }
  vt::Status run() override { return work_.encoder.forward_into(result_, *workspace_, work_.x, work_.masks, keep_); }
  std::span<const S> output() const override { return result_.output.span(); }
  std::size_t kept() const override { return kept_bytes(result_.self_attn); }
  const Work<S>& work() const override { return work_; }
  void compare(Index layer, Index b, Index t, const NaiveEncoderLayer& naive, Error& error) const override {
    compare_row(result_.self_attn, layer, b, t, naive.weights(), naive.scores(), error);
  }

 private:
  const Work<S>& work_;
  K keep_;
  vt::EncoderResult<K, S> result_;
  std::optional<vt::Workspace> workspace_;
};

// The check that the help text describes, of the cases of one storage; `errors` has one for each. False: bits differ
// that must not.
template <class S>
bool check(std::span<const std::unique_ptr<Case<S>>> cases, std::span<Error> errors) {
  const Work<S>& work = cases[0]->work();
  const auto& config = work.encoder.config();
  const Index width = config.layer.d_model, batch = work.x.batch, rows = work.x.rows();
  const double cost = double(config.num_layers) * NaiveEncoderLayer::cost(config.layer, work.x.length);
  const Index samples = std::max<Index>(2, std::min(rows, Index(1e9 / cost)));

  vt::Workspace workspace(vt::heap(), work.threads);
  vt::EncoderResult<vt::keep::Nothing, S> before, after;
  for (Index layer = 0; layer < config.num_layers; ++layer) {
    vt::Encoder<S> one({.layer = config.layer, .num_layers = 1});
    NaiveEncoderLayer naive(config.layer);
    const std::string prefix = "layers." + std::to_string(layer) + ".";
    bool bound = false;
    work.encoder.parameters([&](const char* name, const vt::Parameter<S>& p) {
      if (std::strncmp(name, prefix.c_str(), prefix.size()) != 0) return;
      const std::string own = name + prefix.size();
      one.mutable_parameters([&](const char* its, vt::Parameter<S>& to) {
        if (its != "layers.0." + own) return;
        to.hold(p.values, p.panel, p.stored_as);
        bound = true;
      });
      naive.set(own, p);
    });
    const vt::Sequences<S> in = layer == 0 ? work.x : vt::Sequences<S>(before.output);
    if (!bound || one.forward_into(after, workspace, in, work.masks, vt::keep::nothing) != vt::Status::ok) return false;

    Index start = 0, row = 0, sample = 0;  // rows in ascending order, sequence by sequence
    for (Index b = 0; b < batch; start += in.length_of(b++)) {
      const Index length = in.length_of(b);
      bool given = false;
      for (; sample < samples && (row = sample * (rows - 1) / std::max<Index>(samples - 1, 1)) < start + length;
           ++sample) {
        if (row < start) continue;
        if (!given) naive.sequence(in.data + start * width, length);
        given = true;
        const Index t = row - start;
        naive.row(t, work.masks.src_mask.is_causal ? t + 1 : length);
        Error output;
        for (Index e = 0; e < width; ++e)
          output.add(double(after.output.data()[row * width + e]), naive.output()[std::size_t(e)]);
        for (std::size_t i = 0; i < cases.size(); ++i) {
          errors[i].largest = std::max(errors[i].largest, output.largest);
          errors[i].size = std::max(errors[i].size, output.size);
          cases[i]->compare(layer, b, t, naive, errors[i]);
        }
      }
    }
    std::swap(before, after);
  }
  bool same = true;
  for (const auto& one : cases)
    same = same && one->output().size() == before.output.span().size() &&
           std::memcmp(one->output().data(), before.output.data(), one->output().size_bytes()) == 0;
  return same;
}

template <class S>
int run(const Options& options, vt::Activation activation) {
  const std::vector<Index>& lengths = options.lengths;
  Index rows = options.batch * options.length, longest = options.length;
  if (!lengths.empty()) {
    rows = longest = 0;
    for (const Index length : lengths) rows += length, longest = std::max(longest, length);
  }
  const double d_model = double(options.d_model), layers = double(options.num_layers);
  double pairs = 0;  // visible ones of one head and layer
  const auto pairs_of = [&](Index n) { return options.causal ? double(n) * double(n + 1) / 2 : double(n) * double(n); };
  if (lengths.empty())
    pairs = double(options.batch) * pairs_of(options.length);
  else
    for (const Index length : lengths) pairs += pairs_of(length);
  const double per_row = d_model * (4 * d_model + 2 * double(options.dim_feedforward));
  const double flops = layers * (2 * double(rows) * per_row + 4 * d_model * pairs);

  const vt::StackConfig config{.layer = {.d_model = options.d_model,
                                         .nhead = options.nhead,
                                         .dim_feedforward = options.dim_feedforward,
                                         .activation = activation,
                                         .norm_first = options.norm_first},
                               .num_layers = options.num_layers};
  if (const vt::Status s = vt::detail::check_heads(options.d_model, options.nhead); s != vt::Status::ok)
    return refused(s);
  const int threads = int(options.threads);
  Work<S> work{vt::Encoder<S>(config), {}, {}, threads, options.fresh, {}};
  if (const vt::Status s = work.encoder.init(std::uint64_t(options.seed)); s != vt::Status::ok) return refused(s);
  const std::vector<S> values = random_values<S>(rows * options.d_model, std::uint64_t(options.seed) + 1);
  work.x = lengths.empty() ? vt::Sequences<S>(values.data(), options.batch, options.length, options.d_model)
                           : vt::Sequences<S>(vt::Ragged<S>(values.data(), options.d_model, lengths));
  if (options.causal) work.masks.src_mask = vt::causal();

  std::vector<Work<S>> works(options.weights.size(), work);
  std::vector<std::unique_ptr<Case<S>>> cases;
  for (std::size_t i = 0; i < works.size(); ++i) {
    works[i].weights = options.weights[i];
    if (const vt::Status s = works[i].encoder.store_weights(storage_of(works[i].weights)); s != vt::Status::ok)
      return refused(s);
    with_policies<S>(options.keep, options.map_storage, [&](auto keep, const std::string& name) -> Timed& {
      return *cases.emplace_back(std::make_unique<CaseOf<S, decltype(keep)>>(name, works[i], keep));
    });
  }

  double peak = peak_gflops<S>(threads);
  if (const vt::Status s = time_in_turn(cases, options.repetitions); s != vt::Status::ok) return refused(s);
  peak = std::max(peak, peak_gflops<S>(threads));
  const double tile = tile_gflops<S>(threads);
  const std::size_t rss = peak_rss_bytes();

  std::vector<Error> errors(cases.size());
  bool good = true;
  const std::size_t together = cases.size() / works.size();
  for (std::size_t i = 0; i < cases.size(); i += together)
    good = check<S>(std::span(cases).subspan(i, together), std::span(errors).subspan(i, together)) && good;
  if (!good) std::fprintf(stderr, "error: outputs differ that must be the same, bit for bit\n");

  // as the library decides it: over padded pairs
  const double decided = layers * (double(rows) * per_row + 2 * d_model * double(rows) * double(longest));
  const int used = vt::Workspace(vt::heap(), threads).threads_for(decided);
  Json results = Json::array();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    Json json = entry(*cases[i], flops, peak, tile);
    json["max_error"] = errors[i].largest;
    json["checksum"] = checksum(cases[i]->output());
    json["kept_bytes"] = cases[i]->kept();
    json["weights"] = cases[i]->work().weights;
    json["packed_bytes"] = cases[i]->work().encoder.packed_bytes();
    finish_entry(json, *cases[i], rss, used);
    results.push_back(json);
    if (!errors[i].template acceptable<S>(storage_of(cases[i]->work().weights))) {
      good = false;
      std::fprintf(stderr, "error: max_error %g of keep %s is too large\n", errors[i].largest, cases[i]->name.c_str());
    }
  }
  std::cout << Json{{"results", results}}.dump(1) << std::endl;
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  Flags flags(about);
  flags.number("d_model", options.d_model, "width of the model");
  flags.number("nhead", options.nhead, "heads; must divide d_model");
  flags.number("dim_feedforward", options.dim_feedforward, "width of the feed-forward layer");
  flags.number("num_layers", options.num_layers, "layers");
  flags.number("batch", options.batch, "sequences");
  flags.number("length", options.length, "tokens of each sequence");
  flags.numbers("lengths", options.lengths, "A,B,C",
                "tokens of each sequence, a ragged batch; instead of batch and length");
  flags.toggle("causal", options.causal, "token t sees tokens 0 ... t");
  flags.choice("activation", options.activation, {"relu", "gelu", "gelu_tanh", "silu"}, "of the feed-forward layer");
  flags.toggle("norm_first", options.norm_first, "norms before attention and feed-forward rather than after");
  flags.choice("keep", options.keep, policies(), "what is kept of the attention; several are timed in turn", true);
  flags.choice("map_storage", options.map_storage, storages_of_maps(),
               "how kept attention weights are stored; several are timed in turn", true);
  flags.choice("weights", options.weights, storages(), "how the weights are stored; several are timed in turn", true);
  flags.number("threads", options.threads, "threads of the workspace");
  flags.number("repetitions", options.repetitions, "timed calls of each policy and storage");
  flags.choice("scalar", options.scalar, {"float", "double"}, "type of all numbers");
  flags.toggle("fresh", options.fresh, "a new result and a new workspace for each call");
  flags.number("seed", options.seed, "of weights and inputs", 0);
  if (const auto status = flags.parse(argc, argv)) return *status;
  std::fprintf(stderr, "%s\n", vt::build_info().data());
  vt::Activation activation = vt::Activation::relu;
  (void)vt::parse_activation(options.activation[0].c_str(), activation);
  try {
    return options.scalar[0] == "double" ? run<double>(options, activation) : run<float>(options, activation);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
}
