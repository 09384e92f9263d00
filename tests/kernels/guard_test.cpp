// Every kernel with each operand between two pages that trap, its extent as documented and no byte more. (matmul and
// layer_norm stand beside their other tests.)
#include "../support/product.hpp"

#include <vitrine/kernels/attention.hpp>
#include <vitrine/kernels/batched_matmul.hpp>
#include <vitrine/kernels/rollout_layer.hpp>

#include <doctest/doctest.h>

#include <algorithm>

#ifdef SUPPORT_GUARD_PAGES

namespace vt = vitrine;
namespace kernels = vitrine::kernels;
using namespace support::product;

namespace {

template <class S>
std::vector<S> zeros(Index count) {
  return std::vector<S>(static_cast<std::size_t>(count));
}
template <class S>
void append(std::vector<S>& all, const Guarded<S>& part, Index count) {
  all.insert(all.end(), part.data(), part.data() + count);
}
template <class S>
constexpr std::initializer_list<int> products_of = {0};  // kinds
#if VITRINE_BF16_PAIRS
template <>
constexpr std::initializer_list<int> products_of<float> = {0, 256};
#endif
template <class S>
constexpr Index whole_vectors(Index count) {
  return (count + vt::simd<S>::lanes - 1) / vt::simd<S>::lanes * vt::simd<S>::lanes;
}

// Values of scratch that products of pairs take.
template <class S>
Index pairs_room([[maybe_unused]] int kind, [[maybe_unused]] Index keys, [[maybe_unused]] Index width,
                 [[maybe_unused]] Index value_width) {
  if constexpr (kernels::may_be_in_pairs<S>)
    if (kind & 256) return kernels::pairs_scratch<S>(keys, width, value_width);
  return 0;
}

// What attend_head writes for `rows` query rows: context, weights, scores and mean; scores_in_weights: without scratch
// for scores. Kinds: 1: a window, 2: a matrix and flags, 4: scores, 8: weights and mean, 16: statistics, 32: the
// largest weights, 64, 128: the weights as codes of u8, of f16 (of float), 256: products of pairs of bf16.
template <class S>
std::vector<S> attend(bool at_end, Index rows, Index keys, Index width, Index value_width, Index extra, int kind,
                      bool scores_in_weights = false) {
  const Index value_stride = kernels::panel_count<S>(value_width) * kernels::panel_width<S>;
  const Guarded<S> query(values<S>(rows * width, 1), at_end),
      key_panels(values<S>(kernels::packed_size<S>(keys, width), 2), at_end),
      value(values<S>(keys * value_stride, 3), at_end), context(zeros<S>(rows * value_width), at_end),
      weights(zeros<S>(rows * keys), at_end), scores(zeros<S>(rows * keys), at_end),
      mean(values<S>(rows * keys, 4), at_end), bias(values<S>(rows * (keys - extra), 5), at_end),
      scratch(zeros<S>(kernels::attention_scratch<S>(keys, value_width, scores_in_weights) +
                       pairs_room<S>(kind, keys, width, value_width)),
              at_end);
  std::vector<std::uint8_t> kept(static_cast<std::size_t>(keys - extra), 1);
  for (std::size_t j = 0; j < kept.size(); j += 3) kept[j] = 0;
  const Guarded<std::uint8_t> flags(kept, at_end);
  vt::Mask<S> mask;
  if (kind & 1) mask = mask & vt::window(3, 2);
  if (kind & 2) mask = mask & vt::additive_bias(bias.data(), rows, keys - extra);
  if (kind & 2) mask = mask & vt::key_flags(flags.data(), Index{1}, keys - extra);
  kernels::AttentionHead<S> head;
  head.query = query.data(), head.query_stride = width, head.key_panels = key_panels.data();
  head.value = value.data(), head.value_stride = value_stride;
  head.context = context.data(), head.context_stride = value_width;
  head.keys = keys, head.width = width, head.value_width = value_width, head.extra_keys = extra;
  head.scale = S(0.3), head.mask = vt::row_mask(mask, Index{0}, Index{0}, keys - extra);
  if constexpr (kernels::may_be_in_pairs<S>) head.in_pairs = (kind & 256) != 0;
  if (kind & 4) {
    head.softcap = S(3), head.head_scale = S(0.5);
    head.scores = scores.data(), head.scores_at = kind & 1 ? kernels::ScoresAt::scaled : kernels::ScoresAt::masked;
  }
  if (kind & 8) {
    head.weights = weights.data(), head.mean = mean.data();
    head.mean_first = (kind & 1) != 0, head.mean_last = (kind & 2) != 0, head.mean_factor = S(0.25);
    // Streamed rows are aligned to a vector, as the callers see to.
    head.stream = keys % vt::simd<S>::lanes == 0 && extra == 0 && !scores_in_weights;
    if (scores_in_weights) head.scores_in_weights = true, head.mean = nullptr;
  }
  std::vector<S> all;
  const auto maps = [&] {
    append(all, context, rows * value_width), append(all, weights, rows * keys), append(all, scores, rows * keys);
    append(all, mean, rows * keys);
  };
  if constexpr (std::is_same_v<S, float>)
    if (kind & 192) {
      const Index bytes = kind & 64 ? 1 : 2;
      const Guarded<std::uint8_t> codes(std::vector<std::uint8_t>(std::size_t(rows * keys * bytes)), at_end);
      head.weights = nullptr, head.mean = nullptr;
      kernels::MapCodes<S> to{codes.data(), bytes, (kind & 1) != 0, kernels::write_codes<vt::MapStorage::u8>};
      if (bytes == 2) to.write = kernels::write_codes<vt::MapStorage::f16>;
      kernels::attend_head<S>(head, Index{0}, rows, scratch.data(), to);
      append(all, context, rows * value_width), append(all, scores, rows * keys);
      all.insert(all.end(), codes.data(), codes.data() + rows * keys * bytes);
      return all;
    }
  if (!(kind & 48)) {
    kernels::attend_head(head, Index{0}, rows, scratch.data());
    maps();
    return all;
  }

  const Index stride = keys + vt::simd<S>::lanes, block = kind & 1 ? 3 : 64, blocks = (rows + block - 1) / block;
  const Index top = kind & 1 ? 2 : keys + 1;
  const Guarded<S> entropy(zeros<S>(rows), at_end), largest(zeros<S>(rows), at_end), key(zeros<S>(rows), at_end),
      log_sum_exp(zeros<S>(rows), at_end), columns(zeros<S>(blocks * stride), at_end),
      top_weights(zeros<S>(rows * top), at_end), top_keys(zeros<S>(rows * top), at_end);
  if (kind & 16) {
    head.figures.entropy = entropy.data(), head.figures.largest = largest.data();
    head.figures.largest_key = key.data(), head.figures.log_sum_exp = log_sum_exp.data();
    head.figures.columns = columns.data(), head.figures.columns_stride = stride, head.figures.column_rows = block;
  }
  if (kind & 32)
    head.figures.top_weights = top_weights.data(), head.figures.top_keys = top_keys.data(), head.figures.top = top;
  kernels::attend_head<S, true>(head, Index{0}, rows, scratch.data());
  maps();
  for (const auto* one : {&entropy, &largest, &key, &log_sum_exp}) append(all, *one, rows);
  for (Index i = 0; i < blocks; ++i)  // what stands in the vector behind the keys means nothing
    all.insert(all.end(), columns.data() + i * stride, columns.data() + i * stride + keys);
  append(all, top_weights, rows * top), append(all, top_keys, rows * top);
  return all;
}

// What batched_matmul writes. Kinds: 1: A by columns, 2: B by columns, 4: B packed, 8: the epilogue.
template <class S>
std::vector<S> multiply(bool at_end, Index batch, Index rows, Index columns, Index depth, int kind) {
  const Index packed = kernels::packed_size<S>(columns, depth);
  const Guarded<S> a(values<S>(batch * rows * depth, 1), at_end), b(values<S>(batch * columns * depth, 2), at_end),
      panels(zeros<S>(batch * packed), at_end), c(zeros<S>(batch * rows * columns), at_end),
      bias(values<S>(columns, 3), at_end), residual(values<S>(batch * rows * columns, 4), at_end);
  kernels::BatchedProduct<S> p{.batch = batch, .rows = rows, .columns = columns, .depth = depth};
  p.a = kind & 1 ? kernels::Matrices<S>{a.data(), rows * depth, 1, rows}
                 : kernels::Matrices<S>{a.data(), rows * depth, depth};
  p.b = kind & 2 ? kernels::Matrices<S>{b.data(), columns * depth, 1, depth}
                 : kernels::Matrices<S>{b.data(), columns * depth, columns};
  if (kind & 4) {
    for (Index i = 0; i < batch; ++i) {
      const kernels::Matrices<S> one{b.data() + i * columns * depth, 0, p.b.row_stride, p.b.column_stride};
      kernels::pack_matrix(one, depth, columns, panels.data() + i * packed);
    }
    p.b_panels = panels.data(), p.b_panels_stride = packed;
  }
  p.c = c.data(), p.c_batch_stride = rows * columns, p.c_row_stride = columns;
  if (kind & 8) {
    p.alpha = S(2), p.bias = bias.data(), p.activation = vt::Activation::gelu;
    p.residual = residual.data(), p.residual_batch_stride = rows * columns, p.residual_row_stride = columns;
  }
  const Guarded<std::byte> bytes(std::vector<std::byte>(kernels::workspace_bytes(p)), at_end);
  vt::Workspace workspace(std::span(bytes.data(), kernels::workspace_bytes(p)));
  REQUIRE(kernels::batched_matmul(p, workspace) == vt::Status::ok);
  std::vector<S> all;
  append(all, c, batch * rows * columns);
  return all;
}

}  // namespace

