#!/usr/bin/python3
"""Checks that headers compile alone: headers.py [--jobs N] BUILD_DIR [header...] (default: every header of src).

The flags are those of any source in BUILD_DIR/compile_commands.json. Costs about half a second for each header.
"""

import argparse
import json
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def flags_of(build):
    """The compiler and the flags that are not about one file."""
    entry = json.loads((build / "compile_commands.json").read_text())[0]
    words = [word for word in shlex.split(entry["command"]) if not word.endswith("ccache")]
    kept, skip = [words[0]], False
    for word in words[1:]:
        if skip:
            skip = False
        elif word in ("-o", "-c"):
            skip = True
        else:
            kept.append(word)
    return kept


def check(header, flags):
    # Included, not compiled itself: "#pragma once in main file" would be a warning.
    source = f'#include "{header}"\n'
    command = [*flags, "-fsyntax-only", "-x", "c++", "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, cwd=ROOT)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("build", type=Path)
    parser.add_argument("headers", nargs="*", type=Path)
    options = parser.parse_args()
    headers = [path.resolve() for path in options.headers] or sorted((ROOT / "src").rglob("*.h"))
    flags = flags_of(options.build)
    failures = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for header, run in zip(headers, pool.map(lambda path: check(path, flags), headers)):
            if run.returncode != 0:
                failures += 1
                print(f"{header.relative_to(ROOT)} does not compile alone:\n{run.stderr}")
    print(f"{len(headers)} headers, {failures} that do not compile alone")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
