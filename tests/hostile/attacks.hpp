// Files made to harm a reader, as code: what each is, its bytes, and the name of the error that must refuse it.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

struct Attack {
  std::string what, bytes, error;
};

namespace attack {

inline std::string little(std::uint64_t number, std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>(number >> (8 * i) & 0xff);
  return text;
}

/// A safetensors file of this header and `data_bytes` bytes of data.
inline std::string file(const std::string& header, std::size_t data_bytes = 0) {
  return little(header.size(), 8) + header + std::string(data_bytes, '\1');
}

/// One F32 tensor "a" of these fields' values.
inline std::string tensor(const std::string& shape, const std::string& offsets, const std::string& dtype = "\"F32\"") {
  return std::string(R"({"a":{"dtype":)") + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

/// Two U8 tensors.
inline std::string pair(const std::string& first, const std::string& second, int size_of_first = 4,
                        int size_of_second = 4) {
  const auto entry = [](int size, const std::string& offsets) {
    return std::string(R"({"dtype":"U8","shape":[)") + std::to_string(size) + R"(],"data_offsets":)" + offsets + "}";
  };
  return std::string("{\"a\":") + entry(size_of_first, first) + ",\"b\":" + entry(size_of_second, second) + "}";
}

inline std::string repeat(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

}  // namespace attack

/// Files that must be refused: the reference implementation's attacks/ and more, one entry for each way in.
inline std::vector<Attack> safetensors_attacks() {
  using namespace attack;
  const std::string good = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  std::vector<Attack> list = {
      {"no bytes", "", "header_too_short"},
      {"seven bytes", std::string(7, '\0'), "header_too_short"},
      {"length of all ones", std::string(8, '\xff') + "{}", "header_too_large"},
      {"length of 2^63", little(1ull << 63, 8) + "{}", "header_too_large"},
      {"length just above the limit", little(100'000'001, 8) + "{}", "header_too_large"},
      {"length of the limit in a small file", little(100'000'000, 8) + "{}", "header_past_end"},
      {"length one past the end", little(3, 8) + "{}", "header_past_end"},

      {"empty header", little(0, 8), "header_not_object"},
      {"an array", file("[]"), "header_not_object"},
      {"a number", file("1"), "header_not_object"},
      {"a byte order mark", file("\xef\xbb\xbf{}"), "header_not_object"},
      {"a brace that never closes", file("{"), "header_not_json"},
      {"text after it", file("{} x"), "header_not_json"},
      {"a second object after it", file("{}{}"), "header_not_json"},
      {"NUL after it", file(std::string("{}\0garbage", 10)), "header_not_json"},
      {"NUL as padding", file(std::string("{}\0\0\0\0\0\0", 8)), "header_not_json"},
      {"a comment", file("{/**/}"), "header_not_json"},
      {"a trailing comma", file(std::string("{\"a\":") + good + ",}", 4), "header_not_json"},
      {"a bare name", file(std::string("{a:") + good + "}", 4), "header_not_json"},
      {"NaN", file(tensor("[NaN]", "[0,4]"), 4), "header_not_json"},
      {"a leading zero", file(tensor("[01]", "[0,4]"), 4), "header_not_json"},
      {"a string that never ends", file("{\"a"), "header_not_json"},
      {"half an escape", file("{\"\\u12"), "header_not_json"},
      {"a lone surrogate in an escape", file(std::string("{\"\\ud800\":") + good + "}", 4), "header_not_json"},
      {"a control character in a name", file(std::string("{\"\n\":") + good + "}", 4), "header_not_json"},

      {"a stray continuation byte", file(std::string("{\"\x80\":") + good + "}", 4), "header_not_utf8"},
      {"an overlong slash", file(std::string("{\"\xc0\xaf\":") + good + "}", 4), "header_not_utf8"},
      {"an encoded surrogate", file(std::string("{\"\xed\xa0\x80\":") + good + "}", 4), "header_not_utf8"},
      {"above U+10FFFF", file(std::string("{\"\xf4\x90\x80\x80\":") + good + "}", 4), "header_not_utf8"},
      {"a sequence cut off by the end", file("{\"a\":\"\xe2\x82"), "header_not_utf8"},
      {"a bad byte outside strings", file("{}\xff"), "header_not_utf8"},

      {"100000 arrays", file(std::string("{\"a\":") + repeat("[", 100000)), "nesting_too_deep"},
      {"100000 objects", file(repeat("{\"a\":", 100000)), "nesting_too_deep"},
      {"closed nesting in the metadata",
       file(std::string("{\"__metadata__\":{\"k\":") + repeat("[", 200) + repeat("]", 200) + "}}"), "nesting_too_deep"},
      {"closed nesting in a field that is not known",
       file(tensor("[1]", std::string("[0,4],\"x\":") + repeat("[", 200) + repeat("]", 200)), 4), "nesting_too_deep"},
      {"a number too large in a field that is not known", file(tensor("[1]", "[0,4],\"x\":1e999"), 4),
       "header_not_json"},
      {"a field that is not known, and none of the others",
       file(R"({"a":{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}})", 4), "bad_tensor_entry"},

      {"a name twice, whose last does not cover the first",
       file(std::string("{\"a\":") + good + ",\"a\":" + R"({"dtype":"U8","shape":[4],"data_offsets":[4,8]})" + "}", 8),
       "offsets_hole"},
      {"a name twice, in other places",
       file(
           R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},)"
           R"("a":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
           3),
       "offsets_hole"},
      {"metadata twice", file(R"({"__metadata__":{},"__metadata__":{}})"), "duplicate_name"},
      {"metadata twice, null first", file(R"({"__metadata__":null,"__metadata__":{}})"), "duplicate_name"},
      {"metadata twice, null last", file(R"({"__metadata__":{},"__metadata__":null})"), "duplicate_name"},
      {"a field twice", file(R"({"a":{"dtype":"F32","dtype":"U8","shape":[1],"data_offsets":[0,4]}})", 4),
       "duplicate_name"},

      {"metadata: a number", file(R"({"__metadata__":{"k":1}})"), "metadata_not_strings"},
      {"metadata: true", file(R"({"__metadata__":{"k":true}})"), "metadata_not_strings"},
      {"metadata: null", file(R"({"__metadata__":{"k":null}})"), "metadata_not_strings"},
      {"metadata: an object", file(R"({"__metadata__":{"k":{}}})"), "metadata_not_strings"},
      {"metadata: an array", file(R"({"__metadata__":{"k":["v"]}})"), "metadata_not_strings"},
      {"metadata itself a string", file(R"({"__metadata__":"k"})"), "metadata_not_strings"},
      {"metadata itself an array", file(R"({"__metadata__":[]})"), "metadata_not_strings"},

      {"an entry that is null", file(R"({"a":null})"), "bad_tensor_entry"},
      {"an entry that is a string", file(R"({"a":"F32"})"), "bad_tensor_entry"},
      {"an entry that is an array", file(R"({"a":[]})"), "bad_tensor_entry"},
      {"an empty entry", file(R"({"a":{}})"), "bad_tensor_entry"},
      {"no dtype", file(R"({"a":{"shape":[1],"data_offsets":[0,4]}})", 4), "bad_tensor_entry"},
      {"no shape", file(R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4), "bad_tensor_entry"},
      {"no offsets", file(R"({"a":{"dtype":"F32","shape":[1]}})", 4), "bad_tensor_entry"},
      {"dtype: null", file(tensor("[1]", "[0,4]", "null"), 4), "bad_tensor_entry"},
      {"offsets: null", file(tensor("[1]", "null"), 4), "bad_tensor_entry"},
      {"dtype: a number", file(tensor("[1]", "[0,4]", "32"), 4), "bad_tensor_entry"},
      {"dtype: an array", file(tensor("[1]", "[0,4]", "[\"F32\"]"), 4), "bad_tensor_entry"},
      {"one offset", file(tensor("[1]", "[4]"), 4), "bad_tensor_entry"},
      {"three offsets", file(tensor("[1]", "[0,4,4]"), 4), "bad_tensor_entry"},
      {"offsets: a number", file(tensor("[1]", "4"), 4), "bad_tensor_entry"},
      {"offsets: strings", file(tensor("[1]", "[\"0\",\"4\"]"), 4), "bad_tensor_entry"},
      {"offsets: a fraction", file(tensor("[1]", "[0,4.0]"), 4), "bad_tensor_entry"},

      {"a negative extent", file(tensor("[-1]", "[0,4]"), 4), "bad_shape"},
      {"two negative extents", file(tensor("[-1,-1]", "[0,4]"), 4), "bad_shape"},
      {"a fraction as extent", file(tensor("[1.0]", "[0,4]"), 4), "bad_shape"},
      {"an exponent as extent", file(tensor("[1e2]", "[0,400]"), 400), "bad_shape"},
      {"a string as extent", file(tensor("[\"1\"]", "[0,4]"), 4), "bad_shape"},
      {"null as extent", file(tensor("[null]", "[0,4]"), 4), "bad_shape"},
      {"nested extents", file(tensor("[[1]]", "[0,4]"), 4), "bad_shape"},
      {"a shape that is a number", file(tensor("1", "[0,4]"), 4), "bad_shape"},
      {"a shape that is null", file(tensor("null", "[0,4]"), 4), "bad_shape"},
      {"an extent of 2^63", file(tensor("[9223372036854775808]", "[0,4]"), 4), "shape_overflow"},
      {"an extent of 2^64", file(tensor("[18446744073709551616]", "[0,4]"), 4), "shape_overflow"},
      {"an extent of 2^64 + 1", file(tensor("[18446744073709551617]", "[0,4]"), 4), "shape_overflow"},
      {"a product of 2^64", file(tensor("[4294967296,4294967296]", "[0,0]")), "shape_overflow"},
      {"a product that wraps to one", file(tensor("[6700417,641,4294967297,4294967297]", "[0,4]"), 4),
       "shape_overflow"},
      {"bytes that wrap to four", file(tensor("[4611686018427387905]", "[0,4]"), 4), "shape_overflow"},
      {"an overflow behind a zero", file(tensor("[4294967296,4294967296,0]", "[0,0]")), "shape_overflow"},
      {"an overflow after a zero", file(tensor("[0,4294967296,4294967296]", "[0,0]")), "shape_overflow"},

      {"fewer bytes than the shape needs", file(tensor("[2]", "[0,4]"), 4), "size_mismatch"},
      {"more bytes than the shape needs", file(tensor("[1]", "[0,8]"), 8), "size_mismatch"},
      {"no bytes for a scalar", file(tensor("[]", "[0,0]")), "size_mismatch"},
      {"bytes for an empty tensor", file(tensor("[0]", "[0,4]"), 4), "size_mismatch"},
      {"half a byte", file(tensor("[3]", "[0,2]", "\"F4\""), 2), "size_mismatch"},
      {"an 8-bit type of the wrong size", file(tensor("[3]", "[0,4]", "\"F8_E4M3\""), 4), "size_mismatch"},

      {"an end past the data", file(tensor("[2]", "[0,8]"), 4), "offsets_out_of_range"},
      {"an end of 2^64 - 1", file(tensor("[1]", "[0,18446744073709551615]"), 4), "offsets_out_of_range"},
      {"an end of 2^64", file(tensor("[1]", "[0,18446744073709551616]"), 4), "offsets_out_of_range"},
      {"a begin that wraps the end", file(tensor("[1]", "[18446744073709551612,4]"), 4), "offsets_out_of_range"},
      {"an end before its begin", file(tensor("[0]", "[4,0]"), 4), "offsets_out_of_range"},
      {"a negative offset", file(tensor("[1]", "[-4,0]"), 4), "offsets_out_of_range"},
      {"a tensor without data", file(tensor("[1]", "[0,4]")), "offsets_out_of_range"},

      {"the same bytes twice", file(pair("[0,4]", "[0,4]"), 4), "offsets_overlap"},
      {"an overlap of one byte", file(pair("[0,4]", "[3,7]"), 7), "offsets_overlap"},
      {"one inside the other", file(pair("[0,4]", "[1,3]", 4, 2), 4), "offsets_overlap"},
      {"an empty one inside the other", file(pair("[0,4]", "[2,2]", 4, 0), 4), "offsets_overlap"},
      {"a hole at the start", file(tensor("[1]", "[4,8]"), 8), "offsets_hole"},
      {"a hole in the middle", file(pair("[0,4]", "[5,9]"), 9), "offsets_hole"},
      {"an empty one past the rest", file(pair("[0,4]", "[5,5]", 4, 0), 5), "offsets_hole"},
      {"bytes after the last tensor", file(tensor("[1]", "[0,4]"), 5), "trailing_bytes"},
      {"bytes and no tensor", file("{}", 1), "trailing_bytes"},
  };
  return list;
}

