/* page_heat.js: the error of every marker over time as a coloured map, one row a marker. */
const Heat = (() => {
  "use strict";
  const { h } = Dom;
  /* cividis-like: dark blue to yellow, monotone in lightness and the same to every eye */
  const RAMP = [[0, 32, 77], [58, 77, 108], [123, 123, 120], [186, 174, 108], [255, 234, 70]];
  function ramp(t) {
    const at = Math.min(0.9999, Math.max(0, t)) * (RAMP.length - 1), i = Math.floor(at);
    return [0, 1, 2].map((k) => RAMP[i][k] + (at - i) * (RAMP[i + 1][k] - RAMP[i][k]));
  }
  function create(host, seek) {
    const canvas = h("canvas", { role: "img" }), box = h("div", { class: "heat-box" }, canvas),
          key = h("p", { class: "legend" });
    host.append(box, key);
    const context = canvas.getContext("2d"), LEFT = 52, RIGHT = 12;
    let image = null, c = null, frame = 0, width = 0, height = 0;
    /* motion: as the page's open() gives it */
    function load(motion) {
      c = motion;
      const shown = Math.min(c.frames, 1600);
      const sorted = Array.from(c.largest).sort((a, b) => a - b),
            top = Math.max(1e-3, sorted[Math.floor(0.98 * (sorted.length - 1))]);
      image = h("canvas", { width: shown, height: c.n });
      const pixels = image.getContext("2d"), map = pixels.createImageData(shown, c.n);
      for (let x = 0; x < shown; x++) {
        const first = Math.floor((x * c.frames) / shown),
              last = Math.max(first + 1, Math.floor(((x + 1) * c.frames) / shown));
        for (let m = 0; m < c.n; m++) {
          let e = 0;
          for (let f = first; f < last; f++) e = Math.max(e, c.error[f * c.n + m]);
          const i = 4 * (m * shown + x), rgb = ramp(e / top);
          map.data.set([rgb[0], rgb[1], rgb[2], c.driving.has(m) ? 0 : 255], i);
        }
      }
      pixels.putImageData(map, 0, 0);
      const stops = RAMP.map((v) => `rgb(${v.join(",")})`).join(",");
      const bar = h("i", { class: "ramp" });
      bar.style.background = `linear-gradient(90deg, ${stops})`;
      key.replaceChildren(
          h("span", {}, "0", bar, `${top.toFixed(0)} mm and above`),
          h("span", {}, "rows are markers, first marker on top; driving ones are left blank"));
      canvas.setAttribute(
          "aria-label",
          `Error of ${c.free.length} free markers over ${c.frames} frames, colour scale up to ${
              top.toFixed(0)} mm`);
      draw();
    }
    function draw() {
      const style = getComputedStyle(document.documentElement);
      if (!image || !width) return;
      context.clearRect(0, 0, width, height);
      context.imageSmoothingEnabled = false;
      const bottom = height - 20, plot = width - LEFT - RIGHT;
      context.drawImage(image, LEFT, 2, plot, bottom - 2);
      context.fillStyle = style.getPropertyValue("--soft");
      context.font = "12px system-ui, sans-serif";
      context.textAlign = "right";
      context.textBaseline = "middle";
      const tall = (bottom - 2) / c.n, step = Math.ceil(13 / tall);
      for (let m = 0; m < c.n; m += step)
        context.fillText(String(m), LEFT - 8, 2 + (m + 0.5) * tall);
      context.fillText(
          `time, ${((c.frames - 1) * c.r.dt_s).toFixed(1)} s`, width - RIGHT, height - 8);
      context.textAlign = "left";
      context.fillText("0 s", LEFT, height - 8);
      const x = LEFT + (frame / Math.max(1, c.frames - 1)) * plot;
      for (const [colour, thick] of [
               [style.getPropertyValue("--panel"), 4], [style.getPropertyValue("--ink"), 1.6]]) {
        context.strokeStyle = colour;
        context.lineWidth = thick;
        context.beginPath();
        context.moveTo(x, 0);
        context.lineTo(x, bottom + 2);
        context.stroke();
      }
    }
    const to = (event) => {
      const rect = canvas.getBoundingClientRect();
      seek(((event.clientX - rect.left - LEFT) / (width - LEFT - RIGHT)) * (c.frames - 1));
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse") canvas.setPointerCapture(event.pointerId);
      to(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons & 1) to(event);
    });
    new ResizeObserver(() => {
      const rect = box.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
      width = rect.width;
      height = rect.height;
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      draw();
    }).observe(box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    return {
      load,
      setPlayhead: (f) => {
        frame = f;
        draw();
      }
    };
  }
  return { create };
})();
