"use strict";
(() => {
  const named = /^var\((--[\w-]+)\)$/;
  const narrow = matchMedia("(max-width: 600px)");
  const coarse = matchMedia("(pointer: coarse)");

  // Colours of the style sheet in place of their names, all the way down.
  function resolve(value, style) {
    if (typeof value === "string") {
      const match = named.exec(value);
      return match ? style.getPropertyValue(match[1]).trim() : value;
    }
    if (Array.isArray(value)) return value.map((v) => resolve(v, style));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, resolve(v, style)]));
    }
    return value;
  }

  function axis(own) {
    return {
      gridcolor: "var(--grid)", linecolor: "var(--line)", zeroline: false, automargin: true,
      ticks: "outside", ticklen: 4, tickcolor: "var(--line)", ...own,
    };
  }

  // Rows of the heat maps in the order that the reader has chosen.
  function arrange(spec) {
    const select = document.querySelector(`select[data-sort="${spec.sort.group}"]`);
    const order = spec.sort.orders[select && select.value] || Object.values(spec.sort.orders)[0];
    const units = order.map((u) => `unit ${u + 1}`);
    for (const trace of spec.data) {
      if (trace.type !== "heatmap") continue;
      trace.z = order.map((u) => trace.z[u]);
      trace.y = units;
      const own = spec.layout[trace.yaxis.replace("y", "yaxis")];
      Object.assign(own, { categoryarray: units, type: "category", categoryorder: "array" });
    }
  }

  function draw(plot) {
    if (typeof Plotly === "undefined") return;
    const source = document.querySelector(`script[data-for="${plot.id}"]`);
    const spec = JSON.parse(source.textContent);
    if (spec.sort) arrange(spec);
    const axes = Object.entries(spec.layout).filter(([k]) => /^[xy]axis\d+$/.test(k));
    const layout = {
      autosize: true, showlegend: false, paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 8, r: 12, t: 10, b: 8 },
      font: { family: "system-ui, sans-serif", size: 12, color: "var(--soft)" },
      hoverlabel: {
        bgcolor: "var(--card)", bordercolor: "var(--line)", font: { color: "var(--ink)", size: 13 },
      },
      hovermode: "x unified",
      // A finger that scrolls the page must not zoom the figure.
      dragmode: coarse.matches ? false : "zoom",
      ...spec.layout, xaxis: axis(spec.layout.xaxis), yaxis: axis(spec.layout.yaxis),
      ...Object.fromEntries(axes.map(([k, own]) => [k, axis(own)])),
    };
    // The stretch that the reader has chosen to look at.
    const zoom = plot.closest(".stack")?.querySelector("select[data-zoom]");
    if (zoom && zoom.value) layout.xaxis.range = zoom.value.split("|");
    if (narrow.matches) layout.xaxis.nticks = Math.min(layout.xaxis.nticks || 5, 5);
    const style = getComputedStyle(document.documentElement);
    const config = { responsive: true, displaylogo: false, displayModeBar: false, showTips: false };
    Plotly.react(plot, resolve(spec.data, style), resolve(layout, style), config);
  }

  function drawAll(within) {
    for (const plot of within.querySelectorAll(".plot")) {
      if (!plot.closest("[hidden]")) draw(plot);
    }
  }

  function choose(select) {
    for (const block of document.querySelectorAll(`[data-choice="${select.dataset.choose}"]`)) {
      block.hidden = block.dataset.index !== select.value;
      if (!block.hidden) drawAll(block);
    }
  }

  // Mistakes of the true and the predicted class that the reader asks for.
  function filterMistakes() {
    const asked = (side) => {
      const select = document.querySelector(`select[data-filter="${side}"]`);
      return select ? select.value : "";
    };
    const [truth, predicted] = [asked("true"), asked("predicted")];
    let shown = 0;
    for (const card of document.querySelectorAll(".mistake")) {
      const pairs = (card.dataset.pairs || "").split(" ").map((p) => p.split("-"));
      card.hidden = !pairs.some(
        ([t, p]) => (truth === "" || t === truth) && (predicted === "" || p === predicted));
      if (!card.hidden) shown += 1;
    }
    document.getElementById("mistakes-shown").textContent = `${shown} shown`;
  }

  for (const select of document.querySelectorAll("select[data-filter]")) {
    select.addEventListener("change", filterMistakes);
    if (select.value !== "") filterMistakes();
  }
  for (const select of document.querySelectorAll("select[data-choose]")) {
    select.addEventListener("change", () => choose(select));
    if (select.value !== "0") choose(select);
  }
  for (const select of document.querySelectorAll("select[data-sort]")) {
    select.addEventListener("change", () => drawAll(document));
  }
  for (const select of document.querySelectorAll("select[data-zoom]")) {
    select.addEventListener("change", () => drawAll(select.closest(".stack")));
  }
  for (const hit of document.querySelectorAll(".events .hit")) {
    const box = hit.parentElement;
    box.scrollTop = hit.offsetTop - box.clientHeight / 2;
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(document));
  drawAll(document);
})();
