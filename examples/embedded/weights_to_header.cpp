// A checkpoint as C++ source for firmware: aligned constexpr arrays, and a model that is a constant in flash.
//   build/examples/embedded/weights_to_header CHECKPOINT OUT.hpp --d_model N --nhead N [OPTION...]
// The header has namespace NAME with `Model` (vt::Encoder or vt::Decoder of these sizes), the constant `model`, and
// `bind(Model&)` for a model of your own. See --help and examples/embedded/README.md.
#include <vitrine/vitrine.hpp>

#include <vitrine/io/checkpoint.hpp>
#include <vitrine/io/load.hpp>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace {

using vt::Index;

constexpr const char* usage =
    "usage: weights_to_header CHECKPOINT OUT.hpp --d_model N --nhead N --dim_feedforward N --max_length N [option...]\n"
    "Writes a checkpoint (.safetensors, or a folder that has one) as a header of aligned constexpr arrays.\n"
    "CHECKPOINT may be init:SEED, PyTorch's initialisation: sizes can be measured before anything is trained.\n"
    "Numbers N are whole, at most 1048576.\n"
    "  --module encoder|decoder   encoder\n"
    "  --num_layers N             1\n"
    "  --max_memory_length N      of a decoder; max_length\n"
    "  --activation NAME          relu, gelu, gelu_tanh or silu; relu\n"
    "  --norm_first, --final_norm off\n"
    "  --layer_norm_eps X         1e-5\n"
    "  --prefix TEXT              of the tensors' names, e.g. \"model.encoder.\"\n"
    "  --names pytorch|marian     whose names; marian also writes the tables `embedding` and `positions`\n"
    "  --panel N                  the target's panel width, 0: plain. Lanes of a vector times two: 4 without vectors\n"
    "                             (Cortex-M), 8 for aarch64 and SSE2, 16 for AVX, 32 for AVX-512; or host: as this "
    "program; 4\n"
    "  --weights STORAGE          how products' weights are stored: f32, int8, bf16 or f16; f32. Stored ones are in\n"
    "                             panels: as a Cortex-M or aarch64 without dot products reads them, or as this "
    "program\n"
    "  --name NAME                of the namespace, which may be nested: a::b; weights\n"
    "Exit: 0, or 2 for a bad option, an unreadable file, or a checkpoint that does not fit the declared sizes.\n";

struct Options {
  std::string checkpoint, out, module = "encoder", prefix, names = "pytorch", name = "weights";
  vt::StackConfig config = {.layer = {.dim_feedforward = vt::Dynamic}, .num_layers = 1};
  Index max_length = 0, max_memory_length = 0, panel = 4;
  bool host = false;  // panels as this program has them
  vt::Storage weights = vt::Storage::f32;

  // The order of a stored weight's bytes within a step: kernels/int8.hpp and half.hpp.
  vt::kernels::Int8Layout int8_layout() const {
    using vt::kernels::Int8Layout;
    return host ? vt::kernels::int8_layout : panel >= 8 ? Int8Layout::signed_bytes : Int8Layout::pairs;
  }
  bool f16_by_columns() const { return host ? vt::kernels::f16_by_columns : panel >= 8; }
};

[[noreturn]] void refuse(const std::string& sentence) {
  std::fprintf(stderr, "weights_to_header: %s\n", sentence.c_str());
  std::exit(2);
}

Index whole_number(const std::string& text, const std::string& option) {
  constexpr long most = 1 << 20;
  char* end = nullptr;
  const long value = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end != 0 || value < 0 || value > most)
    refuse(option + " must be a whole number from 0 to " + std::to_string(most) + ", not \"" + text + "\"");
  return value;
}

