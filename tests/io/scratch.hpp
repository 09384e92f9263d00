// A folder of its own for a test, removed at the end; whole files as strings.
#pragma once
#include <unistd.h>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vitrine/io/error.hpp>

struct Scratch {
  std::filesystem::path folder = [] {
    static std::atomic<int> counter{0};
    return std::filesystem::temp_directory_path() /
           (std::string("vitrine-test-") + std::to_string(::getpid()) + "-" + std::to_string(counter++));
  }();
  Scratch() { std::filesystem::create_directories(folder); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }

  std::filesystem::path operator/(const std::string& name) const { return folder / name; }
  std::filesystem::path write(const std::string& name, const std::string& content) const {
    std::ofstream(folder / name, std::ios::binary) << content;
    return folder / name;
  }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
  }
};

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The name of the error that a call throws, "no error" if it throws none. `message`, if given, receives the text.
template <class Call>
std::string error_of(Call call, std::string* message = nullptr) {
  try {
    call();
  } catch (const vitrine::Error& error) {
    if (message) *message = error.what();
    return vitrine::name(error.code());
  }
  return "no error";
}

/// A safetensors container: the length, the header, then `data`.
inline std::string container(const std::string& header, const std::string& data = "") {
  std::string length;
  for (std::size_t i = 0; i < 8; ++i) length += static_cast<char>(header.size() >> (8 * i) & 0xff);
  return length + header + data;
}
