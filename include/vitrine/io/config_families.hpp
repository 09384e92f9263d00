// The families of checkpoints that vt::load_model knows, and which of them a config.json of Transformers is of.
//
//   const vt::KnownFamily* family = vt::family_of(vt::ConfigFile("folder/config.json"));   family->names->model_type
#pragma once
#include <vitrine/io/causal_config.hpp>
#include <vitrine/io/config_family.hpp>
#include <vitrine/io/seq2seq_config.hpp>
#include <vitrine/io/t5_config.hpp>
#include <vitrine/io/text_config.hpp>
#include <vitrine/io/vit_config.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// A family, and its reader, which throws what the reader of its own type throws: for looking at a file alone.
struct KnownFamily {
  const ConfigFamily* names;
  void (*read)(const ConfigFile& file);
};

/// All of them, in the order in which a class's name is looked for.
inline constexpr KnownFamily config_families[] = {
    {&marian_family, [](const ConfigFile& file) { (void)seq2seq_config(file, "marian"); }},
    {&bart_family, [](const ConfigFile& file) { (void)seq2seq_config(file, "bart"); }},
    {&bert_family, [](const ConfigFile& file) { (void)bert_config(file); }},
    {&distilbert_family, [](const ConfigFile& file) { (void)distilbert_config(file); }},
    {&mbart_family, [](const ConfigFile& file) { (void)seq2seq_config(file, "mbart"); }},
    {&m2m100_family, [](const ConfigFile& file) { (void)seq2seq_config(file, "m2m_100"); }},
    {&roberta_family, [](const ConfigFile& file) { (void)roberta_config(file); }},
    {&xlm_roberta_family, [](const ConfigFile& file) { (void)xlm_roberta_config(file); }},
    {&albert_family, [](const ConfigFile& file) { (void)albert_config(file); }},
    {&vit_family, [](const ConfigFile& file) { (void)vit_config(file); }},
    {&t5_family, [](const ConfigFile& file) { (void)t5_config(file); }},
    {&mt5_family, [](const ConfigFile& file) { (void)mt5_config(file); }},
    {&gpt2_family, [](const ConfigFile& file) { (void)gpt2_config(file); }},
    {&llama_family, [](const ConfigFile& file) { (void)llama_config(file); }},
    {&mistral_family, [](const ConfigFile& file) { (void)mistral_config(file); }},
    {&qwen2_family, [](const ConfigFile& file) { (void)qwen2_config(file); }},
    {&qwen3_family, [](const ConfigFile& file) { (void)qwen3_config(file); }},
    {&gemma2_family, [](const ConfigFile& file) { (void)gemma2_config(file); }},
    {&gpt_neox_family, [](const ConfigFile& file) { (void)gpt_neox_config(file); }}};

/// The family of the Transformers class that wrote the file (`architectures`), else that of its model_type; null for
/// any other. Throws Error config_bad_value for a model_type that is no string.
inline const KnownFamily* family_of(const ConfigFile& file) {
  for (const std::string& name : detail::class_names(file))
    for (const KnownFamily& family : config_families)
      if (family.names->has_class(name)) return &family;
  const std::string type = file.text("model_type", "");
  for (const KnownFamily& family : config_families)
    if (type == family.names->model_type) return &family;
  return nullptr;
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
