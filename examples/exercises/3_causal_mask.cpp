// Exercise 3: the causal mask.
//
// A model that writes text token by token must not look at what comes later. A mask hides keys before softmax: a score
// of minus infinity becomes a weight of exactly 0, and the others still sum to 1.
//
//     scores(t, s) = -inf    where key s comes after query t
//
// While text is written, the queries are only the newest tokens, and keys of `past` earlier tokens are kept: then query
// 0 stands at position `past`. Fill in the function below for both.
#include "exercise.hpp"

void hide_later_keys(Matrix& scores, Index past);

#ifndef SOLVED
void hide_later_keys([[maybe_unused]] Matrix& scores, [[maybe_unused]] Index past) {
  // <- your code here; minus_infinity is a double
}
#endif

// ---- What is checked ----
// What vitrine gives for the last `length` of 5 tokens, and what your mask gives for the same scores.
void check(const vt::MultiheadAttention<double>& layer, const Matrix& x, Index length) {
  const Index past = x.rows() - length;
  const Matrix queries = x.bottomRows(length);
  const auto free = layer(queries, x, x, {}, vt::keep::scores);
  const auto causal = layer(queries, x, x, {.mask = vt::causal(past)});
  const Matrix scores = free.cross_attn.scores(0, 0), expected = causal.cross_attn.matrix(0, 0);

  Matrix weights = scores;
  hide_later_keys(weights, past);
  const std::string where = std::to_string(length) + " queries after " + std::to_string(past) + " past tokens: ";
  if (weights.rows() != length || weights.cols() != x.rows()) wrong(where + "the scores must keep their size");
  for (Index t = 0; t < length; ++t) {
    const std::string query = where + "row " + std::to_string(t);
    if ((weights.row(t).array() == minus_infinity).all())
      wrong(query + " sees no key at all, not even its own: key s may be seen when s <= t + past");
    for (Index s = 0; s < x.rows(); ++s) {
      const std::string key = query + ", key " + std::to_string(s);
      const double score = weights(t, s);
      if (s > t + past && score != minus_infinity) {
        if (score == 0) wrong(key + ": got 0, expected -inf. A score of 0 is no mask: exp(0) = 1");
        wrong(key + ": got " + text(score) + ", expected -inf. The key comes later than the query, and is seen");
      }
      if (s <= t + past && score == minus_infinity)
        wrong(key + ": got -inf, expected " + text(scores(t, s)) + ". The key is " +
              (s == t + past ? "the query's own token" : "earlier than the query") + ", and is hidden");
      if (s <= t + past && score != scores(t, s))
        wrong(key + ": got " + text(score) + ", expected " + text(scores(t, s)) + ": the score should stay as it was");
    }
  }
  softmax_rows(weights);
  expect(where + "the map", weights, expected);
}

int main() {
  vt::MultiheadAttention<double> layer({.embed_dim = 8, .num_heads = 2});
  vt::throw_if_failed(layer.init(3));
  const Matrix x = 2 * Matrix::Random(5, 8);
  for (const Index length : {5, 2, 1}) check(layer, x, length);
  return solved("the same maps as vt::causal(), for a whole text and for tokens that come one by one");
}
