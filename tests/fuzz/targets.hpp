// Everything that parses bytes nobody has checked, one function a kind of file; each lies in the file of its name.
// tests/fuzz/run.sh gives them libFuzzer's inputs, replay_test.cpp those of corpus/. Each returns for every input: a
// vt::Error is an answer, anything else a finding.
#pragma once
#include <string>
#include <string_view>
#include <vitrine/io/error.hpp>

void fuzz_safetensors(std::string_view input);        // a whole file, and loading a layer from it
void fuzz_index(std::string_view input);              // model.safetensors.index.json beside two shards
void fuzz_config(std::string_view input);             // config.json of each model; the configuration of each module
void fuzz_generation_config(std::string_view input);  // generation_config.json
void fuzz_tokenizer(std::string_view input);       // vocab.json, vocab.txt, tokenizer.json, tokenizer_config.json, text
void fuzz_tokenizer_json(std::string_view input);  // tokenizer.json of any kind, and text through the golden ones
void fuzz_sentencepiece(std::string_view input);   // a .spm, and text cut by it
void fuzz_arrays(std::string_view input);          // .npy and .npz
void fuzz_jsonl(std::string_view input);           // lines as translate, score_heads and inspect read them
void fuzz_constructors(std::string_view input);    // no file: configurations, shapes, strides and masks from C++

/// Calls f; was what it read refused by a named error?
template <class F>
bool refused(F f) {
  try {
    f();
  } catch (const vitrine::Error& error) {
    // What is printed is one line, and no terminal takes it for a command.
    for (const char c : std::string_view(error.what()))
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) __builtin_trap();
    return true;
  }
  return false;
}
