// What the program inspect knows of models: a line to an example of inspect/page.hpp, whichever kind of model it is.
// A further kind is one more class and one more line in open_model.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>
#include <vitrine/inspect/export.hpp>
#include <vitrine/io/checkpoint.hpp>
#include <vitrine/models/bert.hpp>
#include <vitrine/models/distilbert.hpp>
#include <vitrine/models/gpt2.hpp>
#if __has_include(<utf8proc.h>)
#include <vitrine/text/wordpiece.hpp>
#endif

#include "seq2seq_folder.hpp"

namespace models {

namespace vt = vitrine;
using vt::Index;
using Keep = vt::DefaultKeep;

// An example and whatever its maps are views of.
struct Inspected {
  vt::inspect::Example example = {};
  std::shared_ptr<void> holder = {};
};

class Model {
 public:
  virtual ~Model() = default;
  virtual lines::Line read(const std::string& text, bool too_long, Index number) const = 0;
  // Only for models that take a target.
  virtual lines::Line read_target(const std::string&, bool, Index) const { return {}; }
  virtual bool takes_targets() const { return false; }
  // The one kind of attention of a model that is a single stack; empty: all three.
  virtual std::string only_kind() const { return {}; }
  // The maps of one line; `target` is empty where none was given.
  virtual Inspected look(const lines::Line& line, const lines::Line& target, const Keep& keep) = 0;
};

// Marian and Bart: with the given target, or what greedy search finds.
class Seq2Seq : public Model {
 public:
  Seq2Seq(const std::filesystem::path& folder, bool json, Index max_new_tokens, Index threads)
      : folder_(folder, json, max_new_tokens, threads) {}
  lines::Line read(const std::string& text, bool too_long, Index number) const override {
    return folder_.reader().read(text, too_long, number);
  }
  lines::Line read_target(const std::string& text, bool too_long, Index number) const override {
    return folder_.reader().read_target(text, too_long, number);
  }
  bool takes_targets() const override { return true; }
  Inspected look(const lines::Line& line, const lines::Line& target, const Keep& keep) override {
    lines::Line made = target;
    if (!made.usable()) {
      made.ids = folder_.greedy(vt::Tokens(line.ids)).front();
      made.tokens = folder_.reader().tokens(made.ids);
    }
    auto scored = std::make_shared<vt::Scored<Keep, float>>(folder_.score(line.ids, made.ids, keep));
    std::string title = joined(line) + " →";
    for (std::size_t i = 0; i < made.ids.size(); ++i)
      if (!folder_.is_end(made.ids[i])) title.append(" ").append(made.tokens[i]);
    return {vt::inspect::seq2seq_example(scored->result, 0, line.tokens, made.tokens, std::move(title)), scored};
  }

 private:
  // Letters stand close, longer tokens and bare ids apart.
  std::string joined(const lines::Line& line) const {
    std::string text;
    bool letters = true;
    for (std::size_t i = 0; i < line.ids.size(); ++i)
      letters = letters && (folder_.is_end(line.ids[i]) || (vt::inspect::display_width(line.tokens[i]) <= 1 &&
                                                            line.tokens[i] != std::to_string(line.ids[i])));
    for (std::size_t i = 0; i < line.ids.size(); ++i) {
      if (folder_.is_end(line.ids[i])) continue;
      if (!letters && !text.empty()) text += ' ';
      text += line.tokens[i];
    }
    return text;
  }
  Seq2SeqFolder folder_;
};

// What a line is to a model that has no ids from us: ids of any tokenizer, or WordPiece text.
class TextReader {
 public:
  TextReader(const std::filesystem::path& folder, bool json, bool wordpiece, Index longest, Index vocab_size)
      : json_(json), longest_(longest), ids_only_(folder, true, -1, longest, vocab_size, vocab_size) {
#if __has_include(<utf8proc.h>)
    if (wordpiece && (!json || has_vocabulary(folder))) wordpiece_ = std::make_unique<vt::WordPiece>(folder);
    const bool reads_text = wordpiece;
    const std::string why = "has a tokenizer that vitrine does not read";
#else
    const bool reads_text = false;
    const std::string why = wordpiece ? "has a WordPiece tokenizer, and this build has no utf8proc (libutf8proc-dev)"
                                      : "has a tokenizer that vitrine does not read";
#endif
    if (!json && !reads_text)
      throw vt::Error(vt::LoadError::config_unsupported, folder.string(),
                      why + "; tokenize outside and use --input-format jsonl");
  }
  lines::Line read(const std::string& text, bool too_long, Index number) const {
    if (json_ || too_long || lines::blank(text) || !vt::detail::is_utf8(text)) {
      lines::Line line = ids_only_.read(text, too_long, number);
#if __has_include(<utf8proc.h>)
      for (std::size_t i = 0; wordpiece_ && i < line.ids.size(); ++i)
        if (line.tokens[i] == std::to_string(line.ids[i])) line.tokens[i] = wordpiece_->token(line.ids[i]);
#endif
      return line;
    }
    lines::Line line{number};
#if __has_include(<utf8proc.h>)
    line.ids = wordpiece_->encode(text);
    for (const Index id : line.ids) line.tokens.push_back(wordpiece_->token(id));
#endif
    if (Index(line.ids.size()) > longest_) {
      line.error =
          "has " + std::to_string(line.ids.size()) + " tokens; the model has room for " + std::to_string(longest_);
      line.ids.clear(), line.tokens.clear();
    }
    return line;
  }

