"""The project's own files agree: imports are declared, what is declared is locked, what GitHub reads is valid."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from collector.config.model import Config

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
# Each lock, and the extras that it is for.
LOCKS: dict[str, tuple[str, ...]] = {
    "requirements.lock": ("analysis",),
    "requirements-dev.lock": ("analysis", "parquet", "dev"),
}

GITHUB = ROOT / ".github"
FORMS = [path for path in sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml")) if path.stem != "config"]

# One locked package: its version, where it is needed, and the hashes of its files.
PIN = re.compile(
    r"^(?P<name>[a-z0-9-]+)==(?P<version>[a-z0-9.]+)(?P<marker> ; [a-z_]+ [a-zA-Z0-9_.'!=<> ]+)? \\\n"
    r"(?:    --hash=sha256:[0-9a-f]{64} \\\n)*"
    r"    --hash=sha256:[0-9a-f]{64}\n",
    re.MULTILINE,
)

# Half of pydantic, which takes exactly one version of it.
PART_OF = {"pydantic-core": "pydantic"}


def locked(file: str) -> dict[str, str]:
    """The versions in a lock, which holds nothing else: no address, no path, no option."""
    text = (ROOT / file).read_text(encoding="utf-8")
    assert PIN.sub("", text) == ""
    return {pin["name"]: pin["version"] for pin in PIN.finditer(text)}


def declared(*extras: str) -> list[Requirement]:
    """What the project asks for, with that of its extras."""
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]
    return [one for one in map(Requirement, lines) if one.name != PROJECT["name"]]


@pytest.mark.parametrize("file", LOCKS)
def test_a_lock_has_a_fitting_version_of_all_that_is_declared(file: str) -> None:
    versions = locked(file)
    assert [str(one) for one in declared(*LOCKS[file]) if not one.specifier.contains(versions[one.name])] == []


def test_what_is_tested_is_what_the_image_has() -> None:
    image, tests = map(locked, LOCKS)
    assert image.items() <= tests.items()


def _imported(folder: str) -> Iterator[str]:
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.partition(".")[0]


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("collector", ("analysis", "parquet")),
        ("tests", ("analysis", "parquet", "dev")),
        ("benchmarks", ("analysis", "parquet", "dev")),
    ],
)
def test_every_library_that_is_imported_is_declared(folder: str, extras: list[str]) -> None:
    provided = packages_distributions()
    libraries = set(_imported(folder)) - sys.stdlib_module_names - {"collector", "tests", "benchmarks"}
    names = {canonicalize_name(provided[library][0]) for library in libraries}
    assert {PART_OF.get(name, name) for name in names} - {one.name for one in declared(*extras)} == set()


def test_the_checks_install_what_is_locked_and_nothing_without_its_hash() -> None:
    line = "install --quiet --require-hashes --no-deps --requirement requirements-dev.lock\n"
    assert line in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_checks_before_a_commit_are_those_that_ci_begins_with() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    # Programs of one .venv, so there is no second version of any.
    checks = [line for line in lines if re.match(r"\.venv/bin/(ruff|mypy)\b", line)]
    assert [hook["entry"] for hook in repository["hooks"]] == checks


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ("github-workflows", sorted((GITHUB / "workflows").iterdir())),
        ("github-issue-forms", FORMS),
        ("github-issue-config", [GITHUB / "ISSUE_TEMPLATE" / "config.yml"]),
    ],
)
def test_what_github_reads_is_valid(schema: str, paths: list[Path]) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, paths)]
    checked = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_workflow_does_what_everyone_can_do_at_home() -> None:
    jobs = yaml.safe_load((GITHUB / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    assert [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step] == ["bash .ci/run"]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_asks_for_the_version_and_names_each_question_once(path: Path) -> None:
    asked = [item for item in yaml.safe_load(path.read_text(encoding="utf-8"))["body"] if item["type"] != "markdown"]
    ids = [item["id"] for item in asked]
    assert len(ids) == len(set(ids))
    assert "version" in [item["id"] for item in asked if item.get("validations", {}).get("required")]


def test_a_new_model_is_reported_with_what_a_decoder_needs() -> None:
    form = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / "new-model.yml").read_text(encoding="utf-8"))
    needed = {item["id"] for item in form["body"] if item.get("validations", {}).get("required")}
    assert needed >= {"gateway", "firmware", "inverters", "decoded"}


def test_security_names_every_port_that_is_open_by_default() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    (ports,) = re.findall(r"^\| ([0-9, ]+) \(`listen`\) \|", text, re.MULTILINE)
    defaults = Config()
    assert {int(port) for port in ports.split(",")} == {*defaults.listen.data_ports, defaults.listen.control_port}
    assert (defaults.metrics.port, defaults.metrics.host) == (None, "127.0.0.1")
