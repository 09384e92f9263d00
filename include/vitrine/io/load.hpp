// Parameters from a safetensors file into a layer, stack or model, and back.
//
//   vt::load(layer, vt::SafeTensors("model.safetensors"), "decoder.layers.0.");     PyTorch's own parameter names
//   vt::save(layer, "layer.safetensors");              the same names, with the configuration
//   auto same = vt::load_module<vt::EncoderLayer<float>>("layer.safetensors");         built from that configuration
//
// Other people's names, or other people's files: io/load_options.hpp.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>
#include <vitrine/io/load_options.hpp>
#include <vitrine/io/module_config.hpp>
#include <vitrine/io/safetensors.hpp>
#include <vitrine/io/weights_writer.hpp>
#include <vitrine/run/module.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

namespace detail {

/// A tensor of a layer that the model does not have, LIST.N.* with N >= count: Transformers leaves those out.
inline bool is_later_layer(std::string_view tensor, std::string_view list, Index count) {
  if (!tensor.starts_with(list)) return false;
  Index number = 0;
  const auto [end, failed] = std::from_chars(tensor.data() + list.size(), tensor.data() + tensor.size(), number);
  return failed == std::errc() && end != tensor.data() + tensor.size() && *end == '.' && number >= count;
}

}  // namespace detail

/// Loads every parameter of `layer` from the tensors whose names begin with `prefix`. Floating tensors of any type are
/// converted; matrices that are multiplied are packed. All checks come before the first allocation of values, and when
/// something fails the layer is as it was. Memory: the packed values from the layer's Memory, and one panel (of a
/// transposed source, one tensor) besides; mapped pages are given back as they are read. Throws Error: missing_tensors,
/// unexpected_tensors, shape_mismatch, wrong_dtype (one error that names all of them), config_mismatch (the file's
/// `__metadata__` states another nhead, norm_first, ...), values_differ (tied tensors), out_of_memory,
/// bad_usage (a layer without a Memory).
template <class Layer>
void load(Layer& layer, const SafeTensors& file, std::string_view prefix = "", const LoadOptions& options = {});

/// The layer, stack or model of class M that vt::save or examples/python/to_safetensors.py wrote, built from the
/// configuration in the file's metadata and loaded. Memory: as load, from `memory`. Throws Error: config_missing for a
/// file without a configuration, config_mismatch for another class's, and what SafeTensors, read_config and load throw.
template <class M>
M load_module(const SafeTensors& file, const Memory* memory = heap());
// The same from a path.
template <class M>
M load_module(const std::filesystem::path& path, const Memory* memory = heap()) {
  return load_module<M>(SafeTensors(path), memory);
}

/// Writes all parameters by PyTorch's names, unpacked, as they are stored (bf16 as BF16, ...; loaded and stored again
/// they are the same), with the layer's configuration in the metadata. Memory: one copy of the values. Throws Error:
/// bad_usage if the layer has no values yet, and what save_safetensors throws.
template <class Layer>
void save(const Layer& layer, const std::filesystem::path& path, std::string_view prefix = "");

namespace detail {

/// PyTorch's shape of a parameter.
template <class S>
std::vector<Index> shape_of(const Parameter<S>& p) {
  std::vector<Index> shape(std::size_t(p.leading_ones), 1);
  shape.push_back(p.rows);
  if (!p.is_vector()) shape.push_back(p.cols);
  return shape;
}
inline std::string shape_text(const std::vector<Index>& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + ")";
}
inline Index elements_of(const std::vector<Index>& shape) {
  Index count = 1;
  for (const Index extent : shape) count *= extent;
  return count;
}

/// Names of one kind of trouble, all of them up to a length that a terminal bears.
class Trouble {
 public:
  explicit Trouble(const char* what) : what_(what) {}
  void add(std::string_view prefix, std::string_view name, const std::string& more = {}) {
    if (++count_ <= 200) text_ += (count_ > 1 ? ", " : "") + in_quotes(concat(prefix, name)) + more;
  }
  bool any() const { return count_ > 0; }
  std::string text() const {
    return concat(what_, " ", text_, count_ > 200 ? concat(" and ", count_ - 200, " more") : std::string());
  }

