// Runs the units named in UNITS, forwards and then backwards: each prints the hash of its results, the same both times.
#include <cstdint>
#include <cstdio>

#define UNIT(name)                       \
  extern "C" std::uint64_t run_##name(); \
  extern "C" bool throws_##name();
UNITS
#undef UNIT

int main() {
  struct Unit {
    const char* name;
    std::uint64_t (*run)();
    bool (*throws)();
  };
#define UNIT(name) {#name, run_##name, throws_##name},
  const Unit units[] = {UNITS};
  constexpr int count = sizeof units / sizeof units[0];
  std::uint64_t hashes[count];
  for (int i = 0; i < count; ++i) hashes[i] = units[i].run();
  for (int i = count - 1; i >= 0; --i)
    if (hashes[i] == 0 || units[i].run() != hashes[i] || !units[i].throws()) {
      std::printf("%s fails\n", units[i].name);
      return 1;
    }
  for (int i = 0; i < count; ++i)
    std::printf("%s %016llx\n", units[i].name, static_cast<unsigned long long>(hashes[i]));
}
