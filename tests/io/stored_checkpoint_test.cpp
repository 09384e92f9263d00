// Models in int8, bf16 and f16: one result as in float, close to float, saved and loaded again without a change; a
// checkpoint in halves loses nothing.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <vector>
#include <vitrine/generate/generate.hpp>
#include <vitrine/io/checkpoint.hpp>
#include <vitrine/models/bert.hpp>
#include <vitrine/models/encoder.hpp>

#include "changed_checkpoint.hpp"
#include "scratch.hpp"

namespace vt = vitrine;
using vt::Index;

namespace {

const std::filesystem::path g2p = "examples/models/g2p", bart = "tests/golden/models/bart_0";
using Marian = vt::Marian<float>;
constexpr vt::Storage stored[] = {vt::Storage::int8, vt::Storage::bf16, vt::Storage::f16};

template <class T>
bool same(const T& x, const T& y) {
  const auto one = x.span(), other = y.span();
  return one.size() == other.size() && std::memcmp(one.data(), other.data(), one.size_bytes()) == 0;
}

void check_one_result(vt::Storage storage) {
  CAPTURE(std::string(name(storage)));
  const auto model = vt::load_model<Marian>(g2p, {.weights = storage});
  const std::vector<Index> ids = {5, 6, 7, 8, 9, 3, 4, 10, 11}, targets = {1, 7, 9, 12, 4, 1, 5, 6};
  const std::vector<Index> lengths = {4, 2, 3}, target_lengths = {5, 1, 2};
  vt::Workspace three(vt::heap(), 3), one(vt::heap(), 1);
  three.parallel_from(0);
  vt::Seq2SeqResult<vt::DefaultKeep, float> all, alone;
  vt::Seq2SeqResult<vt::keep::Nothing, float> nothing;
  const vt::Tokens sources(ids, lengths), given(targets, target_lengths);
  REQUIRE(model.forward_into(all, three, sources, given) == vt::Status::ok);
  REQUIRE(model.forward_into(nothing, one, sources, given, {}, vt::keep::nothing) == vt::Status::ok);
  CHECK(same(all.output, nothing.output));
  const std::span<const Index> first(ids.data(), 4), its_target(targets.data(), 5);
  REQUIRE(model.forward_into(alone, one, vt::Tokens(first), vt::Tokens(its_target)) == vt::Status::ok);
  const Index vocab = model.vocab_size();
  CHECK(std::memcmp(alone.output.data(), all.output.data(), std::size_t(5 * vocab) * sizeof(float)) == 0);
  CHECK(alone.cross_attn[0].matrix(0, 1) == all.cross_attn[0].matrix(0, 1));
  CHECK(alone.self_attn[0].matrix(0, 0) == all.self_attn[0].matrix(0, 0));

  vt::DecodingSteps<float> steps(model, three, {.max_length = 8});
  steps.begin(vt::Tokens(first));
  for (Index t = 0; t < 5; ++t) {
    const auto step = steps.next(its_target.subspan(std::size_t(t), 1));
    CHECK(std::memcmp(step.output.data(), alone.output.data() + t * vocab, std::size_t(vocab) * sizeof(float)) == 0);
  }
}

// Of float's bytes, and of the largest logit and weight; the model is small: biases and positions.
struct Bounds {
  double bytes, logit, weight;
};
void check_against_float(vt::Storage storage, const Bounds& bounds) {
  CAPTURE(std::string(name(storage)));
  const auto exact = vt::load_model<Marian>(g2p);
  const auto model = vt::load_model<Marian>(g2p, {.weights = storage});
  CHECK(double(model.packed_bytes()) < bounds.bytes * double(exact.packed_bytes()));
  const std::vector<Index> source = {5, 6, 7, 8, 9, 3}, target = {1, 7, 9, 12};
  const vt::Tokens from{std::span<const Index>(source)}, to{std::span<const Index>(target)};
  const auto ours = model(from, to), theirs = exact(from, to);
  double largest = 0, size = 0, map = 0;
  for (Index i = 0; i < Index(theirs.output.span().size()); ++i) {
    largest = std::max(largest, std::fabs(double(ours.output.data()[i]) - double(theirs.output.data()[i])));
    size = std::max(size, std::fabs(double(theirs.output.data()[i])));
  }
  for (Index h = 0; h < ours.cross_attn.heads(); ++h)
    map = std::max(map,
                   double((ours.cross_attn[0].matrix(0, h) - theirs.cross_attn[0].matrix(0, h)).cwiseAbs().maxCoeff()));
  CHECK((largest > 0) == (bounds.logit > 0));
  CHECK(largest <= bounds.logit * size);
  CHECK(map <= bounds.weight);

  const Scratch scratch;
  vt::save(model, scratch / "stored.safetensors");
  Marian again(model.config());
  vt::load(again, vt::SafeTensors(scratch / "stored.safetensors"));
  CHECK(same(again(from, to).output, theirs.output) == (bounds.logit == 0));
  REQUIRE(again.store_weights(storage) == vt::Status::ok);
  CHECK(same(again(from, to).output, ours.output));
  CHECK(again.packed_bytes() == model.packed_bytes());
}

}  // namespace

