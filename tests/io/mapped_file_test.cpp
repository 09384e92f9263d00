#include <doctest/doctest.h>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vitrine/io/mapped_file.hpp>

#include "scratch.hpp"

namespace vt = vitrine;

namespace {

std::string_view text_of(const vt::MappedFile& file) {
  return {reinterpret_cast<const char*>(file.data()), file.size()};
}

}  // namespace

TEST_CASE("a mapped file is its bytes, also after moves and after its pages were given back") {
  const Scratch scratch;
  std::string content(20000, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7);
  vt::MappedFile first(scratch.write("a", content));
  CHECK(text_of(first) == content);
  vt::MappedFile second(std::move(first));
  CHECK(first.size() == 0);  // NOLINT: moved from, empty by contract
  first = std::move(second);
  first.release_pages(0, content.size());
  first.release_pages(100, 9000);
  first.release_pages(content.size() + 1, 1);
  first.release_pages(10, static_cast<std::size_t>(-1));
  CHECK(text_of(first) == content);
  first = vt::MappedFile(scratch.write("b", "new"));
  CHECK(text_of(first) == "new");
}

TEST_CASE("an empty file maps to no bytes") {
  const Scratch scratch;
  const vt::MappedFile file(scratch.write("empty", ""));
  CHECK(file.bytes().empty());
  file.release_pages(0, 1);
}

TEST_CASE("what is not a readable file is refused") {
  const Scratch scratch;
  CHECK(error_of([&] { vt::MappedFile(scratch / "none"); }) == "file_missing");
  CHECK(error_of([&] { vt::MappedFile(scratch.write("file", "x") / "below"); }) == "file_missing");
  CHECK(error_of([&] { vt::MappedFile(scratch.folder); }) == "file_unreadable");
  CHECK(error_of([&] { vt::MappedFile("/dev/null"); }) == "file_unreadable");
  REQUIRE(::mkfifo((scratch / "pipe").c_str(), 0600) == 0);
  CHECK(error_of([&] { vt::MappedFile(scratch / "pipe"); }) == "file_unreadable");  // and does not wait for a writer
  if (::geteuid() != 0) {
    std::filesystem::permissions(scratch.write("closed", "x"), std::filesystem::perms::none);
    CHECK(error_of([&] { vt::MappedFile(scratch / "closed"); }) == "file_unreadable");
  }
}

#if defined(__linux__)
TEST_CASE("a file for which there is no room in the address space is refused") {
  const Scratch scratch;
  std::filesystem::resize_file(scratch.write("large", ""), std::uintmax_t{1} << 32);  // no byte of it on the disk
  std::uintmax_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  rlimit before{};
  REQUIRE(pages > 0);
  REQUIRE(::getrlimit(RLIMIT_AS, &before) == 0);
  rlimit tight = before;
  tight.rlim_cur = pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + (rlim_t{1} << 30);
  REQUIRE(::setrlimit(RLIMIT_AS, &tight) == 0);
  std::string message;
  const std::string name = error_of([&] { vt::MappedFile(scratch / "large"); }, &message);
  REQUIRE(::setrlimit(RLIMIT_AS, &before) == 0);
  CHECK(name == "file_unreadable");
  CHECK(message.find("cannot map its 4294967296 bytes: ") != std::string::npos);
}
#endif
