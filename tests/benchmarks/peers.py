"""Every driver that was built, as benchmarks/compare starts and sets it, gives
right results for every collective. Usage: peers.py BUILD. Exits 77 where there
are none.
"""
import argparse
import importlib.machinery
import importlib.util
import pathlib
import sys

sys.dont_write_bytecode = True
SCRIPT = pathlib.Path(__file__).resolve().parent.parent.parent / "benchmarks" / "compare"
loader = importlib.machinery.SourceFileLoader("compare", str(SCRIPT))
compare = importlib.util.module_from_spec(importlib.util.spec_from_loader("compare", loader))
loader.exec_module(compare)

SIZES = [8, 4096, 300000]
options = argparse.Namespace(build=pathlib.Path(sys.argv[1]), seconds=1e-6, type="float", timeout=120)
there = [library for library in compare.LIBRARIES[1:] if not library.missing(options.build)]
wrong = []


def check(library, op, ranks, kind="float", lacks=False):
    options.type = kind
    try:
        rows = compare.measure(library, op, ranks, SIZES, options)
        problems = [] if lacks == (rows is None) else [f"{'rows' if rows else 'none'} of {kind}"]
        if rows and len(rows) != (1 if op == "barrier" else len(SIZES)):
            problems.append(f"measured {list(rows)}")
    except compare.Failure as e:
        problems = [str(e)]
    wrong.extend(f"{library.name}, {op} on {ranks} ranks: {p}" for p in problems)


for library in there:
    # A number of ranks that is no power of two.
    for op in library.ops or compare.OPS:
        check(library, op, 3)
    check(library, "all_reduce", 2, "int64")
    check(library, "all_reduce", 2, "bfloat16", lacks=True)
for library in compare.LIBRARIES[1:]:
    if why := library.missing(options.build):
        print(f"{library.name}: {why}")
print("\n".join(wrong) or f"{', '.join(library.name for library in there)}: all right")
sys.exit(1 if wrong else 0 if there else 77)
