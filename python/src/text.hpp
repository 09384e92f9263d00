// Text to ids and back, as a folder's own tokenizer has it. Compiled once: no instruction set makes it faster.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace vitrine_python {

class Text {
 public:
  virtual ~Text() = default;
  // Ids, special tokens included; `target`: as those of a target.
  virtual std::vector<std::ptrdiff_t> encode(const std::string& text, bool target) const = 0;
  // The text of a target's ids, special tokens left out.
  virtual std::string decode(const std::vector<std::ptrdiff_t>& ids) const = 0;
  // The token of an id, "" for one that is not there.
  virtual std::string token(std::ptrdiff_t id, bool target) const = 0;
};

// The folder's tokenizer, or null and the reason.
std::shared_ptr<Text> open_text(const std::string& folder, std::string& why_not);

}  // namespace vitrine_python
