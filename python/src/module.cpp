// The extension vitrine._core: picks the backend of this machine, and hands it what the Python files have put in order.
#include <nanobind/nanobind.h>

#include <chrono>
#include <cstdlib>
#include <cstring>

#include "arrays.hpp"
#include "backend.hpp"
#include "text.hpp"

namespace vitrine_python {
namespace {

// ---- instruction sets, the best last

struct Isa {
  const char* name;
  bool (*runs)();
  const Backend* (*backend)();
};
constexpr Isa isas[] = {
#if defined(__x86_64__)
    {"sse2", [] { return true; }, vitrine_backend_sse2},
    {"avx2",
     [] {
       return bool(__builtin_cpu_supports("avx2")) && bool(__builtin_cpu_supports("fma")) &&
              bool(__builtin_cpu_supports("bmi")) && bool(__builtin_cpu_supports("bmi2"));
     },
     vitrine_backend_avx2},
    {"avx512",
     [] {
       return bool(__builtin_cpu_supports("avx512f")) && bool(__builtin_cpu_supports("avx512bw")) &&
              bool(__builtin_cpu_supports("avx512dq")) && bool(__builtin_cpu_supports("avx512vl")) &&
              bool(__builtin_cpu_supports("avx512cd")) && bool(__builtin_cpu_supports("fma")) &&
              bool(__builtin_cpu_supports("bmi2"));
     },
     vitrine_backend_avx512},
#else
    {"generic", [] { return true; }, vitrine_backend_generic},
#endif
};

// What VITRINE_ISA names, else the best that this machine runs.
const Isa& chosen_isa() {
  const char* const wanted = std::getenv("VITRINE_ISA");
  const Isa* best = nullptr;
  std::string names;
  for (const Isa& isa : isas) {
    names += (names.empty() ? "" : ", ") + std::string(isa.name);
    if (wanted != nullptr && *wanted != 0 && std::strcmp(wanted, isa.name) != 0) continue;
    if (isa.runs()) best = &isa;
  }
  if (best == nullptr)
    throw nb::import_error(("vitrine: VITRINE_ISA is \"" + std::string(wanted != nullptr ? wanted : "") +
                            "\", which this machine does not run or this build does not have (it has " + names + ")")
                               .c_str());
  return *best;
}
const Backend* backend = nullptr;

// ---- what calls are given

struct PythonMasks {
  std::vector<MaskParts> masks = {};
  std::vector<In> alive = {};
};

// (kind, keep_if, offset, left, right, array or None)
MaskPart mask_part(nb::handle item, bool is_double, std::vector<In>& alive) {
  const nb::tuple fields = nb::cast<nb::tuple>(item);
  require(nb::len(fields) == 6, "vitrine: a part of a mask has six fields");
  MaskPart part;
  const int kind = nb::cast<int>(fields[0]);
  require(kind >= 0 && kind <= MaskPart::key_bias, "vitrine: no such mask");
  part.kind = MaskPart::Kind(kind);
  part.keep_if = nb::cast<bool>(fields[1]);
  part.offset = nb::cast<Index>(fields[2]), part.left = nb::cast<Index>(fields[3]);
  part.right = nb::cast<Index>(fields[4]);
  if (part.kind == MaskPart::causal || part.kind == MaskPart::window) return part;
  if (part.kind == MaskPart::key_lengths) {
    part.values = indices_of(fields[5]);
    return part;
  }
  In array = array_of(fields[5]);
  part.shape = shape_of(array);
  if (part.kind == MaskPart::bias || part.kind == MaskPart::key_bias) {
    part.data = values_of(array, is_double);
  } else {
    require(array.dtype() == nb::dtype<std::uint8_t>() && contiguous(array), "vitrine: flags are contiguous bytes");
    part.data = array.data();
  }
  alive.push_back(std::move(array));
  return part;
}
PythonMasks masks_of(nb::handle object, bool is_double) {
  PythonMasks all;
  if (object.is_none()) return all;
  for (nb::handle mask : nb::cast<nb::tuple>(object)) {
    MaskParts& parts = all.masks.emplace_back();
    if (mask.is_none()) continue;
    for (nb::handle item : nb::cast<nb::tuple>(mask)) parts.push_back(mask_part(item, is_double, all.alive));
  }
  return all;
}

Keep make_keep(int policy, int map_storage, int which, nb::handle layers, nb::handle heads) {
  require(policy >= 0 && policy <= Keep::rollout, "vitrine: no such policy");
  require(map_storage >= 0 && map_storage <= Keep::u8, "vitrine: no such storage of maps");
  Keep keep;
  keep.policy = Keep::Policy(policy), keep.map_storage = Keep::MapStorage(map_storage), keep.which = which;
  if (!layers.is_none()) keep.all_layers = false, keep.layers = indices_of(layers);
  if (!heads.is_none()) keep.all_heads = false, keep.heads = indices_of(heads);
  return keep;
}

Lists lists_of(nb::handle object) {
  Lists lists;
  for (nb::handle one : nb::cast<nb::tuple>(object)) lists.push_back(indices_of(one));
  return lists;
}
// (B, T) of int64, and lengths or None.
Ids ids_of(nb::handle object, nb::handle lengths) {
  Ids ids;
  if (object.is_none()) return ids;
  const In array = array_of(object);
  require(array.ndim() == 2, "vitrine: ids are (B, T)");
  ids.ids = indices_of(object);
  ids.batch = Index(array.shape(0)), ids.length = Index(array.shape(1));
  if (!lengths.is_none()) ids.lengths = indices_of(lengths);
  return ids;
}

// Ctrl-C, looked for at most every few milliseconds: the interpreter lock has to be taken for it.
class Signals {
 public:
  void operator()() {
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < std::chrono::milliseconds(10)) return;
    last_ = now;
    const nb::gil_scoped_acquire locked;
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// f() without the interpreter lock.
template <class F>
auto unlocked(F&& f) {
  const nb::gil_scoped_release released;
  return f();
}

// ---- objects of Python

struct PythonResult {
  std::shared_ptr<Result> result;
};
struct PythonSequences {
  std::shared_ptr<Sequences> sequences;
};
struct PythonSteps {
  std::shared_ptr<Steps> steps;
};
struct PythonModel {
  std::shared_ptr<Model> model;
  std::shared_ptr<Text> text;  // null: see why_no_text
  std::string why_no_text;

