// The file of --maps: an .npz archive that grows line by line, or a page that is written at the end.
#pragma once
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>
#include <vitrine/inspect/export.hpp>

class MapsFile {
 public:
  // None with an empty path. What cannot be written is refused here, before any work.
  explicit MapsFile(const std::string& path) : path_(path) {
    if (path.empty()) return;
    if (path_.extension() == ".npz")
      archive_.emplace(path_);
    else
      static_cast<void>(vitrine::AtomicFile(path_));
  }
  bool wanted() const { return !path_.empty(); }
  // `holder` keeps what the example's maps are views of.
  void add(vitrine::inspect::Example example, std::shared_ptr<void> holder) {
    if (archive_) return vitrine::inspect::add_maps(*archive_, example.number, example);
    examples_.push_back(std::move(example));
    holders_.push_back(std::move(holder));
  }
  void finish(const std::string& title) {
    if (archive_) return archive_->finish();
    if (!wanted()) return;
    std::sort(examples_.begin(), examples_.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
    vitrine::inspect::save_maps(path_, {.title = title, .examples = std::move(examples_)});
  }

 private:
  std::filesystem::path path_;
  std::optional<vitrine::NpzWriter> archive_;
  std::vector<vitrine::inspect::Example> examples_;
  std::vector<std::shared_ptr<void>> holders_;
};

// What a model is called: its folder's own name.
inline std::string model_name(const std::string& folder) {
  std::error_code failed;
  const auto whole = std::filesystem::weakly_canonical(folder, failed);
  return failed || whole.filename().empty() ? folder : whole.filename().string();
}
