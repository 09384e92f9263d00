#include <vitrine/run/trace.hpp>

#include <algorithm>
#include <utility>

#include "../support/support.hpp"

namespace trace_test {

namespace vt = vitrine;
using support::Index;
using support::Kind;
using support::MaskCase;
using support::NaiveRows;
using vt::Activation;

namespace {

constexpr Index width = 20, heads = 4, head_width = 5, hidden = 33;

// Everything that a trace was shown, in order: values as (B, T, W) or (B, H, T, W), sequence after sequence.
template <class S>
struct Recorder {
  struct Shown {
    std::string name;
    Index layer, batch, heads, length, width;
    std::vector<S> values;
  };
  std::vector<Shown> all;

  void operator()(std::string_view name, Index layer, const vt::TraceView<S>& view) {
    Shown one{std::string(name), layer, view.batch(), view.heads(), view.length(), view.width(), {}};
    CHECK(view.rank() == (view.heads() > 0 ? 4 : 3));
    view.each([&](const auto& matrix) {
      for (Index i = 0; i < matrix.rows(); ++i)
        for (Index j = 0; j < matrix.cols(); ++j) one.values.push_back(matrix(i, j));
    });
    all.push_back(std::move(one));
  }
  const Shown& at(const std::string& name) const {
    const Shown* found = nullptr;
    for (const Shown& one : all)
      if (one.name == name) {
        CHECK(found == nullptr);  // shown once
        found = &one;
      }
    CAPTURE(name);
    REQUIRE(found != nullptr);
    return *found;
  }
  std::string names() const {
    std::string list;
    for (const Shown& one : all) list += (list.empty() ? "" : " ") + one.name;
    return list;
  }
};

// (T, H * D) as (H, T, D).
NaiveRows by_heads(const NaiveRows& rows, Index count) {
  NaiveRows out;
  const Index embed = count * head_width;
  for (Index h = 0; h < count; ++h)
    for (Index t = 0; t < Index(rows.size()) / embed; ++t)
      for (Index d = 0; d < head_width; ++d) out.push_back(rows[std::size_t(t * embed + h * head_width + d)]);
  return out;
}

// Every intermediate of one sequence through a layer, in plain loops.
struct NaiveTrace {
  const support::Parameters& p;
  const vt::LayerConfig& c;
  std::map<std::string, NaiveRows> values = {};

