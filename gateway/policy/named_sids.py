"""The SIDs that the record of an exchange names: of the resource addressed, and of the one that was created.

Both as they may be shown in the log: those of API keys (`SK…`) are masked, as everywhere.
"""

import re
from typing import Final

from gateway.consumers.credentials import mask_sid
from gateway.twilio.created_sid import read_created_sid

_SEGMENT: Final = re.compile(r"/([A-Z]{2}[0-9a-f]{32})(?=[/.]|\Z)")
_ACCOUNT_LIST: Final = "/Accounts/"


def find_addressed_sid(path: str) -> str:
    """The last SID of a path, which is that of the resource or of what its list belongs to; '' without one.

    The account that most paths begin with is known by itself, and is no answer unless nothing follows it.
    """
    found = _SEGMENT.findall(path)
    if not found:
        return ""
    sid: str = found[-1]
    if sid.startswith("AC") and "/" in path.rpartition(sid)[2]:
        return ""
    return mask_key(sid)


def name_created_sid(body: bytes) -> str:
    """The SID in the answer to a create (`twilio/created_sid.py`), as it may be shown."""
    return mask_key(read_created_sid(body))


def mask_key(sid: str) -> str:
    """An API key's SID masked, any other as it is."""
    return mask_sid(sid) if sid.startswith("SK") else sid
