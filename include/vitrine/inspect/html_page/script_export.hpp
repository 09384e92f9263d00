// The page's script, part 7: the shown picture as a file, SVG 1.1 (W3C), PNG or CSV (RFC 4180).
#pragma once
#include <string_view>
#include <vitrine/core/config.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::inspect::html_page {

inline constexpr std::string_view script_export = R"js(
const svgEscaped = text => text.replace(/[<>&"\ufffe\uffff]/gu, sign => ({'<': '&lt;', '>': '&gt;', '&': '&amp;', '"': '&quot;'})[sign] ?? '\ufffd');
const svgLabel = (x, y, text, anchor, more = '') => `<text x="${x}" y="${y}" text-anchor="${anchor}"${more}>${svgEscaped(text)}</text>\n`;
const labelOf = (group, side, k) => `${numberOf(group, side, k)} ${tokenOf(group, side, k).slice(0, 40)}`;

// Runs of cells of one colour, a path for each colour.
function svgCells(group, map) {
  const paths = new Map(), colours = palette().names;
  for (let i = 0; i < group.rows; ++i) {
    for (let j = 0, start = 0; j < group.columns; start = j) {
      const step = stepAt(group, map, i, j);
      while (++j < group.columns && stepAt(group, map, i, j) === step);
      if (step) paths.set(step, `${paths.get(step) ?? ''}M${start} ${i}h${j - start}v1H${start}z`);
    }
  }
  return `<rect width="${group.columns}" height="${group.rows}" fill="${colours[0]}"/>\n` + [...paths].map(([step, path]) => `<path fill="${colours[step]}" d="${path}"/>\n`).join('');
}

function svgHeat(group, map) {
  const cell = Math.max(2, Math.min(24, Math.floor(960 / Math.max(group.rows, group.columns)))), every = Math.ceil(14 / cell), {row, column} = clipped(group, state);
  const left = labelWidth(group, 'query', true) + 16, top = labelWidth(group, 'key', true) + 44, width = group.columns * cell, height = group.rows * cell;
  let marks = '', labels = '';
  const mark = (x, y, w, h) => { marks += `<rect x="${left + x}" y="${top + y}" width="${w}" height="${h}" fill="none" stroke="${cssColour('accent')}"/>\n`; };
  if (row !== null) mark(0, row * cell, width, cell);
  if (column !== null) mark(column * cell, 0, cell, height);
  for (let i = 0; i < group.rows; i += every) labels += svgLabel(left - 6, top + (i + 0.5) * cell + 4, labelOf(group, 'query', i), 'end');
  for (let j = 0; j < group.columns; j += every) {
    const x = left + (j + 0.5) * cell + 4;
    labels += svgLabel(x, top - 6, labelOf(group, 'key', j), 'start', ` transform="rotate(-90 ${x} ${top - 6})"`);
  }
  return {width: left + width + 14, height: top + height + 14,
    content: `<g transform="translate(${left} ${top}) scale(${cell})" shape-rendering="crispEdges">\n${svgCells(group, map)}</g>\n${marks}${labels}`};
}

function svgLines(group, map) {
  const rowHeight = 20, left = labelWidth(group, 'query', true) + 20, right = left + 320, middle = (left + right) / 2, chosen = clipped(group, state);
  const count = Math.max(group.rows, group.columns), y = k => 44 + (k + 0.5) * rowHeight, paths = Array.from({length: 16}, () => '');
  lines.forEach(group, map, chosen, 0, count, (i, j, k) => { paths[k] += `M${left} ${y(i)}C${middle} ${y(i)} ${middle} ${y(j)} ${right} ${y(j)}`; });
  let content = '<g fill="none">\n';
  paths.forEach((path, k) => {
    const {colour, opacity, width} = lines.look(k, chosen);
    if (path) content += `<path d="${path}" stroke="${colour}" stroke-opacity="${opacity}" stroke-width="${width}"/>\n`;
  });
  content += '</g>\n';
  const bold = marked => marked ? ` font-weight="bold" fill="${cssColour('accent')}"` : '';
  for (let i = 0; i < group.rows; ++i) content += svgLabel(left - 8, y(i) + 4, labelOf(group, 'query', i), 'end', bold(i === chosen.row));
  for (let j = 0; j < group.columns; ++j) content += svgLabel(right + 8, y(j) + 4, labelOf(group, 'key', j), 'start', bold(j === chosen.column));
  return {width: right + labelWidth(group, 'key', true) + 24, height: y(count), content};
}

function mapSvg() {  // the page holds no address: not even a namespace's is in one piece
  const group = currentGroup(), map = chosenMap(group), {width, height, content} = state.view === 'heat' ? svgHeat(group, map) : svgLines(group, map);
  const wide = Math.ceil(Math.max(width, 340)), tall = Math.ceil(height);
  return `<svg xmlns="http:` + `//www.w3.org/2000/svg" width="${wide}" height="${tall}" viewBox="0 0 ${wide} ${tall}" font-family="system-ui, sans-serif" font-size="12" fill="${cssColour('ink')}">\n` +
      `<rect width="${wide}" height="${tall}" fill="${cssColour('card')}"/>\n${svgLabel(8, 20, shownName(), 'start', ' font-size="14"')}${content}</svg>\n`;
}

// A row for each query, a column for each key; numbers as far as they are stored.
function mapCsv() {
  const group = currentGroup(), map = chosenMap(group);
  const field = text => /[",\r\n]/u.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  const name = (side, k) => { const {tokens, step} = sideOf(group, side); return field(`${numberOf(group, side, k)} ${tokens[k * step]}`); };
  const positions = count => Array.from({length: count}, (_, k) => k), keys = positions(group.columns);
  return [['query', ...keys.map(j => name('key', j))], ...positions(group.rows).map(i =>
    [name('query', i), ...keys.map(j => { const value = valueAt(group, map, i, j); return Number.isNaN(value) ? '' : String(Number(value.toPrecision(4))); })])]
    .map(fields => fields.join(',') + '\n').join('');
}

async function mapPng() {
  const image = new Image();
  image.src = 'data:image/svg+xml;charset=utf-8,' + encodeURIComponent(mapSvg());
  await image.decode();
  const canvas = make('canvas'), scale = Math.min(2, 8192 / Math.max(image.width, image.height));
  canvas.width = image.width * scale;
  canvas.height = image.height * scale;
  canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise(done => canvas.toBlob(done, 'image/png'));
}

function saveFile(ending, blob) {
  const link = make('a');
  link.href = URL.createObjectURL(blob);
  link.download = `${visible(shownName()).replace(/[^\p{L}\p{N}]+/gu, '_').slice(0, 100)}.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
byId('save-svg').addEventListener('click', () => saveFile('svg', new Blob([mapSvg()], {type: 'image/svg+xml'})));
byId('save-png').addEventListener('click', async () => saveFile('png', await mapPng()));
byId('save-csv').addEventListener('click', () => saveFile('csv', new Blob([mapCsv()], {type: 'text/csv'})));
)js";

}  // namespace vitrine::inline VITRINE_ABI::inspect::html_page

#include <vitrine/core/macros_pop.hpp>
