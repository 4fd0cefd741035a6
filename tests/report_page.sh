#!/bin/sh
# report_page.sh <test_report>: opens pages in headless Chromium, uses every control of each, and looks
# for the mark of a successful start, errors on the console, and drawings. Exit 77: no Chromium here.
set -eu
program=$1
browser=
for name in chromium chromium-browser google-chrome; do
    if command -v "$name" > /dev/null 2>&1; then browser=$name; break; fi
done
if [ -z "$browser" ]; then
    echo "skipped: no chromium, chromium-browser or google-chrome in PATH"
    exit 77
fi
work=$(mktemp -d "$PWD/report_page.XXXXXX")
trap 'rm -rf "$work"' EXIT

# open <page> <width> <options>...: stdout of the browser, its console in $work/log
open() {
    page=$1 width=$2
    shift 2
    timeout 100 "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars \
        --user-data-dir="$work/profile" --enable-logging=stderr --window-size="$width",900 \
        --virtual-time-budget=5000 "$@" "file://$page" 2> "$work/log"
}
fail() {
    echo "$1"
    grep CONSOLE "$work/log" || true
    exit 1
}
quiet() {
    if grep -q CONSOLE "$work/log"; then fail "$1: something on the console"; fi
}

# a visitor who tries everything; a browser that draws for nobody hardly ever asks for a frame, so a
# timer does
echo '<script>window.requestAnimationFrame = (f) => setTimeout(() => f(performance.now()), 16);</script>' \
    > "$work/frames.html"
cat > "$work/visitor.html" << 'VISITOR'
<script>
(async () => {
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const fire = (e, type, more) => e.dispatchEvent(new PointerEvent(type, { bubbles: true, pointerType: "touch", ...more }));
  const view = document.getElementById("view"), time = document.getElementById("time");
  const pick = document.getElementById("recording"), start = time.value;
  for (const key of ["ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown", "+", "-", "0", ".", ",", "w", "q"])
    view.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  for (const button of document.querySelectorAll("[data-view], #back, #forward, #worst, .check input")) button.click();
  view.focus();
  view.dispatchEvent(new WheelEvent("wheel", { deltaY: 100, cancelable: true }));
  for (const e of document.querySelectorAll(".chart, .heat-box canvas")) {
    const box = e.getBoundingClientRect(), at = { clientX: box.left + box.width / 2, clientY: box.top + 20 };
    fire(e, "pointermove", at);
    fire(e, "pointerdown", { ...at, buttons: 1 });
    fire(e, "pointermove", { ...at, buttons: 1 });
    fire(e, "pointerleave", at);
  }
  for (const d of document.querySelectorAll("details")) d.open = true;
  for (let i = 0; i < 2; i++)
    for (let k = 0; k < document.querySelectorAll("#files thead button").length; k++)
      document.querySelectorAll("#files thead button")[k].click();
  for (const button of document.querySelectorAll("#files tbody button")) button.click();
  let played = true;
  for (const option of pick.options) {
    pick.value = option.value;
    pick.dispatchEvent(new Event("change"));
    time.value = 0;
    time.dispatchEvent(new Event("input"));
    document.getElementById("play").click();
    await wait(300);
    if (Number(time.value) === 0) played = false;
    document.getElementById("play").click();
  }
  if (played) document.documentElement.dataset.tried = "yes";
})();
</script>
VISITOR

for kind in full bare odd; do
    "$program" --page "$work/$kind.html" "$kind"
    sed -e "/<\/title>/r $work/frames.html" -e "/<\/body>/r $work/visitor.html" \
        "$work/$kind.html" > "$work/visited.html"
    open "$work/visited.html" 1400 --dump-dom > "$work/dom.html" || fail "$kind: the browser failed"
    quiet "$kind"
    grep -q 'data-ready="yes"' "$work/dom.html" || fail "$kind: the page did not start"
    if grep -q 'data-error' "$work/dom.html"; then fail "$kind: the page reports an error"; fi
    grep -q 'data-tried="yes"' "$work/dom.html" || fail "$kind: a control does nothing"
    # forces where there are some: two grippers, the tension, and what they are; a page without them has no chart
    grep -o '<figure[^>]*id="chart-forces".*' "$work/dom.html" > "$work/forces.html" ||
        fail "$kind: no place for forces"
    if [ "$kind" = bare ]; then
        grep -q '^[^>]*hidden' "$work/forces.html" || fail "$kind: forces of a simulation without them"
    else
        if grep -q '^[^>]*hidden' "$work/forces.html"; then fail "$kind: forces are hidden"; fi
        for words in "gripper at markers 0 and 1<" "gripper at markers 6 and 7<" "largest tension<" \
            'aria-label="Forces over time: largest 0.707 N"' "the size of the force with which"; do
            grep -qi "$words" "$work/dom.html" || fail "$kind: no $words"
        done
    fi
    # the hostile name is there, as text
    grep -q '&lt;/script&gt;&lt;img src=x' "$work/dom.html" || fail "$kind: a name is lost"
    if grep -q '<img' "$work/dom.html"; then fail "$kind: a name became markup"; fi
    sed -e 's/<script.*<\/script>//' -e '/<script/,/<\/script>/d' "$work/dom.html" > "$work/text.html"
    if grep -oE '.{60}(NaN|undefined|Infinity|\[object).{20}' "$work/text.html"; then
        fail "$kind: an unfinished number in the text"
    fi
    # on paper, 700 pixels wide, no table is cut off: the last column is the verdict
    cat > "$work/paper.html" << 'PAPER'
<script>
for (const d of document.querySelectorAll("details")) d.open = true;
const wide = [...document.querySelectorAll("table")].filter((e) => e.getBoundingClientRect().right > innerWidth);
document.documentElement.dataset.paper = `${document.querySelectorAll("table").length > 0}, ${wide.length} cut off`;
</script>
PAPER
    sed -e 's/@media print/@media all/' -e "/<\/body>/r $work/paper.html" "$work/$kind.html" > "$work/printed.html"
    open "$work/printed.html" 700 --dump-dom > "$work/dom.html" || fail "$kind, on paper: the browser failed"
    grep -q 'data-paper="true, 0 cut off"' "$work/dom.html" ||
        fail "$kind, on paper: $(grep -o 'data-paper="[^"]*"' "$work/dom.html")"
    for width in 400 1400; do
        open "$work/$kind.html" $width --screenshot="$work/$kind.png" > /dev/null || fail "$kind: no picture"
        quiet "$kind, $width wide"
        # an empty page is 5 kB
        [ "$(wc -c < "$work/$kind.png")" -gt 20000 ] || fail "$kind, $width wide: nothing was drawn"
    done
done
echo "ok"
