// What the timing programs share: policies timed in turn, random inputs, and the JSON that they print.
#pragma once
#include "count_allocations.hpp"
#include "peak.hpp"

#include <vitrine/vitrine.hpp>

#include <nlohmann/json.hpp>

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {

namespace vt = vitrine;
using vt::Index;
using Json = nlohmann::ordered_json;

// One of several calls that are timed in turn.
class Timed {
 public:
  explicit Timed(std::string name_of) : name(std::move(name_of)) {}
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;
  virtual ~Timed() = default;
  virtual void prepare() {}  // not timed
  virtual vt::Status run() = 0;

  std::string name;                 // of the policy
  std::string map_storage = "f32";  // of kept weights
  std::vector<double> milliseconds;
  long long allocations = 0;  // of the last repetition
};

// One call of each to grow results and workspaces and one more, then A B A B.
template <class T>
vt::Status time_in_turn(std::vector<std::unique_ptr<T>>& cases, Index repetitions) {
  for (auto& one : cases) {
    one->milliseconds.reserve(std::size_t(repetitions));
    for (int i = 0; i < 2; ++i) {
      one->prepare();
      if (const vt::Status s = one->run(); s != vt::Status::ok) return s;
    }
  }
  for (Index i = 0; i < repetitions; ++i)
    for (auto& one : cases) {
      one->prepare();
      const long long allocated = allocation_count.load(std::memory_order_relaxed);
      const double begin = seconds_now();
      const vt::Status s = one->run();
      const double end = seconds_now();
      if (s != vt::Status::ok) return s;
      one->allocations = allocation_count.load(std::memory_order_relaxed) - allocated;
      one->milliseconds.push_back((end - begin) * 1e3);
    }
  return {};
}

inline double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 != 0 ? values[half] : (values[half - 1] + values[half]) / 2;
}
inline double least(const std::vector<double>& values) {
  return values.empty() ? 0 : *std::min_element(values.begin(), values.end());
}

// Numbers between -1.75 and 1.75, of variance about 1, the same on every platform.
template <class S>
std::vector<S> random_values(Index count, std::uint64_t seed) {
  std::vector<S> values(std::size_t(count > 0 ? count : 0));
  std::uint64_t state = seed * 2862933555777941757u + 3037000493u;
  for (S& value : values) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    value = S((double(state >> 40) * 0x1p-23 - 1) * 1.75);
  }
  return values;
}

// FNV-1a over the bytes.
template <class S>
std::string checksum(std::span<const S> values) {
  std::uint64_t hash = 14695981039346656037u;
  const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
  for (std::size_t i = 0; i < values.size_bytes(); ++i) hash = (hash ^ bytes[i]) * 1099511628211u;
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

// The largest resident set of this process so far.
inline std::size_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
  return std::size_t(usage.ru_maxrss);
#else
  return std::size_t(usage.ru_maxrss) * 1024;
#endif
}

inline std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.rfind("model name", 0) == 0 && line.find(": ") != line.npos) return line.substr(line.find(": ") + 2);
  return "unknown";
}

// The keys that all entries have in common. `flops` of one call; peak and tile in GFLOP/s.
inline Json entry(const Timed& timed, double flops, double peak, double tile) {
  Json json;
  json["keep"] = timed.name;
  json["map_storage"] = timed.map_storage;
  json["median_ms"] = median(timed.milliseconds);
  json["min_ms"] = least(timed.milliseconds);
  const double gflops = median(timed.milliseconds) > 0 ? flops / median(timed.milliseconds) * 1e-6 : 0;
  json["gflops"] = gflops;
  json["peak_gflops"] = peak;
  json["peak_fraction"] = peak > 0 ? gflops / peak : 0;
  json["tile_gflops"] = tile;
  return json;
}
inline void finish_entry(Json& json, const Timed& timed, std::size_t rss, int threads_used) {
  json["peak_rss_bytes"] = rss;
  if (counts_allocations)
    json["allocations"] = timed.allocations;
  else
    json["allocations"] = nullptr;
  json["build"] = vt::build_info().data();
  json["cpu"] = cpu_name();
  json["threads_used"] = threads_used;
}

