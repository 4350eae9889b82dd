"""The rules of the house, read off the files. Usage: rules.py RULE ROOT

Each rule is a function from the root of a checkout to a list of sentences, one
for each place that breaks it; an empty list is a pass.
"""
import pathlib
import re
import subprocess
import sys

# A folder includes itself and the folders before it.
ORDER = ["base", "schedule", "analysis", "device", "transport", "comm", "launch", "kernel", "mesh", "nn", "train"]
# What the umbrella may reach, and the system headers it must not.
COLLECTIVES = ORDER[: ORDER.index("launch") + 1]
FOREIGN = re.compile(r"^(oneapi/|dnnl|zlib\.h|pmix|mpi\.h|cuda|thrust/|cub/|cudnn|cublas)")

# Names and where alone they may stand.
NAMES = [
    ("a UCX name", re.compile(r"\b(?:uc[pst]_\w+|UC[PST]_\w+)|<uc[pst]/"), {"transport", "launch"}),
    ("a CUDA name", re.compile(r"\b(?:cuda[A-Z_]\w*|cudnn\w*|cublas\w*|CU[A-Z]+_\w+)|__(?:global|device)__|<<<|<cuda"),
     {"device", "kernel"}),
    ("a oneDNN name", re.compile(r"\bdnnl\b|\bdnnl_\w+|<oneapi/|<dnnl"), {"kernel"}),
]

# Headers that need no test of their own at their path, each with the reason.
UNTESTED = {}

LONGEST = 400

# What stands at the top of the repository.
TOP = {"meson.build", "meson_options.txt", "include", "tests", "benchmarks", "examples", "subprojects", "README.md", "LICENSE",
       ".ci", ".gitignore", ".clang-format", ".clang-tidy"}
# What builds, editors and git leave there.
MADE = re.compile(r"build.*|\.cache|compile_commands\.json|\.git")


def headers(root):
    return sorted(path for kind in ("*.hpp", "*.cuh") for path in (root / "include" / "tutti").rglob(kind))


def room(root, path):
    """The folder of a header; '' for those that stand in include/tutti itself."""
    parts = path.relative_to(root / "include" / "tutti").parts
    return parts[0] if len(parts) > 1 else ""


def code(path):
    """The lines of a file without comments; what strings say stays."""
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), path.read_text(encoding="utf-8"), flags=re.S)
    return [re.sub(r"//.*", "", line) for line in text.split("\n")]


def includes(path):
    for number, line in enumerate(code(path), 1):
        if match := re.match(r"\s*#\s*include\s*[<\"]([^>\"]+)[>\"]", line):
            yield number, match.group(1)


def includes_run_down(root):
    wrong = []
    for path in headers(root):
        here = room(root, path)
        if here and here not in ORDER:
            wrong.append(f"{path}: '{here}' is not a folder of the house")
            continue
        for number, name in includes(path):
            if not name.startswith("tutti/"):
                if (root / "include" / "tutti" / name).exists() or (path.parent / name).exists():
                    wrong.append(f"{path}:{number}: include <{name}> by its whole path")
                continue
            there = name.split("/")[1] if name.count("/") > 1 else ""
            if here and (there not in ORDER or ORDER.index(there) > ORDER.index(here)):
                wrong.append(f"{path}:{number}: {here} must not include {name}")
    return wrong


def every_header_has_a_test(root):
    wrong = []
    for path in headers(root):
        name = path.relative_to(root / "include").as_posix()
        test = root / "tests" / path.relative_to(root / "include" / "tutti").with_suffix(".cpp")
        if path.suffix != ".hpp" or name in UNTESTED:
            continue
        if not test.exists():
            wrong.append(f"{name}: no test at {test.relative_to(root)}")
        elif (first := next(includes(test), (0, "nothing"))[1]) != name:
            wrong.append(f"{test.relative_to(root)}: includes {first} before {name}")
    return wrong


def names_stay_in_their_rooms(root):
    wrong = []
    for path in headers(root):
        for number, line in enumerate(code(path), 1):
            # What our own headers are called, and what base/config.hpp asks for, is no use of a name.
            line = re.sub(r"<tutti/[^>]*>|__has_include\(<[^>]*>\)" if path.name in ("config.hpp", "cuda.hpp") else r"$^", "", line)
            for what, pattern, rooms in NAMES:
                if room(root, path) not in rooms and (match := pattern.search(line)):
                    wrong.append(f"{path}:{number}: {match.group()} is {what}; it belongs in {' and '.join(sorted(rooms))}")
    return wrong


