// Eigen at the boundary only: maps over our bytes. No product, decomposition or temporary of Eigen's runs below
// inspect/, which does its arithmetic on maps with it.
#pragma once
#include <vitrine/core/config.hpp>

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wpedantic"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wclass-memaccess"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#else
#pragma GCC diagnostic ignored "-Wdeprecated-copy"
#endif
#endif
#include <vitrine/core/macros_push.hpp>
#if __has_include(<Eigen/Core>)
#include <Eigen/Core>
#else
#include <eigen3/Eigen/Core>
#endif
#include <vitrine/core/macros_pop.hpp>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

namespace vitrine::inline VITRINE_ABI {

// The matrix that inputs may be, and that map arithmetic is done with: rows stand one after another. Owns its values,
// on the heap.
template <class S>
using RowMajor = Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
// What every matrix(...) of a result returns: a read-only view of row-major values, mostly T x S. Allocates nothing.
template <class S>
using MatrixView = Eigen::Map<const RowMajor<S>>;

}  // namespace vitrine::inline VITRINE_ABI
