// Counts what operator new hands out, in bytes (allocation.cpp replaces it for this program).
#pragma once
#include <cstddef>

/// Forgets the peak so far; returns the bytes in use now.
std::size_t start_counting_allocation();
/// The most bytes in use at once since then.
std::size_t peak_allocation();
/// The next `count` allocations of at least `least` bytes succeed, then none of them; a negative number ends that.
void fail_allocation_after(long count, std::size_t least = 1);
