#include <doctest/doctest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>
#include <vitrine/inspect/bertviz.hpp>

using namespace vitrine::inspect;
using vitrine::Index;
using Json = nlohmann::json;

namespace {

std::vector<float> weights = {0.123456f, 0.876544f, 0.5f, 0.5f, 0, 1};

MapGroup group_of(std::string kind) {
  return {.kind = std::move(kind),
          .query_tokens = {"a", "</script>", "c"},
          .key_tokens = {"x", "y"},
          .layers = 3,
          .heads = 2,
          .map = [](Index layer, Index head) { return layer == 2 && head == 1 ? nullptr : weights.data(); }};
}

}  // namespace

TEST_CASE("bertviz: head view, BertViz's own members") {
  const Json params =
      Json::parse(bertviz_head_view({group_of("encoder")}, {.layer = 1, .heads = {1}, .include_layers = {0, 1}}));
  CHECK(params.size() == 6);
  CHECK(params["default_filter"] == "0");
  CHECK(params["root_div_id"] == "bertviz");
  CHECK(params["layer"] == 1);
  CHECK(params["heads"] == Json::array({1}));
  CHECK(params["include_layers"] == Json::array({0, 1}));
  REQUIRE(params["attention"].size() == 1);
  const Json& group = params["attention"][0];
  CHECK(group["name"].is_null());
  CHECK(group["left_text"] == Json::array({"a", "</script>", "c"}));
  CHECK(group["right_text"] == Json::array({"x", "y"}));
  CHECK(group["attn"].size() == 2);
  CHECK(group["attn"][0].size() == 2);
  CHECK(group["attn"][1][0] == Json::parse("[[0.1235,0.8765],[0.5,0.5],[0,1]]"));
}

TEST_CASE("bertviz: model view of an encoder and a decoder") {
  BertvizOptions options;
  options.include_heads = {0};
  const Json params =
      Json::parse(bertviz_model_view({group_of("encoder"), group_of("decoder"), group_of("cross")}, options));
  CHECK(params.size() == 7);
  CHECK(params["display_mode"] == "dark");
  CHECK(params["include_layers"] == Json::array({0, 1, 2}));
  CHECK(params["include_heads"] == Json::array({0}));
  CHECK(params["total_heads"] == 2);
  CHECK(params["attention"][0]["name"] == "Encoder");
  CHECK(params["attention"][1]["name"] == "Decoder");
  CHECK(params["attention"][2]["name"] == "Cross");
  CHECK(params["attention"][2]["attn"][2].size() == 1);
  CHECK(Json::parse(bertviz_model_view({group_of("cross")}, options))["attention"][0]["name"] == "Cross");
}

TEST_CASE("bertviz: BertViz's order of tabs, and what it shows of tokens") {
  MapGroup cross = group_of("cross");
  cross.query_tokens = {"Ġthe", "▁a▁b", "▁"};
  cross.key_tokens = {"low</w>", "</w>Ġ</w>"};
  const std::vector<MapGroup> groups = {group_of("more"), cross, group_of("encoder"), group_of("decoder"),
                                        group_of("again")};
  for (const Json& params : {Json::parse(bertviz_head_view(groups, {.include_layers = {0}})),
                             Json::parse(bertviz_model_view(groups, {.include_layers = {0}}))}) {
    std::vector<std::string> names;
    for (const Json& group : params["attention"]) names.push_back(group["name"]);
    CHECK(names == std::vector<std::string>{"Encoder", "Decoder", "Cross", "More", "Again"});
    // format_special_chars of bertviz 1.4.1 on the same lists.
    CHECK(params["attention"][2]["left_text"] == Json::array({" the", " a b", " "}));
    CHECK(params["attention"][2]["right_text"] == Json::array({"low", " "}));
    CHECK(params["attention"][0]["left_text"] == Json::array({"a", "</script>", "c"}));
  }
}

