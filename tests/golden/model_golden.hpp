// Golden cases of pretrained models (fixtures: models/NAME/), by the architecture that made them.
#pragma once
#include <filesystem>
#include <stdexcept>
#include <string>

#include "report.hpp"
#include "seq2seq_golden.hpp"
#if __has_include("text_encoder_golden.hpp")
#include "text_encoder_golden.hpp"
#endif
#if __has_include("gpt2_golden.hpp")
#include "gpt2_golden.hpp"
#endif

namespace golden {

template <class S>
void run_model_case(const std::filesystem::path& folder, Report& report) {
  report.begin(folder.string(), scalar_name<S>);
  const vt::SafeTensors file(folder / "expect.safetensors");
  const auto named = file.metadata().find("architecture");
  const std::string architecture = named == file.metadata().end() ? "" : named->second;
  if (architecture == "MarianMTModel") {
    run_seq2seq_case<vt::Marian<S>>(folder, file, report);
  } else if (architecture == "BartForConditionalGeneration") {
    run_seq2seq_case<vt::Bart<S>>(folder, file, report);
#if __has_include("text_encoder_golden.hpp")
  } else if (architecture == "BertModel") {
    run_text_encoder_case<vt::Bert<S>>(folder, file, report);
  } else if (architecture == "DistilBertModel") {
    run_text_encoder_case<vt::DistilBert<S>>(folder, file, report);
#endif
#if __has_include("gpt2_golden.hpp")
  } else if (architecture == "GPT2LMHeadModel") {
    run_gpt2_case<vt::Gpt2<S>>(folder, file, report);
#endif
  } else {
    throw std::runtime_error("there is no loader for the architecture \"" + architecture + "\"");
  }
  report.finish(file);
}

}  // namespace golden
