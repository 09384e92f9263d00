// Exercise 4: padding, and what a mask's True means.
//
// Sentences of different lengths are put into one batch by padding the short ones; nobody may attend to the padding. A
// mask says so, but libraries disagree about its sense:
//
//     PyTorch's key_padding_mask     True (1): ignore this key
//     Hugging Face's attention_mask  1: keep this key
//     PyTorch's scaled_dot_product_attention(attn_mask)    True: keep
//
// With the wrong sense every shape fits, nothing fails, and everybody attends to the padding only. vitrine's converters
// therefore carry the name of the source: vt::from_torch_key_padding_mask, vt::from_hf_attention_mask.
//
// Fill in the three functions below. Masks are B x S numbers, one sentence after another. The third function: masks
// hide padded keys, but padded *queries* are computed like all others, and their rows of the output mean nothing. A
// vector for a whole sentence is the mean over its real rows only.
#include "exercise.hpp"

using Flags = std::vector<std::uint8_t>;
Flags torch_key_padding_mask(const std::vector<Index>& lengths, Index longest);
Flags hf_attention_mask(const std::vector<Index>& lengths, Index longest);
std::vector<double> sentence_vector(const Matrix& output, Index length);

#ifndef SOLVED
Flags torch_key_padding_mask(const std::vector<Index>& lengths, Index longest) {
  return Flags(lengths.size() * std::size_t(longest), 0);  // <- your code here
}
Flags hf_attention_mask(const std::vector<Index>& lengths, Index longest) {
  return Flags(lengths.size() * std::size_t(longest), 1);  // <- and here
}
std::vector<double> sentence_vector(const Matrix& output, [[maybe_unused]] Index length) {
  return std::vector<double>(std::size_t(output.cols()), 0.0);  // <- and here
}
#endif

// ---- What is checked ----
const std::vector<std::vector<std::string>> sentences{{"attention", "is", "all", "you", "need"},
                                                      {"hello", "world", "<pad>", "<pad>", "<pad>"}};
const std::vector<Index> real_tokens{5, 2};

template <class Result>
void check(const std::string& name, const Result& got, const Result& expected) {
  for (Index b = 0; b < 2; ++b) {
    const Matrix map = got.self_attn.matrix(b, 0), right = expected.self_attn.matrix(b, 0);
    const Index length = real_tokens[std::size_t(b)];
    const auto& tokens = sentences[std::size_t(b)];
    const std::string row = name + ", sentence " + std::to_string(b) + ", row 0 (\"" + tokens[0] + "\"): got " +
                            text_of(map.row(0)) + ", expected " + text_of(right.row(0));
    if (map.row(0).head(length).isZero() && length < 5)
      wrong(row + ". It sees the padding and nothing else: the mask's sense is inverted");
    if (map.row(0).isZero()) wrong(row + ". It sees nothing: the mask's sense is inverted");
    if (map.row(0).tail(5 - length).sum() > 0) wrong(row + ". Part of its weight goes to the padding");
    for (Index s = 0; s < length; ++s)
      if (map(0, s) == 0 && right(0, s) > 0) wrong(row + ". The token \"" + tokens[std::size_t(s)] + "\" is hidden");
    expect(name + ", sentence " + std::to_string(b) + ", the map", map, right);
  }
}

int main() {
  vt::MultiheadAttention<double> layer({.embed_dim = 8, .num_heads = 1});
  vt::throw_if_failed(layer.init(4));
  const Matrix x = Matrix::Random(2 * 5, 8);
  const vt::Sequences<double> batch(x.data(), 2, 5, 8);
  const auto expected = layer(batch, {.mask = vt::key_lengths(real_tokens)});

  const Flags torch = torch_key_padding_mask(real_tokens, 5), hf = hf_attention_mask(real_tokens, 5);
  if (torch.size() != 10)
    wrong("torch_key_padding_mask: got " + std::to_string(torch.size()) + " flags, expected 2 x 5 = 10");
  if (hf.size() != 10) wrong("hf_attention_mask: got " + std::to_string(hf.size()) + " flags, expected 2 x 5 = 10");
  check("torch_key_padding_mask", layer(batch, {.mask = vt::from_torch_key_padding_mask(torch.data(), 2, 5)}),
        expected);
  check("hf_attention_mask", layer(batch, {.mask = vt::from_hf_attention_mask(hf.data(), 2, 5)}), expected);

  // The same sentence without padding gives the vector that padding must not change.
  const Matrix alone = x.middleRows(5, 2), padded = expected.output.matrix(1);
  const auto unpadded = layer(alone);
  const Matrix right = unpadded.output.matrix(0).colwise().mean(), all = padded.colwise().mean();
  const std::vector<double> mean = sentence_vector(padded, real_tokens[1]);
  const Matrix got = Eigen::Map<const Matrix>(mean.data(), 1, Index(mean.size()));
  if (same(got, all))
    wrong("sentence_vector: got " + text_of(got.row(0)) + ", expected " + text_of(right.row(0)) +
          ". This is the mean over all 5 rows: 3 of them are padding");
  if (same(got, right * double(real_tokens[1]))) wrong("sentence_vector: got the sum of the rows, not their mean");
  expect("sentence_vector", got, right);
  return solved("both masks hide the padding and nothing else, and padded rows are left out of the mean");
}
