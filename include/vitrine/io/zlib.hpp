// zlib's inflate (RFC 1951) for npz.hpp. The only header that needs zlib: install zlib1g-dev, link with -lz.
#pragma once
#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vitrine/core/config.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// Unpacks raw deflate data into exactly `out`; false if the data is damaged, cut off, or unpacks to another size, or
/// zlib has no memory for its state and window, all that it allocates. Never throws.
inline bool zlib_inflate(std::span<const std::byte> in, std::span<std::byte> out) {
  constexpr std::size_t step = std::size_t{1} << 30;  // zlib counts in 32 bits
  z_stream stream = {};
  if (inflateInit2(&stream, -15) != Z_OK) return false;
  Bytef extra = 0;  // something to point at when `out` is empty, and the proof that there is no more
  std::size_t read = 0, written = 0;
  int status = Z_OK;
  while (status == Z_OK || status == Z_BUF_ERROR) {
    const std::size_t in_part = std::min(step, in.size() - read), out_part = std::min(step, out.size() - written);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data() + read));
    stream.avail_in = static_cast<uInt>(in_part);
    stream.next_out = out_part ? reinterpret_cast<Bytef*>(out.data() + written) : &extra;
    stream.avail_out = out_part ? static_cast<uInt>(out_part) : 1;
    status = ::inflate(&stream, Z_NO_FLUSH);
    const std::size_t consumed = in_part - stream.avail_in, produced = (out_part ? out_part : 1) - stream.avail_out;
    read += consumed;
    written += produced;  // past the end of `out` if there is more than it should hold
    if (written > out.size()) break;
    if (consumed == 0 && produced == 0) break;  // cut off
  }
  inflateEnd(&stream);
  return status == Z_STREAM_END && written == out.size() && read == in.size();
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
