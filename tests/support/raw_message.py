"""What a request and an answer have in common on the wire: a head, with a first line and fields."""


class RawMessage:
    """The bytes of a head, with its empty line."""

    head: bytes

    @property
    def fields(self) -> list[tuple[str, str]]:
        """Names and values in order, as they came."""
        lines = self.head.decode("latin-1").split("\r\n")[1:-2]
        return [(name, value) for name, _, value in (line.partition(": ") for line in lines)]

    def values(self, name: str) -> list[str]:
        """Every value of a field, whatever the case of its name."""
        return [value for field, value in self.fields if field.lower() == name.lower()]
