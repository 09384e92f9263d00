// run_case CASE [--threads N] [--keep weights|scores|head_mean|nothing] [--pad LEFT,RIGHT] [--neighbours N]
//               [--call fresh|into] [--path full|cached|ragged|static] [--scalar float|double] [--out FILE.npz]
// Runs one module case and prints for every tensor of the result its name, shape and a hash of the bytes of its real
// rows: those before the padding that a sequence ends with, the case's own or that of --pad. A name has the same line
// under all flags (names depend on --keep; NAME.mean is head_mean's). --path cached: decoders that look at no later
// key, token by token; static: compile-time sizes, for a few cases. Where a path does not exist for a case, the plain
// one is taken, and stderr says so. Exit 0; 2: bad usage or file.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
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
  std::string file, keep = "weights", call = "fresh", path = "full", scalar = "float", out;
  int threads = 0;
  module_case::Placement placement;
};

constexpr const char* usage =
    "usage: run_case CASE [--threads N] [--keep weights|scores|head_mean|nothing] [--pad LEFT,RIGHT] [--neighbours N]\n"
    "       [--call fresh|into] [--path full|cached|ragged|static] [--scalar float|double] [--out FILE.npz]\n";

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
      !one_of("--path", o.path, {"full", "cached", "ragged", "static"}) ||
      !one_of("--scalar", o.scalar, {"float", "double"}) || !one_of("--out", o.out, {}) ||
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

template <class S, class K>
void run(const Options& o, const K& keep) {
  const vt::SafeTensors file(o.file);
  module_case::Case<S> c = module_case::place(module_case::Case<S>(file), o.placement);
  for (auto& mask : c.masks) mask.use_causal = o.path != "cached";
  const auto note = [](const char* text) { std::fprintf(stderr, "run_case: %s\n", text); };
  if (o.placement.ragged && (o.placement.left > 0 || o.placement.right > 0))
    note("packed rows have no padding: --pad has no effect");
  std::vector<module_case::Named<S>> result;
  bool done = false;
  if (o.path == "cached") {
    if ((done = module_case::is_causal(c)))
      result = module_case::run_cached(c, keep, o.threads > 0 ? o.threads : 1, true);
    else
      note("this case looks at later keys, or is no decoder: the plain path instead of the cached one");
  } else if (o.path == "static") {
    if (auto fixed = module_case::run_static(c, keep, true))
      result = std::move(*fixed), done = true;
    else
      note("no static layer of these sizes: the plain path instead of the static one");
  }
  if (!done) result = module_case::run(c, keep, {o.threads, o.call == "into"}, true);

  for (const auto& one : result)
    std::printf("%s %s %016llx\n", one.name.c_str(), vt::detail::shape_text(one.shape).c_str(),
                static_cast<unsigned long long>(hash(one.values.data(), one.values.size() * sizeof(S))));
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

template <class S>
void run(const Options& o) {
  if (o.keep == "weights")
    run<S>(o, vt::keep::weights);
  else if (o.keep == "scores")
    run<S>(o, vt::keep::scores);
  else if (o.keep == "head_mean")
    run<S>(o, vt::keep::head_mean);
  else
    run<S>(o, vt::keep::nothing);
}

}  // namespace

int main(int count, char** arguments) {
  std::fprintf(stderr, "%s\n", vt::build_info().data());
  Options options;
  if (!parse(count, arguments, options)) {
    std::fputs(usage, stderr);
    return 2;
  }
  try {
    options.scalar == "float" ? run<float>(options) : run<double>(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
