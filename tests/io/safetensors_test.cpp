#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>
#include <vitrine/io/safetensors.hpp>
#include <vitrine/io/safetensors_header.hpp>
#include <vitrine/io/safetensors_writer.hpp>

#include "scratch.hpp"

namespace vt = vitrine;
using vt::Index;

namespace {

const std::string two_tensors = container(
    R"({"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"k":"v"},"a":{"dtype":"U8","shape":[],"data_offsets":[8,9]}}   )",
    std::string("\0\0\x80\x3f\0\0\0\xc0\x07", 9));

std::string one_tensor(const std::string& name) {
  return container(std::string("{\"") + name + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x");
}

template <class T>
concept gives_views = requires(T file) {
  std::forward<T>(file).find("a");
};

}  // namespace

TEST_CASE("a file: names, types, shapes, values, metadata") {
  const Scratch scratch;
  const vt::SafeTensors file(scratch.write("x.safetensors", two_tensors));
  CHECK(file.names() == std::vector<std::string>{"a", "b"});
  CHECK(file.tensors().size() == 2);
  CHECK(file.metadata().at("k") == "v");
  CHECK(file.contains("a"));
  CHECK(file.find("c") == nullptr);
  const vt::TensorView& b = file.at("b");
  CHECK(b.dtype == vt::DType::F32);
  CHECK(b.shape == std::vector<Index>{2});
  CHECK(b.nbytes == 8);
  CHECK(b.to_vector<float>() == std::vector<float>{1, -2});
  CHECK(file.at("a").shape.empty());
  CHECK(file.at("a").to_vector<int>() == std::vector<int>{7});
  file.release_pages(b);
  CHECK(b.to_vector<double>() == std::vector<double>{1, -2});
}

TEST_CASE("copies share the file and keep it open") {
  const Scratch scratch;
  auto file = std::make_unique<vt::SafeTensors>(scratch.write("x.safetensors", two_tensors));
  const vt::SafeTensors copy = *file;
  const vt::TensorView& view = copy.at("b");
  CHECK(view.data == file->at("b").data);
  file.reset();
  CHECK(view.to_vector<float>()[1] == -2);
}

TEST_CASE("bytes in memory, at any alignment, are read in place") {
  const std::string shifted = std::string("x") + two_tensors;
  const auto bytes = std::as_bytes(std::span(shifted)).subspan(1);
  const vt::SafeTensors file(bytes, "flash");
  CHECK(file.at("a").data == bytes.data() + bytes.size() - 1);
  CHECK(file.at("b").to_vector<float>()[0] == 1);
  file.release_pages(file.at("b"));
  std::string message;
  CHECK(error_of([&] { file.at("bb"); }, &message) == "no_such_tensor");
  CHECK(message == R"(no_such_tensor: flash: has no tensor "bb", of its 2 the nearest are: "b", "a")");
}

TEST_CASE("a view cannot be taken from a temporary") {
  CHECK(gives_views<vt::SafeTensors&>);
  CHECK(gives_views<const vt::SafeTensors&>);
  CHECK(!gives_views<vt::SafeTensors>);
}

