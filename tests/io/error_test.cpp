#include <doctest/doctest.h>

#include <cstring>
#include <set>
#include <string>
#include <vitrine/io/error.hpp>

namespace vt = vitrine;

TEST_CASE("every error code has a name of its own") {
  std::set<std::string> names;
  int count = 0;
  while (std::strcmp(vt::name(static_cast<vt::LoadError>(count)), "unknown_error") != 0) {
    names.insert(vt::name(static_cast<vt::LoadError>(count++)));
  }
  CHECK(count > 40);
  CHECK(static_cast<int>(names.size()) == count);
  CHECK(names.count("header_too_short") == 1);
  CHECK(names.count("only_pickle") == 1);
}

TEST_CASE("a message starts with the code's name, then the file, then the sentence") {
  const vt::Error error(vt::LoadError::size_mismatch, "a.safetensors", "needs 4 bytes, has 3");
  CHECK(std::string(error.what()) == "size_mismatch: a.safetensors: needs 4 bytes, has 3");
  CHECK(std::string(error.message()) == "a.safetensors: needs 4 bytes, has 3");
  CHECK(error.code() == vt::LoadError::size_mismatch);
}

TEST_CASE("text from a file reaches no terminal unescaped") {
  CHECK(vt::detail::in_quotes("weight") == "\"weight\"");
  CHECK(vt::detail::in_quotes("a\x1b[31m\"\\\n") == "\"a\\x1b[31m\\x22\\x5c\\x0a\"");
  CHECK(vt::detail::in_quotes(std::string(1000, 'x')).size() == 160 + 5);
}

TEST_CASE("a message is one line without controls, whatever a file's name or a sentence holds") {
  const vt::Error error(vt::LoadError::file_missing, "a\nb\xc3\xa4\x1b[2J", "is\x7f not \xc2\x9bthere \xc2\xa0\\ \xc2");
  CHECK(std::string(error.message()) == "a\\x0ab\xc3\xa4\\x1b[2J: is\\x7f not \\xc2\\x9bthere \xc2\xa0\\ \xc2");
}
