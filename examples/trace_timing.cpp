// Where does the time go? The stages of an encoder, all layers added up. A trace makes the threads wait for one another
// at each stage and takes all rows through it, so the sum is more than the plain call below it.
//
//   trace_timing [--small]
#include <vitrine/vitrine.hpp>

#include <chrono>
#include <cstdio>
#include <vector>

using Clock = std::chrono::steady_clock;
static double ms(Clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

struct Stage {
  std::string_view name;
  const char* what;  // is computed between the value shown before and this one
  double time = 0;
};

int main(int argc, char** argv) {
  const bool small = argc == 2 && std::string_view(argv[1]) == "--small";
  if (argc > 2 || (argc == 2 && !small)) return std::fprintf(stderr, "usage: trace_timing [--small]\n"), 2;
  std::fprintf(stderr, "%s\n", vt::build_info().data());
  const vt::Index width = small ? 64 : 512, length = small ? 16 : 128;
  vt::Encoder<float> encoder({.layer = {.d_model = width, .nhead = 8, .dim_feedforward = 4 * width}, .num_layers = 6});
  vt::throw_if_failed(encoder.init(1));
  const std::vector<float> x(std::size_t(4 * length * width), 0.5f);
  const vt::Sequences<float> in(x.data(), 4, length, width);
  vt::Workspace workspace(vt::heap());
  vt::EncoderResult<vt::keep::Nothing, float> result;

  std::vector<Stage> stages = {{"q", "x Wq^T + bq"},
                               {"k", "x Wk^T + bk and x Wv^T + bv"},
                               {"scores", "q k^T, softmax, weights v; the maps written"},
                               {"out_proj", "context Wo^T + bo"},
                               {"residual1", "x + attention"},
                               {"norm1", "layer norm"},
                               {"linear1", "x W1^T + b1"},
                               {"activation", "ReLU"},
                               {"linear2", "x W2^T + b2"},
                               {"residual2", "x + feed-forward"},
                               {"norm2", "layer norm"},
                               {"", "everything else"}};
  Clock::time_point last;
  const auto trace = [&](std::string_view name, vt::Index, const vt::TraceView<float>&) {
    name.remove_prefix(name.rfind('.') + 1);  // layers.0.self_attn.
    std::size_t i = 0;
    while (i + 1 < stages.size() && stages[i].name != name) ++i;
    stages[i].time += ms(Clock::now() - last);
    last = Clock::now();
  };
  for (int repetition = 0; repetition < 2; ++repetition) {  // the first one faults the memory in
    for (Stage& stage : stages) stage.time = 0;
    const auto start = last = Clock::now();
    vt::throw_if_failed(encoder.forward_into(result, workspace, in, {}, vt::keep::nothing, trace));
    const auto middle = Clock::now();
    vt::throw_if_failed(encoder.forward_into(result, workspace, in, {}, vt::keep::nothing));
    if (repetition == 0) continue;
    for (const Stage& stage : stages) std::printf("%9.3f ms  %-11s%s\n", stage.time, stage.name.data(), stage.what);
    std::printf("%9.3f ms  with the trace\n%9.3f ms  without\n", ms(middle - start), ms(Clock::now() - middle));
  }
}
