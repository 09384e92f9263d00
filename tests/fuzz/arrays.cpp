#include <vitrine/io/npz.hpp>
#include <vitrine/io/zlib.hpp>

#include "../io/scratch.hpp"
#include "targets.hpp"

namespace vt = vitrine;

void fuzz_arrays(std::string_view input) {
  static const std::string label = "file";
  refused([&] { (void)vt::parse_npy(std::as_bytes(std::span(input)), label).to_vector<double>(); });

  static const Scratch scratch;
  const auto path = scratch.write("x.npz", std::string(input));
  for (const vt::Inflate inflate : {vt::Inflate(nullptr), vt::Inflate(vt::zlib_inflate)})
    refused([&] {
      const vt::Npz archive(path, inflate);
      for (const vt::TensorView& view : archive.tensors()) refused([&] { (void)view.to_vector<float>(); });
      refused([&] { (void)archive.at("no such name"); });
    });
}
