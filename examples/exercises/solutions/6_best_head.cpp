// Solution of exercise 6.
#define SOLVED
#include "../6_best_head.cpp"

Choice best_head(const vt::Maps<float>& cross, const std::vector<Word>& words) {
  Choice best;
  for (Index layer = 0; layer < cross.layers(); ++layer)
    for (Index head = 0; head < cross.heads(); ++head) {
      Index hits = 0, phonemes = 0;
      for (Index w = 0; w < Index(words.size()); ++w) {
        const auto map = cross[layer].matrix(w, head);
        const Word& word = words[std::size_t(w)];
        for (Index t = 0; t < map.rows(); ++t, ++phonemes) {
          Index strongest = 0;
          for (Index s = 1; s < map.cols(); ++s)
            if (map(t, s) > map(t, strongest)) strongest = s;
          hits += letters::can_spell(word.letters[std::size_t(strongest)], word.phonemes[std::size_t(t)]);
        }
      }
      const double share = double(hits) / double(phonemes);
      if (share > best.share) best = {layer, head, share};
    }
  return best;
}
