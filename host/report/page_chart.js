/* page_chart.js: small line charts in SVG, drawn at the width they have, and the helpers that make
 * DOM nodes. Text always goes in as text nodes, so nothing from a file is read as markup. */
const Dom = (() => {
  "use strict";
  function node(space, tag, attributes, children) {
    const e = space ? document.createElementNS(space, tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) e.addEventListener(name.slice(2), value);
      else e.setAttribute(name, value === true ? "" : value);
    }
    for (const child of [].concat(children === undefined ? [] : children))
      if (child !== null && child !== undefined) e.append(child);
    return e;
  }
  return {
    h: (tag, attributes, ...children) => node(null, tag, attributes, children.flat(Infinity)),
    s: (tag, attributes, ...children) =>
        node("http://www.w3.org/2000/svg", tag, attributes, children.flat(Infinity)),
  };
})();

const Chart = (() => {
  "use strict";
  const { h, s } = Dom;
  const RIGHT = 12, TOP = 8, BOTTOM = 38;

  function linearTicks(low, high, wanted) {
    const raw = (high - low) / Math.max(wanted, 1),
          power = Math.pow(10, Math.floor(Math.log10(raw)));
    const step = power * [1, 2, 5, 10].find((m) => m * power >= raw * 0.999);
    const ticks = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++)
      ticks.push(i * step);
    const digits = clampDigits(-Math.floor(Math.log10(step) + 1e-9));
    return ticks.map(
        (v) => ({
          v,
          text: Math.abs(v) >= 1e5 || (step < 1e-4) ? v.toExponential(1) : v.toFixed(digits)
        }));
  }
  const clampDigits = (d) => Math.min(8, Math.max(0, d));

  function logTicks(low, high) {
    const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
    const every = Math.ceil((last - first) / 6), ticks = [];
    const steps = last - first <= 2 ? [1, 2, 5] : [1];
    for (let k = first; k <= last; k += every) {
      for (const m of steps) {
        const v = m * Math.pow(10, k);
        if (v >= low * 0.999 && v <= high * 1.001)
          ticks.push({
            v,
            text: Math.abs(k) <= 3 ? String(Number(v.toPrecision(2))) : v.toExponential(0)
          });
      }
    }
    return ticks;
  }

  /* many frames in few pixels: keep the largest and smallest of each bin, so that no spike is lost
   */
  function thin(xs, ys, limit) {
    if (xs.length <= limit) return xs.map((x, i) => [x, ys[i]]);
    const out = [], bin = Math.ceil((2 * xs.length) / limit);
    for (let i = 0; i < xs.length; i += bin) {
      let lo = i, hi = i;
      for (let k = i; k < Math.min(i + bin, xs.length); k++) {
        if (ys[k] < ys[lo]) lo = k;
        if (ys[k] > ys[hi]) hi = k;
      }
      for (const k of lo < hi ? [lo, hi] : [hi, lo]) out.push([xs[k], ys[k]]);
    }
    return out;
  }

  /* spec: {label, height, xLabel, yLabel, x: [low, high], y: [low, high], log, series: [{name, kind
   * line|dots, xs, ys, lo, hi, cls, shape}], spans: [{x0, x1, cls}], ticks: [[x0, x1]], seek,
   * value} */
  function create(host, spec) {
    const legend = h("div", { class: "legend" });
    const box = h("div", { class: "chart" + (spec.seek ? " seek" : "") });
    host.append(legend, box);
    const state = { spec, playhead: null, toX: null, head: null };

    function drawLegend() {
      const items = state.spec.series.filter((e) => e.name).map((e) => {
        const key = s("svg", { class: "key", viewBox: "0 0 34 14", "aria-hidden": "true" });
        if (e.lo) key.append(s("rect", { class: "band", x: 1, y: 1, width: 32, height: 12 }));
        if (e.kind !== "dots") key.append(s("path", { class: "line " + e.cls, d: "M1 7H33" }));
        if (e.kind !== "line")
          key.append(s("circle", { class: "dot " + (e.shape || ""), cx: 17, cy: 7, r: 4 }));
        return h("span", {}, key, e.name);
      });
      for (const extra of state.spec.keys || []) {
        const key = s("svg", { class: "key", viewBox: "0 0 34 14", "aria-hidden": "true" });
        key.append(extra.node());
        items.push(h("span", {}, key, extra.name));
      }
      legend.replaceChildren(...items);
    }

    function draw() {
      const c = state.spec, width = Math.max(180, Math.floor(box.clientWidth));
      const height = c.tall && window.innerWidth >= 1000 ? c.tall : c.height;
      const [x0, x1] = c.x, [y0, y1] = c.y;
      const right = width - RIGHT, bottom = height - BOTTOM;
      const yTicks = c.log ? logTicks(y0, y1) : linearTicks(y0, y1, (bottom - TOP) / 38);
      const LEFT =
          (c.yLabel ? 26 : 10) + 7.4 * yTicks.reduce((a, t) => Math.max(a, t.text.length), 2);
      const toX = (v) => LEFT + ((v - x0) / (x1 - x0 || 1)) * (right - LEFT);
      const unit = c.log ? (v) => Math.log(Math.max(v, 1e-300)) : (v) => v;
      const toY = (v) =>
          bottom - ((unit(v) - unit(y0)) / (unit(y1) - unit(y0) || 1)) * (bottom - TOP);
      const inside = (v) => Math.min(bottom + 4, Math.max(TOP - 4, toY(v)));
      const svg = s(
          "svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": c.label });
      const f = (v) => v.toFixed(1);

      for (const span of c.spans || []) {
        const a = Math.max(toX(span.x0), LEFT), b = Math.min(toX(span.x1), right);
        if (b > a)
          svg.append(s(
              "rect", { class: span.cls, x: f(a), y: TOP, width: f(b - a), height: bottom - TOP }));
      }
      for (const t of yTicks) {
        const y = f(toY(t.v));
        svg.append(
            s("line", { class: "grid", x1: LEFT, x2: right, y1: y, y2: y }),
            s("text", { x: LEFT - 6, y: Number(y) + 4, "text-anchor": "end" }, t.text));
      }
      for (const t of c.xTicks ? c.xTicks(Math.floor((right - LEFT) / 26)) :
                                 linearTicks(x0, x1, (right - LEFT) / 55)) {
        const x = f(toX(t.v));
        svg.append(
            s("line", { class: "axis", x1: x, x2: x, y1: bottom, y2: bottom + 4 }),
            s("text", { x, y: bottom + 17, "text-anchor": "middle" }, t.text));
      }
      svg.append(
          s("line", { class: "axis", x1: LEFT, x2: right, y1: bottom, y2: bottom }),
          s("text", { x: right, y: height - 5, "text-anchor": "end" }, c.xLabel),
          s("text", {
            transform: `translate(11 ${(TOP + bottom) / 2}) rotate(-90)`,
            "text-anchor": "middle"
          },
            c.yLabel));
      for (const [a, b] of c.ticks || [])
        svg.append(s("line", {
          class: "glitch",
          x1: f(toX(a)),
          x2: f(Math.max(toX(b), toX(a) + 2)),
          y1: bottom - 2,
          y2: bottom - 2
        }));

      for (const e of c.series) {
        if (e.lo && e.kind !== "dots") {
          const up = e.xs.map((x, i) => `${f(toX(x))} ${f(inside(e.hi[i]))}`);
          const down = e.xs.map((x, i) => `${f(toX(x))} ${f(inside(e.lo[i]))}`).reverse();
          svg.append(s("path", { class: "band", d: "M" + up.concat(down).join("L") + "Z" }));
        }
        if (e.kind !== "dots") {
          const d =
              thin(e.xs, e.ys, 2 * width).map(([x, y]) => `${f(toX(x))} ${f(inside(y))}`).join("L");
          if (d) svg.append(s("path", { class: "line " + e.cls, d: "M" + d }));
        }
        if (e.kind === "line") continue;
        e.xs.forEach((x, i) => {
          const cx = f(toX(x)), cy = f(inside(e.ys[i]));
          if (e.lo && e.kind === "dots")
            svg.append(s("line", {
              class: "whisker",
              x1: cx,
              x2: cx,
              y1: f(inside(e.lo[i])),
              y2: f(inside(e.hi[i]))
            }));
          const shape = e.shapes ? e.shapes[i] : e.shape || "";
          if (shape === "square")
            svg.append(s("rect", { class: "dot ink", x: cx - 4, y: cy - 4, width: 8, height: 8 }));
          else
            svg.append(s(
                "circle", { class: "dot " + (shape === "cross" ? "open" : shape), cx, cy, r: 4 }));
          if (shape === "cross")
            svg.append(s("path", { class: "cross", d: `M${cx - 5} ${cy - 5}l10 10m0 -10l-10 10` }));
        });
      }
      state.head = s("line", { class: "playhead", y1: TOP, y2: bottom, visibility: "hidden" });
      const hover = s("line", { class: "hover", y1: TOP, y2: bottom, visibility: "hidden" });
      svg.append(state.head, hover);
      box.replaceChildren(svg, tip);
      Object.assign(
          state, { toX, fromX: (px) => x0 + ((px - LEFT) / (right - LEFT)) * (x1 - x0), hover });
      place();
    }

    function place() {
      if (!state.head || state.playhead === null) return;
      const x = state.toX(state.playhead).toFixed(1);
      state.head.setAttribute("x1", x);
      state.head.setAttribute("x2", x);
      state.head.setAttribute("visibility", "visible");
    }

    const tip = h("div", { class: "tip", hidden: true });
    const under = (event) => {
      const x = state.fromX(event.clientX - box.getBoundingClientRect().left);
      return Math.min(state.spec.x[1], Math.max(state.spec.x[0], x));
    };
    box.addEventListener("pointermove", (event) => {
      const x = under(event);
      if (state.spec.seek && event.buttons & 1) state.spec.seek(x);
      const found = state.spec.value ? state.spec.value(x) : null;
      tip.hidden = !found;
      state.hover.setAttribute("visibility", found ? "visible" : "hidden");
      if (!found) return;
      const px = state.toX(found.x);
      state.hover.setAttribute("x1", px);
      state.hover.setAttribute("x2", px);
      tip.textContent = found.text;
      tip.style.left =
          Math.min(Math.max(0, px + 8), Math.max(0, box.clientWidth - tip.offsetWidth)) + "px";
      tip.style.top = "0px";
    });
    box.addEventListener("pointerleave", () => {
      tip.hidden = true;
      if (state.hover) state.hover.setAttribute("visibility", "hidden");
    });
    box.addEventListener("pointerdown", (event) => {
      if (!state.spec.seek || event.button) return;
      if (event.pointerType === "mouse") box.setPointerCapture(event.pointerId);
      state.spec.seek(under(event));
    });

    let drawnWidth = 0;
    new ResizeObserver(() => {
      if (box.clientWidth === drawnWidth) return;
      drawnWidth = box.clientWidth;
      draw();
    }).observe(box);
    drawLegend();
    draw();
    return {
      update: (next) => {
        state.spec = next;
        drawLegend();
        draw();
      },
      setPlayhead: (x) => {
        state.playhead = x;
        place();
      },
    };
  }
  return { create };
})();
