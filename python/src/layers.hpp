// nn.MultiheadAttention, nn.Transformer and its parts: made from PyTorch's options, loaded from tensors in memory or a
// file, called.
#pragma once
#include <algorithm>
#include <cstring>
#include <mutex>
#include <nlohmann/json.hpp>
#include <vitrine/io/load.hpp>

#include "keep.hpp"
#include "masks.hpp"

namespace vitrine_python {
namespace {

// Workspaces of one object, each used by one call at a time and kept for the next.
class Workspaces {
 public:
  // Throws what f throws.
  template <class F>
  auto use(int threads, F&& f) const {
    Lease lease{*this, take(threads)};
    return f(*lease.workspace);
  }

 private:
  struct Lease {
    const Workspaces& owner;
    std::unique_ptr<vt::Workspace> workspace;
    ~Lease() {
      const std::lock_guard lock(owner.mutex_);
      if (owner.free_.size() < 16) owner.free_.push_back(std::move(workspace));
    }
  };
  std::unique_ptr<vt::Workspace> take(int threads) const {
    const int wanted = threads > 0 ? threads : vt::default_threads();
    {
      const std::lock_guard lock(mutex_);
      for (std::size_t i = free_.size(); i-- > 0;) {
        if (free_[i]->threads() != wanted) continue;
        std::unique_ptr<vt::Workspace> found = std::move(free_[i]);
        free_.erase(free_.begin() + std::ptrdiff_t(i));
        return found;
      }
    }
    return std::make_unique<vt::Workspace>(vt::heap(), wanted);
  }
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<vt::Workspace>> free_;
};

// A result of vitrine's, kept for the arrays that view it.
template <class S, class R>
class LayerResult : public Result {
 public:
  explicit LayerResult(bool is_stack) : stack(is_stack) {}
  std::vector<Entry> entries() const override {
    std::vector<Entry> all;
    if (result.output.ragged()) {
      for (Index b = 0; b < result.output.batch(); ++b) add_sequence(all, b);
      return all;
    }
    add_output(all, "output", result.output);
    add_maps<S>(all, "self_attn", result.self_attn, stack);
    add_maps<S>(all, "cross_attn", result.cross_attn, stack);
    if constexpr (requires { result.encoder.output; }) {
      add_output(all, "encoder.output", result.encoder.output);
      add_maps<S>(all, "encoder.self_attn", result.encoder.self_attn, true);
    }
    return all;
  }
  R result;
  bool stack;

