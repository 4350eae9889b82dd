"""tests/count.py counts what happened, not what was hoped for."""
import json
import pathlib
import subprocess
import sys
import tempfile

COUNT = pathlib.Path(__file__).parents[1] / "count.py"


def doctest(ran, passed, failed, skipped):
    return f"[doctest] test cases: {ran:3} | {passed:3} passed | {failed} failed | {skipped} skipped\n"


def line(result="OK", stdout=""):
    return {"name": "x", "result": result, "stdout": stdout}


# What Meson logged, the last line of the count, and the exit status.
CASES = [
    ([line(stdout=doctest(7, 7, 0, 0)), line()], "8 passed, 0 failed", 0),
    ([line("FAIL", doctest(7, 5, 2, 1))], "5 passed, 2 failed, 1 skipped", 1),
    ([line(stdout="tutti\n[1] " + doctest(3, 3, 0, 0) + doctest(4, 4, 0, 0))], "4 passed, 0 failed", 0),
    ([line("SKIP"), line()], "1 passed, 0 failed, 1 skipped", 0),
    ([line("TIMEOUT"), line()], "1 passed, 1 failed", 1),
    # All its test cases passed, then it crashed or leaked.
    ([line("FAIL", doctest(7, 7, 0, 0))], "7 passed, 1 failed", 1),
    # A program without test cases tests nothing.
    ([line(stdout=doctest(0, 0, 0, 4))], "0 passed, 1 failed, 4 skipped", 1),
    ([line("SKIP")], "0 passed, 0 failed, 1 skipped", 1),
    ([], "0 passed, 0 failed", 1),
    (None, "0 passed, 1 failed", 1),
]

RULE = "=" * 79 + "\n"
# What a test that failed printed, what of it is printed again, and what is not.
SAID = [
    (RULE + "a.cpp:1:\nERROR: CHECK( a == 1 )\n" + RULE + "MESSAGE: fine\n" + doctest(2, 1, 1, 0), "CHECK( a == 1 )", "fine"),
    ("begins\n" + "goes on\n" * 100 + "segmentation fault\n", "segmentation fault", "begins"),
]


def count(tests):
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder) / "log"
        log.write_text("".join(json.dumps(test) + "\n" for test in tests or []), encoding="utf-8")
        return subprocess.run([sys.executable, COUNT, f"part={log if tests is not None else 'failed'}"],
                              capture_output=True, text=True)


wrong = 0
for tests, expected, status in CASES:
    done = count(tests)
    last = done.stdout.splitlines()[-1]
    if (last, done.returncode) != (expected, status):
        print(f"{tests}: '{last}' and {done.returncode}, not '{expected}' and {status}\n{done.stderr}")
        wrong += 1
for stdout, kept, dropped in SAID:
    again = count([line("FAIL", stdout)]).stdout
    if kept not in again or dropped in again:
        print(f"of {stdout!r} it printed {again!r}")
        wrong += 1
sys.exit(1 if wrong else 0)
