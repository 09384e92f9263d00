// Configurations, vocabularies and texts made to harm a reader: each refused by its name, with no more memory or time
// than its size justifies. (Indices of shards, npy and more JSON: tests/io.)
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vitrine/io/checkpoint.hpp>
#include <vitrine/text/vocabulary.hpp>
#if __has_include(<utf8proc.h>)
#include <vitrine/text/wordpiece.hpp>
#endif

#include "../io/scratch.hpp"
#include "allocation.hpp"
#include "attacks.hpp"

namespace vt = vitrine;
using attack::repeat;

namespace {

// The error's name, after a look at memory and time.
template <class F>
std::string bounded(std::size_t bytes, F f, std::size_t fixed = 1 << 17) {
  const auto start = std::chrono::steady_clock::now();
  const std::size_t before = start_counting_allocation();
  std::string message;
  const std::string error = error_of(f, &message);
  CHECK(peak_allocation() - before < fixed + 64 * bytes);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));
  CHECK(message.size() < 4000);
  for (const char c : message) CHECK((static_cast<unsigned char>(c) >= 0x20 && c != 0x7f));
  CHECK(message.find("\u009b") == message.npos);  // what ESC [ is to some terminals
  return error;
}

constexpr const char* marian =
    R"("model_type":"marian","vocab_size":4,"encoder_layers":1,"decoder_layers":1,"encoder_attention_heads":1,"decoder_attention_heads":1)";

}  // namespace

TEST_CASE("a config.json cannot ask for more than the checkpoint holds") {
  const Scratch scratch;
  scratch.write("model.safetensors", container("{}"));
  const auto load = [&]<class M>(const std::string& config) {
    const std::string text = std::string("{") + config + "}";
    scratch.write("config.json", text);
    // 2 * 1024 layers may be stated, and are named before any is missed.
    return bounded(
        text.size(), [&] { (void)vt::load_model<M>(scratch.folder); }, std::size_t{1} << 25);
  };
  const auto as_marian = [&](const std::string& more) {
    return load.operator()<vt::Marian<float>>(std::string(marian) + "," + more);
  };
  CHECK(as_marian(R"("d_model":8,"max_position_embeddings":16)") == "missing_tensors");
  CHECK(as_marian(R"("d_model":65536,"max_position_embeddings":65536)") == "config_bad_value");  // 16 GiB of sinusoids
  CHECK(as_marian(R"("d_model":4096,"max_position_embeddings":65536)") == "config_bad_value");
  CHECK(as_marian(R"("d_model":65536,"max_position_embeddings":16)") == "missing_tensors");
  CHECK(as_marian(R"("d_model":1e30)") == "config_bad_value");
  CHECK(as_marian(R"("d_model":-1)") == "config_bad_value");
  CHECK(as_marian(R"("d_model":18446744073709551617)") == "config_bad_value");
  CHECK(as_marian(R"("d_model":5,"encoder_attention_heads":0)") == "config_bad_value");
  CHECK(load.operator()<vt::Bert<float>>(
            R"("model_type":"bert","num_hidden_layers":1025,"hidden_size":65536,"num_attention_heads":1)") ==
        "config_bad_value");
  CHECK(load.operator()<vt::Bert<float>>(
            R"("model_type":"bert","num_hidden_layers":1024,"hidden_size":65536,"num_attention_heads":1)") ==
        "missing_tensors");
  CHECK(
      load.operator()<vt::Gpt2<float>>(
          R"("model_type":"gpt2","n_layer":1024,"n_embd":65536,"n_inner":262144,"n_head":4096,"vocab_size":16777216)") ==
      "missing_tensors");
}

