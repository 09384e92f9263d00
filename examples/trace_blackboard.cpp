// Every number inside one encoder layer that fits a blackboard: 4 tokens, width 8, 2 heads, round weights. Left ours as
// they are computed, right PyTorch's (trace_blackboard.hpp, made by trace_blackboard.py). Exits with 1 when they
// differ.
#include <vitrine/vitrine.hpp>

#include <cmath>
#include <cstdio>

#include "trace_blackboard.hpp"

namespace {

// The larger difference; a NaN is the largest, and stays.
double largest(double one, double other) { return std::isnan(one) || other <= one ? one : other; }

void row(const double* values, int columns) {
  for (int j = 0; j < columns; ++j) std::printf("%7.3f", values[j]);
}

}  // namespace

int main() {
  std::fprintf(stderr, "%s\n", vt::build_info().data());
  vt::EncoderLayer<double> layer({.d_model = 8, .nhead = 2, .dim_feedforward = 8});
  std::printf("parameters\n");
  for (const auto& p : blackboard::parameters) {
    if (layer.bind(p.name.data(), p.values) != vt::Status::ok) return 1;
    std::printf("\n%s (%d, %d)\n", p.name.data(), p.rows, p.columns);
    for (int i = 0; i < p.rows; ++i) row(p.values.data() + i * p.columns, p.columns), std::printf("\n");
  }
  std::printf("\nx (1, 4, 8), a token a row\n");
  for (int i = 0; i < 4; ++i) row(blackboard::x.data() + 8 * i, 8), std::printf("\n");

  double worst = 0;
  std::size_t shown = 0;
  const auto trace = [&](std::string_view name, vt::Index, const vt::TraceView<double>& view) {
    if (shown == blackboard::pytorch.size() || blackboard::pytorch[shown].name != name) {
      worst = INFINITY;
      return;
    }
    const auto& wanted = blackboard::pytorch[shown++];
    std::printf("\n%s  %s\n", name.data(), wanted.formula.data());
    const int rows = wanted.rows, columns = wanted.columns;
    if (view.heads() != wanted.heads || view.length() != rows || view.width() != columns) worst = INFINITY;
    for (int h = 0; h == 0 || h < wanted.heads; ++h) {
      const auto ours = view.matrix(0, h);
      const double* theirs = wanted.values.data() + h * rows * columns;
      if (wanted.heads > 0) std::printf("(1, %d, %d, %d) head %d\n", wanted.heads, rows, columns, h);
      if (wanted.heads == 0) std::printf("(1, %d, %d)\n", rows, columns);
      for (int i = 0; i < rows; ++i, theirs += columns) {
        row(ours.row(i).data(), columns), std::printf("   |"), row(theirs, columns), std::printf("\n");
        for (int j = 0; j < columns; ++j) worst = largest(worst, std::abs(ours(i, j) - theirs[j]));
      }
    }
  };
  layer({blackboard::x.data(), 1, 4, 8}, {}, vt::keep::nothing, trace);
  const bool all = shown == blackboard::pytorch.size() && worst < 1e-12;
  std::printf("\n%zu values of %zu shown; the largest difference from PyTorch is %.1e\n", shown,
              blackboard::pytorch.size(), worst);
  return all ? 0 : 1;
}
