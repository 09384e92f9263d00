// Inputs as bytes and lines: plain, compressed, damaged, from the middle; and what ends waiting for them.
#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>
#include <zlib.h>
#if VITRINE_ZSTD
#include <zstd.h>
#endif

#include <string>
#include <vitrine/corpus/line.hpp>
#include <vitrine/corpus/stop.hpp>

#include "../io/scratch.hpp"

namespace corpus = vitrine::corpus;

namespace {

std::string gzip(const std::string& text) {
  z_stream stream = {};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(text.size() + 100, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

std::string lines_of(corpus::LineStream stream) {
  std::string all;
  for (corpus::Text text; stream.next(text);) all += text.text + "|";
  return all;
}

std::string lines_of(const Scratch& scratch, const std::string& bytes) {
  return lines_of(corpus::LineStream(scratch.write("input", bytes).string()));
}

std::string long_text() {
  std::string text;
  for (int i = 0; i < 40000; ++i) text += std::to_string(i * 7919 % 10007) + (i % 3 == 0 ? "\r\n" : "\n");
  return text;
}

}  // namespace

TEST_CASE("lines end with \\n or \\r\\n, the last may have no end, and a byte order mark is skipped") {
  const Scratch scratch;
  CHECK(lines_of(scratch, "") == "");
  CHECK(lines_of(scratch, "a") == "a|");
  CHECK(lines_of(scratch, "a\r\n\nb c\n") == "a||b c|");
  CHECK(lines_of(scratch,
                 "\xef\xbb\xbf"
                 "a\n\xef\xbb\xbf"
                 "b\n") ==
        "a|\xef\xbb\xbf"
        "b|");
  CHECK(lines_of(scratch, "\xef\xbb\xbf") == "|");
  CHECK(lines_of(scratch, "(parenthesis") == "(parenthesis|");  // the first byte of Zstandard's mark
  CHECK(lines_of(scratch, "\x1f") == "\x1f|");
  CHECK(lines_of(corpus::LineStream(std::vector<std::string>{"two words", ""})) == "two words||");
}

TEST_CASE("a line that is too long is cut and said to be so") {
  const Scratch scratch;
  corpus::LineStream stream(scratch.write("input", std::string(corpus::longest_line + 5, 'x') + "\nb").string());
  corpus::Text text;
  CHECK(stream.next(text));
  CHECK(text.too_long);
  CHECK(text.text.size() == corpus::longest_line);
  CHECK(stream.next(text));
  CHECK_FALSE(text.too_long);
  CHECK(text.text == "b");
}

TEST_CASE("gzip, also of several members, gives what the plain file gives") {
  const Scratch scratch;
  const std::string text = long_text(), plain = lines_of(scratch, text);
  CHECK(plain.size() > 65536);
  CHECK(lines_of(scratch, gzip(text)) == plain);
  CHECK(lines_of(scratch, gzip(text.substr(0, 100001)) + gzip("") + gzip(text.substr(100001))) == plain);
  CHECK(lines_of(scratch, gzip("\xef\xbb\xbf"
                               "a\n")) == "a|");
}

TEST_CASE("damaged and cut compressed data is an error, never fewer lines") {
  const Scratch scratch;
  std::string bytes = gzip(long_text());
  std::string message;
  for (const std::size_t size : {std::size_t(3), std::size_t(15), bytes.size() / 2, bytes.size() - 1}) {
    CHECK(error_of([&] { lines_of(scratch, bytes.substr(0, size)); }, &message) == "file_unreadable");
  }
  CHECK(message.find("it ends in the middle of compressed data") != message.npos);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x55);
  CHECK(error_of([&] { lines_of(scratch, bytes); }) == "file_unreadable");
}

#if VITRINE_ZSTD
TEST_CASE("Zstandard, also of several frames") {
  const Scratch scratch;
  const auto zstd = [](const std::string& text) {
    std::string out(ZSTD_compressBound(text.size()), '\0');
    out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
    return out;
  };
  const std::string text = long_text(), plain = lines_of(scratch, text), bytes = zstd(text);
  CHECK(lines_of(scratch, bytes) == plain);
  CHECK(lines_of(scratch, zstd(text.substr(0, 7)) + zstd(text.substr(7))) == plain);
  CHECK(error_of([&] { lines_of(scratch, bytes.substr(0, bytes.size() - 1)); }) == "file_unreadable");
}
#endif

TEST_CASE("inputs that cannot be read are named") {
  const Scratch scratch;
  CHECK(error_of([&] { corpus::InputFile((scratch / "nothing").string()); }) == "file_missing");
  std::string message;
  CHECK(error_of([&] { lines_of(corpus::LineStream(scratch.folder.string())); }, &message) == "file_unreadable");
  CHECK(message.find("the input cannot be read") != message.npos);
}

TEST_CASE("a plain file is read from the middle, a compressed one is not") {
  const Scratch scratch;
  corpus::LineStream stream(scratch.write("input", "one\ntwo\nthree\n").string());
  corpus::Text text;
  stream.seek(2, 8);
  CHECK(stream.next(text));
  CHECK(text.text == "three");
  CHECK(stream.number() == 3);
  stream.seek(1, 4);
  CHECK(stream.next(text));
  CHECK(text.text == "two");
  corpus::LineStream packed(scratch.write("packed", gzip("one\ntwo\n")).string());
  CHECK(error_of([&] { packed.seek(1, 4); }) == "file_unreadable");
}

TEST_CASE("Stop wakes up who waits for a pipe, and the line that was not whole is none") {
  int ends[2] = {};
  REQUIRE(::pipe(ends) == 0);
  const corpus::Stop stop;
  corpus::LineStream stream("/dev/fd/" + std::to_string(ends[0]));
  REQUIRE(::write(ends[1], "whole\nhal", 9) == 9);
  corpus::Text text;
  CHECK(stream.next(text));
  CHECK(text.text == "whole");
  CHECK_FALSE(corpus::Stop::asked());
  ::raise(SIGTERM);
  CHECK(corpus::Stop::asked());
  CHECK_FALSE(stream.next(text));
  CHECK(stream.file().interrupted());
  ::close(ends[0]), ::close(ends[1]);
}