TEST_CASE("the configuration in a file's metadata cannot ask for millions of layers") {
  const auto read = [](const std::string& text) {
    return bounded(text.size(), [&] {
      vt::Encoder<float> encoder(vt::read_config<vt::StackConfig>(text, "file"));
      (void)encoder.loaded();
    });
  };
  CHECK(read(R"({"d_model":8,"nhead":2,"num_layers":2})") == "no error");
  CHECK(read(R"({"d_model":8,"nhead":2,"num_layers":1025})") == "config_bad_value");
  CHECK(read(R"({"d_model":8,"nhead":2,"num_layers":1000000})") == "config_bad_value");
  CHECK(read(R"({"d_model":8,"nhead":2,"num_layers":1e6})") == "config_bad_value");
  CHECK(read(R"({"d_model":8,"nhead":2,"num_layers":18446744073709551615})") == "config_bad_value");
  CHECK(error_of([] {
          (void)vt::read_config<vt::TransformerConfig>(R"({"d_model":8,"num_decoder_layers":1000000})", "file");
        }) == "config_bad_value");
  CHECK(read(R"({"d_model":8,"\u001b[2J":2})") == "config_unsupported");
  CHECK(read(repeat("{\"d_model\":", 1000)) == "nesting_too_deep");
  CHECK(read("{\"d_model\":\xff}") == "header_not_utf8");
}

TEST_CASE("what is no JSON is refused, however much of it there is") {
  const auto parse = [](const std::string& text) {
    return bounded(text.size(), [&] { vt::ConfigFile file(text, "file"); });
  };
  CHECK(parse(std::string("{}\0{\"d_model\":8}", 15)) == "config_not_json");  // the parser takes NUL for the end
  CHECK(parse(repeat("[", 1000000)) == "config_not_json");
  CHECK(parse(repeat("{\"a\":", 100000)) == "config_not_json");
  CHECK(parse(std::string("{\"a\":") + std::string(1000000, '9') + "}") == "config_not_json");  // beyond a double
  CHECK(parse("{\"a\":1e999}") == "config_not_json");
  CHECK(parse("{\"a\":NaN}") == "config_not_json");
  CHECK(parse("{\"a\":\"\\ud800\"}") == "config_not_json");
  CHECK(parse(std::string("{\"a\":\"") + std::string(1000000, 'x')) == "config_not_json");
  CHECK(parse(std::string("{\"a\":[") + repeat("[],", 100000) + "[]]}") == "no error");
}

TEST_CASE("a shard's name is a plain file name, fit to be shown") {
  const Scratch scratch;
  const auto open = [&](const std::string& shard) {
    const std::string text = R"({"weight_map":{"x":")" + shard + "\"}}";
    scratch.write("model.safetensors.index.json", text);
    return bounded(text.size(), [&] { vt::SafeTensors{scratch.folder}; });
  };
  CHECK(open("a.safetensors") == "file_missing");
  CHECK(open("\u00e9.safetensors") == "file_missing");
  for (const char* bad :
       {R"(mo\u0001del)", R"(\u001b[2J)", R"(a\u007f)", R"(a\u009b31m)", R"(a\nb)", "../a", "/etc/passwd", ""})
    CHECK(open(bad) == "bad_index");
}

TEST_CASE("a vocabulary's ids are those of its tokens, and a word that it cannot spell is shown, not obeyed") {
  const auto open = [](const std::string& text) {
    return bounded(text.size(), [&] { vt::Vocabulary words(vt::ConfigFile(text, "vocab.json")); });
  };
  CHECK(open(R"({"a":0,"b":16777216})") == "bad_vocabulary");
  CHECK(open(R"({"a":0,"b":18446744073709551615})") == "bad_vocabulary");
  CHECK(open(R"({"a":0,"\u001b[2J":0})") == "bad_vocabulary");

  const vt::Vocabulary words(vt::ConfigFile(R"({"a":0})", "vocab.json"));
  const auto spell = [&](const std::string& text) { return bounded(text.size(), [&] { (void)words.spell(text); }); };
  CHECK(spell("a\x1b[2Ja") == "unknown_symbol");
  CHECK(spell("a\x7f\u009b31m") == "unknown_symbol");
  CHECK(spell("a\na") == "unknown_symbol");
  std::string many;  // a million characters, none of them twice in 60,000
  for (int i = 0; i < 1000000; ++i) {
    const int c = 0x10000 + i % 60000;
    for (const int byte : {0xf0 | c >> 18, 0x80 | (c >> 12 & 63), 0x80 | (c >> 6 & 63), 0x80 | (c & 63)})
      many += static_cast<char>(byte);
  }
  CHECK(spell(many) == "unknown_symbol");
}

#if __has_include(<utf8proc.h>)
TEST_CASE("no text takes WordPiece longer than its length justifies") {
  const vt::WordPiece tokenizer({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##a"},
                                {.max_word_length = 1 << 24});  // so that a long word is looked at
  const auto encode = [&](const std::string& text) {
    std::size_t ids = 0;
    CHECK(bounded(text.size(), [&] { ids = tokenizer.encode(text).size(); }) == "no error");
    return ids;
  };
  CHECK(encode(repeat("[MASK]", 170000)) == 170002);
  CHECK(encode(std::string(300000, 'a')) == 300002);
  CHECK(encode(std::string(300000, 'b')) == 3);
  CHECK(encode(std::string("a") + repeat("\u0301", 150000) + repeat("\u0323", 150000)) == 3);  // marks out of order
  CHECK(encode(repeat("\ufdfa", 100000)) > 2);  // one that decomposes to eighteen
}

TEST_CASE("a tokenizer.json's numbers are in range") {
  const Scratch scratch;
  const auto open = [&](const std::string& words, const std::string& id) {
    const std::string text =
        R"({"normalizer":{"type":"BertNormalizer"},"pre_tokenizer":{"type":"BertPreTokenizer"},"model":{"type":"WordPiece","max_input_chars_per_word":)" +
        words + R"(,"vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"a":)" + id + "}}}";
    scratch.write("tokenizer.json", text);
    return bounded(text.size(), [&] { vt::WordPiece tokenizer(scratch.folder); });
  };
  CHECK(open("100", "3") == "no error");
  CHECK(open("-1", "3") == "config_bad_value");
  CHECK(open("9223372036854775808", "3") == "config_bad_value");
  CHECK(open("1e2", "3") == "config_bad_value");
  CHECK(open("100", "16777216") == "bad_vocabulary");
  CHECK(open("100", "-1") == "bad_vocabulary");
  CHECK(open("100", "18446744073709551615") == "bad_vocabulary");
}
#endif