TEST_CASE_TEMPLATE("attend touches no byte outside its operands and its scratch", S, float, double) {
  constexpr Index lanes = vt::simd<S>::lanes, tile = kernels::attention_rows;
  for (const Index rows : {Index{1}, Index{3}, tile + 1})
    for (const Index keys : {Index{3}, 2 * lanes, 2 * lanes + 1, 4 * lanes, 6 * lanes - 1})
      for (const Index width : {1, 20})
        for (const Index extra : {0, 2})
          for (int at = 0; at < 16 * int(products_of<S>.size()); ++at) {
            const int kind = at % 16 + at / 16 * 256;
            const Index value_width = width == 1 ? 2 * lanes + 1 : width;
            const auto before = attend<S>(false, rows, keys, width, value_width, extra, kind);
            const auto after = attend<S>(true, rows, keys, width, value_width, extra, kind);
            CHECK(same(before.data(), after.data(), Index(before.size())));
            if (!(kind & 8)) continue;  // the weights' rows hold the scores meanwhile: the same bits
            const auto first = attend<S>(false, rows, keys, width, value_width, extra, kind, true);
            const auto last = attend<S>(true, rows, keys, width, value_width, extra, kind, true);
            const Index count = Index(before.size()) - rows * keys;  // all but the mean
            CHECK(same(before.data(), first.data(), count));
            CHECK(same(before.data(), last.data(), count));
          }
}

