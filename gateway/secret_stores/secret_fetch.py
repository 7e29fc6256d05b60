"""Fetches every referenced secret once, concurrently, however many of its values are needed.

A secret's values come from one answer, so that a key's SID and secret, changed together, are seen together. A
round keeps nothing.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from gateway.config.schema.secret_store_settings import SecretStores
from gateway.config.schema.secret_values import Secret, SecretError, SecretRef, judge
from gateway.secret_stores.aws import AwsStore
from gateway.secret_stores.gcp import GcpStore
from gateway.secret_stores.store import Content, Read, SecretStore, pick, split_place
from gateway.secret_stores.vault import VaultStore

Answers = Mapping[SecretRef, Secret | SecretError]

_AT_ONCE: Final = 32
_ADD: Final = {
    "vault": "add `secret_stores: {vault: {address: https://…, token: {file: PATH}}}`",
    "aws": "add `secret_stores: {aws: {region: …}}`",
    "gcp": "add `secret_stores: {gcp: {project: …}}`",
}


def make_stores(
    settings: SecretStores, environ: Mapping[str, str], base_dir: Path, clock: Callable[[], float]
) -> Mapping[str, SecretStore]:
    """The stores that the file describes, by scheme. Asks none of them."""
    stores: dict[str, SecretStore] = {}
    if settings.vault is not None:
        stores["vault"] = VaultStore(settings.vault, environ, base_dir, clock)
    if settings.aws is not None:
        stores["aws"] = AwsStore(settings.aws, settings.timeout_seconds)
    if settings.gcp is not None:
        stores["gcp"] = GcpStore(settings.gcp, base_dir, settings.timeout_seconds)
    return stores


async def ask_all(
    stores: Mapping[str, SecretStore], references: Sequence[SecretRef], timeout_seconds: float
) -> Answers:
    """What the stores say to each reference. Takes `timeout_seconds` at most."""
    async with AsyncExitStack() as opened:
        reads: dict[str, Read | SecretError] = {}
        for scheme in {reference.scheme for reference in references}:
            reads[scheme] = await _open(stores, scheme, opened)
        places = dict.fromkeys(_place(reference) for reference in references)
        turn = asyncio.Semaphore(_AT_ONCE)
        contents = dict(
            zip(
                places,
                await asyncio.gather(
                    *(_read(reads[scheme], name, turn, timeout_seconds) for scheme, name in places)
                ),
                strict=True,
            )
        )
    return {reference: _take(reference, contents[_place(reference)]) for reference in references}


def all_failed(references: Iterable[SecretRef], message: str, hint: str) -> Answers:
    """The answers of a round that did not take place."""
    return {reference: _explained(reference, SecretError(message, hint)) for reference in references}


async def _open(stores: Mapping[str, SecretStore], scheme: str, opened: AsyncExitStack) -> Read | SecretError:
    if scheme not in stores:
        return SecretError(f"the file has no `secret_stores.{scheme}`", _ADD[scheme])
    try:
        return await opened.enter_async_context(stores[scheme].opened())
    except SecretError as error:
        return error


async def _read(
    read: Read | SecretError, name: str, turn: asyncio.Semaphore, timeout_seconds: float
) -> Content | SecretError:
    if isinstance(read, SecretError):
        return read
    try:
        async with asyncio.timeout(timeout_seconds), turn:
            return await read(name)
    except SecretError as error:
        return error
    except TimeoutError:
        return SecretError(
            f"no answer within {timeout_seconds:g} s",
            "see whether the store can be reached from here, or raise `secret_stores.timeout_seconds`",
            temporary=True,
        )
    except Exception as error:  # noqa: BLE001 - a fault of boto3's or google-auth's must not end refreshing
        return SecretError(f"asking for it failed ({type(error).__name__})", "please report this")


def _take(reference: SecretRef, content: Content | SecretError) -> Secret | SecretError:
    if isinstance(content, SecretError):
        return _explained(reference, content)
    try:
        text = pick(content, split_place(reference.name)[1])
    except SecretError as error:
        return _explained(reference, error)
    try:
        return judge(text, str(reference))
    except SecretError as error:
        return error


def _explained(reference: SecretRef, error: SecretError) -> SecretError:
    message = f"{reference} was not read: {error.message}"
    return SecretError(message, error.hint, temporary=error.temporary)


def _place(reference: SecretRef) -> tuple[str, str]:
    return reference.scheme, split_place(reference.name)[0]
