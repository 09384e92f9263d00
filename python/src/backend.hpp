// What the Python module asks of a backend. A backend is one unit compiled for one instruction set (SSE2, AVX2,
// AVX-512); no type of vitrine crosses this line, because differently built units do not share them. Pointers, numbers
// and the standard library's containers do.
//
// Whatever is wrong with an argument or a file comes out as std::invalid_argument with vitrine's own sentence.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vitrine_python {

using Index = std::ptrdiff_t;
using Lists = std::vector<std::vector<Index>>;

// A view of numbers: shape and strides in elements. bf16 and u8 are codes: _results.py says what they are worth.
struct Array {
  enum Type : std::uint8_t { f32, f64, f16, bf16, u8 };
  const void* data = nullptr;
  Type type = f32;
  std::vector<Index> shape = {}, strides = {};
};

// An array of a result: which member it is ("output", "self_attn", "encoder.self_attn"), of which layer of a stack
// (-1: of none), and which of several that a policy keeps ("weights", "scores", "entropy", ...). A member whose name
// ends in ".of" has an array for each sequence, in their order.
struct Entry {
  const char* member;
  const char* field;
  Index layer;
  Array array;
};

// The values of a call, alive as long as this object.
class Result {
 public:
  virtual ~Result() = default;
  // Views into this object.
  virtual std::vector<Entry> entries() const = 0;
};

// One maker of a mask and what it was given; masks.hpp joins them.
struct MaskPart {
  enum Kind : std::uint8_t { causal, window, key_lengths, key_flags, keep_matrix, bias, key_bias };
  Kind kind = causal;
  bool keep_if = true;                      // flags: the value that keeps a key
  Index offset = 0, left = -1, right = -1;  // causal, window
  std::vector<Index> values = {};           // key_lengths
  const void* data = nullptr;               // flags of one byte, or biases of the module's scalar; contiguous
  std::vector<Index> shape = {};
};
using MaskParts = std::vector<MaskPart>;

// What a call keeps of its attention.
struct Keep {
  enum Policy : std::uint8_t { nothing, weights, scores, head_mean, statistics, top8, rollout };
  enum MapStorage : std::uint8_t { f32, f16, bf16, u8 };  // as vitrine's
  Policy policy = weights;
  MapStorage map_storage = f32;
  int which = 7;
  bool all_layers = true, all_heads = true;
  std::vector<Index> layers = {}, heads = {};
};

// Sequences (B, T, E), the last axis contiguous; or, with lengths, their rows one after another, contiguous.
struct Input {
  const void* data = nullptr;
  Index batch = 0, length = 0, width = 0, batch_stride = 0, row_stride = 0;
  std::vector<Index> lengths = {};
};

struct LayerCall {
  std::vector<Input> inputs = {};
  std::vector<MaskParts> masks = {};         // in the order of PyTorch's arguments
  std::vector<const void*> head_scale = {};  // one for each kind of attention; null: none
  std::vector<Index> head_scale_size = {};
  Keep keep = {};
  int threads = 0;
};

// A tensor to be loaded, or one of a module's own; the type by safetensors' names.
struct Tensor {
  std::string name = {}, type = "F32";
  std::vector<Index> shape = {};
  const void* data = nullptr;
  std::size_t bytes = 0;
};

// nn.MultiheadAttention, nn.Transformer and its parts.
class Layer {
 public:
  virtual ~Layer() = default;
  // Loads all parameters, or leaves the layer as it was.
  virtual void load(const std::vector<Tensor>& tensors) = 0;
  virtual void load(const std::string& path, const std::string& prefix) = 0;
  virtual void save(const std::string& path) const = 0;
  virtual void init(std::uint64_t seed) = 0;
  // "f32", "bf16", "f16" or "int8".
  virtual void store_weights(const std::string& storage) = 0;
  // The options by PyTorch's names, JSON.
  virtual std::string config() const = 0;
  // Names and shapes; values(i, to) writes parameter i, unpacked.
  virtual std::vector<Tensor> parameters() const = 0;
  virtual void values(std::size_t parameter, void* to) const = 0;
  virtual std::shared_ptr<Result> call(const LayerCall& call) const = 0;
};

