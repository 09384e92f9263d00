// What a call answers: ok, or one searchable sentence with the values that were wrong. No allocation, no exceptions
// needed.
#pragma once
#include <vitrine/core/config.hpp>

#if VITRINE_EXCEPTIONS
#include <exception>
#endif

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// The answer of every noexcept call. Compare with the codes (`status == Status::ok`), or print `sentence`, and `actual`
// and `expected`: the values that it speaks of, `unset` where there is none. It is no truth value: `if (status)` and
// `if (status.ok)` do not compile. Behind Xlib.h, which makes its name a macro: `#undef Status`, or `const auto
// status`.
struct [[nodiscard]] Status {
  // What kind of answer it is.
  enum class Code : std::uint8_t {
    ok,
    bad_shape,
    bad_mask,
    bad_config,
    not_loaded,
    not_supported,
    overlap,
    workspace_too_small,
    result_too_small,
    out_of_memory
  };
  static constexpr Code ok = Code::ok;
  static constexpr Code bad_shape = Code::bad_shape;          // an input's extents do not fit the layer or each other
  static constexpr Code bad_mask = Code::bad_mask;            // a mask's extents, values or combination make no sense
  static constexpr Code bad_config = Code::bad_config;        // sizes of the layer itself
  static constexpr Code not_loaded = Code::not_loaded;        // a parameter has no values yet
  static constexpr Code not_supported = Code::not_supported;  // a request that this call cannot honour
  static constexpr Code overlap = Code::overlap;              // the output would overwrite an input
  static constexpr Code workspace_too_small = Code::workspace_too_small;  // caller memory; see workspace_bytes
  static constexpr Code result_too_small = Code::result_too_small;        // caller memory; see result_bytes
  static constexpr Code out_of_memory = Code::out_of_memory;              // Memory::allocate returned null, or cannot
  // How `actual` should have stood to `expected`; below: an index, of 0 to expected - 1.
  enum class Rule : std::uint8_t { equal, below, at_most, at_least, multiple_of };
  static constexpr Rule equal = Rule::equal, below = Rule::below, at_most = Rule::at_most, at_least = Rule::at_least,
                        multiple_of = Rule::multiple_of;
  static constexpr Index unset = Index(~(~std::size_t{0} >> 1));  // no size, index or count is that

  Code code = ok;
  Rule rule = equal;
  const char* sentence = "";
  Index actual = unset, expected = unset;

  VITRINE_INLINE constexpr Status() noexcept {}  // or each call of a small machine makes one more
  constexpr Status(Code what, const char* why, Index got = unset, Index wanted = unset, Rule how = equal) noexcept
      : code(what), rule(how), sentence(why), actual(got), expected(wanted) {}

  // Compares with the codes: status == Status::ok.
  constexpr operator Code() const { return code; }
};

// The code's spelling, "bad_shape" and so on; a constant text.
constexpr const char* name(Status::Code code) {
  constexpr const char* names[] = {
      "ok",      "bad_shape",           "bad_mask",         "bad_config",   "not_loaded", "not_supported",
      "overlap", "workspace_too_small", "result_too_small", "out_of_memory"};
  return names[static_cast<int>(code)];
}

#if VITRINE_EXCEPTIONS
// What the throwing call forms throw: the status, and its sentence with the values as text.
class StatusError : public std::exception {
 public:
  // Copies the status; allocates nothing.
  explicit StatusError(const Status& status) noexcept : status_(status) {
    add("vitrine: ");
    add(status.sentence);
    add_values();
    add(" [");
    add(name(status.code));
    add("]");
  }
  // "vitrine: SENTENCE (got ACTUAL, expected EXPECTED) [CODE]"; for an index "expected 0 to LAST", and so on by the
  // status's rule.
  const char* what() const noexcept override { return text_; }
  // The status itself.
  const Status& status() const noexcept { return status_; }

 private:
  void add_values() noexcept {
    const Index actual = status_.actual, expected = status_.expected;
    if (actual == Status::unset && expected == Status::unset) return;
    add(" (");
    if (actual != Status::unset) add("got "), add(actual);
    if (actual != Status::unset && expected != Status::unset) add(", ");
    if (expected != Status::unset) add_rule(expected);
    add(")");
  }
  void add_rule(Index expected) noexcept {
    if (status_.rule == Status::below && expected <= 0) return add("and there are none");
    add("expected ");
    switch (status_.rule) {
      case Status::below:
        return add("0 to "), add(expected - 1);
      case Status::at_most:
        return add("at most "), add(expected);
      case Status::at_least:
        return add("at least "), add(expected);
      case Status::multiple_of:
        return add("a multiple of "), add(expected);
      case Status::equal:
        add(expected);
    }
  }
  void add(const char* text) noexcept {
    while (*text != 0 && size_ + 1 < sizeof text_) text_[size_++] = *text++;
    text_[size_] = 0;
  }
  void add(Index value) noexcept {
    char digits[24];
    int count = 0;
    const bool negative = value < 0;
    auto rest = negative ? 0 - static_cast<std::size_t>(value) : static_cast<std::size_t>(value);
    do digits[count++] = static_cast<char>('0' + rest % 10), rest /= 10;
    while (rest != 0);
    char reversed[26];
    int size = 0;
    if (negative) reversed[size++] = '-';
    while (count > 0) reversed[size++] = digits[--count];
    reversed[size] = 0;
    add(reversed);
  }

  Status status_;
  char text_[320] = {};
  std::size_t size_ = 0;
};

// Throws StatusError unless the status is ok.
inline void throw_if_failed(const Status& status) {
  if (status != Status::ok) throw StatusError(status);
}
#endif

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
