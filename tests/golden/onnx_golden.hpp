// Golden cases of scaled_dot_product_attention (fixtures: onnx_attention/*.safetensors): the ONNX standard's node tests
// of its Attention operator, opset 23 to 25.
#pragma once
#include <nlohmann/json.hpp>
#include <vitrine/vitrine.hpp>

#include "report.hpp"

namespace golden {

template <class S>
struct OnnxCase {
  const vt::SafeTensors& file;
  nlohmann::json attributes;

  std::vector<S> values(const char* name) const { return file.at(std::string("input.") + name).to_vector<S>(); }
  // Rank 4 is (B, heads, T, width), rank 3 (B, T, heads * width).
  vt::Heads<S> heads(const char* name, const std::vector<S>& values, const char* heads_attribute) const {
    const std::vector<Index>& shape = file.at(std::string("input.") + name).shape;
    if (shape.size() == 4) return vt::heads_bhtd(values.data(), shape[0], shape[1], shape[2], shape[3]);
    const Index heads = attributes.at(heads_attribute).get<Index>();
    return vt::heads_bthd(values.data(), shape[0], heads, shape[1], shape[2] / heads);
  }
};

template <class S>
void run_onnx_case(const std::filesystem::path& path, Report& report) {
  report.begin(path.string(), scalar_name<S>);
  const vt::SafeTensors file(path);
  const OnnxCase<S> c{file, nlohmann::json::parse(file.metadata().at("attributes"))};
  const std::vector<S> q = c.values("Q"), k = c.values("K"), v = c.values("V");
  const vt::Heads<S> query = c.heads("Q", q, "q_num_heads"), key = c.heads("K", k, "kv_num_heads"),
                     value = c.heads("V", v, "kv_num_heads");
  vt::SdpaOptions<S> options;
  options.scale = S(c.attributes.value("scale", 0.0));
  options.softcap = S(c.attributes.value("softcap", 0.0));

  std::vector<S> past_k, past_v;
  if (file.contains("input.past_key")) {
    past_k = c.values("past_key"), past_v = c.values("past_value");
    options.past_key = c.heads("past_key", past_k, ""), options.past_value = c.heads("past_value", past_v, "");
  }
  const Index batch = query.batch, past = options.past_key.length, keys = past + key.length;

  // A causal query stands after the past keys; without them, its sequence's last query at its last key.
  std::vector<Index> lengths, offsets;
  if (const vt::TensorView* view = file.find("input.nonpad_kv_seqlen")) {
    lengths = view->to_vector<Index>();
    for (const Index length : lengths) offsets.push_back(length - query.length);
    options.mask = options.mask & vt::key_lengths(lengths);
  } else {
    offsets.assign(std::size_t(batch), past);
  }
  const Index left = c.attributes.value("left_window_size", Index{-1}),
              right = c.attributes.value("right_window_size", Index{-1});
  if (left >= 0 || right >= 0) options.mask = options.mask & vt::window(left, right, offsets);
  if (c.attributes.value("is_causal", 0) != 0) options.mask = options.mask & vt::causal(offsets);

  std::vector<std::uint8_t> attend;
  std::vector<S> bias;
  if (const vt::TensorView* view = file.find("input.attn_mask")) {
    Index extent[4] = {1, 1, 1, 1};  // broadcast to the right, as NumPy does
    for (std::size_t i = 0; i < view->shape.size(); ++i) extent[4 - view->shape.size() + i] = view->shape[i];
    if (view->dtype == vt::DType::BOOL) {
      attend = view->to_vector<std::uint8_t>();
      options.mask = options.mask & vt::from_torch_sdpa_mask(attend.data(), extent[0], extent[1], extent[2], extent[3]);
    } else {
      bias = view->to_vector<S>();
      options.mask = options.mask & vt::additive_bias(bias.data(), extent[0], extent[1], extent[2], extent[3]);
    }
  }
  const int mode = c.attributes.value("qk_matmul_output_mode", 0);
  using At = vt::kernels::ScoresAt;
  options.scores_at = mode == 0 ? At::scaled : mode == 1 ? At::capped : mode == 2 ? At::masked : At::softmax;

  const auto result = vt::scaled_dot_product_attention(query, key, value, options, vt::keep::scores);

  const bool half = file.at("input.Q").dtype == vt::DType::F16;
  const double relative = half ? 5e-3 : 1e-5;
  const auto collect = [&](Index heads, Index rows, Index columns, auto&& at) {
    std::vector<S> all;
    for (Index b = 0; b < batch; ++b)
      for (Index h = 0; h < heads; ++h)
        for (Index i = 0; i < rows; ++i)
          for (Index j = 0; j < columns; ++j) all.push_back(at(b, h, i, j));
    return all;
  };
  const vt::TensorView& y = file.at("expect.Y");
  if (y.shape.size() == 3) {
    report.compare<S>(y, {batch, query.length, query.heads * value.width}, result.output.span(), relative);
  } else {
    const auto all = collect(query.heads, query.length, value.width, [&](Index b, Index h, Index i, Index j) {
      return result.output.matrix(b)(i, h * value.width + j);
    });
    report.compare<S>(y, {batch, query.heads, query.length, value.width}, all, relative);
  }
  if (const vt::TensorView* view = file.find("expect.qk_matmul_output")) {
    const auto all = collect(query.heads, query.length, keys, [&](Index b, Index h, Index i, Index j) {
      return mode == 3 ? result.weights.matrix(b, h)(i, j) : result.weights.scores(b, h)(i, j);
    });
    report.compare<S>(*view, {batch, query.heads, query.length, keys}, all, relative);
  }
  // The present keys and values are the past ones and the new, joined.
  const auto present = [&](const char* name, const vt::Heads<S>& before, const vt::Heads<S>& now) {
    const vt::TensorView* view = file.find(name);
    if (view == nullptr) return;
    const auto all = collect(now.heads, keys, now.width, [&](Index b, Index h, Index i, Index j) {
      const vt::Heads<S>& from = i < past ? before : now;
      return from.data[b * from.batch_stride + h * from.head_stride + (i < past ? i : i - past) * from.row_stride + j];
    });
    report.compare<S>(*view, {batch, now.heads, keys, now.width}, all, relative);
  };
  present("expect.present_key", options.past_key, key);
  present("expect.present_value", options.past_value, value);
  report.finish(file);
}

}  // namespace golden
