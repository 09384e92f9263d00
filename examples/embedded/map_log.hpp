// Reads the text form of text_form.hpp back from a serial log: results, with what else the port said left out.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <istream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace map_log {

struct Matrix {
  long rows = 0, columns = 0;
  std::vector<float> values;
};
struct Map {
  std::string kind;
  long layer = 0, head = 0;
  Matrix matrix;
};
// What stands between "vt begin" and "vt end".
struct Result {
  std::vector<std::string> tokens;
  Matrix output;
  std::vector<Map> maps;
  long instructions = 0, stack = 0;
};

// Throws std::runtime_error with the line's number: a check sum that is wrong, a row too few or too short, a line that
// is none of these, an end that is missing.
inline std::vector<Result> read(std::istream& in) {
  std::vector<Result> results;
  Matrix* open = nullptr;
  bool inside = false;
  std::string line;
  long number = 0;
  const auto fail = [&](const std::string& what) {
    throw std::runtime_error("line " + std::to_string(number) + ": " + what);
  };
  while (std::getline(in, line)) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.starts_with("vt ")) continue;
    const std::size_t star = line.rfind('*');
    unsigned sum = 0;
    for (std::size_t i = 0; i < star && i < line.size(); ++i) sum ^= static_cast<unsigned char>(line[i]);
    if (star == line.npos || line.size() != star + 3 || std::strtoul(line.c_str() + star + 1, nullptr, 16) != sum)
      fail("the check sum is wrong; was a character lost?");
    std::istringstream words(line.substr(3, star - 3));
    std::string word;
    words >> word;
    if (open != nullptr && long(open->values.size()) < open->rows * open->columns) {  // a row
      long count = 0;
      do {
        char* end = nullptr;
        open->values.push_back(std::strtof(word.c_str(), &end));
        if (word.empty() || *end != 0) fail("not a number: " + word);
        ++count;
      } while (words >> word);
      if (count != open->columns) fail("a row of another length");
      continue;
    }
    const auto extents = [&](Matrix& m) {
      if (!(words >> m.rows >> m.columns) || m.rows < 0 || m.columns < 0 || m.rows > 1 << 16 || m.columns > 1 << 16)
        fail("no rows and columns");
      open = &m;
    };
    if (word == "begin") {
      if (inside) fail("begin before the end of another result");
      results.emplace_back();
      inside = true, open = nullptr;
      while (words >> word) results.back().tokens.push_back(word);
      continue;
    }
    if (!inside) fail(word + " before begin");
    Result& result = results.back();
    if (word == "output") {
      extents(result.output);
    } else if (word == "map") {
      Map& map = result.maps.emplace_back();
      if (!(words >> map.kind >> map.layer >> map.head)) fail("no kind, layer and head");
      if (map.layer < 0 || map.layer > 4096 || map.head < 0 || map.head > 4096) fail("no such layer or head");
      extents(map.matrix);
    } else if (word == "instructions") {
      words >> result.instructions;
    } else if (word == "stack") {
      words >> result.stack;
    } else if (word == "failed") {
      words >> word;
      fail("the firmware says: " + word);
    } else if (word == "end") {
      inside = false;
    } else {
      fail("no such line: " + word);
    }
  }
  if (inside) fail("the log ends before \"vt end\"");
  if (results.empty()) fail("no result in this log");
  return results;
}

inline std::vector<Result> read(const std::string& path) {
  std::ifstream in(path);
  if (!in) throw std::runtime_error(path + " cannot be read");
  try {
    return read(in);
  } catch (const std::runtime_error& error) { throw std::runtime_error(path + ", " + error.what()); }
}

}  // namespace map_log
