"""Grafana's answers, one fault at a time, by a small server in its place."""

import json
from pathlib import Path

import pytest

from collector import __version__
from collector.boards.kit.parts import Json
from collector.boards.now import board as now
from collector.boards.write import BOARDS, write_boards
from collector.config.model import Config
from collector.doctor import _grafana
from collector.doctor.findings import Finding, Level
from tests.doctor.contexts import context, levels, only
from tests.fake_influx import Answer, FakeInflux, json_answer, page
from tests.samples import config

HEALTH, SEARCH = "/api/health", "/api/search"
SOURCE, SETTINGS = f"/api/datasources/uid/{_grafana.DATA_SOURCE}/health", "/api/frontend/settings"
PASSWORD = "the-password-of-grafana"


def in_grafana(built: Json) -> Answer:
    """What Grafana says of a board: with more about it, and about its panels, than was in the file."""
    panels = [{**panel, "libraryPanel": None, "id": number} for number, panel in enumerate(built["panels"])]
    kept = {**built, "id": 7, "version": 12, "panels": panels, "preload": False}
    return json_answer(200, {"meta": {"provisioned": True, "slug": "solar"}, "dashboard": kept})


def well() -> dict[str, Answer]:
    boards = [{"uid": built["uid"], "title": built["title"]} for built in (build() for build in BOARDS)]
    kept = {f"/api/dashboards/uid/{built['uid']}": in_grafana(built) for built in (build() for build in BOARDS)}
    return {
        **kept,
        HEALTH: json_answer(200, {"database": "ok", "version": "12.3.0"}),
        SEARCH: json_answer(200, boards),
        SOURCE: json_answer(200, {"status": "OK", "message": "2 buckets found"}),
        SETTINGS: json_answer(200, {"dateFormats": {"defaultTimezone": "Europe/Amsterdam"}}),
    }


def configured(url: str, folder: Path, **more: object) -> Config:
    password = folder / "password"
    password.write_text(f"{PASSWORD}\n", encoding="utf-8")
    return config(grafana={"url": url, "password_file": str(password), **more})


async def found(folder: Path, answers: dict[str, Answer], **more: object) -> list[Finding]:
    with FakeInflux() as fake:
        fake.answers = well() | answers
        findings = await _grafana.check(context(configured=configured(fake.url, folder, **more)))
        assert all(request.method == "GET" for request in fake.requests)
    assert PASSWORD not in repr(findings)
    return findings


async def test_all_is_well(tmp_path: Path) -> None:
    assert levels(await found(tmp_path, {})) == [Level.OK] * 5


async def test_without_a_password_its_health_is_all_and_that_is_said(tmp_path: Path) -> None:
    findings = await found(tmp_path, {}, password_file=None)
    assert levels(findings) == [Level.OK, Level.SKIPPED]
    assert "password_file" in findings[1].remedy


async def test_a_token_goes_out_as_one(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\ufeffglsa_token\n", encoding="utf-16-le")
    with FakeInflux() as fake:
        fake.answers = well()
        settings = configured(fake.url, tmp_path, token_file=str(tmp_path / "token"))
        assert levels(await _grafana.check(context(configured=settings))) == [Level.OK] * 5
        assert {request.token for request in fake.requests if request.path != HEALTH} == {"Bearer glsa_token"}


async def test_nothing_is_looked_at_without_an_address() -> None:
    assert levels(await _grafana.check(context())) == [Level.SKIPPED]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({HEALTH: page(200)}, "no Grafana"),
        ({HEALTH: Answer(hang_up=True)}, "the connection failed"),
        ({HEALTH: json_answer(503, {"database": "failing"})}, "its own database"),
        ({SEARCH: json_answer(401, {"message": "Invalid username or password"})}, "does not know this user"),
        ({SEARCH: json_answer(200, [{"uid": "solar-now"}])}, "boards are missing"),
        ({SOURCE: json_answer(404, {"message": "not found"})}, "is missing"),
        ({SOURCE: json_answer(400, {"status": "ERROR", "message": "unauthorized"})}, "unauthorized"),
    ],
)
async def test_each_fault_is_a_failure_of_its_own(tmp_path: Path, answers: dict[str, Answer], said: str) -> None:
    assert said in only(await found(tmp_path, answers), Level.FAILURE).found


async def test_a_grafana_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_grafana, "TIMEOUT_S", 0.2)
    assert "no answer within" in only(await found(tmp_path, {HEALTH: Answer(hang=True)}), Level.FAILURE).found


async def test_a_grafana_that_does_not_run_is_named(tmp_path: Path) -> None:
    findings = await _grafana.check(context(configured=configured("http://127.0.0.1:1", tmp_path)))
    assert "no connection" in only(findings, Level.FAILURE).found


async def test_another_time_zone_than_the_sites_is_a_warning(tmp_path: Path) -> None:
    for zone in ("UTC", "browser", "America/New_York"):
        other = {SETTINGS: json_answer(200, {"dateFormats": {"defaultTimezone": zone}})}
        assert zone in only(await found(tmp_path, other), Level.WARNING).found
    same = {SETTINGS: json_answer(200, {"dateFormats": {"defaultTimezone": "Europe/Berlin"}})}
    assert levels(await found(tmp_path, same)) == [Level.OK] * 5


async def test_a_file_that_can_not_be_read_is_a_failure_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    findings = await found(tmp_path, {}, password_file=str(tmp_path / "missing"))
    assert "No such file" in only(findings, Level.FAILURE).found
    assert Level.OK in levels(findings)


async def test_answers_that_make_no_sense_are_no_crash(tmp_path: Path) -> None:
    for odd in (json_answer(200, []), json_answer(200, {"dateFormats": 3}), page(500), json_answer(200, None)):
        for path in (HEALTH, SEARCH, SOURCE, SETTINGS):
            await found(tmp_path, {path: odd})


async def test_a_board_of_another_version_is_a_warning(tmp_path: Path) -> None:
    built = now.build()
    older = json.loads(json.dumps(built).replace("power_w", "watts"))
    board = f"/api/dashboards/uid/{built['uid']}"
    finding = only(await found(tmp_path, {board: in_grafana(older)}), Level.WARNING)
    assert finding.found.startswith(
        f"1 of {len(BOARDS)} boards are not those of this collector, version {__version__}: "
    )
    assert str(built["title"]) in finding.found
    assert "docker compose up -d --build" in finding.remedy


async def test_boards_that_this_user_may_not_read_are_not_judged(tmp_path: Path) -> None:
    board = f"/api/dashboards/uid/{now.build()['uid']}"
    findings = await found(tmp_path, {board: json_answer(403, {"message": "Access denied"})})
    assert levels(findings) == [Level.OK, Level.OK, Level.SKIPPED, Level.OK, Level.OK]


async def test_without_a_password_the_boards_files_tell_their_version(tmp_path: Path) -> None:
    write_boards(tmp_path, {})
    findings = await found(tmp_path, {}, password_file=None, dashboards=str(tmp_path))
    assert levels(findings) == [Level.OK, Level.SKIPPED, Level.OK]
    without_grafana = context(configured=config(grafana={"dashboards": str(tmp_path)}))
    assert levels(await _grafana.check(without_grafana)) == [Level.SKIPPED, Level.OK]
