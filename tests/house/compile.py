"""Compiles what no test program holds. Usage: compile.py WHAT ROOT FOLDER COMPILER...

headers  every public header alone, and all of them together in both orders,
         with warnings as errors; tutti.hpp and what has bodies also as the
         installed packages compile it, with -DTUTTI_COMPILED
refused  every tests/**/refused/*.cpp: it must not compile, and the compiler
         must say the text that its first line gives after `// refused: `
Headers of an optional part are left out, by name, where the part is not there.
COMPILER may end in flags that say where one is.
What is compiled is written to FOLDER, which stays, so that ccache knows it.
"""
import concurrent.futures
import functools
import os
import pathlib
import re
import subprocess
import sys

# What only the optional parts of the library include.
OPTIONAL = re.compile(r"fatal error: '?((?:oneapi/|zlib|pmix|mpi|cuda|thrust/|cub/)[\w./]*)'?(?:: No such file| file not found)")
FLAGS = ["-std=c++20", "-O0", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", "-c"]


@functools.cache
def found_by_pkg_config():
    flags = []
    for package in ("ucx", "pmix", "zlib", "dnnl", "ompi"):
        found = subprocess.run(["pkg-config", "--cflags", package], capture_output=True, text=True).stdout
        # Open MPI's header does not keep to our warnings.
        flags += (found.replace("-I", "-isystem") if package == "ompi" else found).split()
    return flags


def compile_text(compiler, root, folder, name, text, *flags):
    """The exit status and what the compiler said."""
    source = folder / (re.sub(r"\W", "_", name + "".join(flags)) + ".cpp")
    source.write_text(text, encoding="utf-8")
    done = subprocess.run([*compiler, *FLAGS, *flags, *found_by_pkg_config(), f"-I{root}/include", source, "-o", f"{source}.o"],
                          capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def headers(compiler, root, folder):
    texts = {p.relative_to(root / "include").as_posix(): p.read_text(encoding="utf-8")
             for p in sorted((root / "include" / "tutti").rglob("*.hpp"))}
    tasks = [(name,) for name in texts]
    tasks += [(name, "-DTUTTI_COMPILED") for name, text in texts.items() if name == "tutti/tutti.hpp" or "TUTTI_WITH_BODIES" in text]

    present = []

    def one(task):
        # Twice, so that a missing guard shows.
        name, *flags = task
        return " ".join(task), *compile_text(compiler, root, folder, name, f"#include <{name}>\n" * 2, *flags)

    def together(name, order):
        status, said = compile_text(compiler, root, folder, name, "".join(f"#include <{h}>\n" for h in order))
        if status:
            yield f"all headers {name} do not compile:\n{said}"

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, status, said in pool.map(one, tasks):
            if not status and name in texts:
                present.append(name)
            if status and (absent := OPTIONAL.search(said)):
                print(f"{name}: left out, {absent.group(1)} is not here")
            elif status:
                yield f"{name} does not compile alone:\n{said}"
            else:
                print(f"{name}: compiles alone")
    yield from together("in order", present)
    yield from together("backwards", present[::-1])


def refused(compiler, root, folder):
    programs = sorted((root / "tests").glob("**/refused/*.cpp"))
    if not programs:
        yield "no program to refuse"
    for path in programs:
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(root).as_posix()
        sentence = re.match(r"// refused: (.+)\n", text)
        if not sentence:
            yield f"{name}: its first line does not say '// refused: ' and the sentence"
            continue
        status, said = compile_text(compiler, root, folder, name, text)
        if status == 0:
            yield f"{name}: compiles"
        elif sentence.group(1) not in said:
            yield f"{name}: refused without saying '{sentence.group(1)}':\n{said}"
        else:
            print(f"{name}: refused as it should be")


if __name__ == "__main__":
    what, root, folder, *compiler = sys.argv[1:]
    folder = pathlib.Path(folder)
    folder.mkdir(exist_ok=True)
    wrong = list({"headers": headers, "refused": refused}[what](compiler, pathlib.Path(root), folder))
    print("\n".join(wrong))
    sys.exit(1 if wrong else 0)
