// Solution of exercise 4. vt::key_lengths(lengths) says the same without a mask.
#define SOLVED
#include "../4_padding.cpp"

Flags torch_key_padding_mask(const std::vector<Index>& lengths, Index longest) {
  Flags ignore;
  for (const Index length : lengths)
    for (Index s = 0; s < longest; ++s) ignore.push_back(s >= length);
  return ignore;
}
Flags hf_attention_mask(const std::vector<Index>& lengths, Index longest) {
  Flags keep;
  for (const Index length : lengths)
    for (Index s = 0; s < longest; ++s) keep.push_back(s < length);
  return keep;
}
std::vector<double> sentence_vector(const Matrix& output, Index length) {
  std::vector<double> mean(std::size_t(output.cols()), 0.0);
  for (Index t = 0; t < length; ++t)
    for (Index i = 0; i < output.cols(); ++i) mean[std::size_t(i)] += output(t, i) / double(length);
  return mean;
}
