// Arrays of NumPy made to harm a reader: what they say of themselves costs no memory, and reading them no more than
// they have.
#include <doctest/doctest.h>

#include <random>
#include <span>
#include <string>
#include <vector>
#include <vitrine/io/npz.hpp>
#include <vitrine/io/zlib.hpp>

#include "../io/npy_bytes.hpp"
#include "../io/scratch.hpp"
#include "allocation.hpp"

namespace vt = vitrine;

namespace {

const std::string file = "x.npy";

// Checks a whole .npy and reads its values. A byte may become a double; beside them there are a name, a shape of 64
// extents at most and a message.
std::string error_of_reading(const std::string& bytes) {
  const std::size_t before = start_counting_allocation();
  const std::string error =
      error_of([&] { (void)vt::parse_npy(std::as_bytes(std::span(bytes)), file).to_vector<double>(); });
  CHECK(peak_allocation() - before < 8192 + 8 * bytes.size());
  return error;
}

// The same of a file.
std::string error_of_file(const Scratch& scratch, const std::string& bytes) {
  const auto path = scratch.write("x.npy", bytes);
  const std::size_t before = start_counting_allocation();
  const std::string error = error_of([&] {
    const vt::Npy array(path);
    (void)array.tensor().to_vector<double>();
  });
  CHECK(peak_allocation() - before < 8192 + 8 * bytes.size());
  return error;
}

}  // namespace

TEST_CASE("a .npy that promises much is refused by name, and allocates nothing for it") {
  const Scratch scratch;
  const auto refused = [&](const std::string& bytes) {
    const std::string error = error_of_reading(bytes);
    CHECK(error_of_file(scratch, bytes) == error);
    return error;
  };
  const std::string data(8, '\1');
  CHECK(refused(npy(with_shape("(2,)"), data)) == "no error");
  CHECK(refused(npy(with_shape("(1099511627776,)"), data)) == "size_mismatch");
  CHECK(refused(npy(with_shape("(4294967296, 4294967296)"), data)) == "shape_overflow");
  CHECK(refused(npy(with_shape("(4294967296, 4294967296, 0)"), "")) == "shape_overflow");
  CHECK(refused(npy(with_shape("(9223372036854775807,)"), data)) == "shape_overflow");
  CHECK(refused(npy(with_shape("(99999999999999999999,)"), data)) == "shape_overflow");
  CHECK(refused(npy(with_shape("(0, 1099511627776)"), "")) == "no error");
  CHECK(refused(npy(with_descr("'<U4294967295'"), data)) == "size_mismatch");
  // Text without a letter takes no bytes, however much of it there is; it has no values.
  const std::string nothing = "{'descr': '<U0', 'fortran_order': False, 'shape': (1099511627776,), }";
  CHECK(refused(npy(nothing, "")) == "unknown_dtype");
  CHECK(refused(npy(with_shape(std::string("(") + std::string(300000, '1') + ",)"), data, 2)) == "shape_overflow");
  std::string many = "(";
  for (int i = 0; i < 100000; ++i) many += "1,";
  CHECK(refused(npy(with_shape(many + ")"), data, 2)) == "bad_shape");
  CHECK(refused(npy(with_descr("'" + std::string(300000, 'f') + "'"), data, 2)) == "npy_bad_header");
  CHECK(refused(npy("{'" + std::string(300000, 'x') + "': 1}", data, 2)) == "npy_bad_header");
  CHECK(refused(npy(with_shape("(2,)") + std::string((1 << 20) + 1, ' '), data, 2)) == "npy_bad_header");
  CHECK(refused(std::string("\x93NUMPY\x02\0\xff\xff\xff\xff", 12)) == "npy_bad_header");
}

TEST_CASE("a damaged or cut .npy is read or refused by name, and never worse") {
  const Scratch scratch;
  const std::string whole = npy(with_shape("(3, 2)"), std::string(24, '\1'));
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK(error_of_reading(whole.substr(0, size)) != "no error");
  std::mt19937 generator(1);
  const auto random = [&] { return static_cast<unsigned>(generator()); };
  for (int round = 0; round < 4000; ++round) {
    std::string bytes = whole;
    for (unsigned changes = 1 + random() % 3; changes > 0; --changes)
      bytes[random() % bytes.size()] = random() % 2 ? static_cast<char>(random()) : "0123456789,()L<U"[random() % 16];
    const std::string error = error_of_reading(bytes);
    CHECK(!error.empty());
  }
}

TEST_CASE("the values of an archive's arrays take what they have and no more") {
  const Scratch scratch;
  vt::NpzWriter writer(scratch / "x.npz");
  const std::vector<std::uint8_t> small(1000, 7);
  writer.add<std::uint8_t>("bytes", {1000}, small);
  writer.add<float>("none", {0, vt::Index{1} << 40}, {});
  writer.finish();
  const std::size_t before = start_counting_allocation();
  {
    const vt::Npz archive(scratch / "x.npz", vt::zlib_inflate);
    CHECK(archive.at("bytes").to_vector<double>() == std::vector<double>(1000, 7.0));
    CHECK(archive.at("none").to_vector<double>().empty());
  }
  CHECK(peak_allocation() - before < 32768 + 8 * 1000);
  CHECK(start_counting_allocation() == before);
}
