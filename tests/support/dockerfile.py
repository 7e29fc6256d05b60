"""A Dockerfile read into its stages, and the steps of one of them done without a container engine.

Absolute paths of the image lie below a folder instead; nothing else of a step is changed. Knows the
instructions that ours uses, and fails on others.
"""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_IMAGE_PATHS = ("/opt", "/src")
_STEP_SECONDS = 1800  # compiling takes minutes


@dataclass(frozen=True)
class Stage:
    """`image` as written after FROM; steps are (instruction, its text) in order."""

    name: str
    image: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def all_of(self, instruction: str) -> list[str]:
        """The texts of one instruction."""
        return [text for name, text in self.steps if name == instruction]

    def exec_form(self, instruction: str) -> list[str]:
        """The arguments of the one ENTRYPOINT, CMD or HEALTHCHECK, which must be a JSON list: no shell."""
        (text,) = self.all_of(instruction)
        result: list[str] = json.loads(text[text.index("[") :])
        return result


def read_dockerfile(path: Path) -> tuple[dict[str, str], list[Stage]]:
    """The ARGs in front of the first FROM with their defaults, and the stages."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    text = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for line in filter(None, text.splitlines()):
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            image, _, name = rest.partition(" AS ")
            stages.append(Stage(name, image))
        elif stages:
            stages[-1].steps.append((instruction, rest))
        else:
            assert instruction == "ARG"
            name, _, value = rest.partition("=")
            arguments[name] = value
    return arguments, stages


def make_context(repository: Path, target: Path) -> None:
    """What a builder would be sent: what `.dockerignore` lets through (everything is out but `!` lines)."""
    lines = (repository / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    out = [rule.removeprefix("**/") for rule in rules[1:] if not rule.startswith("!")]
    for name in (rule[1:] for rule in rules if rule.startswith("!")):
        source, goal = repository / name, target / name
        goal.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, goal, ignore=shutil.ignore_patterns(*out))
        else:
            shutil.copyfile(source, goal)


@dataclass
class Build:
    """Does steps below `root`, as a builder would below /. `python` is the base image's."""

    context: Path
    root: Path
    python: Path
    arguments: dict[str, str]
    workdir: str = "/"

    def run(self, stage: Stage) -> None:
        """All steps. Raises `CalledProcessError` if a command fails."""
        (self.root / "bin").mkdir(parents=True)
        (self.root / "bin/python").symlink_to(self.python)
        for instruction, text in stage.steps:
            getattr(self, f"_{instruction.lower()}")(text)

    def place(self, path: str) -> Path:
        """Where a path of the image lies."""
        return self.root / os.path.join(self.workdir, path).lstrip("/")

    def _arg(self, text: str) -> None:
        name, _, value = text.partition("=")
        self.arguments.setdefault(name, value)

    def _workdir(self, text: str) -> None:
        self.workdir = text
        self.place("").mkdir(parents=True, exist_ok=True)

    def _copy(self, text: str) -> None:
        *sources, target = text.split()
        for source in sources:
            given, goal = self.context / source, self.place(target)
            if given.is_dir():  # its contents, as COPY has it
                shutil.copytree(given, goal, dirs_exist_ok=True)
            else:
                goal.mkdir(parents=True, exist_ok=True)
                shutil.copy(given, goal)

    def _run(self, text: str) -> None:
        command = re.sub(r"^(--mount=\S+ )*", "", text)
        for path in _IMAGE_PATHS:
            command = re.sub(rf"(?<![\w.]){path}/", f"{self.root}{path}/", command)
        environ: dict[str, Any] = {
            "HOME": os.environ["HOME"],
            "PATH": f"{self.root}/bin:/usr/bin:/bin",
            "TMPDIR": str(self.root),
            **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))},
            **{name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")},
            **self.arguments,
        }
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=self.place(""), env=environ, capture_output=True, text=True,
            timeout=_STEP_SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