// A name that C++ takes for a namespace: identifiers of plain letters, joined by "::".
bool is_namespace(const std::string& name) {
  constexpr std::string_view keywords =
      " alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class "
      "compl concept const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype "
      "default delete do double dynamic_cast else enum explicit export extern false float for friend goto if inline "
      "int long mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public register "
      "reinterpret_cast requires return short signed sizeof static static_assert static_cast struct switch template "
      "this thread_local throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t "
      "while xor xor_eq ";
  const std::size_t joint = name.find("::");
  const std::string first = name.substr(0, joint);
  const bool identifier =
      !first.empty() && (first[0] < '0' || first[0] > '9') && std::all_of(first.begin(), first.end(), [](char c) {
        return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      });
  return identifier && keywords.find(" " + first + " ") == keywords.npos &&
         (joint == name.npos || is_namespace(name.substr(joint + 2)));
}

Options read_options(int count, char** arguments) {
  Options o;
  std::vector<std::string> places;
  for (int i = 1; i < count; ++i) {
    const std::string option = arguments[i];
    const auto value = [&]() -> std::string {
      if (i + 1 >= count) refuse(option + " needs a value; see --help");
      return arguments[++i];
    };
    const auto number = [&] { return whole_number(value(), option); };
    if (option == "-h" || option == "--help") {
      std::fputs(usage, stdout);
      std::exit(0);
    } else if (option == "--module") {
      o.module = value();
    } else if (option == "--d_model") {
      o.config.layer.d_model = number();
    } else if (option == "--nhead") {
      o.config.layer.nhead = number();
    } else if (option == "--dim_feedforward") {
      o.config.layer.dim_feedforward = number();
    } else if (option == "--num_layers") {
      o.config.num_layers = number();
    } else if (option == "--max_length") {
      o.max_length = number();
    } else if (option == "--max_memory_length") {
      o.max_memory_length = number();
      if (o.max_memory_length == 0) refuse("--max_memory_length must be positive");
    } else if (option == "--activation") {
      const std::string name = value();
      if (!vt::parse_activation(name.c_str(), o.config.layer.activation)) refuse("there is no activation " + name);
    } else if (option == "--norm_first") {
      o.config.layer.norm_first = true;
    } else if (option == "--final_norm") {
      o.config.final_norm = true;
    } else if (option == "--layer_norm_eps") {
      const std::string eps = value();
      char* end = nullptr;
      const double epsilon = std::strtod(eps.c_str(), &end);
      if (*end != 0 || !(epsilon > 0) || epsilon > double(std::numeric_limits<float>::max()))
        refuse("--layer_norm_eps must be a positive finite number, not \"" + eps + "\"");
      o.config.layer.layer_norm_eps = epsilon;
    } else if (option == "--prefix") {
      o.prefix = value();
    } else if (option == "--names") {
      o.names = value();
    } else if (option == "--panel") {
      const std::string width = value();
      o.host = width == "host";
      o.panel = o.host ? vt::kernels::panel_width<float> : whole_number(width, option);
    } else if (option == "--weights") {
      const std::string storage = value();
      if (!vt::parse_storage(storage.c_str(), o.weights))
        refuse("--weights must be f32, int8, bf16 or f16, not \"" + storage + "\"");
    } else if (option == "--name") {
      o.name = value();
    } else if (option.starts_with("--")) {
      refuse("there is no option " + option + "; see --help");
    } else {
      places.push_back(option);
    }
  }
  if (places.size() != 2) refuse("needs a checkpoint and the header to write; see --help");
  o.checkpoint = places[0], o.out = places[1];
  if (o.module != "encoder" && o.module != "decoder") refuse("--module must be encoder or decoder");
  if (o.names != "pytorch" && o.names != "marian") refuse("--names must be pytorch or marian");
  if (o.panel != 0 && (o.panel < 2 || (o.panel & (o.panel - 1)) != 0)) refuse("--panel must be 0 or a power of two");
  if (o.panel == 0 && o.weights != vt::Storage::f32)
    refuse(std::string("--panel 0 writes plain rows, which ") + vt::name(o.weights) +
           " weights do not have: give the target's panel width");
  if (o.max_length <= 0) refuse("--max_length must be positive");
  if (o.max_memory_length > 0 && o.module == "encoder")
    refuse("--max_memory_length is of a decoder; an encoder has no memory");
  if (o.checkpoint.starts_with("init:") && (o.names != "pytorch" || !o.prefix.empty()))
    refuse("init:SEED has no tensors and no tables: --names and --prefix are of a checkpoint");
  if (!is_namespace(o.name))
    refuse("--name must be a C++ identifier and no keyword, or such joined by ::, not \"" + o.name + "\"");
  return o;
}

