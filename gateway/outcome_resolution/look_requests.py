"""What a look asks of Twilio: the targets of its lists, and of the resource that was found. Pure.

A message is looked up by To alone: the day that a list can be filtered by is that of sending, which is empty
while a message is queued, and Twilio replaces senders. A call is looked up by To, From and the day.
"""

from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

from gateway.policy.comparable_fields import ListFilter, SubjectKind, other_spelling, redacted
from gateway.twilio.catalogue import SUFFIXES

PAGE_SIZE: Final = 50
_ROOT: Final = "/2010-04-01/Accounts"
_NAMES: Final = {SubjectKind.MESSAGE: "Messages", SubjectKind.CALL: "Calls"}


class ListTarget(NamedTuple):
    """A list to read. `exact`: of what was created for exactly this recipient."""

    target: str
    exact: bool = True

    def __repr__(self) -> str:  # it holds a phone number
        return f"ListTarget({self.exact})"


def list_targets(account: str, lookup: ListFilter, since: float, *, wide: bool) -> tuple[ListTarget, ...]:
    """The lists to read, the first one narrow. `since` is in seconds since the epoch, by Twilio's clock.

    From a `wide` look it may follow that nothing was created, so that it also finds what the filters of the
    narrow one could hide: a recipient whose last digits are redacted or whose number can be spelt in two
    ways, a call that has no start time yet, or another sender.
    """
    path = f"{_ROOT}/{account}/{_NAMES[lookup.kind]}.json"

    def listing(to: str, *others: tuple[str, str]) -> ListTarget:
        query = urlencode([("To", to), *others, ("PageSize", str(PAGE_SIZE))])
        return ListTarget(f"{path}?{query}", to == lookup.to)

    is_call = lookup.kind is SubjectKind.CALL
    targets: list[ListTarget] = []
    if is_call:
        sender = [("From", lookup.sender)] if lookup.sender else []
        day = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%d")
        targets.append(listing(lookup.to, *sender, ("StartTime>", day)))
    if wide or not is_call:
        targets.append(listing(lookup.to))
    if wide:
        others = (redacted(lookup.to), other_spelling(lookup.to))
        targets += [listing(each) for each in others if each]
    return tuple(targets)


def resource_target(account: str, kind: SubjectKind, sid: str, create_target: str) -> str:
    """The resource in the format that the create asked for by its path: `.json`, `.csv` or none, for XML."""
    path = create_target.partition("?")[0]
    suffix = next((each for each in SUFFIXES if path.endswith(each)), "")
    return f"{_ROOT}/{account}/{_NAMES[kind]}/{quote(sid, safe='')}{suffix}"


def is_own_page(target: str, account: str, kind: SubjectKind) -> bool:
    """Whether a link to the next page leads to the same list."""
    return (
        target.startswith(f"{_ROOT}/{account}/{_NAMES[kind]}.json?")
        and target.isascii()
        and " " not in target
    )
