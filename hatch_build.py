"""Compiles the hot modules with mypyc for a wheel, if GATEWAY_BUILD=compiled asks for it.

The list of modules is in pyproject.toml. Without the variable, and always in an editable install, the wheel
is pure Python: a checkout and `make run` compile nothing. Needs a C compiler and the packages of
`deploy/requirements-compile.lock`, which pip installs by itself where the build is isolated;
reasons and figures: docs/adr/0014-compiled-wheels.md.
"""

import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VARIABLE = "GATEWAY_BUILD"
_KINDS = ("pure", "compiled")
_LIBRARY = "twilio_gateway"
_NO_COLUMNS = "-Wno-misleading-indentation"
"""For this warning of -Wall, gcc reads the source again at each `if`, which took more than half its time."""


class CompiledModules(BuildHookInterface[Any]):
    """Adds one shared library, and for each compiled module a stub that loads it, beside the sources."""

    PLUGIN_NAME = "custom"
    _folder: tempfile.TemporaryDirectory[str] | None = None

    def dependencies(self) -> list[str]:
        """What a build needs beside hatchling (PEP 517's `get_requires_for_build_wheel`)."""
        if os.environ.get(VARIABLE) != "compiled":
            return []
        tools = self.metadata.config["dependency-groups"]["compile"]
        return [*(each for each in tools if isinstance(each, str)), *self.metadata.core.dependencies]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        kind = os.environ.get(VARIABLE, "pure")
        if kind not in _KINDS:
            raise ValueError(f"{VARIABLE} is {kind!r}: write {' or '.join(_KINDS)}")
        if self.target_name != "wheel" or version == "editable" or kind == "pure":
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        self._folder = tempfile.TemporaryDirectory(prefix="gateway-mypyc-")
        out = Path(self._folder.name)
        compile_modules(Path(self.root), find_modules(Path(self.root), self.config), out)
        for library in sorted(out.joinpath("lib").rglob("*")):
            if library.is_file():
                build_data["force_include"][str(library)] = str(library.relative_to(out / "lib"))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if self._folder is not None:
            self._folder.cleanup()


def find_modules(root: Path, config: dict[str, Any]) -> list[str]:
    """The paths below `root` that the list in pyproject.toml stands for."""
    left_out = {*config["interpreted"]}
    found: list[str] = []
    for pattern in config["compiled"]:
        names = sorted(path.relative_to(root).as_posix() for path in root.glob(pattern))
        if not names:
            raise ValueError(f"pyproject.toml: nothing matches {pattern} of the modules to compile")
        found += [name for name in names if name not in left_out and not name.endswith("__init__.py")]
    return found


def compile_modules(root: Path, modules: list[str], out: Path) -> None:
    """Compile `modules` (paths below `root`) into `out/lib`, laid out as in the wheel.

    Types come from the packages of the interpreter named by GATEWAY_TYPES_FROM, or of this one: mypyc trusts
    them, so that they must be those that the gateway runs with. Extras may be missing there: what is wrong in
    modules that are not compiled is not asked here.
    """
    import setuptools  # first: mypyc asks whether it is loaded
    from mypyc.build import mypycify

    python = os.environ.get("GATEWAY_TYPES_FROM", sys.executable)
    with contextlib.chdir(root):
        extensions = mypycify(
            [
                "--python-executable",
                python,
                "--config-file",
                "pyproject.toml",
                "--follow-imports",
                "silent",
                *modules,
            ],
            group_name=_LIBRARY,
            target_dir=str(out / "c"),
            opt_level="3",
            debug_level="0",
        )
        for extension in extensions:
            extension.extra_compile_args.append(_NO_COLUMNS)
        distribution = setuptools.Distribution({"name": _LIBRARY, "ext_modules": extensions})
        command = distribution.get_command_obj("build_ext")
        command.build_lib = str(out / "lib")  # type: ignore[attr-defined]
        command.build_temp = str(out / "temp")  # type: ignore[attr-defined]
        command.ensure_finalized()
        command.run()