// Whole text, then one write: nothing is left behind by a failure.
struct Header {
  std::string text;
  std::size_t values = 0, bytes = 0;

  void array(const std::string& name, const std::vector<float>& numbers, const std::string& comment) {
    text += "// " + comment + "\nalignas(64) inline constexpr float " + name + "[] = {";
    char one[40];
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      if (!__builtin_isfinite(numbers[i])) refuse(comment + " holds a number that is not finite");
      std::snprintf(one, sizeof one, "%.9g", double(numbers[i]));
      text += i % 12 == 0 ? "\n    " : " ";
      text += one;
      text += std::strpbrk(one, ".e") == nullptr ? ".f," : "f,";
    }
    text += "\n};\n";
    values += numbers.size(), bytes += numbers.size() * sizeof(float);
  }
  // Of a weight that is stored, of so many values.
  void words(const std::string& name, const std::vector<std::uint32_t>& stored, Index elements,
             const std::string& comment) {
    text += "// " + comment + "\nalignas(64) inline constexpr vitrine::StoredWord " + name + "[] = {";
    char one[16];
    for (std::size_t i = 0; i < stored.size(); ++i) {
      std::snprintf(one, sizeof one, "0x%xu,", unsigned(stored[i]));
      text += i % 10 == 0 ? "\n    " : " ";
      text += one;
    }
    text += "\n};\n";
    values += std::size_t(elements), bytes += stored.size() * sizeof stored[0];
  }
};

// The parameter's values, row after row.
std::vector<float> plain_values(const vt::Parameter<float>& p) {
  std::vector<float> out;
  for (Index row = 0; row < p.rows; ++row)
    for (Index col = 0; col < (p.is_vector() ? 1 : p.cols); ++col) out.push_back(p.value(row, col));
  return out;
}
// The same for a target with panels of `width`: kernels/panel.hpp, each group of rows for itself.
std::vector<float> panel_values(const vt::Parameter<float>& p, Index width) {
  std::vector<float> out;
  for (Index group = 0; group < p.groups; ++group)
    for (Index first = 0; first < p.group_rows(); first += width)
      for (Index col = 0; col < p.cols; ++col)
        for (Index i = 0; i < width; ++i)
          out.push_back(first + i < p.group_rows() ? p.value(group * p.group_rows() + first + i, col) : 0.f);
  return out;
}

// Panels of a weight that is stored, as the target reads them: kernels/int8.hpp and half.hpp, each group of rows for
// itself. Rows and columns that are missing are zero.
class StoredPanels {
 public:
  StoredPanels(const vt::Parameter<float>& p, const Options& o) : o_(o) {
    const vt::detail::StoredWeight<float>& how = *vt::detail::stored_weight(o.weights);
    for (Index group = 0; group < p.groups; ++group)
      for (Index first = 0; first < p.group_rows(); first += o.panel) {
        const std::size_t begin = bytes_.size();
        bytes_.resize(begin + std::size_t(o.panel * how.columns(p.cols)) * 4);
        for (Index i = 0; i < o.panel; ++i) {
          std::vector<float> row(std::size_t(p.cols), 0.0f);
          if (first + i < p.group_rows())
            for (Index k = 0; k < p.cols; ++k) {
              const float value = p.value(group * p.group_rows() + first + i, k);
              if (!how.holds(value)) refuse(how.refusal);
              row[std::size_t(k)] = value;
            }
          if (o.weights == vt::Storage::int8)
            add_codes(row, bytes_.data() + begin, i);
          else
            add_halves(row, bytes_.data() + begin, i);
        }
      }
  }
  std::vector<std::uint32_t> words() const {
    std::vector<std::uint32_t> words;
    for (std::size_t i = 0; i < bytes_.size(); i += 4)
      words.push_back(std::uint32_t(bytes_[i] | bytes_[i + 1] << 8 | bytes_[i + 2] << 16) | std::uint32_t(bytes_[i + 3])
                                                                                                << 24);
    return words;
  }

