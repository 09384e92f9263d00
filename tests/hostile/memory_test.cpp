// Memory that ends at the n-th allocation while files are read and written, for each n: an exception of that name,
// nothing leaked, everything as it was and still usable. (A failing vt::Memory: tests/property/memory_faults_test.cpp.)
#include <doctest/doctest.h>

#include <new>
#include <string>
#include <vitrine/io/checkpoint.hpp>
#include <vitrine/io/load.hpp>
#include <vitrine/io/npz.hpp>
#include <vitrine/layers/encoder_layer.hpp>
#if __has_include(<utf8proc.h>)
#include <vitrine/text/wordpiece.hpp>
#endif

#include "../io/scratch.hpp"
#include "allocation.hpp"

namespace vt = vitrine;

namespace {

// Where a JSON tree is made only larger allocations fail: nlohmann's destructor allocates some bytes itself, and
// without them ends the process.
constexpr std::size_t beside_json = 1024;

// Calls f with 0, 1, ... allocations of at least `least` bytes until it comes to its end; `check` after each time that
// it does not.
template <class F, class Check>
long until_enough(std::size_t least, F f, Check check) {
  for (long n = 0; n < 100000; ++n) {
    CAPTURE(n);
    const std::size_t used = start_counting_allocation();
    bool done = false, named = false;
    fail_allocation_after(n, least);
    try {
      f();
      done = true;
    } catch (const std::bad_alloc&) { named = true; } catch (const vt::Error& error) {
      named = error.code() == vt::LoadError::out_of_memory;
    }
    fail_allocation_after(-1);
    if (done) return n;
    CHECK(named);
    CHECK(start_counting_allocation() == used);
    check();
  }
  return -1;
}
template <class F>
long until_enough(std::size_t least, F f) {
  return until_enough(least, f, [] {});
}

constexpr vt::LayerConfig small{.d_model = 4, .nhead = 2, .dim_feedforward = 4};

std::vector<float> values(const vt::EncoderLayer<float>& layer) {
  std::vector<float> all;
  layer.parameters([&](const char*, const vt::Parameter<float>& p) {
    all.insert(all.end(), p.values.data(), p.values.data() + p.stored(p.panel));
  });
  return all;
}

}  // namespace

TEST_CASE("loading a layer: it is as it was, and loads when there is memory again") {
  const Scratch scratch;
  vt::EncoderLayer<float> one(small), two(small);
  REQUIRE(one.init(1) == vt::Status::ok);
  REQUIRE(two.init(2) == vt::Status::ok);
  vt::save(one, scratch / "one.safetensors");
  vt::save(two, scratch / "two.safetensors");
  vt::EncoderLayer<float> layer(small);
  vt::load(layer, vt::SafeTensors(scratch / "one.safetensors"));
  const auto before = values(layer);
  const auto load = [&] { vt::load(layer, vt::SafeTensors(scratch / "two.safetensors")); };
  CHECK(until_enough(beside_json, load, [&] { CHECK(values(layer) == before); }) > 0);
  CHECK(values(layer) != before);
}

TEST_CASE("saving: the old file stays, and nothing else") {
  const Scratch scratch;
  vt::EncoderLayer<float> layer(small);
  REQUIRE(layer.init(1) == vt::Status::ok);
  const auto path = scratch.write("layer.safetensors", "old");
  CHECK(until_enough(
            beside_json, [&] { vt::save(layer, path); },
            [&] {
              CHECK(read_text(path) == "old");
              CHECK(scratch.files() == 1);
            }) > 0);
  CHECK(vt::SafeTensors(path).names().size() == 12);

  const std::vector<float> row = {1, 2, 3};
  const auto archive = scratch / "maps.npz";
  CHECK(until_enough(
            1,
            [&] {
              vt::NpzWriter writer(archive);
              writer.add("a", {3}, std::span<const float>(row));
              writer.add_strings("b", std::vector<std::string>{"\u00e9", "words"});
              writer.finish();
            },
            [&] { CHECK(scratch.files() == 1); }) > 10);
  CHECK(until_enough(1, [&] { vt::Npz{archive}; }) > 5);
}

TEST_CASE("shards and a vocabulary") {
  const Scratch scratch;
  scratch.write("a.safetensors", container(R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x"));
  scratch.write("model.safetensors.index.json", R"({"weight_map":{"x":"a.safetensors"}})");
  CHECK(until_enough(1, [&] { vt::SafeTensors{scratch.folder}; }) > 10);
#if __has_include(<utf8proc.h>)
  scratch.write("vocab.txt", "[UNK]\n[CLS]\n[SEP]\na\n##b\n");
  CHECK(until_enough(1, [&] { (void)vt::WordPiece(scratch / "vocab.txt").encode("ab \u00e9 a"); }) > 10);
#endif
}

TEST_CASE("a whole model") {
  const auto load = [] { (void)vt::load_model<vt::Marian<float>>("examples/models/g2p"); };
  CHECK(until_enough(1 << 15, load) > 5);
}
