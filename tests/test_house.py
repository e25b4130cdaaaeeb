"""The repository keeps its own rules: imports, form, pins, sizes, a test file for each module."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from tests.notebook_rules import MACHINE_PATH

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "vgx"
MOST_BYTES = 1_000_000
LAYERS = "A module imports only from lines above its own"
HOST = re.compile(r"pypi\.org|pythonhosted\.org|anaconda\.org|npmjs\.(?:org|com)|yarnpkg\.com|pytorch\.org/whl")


def run(*arguments: str, cwd: Path = ROOT, **environ: str) -> tuple[int, str]:
    """Run Python with these arguments; return its status and all that it said."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=os.environ | environ,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def tracked_files() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("no git repository")
    return [path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def tracked_texts() -> dict[str, str]:
    texts = {}
    for path in tracked_files():
        if path.is_relative_to(ROOT / "tests" / "specimens"):
            continue
        try:
            texts[path.relative_to(ROOT).as_posix()] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture
    return texts


# Imports


def lint_imports(project: Path) -> tuple[int, str]:
    command = "from importlinter.cli import lint_imports_command as lint; lint(['--no-cache', '--no-logo'])"
    # `project` may be a copy: its package goes before the installed one
    return run("-c", command, cwd=project, PYTHONPATH=str(project / "src"), PYTHONIOENCODING="utf-8")


@pytest.fixture
def project_copy(tmp_path):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(PACKAGE, tmp_path / "src" / "vgx", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_a_module_imports_only_from_those_below_it():
    status, said = lint_imports(ROOT)
    assert status == 0, said


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("activation.py", "from vgx import network", LAYERS),
        ("registry.py", "from vgx.arguments import whole_number", LAYERS),
        ("newcomer.py", "", LAYERS),
        ("sweep.py", "def f():\n    import plotly.graph_objects", "import plotly"),
        ("figures.py", "import ipywidgets", "Only lab imports ipywidgets"),
        ("lessons/chain_rule_products/measure.py", "from . import draw", "Measuring neither draws"),
    ],
)
def test_a_planted_import_breaks_its_contract(project_copy, module, line, contract):
    path = project_copy / "src" / "vgx" / module
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    status, said = lint_imports(project_copy)
    broken = [row for row in said.splitlines() if " BROKEN" in row]
    assert status == 1
    assert any(contract in row for row in broken), said


# Form


@pytest.mark.parametrize("command", [("check",), ("format", "--check")], ids=" ".join)
def test_ruff_finds_nothing(command):
    folders = [name for name in ("src", "tests", "bench", ".ci", "notebooks") if (ROOT / name).exists()]
    status, said = run("-m", "ruff", *command, "--no-cache", *folders)
    assert status == 0, said


def test_no_tracked_file_is_large():
    assert [path.name for path in tracked_files() if path.stat().st_size > MOST_BYTES] == []


def test_no_tracked_file_names_a_path_of_a_machine():
    assert {name: found[0] for name, text in tracked_texts().items() if (found := MACHINE_PATH.search(text))} == {}


def test_no_tracked_file_names_a_package_registry():
    hosts = {name: found[0] for name, text in tracked_texts().items() if (found := HOST.search(text))}
    # CI and Binder take torch without CUDA from PyTorch's own index
    assert {name for name in hosts if not name.startswith((".github/workflows/", ".binder/"))} == set()


# (in pieces, or this file would name such paths itself)
@pytest.mark.parametrize("text", ["open('/home|/ada')", "(see /tm|p/x)", "C:|\\Users", "file:|///srv/book"])
def test_a_path_of_a_machine_is_recognised(text):
    assert MACHINE_PATH.search(text.replace("|", ""))


@pytest.mark.parametrize("text", ["https://a.example/home/ada", "../home/x", "gradients/work", "./root/x"])
def test_any_other_path_is_allowed(text):
    assert not MACHINE_PATH.search(text)


@pytest.mark.parametrize("text", ["https://pypi|.org/simple", "registry.npmjs|.org"])
def test_a_package_registry_is_recognised(text):
    assert HOST.search(text.replace("|", ""))


# Tests


def test_every_module_has_its_tests():
    tests = ROOT / "tests"
    modules = [path for path in PACKAGE.iterdir() if path.suffix == ".py" and path.name != "__init__.py"]
    packages = [path.parent for path in PACKAGE.glob("*/__init__.py") if path.parent.name != "lessons"]
    lessons = [path.parent for path in PACKAGE.glob("lessons/*/__init__.py")]
    missing = [path.stem for path in modules if not (tests / f"test_{path.stem}.py").exists()]
    missing += [path.name for path in packages if not list(tests.glob(f"test_{path.name}*.py"))]
    missing += [path.name for path in lessons if not (tests / "lessons" / f"test_{path.name}.py").exists()]
    assert missing == []


# What is installed


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line and not line.startswith(("#", "-e"))]
    loose = [line for line in wanted if not re.fullmatch(r"[\w.-]+(\[[\w,]+\])?==[\w.]+", line)]
    assert loose == [], f"{name}: not 'name==version'"
    return {canonical(line.partition("==")[0]): line.partition("==")[2] for line in wanted}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower()


def test_every_requirement_is_pinned_alike_in_both_files():
    constraints = pins("constraints.txt")
    assert {name: constraints.get(name) for name in pins("requirements.txt")} == pins("requirements.txt")


@pytest.mark.parametrize("python", ["3.11.2", "3.12.0", "3.13.0"])
def test_all_that_is_pinned_installs_with_debians_python_and_the_first_of_each_version(python):
    pinned = pins("constraints.txt")
    refused = {
        each.name: each.metadata["Requires-Python"]
        for each in importlib.metadata.distributions()
        if canonical(each.name) in pinned and python not in SpecifierSet(each.metadata["Requires-Python"] or "")
    }
    assert refused == {}, f"these do not install with Python {python}"


def test_the_constraints_do_not_hold_the_package_itself():
    assert "vgx" not in pins("constraints.txt")


def test_the_package_needs_nothing_that_is_not_required():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {canonical(re.match(r"[\w.-]+", need)[0]) for need in project["dependencies"]}
    assert names <= set(pins("requirements.txt"))


def test_the_citation_has_the_version_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == project["version"]
    assert citation["repository-code"] == project["urls"]["Repository"]
