"""gallery.py DATA DOCS: docs/theory.md and docs/theory/*.svg from what the cases of rod theory wrote.

DATA holds a folder for each test, and in it a file <case>.csv for each case (tests/theory/theory.h says what its
rows are). Series whose names begin with "exact" are drawn as lines, the others as markers. tools/gallery.sh calls
this."""

import pathlib
import re
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402 (after the choice of what draws)

HEAD = """# Rod theory, case by case

What the simulator says where the answer is known. Every reference is computed by the case itself (closed forms, elliptic integrals, roots, exact
discrete solutions), nothing is fitted, and every figure has a bar that the test holds it to. `tools/gallery.sh` runs the cases
and draws this page; `ctest --preset release -L theory` runs them as tests. The harness is
[tests/theory/theory.h](../tests/theory/theory.h), the cases are beside it.

Lines are exact, marks are simulated.
"""


def split(panel):
    """A panel's name, and what of: all orders of convergence of a case share a panel."""
    return ("convergence", panel[len("order: ") :]) if panel.startswith("order: ") else (panel, "")


MARKS = 50  # of a series at most: a mark costs a hundred bytes


class Case:
    """One case: its texts, panels {name: (x label, y label, logarithmic, {series: [(x, y)]})} and figures."""

    def __init__(self, path):
        self.test, self.file = path.parent.name, path.stem
        self.title = self.source = ""
        self.panels, self.figures = {}, []
        for number, line in enumerate(path.read_text().splitlines(), 1):
            kind, *fields = line.split("|")
            if kind == "case" and len(fields) == 3:
                _, self.title, self.source = fields
            elif kind == "panel" and len(fields) == 4:
                panel, what = split(fields[0])
                self.panels.setdefault(panel, (fields[1], fields[2], fields[3] == "log", {}))
            elif kind == "point" and len(fields) == 4 and split(fields[0])[0] in self.panels:
                panel, what = split(fields[0])
                name = f"{fields[1]}: {what}" if what else fields[1]
                series = self.panels[panel][3].setdefault(name, [])
                series.append((float(fields[2]), float(fields[3])))
            elif kind == "figure" and len(fields) == 3:
                self.figures.append((fields[0], float(fields[1]), float(fields[2])))
            else:
                sys.exit(f"gallery: {path}, line {number}: not a row of a case: {line[:80]}")
        if not self.title:
            sys.exit(f"gallery: {path} has no row that names the case")

    def draw(self, folder):
        """Its panels side by side, at most three in a row, into folder/<case>.svg."""
        if not self.panels:
            return None
        columns = min(3, len(self.panels))
        rows = (len(self.panels) + columns - 1) // columns
        figure, axes = plt.subplots(rows, columns, figsize=(3.6 * columns, 2.9 * rows), squeeze=False)
        for axis in axes.flat[len(self.panels) :]:
            axis.set_axis_off()
        for axis, (name, (x_label, y_label, log, series)) in zip(axes.flat, self.panels.items()):
            exact = marks = 0
            for label, points in series.items():
                x, y = zip(*points)
                if label.startswith("exact slope: "):
                    axis.plot(x, y, "-", lw=0.6, color="0.6", zorder=1)
                elif label.startswith("exact"):
                    axis.plot(x, y, "-", lw=1.0, color=f"C{exact}", label=label, zorder=1)
                    exact += 1
                else:
                    every = 1 + (len(x) - 1) // MARKS
                    axis.plot(x, y, "osv^Dx"[marks % 6], ms=2.6, markevery=every, color=f"C{marks}", mew=0.7,
                              alpha=0.8, label=label.removeprefix("rodgrad: "))
                    marks += 1
            if log:
                axis.set_xscale("log")
                axis.set_yscale("log")
                axis.minorticks_off()
                steps = sorted({x for points in series.values() for x, _ in points})
                if len(steps) <= 6:
                    axis.set_xticks(steps, [f"{x:.3g}" for x in steps])
            elif x_label.endswith("in lengths") and y_label.endswith("in lengths"):
                axis.set_aspect("equal", adjustable="datalim")
            axis.set_title(name, fontsize=8)
            axis.set_xlabel(x_label, fontsize=7)
            axis.set_ylabel(y_label, fontsize=7)
            axis.tick_params(labelsize=6)
            axis.grid(lw=0.3, alpha=0.5)
            if len(series) <= 24:
                # a long legend stands next to its panel, not on its points
                long = len(axis.get_legend_handles_labels()[0]) > 6
                axis.legend(fontsize=5.5, frameon=False,
                            **({"loc": "center left", "bbox_to_anchor": (1.0, 0.5)} if long else {}))
        figure.tight_layout()
        path = folder / f"{self.file}.svg"
        figure.savefig(path, metadata={"Date": None, "Creator": None})
        plt.close(figure)
        # in tags, hundredths of a point are enough
        cut = re.compile(r"(\.\d\d)\d+")
        path.write_text(re.sub(r"<[^>]*>", lambda tag: cut.sub(r"\1", tag.group()), path.read_text()))
        return path


def number(value):
    return f"{value:.2g}" if abs(value) < 1e-2 or abs(value) >= 1e3 else f"{value:.3g}"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    data, docs = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    cases = [Case(path) for path in sorted(data.glob("*/*.csv"))]
    if not cases:
        sys.exit(f"gallery: {data} holds no case; run tools/gallery.sh")
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "rodgrad", "font.family": "sans-serif"})
    folder = docs / "theory"
    folder.mkdir(exist_ok=True)
    wanted = set()
    text = [HEAD] + [f"- [{case.title}](#{case.file})" for case in cases]
    for case in cases:
        picture = case.draw(folder)
        text += [f'\n## <a id="{case.file}"></a>{case.title[0].upper() + case.title[1:]}\n', f"Reference: {case.source}. `ctest --preset release -R {case.test} -V`\n"]
        if picture:
            wanted.add(picture)
            text.append(f"![{case.title}](theory/{picture.name})\n")
        text.append("| figure | value | bar |\n|---|---|---|")
        text += [f"| {what} | {number(value)} | {number(bar)} |" for what, value, bar in case.figures]
    for old in set(folder.glob("*.svg")) - wanted:
        old.unlink()
    (docs / "theory.md").write_text("\n".join(text) + "\n")
    figures = sum(len(case.figures) for case in cases)
    print(f"gallery: {len(cases)} cases, {figures} figures, in {docs / 'theory.md'}", file=sys.stderr)


if __name__ == "__main__":
    main()
