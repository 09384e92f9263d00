// The viewer's script, part 5: the texts around the picture, drawing, and choosing what is shown.
#pragma once
#include <string_view>
#include <vitrine/core/config.hpp>

namespace vitrine::inline VITRINE_ABI::inspect::viewer {

inline constexpr std::string_view script_texts = R"js(
// ---- the line above the picture, and the strongest partners below it
function named(group, side, k) {
  const {tokens, step} = sideOf(group, side);
  return [`${side} ${numberOf(group, side, k)} `, token(tokens[k * step]), ...(step > 1 ? [' …'] : [])];
}

function partners(group, map, chosen) {  // of the chosen query, else of the chosen key: [position, weight], strongest first
  const byRow = chosen.row !== null, count = byRow ? group.columns : group.rows;
  const all = Array.from({length: count}, (_, k) => [k, byRow ? valueAt(group, map, chosen.row, k) : valueAt(group, map, k, chosen.column)]);
  return all.filter(([, value]) => !Number.isNaN(value)).sort((a, b) => b[1] - a[1] || a[0] - b[0]);
}

function showReadout(group, map) {
  const readout = byId('readout'), chosen = state.hover ?? state, {row, column} = chosen;
  const value = row !== null && column !== null ? valueAt(group, map, row, column) : null;
  readout.dataset.row = row ?? '';
  readout.dataset.column = column ?? '';
  readout.dataset.value = value ?? '';
  if (value !== null) {
    const most = isReduced(group) ? ' (largest of the block)' : '';
    readout.replaceChildren(...named(group, 'query', row), ' looks at ', ...named(group, 'key', column), ' with weight ', make('b', weightText(value)), most);
  } else if (row !== null) {
    const [best] = partners(group, map, chosen);
    readout.replaceChildren(...named(group, 'query', row), ...(best && best[1] > 0
      ? [' looks most at ', ...named(group, 'key', best[0]), ' with weight ', make('b', weightText(best[1]))] : [' has no weight on any key.']));
  } else if (column !== null && isReduced(group)) {  // the largest of blocks do not add up to what a key receives
    const [best] = partners(group, map, chosen);
    readout.replaceChildren(...named(group, 'key', column), ...(best && best[1] > 0
      ? [' receives most from ', ...named(group, 'query', best[0]), ', weight ', make('b', weightText(best[1])), ' (largest of the block)'] : [' receives no weight.']));
  } else if (column !== null) {
    let total = 0;
    for (const [, weight] of partners(group, map, chosen)) total += weight;
    const sum = make('b', weightText(total));
    sum.title = 'The sum of weights stored in one byte, in which small ones are 0.';
    readout.replaceChildren(...named(group, 'key', column), ' receives about ', sum, ` in all from ${group.rows} queries`);
  } else {
    readout.replaceChildren(state.view === 'heat' ? 'Point at a cell to read its weight; click to hold it.' : 'Point at a token to see its lines; click to hold it.');
  }
}

function showStrongest(group, map) {
  const list = byId('strongest');
  list.replaceChildren();
  if (state.row === null && state.column === null) return;
  const byRow = state.row !== null, side = byRow ? 'key' : 'query';
  const title = make('p', undefined, 'note');
  title.append('Strongest for ', ...named(group, byRow ? 'query' : 'key', byRow ? state.row : state.column));
  list.append(title);
  const best = partners(group, map, state).filter(([, value]) => value > 0).slice(0, 8);
  for (const [k, value] of best) {
    const name = make('span', undefined, 'name'), bar = make('span', undefined, 'bar'), fill = make('i');
    name.append(...named(group, side, k));
    fill.style.width = `${100 * Math.min(1, value / (byRow ? 1 : best[0][1]))}%`;
    bar.append(fill);
    list.append(name, bar, make('span', weightText(value)));
  }
}

function showLegend(map) {
  const canvas = document.querySelector('#legend canvas'), context = canvas.getContext('2d'), table = steps();
  for (let k = 0; k < 256; ++k) {
    context.fillStyle = palette().names[table[k]];
    context.fillRect(k, 0, 1, 1);
  }
  byId('legend-end').textContent = state.scale === 'row' ? 'row’s largest' : state.scale === 'one' ? '1' : weightText(map.largest);
}

// ---- drawing: at most once a frame
let drawing = false;
const view = () => state.view === 'heat' ? heat : lines;
const chosenMap = group => {
  if (!group || group.kept.length === 0 || group.rows === 0 || group.columns === 0) return null;
  return mapOf(group, state.layer, state.head);
};

function drawNow() {
  const group = currentGroup(), map = chosenMap(group);
  if (!map) return;
  const width = scroller.clientWidth;
  view().draw(group, map);
  if (scroller.clientWidth !== width) view().draw(group, map);  // a scroll bar came or went
  showReadout(group, map);
}
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; drawNow(); });
}

