"""Where alerts are sent: contact points for Grafana, from the environment of the one step that writes them.

Promises: only what is set is written, since Grafana does not start on an address that is empty; what was set before and
no longer is goes away; a message can be read on a phone. Refuses: addresses that cannot be right, all of them at once,
and to repeat one of them in a line of its own, for they are as good as passwords.

The file holds them as plain text, and so belongs into a folder that nobody but Grafana reads.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from collector.alerts.rules import as_yaml
from collector.boards.kit.parts import Json
from collector.boards.write import replace
from collector.errors import ConfigError

FILE_NAME = "contacts.yaml"
RECEIVER = "Solar"

_MAIL = "SOLAR_ALERT_MAIL"
_NTFY, _NTFY_TOKEN = "SOLAR_ALERT_NTFY", "SOLAR_ALERT_NTFY_TOKEN"
_WEBHOOK, _USER, _PASSWORD = "SOLAR_ALERT_WEBHOOK", "SOLAR_ALERT_WEBHOOK_USER", "SOLAR_ALERT_WEBHOOK_PASSWORD"

# A phone shows some four thousand characters at most, and nobody reads a hundred lines on one.
_MOST_TOLD = 10

# One alert is told by its own summary, several of a kind by their number.
_TITLE = """\
{{- $firing := len .Alerts.Firing -}}
{{- if eq $firing 0 -}}Over: {{ .CommonLabels.alertname }}
{{- else if eq $firing 1 -}}{{ (index .Alerts.Firing 0).Annotations.summary }}
{{- else -}}{{ .CommonLabels.alertname }}: {{ $firing }}{{- end -}}"""

_MESSAGE = (
    """\
{{- range $number, $alert := .Alerts.Firing }}{{ if lt $number MOST }}{{ .Annotations.summary }}
{{ .Annotations.description }}
{{ with .Annotations.link }}{{ . }}
{{ end }}
{{ end }}{{ end -}}
{{- if gt (len .Alerts.Firing) MOST }}These are MOST of {{ len .Alerts.Firing }}.

{{ end -}}
{{- range $number, $alert := .Alerts.Resolved }}{{ if lt $number MOST }}Over: {{ .Annotations.summary }}
{{ end }}{{ end -}}"""
).replace("MOST", str(_MOST_TOLD))

# ntfy takes title, text and urgency from JSON that is posted to the server itself, not to the topic.
_NTFY_PAYLOAD = """\
{{- $priority := 3 -}}
{{- if eq .Status "resolved" -}}{{- $priority = 2 -}}
{{- else if eq .CommonLabels.severity "critical" -}}{{- $priority = 4 -}}{{- end -}}
{{- coll.Dict
  "topic" .Vars.topic
  "title" (tmpl.Inline .Vars.title .)
  "message" (tmpl.Inline .Vars.message .)
  "priority" $priority
  "click" (index .Alerts 0).Annotations.link
  | data.ToJSON -}}"""

_ADDRESS = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+")
_TOPIC = re.compile(r"[-_A-Za-z0-9]{1,64}")

Receivers = Mapping[str, Json]


def read(environ: Mapping[str, str]) -> Receivers:
    """What Grafana has to know of each contact point that is set, by its identity. Raises ConfigError."""
    given = {name: environ.get(name, "").strip() for name in VARIABLES}
    faults = [
        f"{name}: means something together with {with_it} only"
        for name, with_it in _COMPANIONS.items()
        if given[name] and not given[with_it]
    ]
    receivers = {}
    for name, (uid, build) in _KINDS.items():
        if given[name]:
            try:
                receivers[uid] = build(given)
            except ValueError as exc:
                faults.append(f"{name}: expected {exc}")
    if faults:
        raise ConfigError(faults)
    return receivers


def write_contacts(folder: Path, receivers: Receivers) -> None:
    """Write the contact points into a folder that exists. Raises OSError."""
    gone = [uid for uid, _ in _KINDS.values() if uid not in receivers]
    built: Json = {
        "apiVersion": 1,
        "contactPoints": [{"orgId": 1, "name": RECEIVER, "receivers": list(receivers.values())}] if receivers else [],
        "deleteContactPoints": [{"orgId": 1, "uid": uid} for uid in gone],
    }
    replace(folder / FILE_NAME, as_yaml(built))


def _receiver(uid: str, kind: str, settings: Json) -> Json:
    return {"uid": uid, "type": kind, "settings": _literal(settings)}


def _literal(value: Json) -> Json:
    """Settings for a file of Grafana's, in which a single dollar sign begins the name of an environment variable."""
    return {
        key: _literal(part) if isinstance(part, dict) else part.replace("$", "$$") if isinstance(part, str) else part
        for key, part in value.items()
    }


def _mail(given: Mapping[str, str]) -> Json:
    addresses = [part.strip() for part in re.split("[,;]", given[_MAIL]) if part.strip()]
    if not addresses or not all(_ADDRESS.fullmatch(address) for address in addresses):
        raise ValueError("mail addresses, with commas between")
    return _receiver(
        "solar-mail",
        "email",
        {"addresses": ";".join(addresses), "singleEmail": True, "subject": _TITLE, "message": _MESSAGE},
    )


def _ntfy(given: Mapping[str, str]) -> Json:
    wanted = "the address of a topic, as 'https://ntfy.example/solar'"
    parts = _address(given[_NTFY], wanted)
    topic = parts.path.strip("/")
    if parts.query or parts.fragment or not _TOPIC.fullmatch(topic):
        raise ValueError(wanted)
    settings: Json = {
        "url": f"{parts.scheme}://{parts.netloc}/",
        "httpMethod": "POST",
        "payload": {"template": _NTFY_PAYLOAD, "vars": {"topic": topic, "title": _TITLE, "message": _MESSAGE}},
    }
    if given[_NTFY_TOKEN]:
        settings |= {"authorization_scheme": "Bearer", "authorization_credentials": given[_NTFY_TOKEN]}
    return _receiver("solar-ntfy", "webhook", settings)


def _webhook(given: Mapping[str, str]) -> Json:
    _address(given[_WEBHOOK], "an address that begins with http:// or https://")
    settings: Json = {"url": given[_WEBHOOK], "httpMethod": "POST", "title": _TITLE, "message": _MESSAGE}
    if given[_USER]:
        settings |= {"username": given[_USER], "password": given[_PASSWORD]}
    return _receiver("solar-webhook", "webhook", settings)


def _address(text: str, wanted: str) -> SplitResult:
    """The parts of an address. Raises ValueError, which does not repeat it: it may hold what is secret."""
    try:
        parts = urlsplit(text)
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError(wanted) from None
    # Grafana would take braces for a template, and shows users and passwords of addresses to whoever sees its pages.
    if not is_right or "@" in parts.netloc or "{{" in text or not text.isprintable() or " " in text:
        raise ValueError(f"{wanted}, without user, password, spaces and double braces")
    return parts


# Each contact point keeps its identity for ever: by it one that is no longer set is found and deleted.
_KINDS: Mapping[str, tuple[str, Callable[[Mapping[str, str]], Json]]] = {
    _MAIL: ("solar-mail", _mail),
    _NTFY: ("solar-ntfy", _ntfy),
    _WEBHOOK: ("solar-webhook", _webhook),
}
_COMPANIONS: Mapping[str, str] = {_NTFY_TOKEN: _NTFY, _USER: _WEBHOOK, _PASSWORD: _USER}
VARIABLES = (*_KINDS, *_COMPANIONS)
