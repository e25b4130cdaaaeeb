"""Pack a folder into a zip: the same bytes for the same files, whenever and wherever it is made."""

import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

UNWANTED = {".buildinfo", ".nojekyll", "objects.inv"}  # what only servers and Sphinx ask for


def pack(folder: Path, target: Path) -> None:
    """Write all files below ``folder`` into ``target``, under a folder of the target's name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".part")
    with ZipFile(unfinished, "w", ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name not in UNWANTED:
                name = f"{target.stem}/{path.relative_to(folder).as_posix()}"
                entry = ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
                entry.create_system, entry.external_attr = 3, 0o644 << 16
                archive.writestr(entry, path.read_bytes(), ZIP_DEFLATED, compresslevel=9)
    unfinished.replace(target)


if __name__ == "__main__":
    folder, target = map(Path, sys.argv[1:])
    pack(folder, target)
    print(f"{target.resolve()}: {target.stat().st_size / 1e6:.1f} MB. Unpack it and open {target.stem}/index.html.")
