// golden PATH...: runs every golden case under the files and folders, in float and double. A line for each tensor that
// differs, with its largest error and the tolerance; the last line is "N passed, M failed" (a case counts once for each
// scalar, a folder of a tokenizer once). Exit 0: all passed, 1: some failed, 2: bad usage, nothing to run, or a file
// that cannot be read.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>
#include <vitrine/core/build_info.hpp>

#include "golden/module_golden.hpp"
#include "golden/onnx_golden.hpp"
#if __has_include("golden/model_golden.hpp")
#include "golden/model_golden.hpp"
#endif
#if __has_include("golden/tokenizer_golden.hpp")
#include "golden/tokenizer_golden.hpp"
#endif

namespace {

namespace fs = std::filesystem;

constexpr const char* usage =
    "usage: golden PATH...   (files and folders of golden cases: tests/golden, examples/models/g2p)\n"
    "Runs each in float and double; prints a line for each tensor that differs, then \"N passed, M failed\".\n"
    "Exit: 0 all passed, 1 some failed, 2 bad usage, nothing to run, or a file that cannot be read.\n";

bool is_tokenizer(const fs::path& path) { return fs::exists(path / "expect.jsonl"); }

void run_tokenizer(const fs::path& path, golden::Report& report, bool& unreadable) {
  report.begin(path.string(), "tokenizer");
  try {
#if __has_include("golden/tokenizer_golden.hpp")
    golden::run_tokenizer_case(path, report);
#else
    throw std::runtime_error("golden was built without tests/golden/tokenizer_golden.hpp");
#endif
  } catch (const std::exception& error) {
    if (dynamic_cast<const vitrine::Error*>(&error) != nullptr) unreadable = true;
    report.fail(error.what());
  }
  report.finish();
}

template <class S>
void run_one(const fs::path& path, golden::Report& report, bool& unreadable) {
  try {
    if (fs::is_directory(path)) {
#if __has_include("golden/model_golden.hpp")
      golden::run_model_case<S>(path, report);
#else
      report.begin(path.string(), golden::scalar_name<S>);
      throw std::runtime_error("golden was built without tests/golden/model_golden.hpp");
#endif
    } else if (const vitrine::SafeTensors file(path); file.metadata().contains("module")) {
      golden::run_module_case<S>(path, report);
    } else {
      golden::run_onnx_case<S>(path, report);
    }
  } catch (const std::exception& error) {
    if (dynamic_cast<const vitrine::Error*>(&error) != nullptr) unreadable = true;
    report.fail(error.what());
    report.finish();
  }
}

// A folder with a config.json or an expect.jsonl is one case; any other holds cases.
void collect(const fs::path& path, std::vector<fs::path>& cases) {
  if (!fs::is_directory(path) || fs::exists(path / "config.json") || is_tokenizer(path)) {
    cases.push_back(path);
    return;
  }
  for (const auto& entry : fs::directory_iterator(path))
    if (entry.is_directory() || entry.path().extension() == ".safetensors") collect(entry.path(), cases);
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 2 && (std::string(arguments[1]) == "--help" || std::string(arguments[1]) == "-h")) {
    std::fputs(usage, stdout);
    return 0;
  }
  std::fprintf(stderr, "%s\n", vitrine::build_info().data());
  std::vector<fs::path> cases;
  for (int i = 1; i < count; ++i) {
    if (!fs::exists(arguments[i])) {
      std::fprintf(stderr, "golden: %s is not there\n", arguments[i]);
      return 2;
    }
    collect(arguments[i], cases);
  }
  if (cases.empty()) {
    std::fputs(usage, stderr);
    return 2;
  }
  std::sort(cases.begin(), cases.end());
  golden::Report report;
  bool unreadable = false;
  for (const fs::path& path : cases) {
    if (is_tokenizer(path)) {
      run_tokenizer(path, report, unreadable);
      continue;
    }
    run_one<float>(path, report, unreadable);
    run_one<double>(path, report, unreadable);
  }
  std::printf("%d passed, %d failed\n", report.passed, report.failed);
  return unreadable ? 2 : report.failed > 0 ? 1 : 0;
}
