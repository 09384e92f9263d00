// The page's script, part 3: two columns of tokens, queries left and keys right, with a line for every weight that
// can be seen; of a large map only each query's strongest, until a token is chosen.
#pragma once
#include <string_view>
#include <vitrine/core/config.hpp>

namespace vitrine::inline VITRINE_ABI::inspect::html_page {

inline constexpr std::string_view script_lines = R"js(
const MOST_LINES = 2048;  // more take a processor that draws by itself longer than a frame, and nobody can tell them apart

const lines = {
  drawn: 0,  // lines of the last picture

  rowHeight: () => Math.min(48, Math.max(14, state.zoom ?? 24)),

  layout(group) {
    const width = scroller.clientWidth, most = Math.max(70, width * 0.36), wider = Math.min(14, this.rowHeight() * 0.58) / 12;
    const left = Math.min(labelWidth(group, 'query', true) * wider + 30, most), right = Math.min(labelWidth(group, 'key', true) * wider + 64, most);
    const gap = Math.min(width - left - right, 460), shift = Math.max(0, (width - left - right - gap) / 2);
    return {left: left + shift, right: left + shift + gap, row: this.rowHeight(), top: 30, leftEdge: shift, rightEdge: shift + left + gap + right};
  },

  draw(group, map) {
    const layout = this.layout(group), {left, right, row, top} = layout;
    const {height} = frame(1, top + Math.max(group.rows, group.columns) * row + 8);
    const scrollY = scroller.scrollTop, y = k => top + (k + 0.5) * row - scrollY;
    const first = Math.max(0, Math.floor((scrollY - top) / row)), end = Math.ceil((scrollY + height - top) / row);
    const chosen = pointed(group);

    ink.save();
    ink.beginPath();
    ink.rect(0, top - 4, scroller.clientWidth, height);
    ink.clip();
    this.drawLines(group, map, chosen, layout, y, first, end);
    this.drawTokens(group, map, 'query', chosen, layout, y, first, Math.min(end, group.rows));
    this.drawTokens(group, map, 'key', chosen, layout, y, first, Math.min(end, group.columns));
    ink.restore();

    ink.font = font(12, 'bold');
    ink.fillStyle = cssColour('quiet');
    ink.textBaseline = 'middle';
    ink.textAlign = 'right';
    ink.fillText('query', left - 8, 14);
    ink.textAlign = 'left';
    ink.fillText('key', right + 8, 14);
  },

  // Lines of each query while no token is chosen.
  most: group => Math.max(1, Math.floor(MOST_LINES / group.rows)),
  isLimited(group) { return this.most(group) < group.columns; },

  // For each query that many keys, those with the largest weights; of equal ones the first.
  strongest(group, map) {
    const most = this.most(group);
    return map.strongest ??= Array.from({length: group.rows}, (_, i) => {
      const row = map.bytes.subarray(i * group.columns, (i + 1) * group.columns), counts = new Uint32Array(256), keys = [];
      for (const byte of row) ++counts[byte];
      let least = 256, room = most;  // all bytes from `least` on have room, and the first of the next smaller
      while (least > 1 && counts[least - 1] <= room) room -= counts[--least];
      row.forEach((byte, j) => { if (byte >= least || (byte > 0 && byte === least - 1 && room-- > 0)) keys.push(j); });
      return keys;
    });
  },

  // Calls add(i, j, strength class 0 to 15) for every line with an end from `first` on and before `end`.
  forEach(group, map, chosen, first, end, add) {
    const one = (i, j) => {
      const step = stepAt(group, map, i, j);
      if (step >= 10) add(i, j, Math.min(15, step >> 4));
    };
    const isSeen = k => k >= first && k < end;
    const strongest = chosen.row !== null || chosen.column !== null || !this.isLimited(group) ? null : this.strongest(group, map);
    const rows = chosen.row !== null ? [chosen.row] : Array.from({length: group.rows}, (_, i) => i);
    for (const i of rows) {
      if (chosen.row === null && chosen.column !== null) {
        one(i, chosen.column);
        continue;
      }
      const all = isSeen(i);
      if (strongest) {
        for (const j of strongest[i]) if (all || isSeen(j)) one(i, j);
        continue;
      }
      const from = all ? 0 : Math.min(first, group.columns), to = all ? group.columns : Math.min(end, group.columns);
      for (let j = from; j < to; ++j) one(i, j);
    }
  },

  // How lines of a strength class look; those of one token are thicker.
  look(k, {row, column}) {
    const strength = (k + 0.5) / 16, one = row !== null || column !== null;
    return {
      colour: palette().names[Math.min(255, Math.round(70 + 185 * strength))], opacity: one ? Math.min(1, 0.35 + strength) : 0.15 + 0.85 * strength,
      width: 0.6 + (one ? 5 : 3.2) * strength,
    };
  },

  // Lines by their class of strength, weak ones first; those with both ends out of sight are left out.
  drawLines(group, map, chosen, layout, y, first, end) {
    const {left, right} = layout, middle = (left + right) / 2, classes = Array.from({length: 16}, () => null);
    this.drawn = 0;
    this.forEach(group, map, chosen, first, end, (i, j, k) => {
      const path = classes[k] ??= new Path2D();
      path.moveTo(left, y(i));
      path.bezierCurveTo(middle, y(i), middle, y(j), right, y(j));
      ++this.drawn;
    });
    classes.forEach((path, k) => {
      if (!path) return;
      const {colour, opacity, width} = this.look(k, chosen);
      Object.assign(ink, {strokeStyle: colour, globalAlpha: opacity, lineWidth: width});
      ink.stroke(path);
    });
    ink.globalAlpha = 1;
  },

  drawTokens(group, map, side, chosen, layout, y, first, end) {
    const isQuery = side === 'query', {left, right, row, leftEdge, rightEdge} = layout;
    const own = isQuery ? chosen.row : chosen.column, other = isQuery ? chosen.column : chosen.row;
    const shaded = other !== null && (own === null || !isQuery);
    const colours = palette().names, strong = cssColour('accent'), plain = cssColour('ink'), quiet = cssColour('quiet');
    ink.textBaseline = 'middle';
    for (let k = first; k < end; ++k) {
      const x = isQuery ? left - 8 : right + 8, marked = k === own;
      let colour = plain, value = null;
      if (shaded) {
        const [i, j] = isQuery ? [k, other] : [other, k], step = stepAt(group, map, i, j);
        value = valueAt(group, map, i, j);
        ink.fillStyle = colours[step];
        const boxLeft = isQuery ? leftEdge + 2 : right + 2, boxRight = isQuery ? left - 2 : rightEdge - 2;
        ink.fillRect(boxLeft, y(k) - row / 2 + 1, boxRight - boxLeft, row - 2);
        colour = inkOn(step);
      }
      if (marked) {
        ink.strokeStyle = strong;
        ink.lineWidth = 2;
        ink.strokeRect(isQuery ? leftEdge + 2 : right + 2, y(k) - row / 2 + 1, isQuery ? left - leftEdge - 4 : rightEdge - right - 4, row - 2);
      }
      ink.font = font(Math.min(14, row * 0.58), marked ? 'bold' : '');
      const number = numberOf(group, side, k), room = isQuery ? left - leftEdge - 20 : rightEdge - right - (shaded ? 50 : 20);
      const numberWidth = ink.measureText(number + ' ').width, token = fitted(tokenOf(group, side, k), Math.max(10, room - numberWidth));
      const start = isQuery ? x - numberWidth - ink.measureText(token).width : x;
      ink.textAlign = 'left';
      ink.fillStyle = shaded ? colour : quiet;
      ink.fillText(number, start, y(k) + 1);
      ink.fillStyle = shaded ? colour : marked ? strong : plain;
      ink.fillText(token, start + numberWidth, y(k) + 1);
      if (shaded && value >= 0.005) {
        ink.textAlign = isQuery ? 'left' : 'right';
        ink.fillStyle = colour;
        if (!isQuery || left - leftEdge > 120) ink.fillText(value >= 0.995 ? '1' : value.toFixed(2).slice(1), isQuery ? leftEdge + 8 : rightEdge - 8, y(k) + 1);
      }
    }
  },

  hit(group, pointX, pointY) {
    const {left, right, row, top} = this.layout(group);
    const k = Math.floor((pointY - top + scroller.scrollTop) / row);
    if (k < 0 || pointY < top - 4) return null;
    if (pointX <= left) return k < group.rows ? {row: k, column: null} : null;
    if (pointX >= right) {
      if (k >= group.columns) return null;
      return {row: clipped(group, state).row, column: k};  // with a query held, pointing at a key names that pair
    }
    return null;
  },

  setZoom(group, cell) {
    state.zoom = cell === null ? null : Math.min(48, Math.max(14, cell));
    drawNow();
  },

  show(group) {
    const {row, top} = this.layout(group), chosen = clipped(group, state), k = chosen.row ?? chosen.column;
    if (k === null) return;
    const at = k * row;
    if (at < scroller.scrollTop) scroller.scrollTop = at;
    else if (at + row + top > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = at + row + top + 8 - scroller.clientHeight;
  },
};
)js";

}  // namespace vitrine::inline VITRINE_ABI::inspect::html_page
