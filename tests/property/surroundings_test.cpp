// One result, bit for bit (examples/threads.md): whatever surrounds a sequence, however many threads, whatever is
// kept.
#include "../support/support.hpp"

#include <atomic>
#include <thread>

namespace vt = vitrine;
using support::Index;

namespace {

constexpr Index width = 40, heads = 4;
constexpr vt::LayerConfig layer_config{
    .d_model = width, .nhead = heads, .dim_feedforward = 80, .activation = vt::Activation::gelu, .norm_first = true};
constexpr Index lengths[] = {1, 33, 65, 3, 16, 31, 8};
constexpr Index batch = std::size(lengths), longest = 65;

// Sequences of awkward lengths, packed one after another.
template <class S>
struct Batch {
  std::vector<S> packed = support::random_values<S>(total() * width, 1);
  static Index total() {
    Index sum = 0;
    for (Index l : lengths) sum += l;
    return sum;
  }
  const S* sequence(Index b) const {
    Index start = 0;
    for (Index i = 0; i < b; ++i) start += lengths[i];
    return packed.data() + start * width;
  }
  // (B, left + longest + right, E); what pads is NaN.
  std::vector<S> padded(Index left, Index right) const {
    const Index rows = left + longest + right;
    std::vector<S> x(std::size_t(batch * rows * width), std::numeric_limits<S>::quiet_NaN());
    for (Index b = 0; b < batch; ++b)
      std::copy_n(sequence(b), lengths[b] * width, x.begin() + (b * rows + left) * width);
    return x;
  }
};

// Some rows and columns of a map.
template <class S>
bool same_part(const vt::MatrixView<S>& x, Index row, Index column, const vt::MatrixView<S>& y) {
  bool all = true;
  for (Index i = 0; i < y.rows(); ++i)
    all = all && support::same(x.data() + (row + i) * x.cols() + column, y.data() + i * y.cols(), y.cols());
  return all;
}

// A workspace whose teams begin at the smallest work.
vt::Workspace team_of(int threads) {
  vt::Workspace workspace(vt::heap(), threads);
  workspace.parallel_from(0);
  return workspace;
}

}  // namespace

TEST_CASE_TEMPLATE("alone, padded on either side, with neighbours, ragged, on any number of threads", S, float,
                   double) {
  vt::Encoder<S> encoder({.layer = layer_config, .num_layers = 2, .final_norm = true});
  support::randomise(encoder, 1);
  const Batch<S> data;
  for (const bool causal : {false, true}) {
    const vt::Mask<S> order = causal ? vt::Mask<S>(vt::causal()) : vt::Mask<S>();
    std::vector<vt::EncoderResult<vt::DefaultKeep, S>> alone;
    for (Index b = 0; b < batch; ++b)
      alone.push_back(encoder({data.sequence(b), 1, lengths[b], width}, {.src_mask = order}));

    for (const int threads : {1, 2, 3, 7}) {
      CAPTURE(threads);
      vt::Workspace workspace = team_of(threads);
      vt::EncoderResult<vt::DefaultKeep, S> r;
      for (const Index left : {0, 1, 5}) {
        CAPTURE(left);
        const Index rows = left + longest + 3;
        const auto x = data.padded(left, 3);
        std::vector<std::uint8_t> real;
        for (Index b = 0; b < batch; ++b)
          for (Index t = 0; t < rows; ++t) real.push_back(t >= left && t < left + lengths[b]);
        REQUIRE(encoder.forward_into(r, workspace, {x.data(), batch, rows, width},
                                     {.src_mask = order & vt::key_flags(real.data(), batch, rows)}) == vt::Status::ok);
        for (Index b = 0; b < batch; ++b) {
          CHECK(support::same(r.output.matrix(b).data() + left * width, alone[std::size_t(b)].output.data(),
                              lengths[b] * width));
          for (Index l = 0; l < 2; ++l)
            for (Index h = 0; h < heads; ++h)
              CHECK(
                  same_part(r.self_attn[l].matrix(b, h), left, left, alone[std::size_t(b)].self_attn[l].matrix(0, h)));
        }
      }
      REQUIRE(encoder.forward_into(r, workspace, vt::Ragged<S>(data.packed.data(), width, lengths),
                                   {.src_mask = order}) == vt::Status::ok);
      for (Index b = 0; b < batch; ++b) {
        CHECK(support::same(r.output.matrix(b), alone[std::size_t(b)].output.matrix()));
        for (Index l = 0; l < 2; ++l)
          for (Index h = 0; h < heads; ++h)
            CHECK(support::same(r.self_attn[l].matrix(b, h), alone[std::size_t(b)].self_attn[l].matrix(0, h)));
      }
      const auto x = data.padded(0, 0);
      REQUIRE(encoder.forward_into(r, workspace, {x.data(), batch, longest, width},
                                   {.src_mask = order & vt::key_lengths(lengths)}) == vt::Status::ok);
      for (Index b = 0; b < batch; ++b)
        CHECK(support::same(r.output.matrix(b).data(), alone[std::size_t(b)].output.data(), lengths[b] * width));
    }
  }
}