TEST_CASE_TEMPLATE(
    "attend with statistics and the largest weights touches no byte outside, and changes no other result", S, float,
    double) {
  constexpr Index lanes = vt::simd<S>::lanes, tile = kernels::attention_rows;
  for (const Index rows : {Index{1}, Index{3}, tile + 1})
    for (const Index keys : {Index{3}, 2 * lanes, 4 * lanes + 1, 6 * lanes - 1})
      for (const Index extra : {0, 2})
        for (int kind = 16; kind < 64; ++kind) {
          const auto before = attend<S>(false, rows, keys, 20, 20, extra, kind);
          const auto after = attend<S>(true, rows, keys, 20, 20, extra, kind);
          CHECK(same(before.data(), after.data(), Index(before.size())));
          const auto plain = attend<S>(true, rows, keys, 20, 20, extra, kind & 15);
          CHECK(same(before.data(), plain.data(), Index(plain.size())));
        }
}

TEST_CASE("attend with codes touches no byte outside") {
  constexpr Index lanes = vt::simd<float>::lanes, tile = kernels::attention_rows;
  for (const Index rows : {Index{1}, Index{3}, tile + 1})
    for (const Index keys : {Index{3}, 2 * lanes, 4 * lanes, 4 * lanes + 1, 9 * lanes - 1})
      for (const Index extra : {0, 2})
        for (const int codes : {64, 128})
          for (int kind = 0; kind < 8; ++kind) {
            const auto before = attend<float>(false, rows, keys, 20, 20, extra, codes + kind);
            const auto after = attend<float>(true, rows, keys, 20, 20, extra, codes + kind);
            CHECK(same(before.data(), after.data(), Index(before.size())));
            const auto plain = attend<float>(true, rows, keys, 20, 20, extra, kind);
            CHECK(same(before.data(), plain.data(), rows * 20));
          }
}

