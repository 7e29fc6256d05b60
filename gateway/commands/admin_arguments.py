"""Command-line arguments for reaching the admin port of a running gateway."""

import argparse
import os

from gateway.commands.admin_client import AdminClient

_TOKEN_ENV = "GATEWAY_ADMIN_TOKEN"  # noqa: S105 - a variable's name
_ADMIN = "http://127.0.0.1:9090"


def add_admin_arguments(parser: argparse.ArgumentParser) -> None:
    """`--admin`, which may be repeated, and `--token-env`."""
    parser.add_argument(
        "--admin", action="append", metavar="URL", help=f"an admin port; repeat it; default: {_ADMIN}"
    )
    add_token_argument(parser)


def admin_addresses(args: argparse.Namespace) -> list[str]:
    """The URLs of `add_admin_arguments`."""
    return args.admin or [_ADMIN]


def open_clients(args: argparse.Namespace) -> list[AdminClient]:
    """A client for each of `admin_addresses`. Raises `AdminError` if one is no URL."""
    return [open_client_at(url, args.token_env) for url in admin_addresses(args)]


def add_token_argument(parser: argparse.ArgumentParser) -> None:
    """`--token-env`; the token itself is never on a command line, where all users could read it."""
    parser.add_argument(
        "--token-env",
        default=_TOKEN_ENV,
        metavar="NAME",
        help=f"the variable with the value of `admin.page_token`, if there is one; default: {_TOKEN_ENV}",
    )


def open_client(args: argparse.Namespace) -> AdminClient:
    """The client for `args.admin`. Raises `AdminError` if that is no URL."""
    return open_client_at(args.admin, args.token_env)


def open_client_at(url: str, token_env: str) -> AdminClient:
    """The client for an admin port. Raises `AdminError` if that is no URL."""
    return AdminClient(url, os.environ.get(token_env, "").strip(), token_env)
