"""Whether a program holds machine code for every architecture that it should.

Usage: architectures.py PROGRAM ARCHITECTURE... (80, 90, …). Asks cuobjdump, and
where there is none reads the program's fat binaries: each begins with a word
that nothing else does, and is a row of entries that say their kind (2: machine
code), their length and their architecture.
"""
import pathlib
import shutil
import struct
import subprocess
import sys

MAGIC = struct.pack("<IHH", 0xBA55ED50, 1, 16)
MACHINE_CODE = 2


def architectures(program):
    if tool := shutil.which("cuobjdump"):
        listed = subprocess.run([tool, "--list-elf", program], check=True, capture_output=True, text=True).stdout
        return {word[3:] for name in listed.split() for word in name.split(".") if word.startswith("sm_")}
    data, found, at = pathlib.Path(program).read_bytes(), set(), 0
    while (at := data.find(MAGIC, at)) >= 0:
        (length,) = struct.unpack_from("<Q", data, at + 8)
        entry, end = at + 16, at + 16 + length
        while entry < end:
            kind, _, header, size = struct.unpack_from("<HHIQ", data, entry)
            (number,) = struct.unpack_from("<I", data, entry + 28)
            if kind == MACHINE_CODE:
                found.add(str(number))
            entry += header + size
        at = max(end, at + 16)
    return found


if __name__ == "__main__":
    program, *wanted = sys.argv[1:]
    found = architectures(program)
    print("machine code for", ", ".join(sorted(found, key=int)) or "nothing")
    if missing := set(wanted) - found:
        sys.exit("none for " + ", ".join(sorted(missing, key=int)))
