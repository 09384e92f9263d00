// The command line of a program as one table: from it come the parsing, --help, --version, --quiet, and what is said of
// a wrong option.
#pragma once
#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/build_info.hpp>

class OptionTable {
 public:
  using Index = vitrine::Index;

  // `about` stands between the usage line and the table, `footer` behind it.
  OptionTable(std::string program, std::string arguments, std::string about, std::string footer)
      : program_(std::move(program)),
        arguments_(std::move(arguments)),
        about_(std::move(about)),
        footer_(std::move(footer)) {
    hold_descriptors();
  }

  void text(const char* name, const char* value, const char* help, std::string& target) {
    options_.push_back({name, value, help, [&target](const std::string& given) {
                          target = given;
                          return std::string();
                        }});
  }
  // A whole number; `target` may be optional.
  template <class T>
  void number(const char* name, const char* help, T& target, Index least, Index most) {
    options_.push_back({name, "N", help, [&target, least, most](const std::string& given) {
                          Index number = 0;
                          const auto [end, failed] = std::from_chars(given.data(), given.data() + given.size(), number);
                          if (failed != std::errc() || end != given.data() + given.size() || number < least ||
                              number > most)
                            return "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
                          target = number;
                          return std::string();
                        }});
  }
  void real(const char* name, const char* value, const char* help, std::optional<double>& target, double least,
            double most) {
    options_.push_back({name, value, help, [&target, least, most](const std::string& given) {
                          double number = 0;
                          const auto [end, failed] = std::from_chars(given.data(), given.data() + given.size(), number);
                          if (failed != std::errc() || end != given.data() + given.size() ||
                              !(number >= least && number <= most)) {
                            char range[80];
                            std::snprintf(range, sizeof range, "a number from %g to %g", least, most);
                            return std::string(range);
                          }
                          target = number;
                          return std::string();
                        }});
  }
  // One of the allowed texts, or with `many` several of them joined by commas.
  void choice(const char* name, const char* value, const char* help, std::vector<std::string>& target,
              std::vector<std::string> allowed, bool many) {
    options_.push_back({name, value, help, [&target, allowed, many](const std::string& given) {
                          std::vector<std::string> parts(1);
                          for (const char c : given) many&& c == ',' ? parts.emplace_back() : parts.back() += c;
                          std::string listed;
                          for (const std::string& one : allowed) listed += (listed.empty() ? "" : ", ") + one;
                          for (const std::string& part : parts) {
                            bool known = false;
                            for (const std::string& one : allowed) known = known || part == one;
                            if (!known) return (many ? "some of " : "one of ") + listed;
                          }
                          target = parts;
                          return std::string();
                        }});
  }
  void toggle(const char* name, const char* help, bool& target) {
    options_.push_back({name, "", help, [&target](const std::string&) {
                          target = true;
                          return std::string();
                        }});
  }
  // What is no option, and everything behind "--".
  void others(std::vector<std::string>& target) { others_ = &target; }

  // The status to exit with (--help: 0, a wrong option: 2), or nothing when the program should go on; then it has said
  // how it was built, unless --quiet.
  std::optional<int> parse(int count, char** arguments) {
    const auto status = parse_all(count, arguments);
    if (!status && !quiet_) std::fprintf(stderr, "%s\n", vitrine::build_info().data());
    return status;
  }
  // --quiet was given: nothing but errors is said on stderr.
  bool quiet() const { return quiet_; }
  const std::string& program() const { return program_; }

  int wrong(const std::string& sentence) const {
    std::fprintf(stderr, "%s: %s; see --help\n", program_.c_str(), sentence.c_str());
    return 2;
  }
  std::string help() const {
    std::string out = "usage: " + program_ + " " + arguments_ + "\n" + about_;
    for (const Option& option : options_) {
      std::string line = "  " + option.name + (option.value.empty() ? "" : " ") + option.value;
      if (line.size() < 26) line.resize(26, ' ');
      out += line + " ";
      for (const char c : option.help) {
        out += c;
        if (c == '\n') out.append(27, ' ');
      }
      out += "\n";
    }
    out += "  --quiet                  nothing on stderr but errors\n  --version, --help\n";
    return out + footer_;
  }

 private:
  struct Option {
    std::string name, value, help;
    std::function<std::string(const std::string&)> set;  // what it takes, when that is not what was given
  };

  // Files opened later must not take the place of a closed stdin, stdout or stderr: what is read or written there
  // fails.
  static void hold_descriptors() {
    for (int number = 0; number <= 2; ++number)
      if (::fcntl(number, F_GETFD) < 0) static_cast<void>(::open("/dev/null", number == 1 ? O_RDONLY : O_WRONLY));
  }

  std::optional<int> parse_all(int count, char** arguments) {
    bool only_others = false;
    for (int i = 1; i < count; ++i) {
      const std::string argument = arguments[i];
      if (only_others || argument.size() < 2 || argument[0] != '-') {
        if (others_ == nullptr) return wrong("there is no place for \"" + argument + "\"");
        others_->push_back(argument);
      } else if (argument == "--" && others_ != nullptr) {
        only_others = true;
      } else if (argument == "-h" || argument == "--help") {
        return print(help());
      } else if (argument == "--version") {
        return print(program_ + " " + std::to_string(VITRINE_VERSION_MAJOR) + "." +
                     std::to_string(VITRINE_VERSION_MINOR) + "." + std::to_string(VITRINE_VERSION_PATCH) + "\n");
      } else if (argument == "--quiet") {
        quiet_ = true;
      } else if (const auto status = take(argument, i + 1 < count ? arguments[i + 1] : nullptr, i)) {
        return status;
      }
    }
    return {};
  }
  // One option with its value, which may be the next argument: then `at` goes on to that.
  std::optional<int> take(const std::string& argument, const char* next, int& at) const {
    const std::size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const Option* option = nullptr;
    for (const Option& one : options_)
      if (name == one.name) option = &one;
    if (option == nullptr) return wrong("there is no option " + name);
    std::string given;
    if (option->value.empty()) {
      if (equals != argument.npos) return wrong(name + " takes no value");
    } else if (equals != argument.npos) {
      given = argument.substr(equals + 1);
    } else if (next == nullptr) {
      return wrong(name + " needs a value");
    } else {
      given = next, ++at;
    }
    const std::string wanted = option->set(given);
    if (wanted.empty()) return {};
    return wrong(name + " takes " + wanted + ", not \"" + given + "\"");
  }
  static int print(const std::string& text) {
    std::fputs(text.c_str(), stdout);
    return std::fflush(stdout) == 0 ? 0 : 2;
  }

  std::string program_, arguments_, about_, footer_;
  std::vector<Option> options_;
  std::vector<std::string>* others_ = nullptr;
  bool quiet_ = false;
};
