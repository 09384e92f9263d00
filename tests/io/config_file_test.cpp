#include <doctest/doctest.h>

#include <string>
#include <vitrine/io/config_file.hpp>

#include "refused_config.hpp"
#include "scratch.hpp"

namespace vt = vitrine;
using vt::Index;

TEST_CASE("files that are no configuration") {
  const Scratch scratch;
  const auto open = [&](const std::string& text) {
    return error_of([&] { vt::ConfigFile file(scratch.write("config.json", text)); });
  };
  CHECK(error_of([&] { vt::ConfigFile file(scratch / "nothing.json"); }) == "config_missing");
  CHECK(open("{}") == "no error");
  for (const char* bad : {"", "{", "[1]", "3", "{\"a\": }", "{\"a\": 1} x", "\xff{}", "{\"a\": \"\xc0\"}"})
    CHECK(open(bad) == "config_not_json");
  CHECK(open(std::string("{\"a\":") + std::string(100, '[') + std::string(100, ']') + "}") == "config_not_json");
}

TEST_CASE("values by key") {
  const auto file = config(R"({"n": 3, "x": 0.5, "yes": true, "none": null, "text": "t", "big": 99999999999, "neg": -1,
                               "huge": 18446744073709551615, "ids": [1, 2], "one": 7, "lists": [[1], [2, 3]],
                               "bad_lists": [[1], []], "bad_ids": [1, "a"], "half": 1.5})");
  CHECK(file.integer("n") == 3);
  CHECK(file.integer("none", 8) == 8);
  CHECK(file.integer("gone", 9) == 9);
  CHECK(file.number("x") == 0.5);
  CHECK(file.number("n") == 3);
  CHECK(file.boolean("yes", false));
  CHECK(file.text("text", "") == "t");
  CHECK(file.has("n"));
  CHECK(!file.has("none"));
  CHECK(file.ids("ids") == std::vector<Index>{1, 2});
  CHECK(file.ids("one") == std::vector<Index>{7});
  CHECK(file.ids("none").empty());
  CHECK(file.id_lists("lists") == std::vector<std::vector<Index>>{{1}, {2, 3}});
  std::string message;
  for (const char* key : {"big", "neg", "huge", "half", "text", "yes", "ids", "gone"}) {
    CHECK(error_of([&] { (void)file.integer(key); }, &message) == "config_bad_value");
    CHECK(message.find("\"" + std::string(key) + "\"") != message.npos);
  }
  CHECK(error_of([&] { (void)file.boolean("n", true); }) == "config_bad_value");
  CHECK(error_of([&] { (void)file.number("text"); }) == "config_bad_value");
  CHECK(error_of([&] { (void)file.text("n", ""); }) == "config_bad_value");
  CHECK(error_of([&] { (void)file.ids("bad_ids"); }) == "config_bad_value");
  CHECK(error_of([&] { (void)file.ids("text"); }) == "config_bad_value");
  CHECK(error_of([&] { (void)file.id_lists("bad_lists"); }) == "config_bad_value");
  CHECK(error_of([&] { (void)file.id_lists("ids"); }) == "config_bad_value");
}

TEST_CASE("ids are whole numbers from 0 to 2^24, alone or in lists") {
  CHECK(config(R"({"a": [0, 16777216]})").ids("a") == std::vector<Index>{0, 16777216});
  CHECK(config(R"({"a": 16777216})").ids("a") == std::vector<Index>{16777216});
  CHECK(config(R"({"a": []})").ids("a").empty());
  CHECK(config(R"({"a": []})").id_lists("a").empty());
  CHECK(config(R"({"a": null})").id_lists("a").empty());
  CHECK(config(R"({"a": [[0, 16777216]]})").id_lists("a") == std::vector<std::vector<Index>>{{0, 16777216}});
  for (const std::string id : {"-1", "16777217", "18446744073709551615", "1.0", "\"1\"", "null", "true", "[1]", "{}"}) {
    CAPTURE(id);
    std::string message;
    const auto refused = [&](const std::string& text, bool lists) {
      const auto file = config("{\"a\": " + text + "}");
      message.clear();
      return error_of([&] { lists ? void(file.id_lists("a")) : void(file.ids("a")); }, &message);
    };
    CHECK(refused("[2, " + id + "]", false) == "config_bad_value");
    CHECK(message.find("an id or a list of ids") != message.npos);
    if (id != "null" && id != "[1]") CHECK(refused(id, false) == "config_bad_value");
    CHECK(refused("[[3], [2, " + id + "]]", true) == "config_bad_value");
    CHECK(message.find("a list of lists of ids") != message.npos);
    if (id != "null" && id != "[1]") CHECK(refused(id, true) == "config_bad_value");
    if (id != "[1]") CHECK(refused("[[1], " + id + "]", true) == "config_bad_value");
  }
}

