#!/bin/sh
# pytest-aiohttp 1.1.1, pytest-asyncio 1.5.0, pytest 9.2.0, aiohttp 3.14.5: `aiohttp_client` in a project that gives all tests one
# loop, by `asyncio_default_test_loop_scope = session`.
#
# Guess: the fixture lives in the loop of the test that asks for it; or, if its loop is another one, the first request fails.
#
# Seen: the test passes, requests and all, since the client is made in the test's loop. The fixture itself has a loop of its own, in
# which it is torn down: each test that has sent something passes *and* ends in an error, "attached to a different loop", from
# deep in aiohttp's connector. A test that has sent nothing shows no error, so that a suite fails by what its tests do. A
# second setting mends it: `asyncio_default_fixture_loop_scope = session`.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check pytest-aiohttp==1.1.1 pytest-asyncio==1.5.0 pytest==9.2.0 aiohttp==3.14.5 2>/dev/null
cat > test_app.py <<'PY'
from aiohttp import web


async def hello(request):
    return web.Response(text="hello")


async def started(aiohttp_client):
    app = web.Application()
    app.router.add_get("/", hello)
    return await aiohttp_client(app)


async def test_that_sends(aiohttp_client):
    client = await started(aiohttp_client)
    async with client.get("/") as response:
        assert await response.text() == "hello"


async def test_that_sends_nothing(aiohttp_client):
    await started(aiohttp_client)
PY
run() {
    name=$1; shift
    venv/bin/pytest -q -p no:cacheprovider -o asyncio_mode=auto "$@" test_app.py > output 2>&1 || true
    echo "$name: $(tail -1 output | sed 's/ in .*//')"
    grep -o '^ERROR [^ ]*' output | sed 's/^/  /' || true
    grep -q 'attached to a different loop' output && echo '  attached to a different loop' || true
}
{
    run 'one loop per test'
    run 'one loop for all tests' -o asyncio_default_test_loop_scope=session
    run 'and for all fixtures' -o asyncio_default_test_loop_scope=session -o asyncio_default_fixture_loop_scope=session
} | tee seen
cat > want <<'END'
one loop per test: 2 passed
one loop for all tests: 2 passed, 1 error
  ERROR test_app.py::test_that_sends
  attached to a different loop
and for all fixtures: 2 passed
END
diff want seen
