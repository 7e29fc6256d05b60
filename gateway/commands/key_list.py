"""`gateway key list`: the keys of a configuration, or those of a running gateway and how they are used."""

import argparse
import json
import os
import sys
import time
from datetime import UTC, datetime
from typing import Any, Final

from gateway.commands.admin_arguments import open_client_at
from gateway.commands.admin_client import AdminClient, AdminError
from gateway.commands.tail_table import printable

_SHOWN: Final = 8
_DAY: Final = 86_400
_KEPT: Final = {"file": "in the file", "redis": "in Redis"}


def run_list(args: argparse.Namespace) -> int:
    """Print the keys: 0; 1 without an answer, 2 for what cannot be asked."""
    if args.admin is None:
        if args.callers:
            print("gateway key list: --callers needs --admin", file=sys.stderr)
            return 2
        _list_file(args)
        return 0
    try:
        client = open_client_at(args.admin, args.token_env)
        if args.callers:
            _list_callers(client, as_json=args.json)
        else:
            _list_used(client.get("/api/keys", {}), args)
    except AdminError as error:
        print(printable(f"gateway: {error}"), file=sys.stderr)
        return 2 if error.wrong_usage else 1
    return 0


def _list_file(args: argparse.Namespace) -> None:
    from gateway.config.loading.resolve import load_resolved
    from gateway.secret_stores.secret_cache import SecretCache

    now = time.time()
    rows = [
        (name, f"sha256:{key.digest[:_SHOWN]}", key.expires)
        for name, consumer in sorted(load_resolved(args.config, os.environ, SecretCache()).consumers.items())
        for key in consumer.keys
        if _ends_within(key.expires, args.expiring, now)
    ]
    width = max((len(name) for name, _, _ in rows), default=0)
    for name, digest, expires in rows:
        if args.json:
            print(json.dumps({"consumer": name, "key": digest, "expires": _moment(expires)}))
        else:
            print(f"{name:<{width}}  {digest}  {_in_words(expires, now)}")


def _list_used(answer: dict[str, Any], args: argparse.Namespace) -> None:
    now = time.time()
    keys = [row for row in answer["keys"] if _ends_within(row["expires"], args.expiring, now)]
    keys.sort(key=lambda row: row["consumer"])
    former = [] if args.expiring is not None else answer["former"]
    width = max((len(row["consumer"]) for row in (*keys, *former)), default=0)
    for row in (*keys, *former):
        if args.json:
            print(json.dumps(row))
            continue
        removed = "removed_at" in row
        ends = f"removed {_moment(row['removed_at'])}" if removed else _in_words(row["expires"], now)
        parts = [ends, *(() if removed else _use(row, now)), *_refusals(row)]
        print(printable(f"{row['consumer']:<{width}}  {row['key']}  {', '.join(parts)}"))
    if answer["kept"] == "memory" and not args.json:
        print(
            f"Uses are those since this replica's start, {_moment(answer['since'])}: it has no Redis and no "
            "`key_usage_file`.",
            file=sys.stderr,
        )


def _use(row: dict[str, Any], now: float) -> list[str]:
    if row["last_used"] is None:
        used = ["not used"]
    else:
        addresses = ", ".join(each["address"] for each in row["addresses"])
        used = [f"first used {_moment(row['first_used'])}", f"last used {_moment(row['last_used'])}"]
        used += [f"from {addresses}"] if addresses else []
    days = int((now - row["seen_at"]) // _DAY)
    return [*used, f"known for {days} days", *(["IDLE for 90 days"] if row["idle"] else [])]


def _refusals(row: dict[str, Any]) -> list[str]:
    if not row["refused"]:
        return []
    addresses = ", ".join(each["address"] for each in row["addresses"]) if "removed_at" in row else ""
    still = f"still sent {row['refused']} times, last {_moment(row['last_refused'])}"
    return [still + (f" from {addresses}" if addresses else "")]


def _list_callers(client: AdminClient, *, as_json: bool) -> None:
    names = sorted({row["consumer"] for row in client.get("/api/keys", {})["keys"] if row["shared"]})
    for name in names:
        for row in client.get(f"/api/consumers/{name}/callers", {})["callers"]:
            if as_json:
                print(json.dumps({"consumer": name, **row}))
            else:
                agent, address = row["user_agent"], row["address"]
                last = _moment(row["last_at"])
                print(printable(f"{name}  {agent}  {address}  {row['requests']} requests, last {last}"))


def _ends_within(expires: float | None, days: int | None, now: float) -> bool:
    return days is None or (expires or float("inf")) - now < days * _DAY


def _moment(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(int(at) if at > 0 else 0, UTC).isoformat()


def _in_words(expires: float | None, now: float) -> str:
    ends = _moment(expires)
    if expires is None:
        return "does not end"
    days = int((expires - now) // _DAY)
    return f"ended {ends}" if expires <= now else f"ends {ends}, in {days} days"