/// Odd files that are right and must load.
inline std::vector<std::pair<std::string, std::string>> odd_safetensors() {
  using namespace attack;
  return {
      {"no tensor", file("{}")},
      {"spaces after the header", file(tensor("[1]", "[0,4]") + std::string(100, ' '), 4)},
      {"spaces inside the header",
       file("{ \"a\" :\n{\t\"dtype\":\"F32\" , \"shape\" : [ 1 ],\r\"data_offsets\":[0 , 4]} }", 4)},
      {"a scalar", file(tensor("[]", "[0,4]"), 4)},
      {"an empty tensor", file(tensor("[3,0,5]", "[0,0]"))},
      {"empty tensors everywhere", file(pair("[0,0]", "[0,4]", 0, 4), 4)},
      {"an empty tensor at the end", file(pair("[0,4]", "[4,4]", 4, 0), 4)},
      {"names out of order", file(pair("[4,8]", "[0,4]"), 8)},
      {"an odd start of the data", file(tensor("[1]", "[0,4]") + " ", 4)},
      {"a name of many kinds of characters",
       file("{\"\\u00e9\\\"\xf0\x9f\x98\x80\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4)},
      // What the reference, safetensors 0.8, reads as well.
      {"65 dimensions", file(tensor(std::string("[") + repeat("1,", 64) + "1]", "[0,4]"), 4)},
      {"1000 dimensions", file(tensor(std::string("[") + repeat("1,", 999) + "1]", "[0,4]"), 4)},
      {"spaces before the header", file(std::string("\n\t  ") + tensor("[1]", "[0,4]"), 4)},
      {"metadata itself null", file(R"({"__metadata__":null})")},
      {"a key of the metadata twice", file(R"({"__metadata__":{"k":"1","k":"2"}})")},
      {"a field that is not known", file(tensor("[1]", "[0,4],\"x\":1"), 4)},
      {"a field that is not known and null", file(tensor("[1]", "[0,4],\"x\":null"), 4)},
      {"fields that are not known, with much in them",
       file(tensor("[1]", R"([0,4],"x":{"y":[1,-2,0.5,{"z":null,"shape":"s"}],"t":true},"x":[],"data":{},"y":"s")"),
            4)},
      {"a field that is not known in front",
       file(R"({"a":{"x":[[]],"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4)},
      {"100 levels in a field that is not known",
       file(tensor("[1]", std::string("[0,4],\"x\":") + repeat("[", 100) + repeat("]", 100)), 4)},
      {"an empty name", file("{\"\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4)},
      {"brackets inside strings", file(std::string("{\"__metadata__\":{\"k\":\"") + repeat("[{", 500) + "\\\"\"}}")},
  };
}
