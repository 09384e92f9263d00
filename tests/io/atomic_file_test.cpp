#include <doctest/doctest.h>

#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#if defined(__linux__)
#include <sys/mount.h>
#endif
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <string>
#include <vitrine/io/atomic_file.hpp>

#include "scratch.hpp"

#if defined(__linux__)
#include <sys/syscall.h>

#include <functional>

namespace {
std::function<int(int)> instead_of_fsync;  // where there is one
}
// This program's fsync, which the library's file calls too.
extern "C" int fsync(int file) {
  return instead_of_fsync ? instead_of_fsync(file) : static_cast<int>(::syscall(SYS_fsync, file));
}
#endif

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
}

TEST_CASE("a read-only folder is refused, and stays as it was") {
  const Scratch scratch;
  scratch.write("old", "old");
  std::filesystem::create_directory(scratch / "open");
  ::chmod((scratch / "open").c_str(), 0777);
  ::chmod(scratch.folder.c_str(), 0555);
  const pid_t child = ::fork();
  if (child == 0) {  // permissions do not bind root: nobody
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) ::_exit(77);
    const auto write = [&](const char* name) {
      return error_of([&] {
        vt::AtomicFile out(scratch / name);
        out.write("new");
        out.commit();
      });
    };
    if (write("open/a") != "no error") ::_exit(77);  // the folder above is closed to it
    ::_exit(write("a") == "file_not_created" && write("old") == "file_not_created" ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  ::chmod(scratch.folder.c_str(), 0755);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    MESSAGE("skipped: no user here whom permissions bind");
  } else {
    CHECK(status == 0);
  }
  CHECK(read_text(scratch / "old") == "old");
  CHECK(scratch.files() == 2);
}

