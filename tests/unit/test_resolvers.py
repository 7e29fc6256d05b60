"""Names are resolved in the system's way, unless `upstream.nameservers` says otherwise.

aiohttp's connector takes aiodns instead as soon as that is installed, and the image has it.
"""

import ast
from collections.abc import Iterator

from tests.support.sources import GATEWAY, TREES, modules


def connectors() -> Iterator[tuple[str, ast.Call]]:
    """Every call that makes a connector, and the file it is in."""
    for path in modules(GATEWAY):
        for node in ast.walk(TREES[path]):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("TCPConnector"):
                yield path.name, node


def test_every_connector_names_its_resolver() -> None:
    found = list(connectors())
    assert len(found) >= 4
    assert [name for name, call in found if "resolver" not in {each.arg for each in call.keywords}] == []
