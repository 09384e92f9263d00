// run_case CASE [--threads N] [--keep weights|scores|head_mean|nothing] [--pad LEFT,RIGHT] [--neighbours N]
//               [--call fresh|into] [--path full|cached|ragged|static] [--scalar float|double] [--out FILE.npz]
//               [--trace no|yes] [--weights f32|bf16|f16|int8]
// Runs one module case and prints for every tensor of the result its name, shape and a hash of the bytes of its real
// rows: those before the padding that a sequence ends with, the case's own or that of --pad. A name has the same line
// under all flags (which names there are depends on --keep; NAME.mean is what head_mean keeps). --path cached: decoders
// that look at no later key, token by token; static: compile-time sizes, for a few cases. Where a path does not exist
// for a case the plain one is taken, and stderr says so. --trace yes: with a callable that reads everything, for the
// full and the ragged path with --keep scores. --weights: how they are stored. Exit 0; 2: bad usage or file.
//
// run_case --all PATH...   runs the cases in files and folders under many combinations of flags, in float, in float
// with weights in bf16 and in double, and prints what differs; the last line is "N passed, M failed". Exit 0; 1:
// something differs; 2: bad usage or file.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vitrine/core/build_info.hpp>
#include <vitrine/io/npz.hpp>

#include "property/cached_case.hpp"
#include "property/placed_case.hpp"
#include "property/static_case.hpp"

namespace vt = vitrine;
using vt::Index;