// Everything about the chosen head.
function show() {
  const group = currentGroup(), map = chosenMap(group);
  byId('detail').hidden = byId('statistics').hidden = !map;
  if (!map) {
    byId('overview-hint').textContent = group ? 'No map of this kind was kept.' : 'There is nothing to show.';
    return;
  }
  const head = state.mean ? 'mean of heads' : `head ${state.head}`;
  byId('where').textContent = `${group.kind} · layer ${state.layer} · ${head}`;
  picture.setAttribute('aria-label', `${state.view === 'heat' ? 'heatmap' : 'lines'}, ${group.kind}, layer ${state.layer}, ${head}`);
  byId('view-heat').setAttribute('aria-pressed', state.view === 'heat');
  byId('view-lines').setAttribute('aria-pressed', state.view === 'lines');
  for (const button of byId('grid').querySelectorAll('button')) {
    const chosen = Number(button.dataset.layer) === state.layer && Number(button.dataset.head) === state.head;
    button.setAttribute('aria-pressed', chosen);
    button.tabIndex = chosen ? 0 : -1;
  }
  const {rowStep, columnStep} = group;
  byId('reduced').hidden = !isReduced(group);
  byId('reduced').textContent = `Reduced picture: the map has ${group.queries.length} × ${group.keys.length} weights; each cell shows the largest weight of ` +
      `${rowStep} × ${columnStep} neighbours (queries × keys), so rows no longer sum to 1. The statistics are those of the whole map.`;
  const most = lines.most(group);
  byId('fewer').hidden = state.view !== 'lines' || !lines.isLimited(group);
  byId('fewer').textContent = `Of each query only the ${most > 1 ? `${most} strongest lines are` : 'strongest line is'} drawn; point at a token to see all of its lines.`;
  showFigures(group);
  showStrongest(group, map);
  showLegend(map);
  markTable();
  drawNow();
}

// ---- choosing
function chooseHead(layer, head) {
  state.layer = layer;
  state.head = head;
  state.mean = head === currentGroup().heads;
  show();
}

function moveHead(layers, heads) {  // to the next kept one in that direction
  const group = currentGroup(), columns = group.heads + (group.heads > 1 ? 1 : 0);
  let {layer, head} = state;
  for (;;) {
    layer += layers;
    head += heads;
    if (layer < 0 || head < 0 || layer >= group.layers || head >= columns) return;
    const button = byId('grid').querySelector(`[data-layer="${layer}"][data-head="${head}"]`);
    if (button.disabled) continue;
    chooseHead(layer, head);
    if (byId('grid').contains(document.activeElement)) button.focus();
    button.scrollIntoView({block: 'nearest', inline: 'nearest'});
    return;
  }
}

function choose(row, column) {
  state.row = row;
  state.column = column;
  const group = currentGroup();
  showStrongest(group, chosenMap(group));
  draw();
}

function chooseGroup(index) {
  const groups = page.examples[state.example].groups;
  if (index < 0 || index >= groups.length) return;
  state.group = index;
  const group = groups[index];
  Object.assign(state, {row: null, column: null, hover: null, zoom: null});
  if (state.mean) state.head = group.heads;  // whatever number of heads there is
  const mayStay = state.layer < group.layers && (state.mean ? group.heads > 1 && group.kept.some(k => Math.floor(k / group.heads) === state.layer)
    : state.head < group.heads && isKept(group, state.layer, state.head));
  if ((!mayStay || !chooseGroup.seen) && group.kept.length) {
    const slot = sharpest(group);
    state.layer = Math.floor(group.kept[slot] / group.heads);
    state.head = group.kept[slot] % group.heads;
    state.mean = false;
  }
  chooseGroup.seen = true;
  const tabs = byId('tabs'), hadFocus = tabs.contains(document.activeElement);
  tabs.replaceChildren(...groups.map(({kind}, k) => {
    const tab = make('button', kind);
    tab.setAttribute('role', 'tab');
    tab.setAttribute('aria-selected', k === index);
    tab.tabIndex = k === index ? 0 : -1;
    tab.title = `${k + 1}`;
    tab.addEventListener('click', () => chooseGroup(k));
    return tab;
  }));
  if (hadFocus) tabs.children[index].focus();
  byId('overview-hint').textContent = 'Rows are layers, columns are heads. Layers, heads and tokens are numbered from 0.';
  scroller.scrollTo(0, 0);
  buildOverview();
  showTable();
  show();
}

function chooseExample(index) {
  if (index < 0 || index >= page.examples.length) return;
  const kind = currentGroup()?.kind, groups = page.examples[index].groups;
  state.example = index;
  byId('example').value = index;
  state.group = 0;
  if (groups.length) return chooseGroup(Math.max(0, groups.findIndex(group => group.kind === kind)));
  byId('tabs').replaceChildren();
  clearOverview();
  show();
}
)js";

}  // namespace vitrine::inline VITRINE_ABI::inspect::viewer
