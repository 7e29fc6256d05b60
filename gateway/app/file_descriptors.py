"""The limit on open files: every connection needs a descriptor, even one that is only rejected."""

import resource


def allow_descriptors(wanted: int) -> int:
    """Raise the soft limit to `wanted`, as far as the hard one goes (getrlimit(2)); what is allowed now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
