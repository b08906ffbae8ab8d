#!/usr/bin/python3
"""Every command and subcommand of the server's table occurs in a script beside this file.

    coverage.py STRATA_SERVER

A row without a script is a claim that nobody has compared with redis-server or with its documentation.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from resp import split_words  # noqa: E402
from servers import without_persistence  # noqa: E402

HERE = Path(__file__).resolve().parent
NAME, SUBCOMMANDS = 0, 9  # Places in a row of COMMAND INFO.


def table(connection):
    """Names as the server has them: "get", "client|list"; containers count as their subcommands."""
    names = set()
    for row in connection.command("COMMAND").value:
        subcommands = [subcommand.value[NAME].value.decode() for subcommand in row.value[SUBCOMMANDS].value]
        names.update(subcommands or [row.value[NAME].value.decode()])
    return names


def used():
    """What the scripts call: the first word of each line, and the first two."""
    names = set()
    for path in HERE.glob("*.test"):
        for line in path.read_text().splitlines():
            line = line.strip()
            if line and line[0] not in "#!":
                words = [word.decode("latin-1").lower() for word in split_words(line)[:2]]
                names.update([words[0], "|".join(words)])
    return names


def main():
    with without_persistence(sys.argv[1]) as server:
        wanted = table(server.connect())
    missing = sorted(wanted - used())
    if missing:
        print("in no script under tests/commands:", *missing, sep="\n    ")
        return 1
    print(f"{len(wanted)} commands, all of them in a script")
    return 0 if len(wanted) > 100 else 1


if __name__ == "__main__":
    sys.exit(main())
