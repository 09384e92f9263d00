#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <vitrine/io/atomic_file.hpp>

#include "scratch.hpp"

namespace vt = vitrine;

TEST_CASE("a file appears whole, at commit") {
  const Scratch scratch;
  const std::string large(200000, 'x');
  {
    vt::AtomicFile out(scratch / "a");
    out.write("begin ");
    out.write(large);
    out.write(" end");
    CHECK(out.size() == 200010);
    CHECK(!std::filesystem::exists(scratch / "a"));
    out.commit();
    CHECK(read_text(scratch / "a") == std::string("begin ") + large + " end");
  }
  CHECK(scratch.files() == 1);
}

TEST_CASE("pieces of any sizes stay in their order") {
  const Scratch scratch;
  constexpr std::size_t sizes[] = {1, 100, 20000, 32767, 32768, 32769, 40000, 65535, 65536, 65537, 100000};
  for (const std::size_t first : sizes) {
    for (const std::size_t second : sizes) {
      vt::AtomicFile out(scratch / "a");
      const std::string parts[] = {std::string(first, 'a'), std::string(second, 'b'), std::string(first, 'c')};
      for (const std::string& part : parts) out.write(part);
      out.commit();
      CHECK_MESSAGE(read_text(scratch / "a") == parts[0] + parts[1] + parts[2], first << ", " << second);
    }
  }
}

TEST_CASE("without commit the old file stays, with commit it is replaced and keeps its mode") {
  const Scratch scratch;
  scratch.write("a", "old");
  ::chmod((scratch / "a").c_str(), 0640);
  {
    vt::AtomicFile out(scratch / "a");
    out.write("new");
  }
  CHECK(read_text(scratch / "a") == "old");
  CHECK(scratch.files() == 1);
  vt::AtomicFile out(scratch / "a");
  out.write("new");
  out.commit();
  CHECK(read_text(scratch / "a") == "new");
  struct stat info;
  REQUIRE(::stat((scratch / "a").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0640);
}

TEST_CASE("a link's target is written, the link stays") {
  const Scratch scratch;
  scratch.write("target", "old");
  std::filesystem::create_symlink("target", scratch / "link");
  vt::AtomicFile out(scratch / "link");
  out.write("new");
  out.commit();
  CHECK(std::filesystem::is_symlink(scratch / "link"));
  CHECK(read_text(scratch / "target") == "new");
  std::filesystem::create_symlink("loop", scratch / "loop");
  CHECK(error_of([&] { vt::AtomicFile(scratch / "loop"); }) == "file_not_created");
}

TEST_CASE("a place that cannot be written is refused before anything is written") {
  const Scratch scratch;
  CHECK(error_of([&] { vt::AtomicFile(scratch / "none/a"); }) == "file_not_created");
  CHECK(error_of([&] { vt::AtomicFile{scratch.folder}; }) == "file_not_created");
  if (::geteuid() == 0) {
    MESSAGE("skipped for root: a read-only folder");
    return;
  }
  scratch.write("old", "old");
  std::filesystem::permissions(scratch.folder, std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  CHECK(error_of([&] { vt::AtomicFile(scratch / "a"); }) == "file_not_created");
  CHECK(error_of([&] { vt::AtomicFile(scratch / "old"); }) == "file_not_created");
  std::filesystem::permissions(scratch.folder, std::filesystem::perms::owner_all);
  CHECK(scratch.files() == 1);
}

TEST_CASE("a full disk is a named error") {
  std::string message;
  const auto fill = [] {
    vt::AtomicFile out("/dev/full");  // a device is written directly, not replaced
    out.write(std::string(100000, 'x'));
    out.commit();
  };
  if (std::filesystem::exists("/dev/full")) {
    CHECK(error_of(fill, &message) == "write_failed");
    CHECK(message.find("/dev/full: cannot write: ") != std::string::npos);
    CHECK(std::filesystem::is_character_file("/dev/full"));
  }
}

TEST_CASE("a limit on file sizes, reached while writing, leaves the old file") {
  const Scratch scratch;
  scratch.write("a", "old");
  const pid_t child = ::fork();  // the limit must not stay with the tests that follow
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {100000, 100000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const std::string error = error_of([&] {
      vt::AtomicFile out(scratch / "a");
      for (int i = 0; i < 100; ++i) out.write(std::string(10000, 'x'));
      out.commit();
    });
    ::_exit(error == "write_failed" ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(read_text(scratch / "a") == "old");
  CHECK(scratch.files() == 1);
}

TEST_CASE("a killed writer leaves the old file and no half one") {
  const Scratch scratch;
  scratch.write("a", "old");
  const pid_t child = ::fork();
  if (child == 0) {
    vt::AtomicFile out(scratch / "a");
    out.write(std::string(200000, 'x'));
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(read_text(scratch / "a") == "old");
#ifdef O_TMPFILE
  const int nameless = ::open(scratch.folder.c_str(), O_WRONLY | O_TMPFILE, 0600);
  if (nameless >= 0) CHECK(scratch.files() == 1);  // elsewhere the temporary file stays, under a name of its own
  if (nameless >= 0) ::close(nameless);
#endif
}
