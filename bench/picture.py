"""README's picture: the emblem lab as the built page shows it. Run by ``make picture``."""

from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.chromium import find

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "_build" / "html" / "book" / "intro.html"
TARGET = ROOT / "book" / "_static" / "gradient-by-layer.png"
STATE = "#gradient-by-layer?depth=30&scale=1.0&activation=sigmoid&initializer=xavier_normal"
MOST_BYTES = 200_000


def main() -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1150, "height": 1200}, device_scale_factor=1.5)
        page.goto(PAGE.as_uri() + STATE, wait_until="networkidle")
        page.wait_for_function("vgxLabs.labs[0].values().depth === 30 && !vgxLabs.labs[0].busy")
        page.add_style_tag(content=".vgx-predict, .vgx-actions { display: none } .vgx-lab { padding: 8px !important }")
        page.locator("figure.vgx-lab").screenshot(path=TARGET)
        browser.close()
    if TARGET.stat().st_size > MOST_BYTES:
        raise SystemExit(f"the picture has {TARGET.stat().st_size:,} bytes, at most {MOST_BYTES:,} are wanted")


if __name__ == "__main__":
    main()