  const Text& reader() const {
    if (!text) throw std::invalid_argument(why_no_text);
    return *text;
  }
};
// What is wrong with a text, as vitrine.Error.
template <class F>
auto of_text(F&& f) {
  try {
    return f();
  } catch (const std::invalid_argument&) { throw; } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) { throw std::invalid_argument(error.what()); }
}
struct PythonLayer {
  std::shared_ptr<Layer> layer;
  bool is_double;

  // [(name, dtype, shape, contiguous array), ...]
  void load_tensors(nb::list items) {
    std::vector<Tensor> tensors;
    std::vector<In> alive;
    for (nb::handle item : items) {
      const nb::tuple fields = nb::cast<nb::tuple>(item);
      In array = array_of(fields[3]);
      require(contiguous(array), "vitrine: tensors are contiguous");
      tensors.push_back({nb::cast<std::string>(fields[0]), nb::cast<std::string>(fields[1]),
                         nb::cast<std::vector<Index>>(fields[2]), array.data(), array.nbytes()});
      alive.push_back(std::move(array));
    }
    unlocked([&] { layer->load(tensors); });
  }
  nb::list parameters() const {
    nb::list all;
    const std::vector<Tensor> tensors = layer->parameters();
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const Tensor& t = tensors[i];
      auto bytes = std::make_unique<std::byte[]>(t.bytes + 1);
      layer->values(i, bytes.get());
      std::byte* const raw = bytes.release();
      const nb::capsule owner(raw, [](void* p) noexcept { delete[] static_cast<std::byte*>(p); });
      all.append(nb::make_tuple(
          t.name, to_python(Array{raw, is_double ? Array::f64 : Array::f32, t.shape, strides(t)}, owner)));
    }
    return all;
  }
  static std::vector<Index> strides(const Tensor& t) {
    std::vector<Index> steps(t.shape.size(), 1);
    for (std::size_t i = steps.size(); i-- > 1;) steps[i - 1] = steps[i] * t.shape[i];
    return steps;
  }
  // inputs: a tuple of arrays, or of (packed rows, lengths); masks: a tuple of tuples of parts, or None; scales: a
  // tuple of arrays or None.
  PythonResult call(nb::tuple inputs, nb::handle masks, nb::handle scales, const Keep& keep, int threads) const {
    LayerCall call;
    std::vector<In> alive;
    for (nb::handle one : inputs) {
      const bool ragged = nb::isinstance<nb::tuple>(one);
      alive.push_back(array_of(ragged ? nb::object(one[0]) : nb::borrow(one)));
      call.inputs.push_back(ragged ? ragged_of(alive.back(), indices_of(one[1]), is_double)
                                   : input_of(alive.back(), is_double));
    }
    PythonMasks given = masks_of(masks, is_double);
    call.masks = std::move(given.masks);
    if (!scales.is_none()) {
      for (nb::handle one : nb::cast<nb::tuple>(scales)) {
        call.head_scale.push_back(nullptr), call.head_scale_size.push_back(0);
        if (one.is_none()) continue;
        alive.push_back(array_of(one));
        call.head_scale.back() = values_of(alive.back(), is_double);
        call.head_scale_size.back() = Index(alive.back().size());
      }
    }
    call.keep = keep, call.threads = threads;
    return {unlocked([&] { return layer->call(call); })};
  }
};

nb::dict info_of(const PythonModel& m) {
  const ModelInfo info = m.model->info();
  nb::dict d;
  d["model_type"] = info.model_type, d["kind"] = info.kind;
  d["vocab_size"] = info.vocab_size, d["max_length"] = info.max_length;
  d["layers"] = info.layers, d["heads"] = info.heads, d["encoder_layers"] = info.encoder_layers;
  d["pad_token_id"] = info.pad_token_id, d["decoder_start_token_id"] = info.decoder_start_token_id;
  d["pad_of_search"] = info.pad_of_search;
  d["eos_token_ids"] = info.eos_token_ids, d["image_size"] = info.image_size;
  d["reads_text"] = bool(m.text), d["why_no_text"] = m.why_no_text;
  return d;
}

PythonResult call_model(const PythonModel& m, nb::handle source, nb::handle source_lengths, nb::handle target,
                        nb::handle token_types, nb::handle mask, const Keep& keep, int threads) {
  ModelCall call;
  call.source = ids_of(source, source_lengths);
  call.target = ids_of(target, nb::none());
  if (!token_types.is_none()) call.token_types = indices_of(token_types);
  PythonMasks given = masks_of(mask, false);
  if (!given.masks.empty()) call.mask = std::move(given.masks[0]);
  call.keep = keep, call.threads = threads;
  return {unlocked([&] { return m.model->call(call); })};
}

// An array (B, H, T, D) of the scalar.
Operand operand_of(const In& array, bool is_double, const char* sentence) {
  require(array.ndim() == 4, sentence);
  return {values_of(array, is_double), Index(array.shape(0)), Index(array.shape(1)), Index(array.shape(2)),
          Index(array.shape(3))};
}

PythonResult call_images(const PythonModel& m, nb::handle pixels, const Keep& keep, int threads) {
  const In array = array_of(pixels);
  ModelCall call;
  call.pixels = operand_of(array, false, "vitrine: images are (B, C, H, W)");
  call.keep = keep, call.threads = threads;
  return {unlocked([&] { return m.model->call(call); })};
}

PythonResult attention(nb::tuple operands, nb::handle mask, double scale, double softcap, const Keep& keep,
                       int threads) {
  SdpaCall call;
  std::vector<In> alive;
  bool is_double = false;
  Operand* const places[] = {&call.query, &call.key, &call.value, &call.past_key, &call.past_value};
  require(nb::len(operands) == 5, "vitrine: attention has five operands");
  for (std::size_t i = 0; i < 5; ++i) {
    nb::handle one = operands[i];
    if (one.is_none()) continue;
    alive.push_back(array_of(one));
    const In& array = alive.back();
    if (i == 0) is_double = array.dtype() == nb::dtype<double>();
    *places[i] = operand_of(array, is_double, "vitrine: query, key and value are (B, H, T, D)");
  }
  require(nb::len(operands) == 5 && call.query.heads > 0, "vitrine: attention needs a query with heads");
  PythonMasks given = masks_of(mask, is_double);
  if (!given.masks.empty()) call.mask = std::move(given.masks[0]);
  call.scale = scale, call.softcap = softcap, call.keep = keep, call.threads = threads;
  return {unlocked([&] { return backend->attention(call, is_double); })};
}

void define_classes(nb::module_& module) {
  nb::class_<Keep>(module, "Keep")
      .def(nb::new_(&make_keep), nb::arg("policy"), nb::arg("map_storage"), nb::arg("which"), nb::arg("layers").none(),
           nb::arg("heads").none());
  nb::class_<PythonResult>(module, "Result").def("entries", [](nb::handle self) {
    return to_python(nb::cast<PythonResult&>(self).result->entries(), self);
  });
  nb::class_<PythonSequences>(module, "Sequences")
      .def("__len__", [](const PythonSequences& s) { return s.sequences->sources(); })
      .def("of", [](nb::handle self, Index source) {
        const PythonSequences& all = nb::cast<PythonSequences&>(self);
        require(source >= 0 && source < all.sequences->sources(), "vitrine: no such source");
        nb::list list;
        for (const Sequence& s : all.sequences->of(source))
          list.append(nb::make_tuple(s.ids, s.score, s.log_probs, to_python(s.entries, self)));
        return list;
      });
  nb::class_<PythonSteps>(module, "Steps")
      .def("step",
           [](const PythonSteps& s, nb::handle ids, const Keep& keep) {
             const std::vector<Index> given = indices_of(ids);
             return PythonResult{unlocked([&] { return s.steps->step(given, keep); })};
           })
      .def("reorder",
           [](const PythonSteps& s, nb::handle parents) {
             const std::vector<Index> given = indices_of(parents);
             unlocked([&] { s.steps->reorder(given); });
           })
      .def_prop_ro("rows", [](const PythonSteps& s) { return s.steps->rows(); });
  nb::class_<PythonLayer>(module, "Layer")
      .def("load_tensors", &PythonLayer::load_tensors)
      .def("load_file", [](PythonLayer& l, const std::string& path,
                           const std::string& prefix) { unlocked([&] { l.layer->load(path, prefix); }); })
      .def("save", [](const PythonLayer& l, const std::string& path) { unlocked([&] { l.layer->save(path); }); })
      .def("init", [](PythonLayer& l, std::uint64_t seed) { unlocked([&] { l.layer->init(seed); }); })
      .def("store_weights",
           [](PythonLayer& l, const std::string& storage) { unlocked([&] { l.layer->store_weights(storage); }); })
      .def("config", [](const PythonLayer& l) { return l.layer->config(); })
      .def("parameters", &PythonLayer::parameters)
      .def("call", &PythonLayer::call, nb::arg("inputs"), nb::arg("masks").none(), nb::arg("scales").none(),
           nb::arg("keep"), nb::arg("threads"));
  nb::class_<PythonModel>(module, "Model")
      .def("info", &info_of)
      .def("call", &call_model, nb::arg("source").none(), nb::arg("source_lengths").none(), nb::arg("target").none(),
           nb::arg("token_types").none(), nb::arg("mask").none(), nb::arg("keep"), nb::arg("threads"))
      .def("call_images", &call_images)
      .def("generate",
           [](const PythonModel& m, nb::tuple sources, const std::string& options, const Keep& keep, int threads) {
             const Lists given = lists_of(sources);
             Signals signals;
             return PythonSequences{
                 unlocked([&] { return m.model->generate(given, options, keep, threads, [&signals] { signals(); }); })};
           })
      .def("score",
           [](const PythonModel& m, nb::tuple sources, nb::tuple targets, const Keep& keep, int threads) {
             const Lists given = lists_of(sources), wanted = lists_of(targets);
             return PythonSequences{unlocked([&] { return m.model->score(given, wanted, keep, threads); })};
           })
      .def("steps",
           [](const PythonModel& m, nb::tuple sources, Index beams, Index max_length, int threads) {
             const Lists given = lists_of(sources);
             return PythonSteps{unlocked([&] { return m.model->steps(given, beams, max_length, threads); })};
           })
      .def("encode", [](const PythonModel& m, const std::string& text,
                        bool target) { return of_text([&] { return m.reader().encode(text, target); }); })
      .def("decode", [](const PythonModel& m,
                        nb::handle ids) { return of_text([&] { return m.reader().decode(indices_of(ids)); }); })
      .def("tokens", [](const PythonModel& m, nb::handle ids, bool target) {
        std::vector<std::string> tokens;
        for (const Index id : indices_of(ids)) {
          tokens.push_back(m.text ? m.text->token(id, target) : std::string());
          if (tokens.back().empty()) tokens.back() = std::to_string(id);
        }
        return tokens;
      });
}

}  // namespace

