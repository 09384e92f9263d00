// configs DIR...: reads the configuration files of every folder in DIR (or of DIR itself), as the loaders would,
// without weights. A line for each file, "FOLDER/FILE: opened FAMILY" or "FOLDER/FILE: refused KEY: sentence"; last
// line "N passed, M failed". Failed is a file of a family that is supported and that is refused for a key that
// examples/loading.md does not state. Exit 0, 1 if some failed, 2 if there is none.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>
#include <vitrine/io/config.hpp>

namespace vt = vitrine;
namespace fs = std::filesystem;

namespace {

/// Does the page that says what is refused name the key?
bool is_stated(const std::string& key) {
  static const std::string page = [] {
    std::ifstream in(fs::path(__FILE__).parent_path().parent_path() / "examples/loading.md");
    return std::string(std::istreambuf_iterator<char>(in), {});
  }();
  return page.find("`" + key + "`") != page.npos;
}

/// The family of a file; where it names neither class nor model_type, the one that is a word of the folder's name.
const vt::KnownFamily* family_of(const vt::ConfigFile& file, const std::string& folder) {
  if (!vt::detail::class_names(file).empty() || file.has("model_type")) return vt::family_of(file);
  std::string word;
  for (const char c : folder + "_") {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      word += c;
      continue;
    }
    for (const vt::KnownFamily& family : vt::config_families)
      if (word == family.names->model_type) return &family;
    word.clear();
  }
  return nullptr;
}

/// The key that an error speaks of: its first word in quotes.
std::string key_of(const vt::Error& error) {
  const std::string sentence = error.message();
  const std::size_t begin = sentence.find('"'), end = sentence.find('"', begin + 1);
  return end == sentence.npos ? vt::name(error.code()) : sentence.substr(begin + 1, end - begin - 1);
}

class Report {
 public:
  void config(const fs::path& path, const std::string& folder) {
    read(path, folder, [&] {
      const vt::ConfigFile file(path);
      const vt::KnownFamily* family = family_of(file, folder);
      if (family == nullptr) return std::string();
      family->read(file);
      return std::string(family->names->model_type);
    });
  }
  void generation(const fs::path& path, const std::string& folder) {
    read(path, folder, [&] {
      (void)vt::generation_config(vt::ConfigFile(path));
      return std::string("generation");
    });
  }
  int end() const {
    std::printf("%d passed, %d failed\n", passed_, failed_);
    return failed_ > 0 ? 1 : passed_ == 0 ? 2 : 0;
  }

 private:
  template <class Read>
  void read(const fs::path& path, const std::string& folder, Read read) {
    const std::string label = folder + "/" + path.filename().string();
    try {
      const std::string family = read();
      std::printf("%s: %s\n", label.c_str(),
                  family.empty() ? "refused model_type: of no family that is supported" : ("opened " + family).c_str());
      ++passed_;
    } catch (const vt::Error& error) {
      const std::string key = key_of(error);
      const std::string sentence = std::string(error.message()).substr(path.string().size() + 2);
      std::printf("%s: refused %s: %s%s\n", label.c_str(), key.c_str(), sentence.c_str(),
                  is_stated(key) ? "" : " (examples/loading.md does not state it)");
      ++(is_stated(key) ? passed_ : failed_);
    }
  }

  int passed_ = 0, failed_ = 0;
};

void read_folder(const fs::path& folder, Report& report) {
  const std::string name = fs::absolute(folder / ".").parent_path().filename().string();
  if (fs::exists(folder / "config.json")) report.config(folder / "config.json", name);
  if (fs::exists(folder / "generation_config.json")) report.generation(folder / "generation_config.json", name);
}

}  // namespace

int main(int count, char** arguments) {
  Report report;
  try {
    for (int i = 1; i < count; ++i) {
      std::vector<fs::path> folders{arguments[i]};
      for (const auto& entry : fs::directory_iterator(arguments[i]))
        if (entry.is_directory()) folders.push_back(entry.path());
      std::sort(folders.begin(), folders.end());
      for (const fs::path& folder : folders) read_folder(folder, report);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "configs: %s\n", error.what());
    return 2;
  }
  return report.end();
}
