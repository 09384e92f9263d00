// What the program inspect knows of models: a line to an example of inspect/map_group.hpp, whichever kind of model it
// is. A further kind is one more class and one more line in open_model.
#pragma once
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>
#include <vitrine/corpus/reader.hpp>
#include <vitrine/inspect/export.hpp>
#include <vitrine/io/checkpoint.hpp>
#include <vitrine/models/bert.hpp>
#include <vitrine/models/distilbert.hpp>
#include <vitrine/models/gpt2.hpp>

#include "seq2seq_folder.hpp"

namespace models {

namespace vt = vitrine;
using vt::Index;
using vt::corpus::Line;
using vt::corpus::Text;
using Keep = vt::DefaultKeep;

// An example and whatever its maps are views of.
struct Inspected {
  vt::inspect::Example example = {};
  std::shared_ptr<void> holder = {};
};

class Model {
 public:
  virtual ~Model() = default;
  virtual Line read(Text text, Index number) const = 0;
  // Only for models that take a target.
  virtual Line read_target(Text, Index) const { return {}; }
  virtual bool takes_targets() const { return false; }
  // The one kind of attention of a model that is a single stack; empty: all three.
  virtual std::string only_kind() const { return {}; }
  // The maps of one line; `target` is empty where none was given.
  virtual Inspected look(const Line& line, const Line& target, const Keep& keep) = 0;
};

// What the program inspect may ask of a folder.
struct Asked {
  bool json = false;
  Index beams = 0, max_new_tokens = 0, threads = 0;  // 0: the default
  vt::Storage weights = vt::Storage::f32;
};

// Marian, Bart, MBart and M2M100: with the given target, or what search finds.
class Seq2Seq : public Model {
 public:
  Seq2Seq(const std::filesystem::path& folder, const Asked& asked)
      : folder_(folder, asked.json, asked.max_new_tokens, asked.threads, asked.weights), search_(folder_.config()) {
    search_.num_beams = std::max<Index>(asked.beams, 1);
    vt::throw_if_failed(vt::check(search_, folder_.model().vocab_size()));
  }
  Line read(Text text, Index number) const override { return folder_.reader().read(std::move(text), number); }
  Line read_target(Text text, Index number) const override {
    return folder_.reader().read_target(std::move(text), number);
  }
  bool takes_targets() const override { return true; }
  Inspected look(const Line& line, const Line& target, const Keep& keep) override {
    Line made = target;
    if (!made.usable()) {
      made.ids = vt::generate(folder_.model(), folder_.workspace(), vt::Tokens(line.ids), search_)[0][0].ids;
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
  std::string joined(const Line& line) const {
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
  vt::GenerationConfig search_;
};

// Models of one stack: Bert and its kin (kind "encoder"), Gpt2 ("decoder").
template <class M>
class OneStack : public Model {
 public:
  OneStack(const std::filesystem::path& folder, const Asked& asked, const char* kind)
      : model_(vt::load_model<M>(folder, {.weights = asked.weights})),
        reader_(folder, {.json = asked.json,
                         .longest = model_.max_length(),
                         .source_ids = model_.vocab_size(),
                         .target_ids = model_.vocab_size()}),
        workspace_(vt::heap(), int(asked.threads)),
        kind_(kind) {}
  Line read(Text text, Index number) const override { return reader_.read(std::move(text), number); }
  std::string only_kind() const override { return kind_; }
  Inspected look(const Line& line, const Line&, const Keep& keep) override {
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
  vt::corpus::Reader reader_;
  vt::Workspace workspace_;
  const char* kind_;
};

inline std::unique_ptr<Model> open_model(const std::filesystem::path& folder, const Asked& asked) {
  std::unique_ptr<Model> model;
  vt::find_model<float>(folder, [&]<class M>(std::type_identity<M>) {
    if constexpr (std::is_base_of_v<vt::Seq2Seq<float>, M>)
      model = std::make_unique<Seq2Seq>(folder, asked);
    else if constexpr (std::is_base_of_v<vt::TextEncoder<float>, M>)
      model = std::make_unique<OneStack<M>>(folder, asked, "encoder");
    else if constexpr (std::is_base_of_v<vt::Causal<float>, M>)
      model = std::make_unique<OneStack<M>>(folder, asked, "decoder");
    else
      throw vt::Error(vt::LoadError::config_unsupported, folder.string(), "reads no text");
  });
  return model;
}

}  // namespace models
