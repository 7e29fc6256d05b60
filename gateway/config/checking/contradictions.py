"""Values that contradict each other, in one section or across sections.

Works on the plain values, so that contradictions are found while other values are wrong, and everything is
reported at once. Pure.
"""

import os.path
import re
from collections.abc import Iterator, Mapping
from typing import TypeGuard

from gateway.config.checking.identity_contradictions import find_identity_contradictions
from gateway.config.checking.known_names import suggest
from gateway.config.checking.webhook_checks import data_listen, find_webhook_contradictions, may_collide
from gateway.config.problems import Finding, KeyPath
from gateway.config.schema.addresses import parse_address
from gateway.config.schema.admin_settings import Admin, is_loopback
from gateway.config.schema.settings import ConcurrencySettings, Settings
from gateway.config.schema.upstream_settings import Upstream
from gateway.config.schema.values import LABEL
from gateway.policy.addressing import DEFAULT_EDGES, EDGES_OF_US1


def find_contradictions(tree: Mapping[str, object]) -> list[Finding]:
    """Errors between values. Skips whatever has not the form it should have: the schema reports that."""
    return [
        *_listeners(tree),
        *_remote_admin(tree),
        *_tls(tree),
        *_waits(tree),
        *_deadlines(tree),
        *_secret_stores(tree),
        *_tracing(tree),
        *_audit(tree),
        *_written_files(tree),
        *_repeat_guard(tree),
        *_credentials(tree),
        *_consumers(tree),
        *find_webhook_contradictions(tree),
        *find_identity_contradictions(tree.get("jwt"), list(_sections(tree, "consumers"))),
    ]


def _written_files(tree: Mapping[str, object]) -> Iterator[Finding]:
    """Files that the gateway writes: each would destroy what the other has written."""
    named: dict[str, str] = {}
    places: tuple[KeyPath, ...] = (("audit", "file"), ("stop_file",), ("key_usage_file",))
    for path in places:
        section = tree if len(path) == 1 else _section(tree, str(path[0]))
        file = section.get(str(path[-1]))
        if not isinstance(file, str):
            continue
        other = named.setdefault(os.path.normpath(file), ".".join(map(str, path)))
        if other != ".".join(map(str, path)):
            yield Finding(path, f"is the same file as `{other}`", "give each a file of its own")