// Ids (B, T), padded; `lengths` of real ids, empty where all are real.
struct Ids {
  std::vector<Index> ids = {};
  Index batch = 0, length = 0;
  std::vector<Index> lengths = {};
};

// One operand of scaled_dot_product_attention, (B, H, T, D) contiguous; or images (B, C, H, W).
struct Operand {
  const void* data = nullptr;
  Index batch = 0, heads = 0, length = 0, width = 0;
};

struct ModelCall {
  Ids source = {}, target = {};
  Operand pixels = {};  // of a model of images, instead of ids
  std::vector<Index> token_types = {};
  MaskParts mask = {};
  Keep keep = {};
  int threads = 0;
};

// One sequence that a search found, or that was given: its ids, the log-probability of each, and the arrays of this
// sequence alone (members as in a result; "encoder.self_attn" of its source).
struct Sequence {
  std::vector<Index> ids = {};
  double score = 0;
  std::vector<float> log_probs = {};
  std::vector<Entry> entries = {};
};
// What a search found for each source, best first, or teacher forcing said of each target.
class Sequences {
 public:
  virtual ~Sequences() = default;
  virtual Index sources() const = 0;
  // Views into this object.
  virtual std::vector<Sequence> of(Index source) const = 0;
};

// Decoding step by step, for a search of one's own.
class Steps {
 public:
  virtual ~Steps() = default;
  virtual std::shared_ptr<Result> step(const std::vector<Index>& ids, const Keep& keep) = 0;
  virtual void reorder(const std::vector<Index>& parents) = 0;
  virtual Index rows() const = 0;
};

struct ModelInfo {
  std::string model_type = {}, kind = {};  // kind: "seq2seq", "causal", "encoder" or "image"
  Index vocab_size = 0, max_length = 0, layers = 0, heads = 0, encoder_layers = 0;
  Index pad_token_id = -1, decoder_start_token_id = -1;
  Index pad_of_search = -1;  // as the options of generation say
  std::vector<Index> eos_token_ids = {}, image_size = {};  // (C, H, W)
};

// A checkpoint folder of Hugging Face.
class Model {
 public:
  virtual ~Model() = default;
  virtual ModelInfo info() const = 0;
  virtual std::shared_ptr<Result> call(const ModelCall& call) const = 0;
  // on_step is called before each step; what it throws ends the search.
  // options: JSON by Transformers' names, on top of the folder's.
  virtual std::shared_ptr<Sequences> generate(const Lists& sources, const std::string& options, const Keep& keep,
                                              int threads, const std::function<void()>& on_step) const = 0;
  virtual std::shared_ptr<Sequences> score(const Lists& sources, const Lists& targets, const Keep& keep,
                                           int threads) const = 0;
  virtual std::shared_ptr<Steps> steps(const Lists& sources, Index beams, Index max_length, int threads) const = 0;
};

struct SdpaCall {
  Operand query = {}, key = {}, value = {}, past_key = {}, past_value = {};
  MaskParts mask = {};
  double scale = 0, softcap = 0;
  Keep keep = {};
  int threads = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string build_info() const = 0;
  virtual int default_threads() const = 0;
  virtual void trim_heap() const = 0;
  // kind: MultiheadAttention, EncoderLayer, ...; config: JSON.
  virtual std::shared_ptr<Layer> layer(const std::string& kind, const std::string& config, bool is_double) const = 0;
  // weights: as Layer::store_weights.
  virtual std::shared_ptr<Model> load(const std::string& folder, const std::string& weights) const = 0;
  virtual std::string model_types() const = 0;  // ", " between them
  virtual std::shared_ptr<Result> attention(const SdpaCall& call, bool is_double) const = 0;
};

}  // namespace vitrine_python

// One for each instruction set that was compiled; null where this machine's build has none.
extern "C" {
const vitrine_python::Backend* vitrine_backend_sse2();
const vitrine_python::Backend* vitrine_backend_avx2();
const vitrine_python::Backend* vitrine_backend_avx512();
}