TEST_CASE("what people have instead of JSON has a sentence of its own") {
  const auto message_of = [](const std::string& text) {
    std::string message;
    CHECK(error_of([&] { (void)config(text); }, &message) == "config_not_json");
    return message;
  };
  const auto says = [&](const std::string& text, const std::string& part) {
    CAPTURE(text);
    CHECK(message_of(text).find(part) != std::string::npos);
  };
  says("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1411\n", "is a Git LFS pointer");
  says("<!DOCTYPE html><html></html>", "is a web page");
  says("\n<html>", "is a web page");
  says("\x93NUMPY\x01", "is a NumPy array");
  says("", "it is empty");
  says(" \n", "it is empty");
  says("{\n<<<<<<< HEAD\n \"a\": 1\n=======\n \"a\": 2\n>>>>>>> other\n}", "line 2 is a conflict marker");
  says("{\"a\": [1, 2,]}", "line 1 has a comma behind the last value");
  says("{\"a\": 1,\n \"b\": 2,\n}\n", "line 2 has a comma behind the last value");
  says("{\"a\": NaN}", "line 1 has NaN, which only Python writes");
  says("{\"a\":\n -Infinity}", "line 2 has Infinity");
  says("{\"a\": 1e999}", "line 1 has the number \"1e999\", which no double holds");
  says("{\"a\": 1" + std::string(400, '0') + "}", "which no double holds");
  says("{\"a\": 1 \"b\": 2}", "is not JSON");
  // The same in strings is text: another fault is not taken for it.
  CHECK(message_of("{\"<<<<<<< \": \",]\" \"NaN\"}") == "config_not_json: config.json: is not JSON");
  CHECK(message_of("{\"a\\\",}\": 1 2}") == "config_not_json: config.json: is not JSON");
}

TEST_CASE("whole numbers beyond 64 bits") {
  std::string message;
  for (const char* number : {"9223372036854775808.0", "18446744073709551616", "-9223372036854775809", "1e30"}) {
    CAPTURE(number);
    const auto file = config("{\"d_model\": " + std::string(number) + "}");
    CHECK(error_of([&] { (void)file.integer("d_model"); }, &message) == "config_bad_value");
    CHECK(message.find("\"d_model\"") != message.npos);
    CHECK(message.find("more than 64 bits hold") != message.npos);
  }
}

TEST_CASE("a folder that is not there, a model's name on the hub, and the hub's cache") {
  const Scratch scratch;
  std::string message;
  const auto open = [&](const std::filesystem::path& folder) {
    CHECK(error_of([&] { vt::ConfigFile file(folder / "config.json"); }, &message) == "config_missing");
    return message;
  };
  CHECK(open("no-such-owner/no-such-model").find("hf download no-such-owner/no-such-model --local-dir no-such-model") !=
        message.npos);
  CHECK(open("no-such-model").find("hf download no-such-model --local-dir no-such-model") != message.npos);
  CHECK(open("missing.safetensors").find("hf download") == std::string::npos);
  for (const auto& path :
       {scratch / "nothing", std::filesystem::path("./no/such"), std::filesystem::path("no/such/one")}) {
    CHECK(open(path).find("is no folder that exists") != message.npos);
    CHECK(message.find("hf download") == message.npos);
  }
  CHECK(open(scratch.folder).find("does not exist") != message.npos);  // the folder is there, the file is not
  CHECK(message.find("folder that exists") == message.npos);
  CHECK(open(scratch.write("model.safetensors", "")).find("is a file where the folder") != message.npos);
  std::filesystem::create_directories(scratch / "snapshots");
  CHECK(open(scratch.folder).find("is the hub's cache") != message.npos);
}
