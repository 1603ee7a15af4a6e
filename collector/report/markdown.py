"""A report as Markdown, which reads well as plain text in a mail."""

import re
from collections.abc import Iterable, Iterator, Sequence

from collector.report import _words
from collector.report.figures import Report, SiteFigures

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|])")


def markdown(report: Report) -> str:
    """All of it."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# {_plain(report.title)}: {report.period.title}"
    yield ""
    yield _words.subtitle(report)
    for site in report.sites:
        yield from _site(report, site)
    yield from ("", "## Expected and lost", "")
    if report.losses:
        yield _words.expectation(report)
        yield ""
        rows = [(one.cause, _words.kwh(one.kwh), _words.money(one.money, report.currency)) for one in report.losses]
        yield from _table(("Lost to", "Energy (DC)", "Money"), rows)
    else:
        yield _words.NO_LOSSES
    yield from ("", "## Panels that need a look", "")
    if report.analysed_until:
        yield from (f"- {_plain(line)}" for line in report.problems)
        if not report.problems:
            yield _words.NO_PROBLEM
        yield from ("", _words.still(report))
    else:
        yield _words.NO_VERDICT
    if report.remarks:
        yield from ("", "## What else there is to say", "")
        yield from (f"- {_plain(line)}" for line in report.remarks)


def _site(report: Report, site: SiteFigures) -> Iterator[str]:
    yield from ("", f"## {_plain(site.name)}", "")
    yield f"- {_words.kwh(site.kwh)} ({'AC' if site.is_ac else 'DC'}), {_words.change(site)}"
    if site.best:
        yield f"- best day: {site.best[0]}, {_words.kwh(site.best[1])}"
    used, sold = site.worth
    if used is not None:
        yield f"- worth {_plain(_words.money(used, report.currency))} if all was used"
    if sold is not None:
        yield f"- worth {_plain(_words.money(sold, report.currency))} if all was sold"
    yield f"- {_words.completeness(site)}"
    years = [(str(one.year), _words.kwh(one.kwh)) for one in site.years if one.kwh is not None]
    if years:
        yield ""
        yield from _table(("The same days of", "Energy"), [(str(report.period.year), _words.kwh(site.kwh)), *years])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (head, ["---", *["---:"] * (len(head) - 1)], *rows):
        yield f"| {' | '.join(row if row[0] == '---' else map(_plain, row))} |"


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
