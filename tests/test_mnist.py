import gzip
import hashlib
import http.server
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from tests.mnist import needs_mnist, tiny_files
from vgx.datasets import handwritten, mnist, mnist_files

IMAGES = "train-images-idx3-ubyte"


@pytest.fixture
def files(monkeypatch, tmp_path):
    """Tiny files instead of the originals, an empty cache, and nothing given."""
    files = tiny_files()
    sums = {name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in files.items()}
    monkeypatch.setattr(mnist_files, "FILES", sums)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("VGX_DATA_DIR", raising=False)
    monkeypatch.setattr(mnist_files, "MIRRORS", ())
    handwritten._mnist.cache_clear()
    yield files
    handwritten._mnist.cache_clear()


@pytest.fixture
def given(files, monkeypatch, tmp_path):
    """A folder with all files, gzipped, that VGX_DATA_DIR names."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name, content in files.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
    monkeypatch.setenv("VGX_DATA_DIR", str(folder))
    return folder


class Mirrors(http.server.BaseHTTPRequestHandler):
    """Answers /good/, /garbage/, /cut/ (half of what it promises) and 404s; remembers what was asked for."""

    files: dict[str, bytes]
    asked: list[str]

    def do_GET(self):
        self.asked.append(self.path)
        _, mirror, name = self.path.split("/")
        body = gzip.compress(self.files[name.removesuffix(".gz")])
        if mirror == "missing":
            return self.send_error(404)
        if mirror == "garbage":
            body = b"<html>Please sign in to this network</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if mirror == "cut" else body)

    def log_message(self, *args):
        pass


@pytest.fixture
def mirrors(files, monkeypatch):
    """Start mirrors on this machine; call with their kinds, in the order in which they are to be tried."""
    handler = type("Handler", (Mirrors,), {"files": files, "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        root = f"http://127.0.0.1:{server.server_port}"

        def use(*kinds):
            monkeypatch.setattr(mnist_files, "MIRRORS", tuple(f"{root}/{kind}/" for kind in kinds))
            return handler.asked

        yield use
        server.shutdown()


def assert_is(data, files, split="train"):
    pixels = np.frombuffer(files[f"{split}-images-idx3-ubyte"][16:], np.uint8).reshape(5, 784)
    np.testing.assert_array_equal(data.x, (pixels / 255).astype(np.float32), strict=True)
    np.testing.assert_array_equal(data.y, np.arange(5, dtype=np.int64), strict=True)


def in_cache():
    return sorted(str(path.relative_to(mnist_files.cache())) for path in mnist_files.cache().rglob("*"))


@needs_mnist
@pytest.mark.parametrize(("split", "n", "counts"), [
    ("train", 60000, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
    ("test", 10000, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
])  # fmt: skip
def test_mnist_is_what_was_published(split, n, counts):
    data = mnist(split)
    assert data.x.shape == (n, 784)
    assert (data.x.dtype, data.y.dtype) == (np.float32, np.int64)
    assert (data.x.min(), data.x.max()) == (0, 1)
    assert np.bincount(data.y).tolist() == counts
    if split == "train":
        assert (round(float(data.x.mean(dtype=float)), 4), round(float(data.x.std(dtype=float)), 4)) == (0.1307, 0.3081)


@needs_mnist
def test_mnist_costs_little_more_memory_than_its_arrays_and_no_time_the_second_time():
    handwritten._mnist.cache_clear()
    tracemalloc.start()
    data = mnist("train")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < data.x.nbytes + 70e6  # the pixels as bytes, and the compressed file
    start = time.perf_counter()
    assert mnist() is data
    assert time.perf_counter() - start < 0.01


def test_every_way_to_ask_for_a_split_shares_its_read_only_arrays(given, files):
    data = mnist()
    assert data is mnist("train") is mnist(split="train")
    assert_is(data, files)
    assert_is(mnist("test"), files, "t10k")
    with pytest.raises(ValueError, match="read-only"):
        data.x[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        data.y[0] = 0


def test_an_unknown_split_says_which_there_are():
    with pytest.raises(ValueError, match="unknown split of MNIST 'tests'; there are: test, train"):
        mnist("tests")


@pytest.mark.parametrize(("subfolder", "ending"), [("", ""), ("mnist", ""), ("", ".gz"), ("mnist", ".gz")])
def test_given_files_may_lie_in_a_subfolder_and_be_gzipped(files, monkeypatch, tmp_path, subfolder, ending):
    folder = tmp_path / "data" / subfolder
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / f"{name}{ending}").write_bytes(gzip.compress(content) if ending else content)
    monkeypatch.setenv("VGX_DATA_DIR", str(tmp_path / "data"))
    assert_is(mnist(), files)
    assert not mnist_files.cache().exists()


def test_a_missing_given_file_says_where_it_was_looked_for_and_nothing_is_downloaded(given, mirrors):
    asked = mirrors("good")
    (given / f"{IMAGES}.gz").unlink()
    with pytest.raises(
        FileNotFoundError, match=rf"VGX_DATA_DIR='{given}' lacks MNIST's {IMAGES}; looked for "
    ) as error:
        mnist()
    for path in (given / "mnist" / f"{IMAGES}.gz", given / "mnist" / IMAGES, given / f"{IMAGES}.gz", given / IMAGES):
        assert str(path) in str(error.value)
    assert "unset VGX_DATA_DIR to download it" in str(error.value)
    assert asked == []


@pytest.mark.parametrize(("spoil", "said"), [
    (lambda content: gzip.compress(content)[:-100], "the compressed file is truncated"),
    (lambda content: gzip.compress(content)[:200] + bytes(50) + gzip.compress(content)[250:], "file is damaged"),
    (lambda content: gzip.compress(content) + b"more", r"the compressed file is damaged \(Not a gzipped file"),
    (lambda content: content[:-1], "3935 bytes uncompressed, the original has 3936"),
    (lambda content: b"", "0 bytes uncompressed, the original has 3936"),
    (lambda content: content[:-1] + bytes([content[-1] ^ 1]), "SHA-256 [0-9a-f]{64} uncompressed, the original has "),
])  # fmt: skip
def test_a_given_file_that_is_not_the_original_says_in_what(given, files, mirrors, spoil, said):
    asked = mirrors("good")
    path = given / f"{IMAGES}.gz"
    path.write_bytes(spoil(files[IMAGES]))
    with pytest.raises(ValueError, match=rf"{path} is not MNIST's {IMAGES}: .*{said}.*; replace it, or unset "):
        mnist()
    assert asked == []


def test_a_given_folder_that_is_none_says_so(files, monkeypatch, tmp_path):
    monkeypatch.setenv("VGX_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(
        NotADirectoryError, match=r"VGX_DATA_DIR must name a folder, got '.*nowhere', which does not exi"
    ):
        mnist()
    (tmp_path / "file").touch()
    monkeypatch.setenv("VGX_DATA_DIR", str(tmp_path / "file"))
    with pytest.raises(NotADirectoryError, match=r"got '.*file', which is a file; unset it to download MNIST"):
        mnist()


def test_an_empty_variable_is_as_good_as_none(files, mirrors, monkeypatch):
    mirrors("good")
    monkeypatch.setenv("VGX_DATA_DIR", "")
    assert_is(mnist(), files)


def test_without_a_folder_it_is_downloaded_once_and_then_taken_from_the_cache(files, mirrors):
    asked = mirrors("good")
    assert_is(mnist(), files)
    assert [path.rpartition("/")[2] for path in asked] == [f"{IMAGES}.gz", "train-labels-idx1-ubyte.gz"]
    assert in_cache() == ["mnist", f"mnist/{IMAGES}.gz", "mnist/train-labels-idx1-ubyte.gz"]
    handwritten._mnist.cache_clear()
    assert_is(mnist(), files)
    assert len(asked) == 2


def test_a_download_shows_its_progress(files, mirrors, capsys):
    mirrors("good")
    mnist()
    shown = capsys.readouterr().err
    assert f"{IMAGES}.gz:" in shown
    assert "train-labels-idx1-ubyte.gz:" in shown


@pytest.mark.parametrize("first", ["missing", "garbage", "cut"])
def test_when_a_mirror_fails_the_next_one_is_asked(files, mirrors, first):
    asked = mirrors(first, "good")
    assert_is(mnist(), files)
    assert [path.split("/")[1] for path in asked] == [first, "good", first, "good"]
    assert in_cache() == ["mnist", f"mnist/{IMAGES}.gz", "mnist/train-labels-idx1-ubyte.gz"]


@pytest.mark.parametrize(("kind", "said"), [
    ("missing", "404 Client Error"),
    ("garbage", "43 bytes uncompressed, the original has 3936"),
    ("cut", "Connection broken: IncompleteRead"),
])  # fmt: skip
def test_mirrors_that_fail_are_named_with_their_reasons_and_leave_nothing_behind(mirrors, kind, said):
    mirrors(kind, "missing")
    with pytest.raises(ConnectionError) as error:
        mnist()
    message = str(error.value)
    assert f"/{kind}/{IMAGES}.gz: " in message
    assert f"/missing/{IMAGES}.gz: 404" in message
    assert said in message
    assert "Try again when you are online, or set VGX_DATA_DIR to a folder that holds train-images" in message
    assert in_cache() == ["mnist"]


def test_without_a_network_every_mirror_is_named(files, monkeypatch):
    monkeypatch.setattr(mnist_files, "MIRRORS", ("http://127.0.0.1:1/one/", "http://127.0.0.1:1/two/"))
    with pytest.raises(ConnectionError, match=r"could not be downloaded\. Tried .*/one/.*refused.*/two/.*refused"):
        mnist()
    assert in_cache() == ["mnist"]


def test_an_interrupted_download_leaves_nothing_behind(files, mirrors, monkeypatch):
    import pooch

    class Interrupted(pooch.HTTPDownloader):
        def __call__(self, url, stream, pooch):
            super().__call__(url, stream, pooch)
            raise KeyboardInterrupt

    mirrors("good")
    monkeypatch.setattr(pooch, "HTTPDownloader", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        mnist()
    assert in_cache() == ["mnist"]


def test_a_damaged_file_in_the_cache_is_replaced(files, mirrors):
    asked = mirrors("good")
    mnist()
    path = mnist_files.cache() / "mnist" / f"{IMAGES}.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    handwritten._mnist.cache_clear()
    assert_is(mnist(), files)
    assert len(asked) == 3
    assert path.read_bytes() == whole


def test_a_cache_that_cannot_be_made_says_so_before_the_download(files, mirrors, tmp_path):
    asked = mirrors("good")
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(OSError, match=r"MNIST cannot be kept: the cache folder .*/vgx/mnist cannot be written to \(.*"
                                      r"XDG_CACHE_HOME, or set VGX_DATA_DIR"):  # fmt: skip
        mnist()
    assert asked == []


def test_a_read_only_cache_says_so_before_the_download(files, mirrors, monkeypatch):
    asked = mirrors("good")
    mnist_files.cache().mkdir(parents=True)
    mnist_files.cache().chmod(0o555)
    if os.geteuid() == 0:  # the superuser may write there all the same
        monkeypatch.setattr(
            mnist_files.tempfile, "TemporaryFile", Mock(side_effect=PermissionError(13, "Permission denied"))
        )
    with pytest.raises(OSError, match=r"vgx/mnist cannot be written to \(.*Permission denied"):
        mnist()
    assert asked == []


def test_a_cache_that_is_read_only_but_full_is_good_enough(files, mirrors, monkeypatch):
    asked = mirrors("good")
    mnist()
    handwritten._mnist.cache_clear()
    monkeypatch.setattr(Path, "mkdir", lambda *args, **kwargs: pytest.fail("nothing is to be written"))
    assert_is(mnist(), files)
    assert len(asked) == 2


def test_a_disk_that_fills_up_says_so_and_keeps_no_half_file(files, mirrors, monkeypatch):
    def write_half(path, content):
        with path.open("wb") as stream:
            stream.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    mirrors("good")
    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(OSError, match=r"cannot be written to \(.*No space left on device"):
        mnist()
    assert in_cache() == ["mnist"]


def test_finding_files_loads_no_torch_and_given_ones_not_even_pooch(given):
    code = "import sys; from vgx.datasets import mnist_files as m; m._given(m.Path(sys.argv[1]), sys.argv[2])"
    sums = f"; m.FILES = {mnist_files.FILES!r}; "
    code = code.replace("; m._given", sums + "m._given") + "; sys.exit(bool({'torch', 'pooch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code, str(given), IMAGES], check=False).returncode == 0


def test_whether_the_files_are_here(files, given, monkeypatch, mirrors):
    assert mnist_files.are_here()
    monkeypatch.delenv("VGX_DATA_DIR")
    mirrors("good")
    assert not mnist_files.are_here()
    mnist()
    assert not mnist_files.are_here()  # a split lacks
    mnist("test")
    assert mnist_files.are_here()
