#include <doctest/doctest.h>

#include <string>
#include <vector>
#include <vitrine/io/npz.hpp>
#include <vitrine/io/zlib.hpp>

#include "numpy.hpp"
#include "scratch.hpp"

namespace vt = vitrine;
using vt::Index;

namespace {

const std::vector<float> six = {1, 2, 3, 4, 5, 6};

void write_sample(const std::filesystem::path& path, bool zip64) {
  const std::string words[] = {"ab", "h\xc3\xa9llo", "\xf0\x9f\x98\x80", ""};
  const std::span<const float> pieces[] = {std::span(six).first(2), std::span(six).last(4)};
  vt::NpzWriter writer(path, zip64);
  writer.add<float>("0/cross", {1, 2, 3}, six);
  writer.add_strings("0/source_tokens", words);
  writer.add_pieces<float>("pieces", {3, 2}, pieces);
  writer.add<double>("empty", {0, 4}, {});
  writer.add<float>("scalar", {}, std::span(six).last(1));
  writer.finish();
}

}  // namespace

TEST_CASE("archives are written and read back, with and without zip64") {
  const Scratch scratch;
  for (const bool zip64 : {false, true}) {
    CAPTURE(zip64);
    write_sample(scratch / "x.npz", zip64);
    const vt::Npz archive(scratch / "x.npz");
    CHECK(archive.names() == std::vector<std::string>{"0/cross", "0/source_tokens", "empty", "pieces", "scalar"});
    CHECK(archive.at("0/cross").shape == std::vector<Index>{1, 2, 3});
    CHECK(archive.at("0/cross").to_vector<float>() == six);
    CHECK(archive.at("pieces").to_vector<float>() == six);
    CHECK(archive.at("empty").elements() == 0);
    CHECK(archive.find("none") == nullptr);
    CHECK(error_of([&] { archive.at("cross"); }) == "no_such_tensor");
    CHECK(error_of([&] { archive.at("0/source_tokens").to_vector<float>(); }) == "unknown_dtype");
  }
}

TEST_CASE("names are said to be UTF-8, before each array and in the directory") {
  const Scratch scratch;
  {
    vt::NpzWriter writer(scratch / "a.npz");
    writer.add<float>("h\xc3\xa9", {6}, six);
    writer.finish();
  }
  const std::string bytes = read_text(scratch / "a.npz");
  const std::string utf8("\0\x08", 2);  // bit 11, APPNOTE 4.4.4
  CHECK(bytes.substr(6, 2) == utf8);
  const std::size_t directory = bytes.find("PK\1\2");
  REQUIRE(directory != bytes.npos);
  CHECK(bytes.substr(directory + 8, 2) == utf8);
}

TEST_CASE("the same arrays give the same bytes; an empty archive is one") {
  const Scratch scratch;
  write_sample(scratch / "a.npz", false);
  write_sample(scratch / "b.npz", false);
  CHECK(read_text(scratch / "a.npz") == read_text(scratch / "b.npz"));
  vt::NpzWriter(scratch / "empty.npz").finish();
  CHECK(vt::Npz(scratch / "empty.npz").names().empty());
}

TEST_CASE("wrong sizes and names are refused and leave no file") {
  const Scratch scratch;
  const auto with = [&](auto fill) {
    return error_of([&] {
      vt::NpzWriter writer(scratch / "x.npz");
      fill(writer);
      writer.finish();
    });
  };
  CHECK(with([&](auto& w) { w.template add<float>("a", {7}, six); }) == "size_mismatch");
  CHECK(with([&](auto& w) { w.template add<float>("a", {-1, 6}, six); }) == "bad_shape");
  CHECK(with([&](auto& w) {
          w.template add<float>("a", {6}, six);
          w.template add<float>("a", {6}, six);
        }) == "duplicate_name");
  CHECK(with([&](auto& w) { w.template add<float>(std::string(70000, 'a'), {6}, six); }) == "bad_usage");
  CHECK(scratch.files() == 0);
}

TEST_CASE("NumPy reads what is written, and its archives are read") {
  if (!numpy_present()) return;
  const Scratch scratch;
  write_sample(scratch / "a.npz", false);
  write_sample(scratch / "b.npz", true);
  CHECK(numpy(scratch.folder, R"(
for name in ('a.npz', 'b.npz'):
    with np.load(name) as z:
        assert (z['0/cross'] == [[[1, 2, 3], [4, 5, 6]]]).all() and z['0/cross'].dtype == np.float32
        assert z['0/source_tokens'].tolist() == ['ab', 'h\u00e9llo', '\U0001f600', '']
        assert (z['pieces'] == [[1, 2], [3, 4], [5, 6]]).all()
        assert z['empty'].shape == (0, 4) and z['scalar'] == 6
import zipfile
assert zipfile.ZipFile('b.npz').testzip() is None
np.savez('stored.npz', a=np.arange(6.).reshape(2, 3), b=np.float32(7), words=np.array(['x']))
np.savez_compressed('packed.npz', a=np.zeros((1000, 10)), b=np.arange(3), empty=np.zeros((0, 2)))
np.savez('fortran.npz', a=np.asfortranarray(np.ones((2, 3))))
with zipfile.ZipFile('mixed.npz', 'w') as z:
    z.writestr('notes.txt', 'not an array')
with zipfile.ZipFile('lzma.npz', 'w', zipfile.ZIP_LZMA) as z:
    z.writestr('a.npy', b'x' * 1000)
)"));
  const vt::Npz stored(scratch / "stored.npz");
  CHECK(stored.at("a").to_vector<double>() == std::vector<double>{0, 1, 2, 3, 4, 5});
  CHECK(stored.at("b").to_vector<float>() == std::vector<float>{7});
  std::string message;
  CHECK(error_of([&] { vt::Npz(scratch / "packed.npz"); }, &message) == "zip_unsupported");
  CHECK(message.find("zlib_inflate") != std::string::npos);
  const vt::Npz packed(scratch / "packed.npz", vt::zlib_inflate);
  CHECK(packed.at("a").to_vector<double>() == std::vector<double>(10000));
  CHECK(packed.at("b").to_vector<int>() == std::vector<int>{0, 1, 2});
  CHECK(packed.at("empty").shape == std::vector<Index>{0, 2});
  CHECK(error_of([&] { vt::Npz(scratch / "fortran.npz"); }, &message) == "npy_fortran_order");
  CHECK(message.find("a.npy") != std::string::npos);
  CHECK(vt::Npz(scratch / "mixed.npz").names().empty());
  CHECK(error_of([&] { vt::Npz(scratch / "lzma.npz", vt::zlib_inflate); }) == "zip_unsupported");
}

TEST_CASE("inflate: exactly the size that was said") {
  // Raw deflate of "aaaaaaaaaa", by zlib.compressobj(9, zlib.DEFLATED, -15).
  const std::string packed("\x4b\x84\x03\x00", 4);
  const auto in = std::as_bytes(std::span(packed));
  std::vector<std::byte> out(10);
  CHECK(vt::zlib_inflate(in, out));
  CHECK(out == std::vector<std::byte>(10, std::byte{'a'}));
  CHECK(!vt::zlib_inflate(in, std::span(out).first(9)));
  out.resize(11);
  CHECK(!vt::zlib_inflate(in, out));
  CHECK(!vt::zlib_inflate(in.first(3), std::span(out).first(10)));
  CHECK(!vt::zlib_inflate({}, std::span(out).first(10)));
  const std::string longer = packed + "x";
  CHECK(!vt::zlib_inflate(std::as_bytes(std::span(longer)), std::span(out).first(10)));
  CHECK(!vt::zlib_inflate(in, {}));
}
