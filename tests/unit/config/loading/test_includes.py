"""Included files: read, merged, watched, and named in problems."""

from pathlib import Path

from gateway.config.loading.child_process import LARGE_BYTES, load_apart
from gateway.config.loading.includes import count_bytes
from gateway.config.loading.load import load_settings
from gateway.config.loading.resolve import load_resolved
from gateway.config.reloading.fingerprints import find_directories, take_fingerprint
from tests.unit.config.conftest import CREDENTIALS, ENVIRON, GOOD, Write, complaint, complaints

TEAM = """\
consumers:
  {name}:
    keys: ["sha256:{digit}"]
    credential: main
    allow: [everything]
"""


def team(folder: Path, name: str, digit: str = "3", text: str = "") -> Path:
    """A file of a team, with one consumer."""
    file = folder / "consumers.d" / f"{name}.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(TEAM.format(name=name, digit=digit * 64) + text)
    return file


def test_files_that_a_glob_matches_are_read(write: Write, tmp_path: Path) -> None:
    path = write(f'include: "consumers.d/*.yaml"\n{GOOD}')
    team(tmp_path, "reminders")
    team(tmp_path, "support", "4")
    team(tmp_path, ".hidden", "5")
    assert list(load_settings(path, ENVIRON).settings.consumers) == ["billing", "reminders", "support"]


def test_the_file_itself_needs_no_consumers(write: Write, tmp_path: Path) -> None:
    path = write(f"include: [consumers.d/a.yaml]\n{CREDENTIALS}")
    team(tmp_path, "a")
    assert list(load_settings(path, ENVIRON).settings.consumers) == ["a"]


def test_a_problem_names_the_included_file_and_its_line(write: Write, tmp_path: Path) -> None:
    path = write(f'include: ["consumers.d/*.yaml"]\n{GOOD}')
    team(tmp_path, "reminders", text="    mood: good\n")
    assert complaint(path) == (
        "consumers.d/reminders.yaml:6: consumers.reminders.mood: unknown name; did you mean 'mode'?"
    )


def test_a_name_in_two_files_is_an_error_with_both_places(write: Write, tmp_path: Path) -> None:
    path = write(f'include: ["consumers.d/*.yaml"]\n{GOOD}')
    team(tmp_path, "billing")
    assert complaint(path) == (
        "gateway.yaml:7: consumers.billing: given in two files, "
        "gateway.yaml:7 and consumers.d/billing.yaml:2; keep one of the two"
    )


def test_a_file_that_is_named_must_exist(write: Write) -> None:
    path = write(f"include: [teams/a.yaml]\n{GOOD}")
    assert complaint(path).startswith("gateway.yaml:1: include.0: the file teams/a.yaml cannot be read")


def test_a_glob_may_match_nothing(write: Write) -> None:
    path = write(f'include: ["consumers.d/*.yaml"]\n{GOOD}')
    assert complaints(path) == []


def test_other_sections_stay_in_the_main_file(write: Write, tmp_path: Path) -> None:
    path = write(f'include: ["consumers.d/*.yaml"]\n{GOOD}')
    team(tmp_path, "reminders", text="listen: 0.0.0.0:80\ninclude: x.yaml\nx-notes: {}\n")
    lines = complaints(path)
    assert [line.split(": ", 2)[0] for line in lines] == [f"consumers.d/reminders.yaml:{n}" for n in (6, 7)]
    assert all("an included file has consumers, credentials, groups" in line for line in lines)


def test_broken_files_are_told_together(write: Write, tmp_path: Path) -> None:
    path = write(f'include: ["consumers.d/*.yaml"]\n{GOOD}')
    team(tmp_path, "a", text="\tx\n")
    team(tmp_path, "b", text="}\n")
    assert [line.partition(":")[0] for line in complaints(path)] == [
        "consumers.d/a.yaml",
        "consumers.d/b.yaml",
    ]


def test_two_globs_may_match_the_same_file(write: Write, tmp_path: Path) -> None:
    path = write(f'include: ["consumers.d/*.yaml", "consumers.d/a*"]\n{GOOD}')
    team(tmp_path, "a")
    assert list(load_settings(path, ENVIRON).settings.consumers) == ["billing", "a"]


def test_the_hash_changes_with_an_included_file(write: Write, tmp_path: Path) -> None:
    path = write(f'include: ["consumers.d/*.yaml"]\n{GOOD}')
    hashes = {load_settings(path, ENVIRON).config_hash}
    file = team(tmp_path, "a")
    hashes.add(load_settings(path, ENVIRON).config_hash)
    file.write_text(file.read_text() + "\n")
    hashes.add(load_settings(path, ENVIRON).config_hash)
    assert len(hashes) == 3


def test_a_reload_watches_for_new_files(write: Write, tmp_path: Path) -> None:
    path = write(f'include: ["consumers.d/*.yaml"]\n{GOOD}')
    team(tmp_path, "a")
    files = load_resolved(path, ENVIRON).files
    before = take_fingerprint(files)
    assert tmp_path / "consumers.d" in find_directories(files)
    team(tmp_path, "b", "4")
    assert take_fingerprint(files) != before


def test_a_child_process_reads_them_as_well(write: Write, tmp_path: Path) -> None:
    path = write(f'include: ["consumers.d/*.yaml"]\n{GOOD}')
    team(tmp_path, "a", text="#" * LARGE_BYTES + "\n")
    assert count_bytes(path.read_bytes(), path) > LARGE_BYTES
    assert load_apart(path, ENVIRON) == load_settings(path, ENVIRON)
