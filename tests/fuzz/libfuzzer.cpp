// libFuzzer's entry; tests/fuzz/run.sh compiles it with -DVITRINE_FUZZ_TARGET=fuzz_NAME. In the ordinary tests it is
// empty.
#include "targets.hpp"

#ifdef VITRINE_FUZZ_TARGET
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  VITRINE_FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
  return 0;
}
#endif