#if defined(__linux__)
namespace {

// In a process of its own: may it mount something now? An ordinary user may in a user namespace, where the system lets
// them.
bool may_mount() {
  const std::string user = std::to_string(::geteuid()), group = std::to_string(::getegid());
  if (::unshare(CLONE_NEWNS) != 0) {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << user << ' ' << user << " 1";
    std::ofstream("/proc/self/gid_map") << group << ' ' << group << " 1";
  }
  return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

}  // namespace

TEST_CASE("a full disk leaves the old file and nothing else") {
  const Scratch scratch;
  const pid_t child = ::fork();
  if (child == 0) {
    if (!may_mount() || ::mount("none", scratch.folder.c_str(), "tmpfs", 0, "size=256k") != 0) ::_exit(77);
    const auto write = [&](std::size_t bytes, std::string* message = nullptr) {
      return error_of(
          [&] {
            vt::AtomicFile out(scratch / "a");
            for (std::size_t i = 0; i < bytes; i += 10000) out.write(std::string(10000, 'x'));
            out.commit();
          },
          message);
    };
    std::string message;
    bool good = write(50000) == "no error";
    for (int i = 0; i < 5; ++i) good = good && write(1000000, &message) == "write_failed";
    good = good && message.find(std::generic_category().message(ENOSPC)) != message.npos;
    good = good && read_text(scratch / "a") == std::string(50000, 'x') && scratch.files() == 1;
    ::_exit(good && write(100000) == "no error" ? 0 : 1);  // and there is room again
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    MESSAGE("skipped: nobody may mount a small disk here; /dev/full and a limit on file sizes stand in for it below");
  } else {
    CHECK(status == 0);
  }
}
#endif

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

#if defined(__linux__)
TEST_CASE("the bytes are on the disk before the file has its name, and the name behind it") {
  const Scratch scratch;
  scratch.write("a", "old");
  struct Hook {
    explicit Hook(std::function<int(int)> f) { instead_of_fsync = std::move(f); }
    Hook(const Hook&) = delete;
    Hook& operator=(const Hook&) = delete;
    ~Hook() { instead_of_fsync = nullptr; }
  };
  std::string order;
  const auto commit = [&] {
    vt::AtomicFile out(scratch / "a");
    out.write("new");
    out.commit();
  };
  {
    const Hook hook([&](int file) {
      struct stat info;
      const bool folder = ::fstat(file, &info) == 0 && S_ISDIR(info.st_mode);
      order +=
          (folder ? "folder, " : "file of " + std::to_string(info.st_size) + ", ") + read_text(scratch / "a") + "; ";
      return 0;
    });
    commit();
  }
  CHECK(order == "file of 3, old; folder, new; ");

  scratch.write("a", "old");
  const Hook hook([](int) {
    errno = EIO;
    return -1;
  });
  CHECK(error_of(commit) == "write_failed");
  CHECK(read_text(scratch / "a") == "old");
  CHECK(scratch.files() == 1);
}
#endif

TEST_CASE("a device takes what is written, and stays one") {
  vt::AtomicFile out("/dev/null");
  out.write(std::string(100000, 'x'));
  out.commit();
  CHECK(std::filesystem::is_character_file("/dev/null"));
}

TEST_CASE("a folder that came in the meantime is not replaced") {
  const Scratch scratch;
  vt::AtomicFile out(scratch / "a");
  out.write("new");
  std::filesystem::create_directory(scratch / "a");
  std::string message;
  CHECK(error_of([&] { out.commit(); }, &message) == "write_failed");
  CHECK(message.find("cannot rename the finished file") != std::string::npos);
  CHECK(std::filesystem::is_directory(scratch / "a"));
}

TEST_CASE("where /proc is not mounted, a file has a name while it is written") {
  const Scratch scratch;
  scratch.write("old", "old");
  const std::filesystem::path own_folder = std::filesystem::current_path();
  const int root = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (::chroot(scratch.folder.c_str()) != 0) {
    ::close(root);
    MESSAGE("skipped: only root may change the root");
    return;
  }
  const auto write = [](bool commit) {
    return error_of([&] {
      vt::AtomicFile out("/old");
      out.write("new");
      if (commit) out.commit();
    });
  };
  const std::string dropped = write(false), committed = write(true),
                    nowhere = error_of([] { vt::AtomicFile("/none/a"); });
  const bool back = ::fchdir(root) == 0 && ::chroot(".") == 0;
  ::close(root);
  REQUIRE(back);
  REQUIRE(::chdir(own_folder.c_str()) == 0);
  CHECK(dropped == "no error");
  CHECK(committed == "no error");
  CHECK(nowhere == "file_not_created");
  CHECK(read_text(scratch / "old") == "new");
  CHECK(scratch.files() == 1);
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

TEST_CASE("writers killed at any moment leave one whole file, and no litter that grows") {
  const Scratch scratch;
  constexpr std::size_t bytes = 3 << 20;
  for (int round = 0; round < 25; ++round) {
    CAPTURE(round);
    const pid_t child = ::fork();
    if (child == 0) {
      for (char letter = 'a';; letter = letter == 'z' ? 'a' : static_cast<char>(letter + 1)) {
        vt::AtomicFile out(scratch / "a");
        for (std::size_t written = 0; written < bytes; written += 65536) out.write(std::string(65536, letter));
        out.commit();
      }
    }
    REQUIRE(child > 0);
    ::usleep(static_cast<useconds_t>(round * 1237 % 29000));
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    if (std::filesystem::exists(scratch / "a")) {
      const std::string text = read_text(scratch / "a");
      CHECK(text.size() == bytes);
      CHECK(text.find_first_not_of(text[0]) == text.npos);
    }
    CHECK(scratch.files() <= 2);
  }
  vt::AtomicFile out(scratch / "a");
  out.write("last");
  out.commit();
  CHECK(read_text(scratch / "a") == "last");
  CHECK(scratch.files() == 1);
}

TEST_CASE("what a killed writer left is removed, what a living one or somebody else has there is not") {
  const Scratch scratch;
  const auto write = [&] {
    vt::AtomicFile out(scratch / "a");
    out.write("new");
    out.commit();
    return read_text(scratch / "a");
  };
  scratch.write("a.vitrine-0.tmp", "half");
  CHECK(write() == "new");
  CHECK(scratch.files() == 1);

  scratch.write("a.vitrine-0.tmp", "half");
  scratch.write("a.vitrine-1.tmp", "half");
  const int living = ::open((scratch / "a.vitrine-0.tmp").c_str(), O_RDONLY);
  REQUIRE(::flock(living, LOCK_EX | LOCK_NB) == 0);
  CHECK(write() == "new");
  CHECK(read_text(scratch / "a.vitrine-0.tmp") == "half");
  CHECK(scratch.files() == 2);
  ::close(living);

  std::filesystem::remove(scratch / "a.vitrine-0.tmp");
  std::filesystem::create_directory(scratch / "a.vitrine-0.tmp");
  scratch.write("target", "target");
  std::filesystem::create_symlink("target", scratch / "a.vitrine-1.tmp");
  CHECK(write() == "new");
  CHECK(read_text(scratch / "target") == "target");
  CHECK(std::filesystem::is_symlink(scratch / "a.vitrine-1.tmp"));

  vt::AtomicFile first(scratch / "b"), second(scratch / "b");  // two at once: the later commit wins
  first.write("first");
  second.write("second");
  second.commit();
  first.commit();
  CHECK(read_text(scratch / "b") == "first");
}

TEST_CASE("a link to nothing is followed: the file is made where it leads") {
  const Scratch scratch;
  std::filesystem::create_directory(scratch / "elsewhere");
  std::filesystem::create_symlink("elsewhere/second", scratch / "first");
  std::filesystem::create_symlink("file", scratch / "elsewhere" / "second");
  {
    vitrine::AtomicFile file(scratch / "first");
    file.write("content");
    file.commit();
  }
  CHECK(std::filesystem::is_symlink(scratch / "first"));
  CHECK(read_text(scratch / "elsewhere" / "file") == "content");
  std::filesystem::create_symlink("circle", scratch / "circle");
  CHECK(error_of([&] { vitrine::AtomicFile(scratch / "circle"); }) == "file_not_created");
}

TEST_CASE("every name that the file system takes is taken, a longer one is refused before the work") {
  const Scratch scratch;
  for (const std::size_t size : {std::size_t(200), std::size_t(238), std::size_t(239), std::size_t(255)}) {
    const std::string name(size, 'n');
    vitrine::AtomicFile file(scratch / name);
    file.write("content");
    file.commit();
    CHECK(read_text(scratch / name) == "content");
  }
  CHECK(scratch.files() == 4);
  CHECK(error_of([&] { vitrine::AtomicFile(scratch / std::string(256, 'n')); }) == "file_not_created");
}
