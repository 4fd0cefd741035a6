/* page_view.js: the 3-D view. Perspective camera orbiting a target, drawn on a 2-D canvas with the
 * painter's order; mouse, touch and keyboard. It knows positions and colours, nothing of the page.
 */
const View = (() => {
  "use strict";
  const FOCAL =
      1 / Math.tan((17 * Math.PI) / 180); /* half the vertical field of view: 17 degrees */
  const clamp = (v, lo, hi) => Math.min(hi, Math.max(lo, v));

  function create(canvas, tip) {
    const context = canvas.getContext("2d");
    const camera = { azimuth: 0, elevation: 0.25, distance: 2, target: [0, 0, 0] };
    let scene = null, frame = 0, home = null, colours = {}, width = 0, height = 0;
    let links = true, shadow = true, hovered = -1, spots = [];

    function readColours() {
      const style = getComputedStyle(document.documentElement);
      for (const name of ["paper", "panel", "ink", "soft", "grid", "rec", "sim", "err", "bad"])
        colours[name] = style.getPropertyValue("--" + name).trim();
    }

    /* camera axes: r right, u up, e towards the eye */
    function axes() {
      const ca = Math.cos(camera.azimuth), sa = Math.sin(camera.azimuth);
      const ce = Math.cos(camera.elevation), se = Math.sin(camera.elevation);
      return { r: [-sa, ca, 0], u: [-se * ca, -se * sa, ce], e: [ce * ca, ce * sa, se] };
    }
    const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

    function project(basis, p) {
      const q = [p[0] - camera.target[0], p[1] - camera.target[1], p[2] - camera.target[2]];
      const depth = camera.distance - dot(q, basis.e);
      const scale = (FOCAL * height) / 2 / Math.max(depth, 0.02);
      return [width / 2 + dot(q, basis.r) * scale, height / 2 - dot(q, basis.u) * scale, depth];
    }

    /* the camera that shows the whole motion, seen from `azimuth` and `elevation` */
    function fit(azimuth, elevation) {
      const b = scene.box;
      camera.azimuth = azimuth;
      camera.elevation = elevation;
      camera.target = [0, 1, 2].map((k) => (b.low[k] + b.high[k]) / 2);
      const basis = axes(), aspect = width / Math.max(height, 1);
      /* centre what is seen, not the box: twice, as the centre hardly depends on the distance */
      for (let round = 0; round < 2; round++) {
        let left = Infinity, right = -Infinity, down = Infinity, up = -Infinity, distance = 0.05;
        for (const p of scene.cloud) {
          const q = p.map((v, k) => v - camera.target[k]), x = dot(q, basis.r), y = dot(q, basis.u);
          left = Math.min(left, x);
          right = Math.max(right, x);
          down = Math.min(down, y);
          up = Math.max(up, y);
          const reach = Math.max(Math.abs(x) / aspect, Math.abs(y));
          distance = Math.max(distance, (reach * FOCAL) / 0.84 + dot(q, basis.e));
        }
        camera.distance = distance;
        if (round) break;
        for (let k = 0; k < 3; k++)
          camera.target[k] += ((left + right) / 2) * basis.r[k] + ((down + up) / 2) * basis.u[k];
      }
    }

    function preset(name) {
      if (!scene) return;
      if (name === "front") fit(scene.across, 0.08);
      else if (name === "side") fit(scene.across + Math.PI / 2, 0.08);
      else if (name === "top") fit(scene.across, Math.PI / 2 - 0.001);
      else if (name === "in") camera.distance *= 0.8;
      else if (name === "out") camera.distance *= 1.25;
      else fit(scene.across + 0.7, 0.24);
      if (name !== "in" && name !== "out") home = name === "reset" ? "reset" : null;
      draw();
    }

    /* scene: {recorded, simulated: Float64Array [frames][markers][3] in metres, frames, markers,
     * driving: Set, gravity: [3] in m/s^2, invalid(frame, marker)}. The bounding box covers the whole recording. */
    function setScene(next) {
      scene = next;
      const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
      for (const data of [scene.recorded, scene.simulated]) {
        for (let i = 0; i < data.length; i += 3) {
          for (let k = 0; k < 3; k++) {
            if (data[i + k] < low[k]) low[k] = data[i + k];
            if (data[i + k] > high[k]) high[k] = data[i + k];
          }
        }
      }
      scene.box = { low, high };
      const span = Math.max(high[0] - low[0], high[1] - low[1], high[2] - low[2], 1e-3);
      const exponent = Math.pow(10, Math.floor(Math.log10(span / 8)));
      scene.spacing = exponent * ([1, 2, 5, 10].find((m) => m * exponent >= span / 15) || 10);
      scene.floor = Math.floor((low[2] - 0.25 * scene.spacing) / scene.spacing) * scene.spacing;
      /* a few hundred points of the motion and their shadows: what the camera has to see */
      scene.cloud = [];
      const every = 3 * Math.max(1, Math.floor(scene.simulated.length / 3 / 1500));
      for (const data of [scene.recorded, scene.simulated])
        for (let i = 0; i + 2 < data.length; i += every)
          scene.cloud.push(
              [data[i], data[i + 1], data[i + 2]], [data[i], data[i + 1], scene.floor]);
      /* seen across: perpendicular to the mean horizontal direction from the first to the last
       * marker */
      let dx = 0, dy = 0;
      const last = (scene.markers - 1) * 3, stride = scene.markers * 3;
      for (let i = 0; i < scene.recorded.length; i += stride) {
        dx += scene.recorded[i + last] - scene.recorded[i];
        dy += scene.recorded[i + last + 1] - scene.recorded[i + 1];
      }
      scene.across = Math.atan2(dy, dx) - Math.PI / 2;
      home = "reset";
      if (width > 0) fit(scene.across + 0.7, 0.24);
    }

    function path(points, close) {
      context.beginPath();
      points.forEach((p, i) => (i ? context.lineTo(p[0], p[1]) : context.moveTo(p[0], p[1])));
      if (close) context.closePath();
    }

    function drawGround(basis) {
      const b = scene.box, s = scene.spacing;
      const x0 = Math.floor(b.low[0] / s - 0.5) * s, x1 = Math.ceil(b.high[0] / s + 0.5) * s;
      const y0 = Math.floor(b.low[1] / s - 0.5) * s, y1 = Math.ceil(b.high[1] / s + 0.5) * s;
      context.strokeStyle = colours.grid;
      context.lineWidth = 1;
      const line = (p, q) => {
        const a = project(basis, p), c = project(basis, q);
        if (a[2] > 0.03 && c[2] > 0.03) {
          path([a, c]);
          context.stroke();
        }
      };
      const nx = Math.round((x1 - x0) / s), ny = Math.round((y1 - y0) / s);
      for (let i = 0; i <= nx; i++)
        line([x0 + i * s, y0, scene.floor], [x0 + i * s, y1, scene.floor]);
      for (let i = 0; i <= ny; i++)
        line([x0, y0 + i * s, scene.floor], [x1, y0 + i * s, scene.floor]);
    }

    /* axes and the direction of gravity, as seen from the camera, in the lower left corner */
    function drawCompass(basis) {
      const origin = [46, height - 52], length = 30;
      const tipOf =
          (v, scale) => [origin[0] + dot(v, basis.r) * scale, origin[1] - dot(v, basis.u) * scale];
      context.font = "12px system-ui, sans-serif";
      context.textAlign = "center";
      context.textBaseline = "middle";
      for (const [name, v] of [["x", [1, 0, 0]], ["y", [0, 1, 0]], ["z", [0, 0, 1]]]) {
        context.strokeStyle = context.fillStyle = colours.soft;
        context.lineWidth = 1.2;
        path([origin, tipOf(v, length)]);
        context.stroke();
        const at = tipOf(v, length + 9);
        context.fillText(name, at[0], at[1]);
      }
      const pull = Math.hypot(...scene.gravity);
      if (!pull) {
        context.textAlign = "left";
        context.fillText("no gravity", origin[0] + 9, origin[1] + 20);
        return;
      }
      const head = tipOf(scene.gravity.map((v) => v / pull), length + 4);
      const size = Math.hypot(head[0] - origin[0], head[1] - origin[1]);
      context.strokeStyle = context.fillStyle = colours.ink;
      context.lineWidth = 2.5;
      path([origin, head]);
      context.stroke();
      if (size > 6) {
        const ux = (head[0] - origin[0]) / size, uy = (head[1] - origin[1]) / size;
        path(
            [
              [head[0] + 7 * ux, head[1] + 7 * uy], [head[0] - 5 * uy, head[1] + 5 * ux],
              [head[0] + 5 * uy, head[1] - 5 * ux]
            ],
            true);
        context.fill();
      }
      context.textAlign = "left";
      context.fillText("gravity", head[0] + 9, head[1] + 1);
    }

    function draw() {
      if (!scene || !width) return;
      context.clearRect(0, 0, width, height);
      context.lineJoin = context.lineCap = "round";
      const basis = axes(), n = scene.markers, at = frame * n * 3;
      const point = (data, m) => [data[at + 3 * m], data[at + 3 * m + 1], data[at + 3 * m + 2]];
      drawGround(basis);
      if (shadow) {
        context.globalAlpha = 0.22;
        for (const [data, colour] of [
                 [scene.recorded, colours.rec], [scene.simulated, colours.sim]]) {
          context.strokeStyle = colour;
          context.lineWidth = 3;
          const shade = [];
          for (let m = 0; m < n; m++) {
            const p = point(data, m);
            shade.push(project(basis, [p[0], p[1], scene.floor]));
          }
          if (shade.every((p) => p[2] > 0.03)) {
            path(shade);
            context.stroke();
          }
        }
        context.globalAlpha = 1;
      }
      /* the painter's order: everything is cut into pieces and drawn from far to near */
      const pieces = [], rec = [], sim = [];
      for (let m = 0; m < n; m++) {
        rec.push(project(basis, point(scene.recorded, m)));
        sim.push(project(basis, point(scene.simulated, m)));
      }
      for (let m = 0; m + 1 < n; m++) {
        pieces.push({
          depth: (rec[m][2] + rec[m + 1][2]) / 2 + 1e-4,
          kind: "rec",
          a: rec[m],
          b: rec[m + 1]
        });
        pieces.push(
            { depth: (sim[m][2] + sim[m + 1][2]) / 2, kind: "sim", a: sim[m], b: sim[m + 1] });
      }
      spots = [];
      for (let m = 0; m < n; m++) {
        const drive = scene.driving.has(m);
        if (links && !drive)
          pieces.push({ depth: (rec[m][2] + sim[m][2]) / 2, kind: "link", a: rec[m], b: sim[m] });
        if (!drive) pieces.push({ depth: rec[m][2] - 0.02, kind: "ring", a: rec[m], m });
        pieces.push({ depth: sim[m][2] - 0.021, kind: drive ? "drive" : "ball", a: sim[m], m });
        spots.push({ m, x: rec[m][0], y: rec[m][1] }, { m, x: sim[m][0], y: sim[m][1] });
      }
      pieces.sort((p, q) => q.depth - p.depth);
      for (const piece of pieces) {
        if (piece.a[2] < 0.03 || (piece.b && piece.b[2] < 0.03)) continue;
        const size = clamp((3.4 * 2.2) / Math.max(piece.a[2], 0.1), 2.6, 6.5);
        context.setLineDash(piece.kind === "rec" ? [7, 4] : []);
        if (piece.b) {
          context.strokeStyle = piece.kind === "link" ? colours.err : colours[piece.kind];
          context.lineWidth = piece.kind === "sim" ? 3.5 : piece.kind === "rec" ? 2.2 : 1.2;
          path([piece.a, piece.b]);
          context.stroke();
          continue;
        }
        context.beginPath();
        if (piece.kind === "drive") {
          context.fillStyle = colours.ink;
          context.strokeStyle = colours.panel;
          context.lineWidth = 1;
          context.rect(piece.a[0] - size, piece.a[1] - size, 2 * size, 2 * size);
        } else {
          context.fillStyle = piece.kind === "ball" ? colours.sim : colours.panel;
          context.strokeStyle = piece.kind === "ball" ? colours.panel : colours.rec;
          context.lineWidth = piece.kind === "ball" ? 1 : 2;
          context.arc(
              piece.a[0], piece.a[1], piece.kind === "ball" ? size : size * 0.9, 0, 2 * Math.PI);
        }
        context.fill();
        context.stroke();
        if (piece.kind !== "ball" && scene.invalid(frame, piece.m)) {
          context.strokeStyle = colours.bad; /* the recording has a glitch here */
          context.lineWidth = 2;
          const r = size + 2;
          path([[piece.a[0] - r, piece.a[1] - r], [piece.a[0] + r, piece.a[1] + r]]);
          context.stroke();
          path([[piece.a[0] - r, piece.a[1] + r], [piece.a[0] + r, piece.a[1] - r]]);
          context.stroke();
        }
      }
      context.setLineDash([]);
      drawCompass(basis);
      showTip();
    }

    function showTip() {
      const spot = spots.find((s) => s.m === hovered);
      tip.hidden = !spot;
      if (!spot) return;
      tip.textContent = scene.describe(frame, hovered);
      tip.style.left = clamp(spot.x + 12, 0, Math.max(0, width - tip.offsetWidth - 4)) + "px";
      tip.style.top = clamp(spot.y - 30, 0, height - 26) + "px";
    }

    function resize() {
      const box = canvas.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
      if (!box.width || !box.height) return;
      width = box.width;
      height = box.height;
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      if (scene && (home === "reset" || !camera.distance)) fit(scene.across + 0.7, 0.24);
      draw();
    }

    function orbit(dx, dy) {
      camera.azimuth -= dx;
      camera.elevation = clamp(camera.elevation + dy, -Math.PI / 2 + 0.001, Math.PI / 2 - 0.001);
      home = null;
    }
    function pan(dx, dy) {
      const basis = axes(), scale = (2 * camera.distance) / (FOCAL * height);
      for (let k = 0; k < 3; k++) camera.target[k] += (-dx * basis.r[k] + dy * basis.u[k]) * scale;
      home = null;
    }
    function zoom(factor) {
      camera.distance = clamp(camera.distance * factor, 0.05, 500);
      home = null;
    }

    /* pointers: one orbits (shift or right button pans), two pinch and pan */
    const pointers = new Map();
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      canvas.classList.add("drag");
      hovered = -1;
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) {
        const box = canvas.getBoundingClientRect();
        const x = event.clientX - box.left, y = event.clientY - box.top;
        let best = 14, found = -1;
        for (const s of spots) {
          const d = Math.hypot(s.x - x, s.y - y);
          if (d < best) {
            best = d;
            found = s.m;
          }
        }
        hovered = found;
        if (scene) showTip();
        return;
      }
      const dx = event.clientX - before.x, dy = event.clientY - before.y;
      if (pointers.size === 1) {
        if (event.shiftKey || event.buttons & 6) pan(dx, dy);
        else orbit(dx * 0.008, dy * 0.008);
      } else if (pointers.size === 2) {
        const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
        const was = Math.hypot(before.x - other.x, before.y - other.y);
        const is = Math.hypot(event.clientX - other.x, event.clientY - other.y);
        if (was > 5 && is > 5) zoom(was / is);
        pan(dx / 2, dy / 2);
      }
      pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      draw();
    });
    const release = (event) => {
      pointers.delete(event.pointerId);
      if (!pointers.size) canvas.classList.remove("drag");
    };
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
    canvas.addEventListener("pointerleave", () => {
      hovered = -1;
      tip.hidden = true;
    });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    /* the wheel zooms only once the view has the focus, so that the page still scrolls past it */
    canvas.addEventListener("wheel", (event) => {
      if (document.activeElement !== canvas && !event.ctrlKey) return;
      event.preventDefault();
      zoom(Math.exp(clamp(event.deltaY * (event.deltaMode ? 0.05 : 0.0015), -0.5, 0.5)));
      draw();
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const step = 0.09;
      if (event.key === "ArrowLeft") orbit(-step, 0);
      else if (event.key === "ArrowRight") orbit(step, 0);
      else if (event.key === "ArrowUp") orbit(0, step);
      else if (event.key === "ArrowDown") orbit(0, -step);
      else if (event.key === "+" || event.key === "=") zoom(0.9);
      else if (event.key === "-") zoom(1 / 0.9);
      else if (event.key === "0" || event.key === "Home") preset("reset");
      else return;
      event.preventDefault();
      draw();
    });

    readColours();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      readColours();
      draw();
    });
    new ResizeObserver(resize).observe(canvas.parentElement);
    resize();
    return {
      setScene: (next) => {
        setScene(next);
        draw();
      },
      setFrame: (next) => {
        frame = next;
        draw();
      },
      setLinks: (on) => {
        links = on;
        draw();
      },
      setShadow: (on) => {
        shadow = on;
        draw();
      },
      preset,
    };
  }
  return { create };
})();
