"""The Sphinx extension that serves the labs in the built book, and keeps the book from asking any other host.

- Before anything is read: static rendering is switched on for all kernels, and every lab of every lesson is computed,
  or found in the cache under a name that tells all it depends on.
- What was executed or read with another package is dropped, whatever the caches think.
- Plotly and a lab's payload are loaded, deferred, only by pages that show a lab.
- Mathematics is rendered at build time; icons are a style sheet of the few that the pages show.
- Pages have a description and a preview; the page on the API lists what the package has.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib import import_module
from importlib.metadata import distributions
from importlib.resources import files
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective
from tqdm import tqdm

from vgx.lab import Lab, static
from vgx.lab.display import STATIC_FOLDER
from vgx.lab.spec import one_blas_thread
from vgx.registry import unknown_name

from . import api, icons, mathematics, pages, vendor

PAYLOAD = re.compile(r'data-payload="([\w-]+)"')
NOT_SERVED = ("vendor", "locales", "scripts/*.map", "*webpack-macros.html", "katex.min.js", "sphinx-thebe.*")
"""What Sphinx and the theme put into ``_static`` that no page asks for: 4 MB of icon fonts, translations and maps."""


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.connect("config-inited", configure, priority=1)
    app.connect("builder-inited", compute_labs, priority=1)
    app.connect("html-page-context", add_labs_to_page, priority=900)
    app.connect("build-finished", finish)
    app.add_directive("lab", LabDirective)
    for part in (api, mathematics, pages):
        part.setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}


class LabDirective(SphinxDirective):
    """Show a lab on a page that is not a notebook: ``{lab} vgx.lessons.<topic>.labs.<variable>``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Render the lab named by the argument."""
        known = {f"{lab.module}.{lab.variable}": lab for lab in all_labs()}
        (name,) = self.arguments
        if name not in known:
            raise self.error(unknown_name("lab", name, known))
        return [nodes.raw("", static.render(known[name], _labs_folder(self.env.app)), format="html")]


# ------------------------------------------------------------------------------------------------ before reading


def configure(app: Sphinx, config: Config) -> None:
    """Switch static rendering on, bring third-party files, and drop what was made from other sources."""
    os.environ[STATIC_FOLDER] = str(_labs_folder(app))
    served = {name: vendor.fetch(package, _build_folder(app) / "vendor") for name, package in vendor.PACKAGES.items()}
    config.html_static_path += [*map(str, served.values()), str(files("vgx.lab") / "assets")]
    app.katex = mathematics.Katex(served["katex"] / "katex.min.js")
    app.add_css_file("katex.min.css")
    drop_thebe(app)
    drop_stale(app)


def drop_thebe(app: Sphinx) -> None:
    """Switch off thebe, which Jupyter Book brings unasked: it would load from another host and run there."""
    for listeners in list(app.events.listeners.values()):
        for listener in list(listeners):
            if listener.handler.__module__ == "sphinx_thebe":
                app.disconnect(listener.id)
    app.registry.css_files[:] = [file for file in app.registry.css_files if file[0] != "sphinx-thebe.css"]


def drop_stale(app: Sphinx) -> None:
    """Remove executed notebooks and pages that other sources made, and pages of a build that did not end well."""
    build, root = _build_folder(app), Path(str(files("vgx")))
    executed_with = fingerprint(root.rglob("*"), extra=sorted({f"{d.name}=={d.version}" for d in distributions()}))
    stamp, read_stamp = build / "executed.sha256", _read_stamp(app)
    if _differs(stamp, executed_with) or not _labs_folder(app).exists():  # (the kernels put labs there, too)
        shutil.rmtree(build / ".jupyter_cache", ignore_errors=True)
        read_stamp.unlink(missing_ok=True)
        stamp.write_text(executed_with)
    static_files = [path for folder in app.config.html_static_path for path in (Path(app.confdir) / folder).rglob("*")]
    read_with = fingerprint([*static_files, Path(app.confdir) / "_toc.yml"], extra=[executed_with])
    if _differs(read_stamp, read_with):
        shutil.rmtree(app.doctreedir, ignore_errors=True)
        shutil.rmtree(app.outdir, ignore_errors=True)
        Path(app.outdir).mkdir()
    read_stamp.unlink(missing_ok=True)  # `finish` writes it again, if all goes well
    app.vgx_read_with = read_with


def fingerprint(paths: Iterable[Path], *, extra: Iterable[str] = ()) -> str:
    """Hash the files among ``paths``, and more strings."""
    digest = hashlib.sha256("\n".join(extra).encode())
    for path in sorted(paths):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(str(path).encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def compute_labs(app: Sphinx) -> None:
    """Render every lab of every lesson that is not there yet, so that the kernels find them ready."""
    folder = _labs_folder(app)
    labs = [lab for lab in all_labs() if not static.payload_path(lab, folder).exists()]
    if not labs:
        return
    # spawned, for BLAS threads do not survive a fork; one thread each, or the processes get in each other's way
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), initializer=one_blas_thread) as executor:
        futures = {executor.submit(_render, lab.module, lab.variable, folder): lab for lab in labs}
        for future in tqdm(as_completed(futures), "compute and draw", len(futures), unit="lab", leave=False):
            if error := future.exception():
                executor.shutdown(wait=False, cancel_futures=True)
                lab, notes = futures[future], "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
                raise ExtensionError(f"The lab {lab.module}.{lab.variable} failed: {error}{notes}") from error


def _render(module: str, variable: str, folder: Path) -> None:
    """Render a lab where it is named only: what a lab is made of does not travel between processes."""
    static.render(getattr(import_module(module), variable), folder)


def all_labs() -> Iterator[Lab]:
    """Find the labs of all lessons."""
    lessons = import_module("vgx.lessons")
    for lesson in iter_modules(lessons.__path__, f"{lessons.__name__}."):
        name = f"{lesson.name}.labs"
        if lesson.ispkg and find_spec(name):
            yield from (
                lab for lab in vars(import_module(name)).values() if isinstance(lab, Lab) and lab.module == name
            )


# ------------------------------------------------------------------------------------------------ while writing


def add_labs_to_page(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Let a page with labs load Plotly, the lab's script and its payloads."""
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
    """Write the icons that the pages show, drop files that no page asks for, and note that all went well."""
    if exception:
        return
    if app.builder.format == "html":
        out = Path(app.outdir)
        texts = "".join(path.read_text(encoding="utf-8") for path in out.rglob("*.html") if "_static" not in path.parts)
        (out / "_static" / "vgx-icons.css").write_text(icons.style_sheet(texts), encoding="utf-8")
        shown = set(PAYLOAD.findall(texts))
        unused = [path for path in (out / "_static" / "labs").glob("*.js") if path.stem not in shown]
        unused += [path for pattern in NOT_SERVED for path in (out / "_static").glob(pattern)]
        for path in unused:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if not app._warncount:  # a page that was read with a warning must warn again
        _read_stamp(app).write_text(app.vgx_read_with)


def _differs(stamp: Path, current: str) -> bool:
    return not stamp.exists() or stamp.read_text() != current


def _read_stamp(app: Sphinx) -> Path:
    return _build_folder(app) / f"read-{Path(app.outdir).name}.sha256"


def _build_folder(app: Sphinx) -> Path:
    return Path(app.outdir).parent


def _labs_folder(app: Sphinx) -> Path:
    return _build_folder(app) / "labs"
