"""A leaf for another name, signed by our intermediate, is refused by every client that trusts the root.

Each client asks two servers that show such a chain: one for a name that the intermediate may sign for, which
it accepts, and one for another, which it does not.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.ca.authority_files import load_key, read_certificates
from gateway.ca.certificate_authority import SigningPair, make_leaf, to_pem
from gateway.ca.trust_formats import TRUST_STORE_PASSWORD, to_java_trust_store
from gateway.ca.unnamed_files import load_pair
from tests.clients.programs import require_tool
from tests.support.authority import make_authority

PERMITTED, OTHER = "api.twilio.com", "example.com"
_SECONDS = 120

PYTHON = (
    "import os, socket, ssl\nc = ssl.create_default_context(cafile=os.environ['ROOT'])\n"
    "s = c.wrap_socket(socket.create_connection(('127.0.0.1', int(os.environ['PORT']))), "
    "server_hostname=os.environ['NAME'])\nprint(s.recv(99).decode())\n"
)
NODE = (
    "require('https').get({host: '127.0.0.1', port: process.env.PORT, servername: process.env.NAME, "
    "headers: {host: process.env.NAME}, checkServerIdentity: (_, c) => "
    "require('tls').checkServerIdentity(process.env.NAME, c)}, "
    "r => { console.log(r.statusCode); r.resume() })"
    ".on('error', e => { console.error(e.message); process.exit(1) })"
)
JAVA = """import java.net.*; import javax.net.ssl.*;
public class Ask { public static void main(String[] a) throws Exception {
  String name = System.getenv("NAME"); int port = Integer.parseInt(System.getenv("PORT"));
  SSLSocketFactory factory = (SSLSocketFactory) SSLSocketFactory.getDefault();
  SSLSocket s = (SSLSocket) factory.createSocket(new Socket("127.0.0.1", port), name, 443, true);
  SSLParameters p = s.getSSLParameters(); p.setEndpointIdentificationAlgorithm("HTTPS");
  s.setSSLParameters(p); s.startHandshake(); System.out.println(200); } }
"""
GO = """package main
import ("crypto/tls"; "crypto/x509"; "fmt"; "os")
func main() {
  pem, _ := os.ReadFile(os.Getenv("ROOT")); pool := x509.NewCertPool(); pool.AppendCertsFromPEM(pem)
  config := &tls.Config{RootCAs: pool, ServerName: os.Getenv("NAME")}
  c, err := tls.Dial("tcp", "127.0.0.1:"+os.Getenv("PORT"), config)
  if err != nil { fmt.Fprintln(os.Stderr, err); os.Exit(1) }
  c.Close(); fmt.Println(200) }
"""
PHP_STREAMS = """$o = ['cafile' => getenv('ROOT'), 'peer_name' => getenv('NAME')];
$c = stream_context_create(['ssl' => $o]);
$s = @stream_socket_client('ssl://127.0.0.1:'.getenv('PORT'), $n, $e, 20, STREAM_CLIENT_CONNECT, $c);
if (!$s) { fwrite(STDERR, "refused"); exit(1); } echo 200;"""
PHP_CURL = """$h = curl_init('https://'.getenv('NAME').':'.getenv('PORT').'/');
curl_setopt_array($h, [CURLOPT_CAINFO => getenv('ROOT'), CURLOPT_RETURNTRANSFER => true,
 CURLOPT_RESOLVE => [getenv('NAME').':'.getenv('PORT').':127.0.0.1']]);
if (curl_exec($h) === false) { fwrite(STDERR, curl_error($h)); exit(1); } echo 200;"""
RUBY = """require 'openssl'; require 'socket'
c = OpenSSL::SSL::SSLContext.new; c.ca_file = ENV['ROOT']; c.verify_mode = OpenSSL::SSL::VERIFY_PEER
s = OpenSSL::SSL::SSLSocket.new(TCPSocket.new('127.0.0.1', ENV['PORT'].to_i), c); s.hostname = ENV['NAME']
s.connect; s.post_connection_check(ENV['NAME']); puts 200"""


def _write(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder / name)


CLIENTS: dict[str, Callable[[Path], list[str]]] = {
    "python": lambda folder: [require_tool("python3"), "-c", PYTHON],
    "node": lambda folder: [require_tool("node"), "-e", NODE],
    "curl": lambda folder: [
        require_tool("curl"), "-sS", "--cacert", os.environ["ROOT"], "--resolve",
        f"{os.environ['NAME']}:{os.environ['PORT']}:127.0.0.1",
        f"https://{os.environ['NAME']}:{os.environ['PORT']}/",
    ],
    "java": lambda folder: [
        require_tool("java"), f"-Djavax.net.ssl.trustStore={folder / 'root.p12'}",
        f"-Djavax.net.ssl.trustStorePassword={TRUST_STORE_PASSWORD}", _write(folder, "Ask.java", JAVA),
    ],
    "go": lambda folder: [require_tool("go"), "run", _write(folder, "ask.go", GO)],
    "php_streams": lambda folder: [require_tool("php"), "-r", PHP_STREAMS],
    "php_curl": lambda folder: [require_tool("php"), "-r", PHP_CURL],
    "ruby": lambda folder: [require_tool("ruby"), "-e", RUBY],
}  # fmt: skip
"""How each is started; `ROOT`, `PORT` and `NAME` are in its environment."""


@asynccontextmanager
async def showing(folder: Path, name: str) -> AsyncIterator[int]:
    """A server that shows a leaf for `name`; its port."""
    intermediate, _ = read_certificates(folder / "ca.pem")
    issuer = SigningPair(intermediate, load_key((folder / "ca.key").read_bytes(), intermediate))
    leaf = make_leaf(issuer, name, datetime.now(UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_pair(context, to_pem(leaf.certificate) + to_pem(intermediate), leaf.key_pem)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def ask(
    client: str, folder: Path, port: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[int, str]:
    """A client's exit code and what it said."""
    root = str(folder / "root.pem")
    for variable, value in (
        ("ROOT", root),
        ("PORT", str(port)),
        ("NAME", name),
        ("NODE_EXTRA_CA_CERTS", root),
    ):
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("GOFLAGS", "-mod=mod")
    monkeypatch.setenv("GOCACHE", str(folder / "go"))
    process = await asyncio.create_subprocess_exec(
        *CLIENTS[client](folder), cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(_SECONDS):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(errors="replace")


@pytest.mark.slow
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_leaf_for_another_name_is_refused(
    client: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_authority(tmp_path)
    (tmp_path / "root.p12").write_bytes(to_java_trust_store(read_certificates(tmp_path / "root.pem")[0]))
    async with showing(tmp_path, PERMITTED) as port:
        code, said = await ask(client, tmp_path, port, PERMITTED, monkeypatch)
        assert code == 0, said
    async with showing(tmp_path, OTHER) as port:
        code, said = await ask(client, tmp_path, port, OTHER, monkeypatch)
        assert code != 0, said
        assert "compilation failed" not in said
