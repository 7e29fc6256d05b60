"""The admin port when others can reach it: tokens, login, cookie, throttle, foreign hosts and sites."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.support.caller import ask
from tests.support.running import ENVIRON, Running, running_gateway
from tests.support.upstream import RawUpstream

PAGE, METRICS = "page-token-0123456789abcdef", "metrics-token-0123456789abcdef"
TOKENS = ENVIRON | {"PAGE_TOKEN": PAGE, "METRICS_TOKEN": METRICS}
REMOTE = {
    "listen": "127.0.0.1:0",
    "allow_remote": True,
    "page_token": {"env": "PAGE_TOKEN"},
    "metrics_token": {"env": "METRICS_TOKEN"},
    "hosts": ["gateway.example.com"],
}
SECURITY = ("Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy")


@pytest.fixture
async def remote(upstream: RawUpstream) -> AsyncIterator[Running]:
    """A gateway whose admin port asks who is there."""
    async with running_gateway(upstream.url, TOKENS, admin=REMOTE) as gateway:
        yield gateway


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A browser as far as cookies go; it follows nothing."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield session


async def log_in(
    session: aiohttp.ClientSession, gateway: Running, token: str = PAGE, **headers: str
) -> aiohttp.ClientResponse:
    """The answer to the login's form."""
    url = f"{gateway.admin_url}/login"
    return await session.post(url, data={"token": token}, headers=headers, allow_redirects=False)


@pytest.mark.parametrize(
    ("path", "nobody", "metrics", "page"),
    [
        ("/livez", 200, 200, 200),
        ("/readyz", 200, 200, 200),
        ("/login", 200, 200, 200),
        ("/static/login.css", 200, 200, 200),
        ("/metrics", 401, 200, 401),
        ("/", 303, 401, 200),
        ("/static/index.html", 401, 401, 200),
        ("/api/state", 401, 401, 200),
        ("/api/history", 401, 401, 200),
        ("/api/consumers", 401, 401, 200),
        ("/api/exchanges", 401, 401, 200),
        ("/api/limits", 401, 401, 200),
        ("/api/nothing", 401, 401, 404),
        ("/nothing", 401, 401, 404),
    ],
)
async def test_who_sees_what(
    remote: Running, session: aiohttp.ClientSession, path: str, nobody: int, metrics: int, page: int
) -> None:
    """By no token, by the metrics' one, by the page's one; strict headers whatever comes of it."""
    for token, wanted in (("", nobody), (METRICS, metrics), (PAGE, page)):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with session.get(remote.admin_url + path, headers=headers, allow_redirects=False) as answer:
            assert answer.status == wanted, token
            assert all(answer.headers[name] for name in SECURITY)
            assert ("WWW-Authenticate" in answer.headers) is (wanted == 401)
            if path.startswith("/api") and wanted == 401:
                assert "token" in (await answer.json())["error"]


async def test_events_ask_as_well(remote: Running, session: aiohttp.ClientSession) -> None:
    async with session.get(f"{remote.admin_url}/api/events") as answer:
        assert answer.status == 401


async def test_login_and_logout(remote: Running, session: aiohttp.ClientSession) -> None:
    """A cookie that neither scripts nor other sites can use opens page, API and metrics until it is ended."""
    answer = await log_in(session, remote)
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "Path=/", "SameSite=Strict"} <= {part.strip() for part in cookie.split(";")}
    assert "Secure" not in cookie
    assert PAGE not in cookie
    for path in ("/", "/api/state", "/metrics", "/static/index.html"):
        async with session.get(remote.admin_url + path) as found:
            assert found.status == 200, path
    stolen = session.cookie_jar.filter_cookies(URL(remote.admin_url))["gateway_session"].value
    async with session.get(f"{remote.admin_url}/login") as found:
        assert "Log out" in await found.text()
    async with session.post(f"{remote.admin_url}/logout", allow_redirects=False) as found:
        assert (found.status, found.headers["Location"]) == (303, "/login")
    async with session.get(
        f"{remote.admin_url}/api/state", headers={"Cookie": f"gateway_session={stolen}"}
    ) as found:
        assert found.status == 401