 private:
  // The scales of all rows, then for each four columns four bytes of each row.
  void add_codes(const std::vector<float>& row, unsigned char* panel, Index i) const {
    const Index depth = Index(row.size());
    const float scale = vt::kernels::int8_row_scale(row.data(), 1, depth);
    std::vector<std::int8_t> codes(std::size_t((depth + 3) / 4 * 4), std::int8_t{0});
    vt::kernels::int8_row_codes(row.data(), 1, depth, scale, codes.data());
    put(panel + i * 4, std::bit_cast<std::uint32_t>(scale), 4);
    using vt::kernels::Int8Layout;
    const bool pairs = o_.int8_layout() == Int8Layout::pairs;
    const Index places[] = {0, pairs ? 2 : 1, pairs ? 1 : 2, 3};
    const int zero = o_.int8_layout() == Int8Layout::signed_bytes ? 0 : 128;
    for (Index k = 0; k < Index(codes.size()); ++k)
      panel[((1 + k / 4) * o_.panel + i) * 4 + places[k % 4]] =
          static_cast<unsigned char>(codes[std::size_t(k)] + zero);
  }
  void add_halves(const std::vector<float>& row, unsigned char* panel, Index i) const {
    const bool f16 = o_.weights == vt::Storage::f16;
    for (Index k = 0; k < Index(row.size()); ++k) {
      const float x = row[std::size_t(k)];
      const Index place = f16 && o_.f16_by_columns() ? k * o_.panel + i : (k / 2 * o_.panel + i) * 2 + k % 2;
      put(panel + place * 2, f16 ? vt::float_to_half(x) : vt::float_to_bfloat16(x), 2);
    }
  }
  static void put(unsigned char* to, std::uint32_t bits, int bytes) {
    for (int i = 0; i < bytes; ++i) to[i] = static_cast<unsigned char>(bits >> 8 * i);
  }

  const Options& o_;
  std::vector<unsigned char> bytes_;
};

// A row of a table, which stands as floats, becomes what a model in this storage looks up.
void round_as_stored(vt::Storage storage, float* row, Index count) {
  std::vector<std::int8_t> codes(std::size_t(count), std::int8_t{0});
  const float scale = storage == vt::Storage::int8 ? vt::kernels::int8_row_scale(row, 1, count) : 1.0f;
  if (storage == vt::Storage::int8) vt::kernels::int8_row_codes(row, 1, count, scale, codes.data());
  for (Index i = 0; i < count; ++i) {
    if (storage == vt::Storage::int8) row[i] = float(codes[std::size_t(i)]) * scale;
    if (storage == vt::Storage::f16) row[i] = vt::half_to_float(vt::float_to_half(row[i]));
    if (storage == vt::Storage::bf16) row[i] = vt::bfloat16_to_float(vt::float_to_bfloat16(row[i]));
  }
}

std::string array_name(std::string name) {
  for (char& c : name)
    if (c == '.') c = '_';
  return name;
}

// nhead and the activation fit every shape: only config.json tells them, where there is one.
void check_config(const Options& o) {
  const std::filesystem::path place = o.checkpoint;
  const auto folder = std::filesystem::is_directory(place) ? place : place.parent_path();
  if (!std::filesystem::exists(folder / "config.json")) return;
  const vt::Seq2SeqConfig config = vt::seq2seq_config(vt::ConfigFile(folder / "config.json"), "marian");
  const bool encoder = o.module == "encoder";
  const vt::LayerConfig& layer = o.config.layer;
  const auto agree = [](const char* option, Index said, Index given) {
    if (said != given)
      refuse(std::string("config.json says ") + option + " " + std::to_string(said) + ", not " + std::to_string(given));
  };
  agree("--d_model", config.d_model, layer.d_model);
  agree("--nhead", encoder ? config.encoder_attention_heads : config.decoder_attention_heads, layer.nhead);
  agree("--dim_feedforward", encoder ? config.encoder_ffn_dim : config.decoder_ffn_dim, layer.dim_feedforward);
  agree("--num_layers", encoder ? config.encoder_layers : config.decoder_layers, o.config.num_layers);
  if (config.activation_function != layer.activation)
    refuse(std::string("config.json says --activation ") + vt::name(config.activation_function));
  if (layer.norm_first || o.config.final_norm) refuse("Marian has neither --norm_first nor --final_norm");
  if (o.max_length > config.max_position_embeddings) refuse("--max_length is more than the model's positions");
}

