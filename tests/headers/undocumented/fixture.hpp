// What .cmake/undocumented.awk must report, in expected.txt line by line, and beside each what it must not; sources:
// io/source.hpp.
#pragma once

namespace vitrine {

struct NoComment {
  int value;
};
using NoAlias = int;
inline constexpr int no_constant = 1;
void no_comment();
auto no_comment_behind(int value) -> Status;
// Does something.
auto no_code_behind(int value) -> Status;

// An overload's comment is enough,
void overloaded();
void overloaded(int);
// unless it belongs to one that is deleted.
void deleted_alone(int) = delete;
void deleted_alone();

// Does something.
Status no_code(int value);
// Does something; as PyTorch does.
Status no_code_but_as(int value);
// bad_shape for a negative value.
Status code(int value);
// Errors as code.
Status other_code(int value);

// Does something.
inline void throws_silently(int value) {
  // throw Error("not here");
  if (value < 0) throw Error("negative");
}
// Does something, see elsewhere.
void throws_far_away();
// Does something.
inline void status_silently() { throw_if_failed(code(1)); }
// Throws Error for a negative value.
inline void throws(int value) {
  if (value < 0) throw Error("negative");
}
// Does something.
inline void throws_nothing() {
  // throw Error("not here");
}

// Some text.
std::string no_memory();
// Some more text.
void no_memory_taken(const Memory* memory);
// Some text; a reference needs no memory.
const std::string& no_owner();
// Some text, on the heap.
std::string memory();
// Scratch comes from the workspace.
void memory_taken(Workspace& workspace);

// Computes something.
template <class S>
void no_shape(const Sequences<S>& x);
// Computes something.
template <class S>
void no_shape_of_pointer(const S* x, Index count);
// Computes something (see below, and elsewhere).
template <class S>
void no_shape_but_brackets(std::span<const S> x);
// x (B, T, E).
template <class S>
void shape(const Sequences<S>& x);
// Of `count` values.
template <class S>
void shape_of_pointer(const S* x, Index count);

// A class that says once: (T, S) values in the caller's memory. Throws Error.
template <class S>
class Once {
 public:
  // The values.
  std::vector<S> values(const S* from) {
    if (from == nullptr) throw Error("null");
    return {};
  }
  // Does something.
  Status code_is_each_ones_own();
  void nothing_said();

 private:
  void not_public();
};

namespace detail {
void not_public();
}

inline void throws_far_away() { throw std::invalid_argument("nothing"); }

}  // namespace vitrine
