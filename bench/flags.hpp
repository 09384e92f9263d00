// Command lines of the programs here: --name value, --name=value, and switches. --help prints the table; anything
// unknown or out of range is one sentence on stderr and exit status 2.
#pragma once
#include <vitrine/core/config.hpp>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {

using vitrine::Index;

class Flags {
 public:
  explicit Flags(std::string about) : about_(std::move(about)) {}

  // A whole number of at least `least`.
  void number(const char* name, Index& target, const char* help, Index least = 1) {
    add(name, "N", help, std::to_string(target), [&target, least, name](std::string_view text) -> std::string {
      if (!parse_number(std::string(text), least, target))
        return std::string("--") + name + " takes a whole number of at least " + std::to_string(least);
      return {};
    });
  }
  // Whole numbers of at least `least`, separated by commas.
  void numbers(const char* name, std::vector<Index>& target, const char* values, const char* help, Index least = 1) {
    add(name, values, help, "", [&target, least, name](std::string_view text) -> std::string {
      target.clear();
      for (const std::string& part : split(text)) {
        Index parsed = 0;
        if (!parse_number(part, least, parsed))
          return std::string("--") + name + " takes whole numbers of at least " + std::to_string(least) +
                 ", separated by commas";
        target.push_back(parsed);
      }
      return {};
    });
  }
  // Any text.
  void text(const char* name, std::string& target, const char* values, const char* help) {
    add(name, values, help, target, [&target](std::string_view text) -> std::string {
      target = text;
      return {};
    });
  }
  // One of `allowed`, or with `many` several of them separated by commas.
  void choice(const char* name, std::vector<std::string>& target, std::vector<std::string> allowed, const char* help,
              bool many = false) {
    std::string preset, listed;
    for (const std::string& value : target) preset += (preset.empty() ? "" : ",") + value;
    for (const std::string& value : allowed) listed += (listed.empty() ? "" : "|") + value;
    add(name, many ? listed + "[,...]" : listed, help, preset,
        [&target, name, many, allowed, listed](std::string_view text) -> std::string {
          target = many ? split(text) : std::vector<std::string>{std::string(text)};
          for (const std::string& value : target) {
            bool known = false;
            for (const std::string& one : allowed) known = known || one == value;
            if (!known) return std::string("--") + name + " takes " + listed + ", not '" + value + "'";
          }
          return {};
        });
  }
  void toggle(const char* name, bool& target, const char* help) {
    flags_.push_back({name, "", help, "", true, [&target](std::string_view) -> std::string {
                        target = true;
                        return {};
                      }});
  }

  // The status to exit with, or nothing when the program should go on.
  std::optional<int> parse(int argc, char** argv) const {
    for (int i = 1; i < argc; ++i) {
      const std::string_view word = argv[i];
      if (word == "--help" || word == "-h") {
        print_help();
        return 0;
      }
      const std::size_t equals = word.find('=');
      const Flag* flag = nullptr;
      for (const Flag& one : flags_)
        if (word.substr(0, equals) == "--" + one.name) flag = &one;
      std::string problem;
      if (flag == nullptr)
        problem = "unknown argument '" + std::string(word) + "'";
      else if (flag->is_switch)
        problem = equals == word.npos ? flag->set("") : "--" + flag->name + " takes no value";
      else if (equals != word.npos)
        problem = flag->set(word.substr(equals + 1));
      else if (i + 1 < argc)
        problem = flag->set(argv[++i]);
      else
        problem = "--" + flag->name + " needs a value";
      if (!problem.empty()) {
        std::fprintf(stderr, "error: %s; --help lists the flags\n", problem.c_str());
        return 2;
      }
    }
    return {};
  }

  static std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> parts(1);
    for (const char c : text)
      if (c == ',')
        parts.emplace_back();
      else
        parts.back() += c;
    return parts;
  }

 private:
  using Setter = std::function<std::string(std::string_view)>;
  struct Flag {
    std::string name, values, help, preset;
    bool is_switch;
    Setter set;  // what is wrong with the value, or nothing
  };

  static bool parse_number(const std::string& text, Index least, Index& number) {
    char* end = nullptr;
    errno = 0;
    const long long parsed = std::strtoll(text.c_str(), &end, 10);
    if (text.empty() || *end != 0 || errno != 0 || parsed < least || parsed > (1LL << 40)) return false;
    number = Index(parsed);
    return true;
  }
  void add(const char* name, std::string values, const char* help, std::string preset, Setter set) {
    flags_.push_back({name, std::move(values), help, std::move(preset), false, std::move(set)});
  }
  void print_help() const {
    std::printf("%s\n", about_.c_str());
    for (const Flag& flag : flags_)
      std::printf("  --%s%s%s\n      %s%s%s%s\n", flag.name.c_str(), flag.values.empty() ? "" : " ",
                  flag.values.c_str(), flag.help.c_str(), flag.preset.empty() ? "" : " [", flag.preset.c_str(),
                  flag.preset.empty() ? "" : "]");
    std::printf("  --help\n\nExit status: 0 ok, 1 a check failed, 2 bad usage.\n");
  }

  std::string about_;
  std::vector<Flag> flags_;
};

}  // namespace bench
