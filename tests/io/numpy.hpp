// Python with NumPy, where there is one, to check files against.
#pragma once
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

/// False, with a message, where python3 cannot import numpy.
inline bool numpy_present() {
  static const bool present = std::system("python3 -c 'import numpy' >/dev/null 2>&1") == 0;
  if (!present) MESSAGE("skipped: python3 has no numpy");
  return present;
}

/// Runs a program in a folder, after `import numpy as np`; true if it ended well.
inline bool numpy(const std::filesystem::path& folder, const std::string& program) {
  std::ofstream(folder / "program.py") << "import numpy as np\n" << program;
  return std::system((std::string("cd '") + folder.string() + "' && python3 program.py").c_str()) == 0;
}
