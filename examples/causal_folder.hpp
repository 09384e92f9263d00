// A folder with a checkpoint of a decoder alone (Gpt2, Llama, Mistral, Qwen2, Qwen3, Gemma2, GptNeoX), opened: model,
// tokens, generation options.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vitrine/corpus/reader.hpp>
#include <vitrine/generate/generate.hpp>
#include <vitrine/io/checkpoint.hpp>

class CausalFolder {
 public:
  using Index = vitrine::Index;
  using Model = vitrine::Causal<float>;

  CausalFolder(const std::filesystem::path& folder, bool json, Index threads, vitrine::Storage weights)
      : model_(load(folder, weights)),
        config_(vitrine::read_generation_config(folder)),
        reader_(folder, {.json = json,
                         .longest = model_->most_ids(),
                         .source_ids = model_->vocab_size(),
                         .target_ids = model_->vocab_size()}),
        workspace_(vitrine::heap(), int(threads)) {}

  const Model& model() const { return *model_; }
  const vitrine::corpus::Reader& reader() const { return reader_; }
  // What the folder says.
  const vitrine::GenerationConfig& config() const { return config_; }
  vitrine::Workspace& workspace() { return workspace_; }

 private:
  static std::shared_ptr<Model> load(const std::filesystem::path& folder, vitrine::Storage weights) {
    std::shared_ptr<Model> model;
    vitrine::find_model<float>(folder, [&]<class M>(std::type_identity<M>) {
      if constexpr (std::is_base_of_v<Model, M>)
        model = std::make_shared<M>(vitrine::load_model<M>(folder, {.weights = weights}));
      else
        throw vitrine::Error(vitrine::LoadError::config_unsupported, folder.string(),
                             std::string("is of the family ") + M::model_type + ", which continues no text");
    });
    return model;
  }

  std::shared_ptr<Model> model_;
  vitrine::GenerationConfig config_;
  vitrine::corpus::Reader reader_;
  vitrine::Workspace workspace_;
};
