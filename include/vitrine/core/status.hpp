// What a call answers: ok, or one searchable sentence with the values that were wrong. No allocation, no exceptions
// needed.
#pragma once
#include <vitrine/core/config.hpp>

#if VITRINE_EXCEPTIONS
#include <exception>
#endif

namespace vitrine::inline VITRINE_ABI {

// The answer of every noexcept call. Compare with the codes (`status == Status::ok`), or print `sentence`, and `actual`
// and `expected`: the values that it speaks of, `unset` where there is none.
struct [[nodiscard]] Status {
  enum Code : std::uint8_t {
    ok,
    bad_shape,            // an input's extents do not fit the layer or each other
    bad_mask,             // a mask's extents, values or combination make no sense
    bad_config,           // sizes of the layer itself
    not_loaded,           // a parameter has no values yet
    not_supported,        // a request that this call cannot honour
    overlap,              // the output would overwrite an input
    workspace_too_small,  // caller memory; see workspace_bytes
    result_too_small,     // caller memory; see result_bytes
    out_of_memory,        // Memory::allocate returned null
  };
  static constexpr Index unset = -1;

  Code code = ok;
  const char* sentence = "";
  Index actual = unset, expected = unset;

  // Compares with the codes: status == Status::ok.
  constexpr operator Code() const { return code; }
};

// The code's spelling, "bad_shape" and so on; a constant text.
constexpr const char* name(Status::Code code) {
  constexpr const char* names[] = {
      "ok",      "bad_shape",           "bad_mask",         "bad_config",   "not_loaded", "not_supported",
      "overlap", "workspace_too_small", "result_too_small", "out_of_memory"};
  return names[code];
}

#if VITRINE_EXCEPTIONS
// What the throwing call forms throw: the status, and its sentence with the values as text.
class StatusError : public std::exception {
 public:
  // Copies the status; allocates nothing.
  explicit StatusError(const Status& status) noexcept : status_(status) {
    add("vitrine: ");
    add(status.sentence);
    if (status.actual != Status::unset || status.expected != Status::unset) {
      add(" (");
      if (status.actual != Status::unset) add("got "), add(status.actual);
      if (status.actual != Status::unset && status.expected != Status::unset) add(", ");
      if (status.expected != Status::unset) add("expected "), add(status.expected);
      add(")");
    }
    add(" [");
    add(name(status.code));
    add("]");
  }
  // "vitrine: SENTENCE (got ACTUAL, expected EXPECTED) [CODE]".
  const char* what() const noexcept override { return text_; }
  // The status itself.
  const Status& status() const noexcept { return status_; }

 private:
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
