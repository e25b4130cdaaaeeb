"""The few icons that the pages show, as a style sheet, instead of 540 kB of script that knows all icons.

The theme marks icons with Font Awesome's classes and ships its script, which holds each icon's outline.
"""

import re
from functools import cache
from importlib.resources import files
from urllib.parse import quote

USED = re.compile(r"\bfa-([a-z][a-z0-9-]*)\b")
OUTLINE = re.compile(r'"?([a-z0-9-]+)"?:\[(\d+),(\d+),\[[^\]]*\],"[0-9a-f]+","(M[^"]+)"')
NOT_ICONS = {"solid", "regular", "brands", "fw", "lg", "sm", "xs", "xl", "2x"}

BASE = """\
.fa-solid, .fa-regular, .fa-brands, .fas, .far, .fab {
  display: inline-block; width: 1.1em; height: 1em; vertical-align: -0.125em; background: currentColor;
  -webkit-mask: var(--icon) center / contain no-repeat; mask: var(--icon) center / contain no-repeat;
}
@media (forced-colors: active) { .fa-solid, .fa-regular, .fa-brands, .fas, .far, .fab { background: CanvasText; } }
"""


def style_sheet(pages: str) -> str:
    """Write the style of every icon whose class stands in the pages' HTML.

    Raises
    ------
    ValueError
        If a page shows an icon that the theme's Font Awesome doesn't have.
    """
    names = sorted(set(USED.findall(pages)) - NOT_ICONS)
    unknown = [name for name in names if name not in _outlines()]
    if unknown:
        raise ValueError(f"pages show icons that Font Awesome doesn't have: {', '.join(unknown)}")
    return BASE + "".join(f'.fa-{name} {{ --icon: url("{_image(*_outlines()[name])}"); }}\n' for name in names)


def _image(width: str, height: str, path: str) -> str:
    return "data:image/svg+xml," + quote(
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}'><path d='{path}'/></svg>",
        safe="/:=' ",
    )


@cache
def _outlines() -> dict[str, tuple[str, str, str]]:
    vendor = files("pydata_sphinx_theme").joinpath("theme/pydata_sphinx_theme/static/vendor/fontawesome")
    (version,) = [folder for folder in vendor.iterdir() if folder.is_dir()]
    script = version.joinpath("js/all.min.js").read_text(encoding="utf-8")
    return {name: shape for name, *shape in OUTLINE.findall(script)}
