// Vit: Transformers' ViTModel, an Encoder over the patches of an image, its norms first (Dosovitskiy et al. 2021).
//
//   auto model = vt::load_model<vt::Vit<float>>("vit-base-patch16-224");      // io/checkpoint.hpp
//   auto r = model({pixels, batch, 3, 224, 224});                             // (B, C, H, W), as Transformers'
//   pixel_values r.output: (B, 1 + N, E): the class token, then the patches row by row r.self_attn[layer].matrix(b, h):
//   (1 + N) x (1 + N)      r.pooled.matrix(b): 1 x P, empty without a pooler
#pragma once
#include <vitrine/models/encoder.hpp>
#include <vitrine/models/pooler.hpp>
#include <vitrine/models/tokens.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// Keys of config.json that change a result, by Transformers' names.
struct VitConfig {
  Index hidden_size = 768, num_hidden_layers = 12, num_attention_heads = 12, intermediate_size = 3072;
  Index image_height = 224, image_width = 224, patch_height = 16, patch_width = 16;  // image_size, patch_size
  Index num_channels = 3;
  Activation hidden_act = Activation::gelu;
  double layer_norm_eps = 1e-12;
  bool qkv_bias = true;
  bool pooler = true;                  // does the checkpoint have one?
  Index pooler_output_size = Dynamic;  // Dynamic: hidden_size

  // N: patches of an image, what is left of it at the right and below being of none.
  constexpr Index patches() const {
    if (patch_height <= 0 || patch_width <= 0) return 0;
    return sizes::product(image_height / patch_height, image_width / patch_width);
  }
};

// Pixels (B, C, H, W) one after another, rescaled and normalised as the checkpoint's preprocessor_config.json says. The
// caller keeps them alive for the call.
template <class S>
struct Images {
  const S* pixels = nullptr;
  Index batch = 0, channels = 0, height = 0, width = 0;
};

// What a call may be given.
template <class S>
struct VitMasks {
  std::span<const S> head_scale = {};  // see EncoderMasks
};

// The last hidden states (B, 1 + N, E), self_attn, and what came before and after.
template <class K, class S>
struct VitResult : EncoderResult<K, S> {
  Tensor<S> patches = Tensor<S>{};    // (B, N, C x patch height x patch width), the pixels of each patch
  Tensor<S> projected = Tensor<S>{};  // (B, N, E)
  Tensor<S> embedded = Tensor<S>{};   // what the first layer saw, (B, 1 + N, E)
  Tensor<S> pooled = Tensor<S>{};     // (B, 1, P): tanh of a linear layer over each class token's hidden state
};

template <class S>
class Vit : public Module<Vit<S>, S> {
 public:
  // config.json's model_type.
  static constexpr const char* model_type = "vit";
  // The second argument of a call.
  using Masks = VitMasks<S>;

  // Not loaded until vt::load_model, vt::load or init; values and fresh results come from `memory`.
  explicit Vit(const VitConfig& c, const Memory* memory = heap()) noexcept
      : Module<Vit, S>(memory),
        config_(c),
        encoder_({{.d_model = c.hidden_size,
                   .nhead = c.num_attention_heads,
                   .dim_feedforward = c.intermediate_size,
                   .activation = c.hidden_act,
                   .layer_norm_eps = c.layer_norm_eps,
                   .norm_first = true,
                   .options = {.attention = {.qkv_bias = c.qkv_bias}}},
                  c.num_hidden_layers,
                  true},
                 memory) {
    class_token_ = detail::vector_parameter<S>(c.hidden_size), class_token_.leading_ones = 2;
    positions_.rows = sizes::sum(1, c.patches()), positions_.cols = c.hidden_size, positions_.leading_ones = 1;
    weight_ = detail::matrix_parameter<S>(c.hidden_size, sizes::product(c.num_channels, c.patch_height, c.patch_width));
    bias_ = detail::vector_parameter<S>(c.hidden_size);
    if (c.pooler)
      pooler_ =
          detail::Pooler<S>(c.hidden_size, c.pooler_output_size == Dynamic ? c.hidden_size : c.pooler_output_size);
  }
  // The configuration.
  const VitConfig& config() const noexcept { return config_; }
  // The stack behind the embeddings.
  const Encoder<S>& encoder() const noexcept { return encoder_; }

