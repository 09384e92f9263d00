#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>
#include <vitrine/io/npy.hpp>

#include "npy_bytes.hpp"
#include "numpy.hpp"
#include "scratch.hpp"

namespace vt = vitrine;
using vt::Index;

namespace {

std::string error_of_npy(const std::string& bytes) {
  static const std::string file = "x.npy";
  return error_of([&] { vt::parse_npy(std::as_bytes(std::span(bytes)), file); });
}

}  // namespace

TEST_CASE("arrays are written and read back") {
  const Scratch scratch;
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  vt::save_npy<float>(scratch / "x.npy", {2, 3}, values);
  const vt::Npy array(scratch / "x.npy");
  CHECK(array.tensor().shape == std::vector<Index>{2, 3});
  CHECK(array.tensor().to_vector<float>() == values);
  CHECK(array.tensor().aligned_data<float>() != nullptr);
  CHECK(read_text(scratch / "x.npy").substr(0, 128) ==
        std::string("\x93NUMPY\x01\0\x76\0", 10) + "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }" +
            std::string(58, ' ') + "\n");
  vt::save_npy<double>(scratch / "s.npy", {}, std::vector<double>{7});
  const vt::Npy scalar(scratch / "s.npy");
  CHECK(scalar.tensor().shape.empty());
}

TEST_CASE("rows can be written one by one; a wrong number of them leaves no file") {
  const Scratch scratch;
  const Index shape[] = {3, 2};
  const std::vector<std::int64_t> row = {1, 2};
  vt::NpyWriter<std::int64_t> writer(scratch / "x.npy", shape);
  for (int i = 0; i < 3; ++i) writer.append(row);
  writer.finish();
  const vt::Npy array(scratch / "x.npy");
  CHECK(array.tensor().to_vector<int>() == std::vector<int>{1, 2, 1, 2, 1, 2});
  CHECK(error_of([&] {
          vt::NpyWriter<std::int64_t> other(scratch / "y.npy", shape);
          other.append(row);
          other.finish();
        }) == "size_mismatch");
  CHECK(error_of([&] {
          vt::save_npy<float>(scratch / "y.npy", {Index{1} << 40, Index{1} << 40}, {});
        }) == "shape_overflow");
  CHECK(error_of([&] { vt::save_npy<float>(scratch / "y.npy", {-1}, std::vector<float>{1}); }) == "bad_shape");
  CHECK(scratch.files() == 1);
}

TEST_CASE("versions, quotes, spaces and orders of NumPy's header") {
  const std::string data(8, '\1');
  static const std::string file = "x.npy";
  for (const std::string& text :
       {npy(with_shape("(2,)"), data), npy(with_shape("(2,)"), data, 2), npy(with_shape("(2,)"), data, 3),
        npy(with_shape("(2L,)"), data), npy(R"({"shape":(1,2),"fortran_order":False,"descr":"<f4"})", data),
        npy(with_shape("( 1 , 2 , )") + "     \n", data),
        npy("{'descr': '<f8', 'shape': (7,), 'fortran_order': True, 'descr': '<f4', 'shape': (2,), "
            "'fortran_order': False}",
            data)}) {  // of a key that is there twice the last holds
    CAPTURE(text);
    const auto view = vt::parse_npy(std::as_bytes(std::span(text)), file);
    CHECK(view.elements() == 2);
    CHECK(view.to_vector<float>().size() == 2);
  }
  const std::string words = npy(with_descr("'<U3'"), std::string(24, '\0'));
  const auto view = vt::parse_npy(std::as_bytes(std::span(words)), file);
  CHECK(view.dtype == vt::DType::unknown);
  CHECK(error_of([&] { view.to_vector<float>(); }) == "unknown_dtype");
}