 private:
  void add_sequence(std::vector<Entry>& to, Index b) const {
    add_output(to, "output.of", result.output, b);
    add_maps<S>(to, "self_attn.of", result.self_attn, stack, b);
    add_maps<S>(to, "cross_attn.of", result.cross_attn, stack, b);
    if constexpr (requires { result.encoder.output; }) {
      add_output(to, "encoder.output.of", result.encoder.output, b);
      add_maps<S>(to, "encoder.self_attn.of", result.encoder.self_attn, true, b);
    }
  }
};

inline vt::Storage storage_of(const std::string& name) {
  vt::Storage storage{};
  if (!vt::parse_storage(name.c_str(), storage))
    throw std::invalid_argument("vitrine: there is no storage of weights " + name);
  return storage;
}

// Tensors as one container in memory, which vt::load checks as it checks files.
inline std::string container(const std::vector<Tensor>& tensors) {
  nlohmann::json header = nlohmann::json::object();
  std::size_t at = 0;
  for (const Tensor& tensor : tensors) {
    header[tensor.name] = {{"dtype", tensor.type}, {"shape", tensor.shape}, {"data_offsets", {at, at + tensor.bytes}}};
    at += tensor.bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t size = text.size();
  std::string bytes(reinterpret_cast<const char*>(&size), 8);
  bytes.reserve(8 + text.size() + at);
  bytes += text;
  for (const Tensor& tensor : tensors) bytes.append(static_cast<const char*>(tensor.data), tensor.bytes);
  return bytes;
}

template <class S>
vt::Sequences<S> sequences(const Input& input) {
  const auto* const values = static_cast<const S*>(input.data);
  if (!input.lengths.empty()) return vt::Ragged<S>(values, input.width, input.lengths);
  vt::Sequences<S> x(values, input.batch, input.length, input.width);
  x.row_stride = input.row_stride, x.batch_stride = input.batch_stride;
  return x;
}
template <class S>
std::span<const S> head_scale(const LayerCall& call, std::size_t which) {
  if (which >= call.head_scale.size() || call.head_scale[which] == nullptr) return {};
  return {static_cast<const S*>(call.head_scale[which]), std::size_t(call.head_scale_size[which])};
}

template <class M, class Config>
class LayerOf : public Layer {
 public:
  using S = typename M::Scalar;

  explicit LayerOf(const std::string& config)
      : module_(vt::read_config<Config>(config, "the options")), heads_(heads_of(module_.config())) {}
  void load(const std::vector<Tensor>& tensors) override {
    const std::string bytes = container(tensors);
    vt::load(module_, vt::SafeTensors(std::as_bytes(std::span(bytes)), "the state_dict"));
  }
  void load(const std::string& path, const std::string& prefix) override {
    vt::load(module_, vt::SafeTensors(std::filesystem::path(path)), prefix);
  }
  void save(const std::string& path) const override { vt::save(module_, path); }
  void init(std::uint64_t seed) override { vt::throw_if_failed(module_.init(seed)); }
  void store_weights(const std::string& storage) override {
    if constexpr (std::is_same_v<S, float>)
      vt::throw_if_failed(module_.store_weights(storage_of(storage)));
    else if (storage_of(storage) != vt::Storage::f32)
      throw std::invalid_argument("vitrine: weights of float64 layers are stored as float64: use float32");
  }
  std::string config() const override { return vt::write_config(module_.config()); }
  std::vector<Tensor> parameters() const override {
    std::vector<Tensor> all;
    module_.parameters([&](const char* name, const vt::Parameter<S>& p) {
      all.push_back({name, sizeof(S) == 4 ? "F32" : "F64", vt::detail::shape_of(p), nullptr,
                     std::size_t(p.elements()) * sizeof(S)});
    });
    return all;
  }
  void values(std::size_t parameter, void* to) const override {
    if (!module_.loaded()) throw std::invalid_argument("vitrine: the layer has no values yet");
    std::size_t i = 0;
    module_.parameters([&](const char*, const vt::Parameter<S>& p) {
      if (i++ != parameter) return;
      S* const out = static_cast<S*>(to);
      if (p.is_vector())
        std::copy_n(p.vector(), p.rows, out);
      else
        for (Index r = 0; r < p.rows; ++r) vt::detail::embed_row(p, r, S(1), out + r * p.cols);
    });
  }
  std::shared_ptr<Result> call(const LayerCall& call) const override {
    return workspaces_.use(call.threads, [&](vt::Workspace& workspace) {
      return with_keep(call.keep, [&](const AnyKeep& keep) { return run(call, workspace, keep); });
    });
  }

 private:
  static Index heads_of(const vt::AttentionConfig& c) { return c.num_heads; }
  static Index heads_of(const vt::LayerConfig& c) { return c.nhead; }
  static Index heads_of(const vt::StackConfig& c) { return c.layer.nhead; }
  static Index heads_of(const vt::TransformerConfig& c) { return c.nhead; }
  static constexpr bool is_stack =
      std::is_same_v<Config, vt::StackConfig> || std::is_same_v<Config, vt::TransformerConfig>;

  // One call, whose result has the type R.
  template <class R, class... Arguments>
  std::shared_ptr<Result> finish(vt::Workspace& workspace, const Arguments&... arguments) const {
    auto made = std::make_shared<LayerResult<S, R>>(is_stack);
    vt::throw_if_failed(module_.forward_into(made->result, workspace, arguments...));
    return made;
  }
  std::shared_ptr<Result> run(const LayerCall& call, vt::Workspace& workspace, const AnyKeep& keep) const {
    using K = AnyKeep;
    const auto input = [&](std::size_t i) { return sequences<S>(call.inputs.at(i)); };
    const auto given = [&](std::size_t i) {
      return i < call.masks.size() ? mask<S>(call.masks[i], heads_) : vt::Mask<S>{};
    };
    if constexpr (std::is_same_v<Config, vt::AttentionConfig>) {
      const vt::AttentionMasks<S> masks{given(0), head_scale<S>(call, 0)};
      if (call.inputs.size() == 1) return finish<vt::SelfResult<K, S>>(workspace, input(0), masks, keep);
      return finish<vt::CrossResult<K, S>>(workspace, input(0), input(1), input(2), masks, keep);
    } else if constexpr (std::is_same_v<Config, vt::TransformerConfig>) {
      const vt::TransformerMasks<S> masks{given(0), given(1), given(2)};
      return finish<vt::TransformerResult<K, S>>(workspace, input(0), input(1), masks, keep);
    } else if constexpr (std::is_same_v<typename M::Masks, vt::EncoderMasks<S>>) {
      return finish<vt::EncoderResult<K, S>>(workspace, input(0), vt::EncoderMasks<S>{given(0), head_scale<S>(call, 0)},
                                             keep);
    } else {
      typename M::Masks masks;
      masks.tgt_mask = given(0), masks.memory_mask = given(1);
      masks.head_scale = head_scale<S>(call, 0), masks.memory_head_scale = head_scale<S>(call, 1);
      return finish<vt::DecoderResult<K, S>>(workspace, input(0), input(1), masks, keep);
    }
  }

  M module_;
  Index heads_;
  Workspaces workspaces_;
};

template <class S>
std::shared_ptr<Layer> make_layer(const std::string& kind, const std::string& config) {
  if (kind == "MultiheadAttention")
    return std::make_shared<LayerOf<vt::MultiheadAttention<S>, vt::AttentionConfig>>(config);
  if (kind == "EncoderLayer") return std::make_shared<LayerOf<vt::EncoderLayer<S>, vt::LayerConfig>>(config);
  if (kind == "DecoderLayer") return std::make_shared<LayerOf<vt::DecoderLayer<S>, vt::LayerConfig>>(config);
  if (kind == "Encoder") return std::make_shared<LayerOf<vt::Encoder<S>, vt::StackConfig>>(config);
  if (kind == "Decoder") return std::make_shared<LayerOf<vt::Decoder<S>, vt::StackConfig>>(config);
  if (kind == "Transformer") return std::make_shared<LayerOf<vt::Transformer<S>, vt::TransformerConfig>>(config);
  throw std::invalid_argument("vitrine: there is no layer " + kind);
}

template <class S>
vt::Heads<S> operand(const Operand& x) {
  return vt::heads_bhtd(static_cast<const S*>(x.data), x.batch, x.heads, x.length, x.width);
}
template <class S>
class SdpaResultOf : public Result {
 public:
  std::vector<Entry> entries() const override {
    std::vector<Entry> all;
    add_output(all, "output", result.output);
    add_maps<S>(all, "self_attn", result.weights, false);
    return all;
  }
  vt::SdpaResult<AnyKeep, S> result;
};
template <class S>
std::shared_ptr<Result> run_attention(const SdpaCall& call, const Workspaces& workspaces) {
  vt::SdpaOptions<S> options;
  options.mask = mask<S>(call.mask, call.query.heads);
  options.scale = S(call.scale), options.softcap = S(call.softcap);
  if (call.past_key.data != nullptr) options.past_key = operand<S>(call.past_key);
  if (call.past_value.data != nullptr) options.past_value = operand<S>(call.past_value);
  return workspaces.use(call.threads, [&](vt::Workspace& workspace) {
    return with_keep(call.keep, [&](const AnyKeep& keep) -> std::shared_ptr<Result> {
      auto made = std::make_shared<SdpaResultOf<S>>();
      made->result.output.use(vt::heap());
      made->result.weights.use(vt::heap());
      vt::throw_if_failed(vt::scaled_dot_product_attention_into(made->result, workspace, operand<S>(call.query),
                                                                operand<S>(call.key), operand<S>(call.value), options,
                                                                keep));
      return made;
    });
  });
}

}  // namespace
}  // namespace vitrine_python
