"""Where it is decided how a lab is shown."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from .spec import Lab

STATIC_FOLDER = "VGX_STATIC_LABS"
"""The environment variable that switches static rendering on: the folder for payloads. `vgx.book` sets it."""


def static_rendering() -> Path | None:
    """Return the folder for payloads if labs are shown statically, else None."""
    folder = os.environ.get(STATIC_FOLDER)
    return Path(folder) if folder else None


def mimebundle(lab: Lab) -> dict[str, Any]:
    """Return what Jupyter shows for a lab: a widget, or the static markup while a book is being built."""
    if folder := static_rendering():
        from . import static

        return {"text/html": static.render(lab, folder), "text/plain": lab.alt}
    from . import live

    let_colab_show_widgets()
    return live.widget(lab)._repr_mimebundle_()


def let_colab_show_widgets() -> None:
    """Ask Colab, where we are there, to show Plotly's widget: it shows only a few kinds unasked."""
    with suppress(ImportError):
        from google.colab import output

        output.enable_custom_widget_manager()
