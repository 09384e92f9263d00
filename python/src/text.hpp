// Text to ids and back, as the folder's own tokenizer has it.
#pragma once
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "backend.hpp"

namespace vitrine_python {
namespace {

class Text {
 public:
  Text(const std::filesystem::path& folder, const char*) : why_(folder.string() + ": this version reads ids only") {}
  bool reads() const { return false; }
  const std::string& why_not() const { return why_; }
  Encoding encode(const std::string&, bool) const { throw std::invalid_argument(why_); }
  std::string decode(const std::vector<Index>&) const { throw std::invalid_argument(why_); }
  std::vector<std::string> tokens(const std::vector<Index>& ids, bool) const {
    std::vector<std::string> all;
    for (const Index id : ids) all.push_back(std::to_string(id));
    return all;
  }

 private:
  std::string why_;
};

}  // namespace
}  // namespace vitrine_python
