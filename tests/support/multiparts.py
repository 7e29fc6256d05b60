"""A multipart/form-data body from pairs."""


def multipart(*pairs: str, boundary: str = "----=_Part_7_1.2") -> tuple[bytes, bytes]:
    """(body, its Content-Type) of 'name=value' pairs."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, _, value in (pair.partition("=") for pair in pairs)
    ]
    body = "".join(parts) + f"--{boundary}--\r\n"
    return body.encode(), f'multipart/form-data; boundary="{boundary}"'.encode()
