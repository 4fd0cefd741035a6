/* page_fit.js: the sections on parameters, their limits, and how the page was made. Every member of
 * the model's "fit" object may be missing: what is not there is left out, or said to be missing. */
const Format = (() => {
  "use strict";
  const raised = (k) => String(k).replace(/[-0-9]/g, (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]));
  const isNumber = (v) => typeof v === "number" && Number.isFinite(v);
  function number(v, digits = 3) {
    if (!isNumber(v)) return "–";
    if (v === 0) return "0";
    const size = Math.abs(v);
    if (size >= 1e-3 && size < 1e5)
      return (size >= Math.pow(10, digits) ? v.toFixed(0) : v.toPrecision(digits))
          .replace("-", "−");
    const [mantissa, power] = v.toExponential(digits - 1).split("e");
    return `${mantissa.replace("-", "−")}·10${raised(Number(power))}`;
  }
  const millimetres = (v) => (isNumber(v) ? (v * 1000).toFixed(Math.abs(v) < 0.0995 ? 2 : 0) : "–");
  const unit = (u) => (!u || u === "1" ? "" : String(u).replace(/\^2\b/g, "²"));
  const list = (v) => (Array.isArray(v) ? v : []);
  /* "1 recording", "3 recordings" */
  const count = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
  return { number, millimetres, unit, list, isNumber, count };
})();

