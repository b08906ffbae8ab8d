#!/usr/bin/python3
"""The rules of the house that a script can check, as a test.

  layers     a layer includes itself, the layers its layer(...) line names, and what those name
  system     only src/platform looks at the operating system; only SIMD files look at the instruction set
  lengths    source files of at most 700 lines, functions of at most 70; tests are exempt
  readmes    every layer has a README.md
  leftovers  nothing in the tree says that it is to be done later

Lengths beyond the rule stand in exceptions.txt, which only shrinks: an exception that is larger than what it
excuses, or that excuses nothing any more, fails too.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXCEPTIONS = Path(__file__).with_name("exceptions.txt")
FILE_LINES_MAX = 700
FUNCTION_LINES_MAX = 70

# The back ends of the event loop talk to epoll and io_uring themselves (DESIGN, layer 5).
SYSTEM_FILES = re.compile(r"src/platform/|src/runtime/(epoll|uring)_backend\.cc|src/runtime/\w+_bench\.cc")
SYSTEM_HEADERS = re.compile(
    r"(sys|linux|netinet|arpa|net|asm)/.*|(unistd|fcntl|poll|pthread|signal|dirent|sched|termios|netdb|dlfcn"
    r"|execinfo|liburing|windows|winsock2|syslog|pwd|grp|ucontext)\.h|csignal"
)
SYSTEM_MACROS = re.compile(r"\b(__linux__|__linux|__unix__|__APPLE__|__FreeBSD__|__NetBSD__|__OpenBSD__|__ANDROID__"
                           r"|_WIN32|_WIN64|_MSC_VER|__MINGW32__|__CYGWIN__)\b")
SIMD_FILES = re.compile(r"src/base/simd\.h|.*_kernel_\w+\.cc")
SIMD_HEADERS = re.compile(r"\w*intrin\.h|arm_(neon|sve|acle)\.h")

problems = []


def problem(path, line, text):
    problems.append(f"{path}:{line}: {text}")


def sources():
    """(path relative to the root, its text) of everything that is compiled."""
    for folder in ("src", "examples", "fuzz"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".cc", ".h"):
                yield path.relative_to(ROOT).as_posix(), path.read_text()


def is_test(path):
    return re.search(r"(_test|_bench|_fuzz)\.cc$|test_|_tools?\.h$|_support\.h$", path) is not None


# --- Layers ---------------------------------------------------------------------------------------------------


def read_layers():
    """The layers by name, each with the set of layers it may include."""
    text = re.sub(r"#.*", "", (ROOT / "CMakeLists.txt").read_text())
    allowed = {}
    for name, rest in re.findall(r"^layer\((\w+)([^)]*)\)", text, re.M):
        depends = re.search(r"DEPENDS([\w\s]*?)(?:LIBRARIES|$)", rest)
        names = depends.group(1).split() if depends else []
        for below in names:
            if below not in allowed:
                problem("CMakeLists.txt", 1, f"layer {name} depends on {below}, which is not below it")
        allowed[name] = {name}.union(names, *(allowed.get(below, set()) for below in names))
    return allowed


def check_layers(path, text, allowed):
    layer = path.split("/")[1]
    if layer not in allowed:
        problem(path, 1, f"src/{layer} has no layer({layer} …) line")
        return
    for number, line in enumerate(text.splitlines(), 1):
        include = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
        if not include:
            continue
        target = include.group(1)
        other = target.split("/")[0]
        if not (ROOT / "src" / target).exists():
            problem(path, number, f'"{target}": name a header by its path under src/')
        elif other not in allowed[layer]:
            problem(path, number, f"{layer} may not include {other} (see the layer lines in CMakeLists.txt)")


# --- The operating system and the instruction set ---------------------------------------------------------------


def check_system(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        include = re.match(r"\s*#\s*include\s*<([^>]+)>", line)
        header = include.group(1) if include else ""
        if not SYSTEM_FILES.match(path):
            if SYSTEM_HEADERS.fullmatch(header):
                problem(path, number, f"<{header}> belongs to src/platform")
            macro = SYSTEM_MACROS.search(line)
            if macro:
                problem(path, number, f"{macro.group()} belongs to src/platform")
        if SIMD_HEADERS.fullmatch(header) and not SIMD_FILES.fullmatch(path):
            problem(path, number, f"<{header}> belongs to base/simd.h or a *_kernel_<isa>.cc")


# --- Lengths ----------------------------------------------------------------------------------------------------

BLANKS = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"(?P<mark>\w*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|(?<!\w)'(?:\\.|[^'\\\n])+'""", re.S)
NOT_A_FUNCTION = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b[^()]*$|=\s*$|\breturn\b|^\s*$")