 private:
  const char* what_;
  std::size_t count_ = 0;
  std::string text_;
};

/// Where in the file this layer's parameters stand, for someone who named another place.
inline std::string other_prefixes(const SafeTensors& file, const std::vector<std::string>& wanted) {
  std::set<std::string> fitting, first_parts;
  for (const TensorView& tensor : file.tensors()) {
    if (!wanted.empty() && tensor.name.ends_with(wanted.front())) {
      const std::string before = tensor.name.substr(0, tensor.name.size() - wanted.front().size());
      if (before.empty() || before.back() == '.') fitting.insert(before);
    }
    first_parts.insert(tensor.name.substr(0, tensor.name.find('.') + 1));
  }
  const bool fit = !fitting.empty();
  std::vector<std::string> names;
  for (const std::string& one : fit ? fitting : first_parts)
    if (fit || !one.empty()) names.push_back(one);
  if (names.empty()) return "its names have no prefixes";
  return (fit ? "the prefixes under which it has such a layer: " : "its prefixes: ") + name_list(names);
}

/// A parameter of the layer and what the file has for it.
template <class S>
struct LoadPart {
  Parameter<S>* parameter;
  std::string name;
  Source source;
  std::vector<const TensorView*> tensors = {};

  Index rows_of(std::size_t tensor) const {
    return source.rows.empty() ? parameter->rows / Index(source.tensors.size()) : source.rows[tensor];
  }
  // Do the tensors' rows add up to the parameter's?
  bool divides() const {
    Index sum = 0;
    for (std::size_t i = 0; i < source.tensors.size(); ++i) sum += rows_of(i);
    return sum == parameter->rows;
  }
};

/// One parameter's values from its tensors into its storage.
template <class S>
void pack_parameter(const LoadPart<S>& part, const SafeTensors& file, S* out) {
  const Parameter<S>& p = *part.parameter;
  const Index panel = p.own_panel();
  const bool transposed = part.source.transposed && !p.is_vector();
  const Index cols = p.is_vector() ? 1 : p.cols;
  const Index chunk = panel > 0 ? panel : 1 + Index{65536} / (cols > 0 ? cols : 1);
  std::vector<S> rows(std::size_t(chunk * cols)), whole;
  Index whole_of = -1;
  const auto fetch = [&](Index first, Index count) {  // rows of the parameter into `rows`
    for (Index done = 0; done < count;) {
      Index piece = 0, from = part.source.stored_row ? part.source.stored_row(first + done) : first + done;
      for (; from >= part.rows_of(std::size_t(piece)); ++piece) from -= part.rows_of(std::size_t(piece));
      const Index rows_each = part.rows_of(std::size_t(piece));
      const Index now = part.source.stored_row ? 1 : std::min(count - done, rows_each - from);
      const TensorView& view = *part.tensors[std::size_t(piece)];
      if (transposed) {
        if (whole_of != piece) whole = view.to_vector<S>(), whole_of = piece;
        for (Index r = 0; r < now; ++r)
          for (Index c = 0; c < cols; ++c)
            rows[std::size_t((done + r) * cols + c)] = whole[std::size_t(c * rows_each + from + r)];
      } else {
        TensorView flat = view;
        flat.shape = {rows_each, cols};
        flat.read_rows(from, now, rows.data() + done * cols);
      }
      if (from + now == rows_each && !part.source.stored_row) file.release_pages(view);
      done += now;
    }
  };
  for (Index group = 0; group < p.groups; ++group) {
    for (Index r = 0; r < p.group_rows(); r += chunk) {
      const Index count = std::min(chunk, p.group_rows() - r), first = group * p.group_rows() + r;
      fetch(first, count);
      S* const to = out + p.at(first, 0, panel);
      if (panel > 0)
        kernels::pack_panel<S>({rows.data(), count, cols}, 0, 0, cols, to);
      else
        std::memcpy(to, rows.data(), std::size_t(count * cols) * sizeof(S));
    }
  }
}

inline bool equal_values(const TensorView& a, const TensorView& b) {
  if (a.shape != b.shape) return false;
  if (a.dtype == b.dtype && a.scale == b.scale)
    return a.nbytes == b.nbytes && std::memcmp(a.data, b.data, a.nbytes) == 0;
  return a.to_vector<double>() == b.to_vector<double>();
}

template <class S>
void add_part(std::vector<LoadPart<S>>& parts, const LoadOptions& options, const char* name, Parameter<S>& p) {
  Source source = options.source ? options.source(name) : Source{{name}};
  if (source.tensors.empty()) source.tensors = {name};
  parts.push_back({&p, name, std::move(source)});
}
/// Room for each parameter's values.
template <class S>
std::vector<SharedValues<S>> make_rooms(const std::vector<LoadPart<S>>& parts, const Memory* memory,
                                        std::vector<S*>& writable, const SafeTensors& file) {
  const auto size = [&](std::size_t i) { return parts[i].parameter->stored(parts[i].parameter->own_panel()); };
  ParameterPieces<S> pieces(memory);
  for (std::size_t i = 0; i < parts.size(); ++i) pieces.of(*parts[i].parameter).expect(size(i));
  std::vector<SharedValues<S>> rooms(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    rooms[i] = pieces.of(*parts[i].parameter).make(size(i), writable[i]);
    if (writable[i] == nullptr)
      throw Error(LoadError::out_of_memory, file.file(),
                  concat("memory for the ", size(i), " values of ", in_quotes(parts[i].name),
                         " ran out; the layer is as it was"));
  }
  return rooms;
}
/// Gives all parameters their values, or none: out_of_memory leaves the layer as it was.
template <class S>
void read_parts(std::vector<LoadPart<S>>& parts, const Memory* memory, const SafeTensors& file) {
  std::vector<S*> writable(parts.size());
  const auto rooms = make_rooms(parts, memory, writable, file);
  for (std::size_t i = 0; i < parts.size(); ++i) pack_parameter(parts[i], file, writable[i]);
  for (std::size_t i = 0; i < parts.size(); ++i) parts[i].parameter->hold(rooms[i], parts[i].parameter->own_panel());
}

/// What load does that knows no layer: `differences` is what the file's configuration says otherwise.
template <class S>
void load_parts(std::vector<LoadPart<S>>& parts, const Memory* memory, const SafeTensors& file, std::string_view prefix,
                const LoadOptions& options, const std::string& differences) {
  Trouble missing("missing are"), unexpected("unexpected are"), shapes("of another shape are"),
      types("of a type that parameters do not have are"), left_out("left out, being no part of the model, are"),
      ties("tied tensors that should be equal and are not:");
  std::set<std::string> used;
  std::vector<std::string> wanted;
  bool found_any = false;
  for (LoadPart<S>& part : parts) {
    const Parameter<S>& p = *part.parameter;
    const bool divides = part.divides();
    for (std::size_t i = 0; i < part.source.tensors.size(); ++i) {
      const std::string& name = part.source.tensors[i];
      std::vector<Index> shape = shape_of(p);
      shape[std::size_t(p.leading_ones)] = part.rows_of(i);
      if (part.source.transposed && !p.is_vector()) std::swap(shape[shape.size() - 2], shape.back());
      bool as_many = true;
      if (!part.source.shape.empty()) {
        as_many = elements_of(part.source.shape) == elements_of(shape);
        shape = part.source.shape;
      }
      wanted.push_back(name);
      used.insert(name);
      const TensorView* view = file.find(concat(prefix, name));
      part.tensors.push_back(view);
      if (options.used) options.used(name, p.packable, part.source.transposed);
      if (view == nullptr) {
        missing.add(prefix, name);
        continue;
      }
      found_any = true;
      if (view->shape != shape || !divides || !as_many)
        shapes.add(prefix, name, concat(" ", shape_text(view->shape), " instead of ", shape_text(shape)));
      else if (!view->is_floating())
        types.add(prefix, name, concat(": ", in_quotes(view->dtype_name)));
    }
  }
  for (const auto& [second, first] : options.tied) {
    const TensorView* copy = file.find(concat(prefix, second));
    const TensorView* original = file.find(concat(prefix, first));
    if (copy == nullptr || used.contains(second)) continue;
    used.insert(second);
    if (original != nullptr && !equal_values(*copy, *original))
      ties.add(prefix, second, concat(" and ", in_quotes(concat(prefix, first))));
  }
  std::set<const TensorView*> scales;
  for (const TensorView& tensor : file.tensors()) scales.insert(tensor.scale);
  for (const TensorView& tensor : file.tensors()) {
    if (!tensor.name.starts_with(prefix) || scales.contains(&tensor)) continue;
    const std::string name = tensor.name.substr(prefix.size());
    if (used.contains(name) || (options.ignored && options.ignored(name))) continue;
    (options.left_out && options.left_out(name) ? left_out : unexpected).add(prefix, name);
  }

  std::string text;
  LoadError code = LoadError::config_mismatch;
  const auto add = [&](bool any, LoadError kind, const std::string& sentence) {
    if (!any) return;
    if (text.empty()) code = kind;
    text += (text.empty() ? "" : "; ") + sentence;
  };
  add(!differences.empty(), LoadError::config_mismatch, differences);
  if (!found_any && !wanted.empty() && missing.any())
    add(true, LoadError::missing_tensors,
        concat("has none of the layer's ", wanted.size(), " tensors under the prefix ", in_quotes(prefix), "; ",
               other_prefixes(file, wanted)));
  else
    add(missing.any(), LoadError::missing_tensors, missing.text());
  add(unexpected.any() && found_any, LoadError::unexpected_tensors, unexpected.text());
  add(shapes.any(), LoadError::shape_mismatch, shapes.text());
  add(types.any(), LoadError::wrong_dtype, types.text());
  add(ties.any(), LoadError::values_differ, ties.text());
  if (!text.empty()) throw Error(code, file.file(), text);
  if (left_out.any() && options.remark) options.remark(concat(file.file(), ": ", left_out.text()));
  read_parts(parts, memory, file);
}

}  // namespace detail

