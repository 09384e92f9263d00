// Solution of exercise 2. The two inner loops are Eigen's queries * keys.transpose().
#define SOLVED
#include "../2_one_head.cpp"

Matrix attention_weights(const Matrix& queries, const Matrix& keys) {
  Matrix weights = Matrix::Zero(queries.rows(), keys.rows());
  for (Index t = 0; t < queries.rows(); ++t)
    for (Index s = 0; s < keys.rows(); ++s) {
      for (Index i = 0; i < queries.cols(); ++i) weights(t, s) += queries(t, i) * keys(s, i);
      weights(t, s) /= std::sqrt(double(queries.cols()));
    }
  softmax_rows(weights);
  return weights;
}