TEST_CASE_TEMPLATE("the same for a decoder, whose memory is padded or ragged too", S, float, double) {
  vt::DecoderLayer<S> layer(layer_config);
  support::randomise(layer, 2);
  const Batch<S> data;
  Index memory_lengths[batch];
  for (Index b = 0; b < batch; ++b) memory_lengths[b] = lengths[batch - 1 - b];
  std::vector<S> memory, padded_memory(std::size_t(batch * longest * width), std::numeric_limits<S>::infinity());
  for (Index b = 0; b < batch; ++b) {
    const auto own = support::random_values<S>(memory_lengths[b] * width, std::uint64_t(b + 5));
    memory.insert(memory.end(), own.begin(), own.end());
    std::copy(own.begin(), own.end(), padded_memory.begin() + b * longest * width);
  }
  const vt::Ragged<S> ragged(data.packed.data(), width, lengths), ragged_memory(memory.data(), width, memory_lengths);
  const vt::DecoderMasks<S> causal{.tgt_mask = vt::causal()};
  const auto r = layer(ragged, ragged_memory, causal);
  Index start = 0;
  for (Index b = 0; b < batch; start += memory_lengths[b++]) {
    const auto alone = layer({data.sequence(b), 1, lengths[b], width},
                             {memory.data() + start * width, 1, memory_lengths[b], width}, causal);
    CHECK(support::same(r.output.matrix(b), alone.output.matrix()));
    for (Index h = 0; h < heads; ++h) {
      CHECK(support::same(r.self_attn.matrix(b, h), alone.self_attn.matrix(0, h)));
      CHECK(support::same(r.cross_attn.matrix(b, h), alone.cross_attn.matrix(0, h)));
    }
  }
  const auto x = data.padded(0, 0);
  for (const int threads : {1, 2, 3, 7}) {
    CAPTURE(threads);
    vt::Workspace workspace = team_of(threads);
    vt::DecoderResult<vt::DefaultKeep, S> all;
    REQUIRE(layer.forward_into(all, workspace, ragged, ragged_memory, causal) == vt::Status::ok);
    CHECK(support::same(all.output, r.output));
    CHECK(support::same(all.cross_attn.values(), r.cross_attn.values()));
    const vt::DecoderMasks<S> masks{.tgt_mask = vt::causal() & vt::key_lengths(lengths),
                                    .memory_mask = vt::key_lengths(memory_lengths)};
    REQUIRE(layer.forward_into(all, workspace, {x.data(), batch, longest, width},
                               {padded_memory.data(), batch, longest, width}, masks) == vt::Status::ok);
    for (Index b = 0; b < batch; ++b) {
      CHECK(support::same(all.output.matrix(b).data(), r.output.matrix(b).data(), lengths[b] * width));
      for (Index h = 0; h < heads; ++h)
        CHECK(support::same_corner(all.cross_attn.matrix(b, h), r.cross_attn.matrix(b, h)));
    }
  }
}

TEST_CASE("what is kept changes neither the output nor what else is kept") {
  vt::Encoder<float> encoder({.layer = layer_config, .num_layers = 3});
  support::randomise(encoder, 3);
  const auto x = support::random_values<float>(2 * 65 * width, 4);
  const Index key_lengths[] = {65, 33};
  const vt::Sequences<float> in(x.data(), 2, 65, width);
  const vt::EncoderMasks<float> masks{.src_mask = vt::causal() & vt::key_lengths(key_lengths)};
  const auto weights = encoder(in, masks);
  const auto scores = encoder(in, masks, vt::keep::scores);
  const auto mean = encoder(in, masks, vt::keep::head_mean);
  const auto nothing = encoder(in, masks, vt::keep::nothing);
  const auto some = encoder(in, masks, vt::keep::weights.only({.layers = {0, 2}, .heads = {3}}));
  const auto none = encoder(in, masks, vt::keep::scores.only({.which = vt::Which::cross}));
  const auto mean_of_one = encoder(in, masks, vt::keep::head_mean.only({.layers = {1}}));
  CHECK(support::same(scores.output, weights.output));
  CHECK(support::same(mean.output, weights.output));
  CHECK(support::same(nothing.output, weights.output));
  CHECK(support::same(some.output, weights.output));
  CHECK(support::same(none.output, weights.output));
  CHECK(support::same(mean_of_one.output, weights.output));
  CHECK(support::same(scores.self_attn.values(), weights.self_attn.values()));
  CHECK(none.self_attn.bytes() == 0);
  for (Index b = 0; b < 2; ++b) {
    for (const Index l : {0, 2})
      CHECK(support::same(some.self_attn[l].matrix(b, 3), weights.self_attn[l].matrix(b, 3)));
    CHECK(support::same(mean_of_one.self_attn[1].matrix(b), mean.self_attn[1].matrix(b)));
    for (Index l = 0; l < 3; ++l) {
      const auto m = mean.self_attn[l].matrix(b);
      bool equal = true;
      for (Index i = 0; i < m.size(); ++i) {
        float sum = 0;
        for (Index h = 0; h < heads; ++h) sum += weights.self_attn[l].matrix(b, h).data()[i];  // ascending
        equal = equal && m.data()[i] == sum * 0.25f;
      }
      CHECK(equal);
    }
  }
}