template <class Layer>
void load(Layer& layer, const SafeTensors& file, std::string_view prefix, const LoadOptions& options) {
  using S = typename Layer::Scalar;
  if (layer.memory() == nullptr)
    throw Error(LoadError::bad_usage, file.file(),
                "the layer's sizes are fixed and it has no Memory to load into: give it one, or bind its parameters");
  std::vector<detail::LoadPart<S>> parts;
  layer.mutable_parameters([&](const char* name, Parameter<S>& p) { detail::add_part(parts, options, name, p); });

  if (parts.empty()) throw Error(LoadError::out_of_memory, file.file(), "the stack had no memory for its layers");

  std::string differences;
  if constexpr (module_name<Layer> != nullptr) {
    const auto module = file.metadata().find("module"), config = file.metadata().find("config");
    if (module != file.metadata().end() && config != file.metadata().end())
      differences = detail::config_differences(module->second, config->second, module_name<Layer>,
                                               detail::config_json(layer.config()), file.file());
  }
  detail::load_parts(parts, layer.memory(), file, prefix, options, differences);
  layer.mutable_parameters([](const char*, Parameter<S>&) {});  // what stands at several places shares them now
}

template <class M>
M load_module(const SafeTensors& file, const Memory* memory) {
  static_assert(module_name<M> != nullptr,
                "load_module builds MultiheadAttention, EncoderLayer, DecoderLayer, Encoder, Decoder and Transformer");
  using Config = std::remove_cvref_t<decltype(std::declval<const M&>().config())>;
  const auto module = file.metadata().find("module"), config = file.metadata().find("config");
  if (module == file.metadata().end() || config == file.metadata().end())
    throw Error(LoadError::config_missing, file.file(),
                "states no configuration in its metadata, as vt::save and to_safetensors.save write it: build the "
                "module with its options and call vt::load");
  if (module->second != module_name<M>)
    throw Error(LoadError::config_mismatch, file.file(),
                detail::concat("holds a module of class ", detail::in_quotes(module->second), ", not \"",
                               module_name<M>, "\""));
  M layer(read_config<Config>(config->second, file.file()), memory);
  load(layer, file);
  return layer;
}

template <class Layer>
void save(const Layer& layer, const std::filesystem::path& path, std::string_view prefix) {
  using S = typename Layer::Scalar;
  if (!layer.loaded())
    throw Error(LoadError::bad_usage, path.string(), "the layer has no values yet: call load, bind or init first");
  WeightsWriter writer(path);
  writer.metadata()["format"] = "pt";
  if constexpr (module_name<Layer> != nullptr) {
    writer.metadata()["module"] = module_name<Layer>;
    writer.metadata()["config"] = write_config(layer.config());
  }
  layer.parameters([&](const char* name, const Parameter<S>& p) {
    std::vector<S> plain(std::size_t(p.elements()));
    const Index cols = p.is_vector() ? 1 : p.cols;
    for (Index r = 0; r < p.rows; ++r)
      for (Index c = 0; c < cols; ++c) plain[std::size_t(r * cols + c)] = p.value(r, c);
    if constexpr (std::is_same_v<S, float>)
      if (const detail::StoredWeight<S>* const stored = p.stored_as.get())
        return writer.add(detail::concat(prefix, name), detail::shape_of(p), plain, stored->storage);
    writer.add(detail::concat(prefix, name), detail::shape_of(p), std::span<const S>(plain));
  });
  writer.finish();
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