def without_comments(text):
    """The same lines, with the insides of comments, strings and directives blanked."""
    text = BLANKS.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
    return re.sub(r"^\s*#(?:[^\n]*\\\n)*[^\n]*", lambda match: re.sub(r"[^\n]", " ", match.group()), text, flags=re.M)


def functions(text):
    """(name, first line, number of lines) of every function body at namespace or class scope."""
    text = without_comments(text)
    scopes = []  # For each open brace: the function that it opens, or None.
    head_begin = 0  # Where the declaration in hand begins.
    for match in re.finditer(r"[{};]", text):
        at = match.start()
        if match.group() == "{":
            head = text[head_begin:at].replace("alignas(", "alignas ")
            inside_function = any(scope is not None for scope in scopes)
            opens = not inside_function and "(" in head and not NOT_A_FUNCTION.search(head)
            scopes.append(head_begin + len(head) - len(head.lstrip()) if opens else None)
        elif match.group() == "}" and scopes:
            begin = scopes.pop()
            if begin is not None:
                # The name stands before the first parenthesis that is not part of a template or a macro.
                name = re.search(r"([~\w:]+|operator\W+)\s*\(", text[begin:at])
                first = text.count("\n", 0, begin) + 1
                yield name.group(1) if name else "?", first, text.count("\n", 0, at) + 2 - first
        head_begin = match.end()


def read_exceptions():
    """(what, path, name or "") -> lines excused."""
    excused = {}
    for line in EXCEPTIONS.read_text().splitlines():
        words = line.split("#")[0].split()
        if words:
            what, path, *name, lines = words
            excused[(what, path, name[0] if name else "")] = int(lines)
    return excused


def measure(path, text):
    """What in this file is longer than the rule: (what, path, name) -> (first line, lines)."""
    found = {}
    lines = text.count("\n")
    if lines > FILE_LINES_MAX:
        found[("file", path, "")] = (1, lines)
    for name, first, count in functions(text):
        if count > FUNCTION_LINES_MAX:
            key = ("function", path, name)
            found[key] = max(found.get(key, (0, 0)), (first, count), key=lambda item: item[1])
    return found


def check_lengths(found, excused):
    for (what, path, name), (first, lines) in found.items():
        limit = FILE_LINES_MAX if what == "file" else FUNCTION_LINES_MAX
        if lines > excused.get((what, path, name), limit):
            problem(path, first, f"{what} {name}".strip() + f" has {lines} lines; look for its second idea")
    for key, lines in excused.items():
        measured = found.get(key, (1, 0))[1]
        if measured < lines:
            now = f"now {measured}" if measured else "no longer needed"
            problem("tests/tidy/exceptions.txt", 1, f"{' '.join(key)} {lines}: {now}; the list only shrinks")


# --- READMEs and leftovers ----------------------------------------------------------------------------------------


def check_readmes():
    for folder in sorted((ROOT / "src").iterdir()):
        if folder.is_dir() and not (folder / "README.md").exists():
            problem(folder.relative_to(ROOT), 1, "the layer has no README.md")


def check_leftovers():
    word = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
    for folder in ("src", "tests", "bench", "examples", "fuzz", "cmake", "docs"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix not in (".cc", ".h", ".py", ".cmake", ".txt", ".md", ".js") or "node_modules" in path.parts:
                continue
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if word.search(line):
                    problem(path.relative_to(ROOT), number, f"leftover: {line.strip()}")


def main():
    allowed = read_layers()
    found = {}
    for path, text in sources():
        if path.startswith("src/"):
            check_layers(path, text, allowed)
            check_system(path, text)
        if not is_test(path):
            found.update(measure(path, text))
    check_lengths(found, read_exceptions())
    check_readmes()
    check_leftovers()
    for text in problems:
        print(text)
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
