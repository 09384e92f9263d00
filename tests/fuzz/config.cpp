#include <vitrine/io/checkpoint.hpp>

#include "../io/scratch.hpp"
#include "small_memory.hpp"
#include "targets.hpp"

namespace vt = vitrine;

namespace {

template <class M>
void load_from(const std::filesystem::path& folder) {
  refused([&] { (void)vt::load_model<M>(folder); });
}

// The configuration in a file's metadata: the module is made, or answers that it cannot be.
template <class M, class Config>
void make_module(std::string_view text) {
  refused([&] {
    const auto config = vt::read_config<Config>(text, "file");
    M module(config, small_memory());
    (void)module.init(1);
    (void)vt::write_config(config);
  });
}

}  // namespace

void fuzz_config(std::string_view input) {
  static const Scratch scratch;
  static const bool weights = [] {
    scratch.write(
        "model.safetensors",
        container(
            R"({"model.shared.weight":{"dtype":"U8","shape":[2,1],"data_offsets":[0,2]},"wte.weight":{"dtype":"U8","shape":[2,1],"data_offsets":[2,4]}})",
            "abcd"));
    return true;
  }();
  (void)weights;
  scratch.write("config.json", std::string(input));
  load_from<vt::Marian<float>>(scratch.folder);
  load_from<vt::Bart<float>>(scratch.folder);
  load_from<vt::Bert<float>>(scratch.folder);
  load_from<vt::DistilBert<float>>(scratch.folder);
  load_from<vt::Gpt2<float>>(scratch.folder);

  make_module<vt::MultiheadAttention<float>, vt::AttentionConfig>(input);
  make_module<vt::EncoderLayer<float>, vt::LayerConfig>(input);
  make_module<vt::DecoderLayer<float>, vt::LayerConfig>(input);
  make_module<vt::Encoder<float>, vt::StackConfig>(input);
  make_module<vt::Transformer<float>, vt::TransformerConfig>(input);
}
