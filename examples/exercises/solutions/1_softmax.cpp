// Solution of exercise 1. The largest score becomes 0 and every other less: no exponential is above 1.
#define SOLVED
#include "../1_softmax.cpp"

#include <algorithm>

std::vector<double> softmax(const std::vector<double>& scores) {
  const double most = *std::max_element(scores.begin(), scores.end());
  std::vector<double> weights;
  double sum = 0;
  for (const double score : scores) {
    weights.push_back(std::exp(score - most));
    sum += weights.back();
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}
