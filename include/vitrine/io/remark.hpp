// What is told of a file that is read all the same: tensors that are left out, a head that is not the tied one.
//
//   auto model = vt::load_model<vt::Bart<float>>(folder, [](std::string_view line) { log(line); });
#pragma once
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <vitrine/io/error.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// Is given each line, "FILE: sentence", without its end. Our own; Transformers logs such lines as warnings.
using Remark = std::function<void(std::string_view line)>;

/// The line on stderr, as Transformers logs a warning; control characters as \xNN; what is told unless one asks
/// otherwise.
inline void remark_on_stderr(std::string_view line) {
  std::fprintf(stderr, "%s\n", detail::escaped(line, detail::is_control_byte).c_str());
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
