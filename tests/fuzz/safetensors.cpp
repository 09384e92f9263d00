#include <vitrine/io/load.hpp>
#include <vitrine/layers/encoder_layer.hpp>

#include "targets.hpp"

namespace vt = vitrine;

void fuzz_safetensors(std::string_view input) {
  const auto bytes = std::as_bytes(std::span(input));
  for (const bool trailing : {false, true}) {
    refused([&] {
      const vt::SafeTensors file(bytes, "file", {.allow_trailing_bytes = trailing});
      for (const vt::TensorView& view : file.tensors()) {
        refused([&] { (void)view.to_vector<double>(); });
        refused([&] { (void)view.to_vector<std::int16_t>(); });
      }
      refused([&] { (void)file.at("no such name"); });
      for (const char* prefix : {"", "layers.0."}) {
        vt::EncoderLayer<float> layer({.d_model = 4, .nhead = 2, .dim_feedforward = 4});
        const bool none = refused([&] { vt::load(layer, file, prefix); });
        if (none == layer.loaded()) __builtin_trap();
      }
    });
  }
}
