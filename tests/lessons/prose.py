"""What a lesson says in words, for tests that hold a sentence against what is computed."""

import json
from pathlib import Path

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def said(lesson: str, words: str) -> bool:
    """Whether these words stand in a text cell of ``notebooks/<lesson>.ipynb``."""
    cells = json.loads((NOTEBOOKS / f"{lesson}.ipynb").read_text(encoding="utf-8"))["cells"]
    return any(words in "".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
