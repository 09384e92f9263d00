// Times scaled_dot_product_attention alone, under one policy of keeping attention or several in turn, and checks it.
#include "flags.hpp"
#include "measure.hpp"
#include "naive.hpp"

#include <iostream>
#include <optional>

namespace {

using namespace bench;

constexpr const char* about =
    "attention: times scaled_dot_product_attention_into and checks it. Queries are (batch, heads, length, width), "
    "keys\n"
    "and values (batch, kv_heads, memory_length, width), random by seed; consecutive query heads share a key head.\n"
    "\n"
    "The time includes the packing of keys and values, which that function does in every call. The policies of --keep\n"
    "are timed in turn, A B A B, after two calls of each; results and workspace are reused unless --fresh. One JSON\n"
    "object on stdout.\n"
    "\n"
    "gflops       4 width for each visible pair and head\n"
    "peak_gflops  fused multiply-adds in registers, --threads threads: the best bursts before and after the timing\n"
    "tile_gflops  the same for the micro-kernel alone, its operands in the first-level cache\n"
    "max_error    of the output and of the kept maps against a naive twin in double: all rows of small calls, of "
    "large\n"
    "             ones as many evenly spread ones as about 3e8 multiply-adds pay for; more than 1024 eps times the "
    "largest\n"
    "             number (at least 1) is a failed check. Outputs of all policies must agree bit for bit\n"
    "packed_bytes  of weights: there are none here\n"
    "peak_rss_bytes  of the process until the timing ended, all policies together\n"
    "\n"
    "usage: attention [flags]";

struct Options {
  Index batch = 1, heads = 8, kv_heads = 0, length = 512, memory_length = 0, width = 64;
  Index threads = vt::default_threads(), repetitions = 9, seed = 1;
  std::vector<Index> window;
  std::vector<std::string> keep{"weights"}, map_storage{"f32"}, scalar{"float"};
  bool causal = false, fresh = false;

  // Keys that query t sees.
  void interval(Index t, Index& first, Index& last) const {
    first = 0, last = memory_length;
    if (causal) last = std::min(last, t + 1);
    if (!window.empty()) first = std::max(first, t - window.front()), last = std::min(last, t + window.back() + 1);
    last = std::max(first, last);
  }
};

template <class S>
struct Work {
  vt::Heads<S> query, key, value;
  vt::SdpaOptions<S> options;
  int threads;
  bool fresh;
};

template <class S>
class Case : public Timed {
 public:
  using Timed::Timed;
  virtual std::span<const S> output() const = 0;
  virtual std::size_t kept() const = 0;
  virtual void compare(Index b, Index t, const Values& weights, const Values& scores, Error& error) const = 0;
};

template <class S, class K>
class CaseOf final : public Case<S> {
 public:
  CaseOf(std::string policy, const Work<S>& work, K keep) : Case<S>(std::move(policy)), work_(work), keep_(keep) {}
  void prepare() override {
    if (!work_.fresh && workspace_) return;
    result_ = {};
    result_.output.use(vt::heap());
    if constexpr (requires { result_.weights.use(vt::heap()); }) result_.weights.use(vt::heap());
    workspace_.reset();
    workspace_.emplace(vt::heap(), work_.threads);
  }
  vt::Status run() override {
    return vt::scaled_dot_product_attention_into(result_, *workspace_, work_.query, work_.key, work_.value,
                                                 work_.options, keep_);
  }
  std::span<const S> output() const override { return result_.output.span(); }
  std::size_t kept() const override { return kept_bytes(result_.weights); }
  void compare(Index b, Index t, const Values& weights, const Values& scores, Error& error) const override {
    compare_row(result_.weights, 0, b, t, weights, scores, error);
  }

 private:
  const Work<S>& work_;
  K keep_;
  vt::SdpaResult<K, S> result_;
  std::optional<vt::Workspace> workspace_;
};

template <class S>
void check(const Options& o, const Work<S>& work, const std::vector<std::unique_ptr<Case<S>>>& cases,
           std::vector<Error>& errors) {
  const Index rows = o.batch * o.length, keys = o.memory_length, width = o.width;
  const double cost = 2 * double(o.heads) * double(keys) * double(width);
  const Index samples = std::max<Index>(2, std::min(rows, Index(3e8 / cost)));
  Values weights, scores, context(std::size_t(o.heads * width));
  for (Index sample = 0; sample < samples; ++sample) {
    const Index row = sample * (rows - 1) / std::max<Index>(samples - 1, 1), b = row / o.length, t = row % o.length;
    Index first, last;
    o.interval(t, first, last);
    weights.assign(std::size_t(o.heads * keys), 0.0);
    scores.assign(std::size_t(o.heads * keys), -std::numeric_limits<double>::infinity());
    context.assign(context.size(), 0.0);
    for (Index h = 0; h < o.heads; ++h) {
      const Index kv = h / (o.heads / o.kv_heads);
      const S* q = work.query.data + b * work.query.batch_stride + h * work.query.head_stride + t * width;
      const S* k = work.key.data + b * work.key.batch_stride + kv * work.key.head_stride;
      const S* v = work.value.data + b * work.value.batch_stride + kv * work.value.head_stride;
      double* const p = weights.data() + h * keys;
      for (Index j = first; j < last; ++j) {
        double sum = 0;
        for (Index d = 0; d < width; ++d) sum += double(q[d]) * double(k[j * width + d]);
        p[j] = scores[std::size_t(h * keys + j)] = sum / std::sqrt(double(width));
      }
      if (first < last) naive_softmax(p + first, last - first);
      for (Index j = first; j < last; ++j)
        for (Index d = 0; d < width; ++d) context[std::size_t(h * width + d)] += p[j] * double(v[j * width + d]);
    }
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const S* out = cases[i]->output().data() + row * o.heads * width;
      for (Index e = 0; e < o.heads * width; ++e) errors[i].add(double(out[e]), context[std::size_t(e)]);
      cases[i]->compare(b, t, weights, scores, errors[i]);
    }
  }
}

