"""The gateway's side is written without the collector's: only the tables of fields and the encoder are shared."""

import ast
from pathlib import Path

import pytest

from collector import simulate

SHARED = {
    "collector.protocol.blocks",
    "collector.protocol.fields",
    "collector.protocol.models",
    "collector.protocol.upload",
}
GATEWAY = (
    "_acceptance",
    "client",
    "control",
    "device",
    "_dialogue",
    "firmware",
    "fleet",
    "_reports",
    "rounds",
    "store",
    "tally",
)


@pytest.mark.parametrize("name", GATEWAY)
def test_a_gateway_knows_nothing_of_the_collectors_answers(name: str) -> None:
    source = (Path(simulate.__path__[0]) / f"{name}.py").read_text(encoding="utf-8")
    used = {node.module or "" for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)}
    own = {module for module in used if module.startswith("collector") and not module.startswith("collector.simulate")}
    assert own <= SHARED
