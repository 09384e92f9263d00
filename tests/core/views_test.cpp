#include <vitrine/core/eigen.hpp>
#include <vitrine/core/views.hpp>

#include "../support/support.hpp"

namespace vt = vitrine;
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
