"""Who may import what. A new module is given its place and its libraries in the table here, or this file fails."""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "collector"
MOST_LINES = 450

# Every module, lowest first, with the libraries it is allowed: a module imports only what stands above it here, and
# exactly the libraries behind its name. `sqlite3` is watched like a library from outside.
ALLOWED: dict[str, set[str]] = {
    "collector": set(),
    "collector.errors": set(),
    "collector.lock": set(),
    "collector.protocol": set(),
    "collector.protocol.fields": set(),
    "collector.protocol.forms": set(),
    "collector.protocol.blocks": set(),
    "collector.protocol.upload": set(),
    "collector.protocol.control": set(),
    "collector.protocol.messages": set(),
    "collector.protocol.answers": set(),
    "collector.protocol.guard": set(),
    "collector.protocol.framing": set(),
    "collector.protocol.connection": set(),
    "collector.authority": set(),
    "collector.characters": set(),
    "collector.values": {"pydantic", "pydantic_core"},
    "collector.conflicts": set(),
    "collector.config": {"pydantic", "pydantic_core", "tomli"},
    "collector.zones": set(),
    "collector.clock": set(),
    "collector.newcomers": set(),
    "collector.succession": set(),
    "collector.names": set(),
    "collector.days": set(),
    "collector.journal_schema": {"sqlite3"},
    "collector.journal_purge": {"sqlite3"},
    "collector.journal_faults": {"sqlite3"},
    "collector.journal_junk": {"sqlite3"},
    "collector.journal": {"sqlite3"},
    "collector.journal_reader": {"sqlite3"},
    "collector.journal_jobs": {"sqlite3"},
    "collector.journal_copy": {"sqlite3"},
    "collector.journal_devices": set(),
    "collector.deadline": {"urllib3"},
    "collector.influx_answers": set(),
    "collector.influx": {"influxdb_client", "urllib3"},
    "collector.points": set(),
    "collector.daily": set(),
    "collector.durable": set(),
    "collector.rollup": set(),
    "collector.record_decoder": set(),
    "collector.replay_spans": set(),
    "collector.supervision": {"trio"},
    "collector.accept": set(),
    "collector.report": {"astral"},
    "collector.watch": set(),
    "collector.shared_inverters": set(),
    "collector.status": set(),
    "collector.file_limit": set(),
    "collector.admission": {"trio"},
    "collector.intake": {"trio"},
    "collector.backlog": {"trio"},
    "collector.server": {"trio"},
    "collector.replay": {"trio"},
    "collector.writer": {"trio"},
    "collector.rollup_loop": {"trio"},
    "collector.delivery": {"trio"},
    "collector.metrics": {"h11", "prometheus_client", "trio"},
    "collector.boards": set(),
    "collector.boards.parts": set(),
    "collector.boards.charts": set(),
    "collector.boards.board": set(),
    "collector.boards.queries": set(),
    "collector.boards.now_lists": set(),
    "collector.boards.now": set(),
    "collector.boards.neighbours": set(),
    "collector.boards.roof_picture": set(),
    "collector.boards.roof": set(),
    "collector.boards.panels": set(),
    "collector.boards.one_panel": set(),
    "collector.boards.day": set(),
    "collector.boards.history_energies": set(),
    "collector.boards.history_years": set(),
    "collector.boards.history_ageing": set(),
    "collector.boards.history": set(),
    "collector.boards.grid_readings": set(),
    "collector.boards.grid_curves": set(),
    "collector.boards.grid_episodes": set(),
    "collector.boards.grid_figures": set(),
    "collector.boards.grid": set(),
    "collector.boards.quality_collector": set(),
    "collector.boards.quality": set(),
    "collector.boards.fleet_list": set(),
    "collector.boards.fleet": set(),
    "collector.boards.write": set(),
    "collector.boards.alert_queries": set(),
    "collector.boards.collector_queries": set(),
    "collector.boards.alerts": {"yaml"},
    "collector.boards.contacts": set(),
    "collector.boards.__main__": set(),
    "collector.app": {"trio"},
    "collector.doctor": set(),
    "collector.doctor.findings": set(),
    "collector.doctor.facts": set(),
    "collector.doctor.look": {"psutil"},
    "collector.doctor.settings": set(),
    "collector.doctor.records": set(),
    "collector.doctor.ports": {"psutil", "trio"},
    "collector.doctor.names": {"dns", "trio"},
    "collector.doctor.journal": {"trio"},
    "collector.doctor.clocks": set(),
    "collector.doctor.influxdb": {"trio"},
    "collector.doctor.boards": set(),
    "collector.doctor.grafana": {"trio", "urllib3"},
    "collector.doctor.examine": {"trio"},
    "collector.terminal": {"rich"},
    "collector.doctor.view": {"rich"},
    "collector.doctor.command": {"rich", "trio"},
    "collector.status_view": {"rich"},
    "collector.progress": {"rich"},
    "collector.jobs_command": {"rich", "trio"},
    "collector.accept_command": set(),
    "collector.redate": set(),
    "collector.export": set(),
    "collector.export_files": {"pyarrow"},
    "collector.export_command": set(),
    "collector.backup": set(),
    "collector.backup.files": set(),
    "collector.backup.settings": {"tomlkit"},
    "collector.backup.archive": {"pydantic"},
    "collector.backup.take": set(),
    "collector.backup.restore": set(),
    "collector.backup.command": set(),
    "collector.provision": {"urllib3"},
    "collector.simulate": set(),
    "collector.simulate.firmware": set(),
    "collector.simulate.acceptance": set(),
    "collector.simulate.dialogue": set(),
    "collector.simulate.rounds": set(),
    "collector.simulate.steady": set(),
    "collector.simulate.sky": {"astral"},
    "collector.simulate.weather": set(),
    "collector.simulate.equipment": set(),
    "collector.simulate.meter": set(),
    "collector.simulate.site": set(),
    "collector.simulate.roofs": set(),
    "collector.simulate.store": set(),
    "collector.simulate.tally": set(),
    "collector.simulate.reports": set(),
    "collector.simulate.device": set(),
    "collector.simulate.control": set(),
    "collector.simulate.client": {"trio"},
    "collector.simulate.fleet": {"trio"},
    "collector.simulate.manifest": set(),
    "collector.simulate.verify": set(),
    "collector.simulate.demo": {"trio"},
    "collector.simulate.guard": set(),
    "collector.simulate.options": set(),
    "collector.simulate.progress": {"rich"},
    "collector.simulate.verify_command": set(),
    "collector.simulate.command": {"trio"},
    "collector.cli": {"trio"},
    "collector.__main__": set(),
}
WATCHED = {"sqlite3"}