 private:
  static bool has_vocabulary(const std::filesystem::path& folder) {
    std::error_code failed;
    return std::filesystem::exists(folder / "vocab.txt", failed) ||
           std::filesystem::exists(folder / "tokenizer.json", failed);
  }
  bool json_;
  Index longest_;
  lines::Reader ids_only_;
#if __has_include(<utf8proc.h>)
  std::unique_ptr<vt::WordPiece> wordpiece_;
#endif
};

// Models of one stack: Bert and DistilBert (kind "encoder"), Gpt2 ("decoder").
template <class M>
class OneStack : public Model {
 public:
  OneStack(const std::filesystem::path& folder, bool json, const char* kind, bool wordpiece, Index threads)
      : model_(vt::load_model<M>(folder)),
        reader_(folder, json, wordpiece, model_.max_length(), model_.vocab_size()),
        workspace_(vt::heap(), int(threads)),
        kind_(kind) {}
  lines::Line read(const std::string& text, bool too_long, Index number) const override {
    return reader_.read(text, too_long, number);
  }
  std::string only_kind() const override { return kind_; }
  Inspected look(const lines::Line& line, const lines::Line&, const Keep& keep) override {
    using Result = decltype(std::declval<const M&>()(vt::Tokens(), typename M::Masks(), keep));
    auto result = std::make_shared<Result>();
    Keep own = keep;  // a single stack has self-attention only, whatever it is called
    own.selection.which = vt::Which::self;
    vt::throw_if_failed(model_.forward_into(*result, workspace_, vt::Tokens(line.ids), {}, own));
    std::string title;
    for (const std::string& token : line.tokens) title += (title.empty() ? "" : " ") + token;
    Inspected inspected{{.title = std::move(title), .groups = {}}, result};
    inspected.example.groups.push_back(vt::inspect::map_group(kind_, result->self_attn, 0, line.tokens, line.tokens));
    return inspected;
  }

 private:
  M model_;
  TextReader reader_;
  vt::Workspace workspace_;
  const char* kind_;
};

inline std::unique_ptr<Model> open_model(const std::filesystem::path& folder, bool json, Index max_new_tokens,
                                         Index threads) {
  const vt::ConfigFile file(folder / "config.json");
  const std::string type = file.text("model_type", "");
  if (type == "marian" || type == "bart") return std::make_unique<Seq2Seq>(folder, json, max_new_tokens, threads);
  if (type == "bert") return std::make_unique<OneStack<vt::Bert<float>>>(folder, json, "encoder", true, threads);
  if (type == "distilbert")
    return std::make_unique<OneStack<vt::DistilBert<float>>>(folder, json, "encoder", true, threads);
  if (type == "gpt2") return std::make_unique<OneStack<vt::Gpt2<float>>>(folder, json, "decoder", false, threads);
  file.fail(vt::LoadError::config_unsupported,
            "\"model_type\" is " + vt::detail::in_quotes(type) + ", not marian, bart, bert, distilbert or gpt2");
}

}  // namespace models
