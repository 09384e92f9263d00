// The page's script, part 9: mouse, touch and keyboard, and the beginning.
#pragma once
#include <string_view>
#include <vitrine/core/config.hpp>

namespace vitrine::inline VITRINE_ABI::inspect::html_page {

inline constexpr std::string_view script_events = R"js(
// ---- mouse and touch
const eventPoint = event => {
  const box = picture.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
};
// What is under the pointer: a cell or a token of the present picture, or a token of its sentence.
const hitOf = event => picture.contains(event.target) ? view().hit(currentGroup(), ...eventPoint(event)) : tokenAt(event.target);

function point(event) {
  const hit = hitOf(event), hover = hit && {...hit, pane};
  if (hover?.row === state.hover?.row && hover?.column === state.hover?.column && hover?.pane === state.hover?.pane) return;
  state.hover = hover;
  draw();
}
function hold(event) {
  const hit = hitOf(event);
  if (!hit && !picture.contains(event.target)) return;
  state.hover = null;
  if (!hit || (hit.row === state.row && hit.column === state.column)) choose(null, null);
  else choose(hit.row, hit.column);
}
function zoomWithWheel(event) {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  const group = currentGroup(), size = state.zoom ?? (state.view === 'heat' ? heat.layout(group).cell : lines.rowHeight());
  view().setZoom(group, size * Math.exp(-event.deltaY / 300), ...eventPoint(event));
}
// Pictures of the same size scroll together.
function scrollOthers() {
  const {rows, columns} = currentGroup() ?? {}, {scrollLeft, scrollTop} = scroller;
  for (const one of shownPanes()) within(one, () => {
    if (currentGroup()?.rows === rows && currentGroup()?.columns === columns) scroller.scrollTo(scrollLeft, scrollTop);
  });
}
for (const one of panes) {
  for (const node of [one.picture, one.sentence]) {
    node.addEventListener('pointermove', event => within(one, () => point(event)));
    node.addEventListener('pointerleave', () => { state.hover = null; draw(); });
    node.addEventListener('click', event => { activate(one); hold(event); });
  }
  one.node.addEventListener('focusin', () => activate(one));
  one.caption.addEventListener('click', () => activate(one));
  one.scroller.addEventListener('scroll', () => { state.hover = null; within(one, scrollOthers); draw(); }, {passive: true});
  one.scroller.addEventListener('wheel', event => within(one, () => zoomWithWheel(event)), {passive: false});
  new ResizeObserver(draw).observe(one.scroller);
}
addEventListener('resize', draw);

function zoomBy(factor) {
  const group = currentGroup(), size = state.zoom ?? (state.view === 'heat' ? heat.layout(group).cell : lines.rowHeight());
  view().setZoom(group, factor === null ? null : size * factor);
}
function chooseView(name) {
  state.view = name;
  state.zoom = null;
  state.hover = null;
  scroller.scrollTo(0, 0);
  show();
  view().show(currentGroup());
}
function turnTheme() {
  document.documentElement.dataset.theme = isDark() ? 'light' : 'dark';
  showTheme();
}
function showTheme() {
  byId('theme').textContent = isDark() ? 'light' : 'dark';
  if (!currentGroup()) return;
  repaintOverview();
  show();
}
systemDark.addEventListener('change', showTheme);

byId('grid').addEventListener('click', event => {
  const button = event.target.closest('button');
  if (button && !button.disabled) chooseHead(Number(button.dataset.layer), Number(button.dataset.head));
});
byId('theme').addEventListener('click', turnTheme);
byId('help-open').addEventListener('click', () => byId('help').showModal());
byId('help-close').addEventListener('click', () => byId('help').close());
byId('view-heat').addEventListener('click', () => chooseView('heat'));
byId('view-lines').addEventListener('click', () => chooseView('lines'));
byId('zoom-in').addEventListener('click', () => zoomBy(1.5));
byId('zoom-out').addEventListener('click', () => zoomBy(1 / 1.5));
byId('zoom-fit').addEventListener('click', () => zoomBy(null));
byId('scale').addEventListener('change', event => { state.scale = event.target.value; repaintOverview(); show(); });
byId('lift').addEventListener('change', event => { state.lift = event.target.checked; repaintOverview(); show(); });
byId('compare').addEventListener('click', () => compare(shownPanes().length < 2));
byId('search').addEventListener('input', () => search(0));
byId('search').addEventListener('keydown', event => {
  if (event.key === 'Enter') search(event.shiftKey ? -1 : 1);
  else if (event.key === 'Escape') event.target.blur();
  else return;
  event.preventDefault();
});
addEventListener('hashchange', () => followAddress(location.hash));
byId('example').addEventListener('change', event => chooseExample(Number(event.target.value)));
byId('example-before').addEventListener('click', () => chooseExample(state.example - 1));
byId('example-after').addEventListener('click', () => chooseExample(state.example + 1));
byId('table-details').addEventListener('toggle', showTable);

// ---- keyboard
function moveChoice(down, right) {
  const group = currentGroup(), within = (k, by, count) => k === null ? 0 : Math.max(0, Math.min(count - 1, k + by));
  state.hover = null;
  if (state.view === 'heat') {
    if (state.row === null || state.column === null) choose(state.row ?? 0, state.column ?? 0);
    else choose(within(state.row, down, group.rows), within(state.column, right, group.columns));
  } else if (right) {  // to the other side's token with the same number
    if (right > 0 && state.row !== null) choose(null, Math.min(state.row, group.columns - 1));
    else if (right < 0 && state.row === null && state.column !== null) choose(Math.min(state.column, group.rows - 1), null);
    else if (state.row === null && state.column === null) choose(0, null);
  } else if (state.row === null && state.column !== null) {
    choose(null, within(state.column, down, group.columns));
  } else {
    choose(within(state.row, down, group.rows), null);
  }
  view().show(group);
}

const ARROWS = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]};
document.addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId('help').open) return;
  if (!currentGroup() && !'npct/?'.includes(event.key)) return;
  if (event.target.closest('select, input, textarea, .table-frame')) return;
  const arrow = ARROWS[event.key];
  if (!event.shiftKey && byId('tabs').contains(event.target) && (arrow?.[1] || event.key === 'Home' || event.key === 'End')) {
    const count = byId('tabs').children.length;  // around at both ends
    chooseGroup(event.key === 'Home' ? 0 : event.key === 'End' ? count - 1 : (state.group + arrow[1] + count) % count);
  } else if (arrow) {
    if (event.shiftKey || byId('grid').contains(event.target)) moveHead(...arrow);
    else if (byId('detail').hidden || !(panes.some(one => event.target === one.scroller) || event.target === document.body)) return;
    else moveChoice(...arrow);
  } else if (event.key >= '1' && event.key <= '9') chooseGroup(Number(event.key) - 1);
  else if (event.key === 'v') chooseView(state.view === 'heat' ? 'lines' : 'heat');
  else if (event.key === '+' || event.key === '=') zoomBy(1.5);
  else if (event.key === '-') zoomBy(1 / 1.5);
  else if (event.key === '0') zoomBy(null);
  else if (event.key === 'n') chooseExample(state.example + 1);
  else if (event.key === 'p') chooseExample(state.example - 1);
  else if (event.key === 'c') compare(shownPanes().length < 2);
  else if (event.key === '/') byId('search').focus();
  else if (event.key === 't') turnTheme();
  else if (event.key === '?') byId('help').showModal();
  else if (event.key === 'Escape') choose(null, null);
  else return;
  event.preventDefault();
});

// ---- begin
byId('title').textContent = visible(page.title).replaceAll('␣', ' ');
byId('example').append(...page.examples.map(({title, number}, k) => {
  const option = make('option', `${number}  ${visible(title).replaceAll('␣', ' ')}`);
  option.value = k;
  return option;
}));
byId('examples').hidden = page.examples.length < 2;
const address = location.hash;  // which choosing changes
showTheme();
byId('table-details').open = innerWidth > 860;
if (page.examples.length) chooseExample(0);
else show();
followAddress(address);
document.documentElement.dataset.ready = 'yes';
)js";

}  // namespace vitrine::inline VITRINE_ABI::inspect::html_page
