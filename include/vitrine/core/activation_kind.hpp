// The activation functions that layers can be configured with, and their names.
#pragma once
#include <vitrine/core/config.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// gelu is x Phi(x) with the error function, gelu_tanh its approximation by tanh, silu is x / (1 + e^-x).
enum class Activation : std::uint8_t { none, relu, gelu, gelu_tanh, silu };

// "none", "relu", "gelu", "gelu_tanh" or "silu"; "" for a value outside the enumeration.
constexpr const char* name(Activation activation) noexcept {
  switch (activation) {
    case Activation::none:
      return "none";
    case Activation::relu:
      return "relu";
    case Activation::gelu:
      return "gelu";
    case Activation::gelu_tanh:
      return "gelu_tanh";
    case Activation::silu:
      return "silu";
  }
  return "";
}

// Understands our names and those of PyTorch and Transformers: "gelu_new", "gelu_pytorch_tanh" are gelu_tanh, "swish"
// is silu, "linear", "identity" are none. The text need not end in a zero. Returns false, leaving `activation` alone,
// for any other.
constexpr bool parse_activation(const char* text, Index length, Activation& activation) noexcept {
  struct Entry {
    const char* name;
    Activation activation;
  };
  constexpr Entry entries[] = {
      {"none", Activation::none},          {"linear", Activation::none},
      {"identity", Activation::none},      {"relu", Activation::relu},
      {"gelu", Activation::gelu},          {"gelu_tanh", Activation::gelu_tanh},
      {"gelu_new", Activation::gelu_tanh}, {"gelu_pytorch_tanh", Activation::gelu_tanh},
      {"silu", Activation::silu},          {"swish", Activation::silu},
  };
  for (const Entry& entry : entries) {
    Index i = 0;
    while (i < length && entry.name[i] != '\0' && entry.name[i] == text[i]) ++i;
    if (i == length && entry.name[i] == '\0') {
      activation = entry.activation;
      return true;
    }
  }
  return false;
}
constexpr bool parse_activation(const char* text, Activation& activation) noexcept {
  Index length = 0;
  while (text[length] != '\0') ++length;
  return parse_activation(text, length, activation);
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