template <class Stack>
void load_stack(Stack& stack, const Options& o) {
  if (o.checkpoint.starts_with("init:")) {
    if (stack.init(std::uint64_t(whole_number(o.checkpoint.substr(5), "the seed"))) != vt::Status::ok)
      refuse("memory ran out");
    return;
  }
  const vt::SafeTensors file(o.checkpoint);
  vt::LoadOptions options;
  if (o.names == "marian") {
    check_config(o);
    const std::string side = o.module + ".";
    options.source = [side](const std::string& name) -> vt::Source {
      vt::Source source{vt::detail::seq2seq_tensors(side + name)};
      for (std::string& tensor : source.tensors) tensor.erase(0, side.size());
      return source;
    };
    options.ignored = [](const std::string& name) { return name.starts_with("embed_"); };
  }
  vt::load(stack, file, o.prefix, options);
}

void add_tables(Header& header, const Options& o) {
  const vt::SafeTensors file(o.checkpoint);
  std::string body = o.prefix;
  if (body.ends_with(o.module + ".")) body.erase(body.size() - o.module.size() - 1);
  const vt::TensorView* table = file.find(body + "shared.weight");
  if (table == nullptr) table = &file.at(o.prefix + "embed_tokens.weight");
  const Index width = o.config.layer.d_model;
  if (table->shape.size() != 2 || table->shape[1] != width)
    refuse(std::string(table->name) + " is not of width d_model");
  std::vector<float> rows = table->to_vector<float>();
  for (Index row = 0; row < table->shape[0]; ++row) round_as_stored(o.weights, rows.data() + row * width, width);
  header.array("embedding", rows, std::string(table->name) + ", (tokens, d_model)");
  std::vector<float> positions;
  for (Index t = 0; t < o.max_length; ++t)
    for (Index i = 0; i < width; ++i)
      positions.push_back(float(vt::detail::sinusoid(t, i, width, vt::Sinusoid::halves)));
  header.array("positions", positions, "sines and cosines, (max_length, d_model)");
}