async def test_the_cookie_is_secure_behind_tls(remote: Running, session: aiohttp.ClientSession) -> None:
    answer = await log_in(session, remote, **{"X-Forwarded-Proto": "https"})
    assert "Secure" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize("cookie", ["x", PAGE, METRICS, ""])
async def test_made_up_sessions_open_nothing(
    remote: Running, session: aiohttp.ClientSession, cookie: str
) -> None:
    headers = {"Cookie": f"gateway_session={cookie}"}
    async with session.get(f"{remote.admin_url}/api/state", headers=headers) as answer:
        assert answer.status == 401


async def test_wrong_tokens_are_slowed_down(remote: Running, session: aiohttp.ClientSession) -> None:
    """Ten at once; then even the right one waits, but a session that is open stays so, and probes as well."""
    assert (await log_in(session, remote)).status == 303
    async with aiohttp.ClientSession() as guesser:
        for _ in range(10):
            answer = await log_in(guesser, remote, "a-wrong-token-0123456789")
            assert answer.status == 401
            assert "a-wrong-token" not in await answer.text()
            assert "Set-Cookie" not in answer.headers
        for token in ("another-wrong-token-01234", PAGE):
            answer = await log_in(guesser, remote, token)
            assert (answer.status, int(answer.headers["Retry-After"]) > 0) == (429, True)
        bearer = {"Authorization": f"Bearer {PAGE}"}
        async with guesser.get(f"{remote.admin_url}/api/state", headers=bearer) as found:
            assert (found.status, "Retry-After" in found.headers) == (429, True)
        for path, headers in (("/readyz", {}), ("/metrics", {"Authorization": f"Bearer {METRICS}"})):
            async with guesser.get(remote.admin_url + path, headers=headers) as found:
                assert found.status == 200
    async with session.get(f"{remote.admin_url}/api/state") as found:
        assert found.status == 200
    await remote.capture.until(
        lambda lines: sum(line["event"] == "admin token refused" for line in lines) == 10
    )


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 303),
        ({"Sec-Fetch-Site": "none"}, 303),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://evil.example.com"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:1", "Host": "localhost:1"}, 303),
        ({"Origin": "https://gateway.example.com", "Host": "gateway.example.com"}, 303),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
async def test_forms_of_other_sites(
    remote: Running, session: aiohttp.ClientSession, headers: dict[str, str], status: int
) -> None:
    """Neither logs in nor out."""
    assert (await log_in(session, remote, **headers)).status == status
    if status == 403:
        async with session.post(
            f"{remote.admin_url}/logout", headers=headers, allow_redirects=False
        ) as answer:
            assert answer.status == 403


@pytest.mark.parametrize(
    ("host", "status"),
    [("gateway.example.com", 200), ("gateway.example.com:9090", 200), ("GATEWAY.example.com", 200),
     ("10.0.0.5:9090", 200), ("[::1]", 200), ("evil.example.com", 403), ("", 403)],
)  # fmt: skip
async def test_hosts(remote: Running, session: aiohttp.ClientSession, host: str, status: int) -> None:
    """Names that the configuration has, and addresses."""
    async with session.get(f"{remote.admin_url}/login", headers={"Host": host}) as answer:
        assert answer.status == status


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
@pytest.mark.parametrize(
    "head",
    [
        *("GET {path} HTTP/1.0", "HEAD {path} HTTP/1.0", "GET {path} HTTP/1.1\r\nHost: gateway.svc"),
        "OPTIONS {path} HTTP/1.0",
        *("GET {path} HTTP/1.1\r\nHost: evil.example.com", "GET {path} HTTP/1.1\r\nHost:"),
        "GET {path}?from=balancer HTTP/1.1\r\nHost: a.b, c",
    ],
    ids=["haproxy", "head", "service name", "haproxy by default", "foreign", "empty", "no host name"],
)
async def test_a3_a_probe_needs_no_host(remote: Running, head: str, path: str) -> None:
    """HAProxy's `option httpchk` sends none, Kubernetes and balancers any: they get one word."""
    port = int(remote.admin_url.rpartition(":")[2])
    sent = f"{head.format(path=path)}\r\nConnection: close\r\n\r\n".encode()
    method = head.partition(" ")[0]
    answer = await ask(port, sent, method)
    assert (answer.status, answer.body) == (200, b"" if method == "HEAD" else b"ok\n")
    remote.gateway.process_status.draining = True
    remote.gateway.heartbeat.close()
    remote.gateway.heartbeat._at = float("-inf")
    answer = await ask(port, sent, method)
    assert (answer.status, answer.body) == (503, b"" if method == "HEAD" else b"not ready\n")


