#include <vitrine/core/eigen.hpp>
#include <vitrine/core/views.hpp>

#include "../support/support.hpp"

namespace vt = vitrine;
using support::complaint;
using vt::Index;
using vt::Sequences;
using vt::Status;

TEST_CASE("a view of a pointer, an Eigen matrix, a block of one, a tensor, ragged rows") {
  const std::vector<float> values(60);
  const Sequences<float> pointer(values.data(), 2, 3, 5);
  CHECK(pointer.rows() == 6);
  CHECK(pointer.contiguous());

  const vt::RowMajor<float> matrix = vt::RowMajor<float>::Zero(4, 6);
  const Sequences<float> whole(matrix);
  CHECK(whole.data == matrix.data());
  CHECK(whole.batch == 1);
  CHECK(whole.length == 4);
  CHECK(whole.width == 6);
  CHECK(whole.contiguous());
  const Sequences<float> part(matrix.block(1, 2, 3, 2));
  CHECK(part.data == matrix.data() + 8);
  CHECK(part.row_stride == 6);
  CHECK_FALSE(part.contiguous());
  const Eigen::Map<const vt::RowMajor<float>> map(values.data(), 3, 5);
  CHECK(Sequences<float>(map).width == 5);

  const Index lengths[] = {2, 0, 4};
  const Sequences<float> ragged = vt::Ragged<float>(values.data(), 5, lengths);
  CHECK(ragged.batch == 3);
  CHECK(ragged.length == 4);
  CHECK(ragged.rows() == 6);
  CHECK(ragged.length_of(1) == 0);
  CHECK(ragged.contiguous());
  CHECK(Sequences<float>(vt::Ragged(matrix, lengths)).width == 6);

  const auto seq_first = vt::from_seq_first(values.data(), Index{3}, Index{2}, Index{5});
  CHECK(seq_first.batch == 2);
  CHECK(seq_first.length == 3);
  CHECK_FALSE(seq_first.contiguous());
}

TEST_CASE("a view knows what it was given: strides of Eigen's maps, and the rows that lengths must sum to") {
  vt::RowMajor<float> matrix = vt::RowMajor<float>::Random(6, 16);
  using Stride = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;
  const Eigen::Map<const vt::RowMajor<float>, 0, Stride> rows(matrix.data(), 3, 16, Stride(32, 1));
  CHECK(Sequences<float>(rows).check() == Status::ok);
  CHECK(Sequences<float>(rows).row_stride == 32);
  const Eigen::Map<const vt::RowMajor<float>, 0, Stride> pairs(matrix.data(), 3, 8, Stride(32, 2));
  CHECK(complaint([&] { vt::throw_if_failed(Sequences<float>(pairs).check()); }) ==
        "vitrine: the values of an input's row must stand side by side (inner stride) (got 2, expected 1) [bad_shape]");
  const Eigen::Ref<const vt::RowMajor<float>> reference(matrix.middleCols(2, 4));
  CHECK(Sequences<float>(reference).row_stride == 16);
  CHECK(Sequences<float>(matrix.row(2)).data == matrix.data() + 32);
  const Sequences<float> column(matrix.col(3));  // 6 rows of one value
  CHECK(column.check() == Status::ok);
  CHECK(column.row_stride == 16);
  const Eigen::VectorXf vector = Eigen::VectorXf::Ones(5);
  CHECK(Sequences<float>(vector).length == 5);
  CHECK(Sequences<float>(vector).contiguous());
  const Eigen::MatrixXf other = Eigen::MatrixXf::Random(4, 5);
  CHECK(Sequences<float>(other.row(1)).check() == Status::bad_shape);  // a row of columns
  CHECK(Sequences<float>(other.transpose()).length == 5);              // rows of the transposed are columns here
  const Eigen::Array<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> array(3, 4);
  CHECK(Sequences<float>(array).width == 4);

  const Index lengths[] = {2, 4}, many[] = {3, 400}, few[] = {2, 3};
  CHECK(Sequences<float>(vt::Ragged<float>(matrix, lengths)).check() == Status::ok);
  CHECK(complaint([&] { vt::throw_if_failed(Sequences<float>(vt::Ragged<float>(matrix, many)).check()); }) ==
        "vitrine: the lengths of a ragged input must sum to the matrix's rows (got 403, expected 6) [bad_shape]");
  CHECK(Sequences<float>(vt::Ragged(matrix, few)).check() == Status::bad_shape);
  CHECK(Sequences<float>(vt::Ragged<float>(matrix.topRows(5), few)).check() == Status::ok);
  CHECK(Sequences<float>(vt::Ragged<float>(matrix.leftCols(5), lengths)).check() == Status::bad_shape);
}

TEST_CASE("a tensor takes the shape of an input, ragged or not, and gives it back") {
  vt::Tensor<float> tensor(vt::heap());
  const std::vector<float> values(60);
  Index lengths[] = {2, 0, 4};
  REQUIRE(tensor.resize_like(vt::Ragged<float>(values.data(), 5, lengths), 7) == Status::ok);
  lengths[0] = 99;  // the tensor keeps its own
  CHECK(tensor.ragged());
  CHECK(tensor.rows() == 6);
  CHECK(tensor.matrix(0).rows() == 2);
  CHECK(tensor.matrix(1).rows() == 0);
  CHECK(tensor.matrix(2).data() == tensor.data() + 14);
  CHECK(Sequences<float>(tensor).length == 4);
  CHECK(Sequences<float>(tensor).lengths[2] == 4);
  REQUIRE(tensor.resize(2, 3, 5) == Status::ok);
  CHECK_FALSE(tensor.ragged());
  CHECK(tensor.matrix(1).data() == tensor.data() + 15);
  CHECK(tensor.span().size() == 30);
}

TEST_CASE("a tensor stays as it was when memory is too small, and is empty once moved from") {
  float few[12];
  vt::Tensor<float> tensor{std::span<float>(few)};
  REQUIRE(tensor.resize(1, 3, 4) == Status::ok);
  CHECK(tensor.resize(2, 3, 4) == Status::result_too_small);
  CHECK(tensor.batch() == 1);
  CHECK(tensor.rows() == 3);
  vt::Tensor<float> other = std::move(tensor);
  CHECK(other.data() == few);
  CHECK(other.rows() == 3);
  CHECK(tensor.rows() == 0);
  CHECK(tensor.matrix().size() == 0);

  vt::Tensor<float> ragged(vt::heap());
  const Index lengths[] = {1, 2};
  REQUIRE(ragged.resize_like(vt::Ragged<float>(few, 4, lengths), 4) == Status::ok);
  other = std::move(ragged);
  CHECK(other.rows() == 3);
  CHECK(other.lengths().size() == 2);
  CHECK(ragged.rows() == 0);
  CHECK(ragged.length_of(0) == 0);
}
