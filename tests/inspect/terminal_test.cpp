#include <doctest/doctest.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <sstream>
#include <string>
#include <utility>
#include <vector>
#include <vitrine/inspect/terminal.hpp>
#include <vitrine/inspect/terminal_alignment.hpp>
#include <vitrine/inspect/terminal_options.hpp>

using namespace vitrine::inspect;
using vitrine::Index;

namespace {

const std::vector<float> word = {0.9f, 0.1f, 0, 0.05f, 0.9f, 0.05f, 0, 0.3f, 0.7f, 0, 0.2f, 0.8f};
const std::vector<std::string> letters = {"b", "o", "x"}, phonemes = {"B", "AA", "K", "S"};

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

bool is_ascii(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

TEST_CASE("terminal: a map is readable without colour") {
  CHECK(terminal_heatmap(word.data(), 4, 3, phonemes, letters) ==
        "    b  o  x\n"
        "B   ██ ░░ ·   b .90\n"
        "AA  ·  ██ ·   o .90\n"
        "K   ·  ▒▒ ██  x .70\n"
        "S   ·  ░░ ██  x .80\n"
        "    · <6%  ░ <25%  ▒ <50%  ▓ <75%  █ to 100% of the largest weight, .90\n");
}

TEST_CASE("terminal: ASCII") {
  TerminalOptions options;
  options.unicode = false;
  options.scale = Scale::row;
  const std::string text = terminal_heatmap(word.data(), 4, 3, phonemes, {"b", "ö", ""}, options);
  CHECK(is_ascii(text));
  CHECK(lines_of(text)[0] == "    b  ?  -");
  CHECK(lines_of(text)[1] == "B   @@ :: .   b .90");
  CHECK(is_ascii(terminal_alignment(word.data(), 4, 3, phonemes, {"b", "ö", "x"}, options)));
}

TEST_CASE("terminal: colours end with the line, and nothing else writes escapes") {
  TerminalOptions options;
  for (const TerminalColour colour : {TerminalColour::full, TerminalColour::indexed}) {
    options.colour = colour;
    for (const std::string& line :
         lines_of(terminal_heatmap(word.data(), 4, 3, phonemes, {"\x1b[31m", "o", "x"}, options))) {
      const auto last = line.rfind("\x1b[");
      CHECK((last == std::string::npos || line.substr(last, 4) == "\x1b[0m"));
      CHECK(line.find("\x1b[31m") == std::string::npos);
    }
  }
}

TEST_CASE("terminal: any labels, any size") {
  const std::vector<std::string> odd = {"a\nb", "語語語語語語", "", std::string(3000, 'x')};
  const std::vector<float> map(16, 0.25f);
  for (const bool unicode : {true, false}) {
    TerminalOptions options;
    options.unicode = unicode;
    const std::string text = terminal_heatmap(map.data(), 4, 4, odd, odd, options);
    for (const std::string& line : lines_of(text)) CHECK(display_width(line) <= 140);
    const auto aligned = terminal_alignment(map.data(), 4, 4, odd, odd, options);
    CHECK(aligned.back() == '\n');
  }
  CHECK(terminal_heatmap(nullptr, 0, 3, {}, {}) == "(an empty map: 0 x 3)\n");
  CHECK(terminal_alignment(nullptr, 3, 0, {}, {}) == "(an empty map: 3 x 0)\n");
  const float one = 1;
  CHECK(lines_of(terminal_heatmap(&one, 1, 1, {}, {}))[1] == "0  ██  0 1");
}

TEST_CASE("terminal: no line is wider than the terminal") {  // --step counts the lines that it draws over
  const std::vector<std::string> long_labels(40, "internationale");
  const std::vector<float> map(1600, 0.5f);
  for (const Index width : {22, 24, 31, 40, 50, 60, 79, 140})
    for (const bool unicode : {true, false})
      for (const auto colour : {TerminalColour::none, TerminalColour::indexed}) {
        CAPTURE(width);
        CAPTURE(unicode);
        TerminalOptions options;
        options.width = width, options.height = 20, options.unicode = unicode, options.colour = colour;
        const std::string text = terminal_heatmap(map.data(), 40, 40, long_labels, long_labels, options);
        CHECK((unicode || is_ascii(text)));
        CHECK(text.find("reduced") != std::string::npos);
        for (std::string line : lines_of(text)) {
          for (std::size_t at; (at = line.find('\x1b')) != std::string::npos;)  // colours take no room
            line.erase(at, line.find('m', at) + 1 - at);
          CHECK(display_width(line) <= width);
        }
      }
}

TEST_CASE("terminal: a mark stays on its letter where a label runs downwards") {
  const std::vector<float> map(20, 0.5f);
  const std::vector<std::string> labels(10, "xe\u0301yzzz");
  const auto lines = lines_of(terminal_heatmap(map.data(), 2, 10, {"a", "b"}, labels));
  REQUIRE(lines.size() >= 8);
  CHECK(std::count(lines[0].begin(), lines[0].end(), 'x') == 10);
  CHECK(lines[1].find("e\u0301") != std::string::npos);
  CHECK(std::count(lines[2].begin(), lines[2].end(), 'y') == 10);
  CHECK(lines[6].starts_with("a"));
}

TEST_CASE("terminal: a large map is reduced to the largest of its blocks, and says so") {
  const Index side = 500;
  std::vector<float> map(static_cast<std::size_t>(side * side), 0.0f);
  for (Index i = 0; i < side; ++i) map[static_cast<std::size_t>(i * side + i)] = 1;
  TerminalOptions options;
  options.height = 20;
  const auto lines = lines_of(terminal_heatmap(map.data(), side, side, {}, {}, options));
  REQUIRE(lines.size() == 22);
  for (std::size_t k = 0; k < 20; ++k) CHECK(lines[k].find("█") != std::string::npos);
  for (const std::string& line : lines) CHECK(display_width(line) <= options.width);
  CHECK(lines[21].find("reduced: each cell is the largest weight of 25 x") != std::string::npos);
}

TEST_CASE("terminal: a full cell is the map's largest weight, its row's, or 1") {
  const std::vector<float> map = {0.4f, 0.2f, 0.1f, 0.2f};
  const auto picture = [&](Scale scale) {
    TerminalOptions options;
    options.scale = scale, options.strongest = false;
    return terminal_heatmap(map.data(), 2, 2, {"A", "B"}, {"a", "b"}, options);
  };
  const std::string legend = "   · <6%  ░ <25%  ▒ <50%  ▓ <75%  █ to 100% of ";
  CHECK(picture(Scale::map) == "   a  b\nA  ██ ▓▓\nB  ▒▒ ▓▓\n" + legend + "the largest weight, .40\n");
  CHECK(picture(Scale::row) == "   a  b\nA  ██ ▓▓\nB  ▓▓ ██\n" + legend + "its row's largest weight\n");
  CHECK(picture(Scale::one) == "   a  b\nA  ▒▒ ░░\nB  ░░ ░░\n" + legend + "1\n");
}

TEST_CASE("terminal: values that are not finite and empty rows") {
  std::vector<float> map = word;
  map[1] = std::numeric_limits<float>::quiet_NaN();
  map[6] = map[7] = map[8] = 0;
  const auto lines = lines_of(terminal_heatmap(map.data(), 4, 3, phonemes, letters));
  CHECK(lines[1].find("?") != std::string::npos);
  CHECK(lines[3] == "K   ·  ·  ·");
  const auto aligned = lines_of(terminal_alignment(map.data(), 4, 3, phonemes, letters));
  CHECK(aligned.back() == "without any weight: K");
}

TEST_CASE("terminal: alignment under a word") {
  CHECK(terminal_alignment(word.data(), 4, 3, phonemes, letters) ==
        "b    o    x\n"
        "┃    ┃    ├───┐\n"
        "B    AA   K   S\n"
        ".90  .90  .70 .80\n");
  TerminalOptions options;
  options.weights = false;
  const std::vector<float> swapped = {0, 1, 0.5f, 0.4f};
  CHECK(terminal_alignment(swapped.data(), 2, 2, {"the", "house"}, {"Haus", "das"}, options) ==
        "Haus    das\n"
        "│       ┃\n"
        "house¹  the⁰\n");
  options.width = 12;
  CHECK(lines_of(terminal_alignment(word.data(), 4, 3, phonemes, letters, options)).size() ==
        7);  // two blocks, a line between
}

TEST_CASE("terminal: options follow the environment") {
  // Tests do not write to a terminal: no colour, whatever the variables say, and UTF-8.
  setenv("COLORTERM", "truecolor", 1);
  if (isatty(STDOUT_FILENO) == 0) {
    CHECK(terminal_options().colour == TerminalColour::none);
    CHECK(terminal_options().unicode);
  }
  setenv("NO_COLOR", "1", 1);
  CHECK(terminal_options().colour == TerminalColour::none);
  unsetenv("NO_COLOR");
  unsetenv("COLORTERM");
}

TEST_CASE("terminal: options on a terminal") {
  const int master = posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 || ptsname(master) == nullptr) {
    MESSAGE("skipped: no pseudo-terminal here");
    return;
  }
  const int slave = open(ptsname(master), O_RDWR | O_NOCTTY), own = dup(STDOUT_FILENO);
  REQUIRE(slave >= 0);
  const auto seen = [&](const char* term, const char* depth, const char* locale) {
    setenv("TERM", term, 1), setenv("COLORTERM", depth, 1), setenv("LC_ALL", locale, 1);
    std::fflush(stdout);
    dup2(slave, STDOUT_FILENO);
    const TerminalOptions options = terminal_options();
    dup2(own, STDOUT_FILENO);
    return std::pair(options.colour, options.unicode);
  };
  const char* const before = std::getenv("LC_ALL");
  const std::string locale = before != nullptr ? before : "";
  CHECK(seen("xterm", "truecolor", "C.UTF-8") == std::pair(TerminalColour::full, true));
  CHECK(seen("xterm", "24bit", "de_DE.utf8") == std::pair(TerminalColour::full, true));
  CHECK(seen("xterm", "", "C") == std::pair(TerminalColour::indexed, false));
  CHECK(seen("dumb", "truecolor", "POSIX") == std::pair(TerminalColour::none, false));
  if (before != nullptr)
    setenv("LC_ALL", locale.c_str(), 1);
  else
    unsetenv("LC_ALL");
  unsetenv("TERM"), unsetenv("COLORTERM");
  close(slave), close(master), close(own);
}
