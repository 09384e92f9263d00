// What all layers, stacks and models have in common, on top of their parameters(visitor).
//
//   layer.parameters(visit)          visit(name, const Parameter<S>&) for each, PyTorch's names in PyTorch's order
//   layer.bind(name, values, panel)  gives one parameter its values: the caller's bytes (flash), plain or in panels
//   layer.bind(name, words, panel)   the same of a weight that Dims{.weights} say is stored (int8, bf16, f16)
//   layer.init(seed)                 PyTorch's initialisation by our own generator: the same numbers on every platform
//   layer.loaded(), layer.parameter_count(), layer.packed_bytes()
//   layer.store_weights(vt::Storage::int8)    a byte a value instead of four (bf16, f16: two), and its numbers
//
// Loading from a file is vt::load (io/load.hpp). A layer is immutable once loaded, cheap to copy, and const to call.
#pragma once
#include <vitrine/core/status.hpp>
#include <vitrine/core/workspace.hpp>
#include <vitrine/run/parameter.hpp>
#include <vitrine/run/random.hpp>
#include <vitrine/run/stored_weight.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// The base of every layer, stack and model: parameters by name, loading state, memory. See the top of this header.
template <class Derived, class S>
class Module {
 public:
  // float or double.
  using Scalar = S;

  // visit(name, const Parameter<S>&) for each, in PyTorch's order. The name lives for the call of `visit`.
  template <class F>
  constexpr void parameters(F&& visit) const {
    detail::NamePath path;
    Derived::visit_parameters(static_cast<const Derived&>(*this), path, visit);
  }
  // The same with Parameter<S>&, for loaders.
  template <class F>
  constexpr void mutable_parameters(F&& visit) {
    detail::NamePath path;
    Derived::visit_parameters(static_cast<Derived&>(*this), path, visit);
  }

  // Every parameter has its values.
  constexpr bool loaded() const {
    bool all = true;
    parameters([&](const char*, const Parameter<S>& p) { all = all && p.loaded(); });
    return all;
  }
  // The number of values of all parameters, without what packing adds.
  constexpr Index parameter_count() const {
    Index count = 0;
    parameters([&](const char*, const Parameter<S>& p) { count = sizes::sum(count, p.elements()); });
    return count;
  }
  // Bytes of the values as stored, in panels where they are packed.
  constexpr std::size_t packed_bytes() const {
    std::size_t bytes = 0;
    parameters([&](const char*, const Parameter<S>& p) {
      const Index stored = p.values.empty() ? p.stored(p.panel) : p.values.size();
      bytes = sizes::sum_of_bytes(bytes, sizes::bytes_of<S>(stored));
    });
    return bytes;
  }

  // The parameter's n values, rows x cols or what its panels take. `panel` 0: plain, row after row;
  // kernels::panel_width<S>: packed, each group of rows for itself (see Parameter). The bytes stay the caller's.
  // not_supported: no such name, or a panel of another width. bad_shape: another number of values.
  constexpr Status bind(const char* name, std::span<const S> values, Index panel = 0) noexcept {
    return bind(name, SharedValues<S>(values), panel);
  }
  constexpr Status bind(const char* name, const SharedValues<S>& values, Index panel = 0) noexcept {
    return with_parameter(name, [&](Parameter<S>& p) { return set(p, values, panel); });
  }

