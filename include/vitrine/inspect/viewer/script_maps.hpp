// The viewer's script, part 1: the stored maps, their colours, and texts that are safe to show.
#pragma once
#include <string_view>
#include <vitrine/core/config.hpp>

namespace vitrine::inline VITRINE_ABI::inspect::viewer {

inline constexpr std::string_view script_maps = R"js(
'use strict';
const byId = id => document.getElementById(id);
const page = JSON.parse(byId('data').textContent);

// What is shown. row and column: the chosen query and key (null: none); hover: the same for the pointer.
const state = {
  example: 0, group: 0, layer: 0, head: 0, view: 'heat', zoom: null, scale: 'map', lift: false,
  row: null, column: null, hover: null,
};
const currentGroup = () => page.examples[state.example]?.groups[state.group];

// ---- texts: tokens are shown with textContent or on a canvas only, and never change the line or its direction
function visible(text) {
  if (text === '') return '∅';
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, sign => {
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

// ---- maps: a group is one base64 text; each kept head is rows of float32 scales, then one byte a weight
const decoded = new Map();  // most recently used last
let decodedBytes = 0;

const headIndex = (group, layer, head) => layer * group.heads + head;
const isKept = (group, layer, head) => group.slots[headIndex(group, layer, head)] >= 0;
const isMean = group => state.head === group.heads;

for (const [e, example] of page.examples.entries()) {
  for (const [g, group] of example.groups.entries()) {
    group.name = `${e}.${g}`;
    group.slots = new Int32Array(group.layers * group.heads).fill(-1);
    group.kept.forEach((index, slot) => { group.slots[index] = slot; });
  }
}

function decodeHead(group, slot) {
  const length = group.rows * (4 + group.columns), characters = Math.ceil(length / 3) * 4;
  group.text ??= byId(`maps-${group.name}`).textContent;
  const binary = atob(group.text.substr(slot * characters, characters));
  const all = new Uint8Array(length);
  for (let k = 0; k < length; ++k) all[k] = binary.charCodeAt(k);
  const view = new DataView(all.buffer), scales = new Float32Array(group.rows);
  for (let i = 0; i < group.rows; ++i) scales[i] = view.getFloat32(4 * i, true);
  return {bytes: all.subarray(4 * group.rows), scales};
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
    map = head === group.heads ? meanOfHeads(group, layer) : decodeHead(group, group.slots[headIndex(group, layer, head)]);
    map.name = name;
    map.largest = map.scales.reduce((most, scale) => scale > most ? scale : most, 0);
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
  return state.scale === 'row' ? 1 : state.scale === 'one' ? Math.min(scale, 1) : map.largest > 0 ? scale / map.largest : 0;
}
const plainSteps = Uint16Array.from({length: 257}, (_, k) => k);
const liftedSteps = Uint16Array.from({length: 257}, (_, k) => k > 255 ? k : Math.round(255 * Math.sqrt(k / 255)));
const steps = () => state.lift ? liftedSteps : plainSteps;
const stepAt = (group, map, i, j) => {
  const factor = rowFactor(map, i), byte = map.bytes[i * group.columns + j];
  return Number.isNaN(factor) ? (byte ? 256 : 0) : steps()[Math.min(255, Math.round(byte * factor))];
};

// A part of a map on a canvas of its own, a pixel for every block of blockRows x blockColumns: the largest of the block.
function paint(canvas, group, map, part, blockRows, blockColumns) {
  const width = Math.ceil((part.right - part.left) / blockColumns), height = Math.ceil((part.bottom - part.top) / blockRows);
  const strongest = new Uint16Array(width * height), table = steps();
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

}  // namespace vitrine::inline VITRINE_ABI::inspect::viewer
