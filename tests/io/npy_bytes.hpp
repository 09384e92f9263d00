// The bytes of a .npy as a test wants them, sound or not.
#pragma once
#include <string>

/// The magic bytes, the version, the length of the dictionary, the dictionary, the data.
inline std::string npy(const std::string& dictionary, const std::string& data, int version = 1) {
  std::string bytes = std::string("\x93NUMPY") + std::string(1, static_cast<char>(version)) + std::string(1, '\0');
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) bytes += static_cast<char>(dictionary.size() >> (8 * i) & 0xff);
  return bytes + dictionary + data;
}

/// Dictionaries: of float and this shape; of two elements of this type (with its quotes).
inline std::string with_shape(const std::string& shape) {
  return std::string("{'descr': '<f4', 'fortran_order': False, 'shape': ") + shape + ", }\n";
}
inline std::string with_descr(const std::string& descr) {
  return std::string("{'descr': ") + descr + ", 'fortran_order': False, 'shape': (2,), }\n";
}
