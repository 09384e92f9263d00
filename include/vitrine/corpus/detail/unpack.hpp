// gzip (RFC 1952) and Zstandard (RFC 8878) as streams. Part of corpus/input_file.hpp. Zstandard is there where the
// build says VITRINE_ZSTD=1 (libzstd-dev, -lzstd).
#pragma once
#include <zlib.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vitrine/core/config.hpp>
#if VITRINE_ZSTD
#include <zstd.h>
#endif

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::corpus::detail {

/// Turns packed bytes into plain ones, piece by piece.
class Unpacker {
 public:
  struct Progress {
    std::size_t taken = 0, made = 0;
    bool damaged = false;
  };
  virtual ~Unpacker() = default;
  /// Takes from `in` and fills `out` as far as it goes.
  virtual Progress unpack(std::span<const char> in, std::span<char> out) = 0;
  /// May the input end here, behind a whole member or frame?
  virtual bool may_end() const = 0;
};

/// Any number of gzip members, one after another, as `cat a.gz b.gz` makes them.
class Gunzip final : public Unpacker {
 public:
  Gunzip() : ready_(inflateInit2(&stream_, 15 + 16) == Z_OK) {}
  Gunzip(const Gunzip&) = delete;
  Gunzip& operator=(const Gunzip&) = delete;
  ~Gunzip() override { inflateEnd(&stream_); }
  Progress unpack(std::span<const char> in, std::span<char> out) override {
    if (ended_ && !in.empty()) ended_ = false, ready_ = inflateReset(&stream_) == Z_OK;
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream_.avail_in = static_cast<uInt>(in.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    const int status = ready_ ? ::inflate(&stream_, Z_NO_FLUSH) : Z_MEM_ERROR;
    ended_ = status == Z_STREAM_END;
    return {in.size() - stream_.avail_in, out.size() - stream_.avail_out,
            status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR};
  }
  bool may_end() const override { return ended_; }

 private:
  z_stream stream_ = {};
  bool ready_ = false, ended_ = false;
};

#if VITRINE_ZSTD
/// Any number of Zstandard frames.
class Unzstd final : public Unpacker {
 public:
  Unzstd() : stream_(ZSTD_createDStream()) {}
  Unzstd(const Unzstd&) = delete;
  Unzstd& operator=(const Unzstd&) = delete;
  ~Unzstd() override { ZSTD_freeDStream(stream_); }
  Progress unpack(std::span<const char> in, std::span<char> out) override {
    ZSTD_inBuffer from = {in.data(), in.size(), 0};
    ZSTD_outBuffer to = {out.data(), out.size(), 0};
    const std::size_t status = stream_ != nullptr ? ZSTD_decompressStream(stream_, &to, &from) : std::size_t(-1);
    if (from.pos > 0 || to.pos > 0) ended_ = status == 0;
    return {from.pos, to.pos, ZSTD_isError(status) != 0};
  }
  bool may_end() const override { return ended_; }

 private:
  ZSTD_DStream* stream_;
  bool ended_ = false;
};
#endif

/// What the first bytes of a file ask for; null for plain text. `unknown`: a kind that this build does not read.
inline std::unique_ptr<Unpacker> unpacker_for(std::string_view first, bool& unknown) {
  unknown = false;
  if (first.starts_with("\x1f\x8b")) return std::make_unique<Gunzip>();
  if (!first.starts_with("\x28\xb5\x2f\xfd")) return nullptr;
#if VITRINE_ZSTD
  return std::make_unique<Unzstd>();
#else
  unknown = true;
  return nullptr;
#endif
}

}  // namespace vitrine::inline VITRINE_ABI::corpus::detail

#include <vitrine/core/macros_pop.hpp>
