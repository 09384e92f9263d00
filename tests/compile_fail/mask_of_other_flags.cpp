// Flags of a type that no mask has: two bytes, or a floating-point number.
// expect: vitrine: a mask of flags is of bool or of integers of 1, 4 or 8 bytes
#include <vitrine/vitrine.hpp>

#ifdef FIXED
using Flag = bool;
#else
using Flag = short;
#endif

vt::BasicMask padding(const Flag* flags, vt::Index batch, vt::Index length) {
  return vt::key_flags(flags, batch, length);
}
