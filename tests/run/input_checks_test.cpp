#include <vitrine/run/input_checks.hpp>

#include "../support/support.hpp"

namespace detail = vitrine::detail;
using support::Index;

namespace {
// The sentence with its values, "" when all is well.
std::string said(const vitrine::Status& status) {
  return support::complaint([&] { vitrine::throw_if_failed(status); });
}
}  // namespace

TEST_CASE_TEMPLATE("what is wrong with an input is said with its values", S, float, double) {
  const S values[12] = {};
  const char* sentence = "the input's width must be d_model";
  CHECK(said(detail::check_input(vt::Sequences<S>(values, 2, 3, 2), 2, sentence)).empty());
  CHECK(said(detail::check_input(vt::Sequences<S>(nullptr, 2, 0, 2), 2, sentence)).empty());
  CHECK(said(detail::check_input(vt::Sequences<S>(values, 2, 3, 2), 4, sentence)) ==
        "vitrine: the input's width must be d_model (got 2, expected 4) [bad_shape]");
  CHECK(said(detail::check_input(vt::Sequences<S>(values, -2, 3, 2), 2, sentence)) ==
        "vitrine: an input's extents must not be negative (got -2) [bad_shape]");
  CHECK(said(detail::check_input(vt::Sequences<S>(values, 1, -3, 2), 2, sentence)) ==
        "vitrine: an input's extents must not be negative (got -3) [bad_shape]");
  CHECK(said(detail::check_input(vt::Sequences<S>(nullptr, 1, 3, 2), 2, sentence)) ==
        "vitrine: an input has rows but no data [bad_shape]");
  const Index lengths[] = {2, -4, 1};
  CHECK(said(detail::check_input(vt::Sequences<S>(vt::Ragged<S>(values, 2, lengths)), 2, sentence)) ==
        "vitrine: a ragged input's lengths must not be negative (got -4) [bad_shape]");
}

TEST_CASE("head_scale is none, one for each head, or one for each head of each layer") {
  const std::vector<double> factors = {0, 1, 2, 3, 4, 5};
  const auto first = [&](std::size_t n) { return std::span<const double>(factors).first(n); };
  for (const std::size_t size : {0u, 2u, 6u}) CHECK(said(detail::check_head_scale(first(size), 3, 2)).empty());
  CHECK(said(detail::check_head_scale(first(3), 3, 2)) ==
        "vitrine: head_scale must have one factor for each head (got 3, expected 2) [bad_mask]");
  CHECK(detail::head_scale_of(first(0), 2, 2) == nullptr);
  CHECK(detail::head_scale_of(first(2), 2, 2) == factors.data());
  CHECK(detail::head_scale_of(first(6), 2, 2) == factors.data() + 4);
}

TEST_CASE_TEMPLATE("an output that overlaps an input is refused, from its first to its last value", S, float, double) {
  std::vector<S> memory(60);
  const std::string overlap = "vitrine: the output must not overlap an input [overlap]";
  const vt::Tensor<S> output(std::span<S>(memory).subspan(20, 20));
  const auto at = [&](std::size_t first, Index length) {
    return said(detail::check_overlap(output, 20, vt::Sequences<S>(memory.data() + first, 1, length, 2)));
  };
  CHECK(at(0, 10).empty());
  CHECK(at(40, 10).empty());
  CHECK(at(2, 10) == overlap);
  CHECK(at(38, 2) == overlap);
  CHECK(at(25, 1) == overlap);
  CHECK(at(25, 0).empty());
  // A strided view reaches as far as its last row, a ragged one over all rows; what lies between counts as well.
  vt::Sequences<S> apart(memory.data(), 2, 2, 2);
  apart.row_stride = 4, apart.batch_stride = 14;
  CHECK(said(detail::check_overlap(output, 20, apart)).empty());  // 14 + 4 + 2 values
  apart.batch_stride = 15;
  CHECK(said(detail::check_overlap(output, 20, apart)) == overlap);
  const Index lengths[] = {1, 9};
  CHECK(said(detail::check_overlap(output, 20, vt::Sequences<S>(vt::Ragged<S>(memory.data(), 2, lengths)))).empty());
  CHECK(said(detail::check_overlap(output, 20, vt::Sequences<S>(vt::Ragged<S>(memory.data() + 1, 2, lengths)))) ==
        overlap);
  // Only what the call will write, or what growing would free.
  CHECK(said(detail::check_overlap(output, 5, vt::Sequences<S>(memory.data() + 25, 1, 5, 2))).empty());
}
