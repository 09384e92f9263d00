// The page's script, part 6: the texts around the picture, drawing, and choosing what is shown.
#pragma once
#include <string_view>
#include <vitrine/core/config.hpp>

namespace vitrine::inline VITRINE_ABI::inspect::html_page {

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

// The same cell's weight in the other of two pictures.
function inTheOther(row, column) {
  const other = shownPanes().find(one => one !== pane);
  if (!other) return [];
  return within(other, () => {
    const group = currentGroup(), map = chosenMap(group);
    return map && row < group.rows && column < group.columns ? ['; in the other picture ', make('b', weightText(valueAt(group, map, row, column)))] : [];
  });
}

function showReadout(group, map) {
  const readout = byId('readout'), chosen = pointed(group), {row, column} = chosen;
  const value = row !== null && column !== null ? valueAt(group, map, row, column) : null;
  readout.dataset.row = row ?? '';
  readout.dataset.column = column ?? '';
  readout.dataset.value = value ?? '';
  if (value !== null) {
    const most = isReduced(group) ? ' (largest of the block)' : '';
    readout.replaceChildren(...named(group, 'query', row), ' looks at ', ...named(group, 'key', column), ' with weight ', make('b', weightText(value)), most, ...inTheOther(row, column));
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
  const chosen = clipped(group, state), none = chosen.row === null && chosen.column === null, byRow = chosen.row !== null, side = byRow || none ? 'key' : 'query';
  const title = make('p', undefined, 'note');
  if (none) title.append(isReduced(group) ? 'Keys with the largest weights' : `Keys that receive most, of ${group.rows} in all`);
  else title.append('Strongest for ', ...named(group, byRow ? 'query' : 'key', byRow ? chosen.row : chosen.column));
  list.replaceChildren(title);
  const all = none ? Array.from(received(group, map), (sum, j) => [j, sum]).sort((a, b) => b[1] - a[1] || a[0] - b[0]) : partners(group, map, chosen);
  const best = all.filter(([, value]) => value > 0).slice(0, 6);
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
  for (const one of shownPanes()) within(one, drawPane);
  within(state.hover?.pane ?? pane, () => { if (chosenMap(currentGroup())) showReadout(currentGroup(), chosenMap(currentGroup())); });
}
function drawPane() {
  const group = currentGroup(), map = chosenMap(group);
  pane.picture.hidden = pane.sentence.hidden = !map;
  if (!map) return;
  const width = scroller.clientWidth;
  view().draw(group, map);
  if (scroller.clientWidth !== width) view().draw(group, map);  // a scroll bar came or went
  showSentence(group, map);
}
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; drawNow(); });
}

const headName = () => state.mean ? 'mean of heads' : `head ${state.head}`;
const shownName = () => `${page.examples[state.example].title} · ${currentGroup().kind} · layer ${state.layer} · ${headName()}`;

// Everything about the chosen head.
function show() {
  const group = currentGroup(), map = chosenMap(group);
  const isComparing = shownPanes().length > 1;
  byId('detail').hidden = !map && !isComparing;
  byId('partners').hidden = byId('statistics').hidden = !map;
  for (const one of shownPanes()) within(one, () => {
    one.node.classList.toggle('active', isComparing && one === panes[state.active]);
    one.caption.hidden = !isComparing;
    one.caption.textContent = chosenMap(currentGroup()) ? visible(shownName()).replaceAll('␣', ' ') : 'no map';
  });
  byId('compare').setAttribute('aria-pressed', isComparing);
  if (page.examples.length) showAddress();
  if (!map) {
    byId('overview-hint').textContent = group ? 'No map of this kind was kept.' : 'There is nothing to show.';
    return;
  }
  byId('where').textContent = `${group.kind} · layer ${state.layer} · ${headName()}`;
  picture.setAttribute('aria-label', `${state.view === 'heat' ? 'heatmap' : 'lines'}, ${group.kind}, layer ${state.layer}, ${headName()}`);
  byId('lift').checked = state.lift;
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
  const group = currentGroup(), map = chosenMap(group);
  if (!map) return;
  showStrongest(group, map);
  showAddress();
  draw();
}

function chooseGroup(index) {
  const groups = page.examples[state.example].groups;
  if (index < 0 || index >= groups.length) return;
  state.group = index;
  const group = groups[index];
  Object.assign(state, {hover: null, zoom: null});
  if (shownPanes().length < 2) Object.assign(state, {row: null, column: null});  // what is compared stays chosen
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
  scroller.scrollTo(0, 0);
  showGroup();
}

// All around the pictures that depends on the kind of attention.
function showGroup() {
  const {groups} = page.examples[state.example], index = state.group;
  if (!groups.length) {
    byId('tabs').replaceChildren();
    clearOverview();
    return show();
  }
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
  if (groups.length) chooseGroup(Math.max(0, groups.findIndex(group => group.kind === kind)));
  else showGroup();
}

// ---- two pictures: what is chosen in the overview, the tabs and the list of examples is for one of them
function activate(one) {
  if (one === pane) return;
  usePane(one);
  state.active = panes.indexOf(one);
  state.hover = null;
  byId('example').value = state.example;
  showGroup();
}

function compare(on) {
  if (on === shownPanes().length > 1 || !page.examples.length) return;
  panes[1].node.hidden = !on;
  document.querySelector('main').classList.toggle('comparing', on);
  state.zoom = null;
  if (on) {
    Object.assign(panes[1].shown, panes[0].shown);
    activate(panes[1]);
  } else {
    Object.assign(panes[0].shown, pane.shown);  // the one that was chosen last stays
    usePane(panes[0]);
    state.active = 0;
    showGroup();
  }
}
)js";

}  // namespace vitrine::inline VITRINE_ABI::inspect::html_page
