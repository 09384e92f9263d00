// The page's script, part 4: the overview, the figures of a head and the table of all heads.
#pragma once
#include <string_view>
#include <vitrine/core/config.hpp>

namespace vitrine::inline VITRINE_ABI::inspect::html_page {

inline constexpr std::string_view script_overview = R"js(
const make = (tag, text, name) => {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (name) node.className = name;
  return node;
};
const token = text => make('span', visible(text), 'token');

// ---- overview: a button for each head, painted when it comes into sight, a few milliseconds at a time
const waiting = new Set();
let painting = false;
const watcher = new IntersectionObserver(entries => {
  for (const {target, isIntersecting} of entries) if (isIntersecting && !target.disabled) waiting.add(target);
  paintWaiting();
}, {rootMargin: '200px'});

function paintWaiting() {
  if (painting || waiting.size === 0) return;
  painting = true;
  requestAnimationFrame(() => {
    const until = performance.now() + 8, group = currentGroup();
    for (const button of waiting) {
      waiting.delete(button);
      watcher.unobserve(button);
      const {layer, head} = button.dataset, map = mapOf(group, Number(layer), Number(head));
      const whole = {left: 0, top: 0, right: group.columns, bottom: group.rows};
      paint(button.firstChild, group, map, whole, Math.ceil(group.rows / 72), Math.ceil(group.columns / 72));
      button.dataset.painted = 'yes';
      if (performance.now() > until) break;
    }
    painting = false;
    paintWaiting();
  });
}

function repaintOverview() {
  waiting.clear();
  for (const button of byId('grid').querySelectorAll('button')) {
    watcher.unobserve(button);
    watcher.observe(button);
  }
}

function clearOverview() {
  waiting.clear();
  watcher.disconnect();
  byId('grid').replaceChildren();
}
function buildOverview() {
  const grid = byId('grid'), group = currentGroup(), withMean = group.heads > 1;
  clearOverview();
  const columns = group.heads + (withMean ? 1 : 0);
  grid.style.gridTemplateColumns = `22px repeat(${columns}, minmax(17px, 150px))`;
  grid.append(make('span', ''));
  for (let head = 0; head < group.heads; ++head) grid.append(make('span', `${head}`, 'number'));
  if (withMean) grid.append(make('span', 'mean', 'number'));
  for (let layer = 0; layer < group.layers; ++layer) {
    grid.append(make('span', `${layer}`, 'number'));
    let any = false;
    for (let head = 0; head < columns; ++head) {
      const button = make('button'), mean = head === group.heads;
      const kept = mean ? any : isKept(group, layer, head);
      any ||= kept;
      button.dataset.layer = layer;
      button.dataset.head = head;
      button.disabled = !kept;
      const name = `layer ${layer}, ${mean ? 'mean of heads' : `head ${head}`}`;
      button.title = kept ? name + (mean ? '' : figuresTitle(storedFigures(group, slotOf(group, layer, head)))) : `${name}: not kept`;
      button.setAttribute('aria-label', button.title);
      button.append(make('canvas'));
      grid.append(button);
    }
  }
  repaintOverview();
}

// ---- figures: some are stored, computed from the exact maps; the others come from the stored weights
const FIGURES = [
  ['entropy', 'entropy', 'mean entropy of the rows, in nats: 0 when one key has all the weight'],
  ['largest', 'largest', "mean of the rows' largest weights"],
  ['same', 'same', "mean weight on the key with the query's own number"],
  ['previous', 'previous', 'mean weight on the key before the same position'],
  ['next', 'next', 'mean weight on the key after the same position'],
  ['first', 'first', 'mean weight on key 0'],
  ['last', 'last', 'mean weight on the last key'],
  ['distance', 'distance', 'mean distance between the numbers of query and key'],
];
function storedFigures(group, slot) {  // undefined where none is stored
  return group.figures[slot] ??= (() => {
    const halves = headBytes(group, slot, 0, 2 * group.stored.length), figures = FIGURES.map(() => undefined);
    group.stored.forEach((place, k) => { figures[place] = halfValue(halves[2 * k] << 8 | halves[2 * k + 1]); });
    return figures;
  })();
}
function figuresOf(group, layer, head) {
  const figures = storedFigures(group, slotOf(group, layer, head));
  if (!figures.includes(undefined)) return figures;
  const {rows, columns} = group, map = mapOf(group, layer, head), sums = [0, 0, 0, 0, 0];
  let seen = 0, largest = 0;  // rows that have any weight, the sum of their largest
  for (let i = 0; i < rows; ++i) {
    if (map.tops[i] === 0) continue;
    ++seen;
    largest += map.tops[i] * map.scales[i] / 255;
    [i, i - 1, i + 1, 0, columns - 1].forEach((j, k) => { if (j >= 0 && j < columns) sums[k] += valueAt(group, map, i, j); });
  }
  [largest, ...sums].forEach((sum, k) => { figures[1 + k] = Number.isNaN(figures[0]) ? NaN : sum / Math.max(1, seen); });
  return figures;
}
const figureText = value => Number.isFinite(value) ? value.toFixed(2) : 'not finite';
const figuresTitle = figures => `: entropy ${figureText(figures[0])}, distance ${figureText(figures[7])}`;

function showFigures(group) {
  const list = byId('figures');
  list.replaceChildren();
  if (state.mean) return;
  const figures = figuresOf(group, state.layer, state.head);
  FIGURES.forEach(([, name, meaning], k) => {
    const pair = make('div');
    pair.title = meaning;
    pair.append(make('dt', name), make('dd', figureText(figures[k])));
    list.append(pair);
  });
}

let sorting = {column: 0, falling: false};
let tableOf;  // the group whose figures are being computed, a few milliseconds at a time: some need all of its maps
function showTable() {
  const group = tableOf = currentGroup();
  if (!byId('table-details').open || !group) return;
  const until = performance.now() + 12;
  for (const index of group.kept) {
    figuresOf(group, Math.floor(index / group.heads), index % group.heads);
    if (performance.now() < until) continue;
    requestAnimationFrame(() => { if (tableOf === group) showTable(); });
    break;
  }
  const head = document.querySelector('thead tr'), body = document.querySelector('tbody');
  const focused = [...head.querySelectorAll('button')].indexOf(document.activeElement);
  head.replaceChildren(...['layer', 'head', ...FIGURES.map(figure => figure[1])].map((name, column) => {
    const cell = make('th'), mark = sorting.column === column ? (sorting.falling ? ' ↓' : ' ↑') : '';
    const button = make('button', name + mark);
    if (column > 1) button.title = FIGURES[column - 2][2];
    button.addEventListener('click', () => {
      sorting = {column, falling: sorting.column === column ? !sorting.falling : column > 1};
      showTable();
    });
    if (mark) cell.setAttribute('aria-sort', sorting.falling ? 'descending' : 'ascending');
    cell.append(button);
    return cell;
  }));
  head.children[focused]?.firstChild.focus();
  const rows = group.kept.map(index => {
    const layer = Math.floor(index / group.heads), head = index % group.heads;
    return [layer, head, ...storedFigures(group, slotOf(group, layer, head))];
  });
  const finiteOr = (value, other) => Number.isFinite(value) ? value : other;
  const most = FIGURES.map((_, k) => Math.max(1e-9, ...rows.map(row => finiteOr(row[k + 2], 0))));
  rows.sort((a, b) => (finiteOr(a[sorting.column], -1) - finiteOr(b[sorting.column], -1)) * (sorting.falling ? -1 : 1));
  body.replaceChildren(...rows.map(row => {
    const line = make('tr');
    line.dataset.layer = row[0];
    line.dataset.head = row[1];
    row.forEach((value, k) => {
      const cell = make('td', k === 1 || value === undefined ? undefined : k === 0 ? `${value}` : figureText(value));
      if (k === 1) {  // for the keyboard; a click on it is one on its row
        cell.append(make('button', `${value}`));
        cell.firstChild.setAttribute('aria-label', `show layer ${row[0]}, head ${value}`);
      }
      if (k > 1 && Number.isFinite(value)) cell.style.backgroundSize = `${100 * value / most[k - 2]}% 80%`;
      line.append(cell);
    });
    line.addEventListener('click', () => chooseHead(row[0], row[1]));
    return line;
  }));
  markTable();
}

function markTable() {
  for (const line of document.querySelectorAll('tbody tr')) {
    const chosen = Number(line.dataset.layer) === state.layer && Number(line.dataset.head) === state.head;
    line.classList.toggle('chosen', chosen);
    line.querySelector('button').setAttribute('aria-current', chosen);
  }
}
)js";

}  // namespace vitrine::inline VITRINE_ABI::inspect::html_page
