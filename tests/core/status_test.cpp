#include <vitrine/core/build_info.hpp>
#include <vitrine/core/config.hpp>
#include <vitrine/core/dims.hpp>
#include <vitrine/core/status.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <type_traits>

namespace vt = vitrine;
using vt::Index;
using vt::Status;

static_assert(Status{} == Status::ok);

// A status is no truth value, which would be false where all went well; nor is a code, however it is reached.
static_assert(!std::is_constructible_v<bool, Status> && !std::is_convertible_v<Status, int>);
static_assert(!std::is_constructible_v<bool, Status::Code> && !std::is_convertible_v<Status::Code, int>);
template <class T>
concept Misread = requires(const T& s) {
  s.ok ? 1 : 0;
}
|| requires(const T& s) { s ? 1 : 0; }
|| requires(const T& s) { !s; }
|| requires(const T& s) { s.ok == true; };
static_assert(!Misread<Status>);
static_assert(vt::detail::check_heads(8, 2) == Status::ok);
static_assert(vt::Dims{.d_model = 8, .nhead = 2, .max_length = 4}.fixed());
static_assert(!vt::Dims{.d_model = 8, .nhead = 2}.fixed());
static_assert(vt::Dims{.max_length = 4}.memory_bound() == 4);
static_assert(vt::Dims{.max_length = 4, .max_memory_length = 9}.memory_bound() == 9);

TEST_CASE("a StatusError carries its sentence, the values that there are, and the code") {
  const auto text = [](const Status& status) { return std::string(vt::StatusError(status).what()); };
  CHECK(text({Status::bad_shape, "a"}) == "vitrine: a [bad_shape]");
  CHECK(text({Status::bad_mask, "a", 3}) == "vitrine: a (got 3) [bad_mask]");
  CHECK(text({Status::bad_config, "a", 3, 4}) == "vitrine: a (got 3, expected 4) [bad_config]");
  CHECK(text({Status::out_of_memory, "a", Status::unset, 4}) == "vitrine: a (expected 4) [out_of_memory]");
  CHECK(text({Status::overlap, "a", std::numeric_limits<Index>::min() + 1, -1}) ==
        "vitrine: a (got -9223372036854775807, expected -1) [overlap]");
  CHECK(text({Status::bad_shape, "a", 4, 4, Status::below}) == "vitrine: a (got 4, expected 0 to 3) [bad_shape]");
  CHECK(text({Status::bad_shape, "a", 0, 0, Status::below}) == "vitrine: a (got 0, and there are none) [bad_shape]");
  CHECK(text({Status::bad_config, "a", 10, 4, Status::multiple_of}) ==
        "vitrine: a (got 10, expected a multiple of 4) [bad_config]");
  CHECK(text({Status::bad_config, "a", 5, 4, Status::at_most}) ==
        "vitrine: a (got 5, expected at most 4) [bad_config]");
  CHECK(text({Status::bad_config, "a", 3, 4, Status::at_least}) ==
        "vitrine: a (got 3, expected at least 4) [bad_config]");
  const std::string longest(1000, 'x');
  CHECK(text({Status::overlap, longest.c_str()}).size() == 319);
  const vt::StatusError error(Status{Status::not_loaded, "s", 1, 2});
  CHECK(error.status() == Status::not_loaded);
  CHECK(error.status().expected == 2);
  CHECK_NOTHROW(vt::throw_if_failed({}));
  CHECK_THROWS_AS(vt::throw_if_failed({Status::overlap, "s"}), vt::StatusError);
}

TEST_CASE("every code has a name") {
  for (int code = 0; code <= static_cast<int>(Status::out_of_memory); ++code)
    CHECK(std::string(vt::name(Status::Code(code))).size() > 1);
  CHECK(std::string(vt::name(Status::out_of_memory)) == "out_of_memory");
}

TEST_CASE("the build is told in one line") {
  const std::string line = vt::build_info().data();
  CHECK(line.starts_with("vitrine "));
  CHECK(line.find('\n') == std::string::npos);
#ifdef __OPTIMIZE__
  CHECK(line.ends_with("OPTIMISED"));
#else
  CHECK(line.ends_with("NOT OPTIMISED: add -O3"));
#endif
  CHECK((line.find("OpenMP, ") != std::string::npos) == bool(VITRINE_OPENMP));
}
