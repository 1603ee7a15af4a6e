"""The gateway's side is written without the collector's: only the tables of fields and the encoder are shared."""

import ast
from pathlib import Path

import pytest

from collector import client, simulate

SHARED = {
    "collector.protocol.blocks",
    "collector.protocol.fields",
    "collector.protocol.models",
    "collector.protocol.upload",
}
SIMULATED = ("control", "device", "fleet", "_reports", "rounds", "store", "tally")
GATEWAY = [
    *(Path(simulate.__path__[0]) / f"{name}.py" for name in SIMULATED),
    *sorted(Path(client.__path__[0]).glob("*.py")),
]
OWN = ("collector.simulate", "collector.client")


@pytest.mark.parametrize("path", GATEWAY, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_gateway_knows_nothing_of_the_collectors_answers(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    used = {node.module or "" for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)}
    own = {module for module in used if module.startswith("collector") and not module.startswith(OWN)}
    assert own <= SHARED
