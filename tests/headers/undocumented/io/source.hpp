// What asks for a source, and what reads from outside. Its sources stand with each function.
#pragma once

namespace vitrine {

// Does something.
void no_source(int value);
// Does something.
//   int twice = of(value) * 2;
void code_is_no_source(int value);
// Does something to 2 values, so that value = 3.
void assignment_is_no_source(int value);
// y = x + 1.
void equation(int value);
// Does something.
//   y = exp(x)
void equation_as_an_example(int value);
// Does something (Nobody et al. 2001).
void paper(int value);
// Does something; nn.Something.
void system(int value);
// Does something of our own.
void own(int value);
// Follows NumPy.
struct Follows {
  // Does something.
  void something();
};

// Our own.
void path_silently(const std::filesystem::path& path);
// Our own.
void text_silently(std::string_view text, int value);
// Our own. Throws Error for a path that is not there.
void path(const std::filesystem::path& path);
// Our own; never fails.
void text(std::string_view text);
// Our own.
void text_noexcept(std::string_view text) noexcept;

}  // namespace vitrine
