"""The files of a CA: their modes, what is refused, and what renewing leaves as it is."""

import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.ca.authority_files import AuthorityError, AuthorityFiles, load_key, read_certificates, read_root
from gateway.ca.certificate_authority import permitted_names

NOW = datetime.now(UTC)
PHRASE = b"correct horse"


@pytest.fixture
def files(tmp_path: Path) -> AuthorityFiles:
    """A CA that was just made."""
    made = AuthorityFiles(tmp_path / "pki")
    made.create(["gateway.internal"], PHRASE, NOW)
    return made


def test_keys_are_for_their_owner_alone(files: AuthorityFiles) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in files.directory.iterdir()}
    assert modes == {"root.pem": 0o644, "root.key": 0o600, "ca.pem": 0o644, "ca.key": 0o600}
    assert stat.S_IMODE(files.directory.stat().st_mode) == 0o700


def test_the_roots_key_is_encrypted_and_the_other_is_not(files: AuthorityFiles) -> None:
    assert b"ENCRYPTED PRIVATE KEY" in (files.directory / "root.key").read_bytes()
    intermediate, root = read_certificates(files.directory / "ca.pem")
    assert root == read_root(files.directory)
    load_key((files.directory / "ca.key").read_bytes(), intermediate)
    intermediate.verify_directly_issued_by(root)


def test_renewing_keeps_root_and_names(files: AuthorityFiles) -> None:
    before = (files.directory / "root.pem").read_bytes(), read_certificates(files.directory / "ca.pem")[0]
    later = NOW + timedelta(days=80)
    files.renew(["added.example"], PHRASE, later)
    after = read_certificates(files.directory / "ca.pem")[0]
    assert (files.directory / "root.pem").read_bytes() == before[0]
    assert set(permitted_names(after)) == {"twilio.com", "gateway.internal", "added.example"}
    assert after != before[1]
    assert after.not_valid_after_utc > later + timedelta(days=89)
    load_key((files.directory / "ca.key").read_bytes(), after)
    assert sorted(path.name for path in files.directory.iterdir()) == [
        "ca.key",
        "ca.pem",
        "root.key",
        "root.pem",
    ]


def test_an_intermediate_ends_with_its_root(files: AuthorityFiles) -> None:
    files.renew([], PHRASE, NOW + timedelta(days=3600))
    intermediate, root = read_certificates(files.directory / "ca.pem")
    assert intermediate.not_valid_after_utc == root.not_valid_after_utc


SPOILT: list[tuple[Callable[[Path], object], bytes, str]] = [
    (lambda folder: None, b"wrong", "the passphrase is wrong"),
    (lambda folder: (folder / "root.key").unlink(), PHRASE, "root.key cannot be read (No such file"),
    (lambda folder: (folder / "root.key").write_text("nothing"), PHRASE, "this is no private key"),
    (lambda folder: (folder / "root.pem").write_text("nothing"), PHRASE, "root.pem holds no certificate"),
    (
        lambda folder: (folder / "root.key").write_bytes((folder / "ca.key").read_bytes()),
        PHRASE,
        "the key is not encrypted",
    ),
    (
        lambda folder: (folder / "root.pem").write_bytes((folder / "ca.pem").read_bytes()),
        PHRASE,
        "the key is not the certificate's",
    ),
]


@pytest.mark.parametrize(
    ("spoil", "phrase", "words"), SPOILT, ids=["phrase", "no_key", "key", "root", "plain", "other"]
)
def test_what_cannot_be_renewed(
    files: AuthorityFiles, spoil: Callable[[Path], object], phrase: bytes, words: str
) -> None:
    spoil(files.directory)
    before = (files.directory / "ca.pem").read_bytes()
    with pytest.raises(AuthorityError) as caught:
        files.renew([], phrase, NOW)
    assert words in str(caught.value)
    assert (files.directory / "ca.pem").read_bytes() == before


def test_a_root_that_has_expired(files: AuthorityFiles) -> None:
    with pytest.raises(AuthorityError, match="the root has expired"):
        files.renew([], PHRASE, NOW + timedelta(days=3651))


@pytest.mark.parametrize("name", ["root.pem", "root.key", "ca.pem", "ca.key"])
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(AuthorityError, match="is there already"):
        AuthorityFiles(tmp_path).create([], PHRASE, NOW)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AuthorityError, match="cannot be written"):
        AuthorityFiles(tmp_path / "file" / "pki").create([], PHRASE, NOW)
