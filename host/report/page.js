/* page.js: the page's state and its sections. The data is the JSON in the element "data"; positions
 * in it are whole tenths of a millimetre, as differences from a straight-line forecast (see
 * decode). At the end of a start without error the root element gets data-ready="yes". */
(() => {
  "use strict";
  const { h } = Dom;
  const { number, millimetres, list, isNumber } = Format;
  const $ = (id) => document.getElementById(id);

  function fail(message) {
    document.documentElement.dataset.error = "yes";
    $("failure").hidden = false;
    $("failure").textContent = `This page could not draw everything: ${message}`;
  }
  window.addEventListener("error", (event) => fail(event.message));
  window.addEventListener("unhandledrejection", (event) => fail(String(event.reason)));

  const data = JSON.parse($("data").textContent);
  const state = { recording: 0, frame: 0, playing: false, speed: 1, clock: 0 };
  const decoded = new Map();
  let view = null, timeChart = null, rodChart = null, forcesChart = null, heat = null;

  /* base64 of zigzag varints: each value minus its forecast 2 a - b from the two frames before */
  function decode(text, frames, columns) {
    const raw = atob(text), out = new Float64Array(frames * columns);
    let at = 0;
    for (let i = 0; i < out.length; i++) {
      let value = 0, scale = 1, byte;
      do {
        byte = raw.charCodeAt(at++);
        value += (byte & 127) * scale;
        scale *= 128;
      } while (byte & 128);
      if (Number.isNaN(byte)) throw new Error("a recording in this page is cut short");
      const difference = value % 2 ? -(value + 1) / 2 : value / 2;
      const a = i >= columns ? out[i - columns] : 0;
      const b = i >= 2 * columns ? out[i - 2 * columns] : a;
      out[i] = difference + (i >= columns ? 2 * a - b : 0);
    }
    return out;
  }

  /* positions in metres, and the error of each marker in each frame in millimetres */
  function open(index) {
    if (decoded.has(index)) return decoded.get(index);
    const r = data.recordings[index], n = data.model.markers, frames = r.frames;
    const driving = new Set(data.model.clamps), free = [];
    for (let m = 0; m < n; m++)
      if (!driving.has(m)) free.push(m);
    const recorded = decode(r.recorded, frames, 3 * n).map((v) => v * 1e-4);
    const predicted = decode(r.simulated, frames, 3 * free.length);
    const simulated = recorded.slice(), error = new Float64Array(frames * n);
    const mean = new Float64Array(frames), largest = new Float64Array(frames);
    for (let f = 0; f < frames; f++) {
      free.forEach((m, i) => {
        const to = 3 * (f * n + m), from = 3 * (f * free.length + i);
        let sum = 0;
        for (let k = 0; k < 3; k++) {
          simulated[to + k] = predicted[from + k] * 1e-4;
          sum += (simulated[to + k] - recorded[to + k]) ** 2;
        }
        const e = Math.sqrt(sum) * 1000;
        error[f * n + m] = e;
        mean[f] += e / free.length;
        largest[f] = Math.max(largest[f], e);
      });
    }
    const invalid = new Set();
    for (const [m, first, count] of list(r.invalid))
      for (let f = first; f < first + count; f++) invalid.add(f * n + m);
    const along = free.map((m) => {
      let sum = 0, top = 0;
      for (let f = 2; f < frames; f++) {
        sum += error[f * n + m];
        top = Math.max(top, error[f * n + m]);
      }
      return { m, mean: sum / Math.max(1, frames - 2), max: top };
    });
    const worst = mean.reduce((best, e, f) => (e > mean[best] ? f : best), 0);
    const out = {
      r,
      n,
      frames,
      driving,
      free,
      recorded,
      simulated,
      error,
      mean,
      largest,
      invalid,
      along,
      worst
    };
    if (decoded.size > 12) decoded.clear(); /* a few at a time: long recordings are large */
    decoded.set(index, out);
    return out;
  }
  const current = () => open(state.recording);
  const seconds = (frame) => frame * current().r.dt_s;

  function setFrame(frame) {
    const c = current();
    state.frame = Math.min(c.frames - 1, Math.max(0, Math.round(frame)));
    const f = state.frame,
          top = c.free.reduce(
              (a, m) => (c.error[f * c.n + m] > c.error[f * c.n + a] ? m : a), c.free[0]);
    $("time").value = f;
    $("time").setAttribute(
        "aria-valuetext", `${seconds(f).toFixed(2)} s, mean error ${c.mean[f].toFixed(1)} mm`);
    $("readout").textContent = [
      `${seconds(f).toFixed(2)} s, frame ${f} of ${c.frames - 1}`,
      `mean error ${c.mean[f].toFixed(1)} mm`,
      `largest ${c.largest[f].toFixed(1)} mm (marker ${top})`
    ].join("\n");
    view.setFrame(f);
    timeChart.setPlayhead(seconds(f));
    if (forcesChart) forcesChart.setPlayhead(seconds(f));
    heat.setPlayhead(f);
  }

  function play(on) {
    if (on && state.frame >= current().frames - 1) setFrame(0);
    state.playing = on;
    $("play").setAttribute("aria-pressed", String(on));
    $("play").firstElementChild.textContent = on ? "❚❚" : "▶";
    $("play-text").textContent = on ? "Pause" : "Play";
    state.clock = 0;
    if (on) requestAnimationFrame(tick);
  }
  function tick(now) {
    if (!state.playing) return;
    if (!state.clock) {
      state.clock = now;
      state.exact = state.frame;
    }
    state.exact += ((now - state.clock) / 1000) * state.speed / current().r.dt_s;
    state.clock = now;
    if (state.exact >= current().frames - 1) {
      setFrame(current().frames - 1);
      play(false);
      return;
    }
    setFrame(Math.floor(state.exact));
    requestAnimationFrame(tick);
  }
  const seek = (frame) => {
    play(false);
    setFrame(frame);
  };

  /* what a chart over time shows of a failure: the time after it, and its entry in the legend */
  function failedSpan(c) {
    if (!isNumber(c.r.failed_frame)) return { spans: [], failedKeys: [] };
    const x0 = c.r.failed_frame * c.r.dt_s, x1 = (c.frames - 1) * c.r.dt_s;
    return {
      spans: [{ x0, x1, cls: "failed" }],
      failedKeys: [{
        name: "after the simulation failed",
        node: () => Dom.s("rect", { class: "failed", x: 2, y: 1, width: 30, height: 12 })
      }]
    };
  }

  function timeSpec() {
    const c = current(), xs = Array.from(c.mean, (_, f) => f * c.r.dt_s);
    const top = Math.max(1e-3, c.largest.reduce((a, b) => Math.max(a, b), 0));
    const end = xs[xs.length - 1], ticks = [], { spans, failedKeys } = failedSpan(c);
    for (const [, first, count] of list(c.r.invalid))
      ticks.push([first * c.r.dt_s, (first + count) * c.r.dt_s]);
    const keys = [];
    if (ticks.length)
      keys.push({
        name: "glitch in the recording",
        node: () => Dom.s("line", { class: "glitch", x1: 8, x2: 26, y1: 7, y2: 7 })
      });
    keys.push(...failedKeys);
    return {
      label: `Error over time: mean ${
          (c.mean.reduce((a, b) => a + b, 0) / c.frames).toFixed(1)} mm, largest ${
          top.toFixed(1)} mm`,
      height: 200,
      tall: 236,
      xLabel: "time [s]",
      yLabel: "error [mm]",
      x: [0, end],
      y: [0, top * 1.05],
      spans,
      ticks,
      keys,
      series: [
        { name: "largest", kind: "line", cls: "c-rec thin", xs, ys: c.largest },
        { name: "mean", kind: "line", cls: "c-sim", xs, ys: c.mean }
      ],
      seek: (x) => seek(x / c.r.dt_s),
      value: (x) => {
        const f = Math.min(c.frames - 1, Math.max(0, Math.round(x / c.r.dt_s)));
        return {
          x: f * c.r.dt_s,
          text: `${(f * c.r.dt_s).toFixed(2)} s: mean ${c.mean[f].toFixed(1)}, ` +
              `largest ${c.largest[f].toFixed(1)} mm`
        };
      }
    };
  }

  function rodSpec() {
    const c = current(), n = c.n, top = Math.max(1e-3, ...c.along.map((a) => a.max));
    const means = data.recordings.map((r) => list(r.marker_mean_m))
                      .filter((m) => m.length === n && m.every(isNumber));
    const over = c.free.map(
        (m) => means.reduce((sum, v) => sum + v[m] * 1000, 0) / Math.max(1, means.length));
    const series = [
      {
        name: "largest",
        kind: "both",
        cls: "c-rec thin",
        shape: "rec",
        xs: c.free,
        ys: c.along.map((a) => a.max)
      },
      { name: "mean", kind: "both", cls: "c-sim", xs: c.free, ys: c.along.map((a) => a.mean) }
    ];
    if (means.length > 1)
      series.push({
        name: "mean over all recordings",
        kind: "line",
        cls: "c-ink thin dash",
        xs: c.free,
        ys: over
      });
    series.push({
      kind: "dots",
      cls: "",
      xs: [...c.driving],
      ys: [...c.driving].map(() => 0),
      shapes: [...c.driving].map(() => "square")
    });
    return {
      label: `Error along the rod, largest ${top.toFixed(1)} mm`,
      height: 200,
      tall: 236,
      xLabel: "marker",
      yLabel: "error [mm]",
      x: [-0.4, n - 0.6],
      y: [0, top * 1.05],
      series,
      keys: [{
        name: "driving",
        node: () => Dom.s("rect", { class: "dot ink", x: 13, y: 3, width: 8, height: 8 })
      }],
      xTicks: (room) => {
        const step = Math.ceil(n / Math.max(1, room)), out = [];
        for (let m = 0; m < n; m += step) out.push({ v: m, text: String(m) });
        return out;
      },
      value: (x) => {
        const a = c.along.find((e) => e.m === Math.round(x));
        return a ? {
          x: a.m,
          text: `marker ${a.m}: mean ${a.mean.toFixed(1)}, largest ${a.max.toFixed(1)} mm`
        } :
                   null;
      }
    };
  }

  /* "marker 0", "markers 0 and 1", "markers 0 to 3" */
  function markerNames(markers) {
    const last = markers[markers.length - 1];
    return markers.length < 2 ? `marker ${last}` :
        `markers ${markers[0]} ${markers.length > 2 ? "to" : "and"} ${last}`;
  }

  /* null where the stepper has no forces */
  function forcesSpec() {
    const c = current(), given = c.r.forces, styles = ["c-sim", "c-rec dash", "c-sim thin dash", "c-rec thin"];
    if (!given || !isNumber(given.unit_n)) return null;
    const rows = list(given.grippers).map((g, i) => ({
      name: `gripper at ${markerNames(list(g.markers))}`,
      cls: styles[i % styles.length],
      ys: list(g.force)
    }));
    const n_grippers = rows.length;
    rows.push({ name: "largest tension", cls: "c-ink thin", ys: list(given.tension) });
    const all = rows.flatMap((row) => row.ys.filter(isNumber));
    const least = all.reduce((a, v) => Math.min(a, v), 0), most = all.reduce((a, v) => Math.max(a, v), 0);
    const milli = Math.max(most, -least) * given.unit_n < 0.1;
    const scale = given.unit_n * (milli ? 1000 : 1), unit = milli ? "mN" : "N";
    /* round-off of a rod that nothing pulls at is to look like nothing */
    const low = least * scale, high = Math.max(most * scale, low + (milli ? 1e-6 : 1e-9));
    const series = rows.map((row) => {
      const frames = row.ys.map((_, f) => f).filter((f) => isNumber(row.ys[f]));
      return {
        name: row.name,
        kind: "line",
        cls: row.cls,
        xs: frames.map((f) => f * c.r.dt_s),
        ys: frames.map((f) => row.ys[f] * scale)
      };
    });
    const { spans, failedKeys } = failedSpan(c);
    return {
      grippers: n_grippers,
      label: `Forces over time: largest ${number(most * scale)} ${unit}`,
      height: 200,
      tall: 220,
      xLabel: "time [s]",
      yLabel: `force [${unit}]`,
      x: [0, (c.frames - 1) * c.r.dt_s],
      y: [1.05 * low, 1.05 * high],
      spans,
      keys: failedKeys,
      series,
      seek: (x) => seek(x / c.r.dt_s),
      value: (x) => {
        const f = Math.min(c.frames - 1, Math.max(0, Math.round(x / c.r.dt_s)));
        const at = rows.map((row) => (isNumber(row.ys[f]) ? number(row.ys[f] * scale) : null));
        if (at.includes(null)) return null;
        const tension = `tension ${at.pop()} ${unit}`; /* short: a phone is narrow */
        return {
          x: f * c.r.dt_s,
          text: `${(f * c.r.dt_s).toFixed(2)} s: ` + (at.length ? `${at.join(", ")} ${unit}, ${tension}` : tension)
        };
      }
    };
  }

  function showForces() {
    const spec = forcesSpec();
    $("chart-forces").hidden = !spec;
    if (!spec) return;
    $("forces-note").textContent = spec.grippers ?
        "The size of the force with which each gripper (driving markers side by side) acts on the rod, and " +
            "the largest tension of all edges that no gripper holds. Both are simulated, not measured; noise in " +
            "the recorded motion of the grippers shows in them." :
        "The largest tension of all edges, simulated, not measured.";
    if (forcesChart) forcesChart.update(spec);
    else forcesChart = Chart.create($("chart-forces"), spec);
  }

  function select(index, frame) {
    play(false);
    state.recording = index;
    const c = current();
    $("recording").value = String(index);
    $("time").max = c.frames - 1;
    view.setScene({
      recorded: c.recorded,
      simulated: c.simulated,
      markers: c.n,
      driving: c.driving,
      gravity: (data.simulation || {}).gravity_m_s2 || [0, 0, -9.81],
      invalid: (f, m) => c.invalid.has(f * c.n + m),
      describe: (f, m) => `marker ${m}: ` +
          (c.driving.has(m) ? "driving" : `${c.error[f * c.n + m].toFixed(1)} mm off`) +
          (c.invalid.has(f * c.n + m) ? ", glitch in the recording" : "")
    });
    timeChart.update(timeSpec());
    rodChart.update(rodSpec());
    showForces();
    heat.load(c);
    setFrame(frame === undefined ? c.worst : frame);
    for (const row of $("files").querySelectorAll("tbody tr"))
      row.classList.toggle("current", row.dataset.index === String(index));
  }

  /* the same bytes in the training set: an error on them says little about other motions */
  const trained =
      new Set(list(data.fit && data.fit.recordings).map((r) => r && r.sha256).filter(Boolean));
  const inTraining = (r) => Boolean(r.sha256) && trained.has(r.sha256);

  function headline() {
    const sum = data.summary, base = sum.baselines || {}, files = data.recordings,
          tiles = $("tiles");
    const bad = files.filter((r) => r.status !== "ok"), seen = files.filter(inTraining);
    const plural = files.length === 1 ? "recording" : "recordings";
    document.title = `rodgrad report: ${data.model.name}`;
    $("title").textContent = data.model.name;
    const better = isNumber(base.ridge) ?
        ["a linear guess from the motion of the grippers (ridge regression)", base.ridge] :
        isNumber(base.hold) ? ["holding the first frame", base.hold] :
                              null;
    $("verdict").textContent = isNumber(sum.l1_m) ?
        `On ${files.length} ${plural} the simulated rod is ${millimetres(sum.l1_m)} mm off per ` +
            "coordinate, on average over all frames and markers" +
            (better ? `; ${better[0]} is ${millimetres(better[1])} mm off.` : ".") :
        `The error over ${files.length} ${plural} is not a number: see the status of each below.`;
    const worst =
        files.reduce((a, r) => (isNumber(r.max_m) && (!a || r.max_m > a.max_m) ? r : a), null);
    const tile = (name, big, unitText, sub, cls) => tiles.append(
        h("div", { class: cls }, h("dt", {}, name),
          h("dd", {},
            h("div", { class: "big" }, big, unitText ? h("small", {}, " " + unitText) : null),
            h("div", { class: "sub" }, sub))));
    tile(
        "Mean error", millimetres(sum.l1_m), "mm",
        `${isNumber(sum.l1_m) ? sum.l1_m.toFixed(5) : "–"} m: mean of |error| per coordinate, ` +
            "all markers, frames 2 to the end");
    tile("Root mean square", millimetres(sum.rmse_free_m), "mm", "distance, free markers; large errors count for more");
    tile(
        "Largest error", millimetres(sum.max_m), "mm",
        worst ? `one marker in one frame, in ${worst.name}` : "one marker in one frame");
    const times = (v) =>
        (isNumber(v) && sum.l1_m > 0 ?
             `mean error; ${number(v / sum.l1_m, 2)} times the model's` :
             "mean error");
    if (isNumber(base.hold))
      tile("Holding the first frame", millimetres(base.hold), "mm", times(base.hold));
    if (isNumber(base.ridge))
      tile("Ridge regression", millimetres(base.ridge), "mm", times(base.ridge));
    tile(
        "Recordings", String(files.length), "",
        seen.length ? `${seen.length} of them used in the fit` :
            trained.size ? "none of them used in the fit" :
                           "as given");
    tile(
        "Status", bad.length ? `${bad.length} failed` : "ok", "",
        bad.length ? sum.status : "every step of every rod converged", bad.length ? "bad" : null);
    const warn = (cls, text) => $("warnings").append(h("p", { class: cls }, text));
    const were = files.length === 1 ? "This recording was" :
        seen.length === files.length ? "All of these recordings were" :
        `Of these ${files.length} recordings ${seen.length} ${seen.length === 1 ? "was" : "were"}`;
    if (seen.length)
      warn("notice", `${were} used in the fit: the error there is not a test of the model.`);
    const failed = files.length === 1 ? "The simulation failed" :
        `${bad.length} of ${files.length} simulations failed, ${bad.length ? bad[0].name : ""} first`;
    if (bad.length)
      warn("notice bad",
           `${failed}: ${bad[0].status}. From there on the last good frame is shown and counted.`);
  }

  function files() {
    const anyHold = data.recordings.some((r) => isNumber(r.hold_m)),
          anyRidge = data.recordings.some((r) => isNumber(r.ridge_m));
    const columns = [
      ["Recording", (r) => r.name], ["Mean error [mm]", (r) => r.l1_m],
      ["Root mean square [mm]", (r) => r.rmse_free_m], ["Largest [mm]", (r) => r.max_m]
    ];
    if (anyHold) columns.push(["First frame held [mm]", (r) => r.hold_m]);
    if (anyRidge) columns.push(["Ridge regression [mm]", (r) => r.ridge_m]);
    columns.push(
        ["Glitches, free", (r) => r.masked], ["Repaired, driving", (r) => r.repaired],
        ["Status", (r) => r.status]);
    const sort = { column: 1, down: true },
          top = Math.max(...data.recordings.map((r) => (isNumber(r.l1_m) ? r.l1_m : 0)), 1e-12);
    const head = h("tr"), body = h("tbody");
    $("files").replaceChildren(h("thead", {}, head), body);
    function fill() {
      head.replaceChildren(...columns.map(([name], i) => {
        const on = sort.column === i;
        return h(
            "th", {
              scope: "col",
              class: i === 0 || i === columns.length - 1 ? "l" : null,
              "aria-sort": on ? (sort.down ? "descending" : "ascending") : null
            },
            h("button", {
              class: "link",
              type: "button",
              onclick: () => {
                sort.down = on ? !sort.down : i > 0 && i < columns.length - 1;
                sort.column = i;
                fill();
                head.children[i].firstElementChild.focus();
              }
            },
              name + (on ? (sort.down ? " ↓" : " ↑") : "")));
      }));
      const order = data.recordings.map((r, i) => i), key = columns[sort.column][1];
      order.sort((a, b) => {
        const x = key(data.recordings[a]), y = key(data.recordings[b]);
        const rank = typeof x === "string" ?
            x.localeCompare(y, undefined, { numeric: true }) :
            (isNumber(x) ? x : Infinity) - (isNumber(y) ? y : Infinity);
        return (sort.down ? -rank : rank) || a - b;
      });
      body.replaceChildren(...order.map((i) => {
        const r = data.recordings[i], meter = h("span", { class: "meter" });
        meter.style.width = `${isNumber(r.l1_m) ? Math.max(2, (100 * r.l1_m) / top) : 0}%`;
        const cells = columns.slice(4, -1).map(
            ([name, get]) =>
                h("td", {}, name.endsWith("[mm]") ? millimetres(get(r)) : String(get(r))));
        return h(
            "tr", { "data-index": i, class: i === state.recording ? "current" : null },
            h("th", { scope: "row" },
              h("button", {
                class: "link",
                type: "button",
                title: r.source,
                onclick: () => {
                  select(i);
                  $("view-section").scrollIntoView({
                    behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" :
                                                                                       "smooth"
                  });
                }
              },
                r.name),
              inTraining(r) ? [" ", h("span", { class: "badge note" }, "in training set")] : null),
            h("td", {}, millimetres(r.l1_m), meter), h("td", {}, millimetres(r.rmse_free_m)),
            h("td", {}, millimetres(r.max_m)), cells,
            h("td", { class: "l wrap" },
              r.status === "ok" ? h("span", { class: "badge good" }, "✓ ok") :
                                  h("span", { class: "badge bad" }, `✕ ${r.status}`)));
      }));
    }
    fill();
    $("files-note").textContent =
        "A name opens the recording in the view above, a column's head sorts. Glitches are jumps " +
        "of a marker in the recording, counted once a marker and frame. Those of free markers are " +
        "part of the error; those of driving markers are repaired before they drive.";
  }

  function controls() {
    const pick = $("recording");
    data.recordings.forEach(
        (r, i) => pick.append(
            h("option", { value: i },
              `${r.name}  (${millimetres(r.l1_m)} mm${r.status === "ok" ? "" : ", failed"})`)));
    pick.addEventListener("change", () => select(Number(pick.value)));
    $("play").addEventListener("click", () => play(!state.playing));
    $("back").addEventListener("click", () => seek(state.frame - 1));
    $("forward").addEventListener("click", () => seek(state.frame + 1));
    $("time").addEventListener("input", () => seek(Number($("time").value)));
    $("speed").addEventListener("change", () => {
      state.speed = Number($("speed").value);
    });
    $("worst").addEventListener("click", () => seek(current().worst));
    $("links").addEventListener("change", () => view.setLinks($("links").checked));
    $("shadow").addEventListener("change", () => view.setShadow($("shadow").checked));
    for (const button of document.querySelectorAll("[data-view]"))
      button.addEventListener("click", () => view.preset(button.dataset.view));
    $("view").addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      if (event.key === " ") play(!state.playing);
      else if (event.key === ",") seek(state.frame - 1);
      else if (event.key === ".") seek(state.frame + 1);
      else if (event.key === "w") seek(current().worst);
      else return;
      event.preventDefault();
    });
    /* on paper nothing can be opened */
    let closed = [];
    window.addEventListener("beforeprint", () => {
      closed = [...document.querySelectorAll("details:not([open])")];
      for (const e of closed) e.open = true;
    });
    window.addEventListener("afterprint", () => {
      for (const e of closed) e.open = false;
    });
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) play(false);
    });
  }

  function start() {
    headline();
    view = View.create($("view"), $("tip"));
    timeChart = Chart.create($("chart-time"), timeSpec());
    rodChart = Chart.create($("chart-rod"), rodSpec());
    heat = Heat.create($("heat"), seek);
    controls();
    files();
    /* #recording=2&frame=120 opens there: a place in a page can be linked to */
    const wish = new URLSearchParams(location.hash.slice(1));
    const index = Number(wish.get("recording")),
          frame = wish.has("frame") ? Number(wish.get("frame")) : NaN;
    const worst = data.recordings.reduce(
        (a, r, i) => ((r.l1_m || 0) > (data.recordings[a].l1_m || 0) ? i : a), 0);
    const given = wish.has("recording") && Number.isInteger(index) && index >= 0 &&
        index < data.recordings.length;
    select(given ? index : worst, Number.isFinite(frame) ? frame : undefined);
    Fit.parameters(data, $("parameters"));
    Fit.limits(data, $("limits"));
    Fit.made(data, $("made"));
    $("foot").textContent = `rodgrad ${data.version}, ${data.created}. Positions in this page ` +
        "are rounded to 0.1 mm; numbers in tables were computed before rounding.";
    document.documentElement.dataset.ready = "yes";
  }
  try {
    start();
  } catch (problem) {
    fail(problem.message);
    throw problem;
  }
})();
