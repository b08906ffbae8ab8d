#!/usr/bin/python3
"""Reads a release binary's ELF and fails unless it is hardened: hardening.py BINARY

Position-independent, all relocations read-only after start, no executable stack, stack protector, and glibc's
checked functions (FORTIFY).
"""

import re
import subprocess
import sys


def readelf(option, binary):
    return subprocess.run(["readelf", "-W", option, binary], check=True, capture_output=True, text=True).stdout


def main():
    binary = sys.argv[1]
    header, segments = readelf("-h", binary), readelf("-l", binary)
    dynamic, symbols = readelf("-d", binary), readelf("--dyn-syms", binary)
    stack = re.search(r"GNU_STACK.*", segments)
    checks = {
        "position independent (PIE)": "DYN" in header and re.search(r"FLAGS_1.*PIE", dynamic),
        "read-only relocations (RELRO)": "GNU_RELRO" in segments,
        "bound at start (full RELRO)": re.search(r"BIND_NOW|FLAGS_1.*NOW", dynamic),
        "stack not executable": stack and "RWE" not in stack.group(),
        "stack protector": "__stack_chk_fail" in symbols,
        "checked libc functions (FORTIFY)": re.search(r"__(?!stack)\w+_chk\b", symbols),
        "no writable and executable segment": not re.search(r"LOAD.*RWE", segments),
    }
    for name, good in checks.items():
        print(f"{'ok' if good else 'MISSING':8} {name}")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
