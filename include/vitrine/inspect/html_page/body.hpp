// The page's elements; the script fills them.
#pragma once
#include <string_view>
#include <vitrine/core/config.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::inspect::html_page {

inline constexpr std::string_view body = R"html(
<header>
  <h1 id="title"></h1>
  <div id="examples" class="group" hidden>
    <button id="example-before" title="previous example (p)" aria-label="previous example">&#x2039;</button>
    <select id="example" aria-label="example"></select>
    <button id="example-after" title="next example (n)" aria-label="next example">&#x203a;</button>
  </div>
  <div id="tabs" class="group" role="tablist" aria-label="kind of attention"></div>
  <span class="push"></span>
  <input type="search" id="search" placeholder="search (/)" aria-label="search a word in all examples; Enter goes to the next place">
  <output id="found" for="search"></output>
  <button id="theme" title="dark or light (t)">dark</button>
  <button id="help-open" title="keys and explanations (?)" aria-label="help">?</button>
</header>
<main>
  <div id="side">
    <section class="card" id="overview">
      <h2>All heads</h2>
      <p class="hint" id="overview-hint">Rows are layers, columns are heads. Layers, heads and tokens are numbered from 0.</p>
      <div id="grid-frame"><div id="grid"></div></div>
    </section>
    <section class="card" id="partners"><div id="strongest"></div></section>
    <section class="card" id="statistics">
      <details id="table-details">
        <summary>Statistics of every head</summary>
        <p class="hint">Means over the queries. Entropy in nats: 0 when one key has all the weight. Click a heading to sort, a row to show the head.</p>
        <div class="table-frame"><table><thead><tr></tr></thead><tbody></tbody></table></div>
      </details>
    </section>
  </div>
  <section class="card" id="detail">
    <h2 id="where" aria-live="polite"></h2>
    <dl id="figures"></dl>
    <div class="tools">
      <span class="group" role="group" aria-label="view">
        <button id="view-heat" title="heatmap (v)">Heatmap</button><button id="view-lines" title="lines (v)">Lines</button>
      </span>
      <span class="group" role="group" aria-label="zoom">
        <button id="zoom-out" title="smaller (-)" aria-label="zoom out">&#x2212;</button><button id="zoom-fit" title="fit (0)">fit</button><button id="zoom-in" title="larger (+)" aria-label="zoom in">+</button>
      </span>
      <button id="compare" title="another head or example beside this one (c)">compare</button>
      <span class="group" role="group" aria-label="save what is shown">
        <button id="save-svg" title="save the picture as SVG">SVG</button><button id="save-png" title="save the picture as PNG">PNG</button><button id="save-csv" title="save the weights as CSV">CSV</button>
      </span>
      <a id="link" href="#" title="the address of what is shown, to copy">link</a>
      <label>full colour at
        <select id="scale">
          <option value="map">the map's largest</option>
          <option value="row">each row's largest</option>
          <option value="one">weight 1</option>
        </select>
      </label>
      <label><input type="checkbox" id="lift"> lift small weights</label>
      <span id="legend"><span>0</span><canvas width="256" height="1" role="img" aria-label="colour scale"></canvas><span id="legend-end"></span></span>
    </div>
    <p id="readout" aria-live="polite"></p>
    <div id="panes">
      <div class="pane" id="pane">
        <p class="caption" hidden></p>
        <div class="sentence"></div>
        <div class="scroller" tabindex="0" role="application" aria-label="attention picture: arrow keys move, question mark shows all keys">
          <div class="sizer"><canvas class="picture" role="img"></canvas></div>
        </div>
      </div>
      <div class="pane" id="pane-2" hidden>
        <p class="caption"></p>
        <div class="sentence"></div>
        <div class="scroller" tabindex="0" role="application" aria-label="second attention picture: arrow keys move, question mark shows all keys">
          <div class="sizer"><canvas class="picture" role="img"></canvas></div>
        </div>
      </div>
    </div>
    <p class="note warning" id="reduced" hidden></p>
    <p class="note" id="fewer" hidden></p>
  </section>
</main>
<footer>Rows of a map are queries (they look), columns are keys (they are looked at). A weight of a head is shown within 1/255 of its row's largest; the mean of heads is that of their stored
weights.</footer>
<dialog id="help" aria-labelledby="help-title">
  <h2 id="help-title">Keys</h2>
  <dl>
    <dt>arrows</dt><dd>move the chosen cell or token; in the overview, move to another head</dd>
    <dt>Shift + arrows</dt><dd>another head (left, right), another layer (up, down)</dd>
    <dt>1 2 3</dt><dd>tabs; left and right, Home and End on a chosen tab</dd>
    <dt>v</dt><dd>heatmap or lines</dd>
    <dt>+ &#x2212; 0</dt><dd>zoom, fit; also Ctrl and the wheel</dd>
    <dt>n p</dt><dd>next and previous example</dd>
    <dt>c</dt><dd>compare: a second picture; what is chosen next is for the one with the frame, a click on the other picture gives it the frame</dd>
    <dt>/</dt><dd>search a word: Enter for the next place, Shift + Enter for the one before</dd>
    <dt>t</dt><dd>dark or light</dd>
    <dt>Esc</dt><dd>choose nothing</dd>
  </dl>
  <p class="note">Click a cell or a token to hold it; click it again to let go. Above a picture, keys are coloured by the weights of
  the chosen query, queries by those on the chosen key; without a choice, keys by their mean weight over all queries. The address of the page keeps what is shown. The last column, "mean", is the mean of the
  layer's kept heads, computed here from the stored weights. Weights are stored in one byte, on the scale of their row: one below 1/510 of its row's largest may be stored as 0, and
  sums of many small weights (what a key receives in all) come out too small.</p>
  <button id="help-close">close</button>
</dialog>
<noscript>This page draws attention maps with its own script, which is switched off here (a notebook may need to trust the file).</noscript>
)html";

}  // namespace vitrine::inline VITRINE_ABI::inspect::html_page

#include <vitrine/core/macros_pop.hpp>
