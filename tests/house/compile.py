"""Compiles what no test program holds. Usage: compile.py WHAT ROOT FOLDER COMPILER...

headers  all public headers together in both orders, with warnings as errors
         (alone, each is compiled by its test, which includes it first);
         tutti.hpp and what has bodies also as the installed packages compile
         it, with -DTUTTI_COMPILED
refused  every tests/**/refused/*.cpp: it must not compile, and the compiler
         must say the text that its first line gives after `// refused: `; or,
         where that is `// refused, each with -DCASE=n:`, what the lines `// n: `
         after it give, none with more than ten lines before it, and without
         a word with -DCASE=0
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
OPTIONAL = re.compile(r"oneapi/|zlib|pmix|mpi\.h|cuda|cudnn|cublas|thrust/|cub/")
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
    included = {name: re.findall(r"#\s*include <([\w./+-]+)>", text) for name, text in texts.items()}

    @functools.cache
    def is_here(other):
        return compile_text(compiler, root, folder, other, f"#include <{other}>\n")[0] == 0

    def absent(name):
        """What a header cannot do without and is not here, if anything."""
        reached, left = {name}, [name]
        while left:
            for other in included.get(left.pop(), ()):
                if OPTIONAL.match(other) and not is_here(other):
                    return other
                if other not in reached:
                    reached.add(other)
                    left.append(other)
        return None

    present = []
    for name in texts:
        if missing := absent(name):
            print(f"{name}: left out, {missing} is not here")
        else:
            present.append(name)
    tasks = [("all headers in order", present), ("all headers backwards", present[::-1])]
    tasks += [(f"{name} as installed", [name], "-DTUTTI_COMPILED")
              for name in present if name == "tutti/tutti.hpp" or "TUTTI_WITH_BODIES" in texts[name]]

    def one(task):
        name, order, *flags = task
        return name, *compile_text(compiler, root, folder, name, "".join(f"#include <{h}>\n" for h in order), *flags)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, status, said in pool.map(one, tasks):
            if status:
                yield f"{name}: does not compile:\n{said}"
            else:
                print(f"{name}: compiles")


# A sentence in the arguments of a template may come in pieces.
PIECES = re.compile(r'"\}, (?:\w+::)*because<[^"]*>\{"')
BEFORE = 10


def cases(path, text):
    """Each wrong program of a file: its name, its flags, and the sentence; None where there is none."""
    if one := re.match(r"// refused: (.+)\n", text):
        yield path, (), one.group(1)
    elif re.match(r"// refused, each with -DCASE=n:\n", text):
        yield path, ("-DCASE=0",), ""
        for case in re.finditer(r"^// (\d+): (.+)$", text, re.M):
            yield f"{path}, case {case.group(1)}", (f"-DCASE={case.group(1)}",), case.group(2)
    else:
        yield path, (), None


def refused(compiler, root, folder):
    programs = sorted((root / "tests").glob("**/refused/*.cpp"))
    if not programs:
        yield "no program to refuse"

    def one(task):
        (name, flags, sentence), text = task
        if sentence is None:
            return f"{name}: its first line does not say '// refused: ' and the sentence"
        status, said = compile_text(compiler, root, folder, name, text, *flags)
        if not sentence:
            return f"{name}: does not compile with -DCASE=0:\n{said}" if status else None
        if status == 0:
            return f"{name}: compiles"
        said = PIECES.sub(" ", said)
        if sentence not in said:
            return f"{name}: refused without saying '{sentence}':\n{said}"
        if flags and (lines := said[:said.index(sentence)].count("\n")) > BEFORE:
            return f"{name}: {lines} lines before what is wrong:\n{said}"
        print(f"{name}: refused as it should be")
        return None

    tasks = [(case, text) for path in programs for text in [path.read_text(encoding="utf-8")]
             for case in cases(path.relative_to(root).as_posix(), text)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from filter(None, pool.map(one, tasks))


if __name__ == "__main__":
    what, root, folder, *compiler = sys.argv[1:]
    folder = pathlib.Path(folder)
    folder.mkdir(exist_ok=True)
    wrong = list({"headers": headers, "refused": refused}[what](compiler, pathlib.Path(root), folder))
    print("\n".join(wrong))
    sys.exit(1 if wrong else 0)
