// The page's script, part 1: the stored maps, their colours, and texts that are safe to show.
#pragma once
#include <string_view>
#include <vitrine/core/config.hpp>

namespace vitrine::inline VITRINE_ABI::inspect::html_page {

inline constexpr std::string_view script_maps = R"js(
'use strict';
const byId = id => document.getElementById(id);
const page = JSON.parse(byId('data').textContent);

// Two pictures, the second for comparing. What each shows: mean is that of the layer's heads, and `head` is then their number.
const panes = ['pane', 'pane-2'].map(id => {
  const node = byId(id), find = name => node.querySelector('.' + name), picture = find('picture');
  return {
    node, picture, scroller: find('scroller'), sizer: find('sizer'), caption: find('caption'), sentence: find('sentence'), ink: picture.getContext('2d'),
    part: document.createElement('canvas'), partName: '', shown: {example: 0, group: 0, layer: 0, head: 0, mean: false},
  };
});
let pane, scroller, sizer, picture, ink;  // those of the picture that tabs, heads and keys are about, or that is being drawn
const usePane = one => { pane = one; ({scroller, sizer, picture, ink} = one); };
usePane(panes[0]);
function within(one, work) {
  const before = pane;
  usePane(one);
  try { return work(); } finally { usePane(before); }
}
const shownPanes = () => panes.filter(one => !one.node.hidden);

// row and column: the chosen query and key (null: none) of both pictures; hover: the same for the pointer. Lines lift small weights unless told otherwise.
const state = {
  view: 'heat', zoom: null, scale: 'map', lifts: {heat: false, lines: true}, row: null, column: null, hover: null, active: 0,
  get lift() { return this.lifts[this.view]; },
  set lift(on) { this.lifts[this.view] = on; },
};
for (const name of Object.keys(panes[0].shown)) Object.defineProperty(state, name, {get: () => pane.shown[name], set: value => { pane.shown[name] = value; }});
const currentGroup = () => page.examples[state.example]?.groups[state.group];

// The chosen query and key, or those of the pointer, as far as a group has them.
const clipped = (group, {row, column}) => ({row: row !== null && row < group.rows ? row : null, column: column !== null && column < group.columns ? column : null});
const pointed = group => clipped(group, state.hover && (state.hover.row !== null || state.hover.column !== null) ? state.hover : state);

// ---- texts: tokens are shown with textContent or on a canvas only, and never change the line or its direction
function visible(text) {
  if (text === '') return '∅';
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, sign => {
    const code = sign.codePointAt(0);
    if (code === 10) return '⏎';
    if (code < 32) return String.fromCodePoint(0x2400 + code);
    return code === 127 ? '␡' : '\ufffd';
  }).replace(/ /gu, '␣');
}

// Position k of a picture is one token, or a block of neighbours when the map was reduced.
const sideOf = (group, side) => side === 'query'
  ? {tokens: group.queries, step: group.rowStep, count: group.rows}
  : {tokens: group.keys, step: group.columnStep, count: group.columns};

function numberOf(group, side, k) {
  const {tokens, step} = sideOf(group, side);
  const first = k * step, last = Math.min(first + step, tokens.length) - 1;
  return first === last ? `${first}` : `${first}–${last}`;
}

function tokenOf(group, side, k) {
  const {tokens, step} = sideOf(group, side);
  return visible(tokens[k * step]) + (step > 1 ? ' …' : '');
}

// Four significant digits: finer than what one byte holds.
function weightText(value) {
  if (Number.isNaN(value)) return 'not finite';
  return value === 0 || value >= 1e-4 ? String(Number(value.toPrecision(4))) : value.toExponential(2);
}

// ---- maps, as html_page.hpp packs them
const decoded = new Map();  // most recently used last
let decodedBytes = 0;

const headIndex = (group, layer, head) => layer * group.heads + head;
const slotOf = (group, layer, head) => group.slots[headIndex(group, layer, head)];
const isKept = (group, layer, head) => slotOf(group, layer, head) >= 0;
const isReduced = group => group.rowStep * group.columnStep > 1;

// Weights that row i has in the page; the others are 0.
const rowLength = (group, i) => group.causal ? Math.min(group.columns, i + 1) : group.columns;

