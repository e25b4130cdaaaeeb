"""The roads to the book: one address in all places, Binder, Colab, the wheel alone, one file to carry along."""

import ast
import importlib.metadata
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import types
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from tests.test_commands import call, needs_make, script
from tests.test_house import pins, tracked_files, tracked_texts
from vgx.book import pages
from vgx.lab import display
from vgx.lessons.practice.labs import repeated_factor

ROOT = Path(__file__).parents[1]
ADDRESS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


# One address


def test_every_file_that_names_the_repository_names_the_same():
    assert yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"] == ADDRESS
    named = {
        name: found
        for name, text in tracked_texts().items()
        if (found := re.findall(r"(?:git\+|git clone |repository-code: )(https://[^\s\"'\\]+)", text))
        and not name.startswith("tests/")
    }
    assert {"README.md", "CITATION.cff", "book/how_to_use.md"} <= set(named)
    assert {name for name, found in named.items() if set(found) != {ADDRESS}} == set()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_lesson_installs_the_package_from_the_address_where_it_is_missing(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    setup = "".join(next(cell["source"] for cell in cells if cell["cell_type"] == "code"))
    assert f'"git+{ADDRESS}"' in setup
    assert 'find_spec("vgx") is None' in setup


@pytest.fixture
def checkout(tmp_path):
    """A copy of the repository's files, in a repository of its own."""
    copy = tmp_path / "checkout"
    for path in tracked_files():
        target = copy / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    for command in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *command], cwd=copy, check=True, capture_output=True)
    return copy


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.relative_to(folder).parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@needs_make
def test_one_command_writes_the_address_everywhere(checkout):
    script(checkout / ".venv" / "bin" / "python", f'[ "$1" = .ci/address.py ] && exec {sys.executable} "$@"')
    before, old = contents(checkout), ADDRESS.removeprefix("https://github.com/")
    new = "/".join(["https://github.com", "Ada-L", "deep.book"])  # (in pieces: this file, too, is one of the files)
    status, said = call("make", "address", f"URL={new}.git", cwd=checkout, MAKEFLAGS="")
    assert status == 0, said
    after = contents(checkout)
    changed = {name for name in after if after[name] != before[name]}
    assert {"README.md", "CITATION.cff", "_config.yml", "pyproject.toml", "book/how_to_use.md"} <= changed
    assert {path.relative_to(ROOT).as_posix() for path in NOTEBOOKS} & set(before) <= changed
    assert f"in {len(changed)} files" in said
    assert [name for name, text in after.items() if re.search(rf"(?<![\w.-]){old}(?![\w-])".encode(), text)] == []
    assert f'Repository = "{new}"' in after["pyproject.toml"].decode()
    assert call("make", "address", f"URL={ADDRESS}", cwd=checkout, MAKEFLAGS="")[0] == 0
    assert contents(checkout) == before


@pytest.mark.parametrize("url", ["", "github.com/ada/book", "https://gitlab.com/ada/book", "https://github.com/ada"])
def test_another_address_is_refused_and_nothing_changes(url, checkout):
    before = contents(checkout)
    status, said = call(sys.executable, ".ci/address.py", *([url] if url else []), cwd=checkout)
    assert status != 0
    assert f"URL must be https://github.com/owner/name, got {url!r}" in said
    assert contents(checkout) == before


@pytest.mark.parametrize(
    ("repository", "published"),
    [
        ("https://github.com/Ada/Book", "https://ada.github.io/Book/"),
        ("https://github.com/ada/ada.github.io", "https://ada.github.io/"),
    ],
)
def test_the_published_address_follows_from_the_repository(repository, published):
    assert pages.site(repository) == published


# Binder and Colab


