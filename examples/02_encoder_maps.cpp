// Every layer's and head's map of a large encoder: 12 layers, width 2048, 8 heads. Says what it will take before it
// takes it.
//
//   02_encoder_maps [--small]
#include <vitrine/vitrine.hpp>

#include <iostream>
#include <string_view>

int main(int argc, char** argv) {
  const std::string_view option = argc == 2 ? argv[1] : "";
  const bool small = option == "--small", help = option == "--help" || option == "-h";
  if (help || (argc > 1 && !small)) {
    (help ? std::cout : std::cerr) << "usage: 02_encoder_maps [--small]\n";
    return help ? 0 : 2;
  }
  std::cerr << vt::build_info().data() << '\n';
  const vt::Index width = small ? 256 : 2048, length = small ? 16 : 128;
  vt::Encoder<float> encoder({.layer = {.d_model = width, .nhead = 8, .dim_feedforward = 512}, .num_layers = 12});
  const vt::Shape shape{.batch = 1, .length = length};
  std::cout << "parameters  " << double(encoder.parameter_count()) * 4e-6 << " MB\n"
            << "result      " << double(encoder.result_bytes(shape)) * 1e-6
            << " MB, the maps of 12 layers x 8 heads included\n"
            << "workspace   " << double(encoder.workspace_bytes(shape, vt::default_threads())) * 1e-6 << " MB\n"
            << "arithmetic  " << encoder.flops(shape) * 1e-9 << " Gflop\n"
            << std::flush;
  vt::throw_if_failed(encoder.init(1));

  vt::RowMajor<float> x = vt::RowMajor<float>::Random(length, width);
  const auto r = encoder(x);
  for (int layer = 0; layer < 12; ++layer) {
    std::cout << "layer " << layer << ": the largest weight of each head ";
    for (int head = 0; head < 8; ++head) std::cout << ' ' << r.self_attn[layer].matrix(0, head).maxCoeff();
    std::cout << '\n';
  }
}