namespace {

struct Options {
  std::string file, keep = "weights", call = "fresh", path = "full", scalar = "float", trace = "no", weights = "f32",
                    out;
  int threads = 0;
  module_case::Placement placement;
};

constexpr const char* usage =
    "usage: run_case CASE [--threads N] [--keep weights|scores|head_mean|nothing] [--pad LEFT,RIGHT] [--neighbours N]\n"
    "       [--call fresh|into] [--path full|cached|ragged|static] [--scalar float|double] [--out FILE.npz]\n"
    "       [--trace no|yes] [--weights f32|bf16|f16|int8]\n"
    "       run_case --all PATH...\n"
    "Runs a module case and prints for every tensor of the result its name, shape and a hash of its bytes: the same\n"
    "under all flags. --all runs the cases of files and folders under many of them and prints what differs.\n"
    "Exit: 0, 1 something differs, 2 bad usage or file.\n";

bool number(const std::string& text, Index& value) {
  char* end = nullptr;
  const long parsed = std::strtol(text.c_str(), &end, 10);
  value = parsed;
  return !text.empty() && *end == 0 && parsed >= 0 && parsed <= 100000;
}

bool parse(int count, char** arguments, Options& o) {
  std::map<std::string, std::string> given;
  for (int i = 1; i < count; ++i) {
    const std::string word = arguments[i];
    if (!word.starts_with("--")) {
      if (!o.file.empty()) return false;
      o.file = word;
    } else if (i + 1 < count) {
      given[word] = arguments[++i];
    } else {
      return false;
    }
  }
  const auto one_of = [&](const char* option, std::string& value, std::initializer_list<const char*> allowed) {
    const auto found = given.find(option);
    if (found == given.end()) return true;
    value = found->second;
    given.erase(found);
    for (const char* word : allowed)
      if (value == word) return true;
    return allowed.size() == 0;
  };
  std::string threads = "0", pad = "0,0", neighbours = "0";
  if (!one_of("--keep", o.keep, {"weights", "scores", "head_mean", "nothing"}) ||
      !one_of("--call", o.call, {"fresh", "into"}) ||
      !one_of("--path", o.path, {"full", "cached", "ragged", "static"}) || !one_of("--trace", o.trace, {"no", "yes"}) ||
      !one_of("--scalar", o.scalar, {"float", "double"}) ||
      !one_of("--weights", o.weights, {"f32", "bf16", "f16", "int8"}) || !one_of("--out", o.out, {}) ||
      !one_of("--threads", threads, {}) || !one_of("--pad", pad, {}) || !one_of("--neighbours", neighbours, {}))
    return false;
  const auto comma = pad.find(',');
  Index n = 0;
  if (comma == pad.npos || !number(pad.substr(0, comma), o.placement.left) ||
      !number(pad.substr(comma + 1), o.placement.right) || !number(neighbours, o.placement.neighbours) ||
      !number(threads, n))
    return false;
  o.threads = int(n);
  o.placement.ragged = o.path == "ragged";
  return given.empty() && !o.file.empty();
}

std::uint64_t hash(const void* data, std::size_t bytes) {  // FNV-1a
  std::uint64_t value = 14695981039346656037u;
  for (std::size_t i = 0; i < bytes; ++i) value = (value ^ static_cast<const unsigned char*>(data)[i]) * 1099511628211u;
  return value;
}

struct Line {
  std::string name, shape;
  std::uint64_t hash;
  bool operator==(const Line&) const = default;
};

template <class S, class K>
std::vector<module_case::Named<S>> results(const vt::SafeTensors& file, const Options& o, const K& keep,
                                           std::string& note) {
  module_case::Case<S> c = module_case::place(module_case::Case<S>(file), o.placement);
  vt::parse_storage(o.weights.c_str(), c.weights);
  for (auto& mask : c.masks) mask.use_causal = o.path != "cached";
  if (o.path == "cached") {
    if (module_case::is_causal(c)) return module_case::run_cached(c, keep, o.threads > 0 ? o.threads : 1, true);
    note = "this case looks at later keys, or is no decoder: the plain path instead of the cached one";
  } else if (o.path == "static") {
    if (auto fixed = module_case::run_static(c, keep, true)) return std::move(*fixed);
    note = "no static layer of these sizes: the plain path instead of the static one";
  } else if (o.placement.ragged && (o.placement.left > 0 || o.placement.right > 0)) {
    note = "packed rows have no padding: --pad has no effect";
  }
  const module_case::CallOptions options{o.threads, o.call == "into"};
  if (o.trace == "yes") {
    if constexpr (std::is_same_v<K, std::remove_cvref_t<decltype(vt::keep::scores)>>) {
      S sum = 0;
      return module_case::run(c, keep, options, true, [&](std::string_view, Index, const vt::TraceView<S>& view) {
        view.each([&](const auto& matrix) { sum += matrix.sum(); });
      });
    }
    note = "only --keep scores is built with a trace: the plain call instead of the traced one";
  }
  return module_case::run(c, keep, options, true);
}
template <class S>
std::vector<module_case::Named<S>> results(const vt::SafeTensors& file, const Options& o, std::string& note) {
  if (o.keep == "weights") return results<S>(file, o, vt::keep::weights, note);
  if (o.keep == "scores") return results<S>(file, o, vt::keep::scores, note);
  if (o.keep == "head_mean") return results<S>(file, o, vt::keep::head_mean, note);
  return results<S>(file, o, vt::keep::nothing, note);
}
template <class S>
std::vector<Line> lines(const std::vector<module_case::Named<S>>& result) {
  std::vector<Line> all;
  for (const auto& one : result)
    all.push_back(
        {one.name, vt::detail::shape_text(one.shape), hash(one.values.data(), one.values.size() * sizeof(S))});
  return all;
}

template <class S>
void show(const Options& o) {
  std::string note;
  const vt::SafeTensors file(o.file);
  const auto result = results<S>(file, o, note);
  if (!note.empty()) std::fprintf(stderr, "run_case: %s\n", note.c_str());
  for (const Line& line : lines(result))
    std::printf("%s %s %016llx\n", line.name.c_str(), line.shape.c_str(), static_cast<unsigned long long>(line.hash));
  if (o.out.empty()) return;
  vt::NpzWriter writer(o.out);
  for (const auto& one : result) {
    std::vector<Index> shape = one.shape;
    Index size = 1;
    for (Index extent : shape) size *= extent;
    if (size != Index(one.values.size())) shape = {Index(one.values.size())};  // rows of different lengths: flat
    writer.add(one.name, shape, std::span<const S>(one.values));
  }
  writer.finish();
}

// ---- --all
constexpr const char* combinations[] = {
    "--threads 2",
    "--threads 3 --call into --keep nothing",
    "--keep nothing",
    "--keep head_mean",
    "--call into",
    "--pad 0,3",
    "--pad 2,0",
    "--pad 5,17 --keep nothing",
    "--pad 1,40 --keep head_mean --call into",
    "--neighbours 3",
    "--neighbours 70 --threads 2 --pad 1,1",
    "--path ragged",
    "--path ragged --neighbours 5 --threads 2",
    "--path ragged --neighbours 2 --keep head_mean --call into",
    "--trace yes --keep scores",
    "--trace yes --keep scores --threads 3 --call into --pad 1,40 --neighbours 2",
    "--trace yes --keep scores --path ragged --neighbours 5 --threads 2",
    "--path cached",
    "--path cached --neighbours 3 --pad 0,2 --keep scores",
    "--path cached --threads 2 --pad 2,0 --keep head_mean",
    "--path static",
    "--path static --neighbours 2 --pad 1,3 --keep scores",
};

struct Count {
  int passed = 0, failed = 0, taken[4] = {};  // taken: runs on a path, by the path
};

template <class S>
void compare_all(const vt::SafeTensors& file, const std::string& weights, Count& count) {
  Options plain;
  plain.keep = "scores", plain.weights = weights;
  std::string note;
  std::map<std::string, Line> wanted;
  for (const Line& line : lines(results<S>(file, plain, note))) wanted[line.name] = line;
  for (const char* flags : combinations) {
    std::vector<std::string> words = {"run_case", file.file()};
    std::istringstream split(flags);
    for (std::string word; split >> word;) words.push_back(word);
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    Options o;
    if (!parse(int(arguments.size()), arguments.data(), o)) throw std::logic_error(flags);
    o.weights = weights;
    note.clear();
    std::string differing;
    const std::vector<Line> got = lines(results<S>(file, o, note));
    for (const Line& line : got)
      if (!wanted.contains(line.name) || !(wanted[line.name] == line)) differing += " " + line.name;
    if (note.empty()) ++count.taken[o.path == "full" ? 0 : o.path == "cached" ? 1 : o.path == "ragged" ? 2 : 3];
    if (got.empty()) differing = " nothing came out";
    ++(differing.empty() ? count.passed : count.failed);
    if (!differing.empty())
      std::printf("%s %s %s %s:%s\n", file.file().c_str(), sizeof(S) == 4 ? "float" : "double", weights.c_str(), flags,
                  differing.c_str());
  }
}

int compare_all(int count, char** paths) {
  std::vector<std::filesystem::path> files;
  for (int i = 0; i < count; ++i) {
    if (!std::filesystem::is_directory(paths[i])) {
      files.push_back(paths[i]);
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(paths[i]))
      if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  Count total;
  for (const auto& path : files) {
    const vt::SafeTensors file(path);
    compare_all<float>(file, "f32", total);
    if (vt::kernels::bf16_pairs) compare_all<float>(file, "bf16", total);
    compare_all<double>(file, "f32", total);
  }
  std::printf("%d full, %d cached, %d ragged, %d static runs\n", total.taken[0], total.taken[1], total.taken[2],
              total.taken[3]);
  std::printf("%d passed, %d failed\n", total.passed, total.failed);
  return total.failed > 0 ? 1 : total.passed > 0 ? 0 : 2;
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 2 && (std::string(arguments[1]) == "--help" || std::string(arguments[1]) == "-h")) {
    std::fputs(usage, stdout);
    return 0;
  }
  std::fprintf(stderr, "%s\n", vt::build_info().data());
  Options options;
  const bool all = count > 2 && std::string(arguments[1]) == "--all";
  if (!all && !parse(count, arguments, options)) {
    std::fputs(usage, stderr);
    return 2;
  }
  try {
    if (all) return compare_all(count - 2, arguments + 2);
    options.scalar == "float" ? show<float>(options) : show<double>(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