TEST_CASE("hostile headers are refused by name") {
  const std::string data(8, '\1');
  CHECK(error_of_npy("") == "npy_bad_magic");
  CHECK(error_of_npy("PK\x03\x04") == "npy_bad_magic");
  CHECK(error_of_npy("\x93NUMPY") == "npy_bad_header");
  CHECK(error_of_npy(npy(with_shape("(2,)"), data).substr(0, 9)) == "npy_bad_header");
  CHECK(error_of_npy(npy(with_shape("(2,)"), data, 4)) == "npy_bad_header");
  CHECK(error_of_npy(npy(with_shape("(2,)"), data).substr(0, 30)) == "npy_bad_header");
  CHECK(error_of_npy(std::string("\x93NUMPY\x02\0\xff\xff\xff\xff", 12)) == "npy_bad_header");
  CHECK(error_of_npy(npy(with_shape("(2,)"), data + "x")) == "trailing_bytes");
  CHECK(error_of_npy(npy(with_shape("(3,)"), data)) == "size_mismatch");
  CHECK(error_of_npy(npy(with_shape("(-2,)"), data)) == "bad_shape");
  CHECK(error_of_npy(npy(with_shape("(2.0,)"), data)) == "npy_bad_header");
  CHECK(error_of_npy(npy(with_shape("(99999999999999999999,)"), data)) == "shape_overflow");
  CHECK(error_of_npy(npy(with_shape("(4294967296, 4294967296, 0)"), "")) == "shape_overflow");
  CHECK(error_of_npy(npy(with_shape("(2)"), data)) == "npy_bad_header");
  CHECK(error_of_npy(npy(with_shape("(1 2)"), data)) == "npy_bad_header");
  CHECK(error_of_npy(npy(with_shape("(2,"), data)) == "bad_shape");
  CHECK(error_of_npy(npy(with_shape("[2]"), data)) == "npy_bad_header");
  std::string many = "(";
  for (int i = 0; i < 65; ++i) many += "1,";
  CHECK(error_of_npy(npy(with_shape(many + ")"), data)) == "bad_shape");
  CHECK(error_of_npy(npy(with_descr("'>f4'"), data)) == "npy_big_endian");
  CHECK(error_of_npy(npy(with_descr("'|O'"), data)) == "npy_pickled");
  for (const char* descr : {"'<c8'", "'<M8[ns]'", "'<f3'", "'|V8'", "'<U99999999999'", "''", "'<'", "'<U'",
                            "[('a', '<f4')]", "<f4", "'<f4"}) {
    CAPTURE(descr);
    CHECK(error_of_npy(npy(with_descr(descr), data)) == "npy_bad_header");
  }
  CHECK(error_of_npy(npy(with_descr("'<U4294967295'"), data)) == "size_mismatch");
  CHECK(error_of_npy(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 1), }", data)) == "npy_fortran_order");
  for (const char* text :
       {"", "{", "{}", "{'descr': '<f4'}", "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, }",
        "{'descr': '<f4', 'fortran_order': None, 'shape': (2,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), } os.system"}) {
    CAPTURE(text);
    CHECK(error_of_npy(npy(text, data)) == "npy_bad_header");
  }
}

TEST_CASE("what NumPy has no type for is not written; a long shape takes the second version") {
  for (const vt::DType type : {vt::DType::BF16, vt::DType::unknown})
    CHECK(error_of([&] { vt::npy_descr(type, "a.npy"); }) == "unknown_dtype");
  const std::vector<Index> ones(30000, 1);
  const std::string header = vt::npy_header("<f4", ones);
  CHECK(header.substr(0, 8) == std::string("\x93NUMPY\x02\x00", 8));
  CHECK(header.size() % 64 == 0);
  std::size_t length = 0;
  for (std::size_t i = 0; i < 4; ++i) length += std::size_t(static_cast<unsigned char>(header[8 + i])) << (8 * i);
  CHECK(length + 12 == header.size());
  CHECK(vt::npy_header("<f4", {}).substr(0, 8) == std::string("\x93NUMPY\x01\x00", 8));
}

TEST_CASE("NumPy reads what is written, and its files are read") {
  if (!numpy_present()) return;
  const Scratch scratch;
  vt::save_npy<float>(scratch / "a.npy", {2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
  vt::save_npy<std::int32_t>(scratch / "b.npy", {3}, std::vector<std::int32_t>{1, -2, 3});
  vt::save_npy<double>(scratch / "c.npy", {}, std::vector<double>{0.1});
  const bool flags[2] = {true, false};
  vt::save_npy(scratch / "d.npy", {2, 1}, std::span<const bool>(flags));
  CHECK(numpy(scratch.folder, R"(
a, b, c, d = (np.load(x + '.npy') for x in 'abcd')
assert a.dtype == np.float32 and (a == [[1, 2, 3], [4, 5, 6]]).all()
assert b.dtype == np.int32 and (b == [1, -2, 3]).all()
assert c.shape == () and c == 0.1
assert d.dtype == bool and (d == [[True], [False]]).all()
for t in 'f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1'.split():
    np.save(t + '.npy', np.array([[1, 0, 1], [1, 1, 1]]).astype(t))
np.lib.format.write_array(open('v2.npy', 'wb'), np.arange(3.), version=(2, 0))
np.save('fortran.npy', np.asfortranarray(np.ones((2, 3))))
np.save('big.npy', np.ones(3, '>f4'))
np.save('object.npy', np.array([{}], dtype=object))
)"));
  for (const char* type : {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"}) {
    CAPTURE(type);
    const vt::Npy array(scratch / (std::string(type) + ".npy"));
    CHECK(array.tensor().to_vector<double>() == std::vector<double>{1, 0, 1, 1, 1, 1});
    CHECK(array.tensor().shape == std::vector<Index>{2, 3});
  }
  const vt::Npy second(scratch / "v2.npy");
  CHECK(second.tensor().elements() == 3);
  CHECK(error_of([&] { vt::Npy(scratch / "fortran.npy"); }) == "npy_fortran_order");
  CHECK(error_of([&] { vt::Npy(scratch / "big.npy"); }) == "npy_big_endian");
  CHECK(error_of([&] { vt::Npy(scratch / "object.npy"); }) == "npy_pickled");
}