async def test_a3_details_need_an_own_host(remote: Running, session: aiohttp.ClientSession) -> None:
    """By another name even a session opens nothing more: a page of another site must not read us."""
    await log_in(session, remote)
    async with session.get(f"{remote.admin_url}/readyz") as answer:
        assert (await answer.json())["state"] == "serving"
    async with session.get(f"{remote.admin_url}/readyz", headers={"Host": "evil.example.com"}) as answer:
        assert await answer.text() == "ok\n"
    for path in ("/", "/login", "/metrics", "/api/state", "/livez/x", "/readyz/"):
        async with session.get(
            remote.admin_url + path, headers={"Host": "evil.example.com"}, allow_redirects=False
        ) as answer:
            assert answer.status == 403, path
        assert all(answer.headers[name] for name in SECURITY)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_nothing_else_is_written_to(
    remote: Running, session: aiohttp.ClientSession, method: str
) -> None:
    bearer = {"Authorization": f"Bearer {PAGE}"}
    for path in ("/", "/api/state", "/metrics", "/livez"):
        async with session.request(method, remote.admin_url + path, headers=bearer) as answer:
            assert answer.status in (401, 405), path
            assert all(answer.headers[name] for name in SECURITY)


async def test_probes_are_told_little(remote: Running, session: aiohttp.ClientSession) -> None:
    """Neither version nor hash nor what is wrong; who has logged in sees them."""
    async with session.get(f"{remote.admin_url}/readyz") as answer:
        assert await answer.json() == {"ready": True}
    await log_in(session, remote)
    async with session.get(f"{remote.admin_url}/readyz") as answer:
        assert {"version", "config", "why"} <= (await answer.json()).keys()


@pytest.mark.parametrize(
    "given",
    [
        b"GET / HTTP/1.1\r\nHo st: <script>x</script>\r\n\r\n",
        b"<script> / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
    ],
)
async def test_what_is_no_request_is_not_quoted(remote: Running, given: bytes) -> None:
    """And is answered with the strict headers, too."""
    answer = await ask(int(remote.admin_url.rpartition(":")[2]), given)
    assert answer.status == 400
    assert answer.value("Content-Security-Policy")
    assert answer.value("Server") == "twilio-gateway"
    assert b"script>" not in answer.body
    assert b"\x16" not in answer.body


async def test_a_large_login_is_refused(remote: Running, session: aiohttp.ClientSession) -> None:
    assert (await log_in(session, remote, "x" * 5000)).status == 413


async def test_tokens_hold_on_loopback_too(upstream: RawUpstream, session: aiohttp.ClientSession) -> None:
    """Where they are given; each for itself."""
    only: dict[str, Any] = {"listen": "127.0.0.1:0", "metrics_token": {"env": "METRICS_TOKEN"}}
    async with running_gateway(upstream.url, TOKENS, admin=only) as gateway:
        for path, status in (("/metrics", 401), ("/api/state", 200), ("/", 200), ("/login", 303)):
            async with session.get(gateway.admin_url + path, allow_redirects=False) as answer:
                assert answer.status == status, path