def test_binder_accepts_the_configuration_and_installs_after_the_files_are_there():
    pytest.importorskip("repo2docker")
    done = subprocess.run(
        [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "."],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "python=3.11" in done.stdout
    install = done.stdout.index('pip install --no-cache-dir -r ".binder/requirements.txt"')
    assert done.stdout.index("COPY --chown=0:0 src/ ${REPO_DIR}/") < install


def test_binder_installs_the_tested_versions_without_cuda():
    lines = (ROOT / ".binder" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert "-e ." in lines
    assert "-c ../constraints.txt" in lines
    assert [line for line in lines if line.startswith("--extra-index-url") and line.endswith("/cpu")]
    named = {line for line in lines if re.match(r"\w", line)}
    assert named <= set(pins("constraints.txt"))
    assert {"torch", "jupyterlab"} <= named


def test_colab_is_asked_to_show_widgets_and_nowhere_else_is_anything_asked(monkeypatch):
    display.let_colab_show_widgets()  # (here is no Colab)
    asked = []
    output = types.SimpleNamespace(enable_custom_widget_manager=lambda: asked.append("widgets"))
    for name, module in {"google": types.ModuleType("google"), "google.colab": types.ModuleType("colab")}.items():
        monkeypatch.setitem(sys.modules, name, module)
    sys.modules["google.colab"].output = output
    monkeypatch.delenv(display.STATIC_FOLDER, raising=False)
    bundle = display.mimebundle(repeated_factor)
    assert asked == ["widgets"]
    assert "application/vnd.jupyter.widget-view+json" in (bundle[0] if isinstance(bundle, tuple) else bundle)


def test_readme_leads_to_binder_and_colab_of_the_same_repository():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    owner_and_name = ADDRESS.removeprefix("https://github.com/")
    assert f"https://mybinder.org/v2/gh/{owner_and_name}/main?urlpath=lab/tree/notebooks" in readme
    (notebook,) = re.findall(rf"https://colab[^)]*/github/{re.escape(owner_and_name)}/blob/main/([^)]+)", readme)
    assert (ROOT / notebook).exists()


# The wheel, and nothing else


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from a copy: setuptools leaves its traces beside the source."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-TEXT"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "src" / "vgx", folder / "src" / "vgx", ignore=shutil.ignore_patterns("__pycache__"))
    command = ["-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", "dist"]
    subprocess.run([sys.executable, *command], cwd=folder, check=True, timeout=120)
    return next((folder / "dist").glob("vgx-*.whl"))


def test_the_wheel_holds_every_file_of_the_package(wheel):
    source = {p.relative_to(ROOT / "src").as_posix() for p in (ROOT / "src" / "vgx").rglob("*") if p.is_file()}
    source = {name for name in source if not name.endswith(".pyc")}
    with zipfile.ZipFile(wheel) as archive:
        assert source <= set(archive.namelist())


def needed(names: list[str]) -> set[str]:
    """The distributions that these bring, by what their metadata say."""
    found, waiting = set(), list(names)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in found:
            continue
        found.add(name)
        for text in importlib.metadata.requires(name) or ():
            need = Requirement(text)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                waiting.append(need.name)
    return found


@pytest.fixture(scope="module")
def plain_python(wheel, tmp_path_factory) -> Path:
    """A Python that has the wheel, what its metadata ask for, a kernel, and not a package more."""
    folder = tmp_path_factory.mktemp("plain")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    python = next(
        path for path in (folder / "env" / "bin" / "python", folder / "env" / "Scripts" / "python.exe") if path.exists()
    )
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    target = Path(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip())
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
        metadata = archive.read(next(name for name in archive.namelist() if name.endswith("/METADATA"))).decode()
    asked = [Requirement(text) for text in re.findall(r"^Requires-Dist: (.+)$", metadata, re.MULTILINE)]
    here = Path(sysconfig.get_path("purelib"))
    for name in needed([*(need.name for need in asked if need.marker is None), "ipykernel"]):
        for file in importlib.metadata.files(name) or ():
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (target / top).exists():
                (target / top).symlink_to(here / top)
    return python


@pytest.mark.slow
def test_the_plain_python_has_no_more_than_the_wheel_asks_for(plain_python):
    code = "import importlib.util as u; print([n for n in ('sphinx', 'pytest', 'jupyterlab') if u.find_spec(n)])"
    done = subprocess.run([plain_python, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.slow
def test_every_lesson_is_there_in_a_plain_python(plain_python, tmp_path):
    code = (
        "import importlib, pkgutil, vgx, vgx.lessons as lessons\n"
        "for name in vgx.__all__: getattr(vgx, name)\n"
        "for module in pkgutil.walk_packages(lessons.__path__, 'vgx.lessons.'): importlib.import_module(module.name)\n"
        "print(vgx.__file__)"
    )
    done = subprocess.run([plain_python, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert str(ROOT) not in done.stdout


def imported(source: str) -> set[str]:
    """What a module or cell imports at any place in it, functions included: names of packages, not of its own."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def sources() -> dict[str, str]:
    """Each module of the package but the extension that builds the book, and each code cell of the lessons."""
    modules = [path for path in (ROOT / "src" / "vgx").rglob("*.py") if "book" not in path.parts]
    found = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in modules}
    for path in NOTEBOOKS:
        cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
        found |= {
            f"{path.stem}[{i}]": re.sub(r"(?m)^(\s*)[%!].*", r"\1pass", "".join(cell["source"]))
            for i, cell in enumerate(cells)
        }
    return found


def test_what_is_imported_anywhere_is_what_the_metadata_ask_for():
    brings = importlib.metadata.packages_distributions()
    asked = needed(["vgx"])
    allowed = set(sys.stdlib_module_names) | {"vgx", "google"}  # (Colab's own, where it is)
    strangers = {
        f"{where} imports {name}"
        for where, source in sources().items()
        for name in imported(source) - allowed
        if not {dist.lower().replace("_", "-") for dist in brings.get(name, [])} & asked
    }
    assert strangers == set()


@pytest.mark.slow
@pytest.mark.parametrize("path", [NOTEBOOKS[1], NOTEBOOKS[-1]], ids=lambda path: path.stem)  # NumPy alone; with torch
def test_a_lesson_runs_from_a_plain_folder_with_the_wheel_alone(path, plain_python, tmp_path):
    shutil.copy(path, tmp_path)
    kernel = {"argv": [str(plain_python), "-m", "ipykernel_launcher", "-f", "{connection_file}"], "language": "python"}
    spec = tmp_path / "jupyter" / "kernels" / "plain" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps(kernel | {"display_name": "plain"}), encoding="utf-8")
    command = ["-m", "jupyter", "nbconvert", "--to", "notebook", "--execute", "--ExecutePreprocessor.kernel_name=plain"]
    environ = {"JUPYTER_PATH": str(tmp_path / "jupyter"), "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, *command, "--output", "done.ipynb", path.name],
        cwd=tmp_path, env=os.environ | environ, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "application/vnd.jupyter.widget-view+json" in (tmp_path / "done.ipynb").read_text(encoding="utf-8")


# One file to carry along


def test_the_packed_book_is_the_same_bytes_whenever_it_is_made(tmp_path, capsys):
    pack = runpy.run_path(str(ROOT / ".ci" / "pack.py"))["pack"]
    folder = tmp_path / "html"
    (folder / "b").mkdir(parents=True)
    for name in ("index.html", "b/page.html", "a.js", ".buildinfo"):
        (folder / name).write_text(name, encoding="utf-8")
    archives = []
    for date in (1_000_000_000, 1_500_000_000):
        for path in folder.rglob("*"):
            os.utime(path, (date, date))
        pack(folder, tmp_path / "dist" / "vgx-book.zip")
        archives.append((tmp_path / "dist" / "vgx-book.zip").read_bytes())
    assert archives[0] == archives[1]
    assert [path.name for path in (tmp_path / "dist").iterdir()] == ["vgx-book.zip"]
    with zipfile.ZipFile(tmp_path / "dist" / "vgx-book.zip") as archive:
        assert archive.namelist() == ["vgx-book/a.js", "vgx-book/b/page.html", "vgx-book/index.html"]
        assert archive.read("vgx-book/b/page.html") == b"b/page.html"


def test_packing_says_where_and_how_large(tmp_path):
    (tmp_path / "html").mkdir()
    (tmp_path / "html" / "index.html").write_text("x", encoding="utf-8")
    status, said = call(sys.executable, str(ROOT / ".ci" / "pack.py"), "html", "dist/vgx-book.zip", cwd=tmp_path)
    assert status == 0, said
    assert said.startswith(f"{tmp_path / 'dist' / 'vgx-book.zip'}: 0.0 MB. ")
    assert "open vgx-book/index.html" in said


# The workflows


@pytest.mark.parametrize("name", ["tests", "publish"])
def test_a_workflow_pins_its_actions_and_asks_for_no_more_than_it_needs(name):
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8"))
    (job,) = workflow["jobs"].values()
    used = [step["uses"] for step in job["steps"] if "uses" in step]
    assert used
    assert [action for action in used if not re.fullmatch(r"actions/[\w-]+@v\d+", action)] == []
    wanted = {"contents": "read"} | ({"pages": "write", "id-token": "write"} if name == "publish" else {})
    assert workflow["permissions"] == wanted
    assert "timeout-minutes" in job
    assert "group" in workflow["concurrency"]
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for run in (step["run"] for step in job["steps"] if "run" in step):
        assert run.removeprefix("make ") in targets or (ROOT / run).exists()


def test_what_is_published_is_what_make_builds():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "publish.yml").read_text(encoding="utf-8"))
    steps = workflow["jobs"]["publish"]["steps"]
    upload = next(step for step in steps if "upload-pages-artifact" in step.get("uses", ""))
    assert f"{upload['with']['path']}/index.html" in (ROOT / "Makefile").read_text(encoding="utf-8")