void define_looking(nb::module_& m);  // looking.cpp

}  // namespace vitrine_python

NB_MODULE(_core, m) {
  using namespace vitrine_python;
  // _keep.py has some of our objects until the process ends, and users need not hear of it.
  nb::set_leak_warnings(false);
  const Isa& isa = chosen_isa();
  backend = isa.backend();

  // Whatever a backend refuses is vitrine.Error.
  nb::object error = nb::steal(PyErr_NewExceptionWithDoc(
      "vitrine.Error", "What vitrine refuses, in one sentence with the values.", PyExc_ValueError, nullptr));
  m.attr("Error") = error;
  nb::register_exception_translator(
      [](const std::exception_ptr& p, void* type) {
        try {
          std::rethrow_exception(p);
        } catch (const std::invalid_argument& e) { PyErr_SetString(static_cast<PyObject*>(type), e.what()); }
      },
      error.ptr());

  m.attr("isa") = isa.name;
  nb::list names;
  for (const Isa& one : isas)
    if (one.runs()) names.append(one.name);
  m.attr("isas") = nb::tuple(names);
  m.def("build_info", [] { return backend->build_info(); });
  m.def("default_threads", [] { return backend->default_threads(); });
  m.def("trim_heap", [] { unlocked([] { backend->trim_heap(); }); });
  m.def("model_types", [] { return backend->model_types(); });
  m.def("make_layer", [](const std::string& kind, const std::string& config, bool is_double) {
    return PythonLayer{backend->layer(kind, config, is_double), is_double};
  });
  m.def("load", [](const std::string& folder, const std::string& weights) {
    return unlocked([&] {
      PythonModel opened{backend->load(folder, weights), {}, {}};
      opened.text = open_text(folder, opened.why_no_text);
      return opened;
    });
  });
  m.def("attention", &attention, nb::arg("operands"), nb::arg("mask").none(), nb::arg("scale"), nb::arg("softcap"),
        nb::arg("keep"), nb::arg("threads"));
  define_classes(m);
  define_looking(m);
}
