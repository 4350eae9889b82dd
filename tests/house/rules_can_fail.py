"""Breaks every rule of rules.py once, in a small house of its own."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import rules
import vectors

SOUND = {
    "include/tutti/base/a.hpp": "#pragma once\n#include <vector>\n// as ucp_mem_map does; cudaMalloc is elsewhere\n",
    "include/tutti/base/environment_names.hpp": "#pragma once\n// \"TUTTI_A\"\n",
    "include/tutti/comm/b.hpp": "#pragma once\n#include <tutti/base/a.hpp>\n#if TUTTI_ON_X86_64\n#endif\n"
                                "auto a() { return environment_number(\"TUTTI_A\", 1, 0, 2); }\n",
    "include/tutti/transport/c.hpp": "#pragma once\n#include <ucp/api/ucp.h>\ninline void f(ucp_ep_h);\n",
    "include/tutti/kernel/d.hpp": "#pragma once\n#include <oneapi/dnnl/dnnl.hpp>\n#if DNNL_VERSION_MAJOR < 3\n#endif\n",
    "include/tutti/tutti.hpp": "#pragma once\n#include <tutti/comm/b.hpp>\n",
    "tests/base/a.cpp": "#include <tutti/base/a.hpp>\n",
    "tests/base/environment_names.cpp": "#include <tutti/base/environment_names.hpp>\n",
    "tests/comm/b.cpp": "#include <tutti/comm/b.hpp>\n",
    "tests/transport/c.cpp": "// a comment\n#include <tutti/transport/c.hpp>\n",
    "tests/kernel/d.cpp": "#include <tutti/kernel/d.hpp>\n",
    "tests/tutti.cpp": "#include <tutti/tutti.hpp>\n",
    "examples/e.cpp": "int main() {\n  return 0;\n}\n",
    "README.md": "<!-- cut from examples/e.cpp -->\n```cpp\n  return 0;\n```\n```\nwhat it prints\n```\n| `TUTTI_A` | what it does |\n",
    **{name: "\n" for name in ("meson.build", "meson_options.txt", "benchmarks/f.cpp", "subprojects/g.wrap", "LICENSE", ".ci/run",
                               ".gitignore", ".clang-format", ".clang-tidy", "build/made", "compile_commands.json")},
}

# A file's new text, or None where it goes, and the one rule that must then speak.
BREAKS = [
    ("includes_run_down", "include/tutti/base/a.hpp", "#pragma once\n#include <tutti/comm/b.hpp>\n"),
    ("includes_run_down", "include/tutti/attic/a.hpp", "#pragma once\n"),
    ("includes_run_down", "include/tutti/comm/b.hpp", "#pragma once\n#include \"../base/a.hpp\"\n"),
    ("includes_run_down", "include/tutti/comm/b.hpp", "#pragma once\n#include <tutti/tutti.hpp>\n"),
    ("every_header_has_a_test", "tests/comm/b.cpp", None),
    ("every_header_has_a_test", "tests/comm/b.cpp", "#include <vector>\n#include <tutti/comm/b.hpp>\n"),
    ("names_stay_in_their_rooms", "include/tutti/comm/b.hpp", "#pragma once\ninline void f(ucp_ep_h);\n"),
    ("names_stay_in_their_rooms", "include/tutti/comm/b.hpp", "#pragma once\n#include <ucs/type/status.h>\n"),
    ("names_stay_in_their_rooms", "include/tutti/transport/c.hpp", "#pragma once\nvoid f() { cudaFree(0); }\n"),
    ("names_stay_in_their_rooms", "include/tutti/comm/b.hpp", "#pragma once\nusing dnnl::memory;\n"),
    ("names_stay_in_their_rooms", "include/tutti/comm/b.hpp", "#pragma once\n#include <cuda_runtime_api.h>\n"),
    ("names_stay_in_their_rooms", "include/tutti/comm/b.hpp", "#pragma once\n__device__ void f();\n"),
    ("features_are_read_in_one_place", "include/tutti/comm/b.hpp", "#pragma once\n#ifdef __linux__\n#endif\n"),
    ("features_are_read_in_one_place", "include/tutti/comm/b.hpp", "#pragma once\n#if defined(__AVX2__)\n#endif\n"),
    ("features_are_read_in_one_place", "include/tutti/comm/b.hpp", "#pragma once\n#if DNNL_VERSION_MAJOR > 2\n#endif\n"),
    ("headers_are_guarded", "include/tutti/comm/b.hpp", "#include <vector>\n#pragma once\n"),
    ("headers_are_short", "include/tutti/comm/b.hpp", "#pragma once\n" + "\n" * 400),
    ("umbrella_needs_only_ucx", "include/tutti/comm/b.hpp", "#pragma once\n#include <zlib.h>\n"),
    ("umbrella_needs_only_ucx", "include/tutti/tutti.hpp", "#pragma once\n#include <tutti/kernel/d.hpp>\n"),
    ("readme_is_cut_from_examples", "examples/e.cpp", "int main() {\n  return 1;\n}\n"),
    ("environment_names_are_known", "include/tutti/comm/b.hpp", "#pragma once\nauto f() { return environment(\"TUTTI_B\"); }\n"),
    ("environment_names_are_known", "README.md", "no table\n"),
    ("environment_names_are_known", "include/tutti/base/environment_names.hpp", "#pragma once\n"),
    ("readme_is_cut_from_examples", "README.md", "```cpp\n  return 0;\n```\n"),
    ("top_is_complete_and_no_more", "NOTES.md", "\n"),
    ("top_is_complete_and_no_more", ".tools/h", "\n"),
    ("top_is_complete_and_no_more", "LICENSE", None),
]


def build(root, files):
    for name, text in files.items():
        if text is not None:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def only_what_is_tracked_counts():
    """Where git can be asked, a file counts once it is added."""
    if not shutil.which("git"):
        return True
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        build(root, {name: text for name, text in SOUND.items() if name not in ("build/made", "compile_commands.json")})
        git = lambda *words: subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True)
        git("init", "-q")
        git("add", ".")
        build(root, {"NOTES.md": "\n"})
        before = rules.top_is_complete_and_no_more(root)
        git("add", "NOTES.md")
        return not before and rules.top_is_complete_and_no_more(root) == ["NOTES.md: does not belong at the top"]


def single_additions_are_seen():
    """A program that folds in vectors, and the same with each fold spoilt or gone."""
    names = ["void fold_wide<float, tutti::plus>(float*)"] + [
        f"void fold_lines_wide<float, tutti::plus{''.join(f', {i}ul' for i in range(n - 1))}>(int)"
        for n in (2, 4, 8)]
    block = lambda name, addition: f"0000000000001000 <{name}>:\n    1000:\t{addition}\n    1004:\tret\n"
    program = lambda spoilt, addition: "x: file format elf64-x86-64\n\n" + "\n\n".join(
        block(name, addition if name == spoilt else "vaddps (%rsi),%ymm0,%ymm0") for name in names if addition or name != spoilt)
    return not list(vectors.flaws(program(None, None))) and all(
        len(list(vectors.flaws(program(name, addition)))) >= 1 for name in names for addition in (None, "vaddss (%rsi),%xmm0,%xmm0", "ret"))


def main():
    wrong = 0
    if not single_additions_are_seen():
        print("sums_are_folded_in_vectors: a fold that adds single floats, or is gone, is not seen")
        wrong += 1
    if not only_what_is_tracked_counts():
        print("the top: what git tracks is not what counts")
        wrong += 1
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        build(root, SOUND)
        for name, rule in rules.RULES.items():
            if said := rule(root):
                print(f"{name} refuses a sound house: {said}")
                wrong += 1
    for name, file, text in BREAKS:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            build(root, {**SOUND, file: text})
            said = rules.RULES[name](root)
            print(f"{name}: {said}")
            wrong += not said
    unbroken = set(rules.RULES) - {name for name, _, _ in BREAKS}
    if unbroken:
        print(f"never broken here: {', '.join(sorted(unbroken))}")
    return 1 if wrong or unbroken else 0


if __name__ == "__main__":
    sys.exit(main())