TEST_CASE("stored weights: the result of a sequence does not depend on batch, threads, keep, or the cache") {
  for (const vt::Storage storage : stored) check_one_result(storage);
}

TEST_CASE("stored weights: close to float, less memory, and the same bytes when saved and loaded again") {
  check_against_float(vt::Storage::int8, {.bytes = 0.36, .logit = 0.1, .weight = 0.2});
  check_against_float(vt::Storage::bf16, {.bytes = 0.58, .logit = 0.03, .weight = 0.06});
  check_against_float(vt::Storage::f16, {.bytes = 0.58, .logit = 0, .weight = 0});  // as the file has them
}

TEST_CASE("stored weights take half and a quarter of float's memory") {
  const vt::StackConfig config{.layer = {.d_model = 256, .nhead = 4, .dim_feedforward = 1024}, .num_layers = 2};
  vt::Encoder<float> exact(config);
  REQUIRE(exact.init(1) == vt::Status::ok);
  for (const vt::Storage storage : stored) {
    const double share = storage == vt::Storage::int8 ? 0.27 : 0.51;
    vt::Encoder<float> encoder = exact;
    REQUIRE(encoder.store_weights(storage) == vt::Status::ok);
    CAPTURE(std::string(name(storage)));
    CHECK(double(encoder.packed_bytes()) <= share * double(exact.packed_bytes()));
    CHECK(encoder.parameter_count() == exact.parameter_count());
  }
}

TEST_CASE("a checkpoint in halves has the same weights in that storage, and where they are widened the same numbers") {
  const std::vector<Index> source = {5, 6, 7, 8, 9, 3}, target = {1, 7, 9, 12};
  const vt::Tokens from{std::span<const Index>(source)}, to{std::span<const Index>(target)};
  const Changed folder(g2p);
  for (const vt::Storage storage : {vt::Storage::bf16, vt::Storage::f16}) {
    const std::filesystem::path halves = folder.save(storage == vt::Storage::f16 ? vt::DType::F16 : vt::DType::BF16);
    const auto exact = vt::load_model<Marian>(halves);
    const auto model = vt::load_model<Marian>(halves, {.weights = storage});
    std::vector<float> expected;
    exact.parameters([&](const char*, const vt::Parameter<float>& p) {
      for (Index i = 0; i < p.elements(); ++i)
        expected.push_back(p.is_vector() ? p.value(i) : p.value(i / p.cols, i % p.cols));
    });
    std::size_t at = 0;
    Index other = 0;
    model.parameters([&](const char*, const vt::Parameter<float>& p) {
      for (Index i = 0; i < p.elements(); ++i)
        other += expected[at++] != (p.is_vector() ? p.value(i) : p.value(i / p.cols, i % p.cols));
    });
    CAPTURE(std::string(name(storage)));
    CHECK(other == 0);
    const bool widened = storage == vt::Storage::f16 || !vt::kernels::bf16_pairs;
    CHECK(same(model(from, to).output, exact(from, to).output) == widened);
  }
}

TEST_CASE("stored weights are for float models; other families load them too, and f32 changes nothing") {
  CHECK_THROWS_AS(vt::load_model<vt::Marian<double>>(g2p, {.weights = vt::Storage::int8}), const vt::Error&);
  CHECK(vt::load_model<vt::Marian<double>>(g2p, {.weights = vt::Storage::f32}).loaded());
  const auto other = vt::load_model<vt::Bart<float>>(bart, {.weights = vt::Storage::int8});
  CHECK(other.packed_bytes() < vt::load_model<vt::Bart<float>>(bart).packed_bytes());
  CHECK(vt::Marian<float>({}).store_weights(vt::Storage::int8) == vt::Status::not_loaded);
}
