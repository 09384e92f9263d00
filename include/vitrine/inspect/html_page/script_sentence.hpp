// The page's script, part 5: the sentences above a picture, coloured by the chosen token's weights.
#pragma once
#include <string_view>
#include <vitrine/core/config.hpp>

namespace vitrine::inline VITRINE_ABI::inspect::html_page {

inline constexpr std::string_view script_sentence = R"js(
// What each key receives: in all, or, of blocks, whose weights do not add up, at most.
function received(group, map) {
  if (map.received) return map.received;
  const sums = new Float64Array(group.columns), largest = isReduced(group);
  for (let i = 0; i < group.rows; ++i) {
    for (let j = 0; j < group.columns; ++j) {
      const value = valueAt(group, map, i, j);
      if (!Number.isNaN(value)) sums[j] = largest ? Math.max(sums[j], value) : sums[j] + value;
    }
  }
  return map.received = sums;
}

// The whole sentences, once for each group: a token is a span with its position in the picture.
function buildSentence(group) {
  if (pane.sentenceOf === group) return;
  pane.sentenceOf = group;
  pane.sentence.replaceChildren(...['query', 'key'].map(side => {
    const {tokens, step} = sideOf(group, side), row = make('div', undefined, 'side'), box = make('div', undefined, 'tokens');
    box.dataset.side = side;
    box.append(...tokens.map((text, k) => {
      const one = token(text);
      one.dataset.k = Math.floor(k / step);
      one.title = `${side} ${k}`;
      return one;
    }));
    row.append(make('span', side, 'name'), box);
    return row;
  }));
}

// The step of each token of a side, or null where nothing colours it: the keys of a chosen query, the queries of a chosen key, else keys by what a query gives them on average.
function sentenceSteps(group, map, side, {row, column}) {
  if (side === 'key' && row !== null) return j => stepAt(group, map, row, j);
  if (side === 'query' && row === null && column !== null) return i => stepAt(group, map, i, column);
  if (side === 'query' || column !== null) return null;
  const sums = received(group, map), mean = isReduced(group) ? 1 : 1 / group.rows, table = steps();
  const full = state.scale === 'one' ? 1 : state.scale === 'row' ? mean * Math.max(...sums) : map.largest;
  return j => full > 0 ? table[Math.min(255, Math.round(255 * mean * sums[j] / full))] : 0;
}

function showSentence(group, map) {
  buildSentence(group);
  const chosen = pointed(group), colours = palette().names, place = [map.name, state.row, state.column].join(), isNew = !state.hover && place !== pane.sentenceAt;
  if (isNew) pane.sentenceAt = place;
  for (const box of pane.sentence.querySelectorAll('.tokens')) {
    const {side} = box.dataset, step = sentenceSteps(group, map, side, chosen), own = side === 'query' ? chosen.row : chosen.column;
    let shown = null, most = 0;  // what is to be in sight: the chosen token, else the strongest
    for (const one of box.children) {
      const k = Number(one.dataset.k), itsStep = step?.(k);
      if (k === own || (shown?.dataset.k !== `${own}` && itsStep > most)) { shown = one; most = itsStep; }
      one.style.background = step ? colours[itsStep] : '';
      one.style.color = step ? inkOn(itsStep) : '';
      one.classList.toggle('marked', k === own);
    }
    if (!isNew || (state.row === null && state.column === null)) continue;
    if (shown && (shown.offsetTop < box.scrollTop || shown.offsetTop + shown.offsetHeight > box.scrollTop + box.clientHeight)) box.scrollTop = shown.offsetTop - 4;
  }
}

// The token under the pointer as a cell of the picture; with a query held, pointing at a key names that pair.
function tokenAt(target) {
  const one = target.closest('.sentence .token');
  if (!one) return null;
  const k = Number(one.dataset.k);
  return one.parentNode.dataset.side === 'query' ? {row: k, column: null} : {row: clipped(currentGroup(), state).row, column: k};
}
)js";

}  // namespace vitrine::inline VITRINE_ABI::inspect::html_page
