// In a harness of your own: memory once, then calls that allocate nothing, cannot throw and say what is wrong.
#include <vitrine/vitrine.hpp>

#include <chrono>
#include <cstdio>
#include <vector>

int main() {
  std::fprintf(stderr, "%s\n", vt::build_info().data());
  vt::EncoderLayer<float> layer({.d_model = 512, .nhead = 8, .dim_feedforward = 2048});
  if (vt::Status s = layer.init(1); s != vt::Status::ok) return 1;
  const vt::Index batch = 4, length = 64;
  const std::vector<float> x(std::size_t(batch * length * 512), 0.5f);
  const vt::Sequences<float> view(x.data(), batch, length, 512);
  vt::Workspace workspace(vt::heap(), 2);            // two threads
  vt::EncoderResult<vt::DefaultKeep, float> result;  // reused: no page is faulted in twice
  for (int repetition = 0; repetition < 5; ++repetition) {
    const auto start = std::chrono::steady_clock::now();
    const vt::Status status = layer.forward_into(result, workspace, view);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    if (status != vt::Status::ok) return std::fprintf(stderr, "%s\n", status.sentence), 1;
    std::printf("%.3f ms, %.1f GF/s\n", seconds.count() * 1e3, layer.flops({batch, length}) / seconds.count() * 1e-9);
  }
  std::printf("workspace %zu KB, maps %zu KB\n", workspace.peak_bytes() / 1024, result.self_attn.bytes() / 1024);
}