TEST_CASE("bertviz: what its schema cannot say is refused") {
  CHECK_THROWS_AS(bertviz_head_view({}), std::invalid_argument);
  CHECK_THROWS_WITH(
      bertviz_head_view({group_of("encoder")}),
      "bertviz: the map of encoder layer 2, head 1 was not kept; leave it out with include_layers or include_heads");
  CHECK_THROWS_WITH(bertviz_head_view({group_of("encoder")}, {.layer = 2, .include_layers = {0, 1}}),
                    "bertviz: layer 2 is not in include_layers: [0,1]");
  CHECK_THROWS_WITH(bertviz_head_view({group_of("encoder")}, {.include_layers = {7}}),
                    "bertviz: there is no layer 7 (of 3)");
  MapGroup other = group_of("cross");
  other.heads = 1;
  for (const bool first : {true, false}) {  // whichever has fewer
    const std::vector<MapGroup> unequal =
        first ? std::vector{other, group_of("encoder")} : std::vector{group_of("encoder"), other};
    const std::string sentence =
        std::string("bertviz: all groups need the same layers and heads; ") +
        (first ? "\"encoder\" has 3 x 2, \"cross\" has 3 x 1" : "\"cross\" has 3 x 1, \"encoder\" has 3 x 2");
    CHECK_THROWS_WITH(bertviz_head_view(unequal, {.include_layers = {0}}), sentence.c_str());
    CHECK_THROWS_WITH(bertviz_model_view(unequal, {.include_layers = {0}, .include_heads = {0}}), sentence.c_str());
  }
  other.heads = 2, other.layers = 2;
  CHECK_THROWS_WITH(bertviz_head_view({group_of("encoder"), other}, {.include_layers = {0}}),
                    "bertviz: all groups need the same layers and heads; \"cross\" has 2 x 2, \"encoder\" has 3 x 2");
  weights[3] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(bertviz_head_view({group_of("encoder")}, {.include_layers = {0}}), std::invalid_argument);
  weights[3] = 0.5f;
}

TEST_CASE("bertviz: neuron view has queries and keys beside the maps") {
  MapGroup group = group_of("encoder");
  group.map = [](Index, Index) { return weights.data(); };
  std::vector<float> queries(3 * 2 * 3 * 4), keys(3 * 2 * 2 * 4);
  for (std::size_t i = 0; i < queries.size(); ++i) queries[i] = float(i) / 8;
  for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = -float(i);
  const Json params = Json::parse(bertviz_neuron_view(group, queries, keys, true, {.layer = 2, .heads = {1}}));
  CHECK(params.size() == 7);
  CHECK(params["default_filter"] == "all");
  CHECK(params["bidirectional"] == true);
  CHECK(params["display_mode"] == "dark");
  CHECK(params["layer"] == 2);
  CHECK(params["head"] == 1);
  const Json& all = params["attention"]["all"];
  CHECK(all.size() == 5);
  CHECK(all["left_text"] == Json::array({"a", "</script>", "c"}));
  CHECK(all["right_text"] == Json::array({"x", "y"}));
  CHECK(all["attn"][2][1] == Json::parse("[[0.1235,0.8765],[0.5,0.5],[0,1]]"));
  REQUIRE(all["queries"].size() == 3);
  REQUIRE(all["keys"].size() == 3);
  std::size_t at = 0;
  for (const Json& layer : all["queries"]) {
    CHECK(layer.size() == 2);
    for (const Json& head : layer) {
      CHECK(head.size() == 3);
      for (const Json& vector : head) {
        CHECK(vector.size() == 4);
        for (const Json& value : vector) CHECK(value == doctest::Approx(double(queries[at++])).epsilon(1e-3));
      }
    }
  }
  CHECK(at == queries.size());
  CHECK(all["keys"][1][0] == Json::parse("[[-16,-17,-18,-19],[-20,-21,-22,-23]]"));
  CHECK(Json::parse(bertviz_neuron_view(group, queries, keys, false))["layer"].is_null());

  const std::vector<float> fewer(queries.begin(), queries.end() - 1);
  CHECK_THROWS_AS((void)bertviz_neuron_view(group, fewer, keys, true), std::invalid_argument);
  CHECK_THROWS_AS((void)bertviz_neuron_view(group, queries, {}, true), std::invalid_argument);
  queries[5] = std::numeric_limits<float>::infinity();
  CHECK_THROWS_AS((void)bertviz_neuron_view(group, queries, keys, true), std::invalid_argument);
  CHECK_THROWS_AS((void)bertviz_neuron_view(group_of("encoder"), keys, keys, true), std::invalid_argument);
}