  // Xavier uniform for projections (Glorot and Bengio 2010), as PyTorch's modules do it; norms 1 and 0, biases 0 or
  // uniform by PyTorch's rule. Allocates from memory(), many parameters at once. bad_config, out_of_memory: then some
  // have new values and others not.
  Status init(std::uint64_t seed) noexcept {
    detail::Random random(seed);
    Status status = static_cast<const Derived*>(this)->check_config();
    detail::ParameterPieces<S> pieces(memory());
    parameters([&](const char*, const Parameter<S>& p) { pieces.of(p).expect(p.stored(p.own_panel())); });
    mutable_parameters([&](const char* name, Parameter<S>& p) {
      if (status != Status::ok) return;
      if (p.packable && p.cols <= 0) {
        status = {Status::bad_config, "every size of a layer must be positive", p.cols};
        return;
      }
      if (!VITRINE_EXCEPTIONS && p.declared != Storage::f32) {
        status = {Status::not_supported, "init makes values, and this layer's weights are stored otherwise: bind them"};
        return;
      }
      S* values = nullptr;
      const Index panel = p.own_panel();
      const SharedValues<S> shared = pieces.of(p).make(p.stored(panel), values);
      if (values == nullptr) {
        status = {Status::out_of_memory, "memory for the parameters ran out (values)", Status::unset, p.stored(panel),
                  Status::at_least};
        return;
      }
      detail::initialise(name, p, panel, random, values);
      p.hold(shared, panel);
    });
    return status;
  }

#if VITRINE_EXCEPTIONS
  // Stores the weights of products in int8, bf16 or f16, panel by panel; f32 changes nothing. The numbers of the layer
  // are then those of that storage, and stay so until it is loaded again. Float layers only. Allocates from memory()
  // what is stored, some megabytes of weights at once, and releases what they were alike. not_supported: values that
  // are not finite or not so in that storage, for int8 a weight of more than 65536 columns, a layer of double, weights
  // that are stored otherwise already; out_of_memory. Then some weights are stored and others not.
  Status store_weights(Storage storage) noexcept {
    if (storage == Storage::f32) return {};
    Status status;
    SharedPieces<S> pieces(memory());
    parameters([&](const char*, const Parameter<S>& p) {
      if (p.exists() && p.values.empty()) status = no_values();
      if (p.packable && p.stored_as.get() == nullptr) pieces.expect(detail::stored_size(p, storage));
    });
    mutable_parameters([&](const char*, Parameter<S>& p) {
      if (status == Status::ok && p.packable) status = detail::store_weight(pieces, p, storage);
    });
    mutable_parameters([](const char*, Parameter<S>&) {});  // what stands at several places shares them now
    return status;
  }
#endif

  // bad_config for sizes that no call can have, out_of_memory for layers that found no memory: what init and every call
  // ask first.
  Status check_config() const noexcept { return {}; }

  // Where parameters and fresh results come from; null: the caller's bytes only.
  constexpr const Memory* memory() const noexcept { return memory_; }

 protected:
  constexpr explicit Module(const Memory* memory) noexcept : memory_(memory) {}

#if VITRINE_EXCEPTIONS
  // The first form of every call: forward_into with a fresh result and scratch from memory().
  template <class R, class... A>
  R fresh(A&... arguments) const {
    R result;
    Workspace workspace(memory());
    throw_if_failed(static_cast<const Derived&>(*this).forward_into(result, workspace, arguments...));
    return result;
  }
#endif
  // f(parameter) of that name, or not_supported.
  template <class F>
  constexpr Status with_parameter(const char* name, F&& f) noexcept {
    Status status{Status::not_supported, "no parameter of that name"};
    mutable_parameters([&](const char* own, Parameter<S>& p) {
      for (Index i = 0; own[i] == name[i]; ++i)
        if (own[i] == 0) {
          status = f(p);
          return;
        }
    });
    return status;
  }
  static constexpr Status set(Parameter<S>& p, const SharedValues<S>& values, Index panel) noexcept {
    if (p.declared != Storage::f32)
      return {Status::not_supported, "this weight is stored as its layer's Dims say: bind the words of its panels"};
    if (panel != 0 && (panel != kernels::panel_width<S> || !p.packable))
      return {Status::not_supported, "panels of this width are not those of this build", panel,
              kernels::panel_width<S>};
    if (values.size() != p.stored(panel))
      return {Status::bad_shape, "a parameter was given another number of values than it has", values.size(),
              p.stored(panel)};
    p.hold(values, panel);
    return {};
  }
  constexpr Status check_loaded() const noexcept {
    if (loaded()) return {};
    if constexpr (VITRINE_EXCEPTIONS) {
      bool other = false;
      parameters([&](const char*, const Parameter<S>& p) { other = other || (!p.values.empty() && !p.as_declared()); });
      if (other)
        return {Status::not_loaded, "a weight is not stored yet as the layer's Dims say: call store_weights first"};
    }
    return no_values();
  }

 private:
  static constexpr Status no_values() noexcept {
    return {Status::not_loaded, "a parameter has no values yet: call load, bind or init first"};
  }

  const Memory* memory_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
