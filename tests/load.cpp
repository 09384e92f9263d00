// load FILE: reads every tensor of a .safetensors, .npy or .npz file or of a checkpoint folder, as a loader would.
// Exit 0 and a line that counts them; or exit 2 and a line on stdout: the error's name, then a sentence with file and
// values.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>
#include <span>
#include <string>
#include <vitrine/core/build_info.hpp>
#include <vitrine/io/npz.hpp>
#include <vitrine/io/safetensors.hpp>
#include <vitrine/io/zlib.hpp>

namespace vt = vitrine;

namespace {

int refused(vt::LoadError code, const std::string& sentence) {
  std::printf("%s %s\n", vt::name(code), sentence.c_str());
  return 2;
}

void report(const char* path, std::span<const vt::TensorView> tensors) {
  std::size_t bytes = 0;
  for (const vt::TensorView& view : tensors) bytes += view.nbytes;
  std::printf("%s: %zu tensors, %zu bytes\n", path, tensors.size(), bytes);
}

void load(const char* path) {
  const auto extension = std::filesystem::path(path).extension();
  if (extension == ".npy") {
    const vt::Npy array(path);
    report(path, {&array.tensor(), 1});
  } else if (extension == ".npz") {
    const vt::Npz archive(path, vt::zlib_inflate);
    report(path, archive.tensors());
  } else {
    const vt::SafeTensors file(path);
    for (const vt::TensorView& view : file.tensors()) {
      view.read_rows<double>(0, 0, nullptr);  // a type that cannot be converted is refused on access
    }
    report(path, file.tensors());
  }
}

}  // namespace

int main(int count, char** arguments) {
  std::fprintf(stderr, "%s\n", vt::build_info().data());
  if (count == 2 && (std::string(arguments[1]) == "--help" || std::string(arguments[1]) == "-h")) {
    std::puts(
        "usage: load FILE   (.safetensors, .npy, .npz or a folder with model.safetensors)\n"
        "exit 0: every tensor can be read; exit 2: the error's name and a sentence are printed");
    return 0;
  }
  if (count != 2) return refused(vt::LoadError::bad_usage, "usage: load FILE");
  try {
    load(arguments[1]);
  } catch (const vt::Error& error) { return refused(error.code(), error.message()); } catch (const std::bad_alloc&) {
    return refused(vt::LoadError::out_of_memory, std::string(arguments[1]) + ": there is not enough memory to read it");
  } catch (const std::exception& error) { return refused(vt::LoadError::file_unreadable, error.what()); }
  return 0;
}