template <class Stack>
void write(const Options& o) {
  Stack stack(o.config);
  load_stack(stack, o);
  const vt::LayerConfig& layer = o.config.layer;
  const std::string kind = o.module == "encoder" ? "Encoder" : "Decoder";
  const auto text = [](Index value) { return std::to_string(value); };
  char eps[32] = {};
  std::to_chars(eps, eps + sizeof eps - 1, layer.layer_norm_eps);
  const bool stored = o.weights != vt::Storage::f32;
  Header header;
  header.text =
      "// Written by weights_to_header from " + o.checkpoint.substr(o.checkpoint.rfind('/') + 1) +
      (o.prefix.empty() ? "" : ", " + o.prefix) + "; " +
      (o.panel == 0 ? "plain rows, for any target" : "panels of " + text(o.panel) + " values") +
      (stored ? std::string(", weights in ") + vt::name(o.weights) : "") +
      ".\n#pragma once\n#include <vitrine/models/" + o.module + ".hpp>\n\nnamespace " + o.name +
      " {\n\ninline constexpr vitrine::Dims dims{.d_model = " + text(layer.d_model) +
      ", .nhead = " + text(layer.nhead) + ", .dim_feedforward = " + text(layer.dim_feedforward) +
      ", .num_layers = " + text(o.config.num_layers) + ", .max_length = " + text(o.max_length) +
      (o.module == "decoder" && o.max_memory_length > 0 ? ", .max_memory_length = " + text(o.max_memory_length) : "") +
      (stored ? std::string(", .weights = vitrine::Storage::") + vt::name(o.weights) : "") +
      "};\nusing Model = vitrine::" + kind + "<float, dims>;\ninline constexpr vitrine::StackConfig config{.layer = {" +
      ".activation = vitrine::Activation::" + vt::name(layer.activation) + ", .layer_norm_eps = " + eps +
      ", .norm_first = " + (layer.norm_first ? "true" : "false") + "}, .num_layers = " + text(o.config.num_layers) +
      ", .final_norm = " + (o.config.final_norm ? "true" : "false") + "};\n";
  if (o.panel != 0)
    header.text += "static_assert(vitrine::kernels::panel_width<float> == " + text(o.panel) +
                   ", \"these weights are in panels of " + text(o.panel) +
                   ": write them again with --panel and this build's panel_width, or 0\");\n";
  const auto in_order = [&](const std::string& layout) {
    header.text += "static_assert(vitrine::kernels::" + layout + ", \"this build reads the bytes of " +
                   vt::name(o.weights) +
                   " weights in another order: write them again with --panel host on such a machine\");\n";
  };
  if (o.weights == vt::Storage::int8) {
    constexpr const char* layouts[] = {"pairs", "bytes", "signed_bytes"};
    in_order(std::string("int8_layout == vitrine::kernels::Int8Layout::") + layouts[int(o.int8_layout())]);
  }
  if (o.weights == vt::Storage::f16) in_order(o.f16_by_columns() ? "f16_by_columns" : "f16_by_columns == false");
  header.text += "\n";
  std::string binds;
  stack.parameters([&](const char* name, const vt::Parameter<float>& p) {
    const Index panel = p.packable ? o.panel : 0;
    const std::string array = array_name(name);
    const std::string what =
        std::string(name) + ", (" + text(p.rows) + (p.is_vector() ? "" : ", " + text(p.cols)) + ")";
    const bool words = stored && p.packable;
    if (words)
      header.words(array, StoredPanels(p, o).words(), p.elements(), what);
    else
      header.array(array, panel == 0 ? plain_values(p) : panel_values(p, panel), what);
    binds += "  if (auto s = model.bind(\"" + std::string(name) + "\", std::span<const " +
             (words ? "vitrine::StoredWord" : "float") + ">(" + array + "), " + text(panel) +
             "); s != vitrine::Status::ok) return s;\n";
  });
  if (o.names == "marian") add_tables(header, o);
  header.text +=
      "\n// Gives every parameter its values, which stay where they are.\nconstexpr vitrine::Status bind(Model& model) "
      "{\n" +
      binds + "  return {};\n}\n\n" +
      "// The model as a constant: it stands in flash like its weights.\nconstexpr Model bound() {\n  Model "
      "model(config);\n" +
      "  if (bind(model) != vitrine::Status::ok) __builtin_trap();  // while compiling\n  return model;\n}\n" +
      "inline constexpr Model model = bound();\nstatic_assert(model.loaded());\n\n}  // namespace " + o.name + "\n";
  vt::AtomicFile file(o.out);
  file.write(std::string_view(header.text));
  file.commit();
  std::fprintf(stderr, "%s: %zu values, %zu bytes of flash\n", o.out.c_str(), header.values, header.bytes);
}

}  // namespace

int main(int count, char** arguments) {
  const Options options = read_options(count, arguments);
  if (vt::Status s = vt::detail::check_heads(options.config.layer.d_model, options.config.layer.nhead);
      s != vt::Status::ok)
    refuse(s.sentence);
  if (options.config.layer.dim_feedforward <= 0) refuse("--dim_feedforward must be positive");
  if (options.config.num_layers <= 0) refuse("--num_layers must be positive");
  try {
    if (options.module == "encoder")
      write<vt::Encoder<float>>(options);
    else
      write<vt::Decoder<float>>(options);
  } catch (const std::exception& error) { refuse(error.what()); }
  return 0;
}