TEST_CASE("values that are not finite load") {
  const std::string data("\0\0\xc0\x7f\0\0\x80\xff", 8);
  const std::string bytes = container(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", data);
  const vt::SafeTensors file(std::as_bytes(std::span(bytes)));
  const auto values = file.at("x").to_vector<float>();
  CHECK(std::isnan(values[0]));
  CHECK((std::isinf(values[1]) && values[1] < 0));
}

TEST_CASE("trailing bytes only when asked for") {
  const std::string bytes = two_tensors + "??";
  CHECK(error_of([&] { vt::SafeTensors{std::as_bytes(std::span(bytes))}; }) == "trailing_bytes");
  CHECK(vt::SafeTensors(std::as_bytes(std::span(bytes)), "x", {.allow_trailing_bytes = true}).names().size() == 2);
}

// The values are what safetensors 0.8's Python package reads.
TEST_CASE("of a tensor that is there twice the last holds") {
  const auto values = [](const std::string& header, const std::string& data) {
    const std::string bytes = container(header, data);
    const vt::SafeTensors file(std::as_bytes(std::span(bytes)));
    return file.at("a").to_vector<int>();
  };
  const std::string first = R"({"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  const std::string both = R"({"dtype":"U8","shape":[2],"data_offsets":[0,2]})";
  const std::string wrong = R"({"dtype":"F32","shape":[7],"data_offsets":[0,400]})";
  using Values = std::vector<int>;
  CHECK(values("{\"a\":" + first + ",\"a\":" + first + "}", "\1") == Values{1});
  CHECK(values("{\"a\":" + first + ",\"a\":" + both + "}", "\1\2") == Values{1, 2});
  CHECK(values("{\"a\":" + wrong + ",\"\\u0061\":" + both + "}", "\1\2") == Values{1, 2});
  CHECK(values(std::string("{\"b\":") + R"({"dtype":"U8","shape":[1],"data_offsets":[2,3]})" + ",\"a\":" + first +
                   ",\"a\":" + both + "}",
               "\1\2\3") == Values{1, 2});
}

TEST_CASE("a folder: model.safetensors, or an index and its shards") {
  const Scratch scratch;
  scratch.write("s1.safetensors", one_tensor("a"));
  scratch.write("s2.safetensors", one_tensor("b"));
  const auto index = [&](const std::string& map) { scratch.write("model.safetensors.index.json", map); };
  const auto open = [&] { vt::SafeTensors{scratch.folder}; };
  index(
      R"({"metadata":{"total_size":2,"more":[1,{"x":null},-1,0.5,true]},"weight_map":{"b":"s2.safetensors","a":"s1.safetensors"}})");
  const vt::SafeTensors file(scratch.folder);
  CHECK(file.names() == std::vector<std::string>{"a", "b"});
  CHECK(file.at("b").to_vector<int>() == std::vector<int>{'x'});
  CHECK(*file.at("b").file == (scratch / "s2.safetensors").string());
  CHECK(vt::SafeTensors(scratch / "model.safetensors.index.json").names().size() == 2);

  // As Transformers 5.23: the index says which shards there are, and the shards which tensors.
  std::string message;
  index(R"({"weight_map":{"a":"s1.safetensors","c":"s2.safetensors"}})");
  CHECK(vt::SafeTensors(scratch.folder).names() == std::vector<std::string>{"a", "b"});
  CHECK(error_of(
            [&] {
              const vt::SafeTensors named(scratch.folder);
              (void)named.at("c");
            },
            &message) == "no_such_tensor");
  index(R"({"weight_map":{"a":"./s2.safetensors","b":"s1.safetensors","c":"s2.safetensors"}})");
  CHECK(vt::SafeTensors(scratch.folder).names() == std::vector<std::string>{"a", "b"});
  std::filesystem::create_directories(scratch / "parts");
  scratch.write(
      "parts/s3.safetensors",
      container(
          R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"z":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
          "y"));
  index(R"({"weight_map":{"z":"parts/s3.safetensors","b":"s2.safetensors"}})");
  CHECK(vt::SafeTensors(scratch.folder).names() == std::vector<std::string>{"a", "b", "z"});
  index(R"({"weight_map":{"a":"s1.safetensors","z":"parts/s3.safetensors"}})");  // of two the last shard's holds
  CHECK([&] {
    const vt::SafeTensors both(scratch.folder);
    return both.at("a").to_vector<int>();
  }() == std::vector<int>{'x'});
  index(R"({"weight_map":{"a":"s9.safetensors"}})");
  CHECK(error_of(open) == "file_missing");
  for (const std::string bad :
       {R"({"weight_map":{"a":"../s1.safetensors"}})", R"({"weight_map":{"a":"/etc/passwd"}})",
        R"({"weight_map":{"a":""}})", R"({"weight_map":{"a":"x/../../s1.safetensors"}})",
        R"({"weight_map":{"a":"parts/"}})", R"({"weight_map":{"a":"s\u0000"}})", R"({"weight_map":{"a":1}})",
        R"({"weight_map":{"a":{"b":"s1"}}})", R"({"weight_map":["s1"]})", R"({"weight_map":"s1"})",
        R"({"weight_map":{}})", R"({})", R"({"a":"b"})"}) {
    CAPTURE(bad);
    index(bad);
    CHECK(error_of(open) == "bad_index");
  }
  const auto names = [&](const std::string& map) {  // as Python's json: the last holds
    index(map);
    return vt::SafeTensors(scratch.folder).names();
  };
  CHECK(names(R"({"weight_map":{"a":"s9.safetensors","a":"s1.safetensors"}})") == std::vector<std::string>{"a"});
  CHECK(names(R"({"weight_map":{"a":"s9.safetensors"},"weight_map":{"b":"s2.safetensors"}})") ==
        std::vector<std::string>{"b"});
  index(R"({"weight_map":{"a":"s1.safetensors"},"weight_map":{}})");
  CHECK(error_of(open) == "bad_index");
  index("{");
  CHECK(error_of(open) == "header_not_json");
  index(std::string("[") + std::string(100, '['));
  CHECK(error_of(open) == "nesting_too_deep");
  std::filesystem::resize_file(scratch / "model.safetensors.index.json", vt::max_safetensors_header + 1);
  CHECK(error_of(open) == "header_too_large");
  scratch.write("model.safetensors", one_tensor("whole"));
  CHECK(vt::SafeTensors(scratch.folder).names() == std::vector<std::string>{"whole"});
}

TEST_CASE("a pickle is refused with the command that converts it") {
  const Scratch scratch;
  std::string message;
  for (const char* name : {"pytorch_model.bin", "a.pt", "a.pth", "a.ckpt"}) {
    const auto path = scratch.write(name, "PK");
    CHECK(error_of([&] { vt::SafeTensors{path}; }, &message) == "only_pickle");
    CHECK(message.ends_with(std::string("python3 examples/python/to_safetensors.py ") + path.string()));
  }
  CHECK(error_of([&] { vt::SafeTensors{scratch.folder}; }, &message) == "only_pickle");
  CHECK(message.ends_with(std::string("python3 examples/python/to_safetensors.py ") + scratch.folder.string()));
  std::filesystem::remove(scratch / "pytorch_model.bin");  // without it nothing says which of the others is the model
  CHECK(error_of([&] { vt::SafeTensors{scratch.folder}; }, &message) == "only_pickle");
  CHECK(message.find("a.ckpt and others") != std::string::npos);
  CHECK(message.ends_with((scratch / "a.ckpt").string() + " --output " + (scratch / "model.safetensors").string()));
  CHECK(error_of([&] { vt::SafeTensors(scratch / "none.bin"); }) == "file_missing");
  std::filesystem::create_directory(scratch / "it's here");
  const auto odd = scratch.write("it's here/a.pt", "");
  CHECK(error_of([&] { vt::SafeTensors{odd}; }, &message) == "only_pickle");
  CHECK(message.ends_with(std::string("to_safetensors.py '") + (scratch / "it'\\''s here/a.pt").string() + "'"));
}

TEST_CASE("a folder without a model says what it holds") {
  const Scratch scratch;
  std::string message;
  CHECK(error_of([&] { vt::SafeTensors{scratch.folder}; }, &message) == "file_missing");
  CHECK(message.ends_with("holds neither model.safetensors nor model.safetensors.index.json"));
  scratch.write("adapter.safetensors", two_tensors);
  CHECK(error_of([&] { vt::SafeTensors{scratch.folder}; }, &message) == "file_missing");
  CHECK(message.ends_with("; name one of its files: adapter.safetensors"));
  CHECK(error_of([&] { vt::SafeTensors(scratch / "none.safetensors"); }) == "file_missing");
}

TEST_CASE("metadata: the last of a key holds") {
  const std::string bytes = container(R"({"__metadata__":{"k":"1","j":"0","k":"2"}})");
  const vt::SafeTensors file(std::as_bytes(std::span(bytes)));
  CHECK(file.metadata().at("k") == "2");
  CHECK(file.metadata().size() == 2);
}

TEST_CASE("a tensor's fields may be a list, and its type an object, as in the reference") {
  const auto opened = [](const std::string& header) {
    const std::string bytes = container(header, "abcdefgh");
    const vt::SafeTensors file(std::as_bytes(std::span(bytes)));
    const vt::TensorView& tensor = file.at("a");
    return tensor.dtype == vt::DType::F32 && tensor.shape == std::vector<vt::Index>{1, 2} && tensor.nbytes == 8;
  };
  CHECK(opened(R"({"a":["F32",[1,2],[0,8]]})"));
  CHECK(opened(R"({"z":["F32",[0],[8,8]],"a":{"dtype":{"F32":null},"shape":[1,2],"data_offsets":[0,8]}})"));
  CHECK(opened(R"({"a":[{"F32":null},[1,2],[0,8]],"z":{"data_offsets":[8,8],"shape":[0],"dtype":"I8"}})"));
  for (const char* bad :
       {R"({"a":["F32",[1,2]]})", R"({"a":["F32"]})", R"({"a":["F32",[1,2],[0,8],1]})",
        R"({"a":["F32",[1,2],[0,8],"x"]})", R"({"a":["F32",[1,2],[0,8],[]]})", R"({"a":["F32",[1,2],[0,8],{}]})",
        R"({"a":["F32",[1,2],[0,8],null]})", R"({"a":[[1,2],"F32",[0,8]]})", R"({"a":["F32",[1,2],[0]]})",
        R"({"a":["F32","F32",[0,8]]})", R"({"a":[{},[1,2],[0,8]]})", R"({"a":[{"F32":null,"F16":null},[1,2],[0,8]]})",
        R"({"a":[{"F32":1},[1,2],[0,8]]})", R"({"a":[{"F32":{}},[1,2],[0,8]]})", R"({"a":[{"F32":[]},[1,2],[0,8]]})",
        R"({"a":[{"F32":"x"},[1,2],[0,8]]})"}) {
    CAPTURE(bad);
    const std::string code = error_of([&] { opened(bad); });
    CHECK((code == "bad_tensor_entry" || code == "bad_shape"));
  }
}

TEST_CASE("what is no safetensors file is called what it is") {
  const Scratch scratch;
  const auto message_of = [&](const std::string& bytes) {
    std::string message;
    CHECK(error_of([&] { vt::SafeTensors(scratch.write("model.safetensors", bytes)); }, &message) != "no error");
    return message;
  };
  const auto says = [&](const std::string& bytes, const std::string& part) {
    CHECK(message_of(bytes).find(part) != std::string::npos);
  };
  const std::string rest(64, 'x');
  says(std::string("\x93NUMPY\x01\x00", 8) + rest, "is a NumPy array (.npy), which vt::Npy reads, and not safetensors");
  says(std::string("PK\3\4\x14\0\0\0\0\0", 10) + std::string(20, '\0') + "a.npy" + rest,
       "is an archive of NumPy arrays (.npz)");
  says(std::string("PK\3\4\x14\0\0\0\0\0", 10) + std::string(20, '\0') + "archive/data.pkl" + rest, "is a zip archive");
  says("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n", "is a Git LFS pointer");
  says("<!DOCTYPE html><html></html>", "is a web page");
  says("\x89HDF\r\n\x1a\n" + rest, "is an HDF5 file");
  says(std::string("GGUF\3\0\0\0", 8) + rest, "is a GGUF file");
  says(std::string("\x80\x02\x8a\x0alFc", 7) + rest, "is a Python pickle");
  says("short", "has 5 bytes");
  std::string message;
  CHECK(error_of([&] { vt::SafeTensors{"no-such-owner/no-such-model"}; }, &message) == "file_missing");
  CHECK(message.find("hf download no-such-owner/no-such-model --local-dir no-such-model") != message.npos);
  CHECK(error_of([&] { vt::SafeTensors{"no-such-file.safetensors"}; }, &message) == "file_missing");
  CHECK(message.find("hf download") == message.npos);
}