// Prints what a call refused; the exit status for it.
inline int refused(const vt::Status& status) {
  std::fprintf(stderr, "error: %s\n", vt::StatusError(status).what());
  return 2;
}

// Calls f(policy) with the policy of that name, whose maps are of layers of S. Throws std::invalid_argument for maps
// that are not stored so.
template <class S, class F>
auto with_policy(const std::string& name, const std::string& storage, F&& f) {
  if (name == "weights" && storage != "f32") {
    if constexpr (std::is_same_v<S, float>) {
      if (storage == "f16") return f(vt::keep::weights.as<vt::MapStorage::f16>());
      if (storage == "bf16") return f(vt::keep::weights.as<vt::MapStorage::bf16>());
      return f(vt::keep::weights.as<vt::MapStorage::u8>());
    }
    throw std::invalid_argument("--map_storage " + storage + " is for --scalar float");
  }
  if (name != "nothing" && storage != "f32")
    throw std::invalid_argument("--map_storage " + storage + " is for --keep weights, not " + name);
  if (name == "weights") return f(vt::keep::weights);
  if (name == "scores") return f(vt::keep::scores);
  if (name == "head_mean") return f(vt::keep::head_mean);
  if (name == "statistics") return f(vt::keep::statistics);
  if (name == "top8") return f(vt::keep::top<8>);
  return f(vt::keep::nothing);
}
// For each policy, and keep weights in each of the storages: the case that make(policy, its name) makes.
template <class S, class F>
void with_policies(const std::vector<std::string>& names, const std::vector<std::string>& storages, F&& make) {
  for (const std::string& name : names)
    for (const std::string& storage : storages) {
      if (name != "weights" && &storage != storages.data()) continue;  // nothing changes with it
      const std::string own = name == "nothing" ? "f32" : storage;
      with_policy<S>(name, own, [&](auto keep) { make(keep, name).map_storage = own; });
    }
}
inline std::vector<std::string> storages_of_maps() { return {"f32", "f16", "bf16", "u8"}; }
inline std::vector<std::string> policies() {
  return {"nothing", "weights", "scores", "head_mean", "statistics", "top8"};
}

// The largest difference found, beside the size of the numbers. NaN on either side is infinitely wrong.
struct Error {
  double largest = 0, size = 1;
  void add(double ours, double naive) {
    size = std::max(size, std::abs(naive));
    if (ours == naive) return;  // masked scores: both -inf
    const double difference = std::abs(ours - naive);
    largest = std::max(largest, difference == difference ? difference : std::numeric_limits<double>::infinity());
  }
  // Weights in another storage are the naive twin's too; what rounds the other operand of a product costs more.
  template <class S>
  bool acceptable(vt::Storage weights = vt::Storage::f32) const {
    double eps = double(std::numeric_limits<S>::epsilon());
    if (weights == vt::Storage::int8) eps = 0x1p-15;
    if (weights == vt::Storage::bf16 && vt::kernels::bf16_pairs) eps = 0x1p-16;
    return largest <= 1024 * eps * size;
  }
};

inline std::vector<std::string> storages() { return {"f32", "int8", "bf16", "f16"}; }
inline vt::Storage storage_of(const std::string& name) {
  vt::Storage storage = vt::Storage::f32;
  (void)vt::parse_storage(name.c_str(), storage);
  return storage;
}

