// Exercise 1: softmax.
//
// Attention makes weights of scores: any numbers go in; what comes out is positive, sums to 1, and keeps their order.
//
//     softmax(x)_i = exp(x_i) / (exp(x_0) + exp(x_1) + ...)
//
// Fill in the function below. It should also work for scores like 1000, where exp(1000) is more than a double can hold:
// the weights do not change when one and the same number is subtracted from all scores. Which number makes it safe?
#include "exercise.hpp"

std::vector<double> softmax(const std::vector<double>& scores);

#ifndef SOLVED
std::vector<double> softmax(const std::vector<double>& scores) {
  return scores;  // <- your code instead of this line
}
#endif

// ---- What is checked ----
int main() {
  const std::vector<double> scores{1, 2, 3}, expected{0.09003057317038046, 0.24472847105479767, 0.6652409557748219};
  const std::vector<double> got = softmax(scores);
  if (got.size() != scores.size())
    wrong("softmax(1 2 3) has " + std::to_string(got.size()) + " weights and should have 3");
  double sum = 0, distance = 0;
  for (std::size_t i = 0; i < got.size(); ++i) sum += got[i], distance += std::abs(got[i] - expected[i]);
  const std::string both = "softmax(1 2 3): got " + text_of(got) + ", expected " + text_of(expected);
  if (!(std::abs(sum - 1) < 1e-12))
    wrong(both + ". These sum to " + text(sum) + ", and weights sum to 1: divide by the sum of the exponentials");
  if (std::abs(got[0] - 1.0 / 6) < 1e-12) wrong(both + ". These are the scores over their sum: take exp() first");
  if (!(distance < 1e-12)) wrong(both);

  const std::vector<double> large = softmax({1001, 1002, 1003});
  if (!(std::abs(large[2] - expected[2]) < 1e-12))
    wrong("softmax(1001 1002 1003): got " + text_of(large) +
          ", expected the same as for (1 2 3). exp(1003) is infinite: subtract the largest score from all first");
  const std::vector<double> hidden = softmax({0, minus_infinity, 0});
  if (!(hidden[0] == 0.5 && hidden[1] == 0))
    wrong("softmax(0 -inf 0): got " + text_of(hidden) + ", expected (0.5 0 0.5): exp(-inf) is 0, which masks rely on");
  return solved("softmax(1 2 3) is " + text_of(got) + ", and large scores are safe");
}
