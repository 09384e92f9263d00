// Solution of exercise 3.
#define SOLVED
#include "../3_causal_mask.cpp"

void hide_later_keys(Matrix& scores, Index past) {
  for (Index t = 0; t < scores.rows(); ++t)
    for (Index s = t + past + 1; s < scores.cols(); ++s) scores(t, s) = minus_infinity;
}
