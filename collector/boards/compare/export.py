"""What Grafana saves of a board, in any of the forms that it offers, as the model that the boards are built in.

The forms: the model itself ("Save JSON to file", "JSON Model", "Export as JSON"), the same for sharing with another
Grafana, the answer of Grafana's API, and the resource of its newer API with the same model in it.
"""

import json

from pydantic import BaseModel, Field, ValidationError

from collector.boards.kit.parts import Json
from collector.errors import CollectorError

_AGAIN = 'in Grafana, use "Save JSON to file", or export it as JSON with the model "Classic"'


class _Panel(BaseModel):
    """What has to be of a certain form in a panel, for it to be compared."""

    type: str
    title: str = ""
    gridPos: dict[str, float] = {}  # noqa: N815 - Grafana's name
    panels: list["_Panel"] | None = None


class _Named(BaseModel):
    name: str


class _List(BaseModel):
    items: list[_Named] = Field([], alias="list")


class _Board(BaseModel):
    panels: list[_Panel]
    templating: _List = _List()
    annotations: _List = _List()


def read(data: bytes) -> Json:
    """The board in a file that Grafana saved. Raises CollectorError with what to do."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise CollectorError(f"this is no JSON: {_AGAIN}") from None
    for wrapper in ("dashboard", "spec"):
        if isinstance(found, dict) and isinstance(found.get(wrapper), dict):
            found = found[wrapper]
    if isinstance(found, dict) and "elements" in found and "layout" in found:
        raise CollectorError(f'this is a board in the model "V2 Resource", which cannot be compared: {_AGAIN}')
    try:
        _Board.model_validate(found)
    except ValidationError:
        raise CollectorError(f"this is no board of Grafana's: {_AGAIN}") from None
    return dict(found)
