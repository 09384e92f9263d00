// expect: vitrine: keep::rollout needs self-attention over whole sequences; a step is one row of it
#include <vitrine/vitrine.hpp>

#include <vitrine/generate/causal_steps.hpp>

void step(vt::CausalSteps<float>& steps) {
  const vt::Index id[] = {1};
#ifdef FIXED
  (void)steps.next(id, vt::keep::statistics);
#else
  (void)steps.next(id, vt::keep::rollout);
#endif
}
