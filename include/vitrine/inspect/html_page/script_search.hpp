// The page's script, part 8: the address, which keeps what is shown, and the search for a word.
#pragma once
#include <string_view>
#include <vitrine/core/config.hpp>

namespace vitrine::inline VITRINE_ABI::inspect::html_page {

inline constexpr std::string_view script_search = R"js(
// ---- the address: #example=0&tab=cross&layer=1&head=2&query=3&key=4&view=lines, and the same with a 2 for the second picture
const tabName = (groups, k) => groups.filter(({kind}) => kind === groups[k].kind).length === 1 ? groups[k].kind : `${k}`;

function showAddress() {
  const values = new URLSearchParams();
  shownPanes().forEach((one, k) => within(one, () => {
    const end = k ? '2' : '', {groups, number} = page.examples[state.example];
    values.set('example' + end, number);
    if (!groups.length) return;
    values.set('tab' + end, tabName(groups, state.group));
    values.set('layer' + end, state.layer);
    values.set('head' + end, state.mean ? 'mean' : state.head);
  }));
  if (state.row !== null) values.set('query', state.row);
  if (state.column !== null) values.set('key', state.column);
  if (state.view !== 'heat') values.set('view', state.view);
  byId('link').href = `#${values}`;
  try {
    history.replaceState(null, '', `#${values}`);
  } catch {  // within a notebook, whose address it would be
    byId('link').hidden = true;
  }
}

const whole = text => /^\d{1,9}$/.test(text ?? '') ? Number(text) : null;
// One picture's part of an address, as far as the page has what it names.
function followPart(values, end) {
  const example = page.examples.findIndex(({number}) => `${number}` === values.get('example' + end));
  if (example < 0) return false;
  chooseExample(example);
  const {groups} = page.examples[example], group = groups.findIndex((_, k) => tabName(groups, k) === values.get('tab' + end));
  if (group >= 0) chooseGroup(group);
  const shown = currentGroup(), layer = whole(values.get('layer' + end)), mean = values.get('head' + end) === 'mean', head = mean ? shown?.heads : whole(values.get('head' + end));
  if (layer !== null && head !== null && byId('grid').querySelector(`[data-layer="${layer}"][data-head="${head}"]:enabled`)) chooseHead(layer, head);
  return true;
}

function followAddress(address) {
  const values = new URLSearchParams(address.slice(1));
  if (!page.examples.length || !values.has('example')) return;
  compare(false);
  followPart(values, '');
  if (values.has('example2')) {
    compare(true);
    if (!followPart(values, '2')) compare(false);
    else activate(panes[0]);
  }
  const group = currentGroup();
  if (!group) return;
  state.view = values.get('view') === 'lines' ? 'lines' : 'heat';
  const {row, column} = clipped(group, {row: whole(values.get('query')), column: whole(values.get('key'))});
  show();
  choose(row, column);
  if (chosenMap(group)) view().show(group);
}

// ---- the search: a word is looked for in the examples' titles and in their tokens, put together with and without blanks
const found = {word: '', places: [], at: -1};

function placesOf(word) {
  const places = [], kind = currentGroup()?.kind;
  page.examples.forEach(({title, groups}, example) => {
    const group = Math.max(0, groups.findIndex(one => one.kind === kind)), before = places.length;
    if (groups.length) {
      const {queries, keys} = groups[group];
      for (const [side, tokens] of queries.join('\0') === keys.join('\0') ? [['query', queries]] : [['query', queries], ['key', keys]])
        for (const k of positionsOf(word, tokens)) places.push({example, group, side, k});
    }
    if (places.length === before && title.toLowerCase().includes(word)) places.push({example, group, side: null});
  });
  return places;
}

// The tokens in which the word begins.
function positionsOf(word, tokens) {
  const positions = new Set();
  for (const between of ['', ' ']) {
    let text = '';
    const starts = tokens.map(one => {
      const start = text.length;
      text += one.replace(/^##|<\/w>$/gu, '').replace(/[▁Ġ]/gu, ' ').toLowerCase() + between;
      return start;
    });
    let token = 0;
    for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
      while (token + 1 < starts.length && starts[token + 1] <= at) ++token;
      positions.add(token);
    }
  }
  return [...positions].sort((a, b) => a - b);
}

function search(by) {
  const word = byId('search').value.trim().toLowerCase();
  if (word !== found.word) Object.assign(found, {word, places: word ? placesOf(word) : [], at: by > 0 ? -1 : 0});
  const count = found.places.length;
  if (count) {
    found.at = (found.at + by + count) % count;
    const {example, group, side, k} = found.places[found.at];
    if (example !== state.example || group !== state.group) {
      if (example !== state.example) chooseExample(example);
      if (group !== state.group) chooseGroup(group);
    }
    const shown = currentGroup();
    if (shown && side) choose(side === 'query' ? Math.floor(k / shown.rowStep) : null, side === 'key' ? Math.floor(k / shown.columnStep) : null);
    if (chosenMap(shown)) view().show(shown);
  }
  byId('found').textContent = !word ? '' : count ? `${found.at + 1} of ${count}` : 'not found';
}
)js";

}  // namespace vitrine::inline VITRINE_ABI::inspect::html_page