// What the page's data leave out, for all examples: a group gets its tokens, its numbers of rows and columns, and where its bytes are.
const digitValues = new Uint8Array(128);
for (let k = 0; k < 85; ++k) digitValues[page.digits.charCodeAt(k)] = k;
page.examples = (() => {
  const digits = page.examples;
  let at = 0, start = 0;
  const next = () => {  // a number: digits from 64 on are its lower part, in base 21, lowest first
    for (let sum = 0, unit = 1;; unit *= 21) {
      const digit = digitValues[digits.charCodeAt(at++)];
      if (digit < 64) return sum + unit * digit;
      sum += unit * (digit - 64);
    }
  };
  const list = read => Array.from({length: next()}, read);
  return page.titles.map((title, e) => {
    const lists = list(() => list(() => page.texts[next()]));
    const groups = list((_, g) => {
      const group = {...page.shapes[next()], name: `${e}.${g}`, queries: lists[next()], keys: lists[next()], start, figures: []};
      group.rowStep = Math.max(1, Math.ceil(group.queries.length / page.side));
      group.columnStep = Math.max(1, Math.ceil(group.keys.length / page.side));
      group.rows = Math.ceil(group.queries.length / group.rowStep);
      group.columns = Math.ceil(group.keys.length / group.columnStep);
      group.slots = new Int32Array(group.layers * group.heads).fill(-1);
      group.kept.forEach((index, slot) => { group.slots[index] = slot; });
      group.stored = isReduced(group) ? [0, 1, 2, 3, 4, 5, 6, 7] : [0, 7];  // figures, by their place in FIGURES
      group.headBytes = 2 * group.stored.length + group.rows;
      for (let i = 0; i < group.rows; ++i) group.headBytes += rowLength(group, i);
      start += group.headBytes * group.kept.length;
      return group;
    });
    return {title, number: page.numbers[e], groups};
  });
})();

// `count` bytes of a kept head, from its byte `from` on. Four bytes are five digits, the highest first.
let mapsText;
function headBytes(group, slot, from, count) {
  const text = mapsText ??= byId('maps').textContent;
  const start = group.start + slot * group.headBytes + from, first = Math.floor(start / 4), end = Math.ceil((start + count) / 4);
  const view = new DataView(new ArrayBuffer(4 * (end - first)));
  for (let k = first, at = 5 * first; k < end; ++k) {
    let four = 0;
    for (const last = at + 5; at < last; ++at) four = four * 85 + digitValues[text.charCodeAt(at)];
    view.setUint32(4 * (k - first), four);
  }
  return new Uint8Array(view.buffer, start - 4 * first, count);
}

const scaleOf = (group, code) => code === 255 ? NaN : 2 ** (group.exponent - code / 4);
// The slot of the head to begin with, without decoding any map: a row's scale is its largest weight rounded up by less than a fifth; of the heads whose
// scales may have the largest mean, the one with the least entropy.
function sharpest(group) {
  const scales = group.kept.map((_, slot) => headBytes(group, slot, 2 * group.stored.length, group.rows).reduce((sum, code) => sum + scaleOf(group, code), 0) || 0);
  const enough = Math.max(...scales) / 1.2, entropy = slot => storedFigures(group, slot)[0];
  return scales.reduce((best, scale, slot) => scale >= enough && (best < 0 || entropy(slot) < entropy(best)) ? slot : best, -1);
}

function decodeHead(group, slot) {
  const {rows, columns} = group, from = 2 * group.stored.length, packed = headBytes(group, slot, from, group.headBytes - from);
  const scales = Float32Array.from(packed.subarray(0, rows), code => scaleOf(group, code));
  const bytes = new Uint8Array(rows * columns);
  for (let i = 0, at = rows; i < rows; ++i) {
    const count = rowLength(group, i);
    bytes.set(packed.subarray(at, at + count), i * columns);
    at += count;
  }
  return {bytes, scales};
}

// The value of an IEEE half.
function halfValue(bits) {
  const exponent = bits >> 10 & 31, fraction = bits & 1023;
  const size = exponent === 31 ? (fraction ? NaN : Infinity) : exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24;
  return bits >> 15 ? -size : size;
}

// The mean of a layer's kept heads, rounded to bytes like the stored maps.
function meanOfHeads(group, layer) {
  const {rows, columns} = group, sum = new Float32Array(columns);
  const maps = [];
  for (let head = 0; head < group.heads; ++head) if (isKept(group, layer, head)) maps.push(mapOf(group, layer, head));
  const bytes = new Uint8Array(rows * columns), scales = new Float32Array(rows);
  for (let i = 0; i < rows; ++i) {
    sum.fill(0);
    for (const map of maps) {
      const factor = map.scales[i] / 255 / maps.length;
      for (let j = 0; j < columns; ++j) sum[j] += map.bytes[i * columns + j] * factor;
    }
    let largest = 0;
    for (let j = 0; j < columns; ++j) largest = Math.max(largest, sum[j]);
    scales[i] = largest;
    for (let j = 0; j < columns; ++j) bytes[i * columns + j] = Number.isNaN(largest) ? 255 : largest > 0 ? Math.round(255 * sum[j] / largest) : 0;
  }
  return {bytes, scales};
}

