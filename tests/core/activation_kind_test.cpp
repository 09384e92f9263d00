#include <vitrine/core/activation_kind.hpp>

#include <doctest/doctest.h>

#include <string_view>

using vitrine::Activation;

namespace {

constexpr Activation parsed(const char* text) {
  Activation result = static_cast<Activation>(99);
  vitrine::parse_activation(text, result);
  return result;
}
static_assert(parsed("gelu_new") == Activation::gelu_tanh);

}  // namespace

TEST_CASE("our names are understood again") {
  for (const Activation a :
       {Activation::none, Activation::relu, Activation::gelu, Activation::gelu_tanh, Activation::silu})
    CHECK(parsed(vitrine::name(a)) == a);
  CHECK(std::string_view(vitrine::name(static_cast<Activation>(99))).empty());
}

TEST_CASE("names of PyTorch and Transformers") {
  CHECK(parsed("relu") == Activation::relu);
  CHECK(parsed("gelu") == Activation::gelu);
  CHECK(parsed("gelu_new") == Activation::gelu_tanh);
  CHECK(parsed("gelu_pytorch_tanh") == Activation::gelu_tanh);
  CHECK(parsed("swish") == Activation::silu);
  CHECK(parsed("silu") == Activation::silu);
}

TEST_CASE("other names are refused and change nothing") {
  for (const char* text : {"", "r", "relu6", "rel", "GELU", "gelu_", "mish"}) {
    Activation result = Activation::silu;
    CHECK_FALSE(vitrine::parse_activation(text, result));
    CHECK(result == Activation::silu);
  }
  Activation result = Activation::none;
  CHECK(vitrine::parse_activation("relu6", 4, result));
  CHECK(result == Activation::relu);
}
