// A model in int8: one result as in float, close to float, saved and loaded again without a change.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <vector>
#include <vitrine/generate/generate.hpp>
#include <vitrine/io/checkpoint.hpp>
#include <vitrine/models/bert.hpp>

#include "scratch.hpp"

namespace vt = vitrine;
using vt::Index;

namespace {

const std::filesystem::path g2p = "examples/models/g2p", bart = "tests/golden/models/bart_0";
using Marian = vt::Marian<float>;

template <class T>
bool same(const T& x, const T& y) {
  const auto one = x.span(), other = y.span();
  return one.size() == other.size() && std::memcmp(one.data(), other.data(), one.size_bytes()) == 0;
}

}  // namespace

TEST_CASE("int8: the result of a sequence does not depend on batch, threads, keep, or the cache") {
  const auto model = vt::load_model<Marian>(g2p, {.weights = vt::Storage::int8});
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

TEST_CASE("int8: close to float, a third of its memory, and the same bytes when saved and loaded again") {
  const auto exact = vt::load_model<Marian>(g2p);
  const auto model = vt::load_model<Marian>(g2p, {.weights = vt::Storage::int8});
  CHECK(double(model.packed_bytes()) < 0.36 * double(exact.packed_bytes()));  // it is small: biases and positions
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
  CHECK(largest > 0);
  CHECK(largest < 0.1 * size);
  CHECK(map < 0.2);

  const Scratch scratch;
  vt::save(model, scratch / "int8.safetensors");
  Marian again(model.config());
  vt::load(again, vt::SafeTensors(scratch / "int8.safetensors"));
  CHECK_FALSE(same(again(from, to).output, theirs.output));
  REQUIRE(again.store_weights(vt::Storage::int8) == vt::Status::ok);
  CHECK(same(again(from, to).output, ours.output));
  CHECK(again.packed_bytes() == model.packed_bytes());
}

TEST_CASE("int8 is for float models; other families load it too, and f32 changes nothing") {
  CHECK_THROWS_AS(vt::load_model<vt::Marian<double>>(g2p, {.weights = vt::Storage::int8}), const vt::Error&);
  CHECK(vt::load_model<vt::Marian<double>>(g2p, {.weights = vt::Storage::f32}).loaded());
  const auto stored = vt::load_model<vt::Bart<float>>(bart, {.weights = vt::Storage::int8});
  CHECK(stored.packed_bytes() < vt::load_model<vt::Bart<float>>(bart).packed_bytes());
  CHECK(vt::Marian<float>({}).store_weights(vt::Storage::int8) == vt::Status::not_loaded);
}
