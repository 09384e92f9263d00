// Stack: layers and an optional final norm, what Encoder and Decoder are made of. Internal.
#pragma once
#include <vitrine/core/memory.hpp>
#include <vitrine/run/encoder_forward.hpp>

#include <new>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

// The layers: `Count` of them inside the object, or any number from a Memory.
template <class T, Index Count>
class LayerArray {
 public:
  template <class... A>
  constexpr LayerArray(const Memory*, Index, const A&... arguments) noexcept {
    for (T& layer : layers_) layer = T(arguments...);
  }
  constexpr Index size() const noexcept { return Count; }
  constexpr T* data() noexcept { return layers_; }
  constexpr const T* data() const noexcept { return layers_; }

 private:
  T layers_[std::size_t(Count)];
};

// Copies are cheap: the layers' values are shared. size() is 0 when memory ran out.
template <class T>
class LayerArray<T, -1> {
 public:
  template <class... A>
  LayerArray(const Memory* memory, Index count, const A&... arguments) noexcept : memory_(memory) {
    if (!allocate(count)) return;
    for (; size_ < count; ++size_) ::new (static_cast<void*>(layers_ + size_)) T(arguments...);
  }
  LayerArray(const LayerArray& other) noexcept : memory_(other.memory_) {
    if (!allocate(other.size_)) return;
    for (; size_ < other.size_; ++size_) ::new (static_cast<void*>(layers_ + size_)) T(other.layers_[size_]);
  }
  LayerArray(LayerArray&& other) noexcept : memory_(other.memory_), layers_(other.layers_), size_(other.size_) {
    other.layers_ = nullptr, other.size_ = 0;
  }
  LayerArray& operator=(LayerArray other) noexcept {
    drop();
    memory_ = other.memory_, layers_ = other.layers_, size_ = other.size_;
    other.layers_ = nullptr, other.size_ = 0;
    return *this;
  }
  ~LayerArray() { drop(); }

  Index size() const noexcept { return size_; }
  T* data() noexcept { return layers_; }
  const T* data() const noexcept { return layers_; }

 private:
  bool allocate(Index count) noexcept {
    if (count <= 0 || memory_ == nullptr) return false;
    std::size_t bytes = 0;
    layers_ = static_cast<T*>(allocate_values<T>(memory_, count, 0, bytes));
    return layers_ != nullptr;
  }
  void drop() noexcept {
    const std::size_t bytes = round_up(sizes::bytes_of<T>(size_), alignment);
    while (size_ > 0) layers_[--size_].~T();
    if (layers_ != nullptr) memory_->release(layers_, bytes);
    layers_ = nullptr;
  }

  const Memory* memory_ = nullptr;
  T* layers_ = nullptr;
  Index size_ = 0;
};

template <class S, class Core, Dims D>
struct Stack {
  StackConfig config;
  LayerArray<Core, D.num_layers> layers;
  typename Core::Norm norm = {};

  constexpr Stack(const StackConfig& c, const Memory* memory) noexcept
      : config(c), layers(memory, agree(D.num_layers, c.num_layers), sized<D>(c.layer)) {
    check_dims<D>();
    check_storage<S, D>();
    config.layer = sized<D>(c.layer);
    config.num_layers = agree(D.num_layers, c.num_layers);
    if (c.final_norm)
      norm = typename Core::Norm(config.layer.d_model, c.final_norm_eps.value_or(c.layer.layer_norm_eps),
                                 c.final_norm_bias.value_or(c.layer.bias), c.layer.options.norm);
    if constexpr (!D.fixed())
      for (Index i = 0; i < layers.size(); ++i) {  // one set of frequencies, and one bias by distance, for all
        auto& attention = layers.data()[i].self_attn;
        attention.compute_frequencies(memory, i > 0 ? &layers.data()[0].self_attn : nullptr);
        if (i > 0) attention.extras.relative = {};
      }
  }
  constexpr StackView<S, Core> view() const noexcept {
    return {layers.data(), layers.size(), config.num_layers, &config.layer, norm.exists() ? &norm : nullptr, true};
  }
  // layers.0. ..., then norm.
  template <class Self, class F>
  static constexpr void parameters(Self& self, NamePath& path, F& visit) {
    for (Index i = 0; i < self.layers.size(); ++i) {
      NamePath::Scope scope(path, "layers.");
      path.append(i);
      path.append(".");
      Core::parameters(self.layers.data()[i], path, visit);
    }
    visit_part(self.norm, "norm.", path, visit);
  }
};

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
