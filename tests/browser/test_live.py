"""A lab in a real JupyterLab, in a real browser: moved by keyboard and mouse, it shows what Python computes."""

import ast
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import nbformat
import pytest
from playwright.sync_api import expect

from tests.browser import built, specimen_labs
from vgx.lab import Choice
from vgx.lessons.chain_rule_products import labs
from vgx.lessons.symptoms.labs import loss_curves

pytestmark = pytest.mark.browser
PATIENCE = 60_000  # milliseconds: a kernel starts, imports, computes

LABS = {
    "gradient-by-layer": "vgx.lessons.chain_rule_products.labs",
    "stubborn": "tests.browser.specimen_labs",
    "loss-curves": "vgx.lessons.symptoms.labs",
}


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory):
    """A JupyterLab that knows nothing of this machine's settings, over a folder with one notebook."""
    home = tmp_path_factory.mktemp("jupyter")
    cells = [
        nbformat.v4.new_code_cell(f"from {module} import {name.replace('-', '_')} as lab\n\nlab")
        for name, module in LABS.items()
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    (home / "notebooks").mkdir()
    nbformat.write(notebook, home / "notebooks" / "labs.ipynb")
    news = home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    news.parent.mkdir(parents=True)
    news.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folders = {
        name: str(home / name.lower())
        for name in (
            "JUPYTER_CONFIG_DIR",
            "JUPYTER_RUNTIME_DIR",
            "JUPYTERLAB_WORKSPACES_DIR",
            "IPYTHONDIR",
            "XDG_DATA_HOME",
        )
    }
    folders["JUPYTERLAB_SETTINGS_DIR"] = str(home / "settings")
    path = os.pathsep.join([str(built.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--ip=127.0.0.1",
        "--IdentityProvider.token=", "--ServerApp.password=", f"--ServerApp.root_dir={home / 'notebooks'}",
        "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=", "--ServerApp.port_retries=0",
    ]  # fmt: skip
    with open(home / "log", "w") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **folders, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        )
    try:
        address = f"http://127.0.0.1:{port}/"
        _wait_for(address + "api/status", server, home / "log")
        yield address
    finally:
        server.terminate()  # it ends its kernels first
        server.wait(30)


def _wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < end and server.poll() is None:
        try:
            with urlopen(address, timeout=10):
                return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    pytest.fail(f"JupyterLab does not answer:\n{log.read_text()[-3000:]}")


# ------------------------------------------------------------------------------------------------ the notebook, run


READY = """() => {
    const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
    return context?.isReady && context.session?.kernel?.connectionStatus === "connected";
}"""


@pytest.fixture(scope="module")
def notebook(browser, jupyter):
    """The notebook with all its cells run, and what its page must not have done."""
    context = browser.new_context(viewport={"width": 1280, "height": 2000})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    watch = built.Watch(page, jupyter)
    page.goto(f"{jupyter}lab/tree/labs.ipynb")
    page.wait_for_function(READY)
    page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells') }")
    for name in LABS:
        page.wait_for_selector(f".vgx-{name} .js-plotly-plot .main-svg")
    yield page, watch
    context.close()


class LiveOnPage:
    """A live lab in the open notebook."""

    def __init__(self, page, lab):
        self.page, self.lab = page, lab
        self.figure = page.locator(f".vgx-{lab.name}")
        self.reading, self.status = (self.figure.locator(f".vgx-{part}") for part in ("reading", "status"))

    def control(self, name):
        label, unit = (
            self.lab.controls[name].label or name.replace("_", " "),
            getattr(self.lab.controls[name], "unit", ""),
        )
        label += f" ({unit.strip()})" if unit else ""
        control = self.figure.locator(".vgx-controls .jupyter-widgets").filter(
            has=self.page.locator(".widget-label").get_by_text(label, exact=True)
        )
        return control.locator("select" if isinstance(self.lab.controls[name], Choice) else ".noUi-handle")

    def press(self, button):
        self.figure.get_by_role("button", name=button, exact=True).click()

    def state(self):
        """Where Python says that the controls stand."""
        self.press("Copy as Python")
        expect(self.status.locator("textarea")).to_contain_text(f"{self.lab.variable}(")
        call = ast.parse(self.status.locator("textarea").input_value()).body[-1].value
        return {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}

    def expect_computed(self, **changed):
        """Wait until the lab reads as Python says, and compare the figure."""
        state = self.state()
        assert {name: state[name] for name in changed} == changed
        expect(self.reading).to_contain_text(self.lab.reading(**state))
        shown = built.drawn(self.figure.locator(".js-plotly-plot"))
        assert built.differences(shown, self.lab.figure(**state), exact=False) == []
        return state


@pytest.fixture
def emblem(notebook):
    page, watch = notebook
    yield LiveOnPage(page, labs.gradient_by_layer)
    assert watch.complaints == []


@pytest.fixture
def stubborn(notebook):
    page, watch = notebook
    yield LiveOnPage(page, specimen_labs.stubborn)
    assert watch.complaints == []


@pytest.fixture
def recorded(notebook):
    page, watch = notebook
    yield LiveOnPage(page, loss_curves)
    assert watch.complaints == []


def test_the_lab_opens_at_its_start(emblem):
    assert emblem.expect_computed() == emblem.lab.defaults


def test_the_keyboard_moves_every_slider(emblem):
    for name, control in emblem.lab.controls.items():
        if isinstance(control, Choice):
            continue  # JupyterLab itself takes the arrow keys of a drop-down: they go to the next cell
        before = emblem.state()[name]
        emblem.control(name).press("ArrowRight")
        expect(emblem.status).to_have_text("")  # the code of the state before is gone
        assert emblem.expect_computed()[name] > before


def test_the_mouse_moves_every_control(emblem):
    for name, control in emblem.lab.controls.items():
        if isinstance(control, Choice):
            emblem.control(name).select_option(label=control.text(control.options[-1]))
        else:
            emblem.control(name).hover()
            emblem.page.mouse.down()
            emblem.page.mouse.move(2_000, 0, steps=4)
            emblem.page.mouse.up()
        expect(emblem.status).to_have_text("")
        end = control.options[-1] if isinstance(control, Choice) else control.high
        emblem.expect_computed(**{name: end})


def test_reset_goes_back_to_the_start(emblem):
    emblem.press("Reset")
    expect(emblem.status).to_have_text("")
    assert emblem.expect_computed() == emblem.lab.defaults


def test_what_raises_is_told_in_the_lab_which_recovers(stubborn):
    mode = stubborn.control("mode")
    mode.select_option("failing")
    expect(stubborn.status).to_contain_text("ArithmeticError: there is <no> 100")
    mode.select_option("fine")
    expect(stubborn.status).to_have_text("")
    expect(stubborn.reading).to_contain_text("x is 100")


def test_of_fifty_moves_a_second_the_last_wins_and_nothing_piles_up(stubborn):
    calls, moves, handle = (lambda: int(stubborn.reading.text_content().split()[-2])), 150, stubborn.control("x")
    handle.press("End")
    expect(stubborn.reading).to_contain_text("x is 200")
    before, start = calls(), time.monotonic()
    for move in range(1, moves + 1):
        stubborn.page.keyboard.press("ArrowLeft")
        stubborn.page.wait_for_timeout(max(0, 1000 * (start + move / 50 - time.monotonic())))
    expect(stubborn.reading).to_contain_text(f"x is {200 - moves} after")
    took = time.monotonic() - start
    assert stubborn.state()["x"] == 200 - moves
    assert calls() - before <= min(1 + took / specimen_labs.SECONDS, 0.6 * moves)


def test_a_recorded_state_can_be_run_for_real(recorded):
    recorded.expect_computed()
    before = recorded.reading.text_content()
    recorded.press("Run it for real")
    expect(recorded.status).to_contain_text("Running for real")
    expect(recorded.control("activation")).to_be_disabled()
    expect(recorded.status).to_contain_text("Run for real in", timeout=60_000)
    expect(recorded.reading).to_have_text(
        f"{before} This is a fresh run, not the recording; move a control to go back to it."
    )
    recorded.control("activation").select_option("tanh")
    expect(recorded.status).to_have_text("")
    recorded.expect_computed(activation="tanh")