def features_are_read_in_one_place(root):
    """base/config.hpp asks the compiler and answers in macros of our own, which
    others may use. It cannot ask for a library's version: that stays with the
    library's other names."""
    config = root / "include" / "tutti" / "base" / "config.hpp"
    wrong = []
    for path in headers(root):
        for number, line in enumerate(code(path), 1):
            if path == config or not (match := re.match(r"\s*#\s*(?:el)?if(?:n?def)?\b(.*)", line)):
                continue
            macros = set(re.findall(r"[A-Za-z_]\w*", match.group(1))) - {"defined"}
            if any(not (m.startswith("TUTTI_") or (m.startswith("DNNL_VERSION_") and room(root, path) == "kernel"))
                   for m in macros):
                wrong.append(f"{path}:{number}: {line.strip()}: feature macros are read in base/config.hpp")
    return wrong


def headers_are_guarded(root):
    return [f"{path}: #pragma once is not its first line" for path in headers(root)
            if next((line.strip() for line in code(path) if line.strip()), "") != "#pragma once"]


def headers_are_short(root):
    return [f"{path}: {length} lines, at most {LONGEST}" for path in headers(root)
            if (length := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST]


def umbrella_needs_only_ucx(root):
    wrong, seen, next_ones = [], set(), [root / "include" / "tutti" / "tutti.hpp"]
    while next_ones:
        path = next_ones.pop()
        if path in seen:
            continue
        seen.add(path)
        if not path.exists():
            wrong.append(f"{path}: does not exist")
            continue
        for number, name in includes(path):
            if FOREIGN.match(name):
                wrong.append(f"{path}:{number}: tutti.hpp reaches <{name}>")
            elif name.startswith("tutti/"):
                if name.split("/")[1] not in COLLECTIVES:
                    wrong.append(f"{path}:{number}: tutti.hpp reaches {name}")
                next_ones.append(root / "include" / name)
    return wrong


def readme_is_cut_from_examples(root):
    """Every block of C++ in the README names the example that it is cut from,
    in a comment before it, and consists of consecutive lines of it."""
    wrong, source = [], None
    lines = (root / "README.md").read_text(encoding="utf-8").split("\n")
    number = 0
    while number < len(lines):
        line = lines[number]
        if match := re.match(r"<!-- cut from (\S+) -->", line):
            source = match.group(1)
        elif line.startswith("```"):
            end = next((n for n in range(number + 1, len(lines)) if lines[n].startswith("```")), len(lines))
            block = "\n".join(lines[number + 1:end])
            if line.startswith("```cpp"):
                if source is None:
                    wrong.append(f"README.md:{number + 1}: code that is cut from no example")
                elif not (root / source).exists() or f"\n{block}\n" not in "\n" + (root / source).read_text(encoding="utf-8"):
                    wrong.append(f"README.md:{number + 1}: not what {source} says")
            source, number = None, end
        number += 1
    return wrong


def environment_names_are_known(root):
    """Whoever misspells a name is warned, and whoever looks for one finds it in
    the README's table: so a name that is read stands in both."""
    names = root / "include" / "tutti" / "base" / "environment_names.hpp"
    known = names.read_text(encoding="utf-8") if names.exists() else ""
    readme = (root / "README.md").read_text(encoding="utf-8")
    wrong = []
    for path in headers(root):
        for number, line in enumerate(code(path), 1):
            for name in re.findall(r'environment(?:_number)?\("(TUTTI_\w+)"', line):
                if f'"{name}"' not in known:
                    wrong.append(f"{path}:{number}: {name} is not in base/environment_names.hpp")
                if f"| `{name}` |" not in readme:
                    wrong.append(f"{path}:{number}: {name} is not in the README's table")
    return wrong


def tracked_at_top(root):
    """The first folders of what git tracks; outside of git, what is there and was not made."""
    try:
        listed = subprocess.run(["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z"], capture_output=True, text=True)
        if listed.returncode == 0:
            return {name.split("/")[0] for name in listed.stdout.split("\0") if name}
    except FileNotFoundError:
        pass  # no git
    return {path.name for path in root.iterdir() if not MADE.fullmatch(path.name)}


def top_is_complete_and_no_more(root):
    there = tracked_at_top(root)
    return [f"{name}: {'is missing' if name in TOP else 'does not belong'} at the top" for name in sorted(there ^ TOP)]


RULES = {rule.__name__: rule for rule in (
    includes_run_down, every_header_has_a_test, names_stay_in_their_rooms, features_are_read_in_one_place,
    headers_are_guarded, headers_are_short, umbrella_needs_only_ucx, readme_is_cut_from_examples,
    environment_names_are_known, top_is_complete_and_no_more)}

if __name__ == "__main__":
    broken = RULES[sys.argv[1]](pathlib.Path(sys.argv[2]))
    print("\n".join(broken))
    sys.exit(1 if broken else 0)
