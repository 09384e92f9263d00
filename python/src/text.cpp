#include "text.hpp"

#include <vitrine/io/error.hpp>
#if VITRINE_TOKENIZERS
#include <vitrine/text/tokenizer.hpp>
#endif

namespace vitrine_python {

#if VITRINE_TOKENIZERS
namespace {

class FolderText : public Text {
 public:
  explicit FolderText(const std::string& folder) : tokenizer_(folder) {}
  std::vector<std::ptrdiff_t> encode(const std::string& text, bool target) const override {
    return target ? tokenizer_.encode_target(text).ids : tokenizer_.encode(text).ids;
  }
  std::string decode(const std::vector<std::ptrdiff_t>& ids) const override { return tokenizer_.decode(ids); }
  std::string token(std::ptrdiff_t id, bool target) const override {
    return target ? tokenizer_.target_token(id) : tokenizer_.token(id);
  }

 private:
  vitrine::Tokenizer tokenizer_;
};

}  // namespace

std::shared_ptr<Text> open_text(const std::string& folder, std::string& why_not) {
  try {
    return std::make_shared<FolderText>(folder);
  } catch (const vitrine::Error& error) {
    why_not = error.what();
  } catch (const std::filesystem::filesystem_error& error) { why_not = error.what(); }
  why_not += "; pass ids, or load(folder, tokenizer=...)";
  return {};
}
#else
std::shared_ptr<Text> open_text(const std::string& folder, std::string& why_not) {
  why_not = folder + ": this build was made without utf8proc and PCRE2, and reads ids; load(folder, tokenizer=...)";
  return {};
}
#endif

}  // namespace vitrine_python
