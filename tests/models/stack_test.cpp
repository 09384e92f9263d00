#include <vitrine/models/stack.hpp>

#include "../support/support.hpp"

#include <memory>
#include <utility>

using support::Index;

namespace {

// A heap that counts what it has out, and may run dry.
struct Counting {
  static inline std::size_t out = 0, left = 0;
  static void* allocate(std::size_t bytes) noexcept {
    if (bytes > left) return nullptr;
    left -= bytes, out += bytes;
    return vt::heap()->allocate(bytes);
  }
  static void release(void* pointer, std::size_t bytes) noexcept {
    out -= bytes;
    vt::heap()->release(pointer, bytes);
  }
};
constexpr vt::Memory counting{Counting::allocate, Counting::release};

constexpr vt::StackConfig config{.layer = {.d_model = 16, .nhead = 4, .dim_feedforward = 24}, .num_layers = 3};

vt::Encoder<float> made(std::uint64_t seed) {
  vt::Encoder<float> encoder(config);
  REQUIRE(encoder.init(seed) == vt::Status::ok);
  return encoder;
}
const std::vector<float> x = support::random_values<float>(5 * 16, 1);
vt::EncoderResult<vt::DefaultKeep, float> run(const vt::Encoder<float>& encoder) {
  return encoder({x.data(), 1, 5, 16});
}

}  // namespace

TEST_CASE("a copy of a stack shares its values, and outlives it") {
  auto first = std::make_unique<vt::Encoder<float>>(made(1));
  const auto expected = run(*first);
  const vt::Encoder<float> copy = *first;
  std::vector<const float*> values;
  first->parameters([&](const char*, const auto& p) { values.push_back(p.values.data()); });
  std::size_t i = 0;
  copy.parameters([&](const char*, const auto& p) { CHECK(p.values.data() == values[i++]); });
  CHECK(i == values.size());
  REQUIRE(first->init(2) == vt::Status::ok);  // new values of one are not the other's
  CHECK_FALSE(support::same(run(*first).output, expected.output));
  first.reset();
  CHECK(support::same(run(copy).output, expected.output));
}

TEST_CASE("a stack that was moved from says so; assigning to it makes it one again") {
  auto source = made(1);
  const auto expected = run(source);
  vt::Encoder<float> target = std::move(source);
  CHECK(support::same(run(target).output, expected.output));
  CHECK(support::complaint([&] { run(source); }) ==
        "vitrine: the stack has no layers: memory for them ran out, or it was moved from (got 0, expected 3) "
        "[out_of_memory]");
  source = target;
  CHECK(support::same(run(source).output, expected.output));
  auto& same = target;
  target = same;
  CHECK(support::same(run(target).output, expected.output));
  target = made(2);
  CHECK_FALSE(support::same(run(target).output, expected.output));
}

TEST_CASE("copies, moves and failures give back all that they took") {
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1} << 12, std::size_t{1} << 30}) {
    Counting::out = 0, Counting::left = bytes;
    {
      vt::Encoder<float> one(config, &counting);
      vt::Encoder<float> two = one, three = std::move(one);
      two = three;
      three = std::move(two);
      const vt::Status::Code expected = bytes >> 30 != 0 ? vt::Status::ok : vt::Status::out_of_memory;
      CHECK(three.init(1).code == expected);
      vt::EncoderResult<vt::DefaultKeep, float> result;
      vt::Workspace workspace(&counting, 1);
      const auto answer = three.forward_into(result, workspace, {x.data(), 1, 5, 16});
      CHECK(answer.code == expected);
    }
    CHECK(Counting::out == 0);
  }
}

TEST_CASE("a stack of no layers is refused") {
  for (const Index layers : {Index{0}, Index{-3}}) {
    vt::Encoder<float> encoder({.layer = config.layer, .num_layers = layers});
    CHECK(support::complaint([&] { run(encoder); }) ==
          "vitrine: num_layers must be positive (got " + std::to_string(layers) + ") [bad_config]");
  }
}

TEST_CASE("parameters are named by layer, then the final norm") {
  const auto encoder = made(1);
  std::vector<std::string> names;
  encoder.parameters([&](const char* name, const auto&) { names.emplace_back(name); });
  CHECK(names.front() == "layers.0.self_attn.in_proj_weight");
  CHECK(names.size() == 3 * 12 + (config.final_norm ? 2 : 0));
  CHECK(names[12] == "layers.1.self_attn.in_proj_weight");
}

TEST_CASE("a selection names any of 70 layers and 70 heads, and changes no bit") {
  const vt::Encoder<float> encoder = [] {
    vt::Encoder<float> many({.layer = {.d_model = 70, .nhead = 70, .dim_feedforward = 2}, .num_layers = 70});
    REQUIRE(many.init(1) == vt::Status::ok);
    return many;
  }();
  const std::vector<float> rows = support::random_values<float>(3 * 70, 2);
  const vt::Sequences<float> input(rows.data(), 1, 3, 70);
  const auto all = encoder(input);
  const auto some = encoder(input, {}, vt::keep::weights.only({.layers = {2, 63, 64, 69}, .heads = {5, 64, 69}}));
  CHECK(support::same(some.output.span(), all.output.span()));
  CHECK(some.self_attn.values().size() == 4 * 3 * 9);
  for (const Index layer : {2, 63, 64, 69})
    for (const Index head : {5, 64, 69})
      CHECK(some.self_attn[layer].matrix(0, head) == all.self_attn[layer].matrix(0, head));
  CHECK_FALSE(some.self_attn.kept(65, 64));
  CHECK_FALSE(some.self_attn.kept(64, 65));
  const auto figures = encoder(input, {}, vt::keep::top<1>.only({.layers = {69}, .heads = {66}}));
  CHECK(figures.self_attn[69].weights(0, 66)(2, 0) == all.self_attn[69].matrix(0, 66).row(2).maxCoeff());
  CHECK(support::complaint([&] { (void)encoder(input, {}, vt::keep::weights.only({.heads = {70}})); }) ==
        "vitrine: the selection names a head that the model does not have (expected 0 to 69) [bad_config]");
}
