"""The rooms of the house, and who may import what. A new room is given its floor and its libraries in the table."""

import ast
import sys
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "collector"
MOST_LINES = 450

# Every room, the lowest first, with the libraries that it needs: imports go down only. A room is a package, or a module
# that stands alone. `argparse` and `sqlite3` are watched like libraries from outside.
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "renamed": set(),
    "file_limit": set(),
    "disk": set(),
    "protocol": set(),
    "client": {"trio"},
    "clock": {"astral"},
    "newcomers": set(),
    "condition": set(),
    "record": set(),
    "tables": {"xlrd"},
    "config": {"pydantic", "pydantic_core", "tomli"},
    "points": set(),
    "journal": {"sqlite3", "trio"},
    "imports": {"urllib3"},
    "gateway": {"trio"},
    "replay": {"trio"},
    "delivery": {"influxdb_client", "trio", "urllib3"},
    "rollup": {"trio"},
    "ledger": {"trio"},
    "analysis": {"astral", "numpy"},
    "report": set(),
    "export": {"pyarrow"},
    "compare": set(),
    "boards": {"pydantic"},
    "alerts": {"yaml"},
    "status": set(),
    "outputs": {"dns", "paho", "pydantic_core", "trio", "trio_websocket", "urllib3"},
    "service": {"h11", "prometheus_client", "trio"},
    "doctor": {"dns", "psutil", "trio", "urllib3"},
    "backup": {"pydantic", "tomlkit"},
    "provision": {"influxdb_client"},
    "simulate": {"astral", "trio"},
    "commands": {"argparse", "rich", "trio"},
    "cli": {"argparse"},
    "__main__": set(),
}
WATCHED = {"argparse", "sqlite3"}
# What imports a library of an extra, which may be missing, is imported where it is needed.
EXTRAS = {"collector.export._parquet", "collector.analysis.nightly"}


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {_name(path): path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
MODULES = sorted(SOURCES.keys() - {""})


def _room(module: str) -> str:
    return module.partition(".")[0]


def _imports(module: str) -> set[str]:
    """Full names of the modules that one imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(SOURCES[module])):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            names = {f"{source}.{alias.name}" for alias in node.names}
            found.update({name for name in names if name.removeprefix("collector.") in SOURCES} or {source})
    return found


OWN = {
    module: {name.removeprefix("collector.") for name in _imports(module) if name.startswith("collector.")}
    for module in MODULES
}


def _libraries(module: str) -> set[str]:
    roots = {name.partition(".")[0] for name in _imports(module)}
    return {root for root in roots if root != PACKAGE.name and (root not in sys.stdlib_module_names or root in WATCHED)}


def test_every_room_stands_in_the_table() -> None:
    assert sorted(ROOMS) == sorted({_room(module) for module in MODULES})


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down_only(module: str) -> None:
    floors = list(ROOMS)
    above = floors[floors.index(_room(module)) + 1 :]
    assert {name for name in OWN[module] if _room(name) in above} == set()


def test_every_room_has_its_tests_in_a_folder_of_its_name() -> None:
    # Beside them are those of the whole program; at the top, those of single modules and of what surrounds the package.
    folders = {path.parent.name for path in Path(__file__).parent.glob("*/test_*.py")}
    assert folders == {room for room in ROOMS if _is_package(room)} | {"whole"}


def test_within_a_room_imports_go_one_way_too() -> None:
    # Raises CycleError.
    tuple(TopologicalSorter(OWN).static_order())


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_needs_the_libraries_it_is_allowed_and_no_other(room: str) -> None:
    assert set().union(*(_libraries(module) for module in MODULES if _room(module) == room)) == ROOMS[room]


def test_what_is_private_to_a_room_is_imported_by_it_alone_and_all_else_by_others() -> None:
    users: dict[str, set[str]] = defaultdict(set)
    for module in MODULES:
        for name in OWN[module]:
            if _folder(name) != _folder(module):
                users[name].add(module)
    for module in MODULES:
        _, _, last = module.rpartition(".")
        if last.startswith("_") and not last.startswith("__"):
            assert users[module] == set(), f"{module} is private"
        elif "." in module and _room(module) != "commands" and last != "__main__" and not _is_package(module):
            assert users[module], f"nobody outside its folder imports {module}: its name begins with an underscore"


def _folder(module: str) -> str:
    """Its room, or in a room of several folders the one that it is in."""
    return module if _is_package(module) else module.rpartition(".")[0]


def _is_package(module: str) -> bool:
    return (PACKAGE / Path(*module.split("."))).is_dir()


def test_gateways_journal_and_points_know_of_each_other_only_what_travels() -> None:
    for room in ("gateway", "journal", "points"):
        others = {"gateway", "journal", "points"} - {room}
        assert {_room(name) for module in MODULES if _room(module) == room for name in OWN[module]} & others == set()


def test_the_protocol_knows_nothing_but_its_errors() -> None:
    assert {_room(name) for module in MODULES if _room(module) == "protocol" for name in OWN[module]} <= {
        "errors",
        "protocol",
    }


@pytest.mark.parametrize("room", ["gateway", "journal", "points", "replay"])
def test_the_configuration_is_taken_apart_before_it_is_handed_on(room: str) -> None:
    known = {name for module in MODULES if _room(module) == room for name in OWN[module]}
    assert known & {"config.model", "config.load"} == set()


@pytest.mark.parametrize("module", [name for name in MODULES if name != "__main__"])
def test_imports_stand_at_the_top_but_those_of_an_extra(module: str) -> None:
    inside = {
        name
        for function in ast.walk(ast.parse(SOURCES[module]))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert inside <= EXTRAS


@pytest.mark.parametrize("room", [name for name in ROOMS if _is_package(name)])
def test_a_room_says_what_it_promises_and_refuses(room: str) -> None:
    said = ast.get_docstring(ast.parse(SOURCES[room])) or ""
    assert "Promises:" in said
    assert "Refuses:" in said


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_short_enough_to_be_read_at_once_and_opens_with_what_it_is_for(module: str) -> None:
    assert len(SOURCES[module].splitlines()) <= MOST_LINES
    assert ast.get_docstring(ast.parse(SOURCES[module]))