def _section(tree: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = tree.get(name)
    return found if isinstance(found, dict) else {}


def _sections(tree: Mapping[str, object], name: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    section = _section(tree, name)
    return ((key, _section(section, key)) for key in section if isinstance(section[key], dict))


def _listeners(tree: Mapping[str, object]) -> Iterator[Finding]:
    given = _section(tree, "admin").get("listen")
    admin = Admin.model_fields["listen"].default if given is None else given
    if may_collide(admin, data_listen(tree)):
        path: KeyPath = ("listen",) if given is None else ("admin", "listen")
        yield Finding(path, "`listen` and `admin.listen` are the same address", "choose another port")


def _remote_admin(tree: Mapping[str, object]) -> Iterator[Finding]:
    """An admin port that is reachable from elsewhere exposes traffic data, so it needs tokens."""
    admin = _section(tree, "admin")
    allowed = admin.get("allow_remote")
    if allowed is not True and _is_remote(admin.get("listen")):
        yield Finding(
            ("admin", "listen"),
            "others could reach this address, and everything that the admin port shows",
            "write 127.0.0.1:9090, or set `allow_remote: true`, `page_token` and `metrics_token` beside it",
        )
    for name in ("page_token", "metrics_token"):
        if allowed is True and not admin.get(name):
            hint = f"add `{name}: {{env: NAME}}` with a secret of 16 characters or more"
            yield Finding(("admin", "allow_remote"), f"needs `admin.{name}`", hint)


def _is_remote(listen: object) -> bool:
    try:
        return isinstance(listen, str) and not is_loopback(parse_address(listen).host)
    except ValueError:
        return False


def _tls(tree: Mapping[str, object]) -> Iterator[Finding]:
    """Callers' certificates are of use only with the CAs that may have issued them."""
    tls = _section(tree, "tls")
    yield from _shown_certificate(tree, tls)
    webhooks = _section(tree, "webhooks").get("tls")
    if isinstance(webhooks, dict) and not (webhooks.get("cert_file") and webhooks.get("key_file")):
        hint = "add `cert_file: …` and `key_file: …`; certificates are minted on `listen` only"
        yield Finding(("webhooks", "tls"), "there is no certificate to show", hint)
    asks = tls.get("client_certificates") in ("optional", "required")
    if asks and not tls.get("client_ca_file"):
        hint = "add `client_ca_file: …`, the CAs whose client certificates are accepted"
        yield Finding(("tls", "client_certificates"), "no CA is named that could have issued them", hint)
    if tls.get("client_ca_file") and not asks:
        hint = "write `client_certificates: optional` or `required`"
        yield Finding(("tls", "client_ca_file"), "callers are not asked for a certificate", hint)


def _shown_certificate(tree: Mapping[str, object], tls: Mapping[str, object]) -> Iterator[Finding]:
    """A listener with TLS shows the file's certificate, minted ones, or both."""
    for name, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
        if tls.get(other) is not None and tls.get(name) is None:
            yield Finding(("tls", other), f"needs `{name}` beside it", f"add `{name}: …`")
    if tls.get("mint") is True:
        if not tree.get("ca"):
            hint = "run `gateway ca init DIR`, and add the `ca:` that it prints"
            yield Finding(("tls", "mint"), "needs `ca`, which signs the certificates", hint)
    elif isinstance(tree.get("tls"), dict) and tls.get("cert_file") is None and tls.get("key_file") is None:
        hint = "add `cert_file: …` and `key_file: …`, or `mint: true` and `ca:`"
        yield Finding(("tls",), "there is no certificate to show", hint)


def _waits(tree: Mapping[str, object]) -> Iterator[Finding]:
    """Bounds that exclude each other."""
    upstream, retry, concurrency = (_section(tree, name) for name in ("upstream", "retry", "concurrency"))
    deadline = upstream.get("deadline_seconds", Upstream.model_fields["deadline_seconds"].default)
    for name in ("initial_backoff_seconds", "max_backoff_seconds"):
        backoff = retry.get(name)
        if _is_number(deadline) and _is_number(backoff) and deadline < backoff:
            yield Finding(
                ("retry", name),
                "a wait before a retry could be longer than the whole request may take",
                f"make it less than `upstream.deadline_seconds` ({deadline:g})",
            )
    bounds = [
        concurrency.get(name, ConcurrencySettings.model_fields[name].default)
        for name in ("floor", "initial", "ceiling")
    ]
    numbers = [bound for bound in bounds if _is_number(bound)]
    if len(numbers) == len(bounds) and numbers != sorted(numbers):
        yield Finding(
            ("concurrency",),
            "`floor`, `initial` and `ceiling` are not in order",
            "make floor <= initial <= ceiling",
        )


def _deadlines(tree: Mapping[str, object]) -> Iterator[Finding]:
    """A stop must leave a request the time that it may take; so the most must be below what a drain lasts."""
    upstream = _section(tree, "upstream")
    most, usual = upstream.get("deadline_seconds_max"), upstream.get("deadline_seconds")
    drain = tree.get("drain_seconds", Settings.model_fields["drain_seconds"].default)
    if _is_number(most) and _is_number(usual) and most < usual:
        yield Finding(
            ("upstream", "deadline_seconds_max"),
            f"is less than `upstream.deadline_seconds` ({usual:g})",
            "raise it, or lower that",
        )
    if _is_number(most) and _is_number(drain) and most > drain:
        yield Finding(
            ("upstream", "deadline_seconds_max"),
            "a request could take longer than a stop waits for it",
            f"make it at most `drain_seconds` ({drain:g}), or raise that",
        )


def _repeat_guard(tree: Mapping[str, object]) -> Iterator[Finding]:
    shares = _section(tree, "repeat_guard").get("store") == "shared"
    if shares and tree.get("store", Settings.model_fields["store"].default) == "memory":
        yield Finding(
            ("repeat_guard", "store"),
            "there is no store that replicas share",
            "write `store: redis://…` as well, or `local` here",
        )


def _secret_stores(tree: Mapping[str, object]) -> Iterator[Finding]:
    vault = _section(tree, "secret_stores").get("vault")
    if isinstance(vault, dict) and (vault.get("token") is None) == (vault.get("kubernetes") is None):
        yield Finding(
            ("secret_stores", "vault"),
            "needs one of `token` and `kubernetes`",
            "write `token: {file: PATH}`, or `kubernetes: {role: NAME}`",
        )


def _tracing(tree: Mapping[str, object]) -> Iterator[Finding]:
    tracing = _section(tree, "tracing")
    if tracing.get("send_upstream") is True and not tracing.get("enabled"):
        yield Finding(
            ("tracing", "send_upstream"),
            "there is no span of ours to send while tracing is off",
            "write `enabled: true` beside it, or remove the line",
        )


def _audit(tree: Mapping[str, object]) -> Iterator[Finding]:
    audit = tree.get("audit")
    if isinstance(audit, dict) and (audit.get("file") is None) == (audit.get("stream") is None):
        hint = "write `file: PATH`, or `stream: audit` for standard output"
        yield Finding(("audit",), "needs one of `file` and `stream`", hint)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def find_missing_consumers(tree: Mapping[str, object]) -> Iterator[Finding]:
    """Without consumers nothing could be called; a file may be for webhooks alone."""
    if "consumers" not in tree and not isinstance(tree.get("webhooks"), dict):
        description = Settings.model_fields["consumers"].description
        yield Finding(("consumers",), "missing", f"add `consumers: …`. {description}")


def _credentials(tree: Mapping[str, object]) -> Iterator[Finding]:
    used = {consumer.get("credential") for _, consumer in _sections(tree, "consumers")}
    for name, credential in _sections(tree, "credentials"):
        path: KeyPath = ("credentials", name)
        proven = credential.get("keys") or credential.get("auth_token")
        if not proven and (name in used or not isinstance(tree.get("webhooks"), dict)):
            yield Finding(
                path,
                "has neither an API key nor an auth token",
                "add `keys: [{sid: SK…, secret: {env: NAME}}]`",
            )
        region = credential.get("region", "us1")
        if isinstance(region, str) and LABEL.matches(region) and not _has_edge(region, credential):
            yield Finding((*path, "region"), *_explain_region(region))


def _explain_region(region: str) -> tuple[str, str]:
    """Why a region needs an edge; an edge is often written in its place."""
    for own, edge in DEFAULT_EDGES.items():
        if region == edge:
            return f"{region} is an edge", f"write `region: {own}`, whose edge it is"
    if region in EDGES_OF_US1:
        return f"{region} is an edge", f"write `region: us1` and `edge: {region}`"
    return f"only {', '.join(DEFAULT_EDGES)} have an edge of their own", "add `edge: …` beside it"


def _has_edge(region: str, credential: Mapping[str, object]) -> bool:
    return region in DEFAULT_EDGES or credential.get("edge") is not None


def _consumers(tree: Mapping[str, object]) -> Iterator[Finding]:
    credentials, groups = list(_section(tree, "credentials")), list(_section(tree, "groups"))
    for name, consumer in _sections(tree, "consumers"):
        path: KeyPath = ("consumers", name)
        yield from _groups(consumer.get("groups"), (*path, "groups"), groups)
        credential = consumer.get("credential")
        if isinstance(credential, str) and credential not in credentials:
            hint = suggest(credential, credentials) if credentials else "add it below `credentials`"
            yield Finding((*path, "credential"), "no credential has this name", hint)
        limits = consumer.get("limits")
        names: set[object] = set()
        for index, limit in enumerate(limits if isinstance(limits, list) else []):
            label = limit.get("name") if isinstance(limit, dict) else None
            if isinstance(label, str) and label in names:
                hint = "give each limit a name of its own"
                yield Finding((*path, "limits", index, "name"), "another limit has this name", hint)
            names.add(label)
            if isinstance(limit, dict) and _never_passes(limit):
                hint = "raise `burst`, or lower `weight`"
                yield Finding(
                    (*path, "limits", index), "admits nothing: one request weighs more than `burst`", hint
                )


def _groups(named: object, path: KeyPath, groups: list[str]) -> Iterator[Finding]:
    for index, group in enumerate(named if isinstance(named, list) else []):
        if isinstance(group, str) and group not in groups:
            yield Finding((*path, index), "no group has this name", suggest(group, groups))


def _never_passes(limit: Mapping[str, object]) -> bool:
    rate, burst, weight = limit.get("rate"), limit.get("burst"), limit.get("weight", 1)
    if burst is None and isinstance(rate, str) and (count := re.match(r"[0-9]{1,9}", rate)):
        burst = int(count[0])
    return isinstance(weight, int) and isinstance(burst, int) and weight > burst > 0
