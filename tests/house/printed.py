"""What the README says a program prints, it prints. Usage: printed.py README FOLDER

A block after `<!-- printed by NAME ARGUMENTS -->` is the output of the program
NAME in FOLDER.
"""
import pathlib
import re
import subprocess
import sys

text = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")
blocks = re.findall(r"^<!-- printed by ([^\n]+) -->\n```\w*\n(.*?)^```$", text, re.M | re.S)
wrong = 0
for command, expected in blocks:
    name, *arguments = command.split()
    printed = subprocess.run([pathlib.Path(sys.argv[2]) / name, *arguments], capture_output=True, text=True).stdout
    print(f"{command}: {'as the README says' if printed == expected else 'prints otherwise'}\n{printed}")
    wrong += printed != expected
print(f"{len(blocks)} blocks")
sys.exit(1 if wrong or not blocks else 0)
