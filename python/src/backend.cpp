// One backend: compiled once for each instruction set, with VITRINE_BACKEND naming the function that returns it.
#include "backend.hpp"

#include <new>
#include <vitrine/core/build_info.hpp>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "models.hpp"

namespace vitrine_python {
namespace {

// What vitrine throws, as what crosses the line.
template <class F>
auto guarded(F&& f) {
  try {
    return f();
  } catch (const vt::Error& error) { throw std::invalid_argument(error.what()); } catch (const vt::StatusError& error) {
    if (error.status().code == vt::Status::out_of_memory) throw std::bad_alloc();
    throw std::invalid_argument(error.what());
  } catch (const std::filesystem::filesystem_error& error) { throw std::invalid_argument(error.what()); }
}

// Every call of an object of ours, guarded.
class GuardedLayer : public Layer {
 public:
  explicit GuardedLayer(std::shared_ptr<Layer> layer) : layer_(std::move(layer)) {}
  void load(const std::vector<Tensor>& tensors) override {
    guarded([&] { layer_->load(tensors); });
  }
  void load(const std::string& path, const std::string& prefix) override {
    guarded([&] { layer_->load(path, prefix); });
  }
  void save(const std::string& path) const override {
    guarded([&] { layer_->save(path); });
  }
  void init(std::uint64_t seed) override {
    guarded([&] { layer_->init(seed); });
  }
  void store_weights(const std::string& storage) override {
    guarded([&] { layer_->store_weights(storage); });
  }
  std::string config() const override { return layer_->config(); }
  std::vector<Tensor> parameters() const override { return layer_->parameters(); }
  void values(std::size_t parameter, void* to) const override { layer_->values(parameter, to); }
  std::shared_ptr<Result> call(const LayerCall& call) const override {
    return guarded([&] { return layer_->call(call); });
  }

 private:
  std::shared_ptr<Layer> layer_;
};

class GuardedSteps : public Steps {
 public:
  explicit GuardedSteps(std::shared_ptr<Steps> steps) : steps_(std::move(steps)) {}
  std::shared_ptr<Result> step(const std::vector<Index>& ids, const Keep& keep) override {
    return guarded([&] { return steps_->step(ids, keep); });
  }
  void reorder(const std::vector<Index>& parents) override {
    guarded([&] { steps_->reorder(parents); });
  }
  Index rows() const override { return steps_->rows(); }

 private:
  std::shared_ptr<Steps> steps_;
};

class GuardedModel : public Model {
 public:
  explicit GuardedModel(std::shared_ptr<Model> model) : model_(std::move(model)) {}
  ModelInfo info() const override { return model_->info(); }
  std::shared_ptr<Result> call(const ModelCall& call) const override {
    return guarded([&] { return model_->call(call); });
  }
  std::shared_ptr<Sequences> generate(const Lists& sources, const std::string& options, const Keep& keep, int threads,
                                      const std::function<void()>& on_step) const override {
    return guarded([&] { return model_->generate(sources, options, keep, threads, on_step); });
  }
  std::shared_ptr<Sequences> score(const Lists& sources, const Lists& targets, const Keep& keep,
                                   int threads) const override {
    return guarded([&] { return model_->score(sources, targets, keep, threads); });
  }
  std::shared_ptr<Steps> steps(const Lists& sources, Index beams, Index max_length, int threads) const override {
    return guarded([&] { return std::make_shared<GuardedSteps>(model_->steps(sources, beams, max_length, threads)); });
  }

 private:
  std::shared_ptr<Model> model_;
};

class OwnBackend : public Backend {
 public:
  std::string build_info() const override { return vt::build_info().data(); }
  int default_threads() const override { return vt::default_threads(); }
  void trim_heap() const override {
    vt::trim_heap();
#if defined(__GLIBC__)
    malloc_trim(0);  // the C library keeps pieces, too
#endif
  }
  std::shared_ptr<Layer> layer(const std::string& kind, const std::string& config, bool is_double) const override {
    return guarded([&] {
      return std::make_shared<GuardedLayer>(is_double ? make_layer<double>(kind, config)
                                                      : make_layer<float>(kind, config));
    });
  }
  std::shared_ptr<Model> load(const std::string& folder, const std::string& weights) const override {
    return guarded([&] { return std::make_shared<GuardedModel>(vitrine_python::load(folder, storage_of(weights))); });
  }
  std::string model_types() const override { return vitrine_python::model_types(); }
  std::shared_ptr<Result> attention(const SdpaCall& call, bool is_double) const override {
    return guarded(
        [&] { return is_double ? run_attention<double>(call, workspaces_) : run_attention<float>(call, workspaces_); });
  }

 private:
  Workspaces workspaces_;
};

}  // namespace
}  // namespace vitrine_python

extern "C" const vitrine_python::Backend* VITRINE_BACKEND() {
  static const vitrine_python::OwnBackend backend;
  return &backend;
}