TEST_CASE("fresh values and a reused result, strided rows and those of another order, batch and permutation") {
  vt::DecoderLayer<float> layer(layer_config);
  support::randomise(layer, 5);
  constexpr Index rows = 17, keys = 31;
  const auto tgt = support::random_values<float>(3 * rows * width, 1),
             memory = support::random_values<float>(3 * keys * width, 2);
  const auto fresh = layer({tgt.data(), 3, rows, width}, {memory.data(), 3, keys, width});
  vt::DecoderResult<vt::DefaultKeep, float> r;
  vt::Workspace workspace(vt::heap());
  const auto longer = support::random_values<float>(65 * width, 1);
  REQUIRE(layer.forward_into(r, workspace, {longer.data(), 1, 65, width}, {longer.data(), 1, 65, width}) ==
          vt::Status::ok);
  REQUIRE(layer.forward_into(r, workspace, {tgt.data(), 3, rows, width}, {memory.data(), 3, keys, width}) ==
          vt::Status::ok);
  const auto equal = [&] {
    return support::same(r.output, fresh.output) && support::same(r.self_attn.values(), fresh.self_attn.values()) &&
           support::same(r.cross_attn.values(), fresh.cross_attn.values());
  };
  CHECK(equal());

  const auto seq_first = [&](const std::vector<float>& x, Index length) {
    std::vector<float> y(x.size());
    for (Index b = 0; b < 3; ++b)
      for (Index t = 0; t < length; ++t)
        std::copy_n(x.begin() + (b * length + t) * width, width, y.begin() + (t * 3 + b) * width);
    return y;
  };
  const auto tgt_first = seq_first(tgt, rows), memory_first = seq_first(memory, keys);
  REQUIRE(layer.forward_into(r, workspace, vt::from_seq_first(tgt_first.data(), rows, Index{3}, width),
                             vt::from_seq_first(memory_first.data(), keys, Index{3}, width)) == vt::Status::ok);
  CHECK(equal());

  vt::RowMajor<float> wide =
      vt::RowMajor<float>::Constant(3 * rows, width + 5, std::numeric_limits<float>::quiet_NaN());
  for (Index i = 0; i < 3 * rows; ++i)
    for (Index e = 0; e < width; ++e) wide(i, e + 2) = tgt[std::size_t(i * width + e)];
  const auto part = layer(wide.block(0, 2, rows, width), {memory.data(), 1, keys, width});
  CHECK(support::same(part.output.matrix(), fresh.output.matrix(0)));

  // Nothing of the layer knows the order of the sequences.
  std::vector<float> tgt_back, memory_back;
  for (Index b = 2; b >= 0; --b) {
    tgt_back.insert(tgt_back.end(), tgt.begin() + b * rows * width, tgt.begin() + (b + 1) * rows * width);
    memory_back.insert(memory_back.end(), memory.begin() + b * keys * width, memory.begin() + (b + 1) * keys * width);
  }
  const auto back = layer({tgt_back.data(), 3, rows, width}, {memory_back.data(), 3, keys, width});
  for (Index b = 0; b < 3; ++b) CHECK(support::same(back.output.matrix(2 - b), fresh.output.matrix(b)));
}

TEST_CASE("one layer serves many callers at once") {
  vt::EncoderLayer<float> layer(layer_config);
  support::randomise(layer, 6);
  const auto x = support::random_values<float>(33 * width, 1);
  const auto expected = layer({x.data(), 1, 33, width});
  std::atomic<int> right{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i)
    callers.emplace_back([&, copy = layer] {
      for (int j = 0; j < 4; ++j) right += support::same(copy({x.data(), 1, 33, width}).output, expected.output);
    });
  for (auto& caller : callers) caller.join();
  CHECK(right == 16);
}
