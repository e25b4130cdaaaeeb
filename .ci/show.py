"""Print the address of a built page, and open it where there is a browser."""

import os
import platform
import sys
import webbrowser
from collections.abc import Mapping
from pathlib import Path


def has_screen(environ: Mapping[str, str], system: str, release: str) -> bool:
    """Tell whether a person sits in front of this machine."""
    if environ.get("CI"):
        return False
    on_wsl = "microsoft" in release.lower()
    return system == "Darwin" or on_wsl or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


if __name__ == "__main__":
    address = Path(sys.argv[1]).resolve().as_uri()
    print(f"The book: {address}")
    if has_screen(os.environ, platform.system(), platform.release()):
        webbrowser.open(address)
