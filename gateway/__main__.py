"""The command line: finds the command's module in `gateway/commands/`, and gives it its arguments.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 75 a configuration that only an unavailable
secret store makes unusable.
"""

import os
import sys
from collections.abc import Sequence

from gateway.commands.command_line import build_parser
from gateway.config.problems import TEMPORARY_EXIT, ConfigError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. `argv` is without the program's name; by default the process's."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    parsed = build_parser(arguments).parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
        sys.stdout.flush()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return TEMPORARY_EXIT if error.temporary else 2
    except BrokenPipeError:
        # `gateway schema | head`: https://docs.python.org/3/library/signal.html#note-on-sigpipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
