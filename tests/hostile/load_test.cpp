// The program load, which stands beside this one: the exit code, and the error's name as the first word on stdout.
#include <doctest/doctest.h>

#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>

#include "../io/scratch.hpp"
#include "attacks.hpp"

namespace {

const std::filesystem::path load_program = [] {
  std::error_code failed;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", failed).parent_path() / "load";
  return std::filesystem::exists(path, failed) ? path : std::filesystem::path();
}();

/// Exit code and first line of stdout.
std::pair<int, std::string> run(const std::filesystem::path& file) {
  std::FILE* pipe =
      ::popen((std::string("'") + load_program.string() + "' '" + file.string() + "' 2>/dev/null").c_str(), "r");
  REQUIRE(pipe);
  std::string line;
  for (int c = 0; (c = std::fgetc(pipe)) != EOF && c != '\n';) line += static_cast<char>(c);
  while (std::fgetc(pipe) != EOF) {}
  const int status = ::pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, line};
}

}  // namespace

TEST_CASE("load names the error of each attack and exits with 2; what is right it loads") {
#ifdef __linux__
  REQUIRE_MESSAGE(!load_program.empty(), "the program load is to be built beside this one");
#else
  if (load_program.empty()) {
    MESSAGE("skipped: no /proc to find the program load by");
    return;
  }
#endif
  const Scratch scratch;
  for (const Attack& attack : safetensors_attacks()) {
    CAPTURE(attack.what);
    const auto [code, line] = run(scratch.write("x.safetensors", attack.bytes));
    CHECK(code == 2);
    CHECK(line.starts_with(attack.error + " " + (scratch / "x.safetensors").string() + ": "));
  }
  for (const auto& odd : odd_safetensors()) {
    CAPTURE(odd.first);
    CHECK(run(scratch.write("x.safetensors", odd.second)).first == 0);
  }
  const auto unknown = attack::file(attack::tensor("[4]", "[0,4]", "\"F8_E4M3\""), 4);
  CHECK(run(scratch.write("x.safetensors", unknown)).second.starts_with("unknown_dtype "));
  CHECK(run(scratch / "none").second.starts_with("file_missing "));
  const auto [code, line] = run(scratch.write("model.bin", "PK"));
  CHECK(code == 2);
  CHECK(line.starts_with("only_pickle "));
  CHECK(line.ends_with(std::string("python3 examples/python/to_safetensors.py ") + (scratch / "model.bin").string()));
}
