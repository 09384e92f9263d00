// The page's style sheet. Colours are variables, so that a dark page is the same sheet with other values.
#pragma once
#include <string_view>
#include <vitrine/core/config.hpp>

namespace vitrine::inline VITRINE_ABI::inspect::html_page {

inline constexpr std::string_view style = R"css(
:root {
  color-scheme: light;
  --page: #f4f5f8; --card: #ffffff; --ink: #1b2130; --quiet: #5b6478; --line: #d9dde6; --accent: #b3261e; --accent-soft: #fbe6e3;
  --empty: #e9ecf2; --shadow: 0 1px 2px rgb(20 30 60 / 8%), 0 4px 16px rgb(20 30 60 / 6%);
}
@media (prefers-color-scheme: dark) {
  :root:not([data-theme=light]) {
    color-scheme: dark;
    --page: #0e121b; --card: #171d2a; --ink: #e8ecf5; --quiet: #9aa5bd; --line: #2c3548; --accent: #ff8a65; --accent-soft: #43271f;
    --empty: #1f2635; --shadow: 0 1px 2px rgb(0 0 0 / 40%);
  }
}
:root[data-theme=dark] {
  color-scheme: dark;
  --page: #0e121b; --card: #171d2a; --ink: #e8ecf5; --quiet: #9aa5bd; --line: #2c3548; --accent: #ff8a65; --accent-soft: #43271f;
  --empty: #1f2635; --shadow: 0 1px 2px rgb(0 0 0 / 40%);
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
header, main, footer { max-width: 1500px; margin: 0 auto; padding: 0 16px; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 16px; padding-top: 14px; padding-bottom: 12px; }
h1 { font-size: 19px; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 15px; margin: 0; overflow-wrap: anywhere; }
.push { flex: 1; }
main { display: grid; grid-template-columns: minmax(0, 5fr) minmax(0, 7fr); gap: 14px; align-items: start; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 14px; box-shadow: var(--shadow); min-width: 0; }
main.comparing { grid-template-columns: minmax(0, 3fr) minmax(0, 9fr); }
#side { display: grid; gap: 14px; min-width: 0; }
#search { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 7px; padding: 3px 10px; min-height: 32px; width: 150px; }
#found { color: var(--quiet); font-size: 13px; font-variant-numeric: tabular-nums; }
#link { color: var(--quiet); font-size: 13px; }
.hint, footer { color: var(--quiet); font-size: 13px; margin: 2px 0 8px; }
footer { padding-top: 10px; padding-bottom: 20px; }
button, select { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 7px; padding: 3px 10px; min-height: 32px; }
button { cursor: pointer; }
button:hover, select:hover { border-color: var(--quiet); }
button[aria-pressed=true], button[aria-selected=true] { background: var(--ink); color: var(--card); border-color: var(--ink); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.group { display: inline-flex; align-items: center; gap: 0; }
.group > * { border-radius: 0; margin-left: -1px; }
.group > :first-child { border-radius: 7px 0 0 7px; margin-left: 0; }
.group > :last-child { border-radius: 0 7px 7px 0; }
.group > :only-child { border-radius: 7px; }
#tabs { flex-wrap: wrap; row-gap: 4px; min-width: 0; }
#tabs button { overflow-wrap: anywhere; }
#example { width: min(46vw, 280px); contain: size layout; }  /* of thousands of examples, the browser need not measure each */
.tools { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 12px; margin: 8px 0; }
.tools label { display: inline-flex; align-items: center; gap: 6px; font-size: 13px; color: var(--quiet); }
#grid-frame { overflow-x: auto; padding: 3px; margin: 0 -3px; }
#grid { display: grid; gap: 4px; align-items: center; }
#grid .number { font-size: 11px; white-space: nowrap; color: var(--quiet); text-align: center; font-variant-numeric: tabular-nums; }
#grid button { padding: 0; border: 0; border-radius: 3px; min-height: 0; background: var(--empty); aspect-ratio: 1; overflow: hidden; position: relative; color: var(--quiet); }
#grid button canvas { width: 100%; height: 100%; display: block; image-rendering: pixelated; }
#grid button:hover { box-shadow: 0 0 0 2px var(--quiet); }
#grid button[aria-pressed=true] { box-shadow: 0 0 0 3px var(--accent); }
#grid button:disabled { cursor: default; background: repeating-linear-gradient(45deg, var(--empty) 0 4px, var(--card) 4px 8px); box-shadow: none; }
#figures { display: flex; flex-wrap: wrap; gap: 4px 10px; margin: 4px 0 0; padding: 0; font-size: 13px; }
#figures div { display: flex; gap: 5px; }
#figures dt { color: var(--quiet); }
#figures dd { margin: 0; font-variant-numeric: tabular-nums; }
#panes { display: grid; grid-auto-flow: column; grid-auto-columns: minmax(0, 1fr); gap: 12px; align-items: start; }
.pane { min-width: 0; }
.comparing .pane { border: 2px solid transparent; border-radius: 10px; padding: 4px; }
.comparing .pane.active { border-color: var(--accent); }
.caption { margin: 0 0 6px; font-weight: 600; font-size: 13px; overflow-wrap: anywhere; cursor: pointer; }
.sentence { font-size: 14px; margin: 0 0 8px; }
.sentence .side { display: grid; grid-template-columns: 40px minmax(0, 1fr); align-items: baseline; }
.sentence .name { color: var(--quiet); font-size: 12px; }
.sentence .tokens { position: relative; max-height: 100px; overflow-y: auto; line-height: 23px; }
.sentence .token { display: inline-block; vertical-align: top; max-width: 100%; cursor: pointer; padding: 0 3px; margin: 1px 1px 1px 0; border-radius: 4px; unicode-bidi: isolate; white-space: pre; overflow: hidden; text-overflow: ellipsis; }
.sentence .token.marked { outline: 2px solid var(--accent); outline-offset: -2px; }
.scroller { position: relative; overflow: auto; border: 1px solid var(--line); border-radius: 8px; overscroll-behavior: auto; }
.sizer { position: relative; }
.picture { position: sticky; top: 0; left: 0; display: block; cursor: crosshair; }
#readout { position: sticky; top: 0; z-index: 2; min-height: 2.9em; margin: 8px 0; padding: 6px 10px; border-radius: 8px; background: var(--page); overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
#readout b { font-size: 17px; }
#readout .token, #strongest .token, .help-key { padding: 0 4px; border: 1px solid var(--line); border-radius: 4px; background: var(--card); unicode-bidi: isolate; white-space: pre-wrap; }
#legend { display: inline-flex; align-items: center; gap: 6px; font-size: 12px; color: var(--quiet); font-variant-numeric: tabular-nums; }
#legend canvas { width: 110px; height: 12px; border-radius: 3px; border: 1px solid var(--line); }
#strongest { display: grid; grid-template-columns: auto minmax(40px, 1fr) auto; gap: 3px 10px; align-items: center; font-size: 13px; }
#strongest p { grid-column: 1 / -1; margin: 0 0 2px; }
#strongest .bar { height: 10px; border-radius: 3px; background: var(--empty); overflow: hidden; }
#strongest .bar i { display: block; height: 100%; background: var(--accent); }
#strongest .name { max-width: min(46vw, 220px); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.note { color: var(--quiet); font-size: 13px; margin: 6px 0; }
.warning { border-left: 3px solid var(--accent); padding-left: 8px; }
.table-frame { overflow: auto; max-height: 420px; margin-top: 8px; overscroll-behavior: auto; }
table { border-collapse: collapse; font-size: 11.5px; font-variant-numeric: tabular-nums; width: 100%; }
th, td { text-align: right; padding: 2px; white-space: nowrap; }
th { position: sticky; top: 0; background: var(--card); border-bottom: 1px solid var(--line); padding: 0; z-index: 1; }
th button { border: 0; min-height: 28px; font-weight: 600; font-size: 11px; width: 100%; text-align: right; padding: 0 2px; }
td { background: linear-gradient(90deg, var(--accent-soft), var(--accent-soft)) no-repeat left center / 0 80%; }
td button { border: 0; padding: 0 4px; min-height: 0; background: none; }
tbody tr { cursor: pointer; }
tbody tr:hover, tbody tr.chosen { box-shadow: inset 3px 0 0 var(--accent); }
summary { cursor: pointer; font-weight: 600; }
dialog { border: 1px solid var(--line); border-radius: 12px; background: var(--card); color: var(--ink); max-width: 560px; }
dialog dl { display: grid; grid-template-columns: auto 1fr; gap: 4px 12px; margin: 10px 0; font-size: 14px; }
dialog dd { margin: 0; }
dialog::backdrop { background: rgb(0 0 0 / 45%); }
@media (min-width: 861px) {
  /* Beside the picture, as high as the window: the heads, then their figures. */
  #side { position: sticky; top: 10px; max-height: max(560px, 100vh - 80px); display: flex; flex-direction: column; }
  #overview { flex: none; max-height: max(320px, (100vh - 80px) * .6); overflow: auto; }
  #partners { flex: none; }
  #statistics { flex: 0 1 auto; min-height: 110px; overflow: auto; }
  #statistics .table-frame { overflow: visible; max-height: none; }
  #statistics th { top: -12px; }
}
@media (max-width: 860px) {
  main, main.comparing { grid-template-columns: minmax(0, 1fr); }
  #side { display: contents; }
  #overview { order: 1; }
  #detail { order: 2; }
  #partners { order: 3; }
  #statistics { order: 4; }
  #panes { grid-auto-flow: row; }
}
@media (max-width: 480px) {
  header, main, footer { padding-left: 8px; padding-right: 8px; }
  .card { padding: 10px; }
  #grid { gap: 2px; }
  #grid .number { font-size: 8px; }
  #example { width: 60vw; }
  .push { display: none; }
}
)css";

}  // namespace vitrine::inline VITRINE_ABI::inspect::html_page