// Rows of a map against the naive row: weights and scores of (H, keys), head after head.
template <class S>
void compare_row(const vt::Maps<S>& maps, Index layer, Index b, Index t, const std::vector<double>& weights,
                 const std::vector<double>&, Error& error) {
  const Index keys = maps.memory_length(b);
  for (Index h = 0; h < maps.heads(); ++h) {
    const auto matrix = maps[layer].matrix(b, h);
    for (Index j = 0; j < keys; ++j) error.add(double(matrix(t, j)), weights[std::size_t(h * keys + j)]);
  }
}
template <class S>
void compare_row(const vt::ScoredMaps<S>& maps, Index layer, Index b, Index t, const std::vector<double>& weights,
                 const std::vector<double>& scores, Error& error) {
  const Index keys = maps.memory_length(b);
  for (Index h = 0; h < maps.heads(); ++h) {
    const auto matrix = maps[layer].matrix(b, h), before = maps[layer].scores(b, h);
    for (Index j = 0; j < keys; ++j) {
      error.add(double(matrix(t, j)), weights[std::size_t(h * keys + j)]);
      error.add(double(before(t, j)), scores[std::size_t(h * keys + j)]);
    }
  }
}
template <class S>
void compare_row(const vt::MeanMaps<S>& maps, Index layer, Index b, Index t, const std::vector<double>& weights,
                 const std::vector<double>&, Error& error) {
  const Index keys = maps.memory_length(b), heads = Index(weights.size()) / std::max<Index>(keys, 1);
  const auto matrix = maps[layer].matrix(b);
  for (Index j = 0; j < keys; ++j) {
    double mean = 0;
    for (Index h = 0; h < heads; ++h) mean += weights[std::size_t(h * keys + j)];
    error.add(double(matrix(t, j)), mean / double(heads));
  }
}
// Entropy, log-sum-exp and largest weight of the row; the sums of columns are the tests'.
template <class S>
void compare_row(const vt::Statistics<S>& figures, Index layer, Index b, Index t, const std::vector<double>& weights,
                 const std::vector<double>& scores, Error& error) {
  const Index keys = figures.memory_length(b);
  for (Index h = 0; h < figures.heads(); ++h) {
    const double *w = weights.data() + h * keys, *s = scores.data() + h * keys;
    const double top = *std::max_element(s, s + keys);
    double entropy = 0, sum = 0;
    for (Index j = 0; j < keys; ++j) {
      if (w[j] > 0) entropy -= w[j] * std::log(w[j]);
      if (s[j] - top > -1000) sum += std::exp(s[j] - top);
    }
    const auto row = std::size_t(t);
    error.add(double(figures[layer].entropy(b, h)[row]), entropy);
    error.add(double(figures[layer].log_sum_exp(b, h)[row]), sum > 0 ? top + std::log(sum) : top);
    error.add(double(figures[layer].largest(b, h)[row]), *std::max_element(w, w + keys));
  }
}
template <class S, Index Count>
void compare_row(const vt::TopWeights<S, Count>& tops, Index layer, Index b, Index t,
                 const std::vector<double>& weights, const std::vector<double>&, Error& error) {
  const Index keys = tops.memory_length(b);
  for (Index h = 0; h < tops.heads(); ++h) {
    std::vector<double> sorted(weights.begin() + h * keys, weights.begin() + (h + 1) * keys);
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    for (Index i = 0; i < Count; ++i) {
      error.add(double(tops[layer].weights(b, h)(t, i)), i < keys ? sorted[std::size_t(i)] : 0);
      const Index key = tops[layer].key(b, h, t, i);
      if (key >= 0) error.add(double(tops[layer].weights(b, h)(t, i)), weights[std::size_t(h * keys + key)]);
    }
  }
}
// Of compact maps only what their rounding does not explain.
template <vt::MapStorage M>
void compare_row(const vt::CompactMaps<float, M>& maps, Index layer, Index b, Index t,
                 const std::vector<double>& weights, const std::vector<double>&, Error& error) {
  constexpr double rounding = M == vt::MapStorage::u8 ? 0.5 / 255 : M == vt::MapStorage::f16 ? 0x1p-12 : 0x1p-9;
  const Index keys = maps.memory_length(b);
  for (Index h = 0; h < maps.heads(); ++h) {
    const auto matrix = maps[layer].matrix(b, h);
    for (Index j = 0; j < keys; ++j) {
      const double naive = weights[std::size_t(h * keys + j)], off = double(matrix(t, j)) - naive;
      error.add(std::abs(off) <= rounding ? naive : naive + off - std::copysign(rounding, off), naive);
    }
  }
}
template <int Place>
void compare_row(const vt::NotKept<Place>&, Index, Index, Index, const std::vector<double>&, const std::vector<double>&,
                 Error&) {}

template <class M>
std::size_t kept_bytes(const M& maps) {
  if constexpr (requires { maps.bytes(); })
    return maps.bytes();
  else
    return 0;
}

}  // namespace bench
