// The page's script, part 2: the large heatmap. The frame scrolls natively; a canvas that stays in place draws what
// is visible.
#pragma once
#include <string_view>
#include <vitrine/core/config.hpp>

namespace vitrine::inline VITRINE_ABI::inspect::html_page {

inline constexpr std::string_view script_heatmap = R"js(
const font = (size, weight = '') => `${weight} ${size}px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif`;
const mostHeight = () => Math.min(760, Math.max(280, Math.round(innerHeight * 0.62)));

// Text cut to a width in pixels.
function fitted(text, width) {
  if (ink.measureText(text).width <= width) return text;
  const signs = Array.from(text).slice(0, 200);
  while (signs.length > 1 && ink.measureText(signs.join('') + '…').width > width) signs.pop();
  return signs.join('') + '…';
}

// Width of the widest label, measured on at most 400 of them.
const labelWidths = new Map();
function labelWidth(group, side, withNumber) {
  const name = `${group.name}.${side}.${withNumber}`;
  if (!labelWidths.has(name)) {
    ink.font = font(12);
    const count = sideOf(group, side).count, every = Math.ceil(count / 400) || 1;
    let width = 0;
    for (let k = 0; k < count; k += every) {
      const text = (withNumber ? numberOf(group, side, k) + ' ' : '') + tokenOf(group, side, k).slice(0, 40);
      width = Math.max(width, ink.measureText(text).width);
    }
    labelWidths.set(name, Math.ceil(width));
  }
  return labelWidths.get(name);
}

// Gives the scrolled content its size and the canvas the frame's; returns the frame's inner size.
function frame(contentWidth, contentHeight) {
  picture.style.width = picture.style.height = '0';  // the old size must not cause scroll bars
  scroller.style.height = `${Math.min(mostHeight(), Math.ceil(contentHeight)) + 2}px`;
  sizer.style.width = `${Math.ceil(contentWidth)}px`;
  sizer.style.height = `${Math.ceil(contentHeight)}px`;
  const width = scroller.clientWidth, height = scroller.clientHeight, ratio = devicePixelRatio || 1;
  picture.style.width = `${width}px`;
  picture.style.height = `${height}px`;
  if (picture.width !== Math.round(width * ratio) || picture.height !== Math.round(height * ratio)) {
    picture.width = Math.round(width * ratio);
    picture.height = Math.round(height * ratio);
  }
  ink.setTransform(ratio, 0, 0, ratio, 0, 0);
  ink.clearRect(0, 0, width, height);
  return {width, height};
}

const heat = {
  // Sizes in pixels: margins for the labels, one cell.
  layout(group) {
    const width = scroller.clientWidth, height = mostHeight();
    const left = Math.min(labelWidth(group, 'query', true) + 14, Math.max(64, width * 0.3), 150);
    const tokenWidth = labelWidth(group, 'key', false);
    const top = Math.min(labelWidth(group, 'key', true) + 14, 116);
    const fit = Math.min(60 + Math.max(0, 60 - 8 * Math.max(group.rows, group.columns)), (width - left - 2) / group.columns, (height - top - 9) / group.rows);
    let cell = state.zoom ?? (fit >= 3 ? Math.floor(fit * 2) / 2 : fit);
    const upright = tokenWidth + 6 <= cell;
    const layout = {left, top: upright ? 38 : top, cell, fit, upright};
    layout.shift = Math.max(0, (width - left - group.columns * cell - 8) / 2);  // a small map stands in the middle
    layout.left += layout.shift;
    return layout;
  },

  draw(group, map) {
    const layout = this.layout(group), {left, top, cell} = layout;
    const contentWidth = left + group.columns * cell + (layout.shift ? 0 : 2);
    const contentHeight = top + group.rows * cell + Math.max(2, 9 - cell / 2);  // the last label has room too
    const {width, height} = frame(Math.max(contentWidth, 1), contentHeight);
    const scrollX = scroller.scrollLeft, scrollY = scroller.scrollTop;
    const clampTo = (k, count) => Math.max(0, Math.min(count, k));
    const part = {
      left: clampTo(Math.floor(scrollX / cell), group.columns), right: clampTo(Math.ceil((scrollX + width - left) / cell), group.columns),
      top: clampTo(Math.floor(scrollY / cell), group.rows), bottom: clampTo(Math.ceil((scrollY + height - top) / cell), group.rows),
    };
    // Cells smaller than a pixel: the largest of each block, so that no peak is lost.
    const block = Math.max(1, Math.ceil(1 / (cell * (devicePixelRatio || 1)) - 0.01));
    part.left -= part.left % block;
    part.top -= part.top % block;
    const name = [map.name, part.left, part.right, part.top, part.bottom, block, state.scale, state.lift, isDark()].join();
    if (name !== pane.partName) paint(pane.part, group, map, part, block, block);
    pane.partName = name;

    const x = j => left + j * cell - scrollX, y = i => top + i * cell - scrollY;
    ink.save();
    ink.beginPath();
    ink.rect(left, top, width - left, height - top);
    ink.clip();
    ink.imageSmoothingEnabled = false;
    ink.drawImage(pane.part, x(part.left), y(part.top), pane.part.width * block * cell, pane.part.height * block * cell);
    if (cell >= 8) this.drawGaps(part, x, y, cell);
    if (cell >= 30) this.drawValues(group, map, part, x, y, cell);
    this.drawMarks(group, x, y, cell);
    ink.restore();
    this.drawLabels(group, part, layout, x, y, width, height);
  },

  drawGaps(part, x, y, cell) {
    ink.strokeStyle = cssColour('card');
    ink.lineWidth = 1;
    ink.beginPath();
    for (let i = part.top; i <= part.bottom; ++i) { ink.moveTo(x(part.left), y(i)); ink.lineTo(x(part.right), y(i)); }
    for (let j = part.left; j <= part.right; ++j) { ink.moveTo(x(j), y(part.top)); ink.lineTo(x(j), y(part.bottom)); }
    ink.stroke();
  },

  drawValues(group, map, part, x, y, cell) {
    ink.font = font(Math.min(13, Math.round(cell * 0.34)));
    ink.textAlign = 'center';
    ink.textBaseline = 'middle';
    for (let i = part.top; i < part.bottom; ++i) {
      for (let j = part.left; j < part.right; ++j) {
        const value = valueAt(group, map, i, j), step = stepAt(group, map, i, j);
        if (value < 0.005) continue;
        ink.fillStyle = inkOn(step);
        ink.fillText(Number.isNaN(value) ? '?' : value >= 0.995 ? '1' : value.toFixed(2).slice(1), x(j) + cell / 2, y(i) + cell / 2 + 1);
      }
    }
  },

  drawMarks(group, x, y, cell) {
    const chosen = pointed(group), held = clipped(group, state);
    ink.strokeStyle = cssColour('accent');
    const wide = Math.max(cell, 2);
    ink.lineWidth = 1;
    if (chosen.row !== null) ink.strokeRect(x(0) - 0.5, y(chosen.row) - 0.5, group.columns * cell + 1, wide + 1);
    if (chosen.column !== null) ink.strokeRect(x(chosen.column) - 0.5, y(0) - 0.5, wide + 1, group.rows * cell + 1);
    ink.lineWidth = 2.5;
    if (chosen.row !== null && chosen.column !== null) ink.strokeRect(x(chosen.column), y(chosen.row), wide, wide);
    if (state.hover && held.row !== null && held.column !== null) {
      ink.lineWidth = 1.5;
      ink.strokeRect(x(held.column), y(held.row), wide, wide);
    }
  },

  drawLabels(group, part, layout, x, y, width, height) {
    const {left, top, cell, upright} = layout, chosen = pointed(group);
    const every = Math.max(1, Math.ceil(14 / cell));
    const strong = cssColour('accent'), plain = cssColour('ink'), quiet = cssColour('quiet'), card = cssColour('card');
    ink.textBaseline = 'middle';
    const label = (side, k, k2, room) => {  // number and token, with the number in a quiet colour
      const number = numberOf(group, side, k), marked = k === k2;
      ink.font = font(12, marked ? 'bold' : '');
      const numberWidth = ink.measureText(number + ' ').width;
      const token = fitted(tokenOf(group, side, k), Math.max(10, room - numberWidth));
      const tokenWidth = ink.measureText(token).width;
      ink.fillStyle = marked ? strong : quiet;
      ink.fillText(number, side === 'query' ? -tokenWidth - numberWidth : 0, 0);
      ink.fillStyle = marked ? strong : plain;
      ink.fillText(token, side === 'query' ? -tokenWidth : numberWidth, 0);
    };
    ink.textAlign = 'left';
    ink.save();
    ink.beginPath();
    ink.rect(0, top - 6, left, height - top + 6);
    ink.clip();
    const rowLabel = i => { ink.save(); ink.translate(left - 7, y(i) + Math.max(cell, 1) / 2 + 1); label('query', i, chosen.row, left - layout.shift - 12); ink.restore(); };
    for (let i = part.top - part.top % every; i < part.bottom; i += every) rowLabel(i);
    if (chosen.row !== null && chosen.row % every) {
      ink.fillStyle = card;
      ink.fillRect(0, y(chosen.row) + cell / 2 - 9, left - 4, 18);
      rowLabel(chosen.row);
    }
    ink.restore();
    ink.save();
    ink.beginPath();
    ink.rect(left - 8, 0, width - left + 8, top);
    ink.clip();
    const columnLabel = j => {
      ink.save();
      if (upright) {
        ink.textAlign = 'center';
        const marked = j === chosen.column;
        ink.font = font(10);
        ink.fillStyle = marked ? strong : quiet;
        ink.fillText(numberOf(group, 'key', j), x(j) + cell / 2, 10);
        ink.font = font(12, marked ? 'bold' : '');
        ink.fillStyle = marked ? strong : plain;
        ink.fillText(tokenOf(group, 'key', j), x(j) + cell / 2, 26);
      } else {
        ink.translate(x(j) + Math.max(cell, 1) / 2, top - 7);
        ink.rotate(-Math.PI / 2);
        label('key', j, chosen.column, top - 12);
      }
      ink.restore();
    };
    for (let j = part.left - part.left % every; j < part.right; j += every) columnLabel(j);
    if (chosen.column !== null && chosen.column % every) {
      ink.fillStyle = card;
      ink.fillRect(x(chosen.column) + cell / 2 - 9, 0, 18, top - 4);
      columnLabel(chosen.column);
    }
    ink.restore();
  },

  // The cell at a point of the canvas, or null.
  hit(group, pointX, pointY) {
    const {left, top, cell} = this.layout(group);
    if (pointX < left && pointY < top) return null;
    const column = pointX < left ? null : Math.floor((pointX - left + scroller.scrollLeft) / cell);
    const row = pointY < top ? null : Math.floor((pointY - top + scroller.scrollTop) / cell);
    return (row ?? 0) < group.rows && (column ?? 0) < group.columns ? {row, column} : null;
  },

  // Zooms so that what is under (x, y) stays there; null fits the whole map.
  setZoom(group, cell, pointX = scroller.clientWidth / 2, pointY = scroller.clientHeight / 2) {
    const before = this.layout(group);
    const column = (pointX - before.left + scroller.scrollLeft) / before.cell, row = (pointY - before.top + scroller.scrollTop) / before.cell;
    state.zoom = cell === null ? null : Math.min(96, Math.max(Math.min(before.fit, 2), cell));
    drawNow();
    const after = this.layout(group);
    scroller.scrollLeft = column * after.cell + after.left - pointX;
    scroller.scrollTop = row * after.cell + after.top - pointY;
  },

  show(group) {  // scrolls the chosen cell into view
    const {left, top, cell} = this.layout(group);
    const into = (at, offset, shown, margin) => at < offset ? at : at + cell > offset + shown - margin ? at + cell - shown + margin : offset;
    const {row, column} = clipped(group, state);
    if (row !== null) scroller.scrollTop = into(row * cell, scroller.scrollTop, scroller.clientHeight, top + 2);
    if (column !== null) scroller.scrollLeft = into(column * cell, scroller.scrollLeft, scroller.clientWidth, left + 2);
  },
};
)js";

}  // namespace vitrine::inline VITRINE_ABI::inspect::html_page
