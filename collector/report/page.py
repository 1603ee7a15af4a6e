"""A report as one page of HTML that needs nothing else: for a screen, light or dark, a phone, and paper."""

from collections.abc import Iterable, Sequence
from html import escape
from string import Template

from collector.report import _words
from collector.report._bars import bars
from collector.report.figures import Report, SiteFigures

_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
:root { --ground: #fff; --text: #24292e; --faint: #5d6570; --line: #d9dde2; --bar: #e55400; --bad: #ad0317; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #181b1f; --text: #d8dade; --faint: #9aa1ab; --line: #343a42; --bar: #fa6400; --bad: #f2495c; }
}
body { background: var(--ground); color: var(--text); font: 16px/1.5 system-ui, sans-serif; margin: 0 auto;
  max-width: 760px; padding: 24px 20px 48px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0; }
h2 { border-bottom: 1px solid var(--line); font-size: 19px; margin: 36px 0 12px; padding-bottom: 4px; }
p { margin: 8px 0; }
.faint { color: var(--faint); }
.figures { display: flex; flex-wrap: wrap; gap: 8px 32px; margin: 12px 0; }
.figures div { min-width: 110px; }
.figures b { display: block; font-size: 24px; line-height: 1.2; }
table { border-collapse: collapse; margin: 8px 0; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: 5px 8px 5px 0; text-align: left; }
th { color: var(--faint); font-weight: normal; }
td:not(:first-child), th:not(:first-child) { text-align: right; white-space: nowrap; }
ul { margin: 8px 0; padding-left: 20px; }
li { margin: 5px 0; overflow-wrap: anywhere; }
.bad li::marker { color: var(--bad); }
svg { display: block; height: auto; margin: 12px 0; width: 100%; }
.bar { fill: var(--bar); }
.grid { stroke: var(--line); }
.tick { fill: var(--faint); font: 11px system-ui, sans-serif; }
@media (max-width: 560px) { .tick { font-size: 19px; } .figures b { font-size: 20px; } }
@page { margin: 16mm; }
@media print {
  :root { --ground: #fff; --text: #000; --faint: #444; --line: #bbb; --bar: #e55400; --bad: #ad0317; }
  body { font-size: 10pt; max-width: none; padding: 0; }
  h2 { break-after: avoid; margin-top: 20px; } h2 + p { break-after: avoid; } svg { width: 80%; }
  table, svg, .figures, li { break-inside: avoid; }
  .bar { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
</style>
</head>
<body>
<h1>$title</h1>
<p class="faint">$subtitle</p>
$body
</body>
</html>
""")


def page(report: Report) -> str:
    """All of it."""
    parts = [*(_site(report, site) for site in report.sites), _losses(report), _panels(report)]
    return _PAGE.substitute(
        title=escape(f"{report.title}: {report.period.title}"),
        subtitle=escape(_words.subtitle(report)),
        body="\n".join(parts),
    )


def _site(report: Report, site: SiteFigures) -> str:
    used, sold = site.worth
    said = [("Energy " + ("(AC)" if site.is_ac else "(DC)"), _words.kwh(site.kwh))]
    if site.best:
        said.append((f"Best day, {site.best[0]}", _words.kwh(site.best[1])))
    if used is not None:
        said.append(("Worth, if all was used", _words.money(used, report.currency)))
    if sold is not None:
        said.append(("Worth, if all was sold", _words.money(sold, report.currency)))
    figures = "".join(f"<div>{escape(name)}<b>{escape(value)}</b></div>" for name, value in said)
    years = [(str(one.year), _words.kwh(one.kwh)) for one in site.years if one.kwh is not None]
    table = _table(("The same days of", "Energy"), [(str(report.period.year), _words.kwh(site.kwh)), *years])
    return (
        f"<h2>{escape(site.name)}</h2>\n<p>{escape(_words.change(site).capitalize())}; "
        f'{escape(_words.completeness(site))}.</p>\n<div class="figures">{figures}</div>\n'
        f"{bars(site.bars, 'kWh', _words.of_bars(report))}\n{table if years else ''}"
    )


def _losses(report: Report) -> str:
    heading = "<h2>Expected and lost</h2>\n"
    if not report.losses:
        return f'{heading}<p class="faint">{escape(_words.NO_LOSSES)}</p>'
    rows = [(one.cause, _words.kwh(one.kwh), _words.money(one.money, report.currency)) for one in report.losses]
    return f"{heading}<p>{escape(_words.expectation(report))}</p>\n{_table(('Lost to', 'Energy (DC)', 'Money'), rows)}"


def _panels(report: Report) -> str:
    problems = _list(report.problems, "bad") if report.problems else f"<p>{escape(_words.NO_PROBLEM)}</p>"
    if not report.analysed_until:
        problems = f'<p class="faint">{escape(_words.NO_VERDICT)}</p>'
    remarks = f"<h2>What else there is to say</h2>\n{_list(report.remarks)}" if report.remarks else ""
    still = f'<p class="faint">{escape(_words.still(report))}</p>' if report.analysed_until else ""
    return f"<h2>Panels that need a look</h2>\n{problems}\n{still}\n{remarks}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    first = "".join(f"<th>{escape(name)}</th>" for name in head)
    others = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{first}</tr>{others}</table>"


def _list(lines: Iterable[str], kind: str = "") -> str:
    items = "".join(f"<li>{escape(line[:1].upper() + line[1:])}</li>" for line in lines)
    return f'<ul class="{kind}">{items}</ul>' if kind else f"<ul>{items}</ul>"
