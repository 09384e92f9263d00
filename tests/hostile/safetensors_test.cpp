// Every attack is refused by its name, without more memory than the file's size justifies; nor does any damaged file do
// worse.
#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>
#include <vitrine/io/load.hpp>
#include <vitrine/io/safetensors.hpp>
#include <vitrine/layers/layer_norm.hpp>

#include "../io/scratch.hpp"
#include "allocation.hpp"
#include "attacks.hpp"

namespace vt = vitrine;

namespace {

void open(const std::string& bytes) { vt::SafeTensors(std::as_bytes(std::span(bytes)), "file"); }

}  // namespace

TEST_CASE("each attack is refused by its name") {
  for (const Attack& attack : safetensors_attacks()) {
    CAPTURE(attack.what);
    std::string message;
    CHECK(error_of([&] { open(attack.bytes); }, &message) == attack.error);
    CHECK(message.starts_with(attack.error + ": file: "));
    CHECK(message.size() < 1000);
    CHECK(message.find_first_of(std::string("\n\x1b\0", 3)) == std::string::npos);
  }
}

TEST_CASE("no attack gets more memory than its size justifies") {
  for (const Attack& attack : safetensors_attacks()) {
    CAPTURE(attack.what);
    const std::size_t before = start_counting_allocation();
    error_of([&] { open(attack.bytes); });
    CHECK(peak_allocation() - before < 32768 + 16 * attack.bytes.size());
  }
}

TEST_CASE("the same through a file") {
  const Scratch scratch;
  for (const Attack& attack : safetensors_attacks()) {
    CAPTURE(attack.what);
    const auto path = scratch.write("x.safetensors", attack.bytes);
    CHECK(error_of([&] { vt::SafeTensors{path}; }) == attack.error);
  }
}

TEST_CASE("odd files that are right load") {
  for (const auto& odd : odd_safetensors()) {
    CAPTURE(odd.first);
    CHECK(error_of([&] { open(odd.second); }) == "no error");
  }
}

TEST_CASE("a type that nobody knows is an error on access, not on opening") {
  for (const char* dtype : {"F8_E4M3", "Q4_K", ""}) {
    const std::string bytes =
        attack::file(attack::tensor("[4]", "[0,4]", std::string("\"") + std::string(dtype) + "\""), 4);
    const vt::SafeTensors file(std::as_bytes(std::span(bytes)));
    CHECK(file.at("a").dtype == vt::DType::unknown);
    CHECK(file.at("a").dtype_name == dtype);
    CHECK(error_of([&] { file.at("a").to_vector<float>(); }) == "unknown_dtype");
  }
}

TEST_CASE("a type's name reaches no terminal as it is, however long") {  // found by the fuzzer: DEL in a layer's type
  const std::string dtype = "\"F3\x7f\\n\\u009b" + attack::repeat("x", 100000) + '"';
  const std::string bytes = attack::file(R"({"weight":{"dtype":)" + dtype + R"(,"shape":[4],"data_offsets":[0,16]},)" +
                                             R"("bias":{"dtype":"F32","shape":[4],"data_offsets":[16,32]}})",
                                         32);
  const vt::SafeTensors file(std::as_bytes(std::span(bytes)), "file");
  vt::LayerNorm<float> norm(4);
  std::string message;
  CHECK(error_of([&] { vt::load(norm, file); }, &message) == "wrong_dtype");
  CHECK(message.find(R"("weight": "F3\x7f\x0a\xc2\x9bxxx)") != std::string::npos);
  CHECK(message.size() < 1000);
}

TEST_CASE("a file cut off anywhere is refused") {
  const std::string whole = attack::file(attack::pair("[0,4]", "[4,8]"), 8);
  open(whole);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK(error_of([&] { open(whole.substr(0, size)); }) != "no error");
  }
}

TEST_CASE("a damaged file is read or refused by name, and never worse") {
  const std::string whole =
      attack::file(std::string("{\"__metadata__\":{\"k\":\"v\"},") + attack::pair("[0,4]", "[4,8]").substr(1), 8);
  std::mt19937 generator(1);
  const auto random = [&] { return static_cast<unsigned>(generator()); };
  int read = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = whole;
    for (unsigned changes = 1 + random() % 3; changes > 0; --changes) {
      const std::size_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, 1 + random() % 4);
          break;
        case 2:
          bytes.insert(at, 1, static_cast<char>(random() % 128));
          break;
        default:
          bytes[at] = static_cast<char>(bytes[at] ^ static_cast<char>(1 << random() % 8));
          break;
      }
      if (bytes.size() < 8) break;
    }
    // Anything but vt::Error would end the test here.
    read += error_of([&] {
              const vt::SafeTensors file(std::as_bytes(std::span(bytes)));
              for (const vt::TensorView& view : file.tensors()) view.to_vector<double>();
            }) == "no error";
  }
  CHECK(read > 0);
}
