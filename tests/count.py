"""Adds up what the tests reported and prints it, the total as the last line;
before it, what those said that failed, since it may be all that is kept.

Usage: count.py PART=LOG ... [PART=failed ...]

LOG is Meson's testlog.json. A program counts the test cases in the summary that
doctest printed; any other test counts one. PART=failed counts a part that did
not build as one failure. Exits 1 where something failed or nothing ran.
"""
import json
import re
import sys

SUMMARY = re.compile(r"^\[doctest\] test cases:\s*(\d+) \|\s*(\d+) passed \|\s*(\d+) failed \|\s*(\d+) skipped", re.M)

SEPARATOR = re.compile(r"^={70,}$", re.M)  # doctest's, between test cases
MOST_LINES = 60


def said(test):
    """What a test that failed said: its cases that went wrong, or how it ended."""
    out = test.get("stdout") or ""
    wrong = [case.strip("\n") for case in SEPARATOR.split(out) if "ERROR: " in case]
    if wrong:
        return "\n".join(wrong).splitlines()[:MOST_LINES]
    return (out + "\n" + (test.get("stderr") or "")).strip().splitlines()[-MOST_LINES:]


def count(test):
    """(passed, failed, skipped) of one entry of testlog.json."""
    summaries = SUMMARY.findall(test.get("stdout") or "")
    good = test["result"] in ("OK", "EXPECTEDFAIL")
    if not summaries:
        return (0, 0, 1) if test["result"] == "SKIP" else (1, 0, 0) if good else (0, 1, 0)
    # Ranks that the tests start print before the program itself does.
    ran, passed, failed, skipped = map(int, summaries[-1])
    if ran == 0 or (not good and failed == 0):
        failed += 1  # nothing ran, or it went wrong outside its test cases
    return passed, failed, skipped


def main(arguments):
    total = [0, 0, 0]
    for argument in arguments:
        part, log = argument.split("=", 1)
        sums, wrong, programs = [0, 0, 0], [], 0
        if log == "failed":
            sums, wrong = [0, 1, 0], ["build"]
        else:
            with open(log, encoding="utf-8") as lines:
                for test in map(json.loads, lines):
                    counts = count(test)
                    programs += 1
                    sums = [a + b for a, b in zip(sums, counts)]
                    if counts[1]:
                        wrong.append(test["name"])
                        print(f"-- {part}, {test['name']}: {test['result']}", *said(test), sep="\n")
        print(f"{part}: {sums[0]} of {sum(sums)} test cases in {programs} programs and scripts"
              + (f", wrong in: {', '.join(wrong)}" if wrong else ""))
        total = [a + b for a, b in zip(total, sums)]
    passed, failed, skipped = total
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
