"""Names are resolved in the system's way, unless `upstream.nameservers` says otherwise.

aiohttp's connector takes aiodns instead as soon as that is installed, and the image has it.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import gateway

ROOT = Path(gateway.__file__).parent


def connectors() -> Iterator[tuple[str, ast.Call]]:
    """Every call that makes a connector, and the file it is in."""
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("TCPConnector"):
                yield path.name, node


def test_every_connector_names_its_resolver() -> None:
    found = list(connectors())
    assert len(found) >= 4
    assert [name for name, call in found if "resolver" not in {each.arg for each in call.keywords}] == []
