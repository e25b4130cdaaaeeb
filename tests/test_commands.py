"""`make`, the scripts behind it and `.ci/run`: they set up what is missing, once, or say what to type."""

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser import chromium

ROOT = Path(__file__).parents[1]
TARGETS = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

needs_make = pytest.mark.skipif(not (shutil.which("make") and shutil.which("bash")), reason="no make or no bash")


def call(*command: str, cwd: Path, **environ: str) -> tuple[int, str]:
    """Run a command; return its status and all that it said."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # we may run in a make
    done = subprocess.run(
        command, cwd=cwd, env=ours | environ,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


# make


@needs_make
@pytest.mark.parametrize("command", [("make",), ("make", "help")], ids=" ".join)
def test_make_lists_every_target_with_a_line(command):
    status, said = call(*command, cwd=ROOT)
    assert status == 0
    assert sorted(TARGETS) == sorted(re.findall(r"^make ([a-z]+) +\w.+$", said, re.MULTILINE))


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose Python, pip and programs only write down that they were called."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.txt", "constraints.txt", "pyproject.toml"):
        (tmp_path / name).touch()
    script(tmp_path / "program", 'echo "$(basename $0) $*" >> calls')
    script(tmp_path / ".ci" / "venv", "echo venv >> calls; mkdir -p .venv/bin; cp program .venv/bin/python")
    script(tmp_path / ".venv" / "bin" / "jupyter-book", 'echo "jupyter-book $*" >> calls')
    return tmp_path


def calls(checkout: Path, target: str) -> str:
    (checkout / "calls").write_text("", encoding="utf-8")
    status, said = call("make", target, cwd=checkout, MAKEFLAGS="")
    assert status == 0, said
    return (checkout / "calls").read_text(encoding="utf-8")


@needs_make
@pytest.mark.parametrize("target", ["lab", "book", "test", "lint", "picture"])
def test_a_command_installs_what_is_missing_and_then_nothing(checkout, target):
    script(checkout / ".venv" / "bin" / "lint-imports", "")
    first = calls(checkout, target)
    assert first.startswith("venv\npython -m pip install ")
    again = calls(checkout, target)
    assert again
    assert again == first.partition("constraints.txt\n")[2]


@needs_make
@pytest.mark.parametrize("name", ["requirements.txt", "constraints.txt", "pyproject.toml"])
def test_a_changed_list_of_packages_is_installed(checkout, name):
    calls(checkout, "html")
    stamp = (checkout / ".venv" / ".installed-requirements").stat().st_mtime
    os.utime(checkout / name, (stamp + 10, stamp + 10))
    assert "pip install" in calls(checkout, "html")


@needs_make
def test_an_installation_that_failed_is_tried_again(checkout):
    script(checkout / "program", 'echo "$*" >> calls; [[ "$*" != *pip* ]]')
    assert call("make", "html", cwd=checkout, MAKEFLAGS="")[0] != 0
    script(checkout / ".venv" / "bin" / "python", 'echo "$*" >> calls')
    assert "pip install" in calls(checkout, "html")


# .ci/venv


@pytest.fixture
def machine(tmp_path):
    """A folder of programs that goes first on the PATH; no real apt-get is reached."""
    script(tmp_path / "bin" / "apt-get", f'echo "$*" >> {tmp_path}/apt')
    script(tmp_path / "bin" / "id", "echo 1000")
    return tmp_path


def make_venv(machine: Path, **environ: str) -> tuple[int, str]:
    path = f"{machine}/bin{os.pathsep}/usr/bin{os.pathsep}/bin"
    return call(str(ROOT / ".ci" / "venv"), "environment", cwd=machine, PATH=path, **environ)


def python(path: Path, *, version: str = "3.12", ensurepip: str = "true", venv: str = "mkdir environment") -> None:
    """Write a stand-in for a Python interpreter."""
    asked_version = f"import sys; sys.version_info = ({version.replace('.', ', ')}, 1); $2"
    answers = [
        f'*"sys.exit("*) exec {sys.executable} -c "{asked_version}" ;;',
        f'*"import ensurepip"*) {ensurepip} ;;',
        f"*print*) echo python{version}-venv ;;",
        f"*--version*) echo Python {version}.1 ;;",
        f'*"-m venv"*) {venv} ;;',
    ]
    script(path, 'case "$*" in\n' + "\n".join(answers) + "\nesac")


@needs_make
def test_an_unsuitable_python_is_named_with_what_to_do(machine):
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        python(machine / "bin" / name, version="3.9")
    status, said = make_venv(machine)
    assert status == 1
    assert "needs Python 3.11, 3.12 or 3.13; python3 is: Python 3.9.1" in said
    assert "make PYTHON=" in said


@needs_make
def test_another_python_that_will_do_is_taken(machine):
    python(machine / "bin" / "python3", version="3.14")
    python(machine / "bin" / "python3.13", version="3.14")
    python(machine / "bin" / "python3.12", version="3.12", venv="mkdir environment; echo took 3.12")
    assert make_venv(machine) == (0, "took 3.12\n")


@needs_make
def test_the_python_that_is_named_is_taken_and_no_other(machine):
    python(machine / "bin" / "python3", version="3.12")
    python(machine / "old", version="3.8")
    status, said = make_venv(machine, PYTHON=str(machine / "old"))
    assert status == 1
    assert "old is: Python 3.8.1" in said


@needs_make
def test_debian_without_venv_says_the_command_to_type(machine):
    python(machine / "bin" / "python3", version="3.11", ensurepip="false")
    status, said = make_venv(machine)
    assert status == 1
    assert "sudo apt-get install python3.11-venv" in said
    assert not (machine / "apt").exists()


@needs_make
def test_debian_without_venv_gets_it_when_root(machine):
    script(machine / "bin" / "id", "echo 0")
    python(machine / "bin" / "python3", version="3.11", ensurepip="false")
    assert make_venv(machine)[0] == 0
    asked = (machine / "apt").read_text(encoding="utf-8").splitlines()
    assert asked[0].startswith("update")
    assert asked[1].endswith("python3.11-venv")


@needs_make
def test_half_an_environment_does_not_stay(machine):
    python(machine / "bin" / "python3", venv="mkdir environment; false")
    status, said = make_venv(machine)
    assert status == 1
    assert "could not make the virtual environment" in said
    assert not (machine / "environment").exists()


# .ci/run


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
@pytest.mark.parametrize("closing", ["= 3 passed in 1.20s =", "= 1 failed, 2 passed in 65.00s (0:01:05) ="])
def test_ci_ends_in_the_closing_line_and_its_status(tmp_path, closing):
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    status = int("failed" in closing)
    (tmp_path / "Makefile").write_text(f"test:\n\t@echo '{closing}'; exit {status}\n", encoding="utf-8")
    result, said = call(".ci/run", cwd=tmp_path, MAKEFLAGS="")
    assert said.splitlines()[-1] == closing
    assert bool(result) == bool(status)


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
@pytest.mark.parametrize("there", [True, False])
def test_ci_takes_the_shared_data_where_they_are(tmp_path, monkeypatch, there):
    monkeypatch.delenv("VGX_DATA_DIR", raising=False)
    checkout = tmp_path / "checkout"
    (checkout / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "run", checkout / ".ci")
    (checkout / "Makefile").write_text("test:\n\t@echo data: $$VGX_DATA_DIR\n", encoding="utf-8")
    data = tmp_path / "shared" / "data"
    if there:
        data.mkdir(parents=True)
    _, said = call(".ci/run", cwd=checkout, MAKEFLAGS="")
    assert said.splitlines()[-1].strip() == f"data: {data if there else ''}".strip()


# .ci/show.py


@pytest.mark.parametrize(
    ("environ", "system", "release", "opens"),
    [
        ({"DISPLAY": ":0"}, "Linux", "6.1", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "Linux", "6.1", True),
        ({}, "Darwin", "23.1", True),
        ({}, "Linux", "5.15-microsoft-standard-WSL2", True),
        ({}, "Linux", "6.1", False),
        ({"DISPLAY": ":0", "CI": "true"}, "Linux", "6.1", False),
    ],
)
def test_the_book_opens_where_somebody_can_see_it(environ, system, release, opens):
    has_screen = runpy.run_path(str(ROOT / ".ci" / "show.py"))["has_screen"]
    assert has_screen(environ, system, release) == opens


# The tests' browser


@pytest.fixture
def asked(monkeypatch):
    """Collect the commands that are run; none is, and each succeeds."""
    commands = []
    monkeypatch.setattr(chromium, "_run", lambda command, quiet=False: commands.append(command) or True)
    monkeypatch.setattr(chromium, "_playwrights_own", lambda: None)
    return commands


def only_these(monkeypatch, *names):
    monkeypatch.setattr(shutil, "which", lambda name: f"bin/{name}" if name in names else None)


def test_a_chromium_on_the_path_is_taken(monkeypatch, asked):
    only_these(monkeypatch, "google-chrome", "chromium")
    assert chromium.find() == "bin/chromium"


def test_one_that_does_not_start_is_passed_over(monkeypatch):
    only_these(monkeypatch, "chromium-browser", "google-chrome")
    monkeypatch.setattr(chromium, "_starts", lambda path: path == "bin/google-chrome")
    assert chromium.find() == "bin/google-chrome"


def test_root_installs_it_with_apt(monkeypatch, asked):
    only_these(monkeypatch, "apt-get", "chromium")
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    assert chromium.install() == "bin/chromium"
    assert [command[:2] for command in asked[:2]] == [["apt-get", "update"], ["apt-get", "install"]]


def test_everybody_else_asks_playwright(monkeypatch, asked):
    only_these(monkeypatch, "apt-get")
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    monkeypatch.setattr(chromium, "_playwrights_own", lambda: "own/chrome")
    assert chromium.install() == "own/chrome"
    assert [command[1:] for command in asked] == [["-m", "playwright", "install", "chromium"], ["--version"]][:1]


def test_without_any_the_command_to_type_is_said(monkeypatch, capsys):
    monkeypatch.setattr(chromium, "_run", lambda command, quiet=False: False)
    monkeypatch.setattr(chromium, "_playwrights_own", lambda: None)
    assert chromium.find() is None
    assert chromium.install() is None
    assert "apt-get install chromium" in chromium.ADVICE