function mapOf(group, layer, head) {
  const name = `${group.name}.${layer}.${head}`;
  let map = decoded.get(name);
  if (map) {
    decoded.delete(name);
  } else {
    map = head === group.heads ? meanOfHeads(group, layer) : decodeHead(group, slotOf(group, layer, head));
    map.name = name;
    map.tops = new Uint8Array(group.rows);  // each row's largest byte
    map.largest = 0;
    for (let i = 0; i < group.rows; ++i) {
      for (let j = i * group.columns; j < (i + 1) * group.columns; ++j) if (map.bytes[j] > map.tops[i]) map.tops[i] = map.bytes[j];
      const largest = map.tops[i] * map.scales[i] / 255;
      if (largest > map.largest) map.largest = largest;
    }
    decodedBytes += map.bytes.length;
  }
  decoded.set(name, map);
  for (const [oldest, old] of decoded) {
    if (decodedBytes < 96e6 || oldest === name) break;
    decoded.delete(oldest);
    decodedBytes -= old.bytes.length;
  }
  return map;
}

const valueAt = (group, map, i, j) => {
  const scale = map.scales[i];
  return Number.isNaN(scale) ? NaN : map.bytes[i * group.columns + j] * scale / 255;
};

// ---- colours: 256 steps from the page's own ramp, and a 257th for weights that are not finite
const systemDark = matchMedia('(prefers-color-scheme: dark)');
const isDark = () => (document.documentElement.dataset.theme || (systemDark.matches ? 'dark' : 'light')) === 'dark';
const palettes = {};
for (const theme of ['light', 'dark']) {
  const hex = page.ramps[theme], words = new Uint32Array(257), names = [];
  for (let k = 0; k < 256; ++k) {
    const rgb = hex.slice(6 * k, 6 * k + 6), [r, g, b] = [0, 2, 4].map(at => parseInt(rgb.slice(at, at + 2), 16));
    words[k] = (0xff000000 | b << 16 | g << 8 | r) >>> 0;
    names.push('#' + rgb);
  }
  words[256] = 0xffe600e6;
  palettes[theme] = {words, names: [...names, '#e600e6']};
}
const palette = () => palettes[isDark() ? 'dark' : 'light'];
const cssColour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// Byte times rowFactor is the strength, 0 to 255, before "lift".
function rowFactor(map, i) {
  const scale = map.scales[i];
  if (Number.isNaN(scale)) return NaN;
  if (map.tops[i] === 0) return 0;
  return state.scale === 'row' ? 255 / map.tops[i] : state.scale === 'one' ? scale : scale / map.largest;
}
const plainSteps = Uint16Array.from({length: 257}, (_, k) => k);
const liftedSteps = Uint16Array.from({length: 257}, (_, k) => k > 255 ? k : Math.round(255 * Math.sqrt(k / 255)));
const steps = (view = state.view) => state.lifts[view] ? liftedSteps : plainSteps;
const stepAt = (group, map, i, j) => {
  const factor = rowFactor(map, i), byte = map.bytes[i * group.columns + j];
  return Number.isNaN(factor) ? (byte ? 256 : 0) : steps()[Math.min(255, Math.round(byte * factor))];
};

// What can be read on a cell of that step.
const inkOn = step => step > 255 || (isDark() ? step > 130 : step < 110) ? '#10141d' : '#ffffff';

// A part of a heatmap on a canvas of its own, a pixel for every block of blockRows x blockColumns: the largest of the block.
function paint(canvas, group, map, part, blockRows, blockColumns) {
  const width = Math.ceil((part.right - part.left) / blockColumns), height = Math.ceil((part.bottom - part.top) / blockRows);
  const strongest = new Uint16Array(width * height), table = steps('heat');
  for (let i = part.top; i < part.bottom; ++i) {
    const factor = rowFactor(map, i), notFinite = Number.isNaN(factor);
    const from = i * group.columns, to = Math.floor((i - part.top) / blockRows) * width;
    for (let j = part.left, k = to, left = blockColumns; j < part.right; ++j) {
      const byte = map.bytes[from + j];
      const step = notFinite ? (byte ? 256 : 0) : Math.min(255, byte * factor + 0.5 | 0);
      if (step > strongest[k]) strongest[k] = step;
      if (--left === 0) { left = blockColumns; ++k; }
    }
  }
  canvas.width = Math.max(1, width);
  canvas.height = Math.max(1, height);
  if (width < 1 || height < 1) return;
  const context = canvas.getContext('2d'), image = context.createImageData(width, height);
  const words = new Uint32Array(image.data.buffer), colours = palette().words;
  for (let k = 0; k < strongest.length; ++k) words[k] = colours[table[strongest[k]]];
  context.putImageData(image, 0, 0);
}
)js";

}  // namespace vitrine::inline VITRINE_ABI::inspect::html_page
