"""Write the repository's address, which stands in pyproject.toml, into every file that names it."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ADDRESS = re.compile(r"https://github\.com/([A-Za-z0-9-]+)/([\w.-]+?)(?:\.git|/)?")


def main(address: str) -> str:
    """Replace the address in all files; say what was done."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    old, new = ADDRESS.fullmatch(project["urls"]["Repository"]), ADDRESS.fullmatch(address)
    if not new:
        raise SystemExit(f"URL must be https://github.com/owner/name, got {address!r}: make address URL=...")
    changed = [path for path in texts() if replaced(path, old.groups(), new.groups())]
    return f"The address is https://github.com/{'/'.join(new.groups())}, in {len(changed)} files that were changed."


def texts() -> Iterator[Path]:
    """Every file of the repository that may name the address."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listing.stdout.split("\0")):
        if (path := ROOT / name).is_file() and path.suffix not in (".png", ".npz"):
            yield path


def replaced(path: Path, old: tuple[str, str], new: tuple[str, str]) -> bool:
    """Replace owner/name, as in addresses of GitHub, Binder and Colab; tell whether it was there."""
    text = path.read_bytes().decode("utf-8")
    written = re.sub(rf"(?<![\w.-]){'/'.join(map(re.escape, old))}(?![\w-])", "/".join(new), text)
    if written != text:
        path.write_bytes(written.encode("utf-8"))
    return written != text


if __name__ == "__main__":
    print(main(sys.argv[1] if len(sys.argv) > 1 else ""))
