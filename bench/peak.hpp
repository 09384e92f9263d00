// What the machine can do at most, measured: fused multiply-adds in registers, the same fed from the first-level cache,
// and reading memory.
#pragma once
#include <vitrine/core/heap.hpp>
#include <vitrine/core/parallel.hpp>
#include <vitrine/core/simd.hpp>
#include <vitrine/kernels/matmul.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

namespace bench {

inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Independent chains of fused multiply-adds: enough to hide the latency of two units (2 x 4 or 5 cycles), and with
// their two constants within the registers.
inline constexpr int chains = VITRINE_VECTOR_REGISTERS >= 32 ? 16 : 12;

// `rounds` times 4 fma on each chain. The values converge to 1, so that none is ever denormal or infinite.
template <class S>
VITRINE_NOINLINE S multiply_add_chains(long rounds, S factor, S term) {
  using V = vitrine::simd<S>;
  const auto x = V::set1(factor), y = V::set1(term);
  typename V::vec acc[chains];
#pragma GCC unroll 16
  for (int i = 0; i < chains; ++i) acc[i] = V::set1(S(i) / S(8));
  for (long round = 0; round < rounds; ++round)
#pragma GCC unroll 4
    for (int step = 0; step < 4; ++step)
#pragma GCC unroll 16
      for (int i = 0; i < chains; ++i) acc[i] = V::fma(acc[i], x, y);
  auto sum = V::zero();
#pragma GCC unroll 16
  for (int i = 0; i < chains; ++i) sum = sum + acc[i];
  return vitrine::reduce_add<S>(sum);
}

// GFLOP/s of `bursts` bursts of about half a millisecond, which all threads begin together: the sum of each thread's
// fastest. So a thread that was interrupted makes no low peak, by which a share of it would look high. work(rounds)
// does `flops` operations a round.
template <class Work>
double fastest_bursts(int threads, int bursts, double flops, Work&& work) {
  std::vector<double> fastest(static_cast<std::size_t>(threads));
  long rounds = 2000;
  const auto burst = [&] {
    vitrine::run_team(threads, [&](vitrine::Team& team) {
      work(rounds / 8);
      team.barrier();
      const double begin = seconds_now();
      work(rounds);
      const double spent = seconds_now() - begin;
      double& own = fastest[static_cast<std::size_t>(team.thread())];
      own = own > 0 ? std::min(own, spent) : spent;
      team.barrier();
    });
  };
  for (;; rounds *= 2) {
    std::fill(fastest.begin(), fastest.end(), 0.0);
    for (int i = 0; i < 4; ++i) burst();  // any of them may have been interrupted
    if (*std::max_element(fastest.begin(), fastest.end()) >= 4e-4) break;
  }
  for (int i = 0; i < bursts; ++i) burst();
  double sum = 0;  // a thread that did not come to the team has 0
  for (const double one : fastest) sum += one > 0 ? flops * double(rounds) / one * 1e-9 : 0;
  return sum;
}

// Fused multiply-adds in registers, one counting 2. Call it before and after what it is to be compared with, and take
// the larger.
template <class S>
double peak_gflops(int threads, int bursts = 40) {
  volatile S factor = S(0.75), term = S(0.25);
  return fastest_bursts(threads, bursts, 2.0 * 4 * chains * vitrine::simd<S>::lanes, [&](long rounds) {
    volatile S sink = multiply_add_chains<S>(rounds, factor, term);
    (void)sink;
  });
}

// The micro-kernel alone, with operands that stay in the first-level cache: what a product could reach if nothing else
// cost anything. Below the peak where the processor lowers its clock for multiply-adds that are fed by loads.
template <class S>
double tile_gflops(int threads, int bursts = 40) {
  namespace kernels = vitrine::kernels;
  constexpr vitrine::Index rows = kernels::tile_rows, width = kernels::panel_width<S>, depth = 256, stride = depth + 16;
  return fastest_bursts(threads, bursts, 2.0 * double(rows * width * depth), [&](long rounds) {
    alignas(64) S a[rows * stride], b[width * depth], c[rows * width];
    for (vitrine::Index i = 0; i < rows * stride; ++i) a[i] = S(i % 7) / S(8);
    for (vitrine::Index i = 0; i < width * depth; ++i) b[i] = S(i % 5) / S(8);
    for (long round = 0; round < rounds; ++round)
      kernels::multiply_tile<S, int(rows), 1>(
          {.a = a, .a_stride = stride, .b = b, .b_step = width, .depth = depth, .c = c, .c_stride = width});
    volatile S sink = c[0];
    (void)sink;
  });
}

// Reads `count` values as `Streams` streams side by side; returns something that depends on all of them.
template <int Streams>
VITRINE_NOINLINE float read_streams(const float* values, vitrine::Index count) {
  using V = vitrine::simd<float>;
  constexpr vitrine::Index line = 8 / Streams * V::lanes;
  const vitrine::Index part = count / Streams / line * line;
  typename V::vec sum[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) sum[i] = V::zero();
  for (vitrine::Index at = 0; at < part; at += line)
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i)
      sum[i] = V::max(sum[i], V::load(values + i % Streams * part + at + i / Streams * V::lanes));
#pragma GCC unroll 8
  for (int i = 1; i < 8; ++i) sum[0] = V::max(sum[0], sum[i]);
  return V::lane(sum[0], 0);
}

// The largest GB/s of reading `bytes` of memory once on all threads together, of at least 32 passes and a twentieth of
// a second, in one and in four streams a thread. The buffer comes from where weights come from (huge pages where the
// system gives them).
inline double peak_read_gbps(int threads, std::size_t bytes) {
  const vitrine::Memory* const heap = vitrine::heap();
  const auto count = vitrine::Index(bytes / sizeof(float)) / (64 * 64) * (64 * 64) + 64 * 64;
  const std::size_t size = std::size_t(count) * sizeof(float);
  auto* const buffer = static_cast<float*>(heap->allocate(size));
  if (buffer == nullptr) return 0;
  std::fill_n(buffer, count, 1.0f);
  double best = 0, total = 0;
  for (int pass = 0; pass < 32 || total < 0.05; ++pass) {
    double spent = 0;
    vitrine::run_team(threads, [&](vitrine::Team& team) {
      team.barrier();
      const double begin = seconds_now();
      team.split(count, [&](vitrine::Index first, vitrine::Index last) {
        volatile float sink = pass % 2 == 0 ? read_streams<1>(buffer + first, last - first)
                                            : read_streams<4>(buffer + first, last - first);
        (void)sink;
      });
      team.barrier();
      if (team.thread() == 0) spent = seconds_now() - begin;
    });
    if (spent > 0) best = std::max(best, double(size) / spent * 1e-9);
    total += spent;
  }
  heap->release(buffer, size);
  return best;
}

}  // namespace bench