# These get plain values, so that they can be used and tested without a configuration.
WITHOUT_CONFIG = ("admission", "intake", "backlog", "server", "writer", "journal", "journal_reader", "influx", "points")


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {_name(path): path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}


def _imports(module: str) -> set[str]:
    """Full names of the modules that one imports, anywhere in it, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(SOURCES[module])):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}, line {node.lineno}: a relative import"
            source = node.module or ""
            names = {f"{source}.{alias.name}" for alias in node.names}
            found.update(names & SOURCES.keys() or {source})
    return found


def _own(module: str) -> set[str]:
    return {name for name in _imports(module) if name in SOURCES}


def _libraries(module: str) -> set[str]:
    roots = {name.partition(".")[0] for name in _imports(module)}
    return {root for root in roots if root != PACKAGE.name and (root not in sys.stdlib_module_names or root in WATCHED)}


def test_every_module_stands_in_the_table() -> None:
    assert sorted(ALLOWED) == sorted(SOURCES)


@pytest.mark.parametrize("module", SOURCES)
def test_imports_go_one_way(module: str) -> None:
    order = list(ALLOWED)
    above = order[: order.index(module)]
    assert {name for name in _own(module) if name not in above} == set()


@pytest.mark.parametrize("module", SOURCES)
def test_a_module_imports_the_libraries_it_is_allowed_and_needs_each(module: str) -> None:
    assert _libraries(module) == ALLOWED[module]


@pytest.mark.parametrize("module", [name for name in SOURCES if name.startswith("collector.protocol")])
def test_the_protocol_knows_nothing_but_the_standard_library_and_the_errors(module: str) -> None:
    assert _libraries(module) == set()
    others = {name for name in _own(module) if not name.startswith("collector.protocol")}
    assert others <= {"collector.errors"}


@pytest.mark.parametrize(
    ("library", "modules"),
    [
        ("tomli", {"collector.config"}),
        ("influxdb_client", {"collector.influx"}),
        (
            "sqlite3",
            {
                f"collector.journal{part}"
                for part in ("", "_copy", "_faults", "_jobs", "_junk", "_purge", "_reader", "_schema")
            },
        ),
    ],
)
def test_what_could_be_replaced_one_day_is_known_in_one_place(library: str, modules: set[str]) -> None:
    assert {module for module in SOURCES if library in _libraries(module)} == modules


@pytest.mark.parametrize(
    "module",
    ["config", "clock", "names", "journal", "journal_reader", "influx", "points", "report", "replay_spans", "status"],
)
def test_what_blocks_or_only_calculates_knows_nothing_of_trio(module: str) -> None:
    assert "trio" not in _libraries(f"collector.{module}")


@pytest.mark.parametrize("module", WITHOUT_CONFIG)
def test_the_configuration_is_taken_apart_before_it_is_handed_on(module: str) -> None:
    assert "collector.config" not in _own(f"collector.{module}")


@pytest.mark.parametrize("module", SOURCES)
def test_a_module_is_short_enough_to_be_read_at_once(module: str) -> None:
    assert len(SOURCES[module].splitlines()) <= MOST_LINES


@pytest.mark.parametrize("module", [name for name in SOURCES if SOURCES[name].strip()])
def test_a_module_opens_with_what_it_is_for(module: str) -> None:
    assert ast.get_docstring(ast.parse(SOURCES[module]))
