"""The few icons that the pages show, as a style sheet, instead of 540 kB of script and 800 kB of fonts with all icons.

The theme marks icons with Font Awesome's classes and ships its script, which holds each icon's outline.
"""

import re
from functools import cache
from importlib.resources import files
from urllib.parse import quote

CLASSES = re.compile(r'\bclass="([^"]*)"')
ICON = re.compile(r"fa-([a-z][a-z0-9-]*)")
OUTLINE = re.compile(r'"?([a-z0-9-]+)"?:\[(\d+),(\d+),\[[^\]]*\],"[0-9a-f]+","(M[^"]+)"')
NOT_ICONS = {"solid", "regular", "brands", "fw", "lg", "sm", "xs", "xl", "2x"}

# The theme writes these as characters of Font Awesome's font
ADMONITIONS = {
    "admonition": "bell", "attention": "circle-exclamation", "caution": "triangle-exclamation",
    "warning": "triangle-exclamation", "danger": "triangle-exclamation", "error": "circle-xmark",
    "hint": "lightbulb", "tip": "lightbulb", "important": "circle-exclamation", "note": "circle-info",
    "seealso": "share", "todo": "pencil",
}  # fmt: skip

BASE = """\
.fa-solid, .fa-regular, .fa-brands, .fas, .far, .fab {
  display: inline-block; width: 1.1em; height: 1em; vertical-align: -0.125em; background: currentColor;
  -webkit-mask: var(--icon) center / contain no-repeat; mask: var(--icon) center / contain no-repeat;
}
div.admonition > .admonition-title::after {
  content: "" !important; top: 0; height: 100% !important; background: currentColor;
  -webkit-mask: var(--icon) center / 1rem no-repeat; mask: var(--icon) center / 1rem no-repeat;
}
@media (forced-colors: active) {
  .fa-solid, .fa-regular, .fa-brands, .fas, .far, .fab, div.admonition > .admonition-title::after {
    background: CanvasText;
  }
}
a.github::before, a.gitlab::before, a.reference.download::before, span.versionmodified::before,
.nav-link.nav-external::after, nav.bd-links a.reference.external::after, #searchbox .highlight-link a::before,
.bd-sidebar-secondary .onthispage::after { content: none !important; }
"""


def style_sheet(pages: str) -> str:
    """Write the style of every icon whose class stands in the pages' HTML.

    Raises
    ------
    ValueError
        If a page shows an icon that the theme's Font Awesome doesn't have.
    """
    classes = {name for text in CLASSES.findall(pages) for name in text.split()}
    names = sorted({found[1] for name in classes if (found := ICON.fullmatch(name))} - NOT_ICONS)
    unknown = [name for name in names if name not in _outlines()]
    if unknown:
        raise ValueError(f"pages show icons that Font Awesome doesn't have: {', '.join(unknown)}")
    return "".join(
        [
            BASE,
            *(f".fa-{name} {_image(name)}" for name in names),
            *(f".{kind} > .admonition-title {_image(ADMONITIONS[kind])}" for kind in ADMONITIONS if kind in classes),
        ]
    )


def _image(name: str) -> str:
    width, height, path = _outlines()[name]
    image = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}'><path d='{path}'/></svg>"
    return '{ --icon: url("data:image/svg+xml,' + quote(image, safe="/:=' ") + '"); }\n'


@cache
def _outlines() -> dict[str, tuple[str, str, str]]:
    vendor = files("pydata_sphinx_theme").joinpath("theme/pydata_sphinx_theme/static/vendor/fontawesome")
    (version,) = [folder for folder in vendor.iterdir() if folder.is_dir()]
    script = version.joinpath("js/all.min.js").read_text(encoding="utf-8")
    return {name: shape for name, *shape in OUTLINE.findall(script)}