  template <class F>
  NaiveRows attention(const std::string& part, const NaiveRows& query, const NaiveRows& memory, F masked,
                      const support::Values& scale) {
    const auto project = [&](const NaiveRows& x, Index group) {
      return support::naive_linear(x, width, p[part + "in_proj_weight"], p[part + "in_proj_bias"], group * width,
                                   width);
    };
    const NaiveRows q = by_heads(project(query, 0), heads), k = by_heads(project(memory, 1), heads),
                    v = by_heads(project(memory, 2), heads);
    const Index length = Index(query.size()) / width, keys = Index(memory.size()) / width;
    support::NaiveAttention maps;
    NaiveRows context, side_by_side(query.size());
    for (Index h = 0; h < heads; ++h) {
      const auto head = [&](const NaiveRows& x, Index rows) {
        return NaiveRows(x.begin() + h * rows * head_width, x.begin() + (h + 1) * rows * head_width);
      };
      NaiveRows own = support::naive_head(
          head(q, length), head(k, keys), head(v, keys), head_width, head_width, 1 / std::sqrt(double(head_width)),
          [&](Index i, Index j) { return masked(h, i, j); }, maps);
      for (Index i = 0; i < length * head_width; ++i) {
        double& value = own[std::size_t(i)];
        value *= scale.empty() ? 1 : scale[std::size_t(h)];
        side_by_side[std::size_t(i / head_width * width + h * head_width + i % head_width)] = value;
        context.push_back(value);
      }
    }
    values[part + "q"] = q, values[part + "k"] = k, values[part + "v"] = v;
    values[part + "scores"] = maps.scores, values[part + "weights"] = maps.weights;
    values[part + "context"] = context;
    return values[part + "out_proj"] = support::naive_linear(side_by_side, width, p[part + "out_proj.weight"],
                                                             p[part + "out_proj.bias"], 0, width);
  }
  template <class F>
  NaiveRows sublayer(int number, NaiveRows x, F f) {
    const std::string own = std::to_string(number);
    const auto normalise = [&](NaiveRows& rows) {
      for (Index i = 0; i < Index(rows.size()) / width; ++i)
        bench::naive_layer_norm(rows.data() + i * width, width, p["norm" + own + ".weight"], p["norm" + own + ".bias"],
                                c.layer_norm_eps);
      values["norm" + own] = rows;
    };
    NaiveRows in = x;
    if (c.norm_first) normalise(in);
    const NaiveRows y = f(in);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
    values["residual" + own] = x;
    if (!c.norm_first) normalise(x);
    return x;
  }
  template <class F, class G>
  void layer(NaiveRows x, const NaiveRows* memory, F self_masked, G cross_masked, const support::Values& scale) {
    int number = 0;
    x = sublayer(++number, x, [&](const NaiveRows& in) { return attention("self_attn.", in, in, self_masked, scale); });
    if (memory != nullptr)
      x = sublayer(++number, x,
                   [&](const NaiveRows& in) { return attention("multihead_attn.", in, *memory, cross_masked, {}); });
    values["output"] = sublayer(++number, x, [&](const NaiveRows& in) {
      NaiveRows inner = support::naive_linear(in, width, p["linear1.weight"], p["linear1.bias"], 0, hidden);
      values["linear1"] = inner;
      for (double& value : inner) value = bench::naive_activation(c.activation, value);
      values["activation"] = inner;
      return values["linear2"] = support::naive_linear(inner, hidden, p["linear2.weight"], p["linear2.bias"], 0, width);
    });
  }
};

template <class S>
void compare(const Recorder<S>& trace, const std::vector<NaiveTrace>& sequences) {
  CHECK(trace.all.size() == sequences[0].values.size());
  for (const auto& value : sequences[0].values) {
    const std::string& name = value.first;
    CAPTURE(name);
    const auto& shown = trace.at(name);
    CHECK(shown.layer == 0);
    CHECK(shown.batch == Index(sequences.size()));
    NaiveRows wanted;
    for (const NaiveTrace& one : sequences)
      wanted.insert(wanted.end(), one.values.at(name).begin(), one.values.at(name).end());
    REQUIRE(shown.values.size() == wanted.size());
    CHECK(support::difference(shown.values.data(), wanted.data(), Index(wanted.size())) < 10 * support::tolerance<S>);
  }
}

template <class F>
void each_config(F f) {
  int i = 0;
  for (const bool norm_first : {false, true})
    for (const Activation activation : {Activation::relu, Activation::gelu, Activation::gelu_tanh, Activation::silu}) {
      ++i;
      f(vt::LayerConfig{.d_model = width,
                        .nhead = heads,
                        .dim_feedforward = hidden,
                        .activation = activation,
                        .norm_first = norm_first,
                        .bias = i % 3 != 0},
        i);
    }
}

}  // namespace

TEST_CASE_TEMPLATE("an encoder layer shows what its naive twin computes", S, float, double) {
  each_config([](const vt::LayerConfig& config, int i) {
    CAPTURE(i);
    vt::EncoderLayer<S> layer(config);
    support::randomise(layer, 5);
    const support::Parameters parameters(layer);
    const Index batch = 2, length = support::awkward[i];
    const auto x = support::random_values<S>(batch * length * width, 1);
    const MaskCase<S> mask(i * 17 % Kind::combinations, batch, heads, length, length, std::uint64_t(i));
    const std::vector<S> factors = {S(1), S(0.5), S(0), S(2)};
    Recorder<S> trace;
    layer({x.data(), batch, length, width}, {.src_mask = mask.mask, .head_scale = factors}, vt::keep::nothing, trace);
    std::vector<NaiveTrace> naive;
    for (Index b = 0; b < batch; ++b) {
      const auto masked = [&](Index h, Index row, Index j) {
        return mask.meaning[std::size_t(((b * heads + h) * length + row) * length + j)];
      };
      naive.push_back({parameters, config});
      naive.back().layer(support::rows_of(x.data() + b * length * width, length * width), nullptr, masked, masked,
                         {1, 0.5, 0, 2});
    }
    compare(trace, naive);
    CHECK(trace.at("self_attn.scores").heads == heads);
    CHECK(trace.at("self_attn.scores").width == length);
    CHECK(trace.at("self_attn.q").width == head_width);
    CHECK(trace.at("linear1").width == hidden);
    CHECK(trace.at("linear1").heads == 0);
    CHECK(trace.at("norm1").length == length);
  });
}

TEST_CASE_TEMPLATE("a decoder layer shows what its naive twin computes", S, float, double) {
  each_config([](const vt::LayerConfig& config, int i) {
    CAPTURE(i);
    vt::DecoderLayer<S> layer(config);
    support::randomise(layer, 6);
    const support::Parameters parameters(layer);
    const Index batch = 2, length = support::awkward[i], keys = support::awkward[i * 5 % 9];
    const auto x = support::random_values<S>(batch * length * width, 1),
               memory = support::random_values<S>(batch * keys * width, 2);
    const MaskCase<S> self(i * 17 % Kind::combinations, batch, heads, length, length, std::uint64_t(i));
    const MaskCase<S> cross(i * 31 % Kind::combinations, batch, heads, length, keys, std::uint64_t(i + 50));
    Recorder<S> trace;
    layer({x.data(), batch, length, width}, {memory.data(), batch, keys, width},
          {.tgt_mask = self.mask, .memory_mask = cross.mask}, vt::keep::weights, trace);
    std::vector<NaiveTrace> naive;
    for (Index b = 0; b < batch; ++b) {
      const auto own_memory = support::rows_of(memory.data() + b * keys * width, keys * width);
      naive.push_back({parameters, config});
      naive.back().layer(
          support::rows_of(x.data() + b * length * width, length * width), &own_memory,
          [&](Index h, Index row, Index j) {
            return self.meaning[std::size_t(((b * heads + h) * length + row) * length + j)];
          },
          [&](Index h, Index row, Index j) {
            return cross.meaning[std::size_t(((b * heads + h) * length + row) * keys + j)];
          },
          {});
    }
    compare(trace, naive);
    CHECK(trace.at("multihead_attn.weights").width == keys);
    CHECK(trace.at("multihead_attn.k").length == keys);
    CHECK(trace.at("multihead_attn.q").length == length);
  });
}

TEST_CASE("names come in the order of the computation") {
  const auto names = [](bool norm_first, bool decoder) {
    const vt::LayerConfig config{.d_model = width, .nhead = heads, .dim_feedforward = 8, .norm_first = norm_first};
    const auto x = support::random_values<float>(3 * width, 1);
    const vt::Sequences<float> in(x.data(), 1, 3, width);
    Recorder<float> trace;
    const auto run = [&](auto layer, const auto&... inputs) {
      REQUIRE(layer.init(1) == vt::Status::ok);
      layer(inputs..., {}, vt::keep::nothing, trace);
    };
    if (decoder)
      run(vt::DecoderLayer<float>(config), in, in);
    else
      run(vt::EncoderLayer<float>(config), in);
    return trace.names();
  };
  const auto attention = [](std::string part, bool memory_first) {
    return (memory_first ? "" : part + ".q " + part + ".k " + part + ".v ") + part + ".scores " + part + ".weights " +
           part + ".context " + part + ".out_proj ";
  };
  const std::string self = attention("self_attn", false), cross = attention("multihead_attn", true);
  const std::string memory = "multihead_attn.k multihead_attn.v ", feed_forward = "linear1 activation linear2 ";
  CHECK(names(false, false) == self + "residual1 norm1 " + feed_forward + "residual2 norm2 output");
  CHECK(names(true, false) == "norm1 " + self + "residual1 norm2 " + feed_forward + "residual2 output");
  CHECK(names(false, true) == memory + self + "residual1 norm1 multihead_attn.q " + cross + "residual2 norm2 " +
                                  feed_forward + "residual3 norm3 output");
  CHECK(names(true, true) == memory + "norm1 " + self + "residual1 norm2 multihead_attn.q " + cross +
                                 "residual2 norm3 " + feed_forward + "residual3 output");
}

TEST_CASE("MultiheadAttention shows its columns for the extra keys, and widths of its own") {
  vt::MultiheadAttention<double> mha(
      {.embed_dim = width, .num_heads = heads, .add_bias_kv = true, .add_zero_attn = true, .kdim = 7, .vdim = 9});
  support::randomise(mha, 3);
  const auto q = support::random_values<double>(2 * 6 * width, 1), k = support::random_values<double>(2 * 4 * 7, 2),
             v = support::random_values<double>(2 * 4 * 9, 3);
  const vt::Sequences<double> query(q.data(), 2, 6, width), key(k.data(), 2, 4, 7), value(v.data(), 2, 4, 9);
  Recorder<double> trace;
  const auto r = mha(query, key, value, {}, vt::keep::scores, trace);
  CHECK(trace.names() == "q k v scores weights context out_proj");
  CHECK(trace.at("weights").width == 6);
  CHECK(trace.at("k").length == 4);
  CHECK(support::same(std::span<const double>(trace.at("weights").values), r.cross_attn.values()));
  CHECK(support::same(std::span<const double>(trace.at("out_proj").values), r.output.span()));
  const auto plain = mha(query, key, value, {}, vt::keep::scores);
  CHECK(support::same(plain.output, r.output));
  CHECK(support::same(plain.cross_attn.values(), r.cross_attn.values()));
}

namespace {

template <class S, class K>
void same_bits(const K& keep) {
  const Index length = 130, keys = 37;  // more rows than a block, chunks of query rows that end within a tile
  const auto x = support::random_values<S>(3 * length * width, 1), m = support::random_values<S>(3 * keys * width, 2);
  const Index lengths[] = {130, 1, 55}, key_lengths[] = {37, 2, 30};
  const vt::Sequences<S> in(x.data(), 3, length, width), memory(m.data(), 3, keys, width),
      ragged = vt::Ragged<S>(x.data(), width, lengths), ragged_memory = vt::Ragged<S>(m.data(), width, key_lengths),
      strided = vt::from_seq_first(x.data(), length, 3, width);
  const auto equal = [&](const auto& a, const auto& b) {
    if constexpr (requires { a.values(); }) {
      CHECK(a.values().size() > 0);
      CHECK(support::same(a.values(), b.values()));
    }
  };
  for (const bool norm_first : {false, true}) {
    const vt::LayerConfig config{.d_model = width,
                                 .nhead = heads,
                                 .dim_feedforward = hidden,
                                 .activation = Activation::gelu,
                                 .norm_first = norm_first};
    vt::EncoderLayer<S> encoder(config);
    vt::DecoderLayer<S> decoder(config);
    support::randomise(encoder, 1), support::randomise(decoder, 2);
    for (const int threads : {1, 3})
      for (const vt::Sequences<S>* src : {&in, &ragged, &strided}) {
        const auto compare = [&](auto result, const auto& layer, const auto&... arguments) {
          auto twin = decltype(result){};
          vt::Workspace workspace(vt::heap(), threads);
          workspace.parallel_from(0);
          Index shown = 0;
          const auto count = [&](std::string_view, Index, const vt::TraceView<S>& view) {
            const auto values = view.matrix(2, 0);
            shown += values.rows();
            S sum = 0;  // each value is read, so that the thread sanitizer sees who else is at it
            for (Index i = 0; i < Index(values.rows()); ++i)
              for (Index j = 0; j < Index(values.cols()); ++j) sum += values(i, j);
            [[maybe_unused]] volatile S read = sum;
          };
          REQUIRE(layer.forward_into(result, workspace, arguments..., keep) == vt::Status::ok);
          for (int repeat = 0; repeat < 2; ++repeat)
            REQUIRE(layer.forward_into(twin, workspace, arguments..., keep, count) == vt::Status::ok);
          CHECK(shown > 0);
          CHECK(support::same(result.output, twin.output));
          equal(result.self_attn, twin.self_attn);
          equal(result.cross_attn, twin.cross_attn);
        };
        compare(vt::EncoderResult<K, S>{}, encoder, *src, vt::EncoderMasks<S>{.src_mask = vt::causal()});
        compare(vt::DecoderResult<K, S>{}, decoder, *src, src->ragged() ? ragged_memory : memory,
                vt::DecoderMasks<S>{.tgt_mask = vt::causal()});
      }
  }
}

}  // namespace

TEST_CASE("a trace changes no bit of the output or the maps, whatever is kept") {
  same_bits<float>(vt::keep::weights);
  same_bits<float>(vt::keep::scores);
  same_bits<float>(vt::keep::head_mean);
  same_bits<float>(vt::keep::nothing);
  same_bits<float>(vt::keep::statistics);
  same_bits<float>(vt::keep::top<3>);
  same_bits<double>(vt::keep::scores);
}

TEST_CASE("a ragged batch is shown sequence by sequence, with the bits of the sequence alone") {
  vt::EncoderLayer<float> encoder({.d_model = width, .nhead = heads, .dim_feedforward = hidden});
  vt::DecoderLayer<float> decoder({.d_model = width, .nhead = heads, .dim_feedforward = hidden});
  support::randomise(encoder, 4), support::randomise(decoder, 5);
  const auto x = support::random_values<float>(14 * width, 1), m = support::random_values<float>(14 * width, 2);
  for (const Index a : {5, 9, 13}) {  // short ones before long ones, and long ones before short ones
    CAPTURE(a);
    const Index b = 14 - a, lengths[] = {a, 0, b}, memory_lengths[] = {b, 0, a};
    const vt::Ragged<float> in(x.data(), width, lengths), memory(m.data(), width, memory_lengths);
    const vt::Sequences<float> x_first(x.data(), 1, a, width), x_last(x.data() + a * width, 1, b, width),
        m_first(m.data(), 1, b, width), m_last(m.data() + b * width, 1, a, width);
    const auto check = [&](const auto& call) {
      Recorder<float> all, first, last;
      call(in, memory, all), call(x_first, m_first, first), call(x_last, m_last, last);
      REQUIRE(all.all.size() == first.all.size());
      for (std::size_t i = 0; i < all.all.size(); ++i) {
        auto wanted = first.all[i].values;
        wanted.insert(wanted.end(), last.all[i].values.begin(), last.all[i].values.end());
        CAPTURE(all.all[i].name);
        CHECK(support::same(std::span<const float>(all.all[i].values), std::span<const float>(wanted)));
        CHECK(all.all[i].length == std::max(a, b));
      }
    };
    check([&](const vt::Sequences<float>& q, const vt::Sequences<float>&, Recorder<float>& trace) {
      encoder(q, {}, vt::keep::nothing, trace);
    });
    check([&](const vt::Sequences<float>& q, const vt::Sequences<float>& k, Recorder<float>& trace) {
      decoder(q, k, {}, vt::keep::nothing, trace);
    });
  }
}

TEST_CASE("traced_workspace_bytes is enough, and a byte less than the call takes is refused before any work") {
  vt::EncoderLayer<float> encoder({.d_model = width, .nhead = heads, .dim_feedforward = hidden});
  vt::DecoderLayer<float> decoder({.d_model = width, .nhead = heads, .dim_feedforward = hidden});
  vt::MultiheadAttention<float> mha({.embed_dim = width, .num_heads = heads, .add_bias_kv = true});
  support::randomise(encoder, 1), support::randomise(decoder, 2), support::randomise(mha, 3);
  const auto x = support::random_values<float>(2 * 150 * width, 1);
  const vt::Sequences<float> in(x.data(), 2, 150, width), memory(x.data(), 2, 9, width);
  const auto check = [&](auto result, const auto& layer, std::size_t bytes, const auto&... arguments) {
    int shown = 0;
    const auto trace = [&](std::string_view, Index, const vt::TraceView<float>&) { ++shown; };
    std::vector<std::byte> scratch(bytes);
    vt::Workspace workspace(scratch, 2);
    workspace.parallel_from(0);
    REQUIRE(layer.forward_into(result, workspace, arguments..., vt::keep::nothing, trace) == vt::Status::ok);
    CHECK(shown > 6);
    shown = 0;
    vt::Workspace little(std::span<std::byte>(scratch).first(workspace.peak_bytes() - 1), 2);
    little.parallel_from(0);
    CHECK(layer.forward_into(result, little, arguments..., vt::keep::nothing, trace) ==
          vt::Status::workspace_too_small);
    CHECK(shown == 0);
  };
  using Nothing = vt::keep::Nothing;
  check(vt::EncoderResult<Nothing, float>{}, encoder, encoder.traced_workspace_bytes({2, 150}, 2), in,
        vt::EncoderMasks<float>{});
  check(vt::DecoderResult<Nothing, float>{}, decoder, decoder.traced_workspace_bytes({2, 150, 9}, 2), in, memory,
        vt::DecoderMasks<float>{});
  check(vt::SelfResult<Nothing, float>{}, mha, mha.traced_workspace_bytes({2, 150}, 2), in,
        vt::AttentionMasks<float>{});
}

TEST_CASE("the callable may change itself, be constant, or be a temporary") {
  vt::EncoderLayer<float> layer({.d_model = width, .nhead = heads, .dim_feedforward = hidden});
  support::randomise(layer, 4);
  const auto x = support::random_values<float>(2 * width, 1);
  const vt::Sequences<float> in(x.data(), 1, 2, width);
  int calls = 0;
  layer(in, {}, vt::keep::weights, [&](std::string_view, Index, const auto&) mutable { ++calls; });
  const auto constant = [&](std::string_view, Index, const auto&) { ++calls; };
  layer(in, {}, vt::keep::weights, constant);
  layer(in, {}, vt::keep::weights, vt::NoTrace{});
  CHECK(calls == 30);
}

}  // namespace trace_test