const Fit = (() => {
  "use strict";
  const { h, s } = Dom;
  const { number, unit, list, isNumber, count } = Format;

  const WORDS = {
    rest_length: "Rest length",
    mass_per_length: "Mass per length",
    marker_mass: "Marker mass",
    marker_offset: "Marker offset",
    stretch_stiffness: "Stretch stiffness",
    bend_stiffness_1: "Bending stiffness, direction 1",
    bend_stiffness_2: "Bending stiffness, direction 2",
    bend_stiffness: "Bending stiffness",
    bend_anisotropy: "Bending anisotropy",
    bend_coupling: "Bending coupling of directions 1 and 2",
    natural_curvature: "Natural curvature",
    twist_stiffness: "Twist stiffness",
    natural_twist: "Natural twist",
    stretch_relaxation: "Damping of stretch (relaxation time)",
    bend_relaxation: "Damping of bending (relaxation time)",
    twist_relaxation: "Damping of twist (relaxation time)",
    drag: "Drag",
    bend_memory: "Memory of bending (stiffness ratio)",
    bend_memory_time: "Memory of bending (time)",
  };
  const WHY = {
    twist_stiffness:
        "Markers on the centreline show twist only through its coupling to bending, so " +
        "recordings of positions say little about it.",
    natural_twist:
        "Markers on the centreline barely show twist, and the roll of the grippers was not " +
        "recorded.",
    twist_relaxation: "Markers on the centreline barely show twist, so its damping is hidden too.",
    stretch_stiffness:
        "Once the rod is stiff enough that its length hardly changes, a larger value moves no " +
        "marker.",
    stretch_relaxation:
        "The rod hardly changes its length, so the damping of that change leaves no trace.",
    drag:
        "Air drag is small beside the damping inside the rod; the two act alike in these motions.",
    bend_anisotropy:
        "It shows only where the rod is bent in more than one direction, and the roll of the " +
        "rod was not recorded.",
    bend_coupling:
        "It acts like a turn of the two bending directions, and the roll of the rod was not " +
        "recorded.",
    mass_per_length: "Without a measured force only ratios of stiffness to mass show.",
    marker_mass: "A marker's mass acts like a little more mass of the rod around it.",
    marker_offset:
        "An offset of a marker acts much like a shift of the rod, or of its natural curvature.",
  };
  const name = (...choices) =>
      String(choices.find((c) => c !== undefined && c !== null && c !== "") ?? "–");
  /* the fit's parameters that stand for fields of another name */
  const COVERS = {
    bend_stiffness: ["bend_stiffness_1", "bend_stiffness_2"],
    bend_anisotropy: ["bend_stiffness_1", "bend_stiffness_2", "bend_coupling"]
  };
  const nameOf = (field) => WORDS[field] || name(field);
  const symbols = {
    rho: "ρ",
    kappa_bar: "κ̄",
    tau_bar: "τ̄",
    B11: "B₁₁",
    B22: "B₂₂",
    B12: "B₁₂",
    T_s: "Tₛ",
    tau_m: "τₘ",
    r_m: "rₘ",
    m_k: "mₖ",
    T_t: "Tₜ"
  };
  const symbolOf = (t) => symbols[t] || t || "";

  const hidden = (p) => p.identifiable === false;
  function verdict(p) {
    const out = [];
    if (hidden(p)) out.push(h("span", { class: "badge bad" }, "✕ not identifiable"));
    else if (p.identifiable === true)
      out.push(h("span", { class: "badge good" }, "✓ identifiable"));
    if (p.at_bound === true) out.push(" ", h("span", { class: "badge note" }, "▲ at its bound"));
    return out.length ? out : "–";
  }
  const interval = (p) =>
      (isNumber(p.low) && isNumber(p.high) ? `${number(p.low)} … ${number(p.high)}` : "–");

  const LEFT = new Set(["Unit", "Verdict", "the other", "SHA-256"]);
  function table(head, rows, label) {
    return h(
        "div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label },
        h("table", {},
          h("thead", {},
            h("tr", {},
              head.map(
                  (t, i) =>
                      h("th", { scope: "col", class: i === 0 || LEFT.has(t) ? "l" : null }, t)))),
          h("tbody", {}, rows)));
  }

  /* a prior on a logarithm is a factor either way */
  const prior = (p) =>
      (!isNumber(p.prior_std) ? "–" :
           p.scale === "log"  ? `factor ${number(Math.exp(p.prior_std), 2)}` :
                                `± ${number(p.prior_std, 2)}`);
  const share = (p) => (isNumber(p.resolution) ? `${(100 * p.resolution).toFixed(0)} %` : "–");

  /* the interval holds what was planted? */
  const inside = (p) => p.truth >= p.low && p.truth <= p.high;
  function truthCell(p) {
    if (!isNumber(p.truth)) return "–";
    return [
      number(p.truth), " ",
      h("span", { class: "badge " + (inside(p) ? "good" : "bad") },
        inside(p) ? "✓ inside" : "✕ outside")
    ];
  }

  function parameterRow(p, label) {
    const relative =
        isNumber(p.std) && isNumber(p.value) && p.value ? Math.abs(p.std / p.value) * 100 : NaN;
    return h(
        "tr", { class: hidden(p) ? "weak" : null }, h("th", { scope: "row" }, label),
        h("td", {}, number(p.value)), h("td", { class: "l" }, unit(p.unit)),
        "truth" in p ? h("td", {}, truthCell(p)) : null,
        h("td", {}, number(p.std, 2)),
        h("td", {},
          isNumber(relative) ? (relative > 1000 ? "> 1000 %" : number(relative, 2) + " %") : "–"),
        h("td", {}, interval(p)), h("td", {}, prior(p)), h("td", {}, share(p)),
        h("td", { class: "l" }, verdict(p)));
  }
  const head = (truth) => [
    "Parameter", "Value", "Unit", ...(truth ? ["Truth"] : []), "Standard deviation", "relative",
    "95 % interval", "Assumed before (prior)", "Told by the data", "Verdict"
  ];

  /* limits of the vertical axis: all values and the interval of what is identifiable */
  function rangeOf(points) {
    const all = [];
    for (const p of points) {
      if (isNumber(p.value)) all.push(p.value);
      if (isNumber(p.truth)) all.push(p.truth);
      if (!hidden(p) && isNumber(p.low) && isNumber(p.high)) all.push(p.low, p.high);
    }
    let low = Math.min(...all), high = Math.max(...all);
    const log = low > 0 && high / low > 12 && points.some((p) => p.scale === "log");
    if (log) return { log, y: [low / 1.15, high * 1.15] };
    if (low > 0 && low < 0.6 * high) low = 0;
    const pad = 0.06 * (high - low) || Math.abs(high) * 0.1 || 1;
    return { log, y: [low === 0 ? 0 : low - pad, high + pad] };
  }

  /* one field's profile along the rod: fitted entries with their band, or the model's values alone
   */
  function profile(host, field, component, points, length) {
    points.sort((a, b) => a.s - b.s);
    const fitted = points.some((p) => isNumber(p.low) && isNumber(p.high));
    const many = field.components > 1 ? `, component ${component + 1}` : "";
    const title = nameOf(field.name) + many, u = unit(field.unit);
    const figure =
        h("figure", { class: "panel" },
          h("figcaption", {}, title + " ",
            h("small", {}, symbolOf(field.symbol) + (u ? ` in ${u}` : ""))));
    host.append(figure);
    const series = {
      name: fitted ? "value and 95 % interval" : "value",
      kind: "both",
      cls: "c-sim",
      xs: points.map((p) => p.s),
      ys: points.map((p) => p.value),
      shapes: points.map(
          (p) =>
              (hidden(p)               ? "cross" :
                   p.at_bound === true ? "open" :
                                         ""))
    };
    if (fitted) {
      series.lo = points.map((p) => (isNumber(p.low) ? p.low : p.value));
      series.hi = points.map((p) => (isNumber(p.high) ? p.high : p.value));
    }
    const known = points.filter((p) => isNumber(p.truth));
    const truth = {
      name: "truth",
      kind: "line",
      cls: "c-rec",
      xs: known.map((p) => p.s),
      ys: known.map((p) => p.truth)
    };
    const keys = [];
    if (points.some(hidden))
      keys.push({
        name: "not identifiable",
        node: () => s("path", { class: "cross", d: "M12 2l10 10m0 -10l-10 10" })
      });
    if (points.some((p) => p.at_bound === true && !hidden(p)))
      keys.push({
        name: "at its bound",
        node: () => s("circle", { class: "dot open", cx: 17, cy: 7, r: 4 })
      });
    Chart.create(figure, {
      label: `${title} along the rod, ${points.length} values from ${
          number(Math.min(...series.ys))} to ${number(Math.max(...series.ys))} ${u}`,
      height: 190,
      xLabel: "arc length [m]",
      yLabel: u ? `[${u}]` : "",
      x: [0, length || 1],
      ...rangeOf(points),
      series: points.some((p) => isNumber(p.truth)) ? [truth, series] : [series],
      keys,
      value: (x) => {
        const p = points.reduce((a, b) => (Math.abs(b.s - x) < Math.abs(a.s - x) ? b : a));
        return {
          x: p.s,
          text: `${number(p.value)}${isNumber(p.std) ? " ± " + number(p.std, 2) : ""} ${u}${
              isNumber(p.truth) ? `, truth ${number(p.truth)}` : ""}${
              hidden(p) ? ", not identifiable" : ""}`
        };
      },
    });
  }

  function hiddenText(parameters) {
    const by = new Map();
    for (const p of parameters.filter(hidden))
      by.set(name(p.field, p.name), (by.get(name(p.field, p.name)) || 0) + 1);
    if (!by.size) return null;
    const items = [...by].map(([field, count]) => {
      const total = parameters.filter((p) => name(p.field, p.name) === field).length;
      return h(
          "li", {}, h("strong", {}, nameOf(field)),
          total > 1 ? ` (${count} of ${total} entries)` : "", ". ",
          WHY[field] || "Other parameters can take over what it does in these recordings.");
    });
    return h(
        "div", {}, h("h3", {}, "Not identifiable"),
        h("p", { class: "prose" },
          "These recordings do not determine the following. A value shown for them comes from " +
          "the prior, the bounds or the starting point: other values fit practically as well. " +
          "Do not read it as a measurement."),
        h("ul", { class: "prose" }, items));
  }

  function spectrum(fit, host) {
    const values = list(fit.singular_values).filter(isNumber),
          pairs = list(fit.correlations)
                      .filter((c) => c && isNumber(c.r))
                      .sort((a, b) => Math.abs(b.r) - Math.abs(a.r))
                      .slice(0, 12);
    if (!values.length && !pairs.length) return;
    host.append(h("h3", {}, "How well the recordings tell parameters apart"));
    const two = h("div", { class: "two" });
    host.append(two);
    const positive = values.filter((v) => v > 0).sort((a, b) => b - a);
    if (positive.length > 1) {
      const figure =
          h("figure", { class: "panel" },
            h("figcaption", {}, "What the recordings tell of combinations of parameters ",
              h("small", {}, "singular values, in units of the priors")));
      const condition = positive[0] / positive[positive.length - 1];
      two.append(figure);
      Chart.create(figure, {
        label: `Singular values from ${number(positive[0])} down to ${
            number(positive[positive.length - 1])}`,
        height: 200,
        xLabel: "number",
        yLabel: "",
        log: true,
        x: [0.5, positive.length + 0.5],
        y: [positive[positive.length - 1] / 1.5, positive[0] * 1.5],
        series: [{ kind: "dots", cls: "c-sim", xs: positive.map((_, i) => i + 1), ys: positive }],
        value: (x) => {
          const i = Math.min(positive.length, Math.max(1, Math.round(x)));
          return { x: i, text: `${i}: ${number(positive[i - 1])}` };
        }
      });
      const zero = values.length - positive.length;
      figure.append(h(
          "p", { class: "fine" },
          "One point for a combination of parameters, best seen first. At 10 the recordings tell ten " +
              "times as much of it as the prior, below 1 less than it: the recordings hardly see such a " +
              `combination. Largest over smallest (condition number): ${number(condition)}` +
              `${zero ? `; ${zero} more ${zero === 1 ? "is" : "are"} zero` : ""}.`));
    }
    if (pairs.length) {
      const rows = pairs.map(
          (c) =>
              h("tr", {}, h("th", { scope: "row" }, name(c.a)), h("td", { class: "l" }, name(c.b)),
                h("td", {}, c.r.toFixed(3).replace("-", "−"))));
      two.append(h(
          "figure", { class: "panel" }, h("figcaption", {}, "Strongest correlations"),
          table(["One", "the other", "r"], rows, "Strongest correlations"),
          h("p", { class: "fine" },
            "Near +1 or −1 the recordings determine only a combination of the two, such as their sum, " +
            "difference or ratio; near 0 each by itself.")));
    }
  }

  /* entry k of a parameter along the rod belongs to marker k, that of an edge field to the piece
   * between markers k and k + 1 */
  function place(model, field, entry) {
    const at = list(model.marker_at_m);
    return field && field.location === "edge" ? (at[entry] + at[entry + 1]) / 2 : at[entry];
  }

  function parameters(data, host) {
    const fit = data.fit,
          fitted = fit ? list(fit.parameters).filter((p) => p && typeof p === "object") : [];
    /* planted recordings: each parameter gets the value it was planted with */
    const planted = data.truth && list(data.truth.values);
    if (planted)
      list(fit && fit.parameters).forEach((p, i) => {
        if (p && typeof p === "object") p.truth = planted[i];
      });
    const model = data.model, fields = new Map(model.fields.map((f) => [f.name, f]));
    if (!fit)
      host.append(h(
          "p", { class: "notice" },
          "The model file has no “fit” object: it was not written by rodgrad fit, so its " +
          "values come without uncertainty."));
    else if (fitted.length) {
      const bad = fitted.filter(hidden).length,
            bound = fitted.filter((p) => p.at_bound === true).length;
      host.append(h(
          "p", { class: "prose" },
          `${count(fitted.length, "parameter")} ${fitted.length === 1 ? "was" : "were"} fitted; `,
          bad ? h("strong", {}, `${bad} of them ${bad === 1 ? "is" : "are"} not identifiable`) :
                fitted.length === 1 ? "it is identifiable" : "all are identifiable",
          bound ? `; ${bound} ended at a bound` : "",
          ". A parameter counts as identifiable if the recordings tell more about it than what was " +
          "assumed before (the prior) and it is not at a bound. " +
          (fit.intervals_hold === false ?
           "The intervals do not hold: see below." :
           "An interval holds the true value with a probability of 95 %, if errors are as the fit assumes (see below).")));
    } else
      host.append(
          h("p", { class: "notice" }, "The model file's “fit” object lists no parameters."));
    if (planted) {
      const sure = fitted.filter((p) => p.identifiable === true && isNumber(p.truth));
      host.append(h(
          "p", { class: "prose" },
          `These recordings were planted with the parameters in ${name(data.truth.name)}: they ` +
          `lie within the 95 % interval for ${sure.filter(inside).length} of ` +
          `${count(sure.length, "identifiable parameter")}.`));
    }
    for (const note of list(fit && fit.notes))
      host.append(h("p", { class: "notice" }, String(note)));

    const along = fitted.filter((p) => isNumber(p.entry)),
          uniform = fitted.filter((p) => !isNumber(p.entry));
    if (uniform.length) {
      host.append(
          h("h3", {}, "The same along the whole rod"),
          table(
              head(planted), uniform.map((p) => {
                const f = fields.get(p.field),
                      part = f && f.components > 1 ? `, component ${(p.component || 0) + 1}` : "";
                return parameterRow(
                    p,
                    f ? [nameOf(p.field) + part, " ", h("small", {}, symbolOf(f.symbol))] :
                        name(p.name, p.field));
              }),
              "Uniform parameters"));
    }
    const charts = h("div", { class: "profiles" });
    if (along.length) host.append(h("h3", {}, "Along the rod"), charts);
    for (const field of new Set(along.map((p) => name(p.field)))) {
      const f = fields.get(field),
            mine = along.filter((p) => name(p.field) === field && isNumber(p.value));
      const components = new Set(mine.map((p) => p.component || 0));
      for (const c of components) {
        const points = mine.filter((p) => (p.component || 0) === c)
                           .map((p) => ({...p, s: place(model, f, p.entry) }))
                           .filter((p) => isNumber(p.s));
        if (points.length > 1)
          profile(
              charts, {
                name: field,
                unit: points[0].unit,
                symbol: f && f.symbol,
                components: f ? f.components : components.size
              },
              c, points, model.length_m);
      }
    }
    const why = hiddenText(fitted);
    if (why) host.append(why);
    if (along.length)
      host.append(h(
          "details", {}, h("summary", {}, `${count(along.length, "value")} along the rod as a table`),
          table(
              head(planted), along.map((p) => parameterRow(p, name(p.name, `${name(p.field)}[${p.entry}]`))),
              "Parameters along the rod")));

    const named = new Set(fitted.flatMap((p) => [p.field, ...(COVERS[p.field] || [])])),
          rest = model.fields.filter((f) => !named.has(f.name));
    if (rest.length) {
      const rows = rest.map((f) => {
        const used = list(f.values).filter(isNumber), low = Math.min(...used),
              high = Math.max(...used);
        return h(
            "tr", {},
            h("th", { scope: "row" }, nameOf(f.name), " ", h("small", {}, symbolOf(f.symbol))),
            h("td", {}, low === high ? number(low) : `${number(low)} … ${number(high)}`),
            h("td", { class: "l" }, unit(f.unit)));
      });
      host.append(
          h("details", { open: !fitted.length },
            h("summary", {}, fitted.length ? "What the fit left as it was" : "The model's values"),
            table(["Field", "Value", "Unit"], rows, "Fields that were not fitted")));
      if (!fitted.length) {
        host.append(charts);
        for (const f of rest)
          for (let c = 0; c < f.components; c++) {
            const points = f.at.map((at, i) => ({ s: at, value: f.values[i * f.components + c] }))
                               .filter((p) => isNumber(p.value));
            if (new Set(points.map((p) => p.value)).size > 1)
              profile(charts, f, c, points, model.length_m);
          }
      }
    }
    if (fit) spectrum(fit, host);
  }

  function limits(data, host) {
    const fields = new Map(data.model.fields.map((f) => [f.name, f]));
    const rho = fields.get("mass_per_length"), rest = fields.get("rest_length");
    let mass = 0;
    if (rho && rest)
      rest.values.forEach((length, i) => {
        mass += length * rho.values[i];
      });
    const item = (strong, text) => h("li", {}, h("strong", {}, strong), " ", text);
    host.append(h(
        "ul", {},
        item(
            "Positions fix only ratios.",
            "No force was measured, so the motion determines stiffness divided by mass, not " +
                `either one. This model's rod weighs ${number(mass * 1000)} g; were it 10 % ` +
                "heavier in truth, every stiffness would be 10 % higher and the motion the same."),
        item(
            "Twist barely shows.",
            "Markers follow the centreline. Twist stiffness and natural twist act on it only " +
            "through bending, and the roll of the grippers was not recorded."),
        item(
            "Intervals hold close to the result.",
            "They come from how the error changes close to the fitted values, and hold if the errors of " +
            "frames are as independent as the fit assumes. Where the model itself is off, errors repeat " +
            "from frame to frame, and the true uncertainty is larger."),
        item(
            "Nothing is corrected on the way.",
            "Each recording is simulated from its first two frames and its driving markers " +
            "alone (open loop). The error counts every free marker and " +
            "frame as recorded, glitches included; only driving markers are repaired."),
        item(
            "Valid for such motions.",
            "Frequencies, bends and speeds that the recordings do not hold are extrapolation.")));
  }

  function facts(pairs) {
    return h(
        "dl", { class: "facts" },
        pairs.filter(([, v]) => v !== null && v !== undefined && v !== "")
            .map(([k, v]) => [h("dt", {}, k), h("dd", {}, v)]));
  }
  const code = (t) => (t ? h("code", {}, String(t)) : null);
  const plain = (v) =>
      (v && typeof v === "object" ? Object.entries(v)
                                        .map(
                                            ([k, x]) => `${k}: ${
                                                isNumber(x)               ? number(x) :
                                                    typeof x === "object" ? JSON.stringify(x) :
                                                                            x}`)
                                        .join(", ") :
           isNumber(v)                   ? number(v) :
           v === undefined || v === null ? null :
                                           String(v));

  function made(data, host) {
    const m = data.model, sim = data.simulation || {}, fit = data.fit;
    host.append(
        h("h3", {}, "This page"), facts([
          ["Command", code(data.command)],
          ["Written", data.created],
          ["Version", `rodgrad ${data.version}`],
          ["Model file", code(m.path)],
          ["its SHA-256", code(m.sha256)],
          [
            "Mesh",
            `${m.markers} markers, ${m.vertices} vertices (edges between free markers: ${m.refine}), ` +
                `driving markers ${m.clamps.join(", ") || "none"}`
          ],
          [
            "Simulation",
            `${sim.stepper} stepper${sim.stepper === "implicit" ? `, ${sim.scheme}` : ""}, ` +
                (sim.gravity_m_s2 ? `gravity ${sim.gravity_m_s2.map(number).join(", ")} m/s², ` : "") +
                `steps per frame: ${sim.substeps}, each solved until vertices would move by less than ` +
                `${number(sim.tolerance_m)} m${sim.at_limit === "continue" ? ` or for ${sim.max_iterations} iterations` : ""}` +
                `, ${sim.real} precision on ${sim.backend} (${sim.isa})`
          ],
          [
            "Simulated",
            isNumber(sim.wall_s) ? `${count(Math.round(sim.steps), "step")} in ${number(sim.wall_s)} s, ` +
                    `${number(sim.rod_steps_per_s)} steps of a rod per second` :
                                   null
          ],
        ]));
    const rows = data.recordings.map(
        (r) =>
            h("tr", {}, h("th", { scope: "row" }, r.name), h("td", {}, String(r.frames)),
              h("td", {}, `${number(r.dt_s * 1000)} ms`), h("td", {}, String(r.masked)),
              h("td", {}, String(r.repaired)), h("td", { class: "l mono" }, r.sha256 || "–")));
    host.append(
        h("details", {}, h("summary", {}, "Recordings and their hashes"),
          table(
              ["Recording", "Frames", "Interval", "Glitches, free", "Repaired, driving", "SHA-256"],
              rows, "Recordings and hashes")));
    if (!fit) return;
    host.append(
        h("h3", {}, "The fit"), facts([
          ["Command", code(fit.command)],
          ["Written", plain(fit.created)],
          ["Version", fit.version ? `rodgrad ${fit.version}` : null],
          [
            "Training error",
            isNumber(fit.train_l1_m) ? `${Format.millimetres(fit.train_l1_m)} mm, mean |error| per ` +
                    "coordinate over the training recordings" :
                                       null
          ],
          [
            "Work",
            [
              isNumber(fit.iterations) ? count(fit.iterations, "iteration") : null,
              isNumber(fit.wall_s) ? `${number(fit.wall_s)} s` : null
            ].filter(Boolean)
                .join(", ")
          ],
          ["What was made small", plain(fit.loss)],
        ]));
    const train = list(fit.recordings).filter((r) => r && typeof r === "object");
    if (train.length)
      host.append(
          h("details", {}, h("summary", {}, count(train.length, "training recording")),
            table(
                ["Recording", "Frames", "Glitches masked", "Repaired", "Error [mm]", "SHA-256"],
                train.map(
                    (r) =>
                        h("tr", {}, h("th", { scope: "row" }, name(r.name)),
                          h("td", {}, plain(r.frames) || "–"), h("td", {}, plain(r.masked) || "–"),
                          h("td", {}, plain(r.repaired) || "–"),
                          h("td", {}, Format.millimetres(r.l1_m)),
                          h("td", { class: "l mono" }, name(r.sha256)))),
                "Training recordings")));
  }
  return { parameters, limits, made };
})();