template <class S>
int run(const Options& o) {
  const int threads = int(o.threads);
  const auto q = random_values<S>(o.batch * o.heads * o.length * o.width, std::uint64_t(o.seed) + 1);
  const auto k = random_values<S>(o.batch * o.kv_heads * o.memory_length * o.width, std::uint64_t(o.seed) + 2);
  const auto v = random_values<S>(o.batch * o.kv_heads * o.memory_length * o.width, std::uint64_t(o.seed) + 3);
  Work<S> work{vt::heads_bhtd(q.data(), o.batch, o.heads, o.length, o.width),
               vt::heads_bhtd(k.data(), o.batch, o.kv_heads, o.memory_length, o.width),
               vt::heads_bhtd(v.data(), o.batch, o.kv_heads, o.memory_length, o.width),
               {},
               threads,
               o.fresh};
  if (o.causal) work.options.mask = vt::causal();
  if (!o.window.empty()) work.options.mask = work.options.mask & vt::window(o.window.front(), o.window.back());

  std::vector<std::unique_ptr<Case<S>>> cases;
  with_policies<S>(o.keep, o.map_storage, [&](auto keep, const std::string& name) -> Timed& {
    return *cases.emplace_back(std::make_unique<CaseOf<S, decltype(keep)>>(name, work, keep));
  });

  double peak = peak_gflops<S>(threads);
  if (const vt::Status s = time_in_turn(cases, o.repetitions); s != vt::Status::ok) return refused(s);
  peak = std::max(peak, peak_gflops<S>(threads));
  const double tile = tile_gflops<S>(threads);
  const std::size_t rss = peak_rss_bytes();

  double pairs = 0;
  for (Index t = 0; t < o.length; ++t) {
    Index first, last;
    o.interval(t, first, last);
    pairs += double(last - first);
  }
  const double heads = double(o.batch * o.heads), flops = 4 * double(o.width) * pairs * heads;
  const int used = vt::Workspace(vt::heap(), threads)
                       .threads_for(heads * double(o.length) * double(o.memory_length) * 2 * double(o.width));
  std::vector<Error> errors(cases.size());
  check(o, work, cases, errors);
  bool good = true;
  Json results = Json::array();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    Json json = entry(*cases[i], flops, peak, tile);
    json["max_error"] = errors[i].largest;
    json["checksum"] = checksum(cases[i]->output());
    json["kept_bytes"] = cases[i]->kept();
    json["packed_bytes"] = 0;
    finish_entry(json, *cases[i], rss, used);
    results.push_back(json);
    if (!errors[i].template acceptable<S>()) {
      good = false;
      std::fprintf(stderr, "error: max_error %g of keep %s is too large\n", errors[i].largest, cases[i]->name.c_str());
    }
    if (std::memcmp(cases[i]->output().data(), cases[0]->output().data(), cases[0]->output().size_bytes()) != 0) {
      good = false;
      std::fprintf(stderr, "error: outputs differ that must be the same, bit for bit\n");
    }
  }
  std::cout << Json{{"results", results}}.dump(1) << std::endl;
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  Flags flags(about);
  flags.number("batch", options.batch, "sequences");
  flags.number("heads", options.heads, "query heads");
  flags.number("kv_heads", options.kv_heads, "key and value heads; must divide heads; 0: as many", 0);
  flags.number("length", options.length, "queries of each sequence");
  flags.number("memory_length", options.memory_length, "keys of each sequence; 0: as many as queries", 0);
  flags.number("width", options.width, "width of a head");
  flags.toggle("causal", options.causal, "query t sees keys 0 ... t");
  flags.numbers("window", options.window, "LEFT[,RIGHT]",
                "query t sees keys t - LEFT ... t + RIGHT (RIGHT: as LEFT), with --causal none after t", 0);
  flags.choice("keep", options.keep, policies(), "what is kept of the attention; several are timed in turn", true);
  flags.choice("map_storage", options.map_storage, storages_of_maps(),
               "how kept weights are stored; several are timed in turn", true);
  flags.number("threads", options.threads, "threads of the workspace");
  flags.number("repetitions", options.repetitions, "timed calls of each policy");
  flags.choice("scalar", options.scalar, {"float", "double"}, "type of all numbers");
  flags.toggle("fresh", options.fresh, "a new result and a new workspace for each call");
  flags.number("seed", options.seed, "of the inputs", 0);
  if (const auto status = flags.parse(argc, argv)) return *status;
  if (options.kv_heads == 0) options.kv_heads = options.heads;
  if (options.memory_length == 0) options.memory_length = options.length;
  if (options.window.size() > 2 || options.heads % options.kv_heads != 0) {
    std::fprintf(stderr, "error: %s; --help lists the flags\n",
                 options.window.size() > 2 ? "--window takes one number or two" : "--kv_heads must divide --heads");
    return 2;
  }
  std::fprintf(stderr, "%s\n", vt::build_info().data());
  try {
    return options.scalar[0] == "double" ? run<double>(options) : run<float>(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
}
