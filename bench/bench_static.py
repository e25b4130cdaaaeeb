"""The labs on the built pages, in a real browser: how soon a move shows.

The emblem's figure also gets Plotly's own slider (`method: "animate"`, immediate, no durations, redraw), with one frame
for each stop of one control. Both are timed from the event that moves a control until Plotly has drawn the new state:
for ours an `input` event until `vgx:updated`, for Plotly's the call that its slider makes of itself when it is dragged
until `plotly_afterplot`. Between two moves a human pause passes.

Run it after ``make html``, alone on the machine: one line for each bar, exit status 1 if one fails.
"""

import json
import statistics
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from bench.report import report
from tests.browser.built import pages_with_labs
from tests.browser.chromium import find
from vgx.lessons.chain_rule_products import labs

BOOK = Path(__file__).parents[1] / "_build" / "html"
FIRST = BOOK / "book" / "intro.html"
MOVES, FLOOD_SECONDS = 300, 20  # of the emblem; the other labs move a third as often
TOTAL_MEDIAN, TOTAL_P95, MAIN_MEDIAN, SHARE_OF_PLOTLY = 33.0, 50.0, 16.0, 0.5
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

PAUSE = "const pause = () => new Promise((done) => setTimeout(done, 60 + 60 * Math.random()));"

OURS = f"""async ([lab, moves]) => {{
    {PAUSE}
    const figure = document.querySelector(`figure.vgx-lab[data-lab="${{lab}}"]`);
    figure.scrollIntoView();
    const inputs = [...figure.querySelectorAll(".vgx-controls [name]")];
    const times = [];
    for (let k = 0; k < moves; k++) {{
        const input = inputs[k % inputs.length];
        const last = input.tagName === "SELECT" ? input.options.length - 1 : Number(input.max);
        const now = input.tagName === "SELECT" ? input.selectedIndex : Number(input.value);
        let next = Math.floor(Math.random() * last);
        if (next >= now) next += 1;
        const shown = new Promise((done) => figure.addEventListener("vgx:updated", done, {{ once: true }}));
        const start = performance.now();
        if (input.type === "checkbox") input.checked = !input.checked;
        else if (input.tagName === "SELECT") input.selectedIndex = next;
        else input.value = next;
        input.dispatchEvent(new Event("input", {{ bubbles: true }}));
        const event = await shown;
        times.push([performance.now() - start, event.detail.ms]);
        await pause();
    }}
    return times;
}}"""

PLOTLYS = f"""async ([figures, moves]) => {{
    {PAUSE}
    const plot = document.createElement("div");
    document.querySelector(".vgx-plot").replaceWith(plot);
    const immediate = {{ mode: "immediate", frame: {{ duration: 0, redraw: true }}, transition: {{ duration: 0 }} }};
    const steps = figures.map((_, k) => ({{ label: String(k), method: "animate", args: [[String(k)], immediate] }}));
    const frames = figures.map(({{ data, layout }}, k) => ({{ name: String(k), data, layout }}));
    const layout = {{ ...figures[0].layout, sliders: [{{ active: 0, steps }}] }};
    await Plotly.newPlot(plot, {{ data: figures[0].data, layout, frames }});
    const times = [];
    const box = () => plot.querySelector(".slider-rail-touch-rect").getBoundingClientRect();
    const at = (k) => ({{
        bubbles: true,
        clientX: box().left + box().width * k / (figures.length - 1),
        clientY: box().top + box().height / 2,
    }});
    let now = 0;
    for (let k = 0; k < moves; k++) {{
        let next = Math.floor(Math.random() * (figures.length - 1));
        if (next >= now) next += 1;
        now = next;
        const shown = new Promise((done) => plot.once("plotly_animated", done));
        const start = performance.now();
        plot.querySelector(".slider-rail-touch-rect").dispatchEvent(new MouseEvent("mousedown", at(next)));
        await shown;
        times.push(performance.now() - start);
        document.dispatchEvent(new MouseEvent("mouseup", at(next)));
        plot.querySelector(".slider-container")?.dispatchEvent(new MouseEvent("mouseup", at(next)));
        await pause();
    }}
    return times;
}}"""

