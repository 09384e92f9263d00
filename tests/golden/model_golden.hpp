// Golden cases of pretrained models (fixtures: models/NAME/, families/NAME/), by the class that made them. A further
// family is one line of `families`; a kind of model that none of the functions runs is one more header beside this one.
#pragma once
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vitrine/io/checkpoint.hpp>

#include "causal_golden.hpp"
#include "report.hpp"
#include "seq2seq_golden.hpp"
#include "text_encoder_golden.hpp"
#include "vit_golden.hpp"

namespace golden {

// The class in Transformers that made a case, and what runs it. `reference_error`: how far the reference itself is from
// double precision, relative as the tolerance is, where it computes a part in float whatever the model's type.
template <class S>
struct Family {
  const char* architecture;
  void (*run)(const std::filesystem::path& folder, const vt::SafeTensors& file, Report& report);
  double reference_error = 0;
};
// M2M100's sinusoids are float sines, whose last bit depends on the machine.
inline constexpr double float_sines = 1.2e-7;
// Attention that is computed softmax(scores, dtype=float32).
inline constexpr double float_softmax = 1.2e-7;
// Softmax, norms and rotary angles.
inline constexpr double float_parts = 5e-6;

template <class S>
inline constexpr Family<S> families[] = {
    {"MarianMTModel", run_seq2seq_case<vt::Marian<S>>},
    {"BartForConditionalGeneration", run_seq2seq_case<vt::Bart<S>>},
    {"MBartForConditionalGeneration", run_seq2seq_case<vt::MBart<S>>},
    {"M2M100ForConditionalGeneration", run_seq2seq_case<vt::M2M100<S>>, float_sines},
    {"T5ForConditionalGeneration", run_seq2seq_case<vt::T5<S>>, float_parts},
    {"BertModel", run_text_encoder_case<vt::Bert<S>>},
    {"DistilBertModel", run_text_encoder_case<vt::DistilBert<S>>},
    {"RobertaModel", run_text_encoder_case<vt::Roberta<S>>},
    {"XLMRobertaModel", run_text_encoder_case<vt::XlmRoberta<S>>},
    {"AlbertModel", run_text_encoder_case<vt::Albert<S>>},
    {"ViTModel", run_vit_case<vt::Vit<S>>, float_softmax},
    {"GPT2LMHeadModel", run_causal_case<vt::Gpt2<S>>},
    {"LlamaForCausalLM", run_causal_case<vt::Llama<S>>, float_parts},
    {"MistralForCausalLM", run_causal_case<vt::Mistral<S>>, float_parts},
    {"Qwen2ForCausalLM", run_causal_case<vt::Qwen2<S>>, float_parts},
    {"Qwen3ForCausalLM", run_causal_case<vt::Qwen3<S>>, float_parts},
    {"Gemma2ForCausalLM", run_causal_case<vt::Gemma2<S>>, float_parts},
    {"GPTNeoXForCausalLM", run_causal_case<vt::GptNeoX<S>>, float_parts},
};

template <class S>
void run_model_case(const std::filesystem::path& folder, Report& report) {
  report.begin(folder.string(), scalar_name<S>);
  const vt::SafeTensors file(folder / "expect.safetensors");
  const auto named = file.metadata().find("architecture");
  const std::string architecture = named == file.metadata().end() ? "" : named->second;
  for (const Family<S>& family : families<S>) {
    if (architecture != family.architecture) continue;
    if (!file.metadata().contains("double")) report.allow(family.reference_error);
    family.run(folder, file, report);
    report.finish(file);
    return;
  }
  throw std::runtime_error("there is no loader for the architecture \"" + architecture + "\"");
}

}  // namespace golden
