"""Sums of floats are folded in vectors. Usage: vectors.py PROGRAM

Disassembles a program that reduces floats with plus, as optimised as its users
have it, and looks at the additions in its folds. Exits with 77, which is a test
left out, where there is nothing to disassemble with, or no x86-64.
"""
import re
import shutil
import subprocess
import sys

SKIPPED = 77
# A fold of two operands, and each of several whose number is a constant; of one
# that ends in elements one by one, these may be added alone.
FOLDS = {
    "of two": r"fold_wide<float, tutti::plus>",
    **{f"of {n} at once": rf"fold_lines_wide<float, tutti::plus(?:, \d+u?l?){{{n - 1}}}>\(" for n in (2, 4, 8)},
}


def functions(disassembly):
    """The instructions of each function, by its name."""
    found = {}
    for block in re.split(r"\n\n", disassembly):
        if head := re.match(r"\s*[0-9a-f]+ <(.*)>:\n", block):
            found.setdefault(head.group(1), []).append(block[head.end():])
    return {name: "\n".join(bodies) for name, bodies in found.items()}


def flaws(disassembly):
    """A sentence for each fold that is not there, or that adds no vectors."""
    all_functions = functions(disassembly)
    for what, pattern in FOLDS.items():
        bodies = [body for name, body in all_functions.items() if re.search(pattern, name)]
        if not bodies:
            yield f"a fold {what}: not in this program"
        for body in bodies:
            packed, single = len(re.findall(r"\bvaddps\b.*%[yz]mm", body)), len(re.findall(r"\bv?addss\b", body))
            if packed == 0 or (single > 0 and what != "of two"):
                yield f"a fold {what}: {packed} additions of vectors, {single} of single floats"


def main(program):
    if not shutil.which("objdump"):
        print("no objdump")
        return SKIPPED
    done = subprocess.run(["objdump", "-dC", "--no-show-raw-insn", program], capture_output=True, text=True)
    if done.returncode or "x86-64" not in done.stdout:
        print(f"no program for x86-64: {done.stderr or done.stdout[:200]}")
        return SKIPPED
    wrong = list(flaws(done.stdout))
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
