"""The Chromium that the tests drive: on the PATH, else from apt when root, else Playwright's own.

``python -m tests.browser.chromium`` installs one where there is none; the tests ask ``find()``.
"""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ADVICE = """No Chromium could be found or installed. Type one of
    sudo apt-get install chromium                                   (Debian)
    sudo .venv/bin/python -m playwright install --with-deps chromium  (Ubuntu)
    .venv/bin/python -m playwright install chromium                 (macOS; on Windows: python -m ...)
and try again."""


def find() -> str | None:
    """Return the path of a Chromium that starts, or None."""
    candidates = [path for name in NAMES if (path := shutil.which(name))]
    return next((path for path in candidates if _starts(path)), None) or _playwrights_own()


def install() -> str | None:
    """Install a Chromium in the first way that works, and return its path, or None."""
    ways = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if shutil.which("apt-get") and os.geteuid() == 0:
        ways.insert(0, ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"])
        _run(["apt-get", "update", "-qq"])
    return next((path for way in ways if _run(way) and (path := find())), None)


def _starts(path: str) -> bool:
    # Ubuntu's chromium-browser is a script that only says where to get one
    return _run([path, "--version"], quiet=True)


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if os.path.exists(path) and (os.name == "nt" or _starts(path)) else None


def _run(command: list[str], *, quiet: bool = False) -> bool:
    output = subprocess.DEVNULL if quiet else None
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(command, stdout=output, stderr=output, env=environ, timeout=900, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


if __name__ == "__main__":
    chromium = find() or install()
    if chromium is None:
        sys.exit(ADVICE)
    print(f"Chromium: {chromium}")
