"""What pages say to machines: where the book is published, which words are Chinese, what only tests read."""

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError

DESIGN = re.compile(r"sphinx-design|design-tabs")
TEST_MARK = "# NBVAL_CHECK_OUTPUT\n"


def setup(app: Sphinx) -> None:
    """Register all this with Sphinx; sphinxext-opengraph writes the previews of links."""
    app.setup_extension("sphinxext.opengraph")
    app.connect("config-inited", configure)
    app.connect("doctree-read", mark_chinese)
    app.connect("doctree-read", drop_test_marks)
    app.connect("html-page-context", drop_roles)
    app.connect("html-page-context", focus_tables)
    app.connect("html-page-context", drop_design, priority=900)


def configure(app: Sphinx, config: Config) -> None:
    """Find out where the book is published, and give that to the templates."""
    config.ogp_site_url = config.html_context["site"] = site(config.html_theme_options["repository_url"])
    if favicon := config.html_favicon:
        config.html_context["favicon_svg"] = (Path(app.confdir) / favicon).read_text(encoding="utf-8")


def site(repository: str) -> str:
    """Return the address at which GitHub Pages publishes a repository.

    Raises
    ------
    ExtensionError
        If that is not ``https://github.com/owner/name``.

    Examples
    --------
    >>> site("https://github.com/Ada/book"), site("https://github.com/ada/ada.github.io")
    ('https://ada.github.io/book/', 'https://ada.github.io/')
    """
    found = re.fullmatch(r"https://github\.com/([\w-]+)/([\w.-]+)", repository)
    if not found:
        raise ExtensionError(f"the repository's address must be https://github.com/owner/name, got {repository!r}")
    host, name = f"{found[1].lower()}.github.io", found[2]
    return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"


def mark_chinese(app: Sphinx, doctree: nodes.document) -> None:
    """Mark Chinese terms of the glossary as such, so that a screen reader pronounces them."""
    for term in doctree.findall(nodes.term):
        if re.search("[\u4e00-\u9fff]", term.astext()):
            term["classes"].append("language-zh")


def drop_test_marks(app: Sphinx, doctree: nodes.document) -> None:
    """Leave out of the code shown what only the tests read: the line that says that a cell's output is checked."""
    for block in doctree.findall(nodes.literal_block):
        if block.astext().startswith(TEST_MARK):
            block.rawsource = block.astext().removeprefix(TEST_MARK)
            block[:] = [nodes.Text(block.rawsource)]


def drop_roles(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Let the entries of the list of references be plain text: docutils gives them a role that is deprecated."""
    context["body"] = re.sub(r' role="(doc-biblioentry|list)"(?= class="citation|>)', "", context.get("body", ""))


def focus_tables(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Let the keyboard reach a table, which on a phone may be wider than the page."""
    scrolls = '<div class="pst-scrollable-table-container"'
    context["body"] = context.get("body", "").replace(scrolls, f'{scrolls} tabindex="0"')


def drop_design(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Leave sphinx-design's style and script out of a page that has none of its cards, grids or tabs."""
    if 'class="sd-' not in context.get("body", ""):
        for kind in ("css_files", "script_files"):
            context[kind] = [file for file in context[kind] if not DESIGN.search(str(getattr(file, "filename", file)))]
