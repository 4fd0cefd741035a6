#!/usr/bin/env python3
"""Instructions of a rod-step, counted by callgrind, against a table: what makes a kernel slower fails here.

  instructions.py [--update] RUN TOOLCHAIN TABLE

RUN is instructions_run, TOOLCHAIN says what it was built with. TABLE (instructions.txt) has a row for each
kernel, and the toolchain that it was counted with. A row fails where its count is more than 3 % above the
table's; where it is that much below, a note says that the table wants updating, which --update does, for all
rows. Seconds play no part: counts are the same on a busy machine.
Exit code: 0; 1 where a row fails; 77 (skipped) without valgrind or with another toolchain than the table's.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

BAR = 0.03
SKIPPED = 77
HEAD = """# Instructions of a rod-step of rope12, counted by callgrind: instructions_run.c, instructions.py
# Made by: cmake --build build/release --target instructions_update
# Toolchain: %s
#
# stepper  mode     parameters  real    isa     instructions
"""


def complain(code, text):
    print("instructions.py: " + text, file=sys.stderr)
    sys.exit(code)


def read_table(path):
    """The toolchain, and rows [stepper, mode, parameters, real, isa, instructions]."""
    toolchain, rows = None, []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("# Toolchain: "):
                toolchain = line[len("# Toolchain: "):].strip()
            words = line.split()
            if not words or line.startswith("#"):
                continue
            if len(words) != 6 or not re.fullmatch(r"[1-9]\d*(\.\d+)?", words[5]):
                complain(1, '%s: "%s" is not a stepper, mode, parameters, real, isa and count (any, before '
                         "--update)." % (path, line.strip()))
            rows.append(words[:5] + [float(words[5])])
    if not toolchain or not rows:
        complain(1, "%s names no toolchain, or no kernel." % path)
    return toolchain, rows


def write_table(path, toolchain, rows):
    with open(path + ".part", "w", encoding="utf-8") as out:
        out.write(HEAD % toolchain)
        for row in rows:
            out.write("%-10s %-8s %10s  %-7s %-7s %12.1f\n" % tuple(row))
    os.replace(path + ".part", path)


def count(run, row, folder):
    """Instructions of a rod-step, or None where the processor lacks the instruction set."""
    at = os.path.join(folder, "callgrind.out")
    done = subprocess.run(["valgrind", "--tool=callgrind", "--toggle-collect=instructions_counted",
                           "--callgrind-out-file=" + at, run, *row[:5]],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode == SKIPPED:
        return None
    if done.returncode != 0:
        complain(1, "%s failed: %s" % (" ".join(row[:5]), done.stderr.strip()[-800:]))
    with open(at, encoding="utf-8") as lines:
        totals = [int(line.split()[1]) for line in lines if line.startswith("totals:")]
    if not totals or totals[0] == 0:
        complain(1, "callgrind counted nothing in %s." % " ".join(row[:5]))
    return totals[0] / int(done.stdout)


def main(argv):
    update = argv[:1] == ["--update"]
    if len(argv) != 3 + update:
        complain(2, "it takes [--update] RUN TOOLCHAIN TABLE.")
    run, toolchain, table = argv[update:]
    made_with, rows = read_table(table)
    if not shutil.which("valgrind"):
        complain(1 if update else SKIPPED, "valgrind is not installed; nothing was counted.")
    if not update and toolchain != made_with:
        complain(SKIPPED, "this build is of %s, and the table was counted with %s; nothing was compared."
                 % (toolchain, made_with))
    failed = lower = 0
    with tempfile.TemporaryDirectory() as folder:
        for row in rows:
            name, said = " ".join(row[:5]), row[5]
            now = count(run, row, folder)
            if now is None:
                print("%-40s left out: this processor has no %s" % (name, row[4]))
                continue
            change = now / said - 1.0
            print("%-40s %10.1f, was %10.1f (%+.1f %%)" % (name, now, said, 100.0 * change), flush=True)
            failed += change > BAR
            lower += change < -BAR
            row[5] = now
    if update:
        write_table(table, toolchain, rows)
        return 0
    if lower:
        print("%d rows are more than %g %% lower; the table wants updating (target instructions_update)."
              % (lower, 100.0 * BAR))
    if failed:
        print("%d rows are more than %g %% higher; where that is worth it, update the table (target "
              "instructions_update)." % (failed, 100.0 * BAR))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
