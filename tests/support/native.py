"""What differs between a class of the plain and of the compiled build."""


def attributes_of(kind: type) -> tuple[str, ...]:
    """The names of its attributes: a compiled class keeps no `__slots__`."""
    names: tuple[str, ...] = getattr(kind, "__slots__", ()) or getattr(kind, "__mypyc_attrs__", ())
    assert names, kind
    return tuple(name for name in names if not name.startswith("__"))