  // As Module's: bad_config, out_of_memory.
  Status check_config() const noexcept {
    const VitConfig& c = config_;
    if (c.hidden_size <= 0 || c.num_channels <= 0 || c.patches() <= 0)
      return {Status::bad_config, "hidden_size, num_channels and patches must be positive, and an image hold a patch"};
    return encoder_.check_config();
  }
  // Allocates only to grow result and workspace. bad_shape for images of another size than the configuration's;
  // otherwise as Encoder.
  template <class K = DefaultKeep, class F = NoTrace>
  Status forward_into(VitResult<K, S>& result, Workspace& workspace, const Images<S>& images, const Masks& masks = {},
                      const K& keep = {}, F&& trace = {}) const noexcept {
    if (Status s = check(images); s != Status::ok) return s;
    if (Status s = unfold(images, result.patches); s != Status::ok) return s;
    result.projected.use(this->memory());
    if (Status s = detail::multiply_rows(workspace, weight_, bias_, result.patches, result.projected); s != Status::ok)
      return s;
    if (Status s = embed(result.projected, result.embedded); s != Status::ok) return s;
    detail::show(trace, "embeddings", result.embedded);
    if (Status s = encoder_.forward_into(result, workspace, result.embedded, {.head_scale = masks.head_scale}, keep,
                                         detail::prefixed("encoder.", trace));
        s != Status::ok || !pooler_.exists())
      return s;
    if (Status s = pooler_(result.pooled, workspace, result.output, this->memory()); s != Status::ok) return s;
    detail::show(trace, "pooler", result.pooled);
    return {};
  }
#if VITRINE_EXCEPTIONS
  // The same with fresh results and scratch from memory(). Throws StatusError.
  template <class K = DefaultKeep, class F = NoTrace>
  VitResult<K, S> operator()(const Images<S>& images, const Masks& masks = {}, const K& keep = {},
                             F&& trace = {}) const {
    return this->template fresh<VitResult<K, S>>(images, masks, keep, trace);
  }
#endif

  template <class Self, class F>
  static void visit_parameters(Self& self, detail::NamePath& path, F& visit) {
    using detail::visit_parameter;
    visit_parameter(visit, path, "embeddings.cls_token", self.class_token_);
    visit_parameter(visit, path, "embeddings.position_embeddings", self.positions_);
    visit_parameter(visit, path, "embeddings.patch_embeddings.projection.weight", self.weight_);
    visit_parameter(visit, path, "embeddings.patch_embeddings.projection.bias", self.bias_);
    detail::visit_module(self.encoder_, "encoder.", path, visit);
    detail::visit_part(self.pooler_, "pooler.", path, visit);
  }

 private:
  Status check(const Images<S>& images) const noexcept {
    const VitConfig& c = config_;
    if (Status s = check_config(); s != Status::ok) return s;
    if (Status s = this->check_loaded(); s != Status::ok) return s;
    if (images.channels != c.num_channels)
      return {Status::bad_shape, "an image has another number of channels than the model", images.channels,
              c.num_channels};
    if (images.height != c.image_height)
      return {Status::bad_shape, "an image has another height than the model's image_size", images.height,
              c.image_height};
    if (images.width != c.image_width)
      return {Status::bad_shape, "an image has another width than the model's image_size", images.width, c.image_width};
    if (images.batch < 0) return {Status::bad_shape, "a batch of images must not be negative", images.batch};
    if (sizes::bytes_of<S>(images.batch, c.num_channels, c.image_height, c.image_width) == std::size_t(sizes::largest))
      return {Status::bad_shape, "there are more images than any memory holds", images.batch};
    if (images.pixels == nullptr && images.batch > 0) return {Status::bad_shape, "there are images but no pixels"};
    return {};
  }
  // Row n of `patches`: channel by channel, the pixel rows of patch n, which is nn.Conv2d's order.
  Status unfold(const Images<S>& images, Tensor<S>& patches) const noexcept {
    const Index high = config_.patch_height, wide = config_.patch_width, columns = config_.image_width / wide;
    patches.use(this->memory());
    if (Status s = patches.resize(images.batch, config_.patches(), weight_.cols); s != Status::ok) return s;
    S* to = patches.data();
    for (Index b = 0; b < images.batch; ++b)
      for (Index n = 0; n < config_.patches(); ++n)
        for (Index c = 0; c < images.channels; ++c)
          for (Index y = 0; y < high; ++y, to += wide) {
            const Index row = (b * images.channels + c) * images.height + n / columns * high + y;
            const S* const from = images.pixels + row * images.width + n % columns * wide;
            for (Index x = 0; x < wide; ++x) to[x] = from[x];
          }
    return {};
  }
  // embedded = (class token, projected) + positions.
  Status embed(const Tensor<S>& projected, Tensor<S>& embedded) const noexcept {
    const Index batch = projected.batch(), rows = positions_.rows, width = positions_.cols;
    embedded.use(this->memory());
    if (Status s = embedded.resize(batch, rows, width); s != Status::ok) return s;
    for (Index b = 0; b < batch; ++b)
      for (Index n = 0; n < rows; ++n) {
        const S* const from = n == 0 ? class_token_.vector() : projected.data() + (b * (rows - 1) + n - 1) * width;
        const S* const position = positions_.values.data() + n * width;
        S* const to = embedded.data() + (b * rows + n) * width;
        for (Index c = 0; c < width; ++c) to[c] = from[c] + position[c];
      }
    return {};
  }

  VitConfig config_;
  Parameter<S> class_token_, positions_, weight_, bias_;
  detail::Pooler<S> pooler_;
  Encoder<S> encoder_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