TEST_CASE_TEMPLATE("roll touches no byte outside its map and both matrices, and is one chain for each element", S,
                   float, double) {
  constexpr Index width = kernels::panel_width<S>, tile = kernels::tile_rows;
  for (const Index length : {Index{1}, Index{5}, width, 3 * width + 1, 4 * width - 1})
    for (const Index rows : {Index{1}, tile - 1, tile + 1, 2 * tile})
      for (int kind = 0; kind < 4; ++kind)  // which keys a row sees: all, up to its own, its own alone, some or none
        for (const bool identity : {false, true}) {
          if (rows > length) continue;
          const Index first = length - rows;
          auto seen = values<S>(rows * length, 1);
          const auto sees = [&](Index i, Index j) {
            return kind == 0 || (kind == 1 && j <= first + i) || (kind == 2 && j == first + i) ||
                   (kind == 3 && i % 3 != 0 && j >= i && j < 2 * i + 1);
          };
          for (Index i = 0; i < rows; ++i)
            for (Index j = 0; j < length; ++j)
              if (S& w = seen[std::size_t(i * length + j)]; !sees(i, j)) w = S(0);
          std::vector<std::vector<S>> results;
          for (const bool at_end : {false, true}) {
            const Guarded<S> mean(seen, at_end), before(values<S>(length * length, 2), at_end),
                after(values<S>(length * length, 3), at_end);
            kernels::roll<S>(mean.data(), first, rows, length, identity ? nullptr : before.data(), after.data());
            append(results.emplace_back(), after, length * length);
            CHECK(same(after.data(), values<S>(length * length, 3).data(), first * length));
            for (Index i = 0; i < rows; ++i)
              for (Index j = 0; j < length; ++j) {
                S sum = identity ? mean.data()[i * length + j] : S(0), own = first + i == j ? S(1) : S(0);
                for (Index k = 0; k < length && !identity; ++k)
                  if (sees(i, k)) sum = vt::fma(mean.data()[i * length + k], before.data()[k * length + j], sum);
                if (!identity) own = before.data()[(first + i) * length + j];
                CHECK(after.data()[(first + i) * length + j] == vt::mul(S(0.5), sum) + vt::mul(S(0.5), own));
              }
          }
          CHECK(same(results[0].data(), results[1].data(), length * length));
        }
}

TEST_CASE_TEMPLATE("softmax reads and writes a row to the end of its last vector", S, float, double) {
  for (Index n = 1; n <= 9 * vt::simd<S>::lanes; ++n)
    for (const bool at_end : {false, true}) {
      const Guarded<S> row(values<S>(whole_vectors<S>(n), std::uint64_t(n)), at_end);
      const S max = kernels::row_max(row.data(), n);
      CHECK(max == *std::max_element(row.data(), row.data() + n));
      CHECK(kernels::exponentials<S, true, true>(row.data(), n, max, S(1)) >= S(1));
      for (Index j = n; j < whole_vectors<S>(n); ++j) CHECK(row.data()[j] == S(0));
    }
}

TEST_CASE_TEMPLATE("batched_matmul and pack_matrix touch no byte outside operands and workspace", S, float, double) {
  for (const Index rows : {1, 2, 13, 29})
    for (const Index columns : {1, 17, 33, 130})
      for (const Index depth : {1, 7, 1025})
        for (int kind = 0; kind < 16; ++kind) {
          const auto before = multiply<S>(false, 2, rows, columns, depth, kind);
          CHECK(same(before.data(), multiply<S>(true, 2, rows, columns, depth, kind).data(), Index(before.size())));
        }
}

TEST_CASE_TEMPLATE("multiply_rows, and the heads of vectors", S, float, double) {
  constexpr Index width = kernels::panel_width<S>, lanes = vt::simd<S>::lanes;
  for (const bool at_end : {false, true}) {
    for (Index rows = 1; rows <= kernels::tile_rows; ++rows)
      for (const Index depth : {1, 9}) {
        const Index panels = kernels::panels_at_once(rows);
        const Guarded<S> a(values<S>(rows * depth, 1), at_end), b(values<S>(panels * width * depth, 2), at_end),
            c(zeros<S>(rows * panels * width), at_end);
        kernels::multiply_rows<S>(rows, panels,
                                  {.a = a.data(),
                                   .a_stride = depth,
                                   .b = b.data(),
                                   .b_panel = width * depth,
                                   .b_step = width,
                                   .depth = depth,
                                   .c = c.data(),
                                   .c_stride = panels * width,
                                   .add_to_c = true});
        const S expected = chain<S>(
            depth, [&](Index k) { return a.data()[(rows - 1) * depth + k]; },
            [&](Index k) { return b.data()[(panels - 1) * width * depth + k * width + width - 1]; });
        CHECK(c.data()[rows * panels * width - 1] == expected);
      }
    for (Index n = 0; n <= lanes; ++n) {
      const Guarded<S> from(values<S>(n, 3), at_end), to(zeros<S>(n), at_end);
      vt::store_first(to.data(), vt::load_first(from.data(), n), n);
      CHECK(same(from.data(), to.data(), n));
    }
  }
}

#endif