FLOOD = """async ([seconds, wanted]) => {
    const figure = document.querySelector("figure.vgx-lab");
    const input = figure.querySelector('[name="scale"]');
    let drawn = 0, sent = 0;
    figure.addEventListener("vgx:updated", () => { drawn += 1; });
    const end = performance.now() + 1000 * seconds;
    while (performance.now() < end) {
        input.value = sent++ % 13;
        input.dispatchEvent(new Event("input", { bubbles: true }));
        await new Promise((done) => setTimeout(done, 20));
    }
    const last = new Promise((done) => figure.addEventListener("vgx:updated", (event) => {
        if (event.detail.state.scale === wanted) done();
    }));
    const start = performance.now();
    input.value = 5;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    await last;
    return { sent, drawn, late: performance.now() - start };
}"""


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def opened(browser: Browser, path: Path = FIRST) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 1000}).new_page()
    page.goto(path.as_uri(), wait_until="networkidle")
    page.wait_for_selector(".vgx-plot .main-svg")
    return page


def frames() -> list[dict]:
    """The emblem's figures along one control, as Plotly's own slider would be given them."""
    lab = labs.gradient_by_layer
    return [json.loads(lab.figure(scale=scale).to_json()) for scale in lab.axes["scale"]]


def speed_of(lab: str, moves: list[list[float]]) -> list[tuple[str, str, str, bool]]:
    """Rows of (name, measured, bar, ok) for the times of a lab's moves."""
    total, main = [move[0] for move in moves], [move[1] for move in moves]
    measured = {
        "input to vgx:updated, median": (statistics.median(total), TOTAL_MEDIAN),
        "the same, 95th percentile": (quantile(total, 0.95), TOTAL_P95),
        "main thread, median": (statistics.median(main), MAIN_MEDIAN),
    }
    return [
        (f"static: {lab}: {name}", f"{ms:.1f} ms", f"<= {bar:g} ms", ms <= bar) for name, (ms, bar) in measured.items()
    ]


def run() -> list[tuple[str, str, str, bool]]:
    """Measure; rows of (name, measured, bar, ok)."""
    if not FIRST.exists():
        sys.exit("there is no built book: run `make html` first")
    figures, emblem, rows = frames(), labs.gradient_by_layer, []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=FLAGS)
        page, third = opened(browser), [emblem.name, MOVES // 3]
        rounds = [page.evaluate(OURS, third)]
        other = opened(browser)
        theirs = other.evaluate(PLOTLYS, [figures, 40])
        other.close()
        rounds += [page.evaluate(OURS, third) for _ in range(2)]  # on both sides of Plotly's, for a fair machine
        flood = page.evaluate(FLOOD, [FLOOD_SECONDS, emblem.axes["scale"][5]])
        for name, on_page in pages_with_labs().items():
            page = opened(browser, BOOK / name)
            for lab in on_page:
                if lab != emblem.name:
                    rows += speed_of(lab, page.evaluate(OURS, [lab, MOVES // 3])[5:])
            page.close()
        browser.close()
    moves = [move for each in rounds for move in each][5:]
    median, plotlys = statistics.median(move[0] for move in moves), statistics.median(theirs[5:])
    return [
        *speed_of(emblem.name, moves),
        (
            "static: against Plotly's own slider",
            f"{median / plotlys:.2f} ({median:.1f} ms against {plotlys:.1f} ms)",
            f"<= {SHARE_OF_PLOTLY:g}",
            median <= SHARE_OF_PLOTLY * plotlys,
        ),
        (
            f"static: 50 moves a second for {FLOOD_SECONDS} s, then one more",
            f"shown after {flood['late']:.0f} ms ({flood['drawn']} drawn of {flood['sent']} sent)",
            "the last state, within 100 ms",
            flood["late"] <= 100,
        ),
        *rows,
    ]


if __name__ == "__main__":
    sys.exit(report(run()))
