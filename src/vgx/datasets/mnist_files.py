"""The four files of MNIST: found on this machine or fetched, and always verified."""

import gzip
import hashlib
import io
import os
import tempfile
import uuid
import zlib
from contextlib import suppress
from pathlib import Path

FOLDER_VARIABLE = "VGX_DATA_DIR"
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
FILES = {  # bytes and SHA-256 of the uncompressed originals: who compresses them anew gets other .gz files
    "train-images-idx3-ubyte": (47040016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    "train-labels-idx1-ubyte": (60008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "t10k-images-idx3-ubyte": (7840016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    "t10k-labels-idx1-ubyte": (10008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}
GZIP = b"\x1f\x8b"


def contents(name: str) -> bytes:
    """Return one of the files, uncompressed, as it was published.

    It is looked for in the folder that ``VGX_DATA_DIR`` names, in its subfolder ``mnist`` first, gzipped or not. Where
    the variable is unset: in the cache, else on the mirrors, one after the other; what comes from there is cached.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If ``VGX_DATA_DIR`` names no folder, or one without the file.
    ValueError
        If the file there is truncated, or not the original.
    ConnectionError
        If no mirror gives the original.
    OSError
        If the cache cannot be written to.
    """
    if given := os.environ.get(FOLDER_VARIABLE):
        return _given(Path(given), name)
    with suppress(FileNotFoundError, ValueError):  # there is none, or a damaged one
        return _verified(_found(cache(), name).read_bytes(), name)
    return _fetched(name)


def cache() -> Path:
    """Return the folder in which fetched files stay."""
    import pooch

    return Path(pooch.os_cache("vgx"))


def are_here() -> bool:
    """Say whether all four files are expected on this machine: the variable is set, or they are cached."""
    try:
        return bool(os.environ.get(FOLDER_VARIABLE)) or all(_found(cache(), name) for name in FILES)
    except FileNotFoundError:
        return False


def _found(folder: Path, name: str) -> Path:
    places = [folder / "mnist" / f"{name}.gz", folder / "mnist" / name, folder / f"{name}.gz", folder / name]
    for path in places:
        if path.is_file():
            return path
    raise FileNotFoundError(", ".join(map(str, places)))


def _given(folder: Path, name: str) -> bytes:
    if not folder.is_dir():
        raise NotADirectoryError(
            f"{FOLDER_VARIABLE} must name a folder, got {str(folder)!r}, which "
            f"{'is a file' if folder.exists() else 'does not exist'}; unset it to download MNIST"
        )
    try:
        path = _found(folder, name)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{FOLDER_VARIABLE}={str(folder)!r} lacks MNIST's {name}; looked for {error}; "
            f"put the file there, or unset {FOLDER_VARIABLE} to download it"
        ) from None
    try:
        return _verified(path.read_bytes(), name)
    except ValueError as error:
        raise ValueError(
            f"{path} is not MNIST's {name}: {error}; replace it, or unset {FOLDER_VARIABLE} to download it"
        ) from error


def _verified(content: bytes, name: str) -> bytes:
    """Uncompress what is compressed and make sure that it is the original; ValueError says in what it is not."""
    try:
        content = gzip.decompress(content) if content.startswith(GZIP) else content
    except EOFError:
        raise ValueError("the compressed file is truncated") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"the compressed file is damaged ({error})") from None
    size, digest = FILES[name]
    if len(content) != size:
        raise ValueError(f"{len(content)} bytes uncompressed, the original has {size}")
    if (found := hashlib.sha256(content).hexdigest()) != digest:
        raise ValueError(f"SHA-256 {found} uncompressed, the original has {digest}")
    return content


def _fetched(name: str) -> bytes:
    """Download from the first mirror that has the original; nothing else ever reaches the cache."""
    path = cache() / "mnist" / f"{name}.gz"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()  # say now, not after 10 MB, that nothing can be kept
    except OSError as error:
        raise _unwritable(path.parent, error) from error
    tried = []
    for mirror in MIRRORS:
        try:
            compressed = _downloaded(f"{mirror}{name}.gz")
            content = _verified(compressed, name)
        except (OSError, ValueError) as error:  # requests' errors are OSErrors
            tried.append(f"{mirror}{name}.gz: {error}")
        else:
            _write(path, compressed)
            return content
    raise ConnectionError(
        f"MNIST's {name} could not be downloaded. Tried " + "; ".join(tried) + ". Try again when you are online, "
        f"or set {FOLDER_VARIABLE} to a folder that holds {', '.join(f'{file}.gz' for file in FILES)}"
    )


def _downloaded(url: str) -> bytes:
    """Download into memory: whatever interrupts it leaves nothing behind."""
    import pooch
    from tqdm import tqdm

    stream = io.BytesIO()
    with tqdm(total=1, desc=url.rpartition("/")[2], unit="B", unit_scale=True, leave=False) as bar:
        pooch.HTTPDownloader(progressbar=bar)(url, stream, None)
    return stream.getvalue()


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise _unwritable(path.parent, error) from error
    finally:
        part.unlink(missing_ok=True)


def _unwritable(folder: Path, error: OSError) -> OSError:
    return OSError(
        f"MNIST cannot be kept: the cache folder {folder} cannot be written to ({error}). Make it writable, name "
        f"another with XDG_CACHE_HOME, or set {FOLDER_VARIABLE} to a folder that holds the files"
    )
