"""Tests of benchmarks/compare. Usage: compare.py SPOILED_PERF

Programs and launchers that only print what they are told stand for the real
ones, so that what is measured is known.
"""
import contextlib
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import signal
import stat
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
SCRIPT = pathlib.Path(__file__).resolve().parent.parent.parent / "benchmarks" / "compare"
loader = importlib.machinery.SourceFileLoader("compare", str(SCRIPT))
compare = importlib.util.module_from_spec(importlib.util.spec_from_loader("compare", loader))
loader.exec_module(compare)
SPOILED_PERF = os.path.abspath(sys.argv.pop()) if len(sys.argv) > 1 else None


def row(us, foreign=0.0, mean=None, algorithm="ring"):
    return dict(median=us, mean=us if mean is None else mean, p99=2 * us, foreign=foreign, algorithm=algorithm, ranks=2)


def line(**changes):
    return json.dumps({"op": "all_reduce", "ranks": 2, "bytes": 8, "type": "float", "algorithm": "ring", "usec_median": 1.5,
                       "usec_p99": 3.0, "usec_mean": 2.0, "usec_model": None, "algbw": 0.0, "busbw": 0.0, "wrong": 0, **changes})


class Reading(unittest.TestCase):
    def test_lines_of_json_are_read_and_all_others_passed_over(self):
        rows = compare.TUTTI.rows(f"# head\n{line()}\nsomething\n{line(bytes=64, usec_median=7.25)}\n", 0.5)
        self.assertEqual(rows[8], dict(median=1.5, mean=2.0, p99=3.0, foreign=0.5, algorithm="ring", ranks=2))
        self.assertEqual(list(rows), [8, 64])
        self.assertEqual(rows[64]["median"], 7.25)

    def test_the_limit_says_how_many_bytes_it_really_moved(self):
        text = ('{"lib":"unnamed","op":"reducescatter","ranks":4,"bytes":8,"bytes_eff":16,"iters":9,"usec_median":0.4,'
                '"usec_p99":1.0,"usec_mean":0.6,"usec_min":0.1,"foreign":0.25,"ok":true}')
        self.assertEqual(compare.Limit("limit", "push").rows(text, 9.0),
                         {16: dict(median=0.4, mean=0.6, p99=1.0, foreign=0.25, algorithm="push", ranks=4)})
        with self.assertRaisesRegex(compare.Failure, "wrong elements of 8 bytes"):
            compare.Limit("limit", "push").rows(text.replace("true", "false"), 0)

    def test_a_wrong_result_and_a_broken_line_are_failures(self):
        with self.assertRaisesRegex(compare.Failure, "3 wrong elements of 64 bytes"):
            compare.TUTTI.rows(line() + "\n" + line(bytes=64, wrong=3), 0)
        with self.assertRaisesRegex(compare.Failure, "no JSON"):
            compare.TUTTI.rows(line()[:-9], 0)

    def test_medians_with_a_core_for_each_rank_and_means_without(self):
        rounds = [row(1, mean=10), row(2, mean=20), row(9, mean=30)]
        self.assertEqual(compare.typical(rounds, 2, 2), (2, False))
        self.assertEqual(compare.typical(rounds, 3, 2), (20, False))

    def test_disturbed_rounds_count_only_where_there_are_no_others(self):
        self.assertEqual(compare.typical([row(9, 0.31), row(1, 0.3), row(8, 1.0)], 1, 1), (1, False))
        self.assertEqual(compare.typical([row(9, 0.31), row(7, 0.4)], 1, 1), (8, True))

    def test_sizes(self):
        self.assertEqual([compare.parse_size(w) for w in ("8", "4K", "1M", "2G")], [8, 4096, 1 << 20, 2 << 30])
        for word in ("", "K", "-8", "8k", "1.5M", "²", "8KB"):
            with self.assertRaises(ValueError):
                compare.parse_size(word)
        sizes = [8 * 8**k for k in range(6)] + [4**k << 20 for k in range(5)]
        self.assertEqual(compare.SIZES, "8,64,512,4K,32K,256K,1M,4M,16M,64M,256M")
        self.assertEqual([compare.parse_size(w) for w in compare.SIZES.split(",")], sizes)


FOUND = {
    "Tutti": {8: [row(1), row(3), row(2)], 4096: [row(10)], 32768: [row(6, algorithm="pairwise")]},
    "OMPI ob1": {8: [row(4), row(4), row(4)], 4096: [row(8, 0.9)], 32768: [row(12)]},
    "MPICH": {8: [row(5)] * 3, 4096: [row(8.5)]},
    "limit push": {8: [row(0.5)], 4096: [row(16)]},
    "limit pull": {8: [row(1)], 4096: [row(5)]},
    "limit copy": {8: [row(2, 0.5)]},
}


class Tables(unittest.TestCase):
    maxDiff = None

    def test_the_best_peer_is_marked_and_the_ratios_are_to_it(self):
        cells = compare.judged("all_reduce", 2, "float", FOUND, 2)
        self.assertEqual([cell["bytes"] for cell in cells], [8, 4096, 32768])
        self.assertEqual([cell["best"] for cell in cells], ["OMPI ob1", "OMPI ob1", "OMPI ob1"])
        self.assertEqual([cell["ratio"] for cell in cells], [0.5, 1.25, 0.5])
        self.assertEqual(cells[0]["usec"], {"Tutti": 2, "OMPI ob1": 4, "MPICH": 5})
        self.assertEqual(cells[0]["usec_p99"]["OMPI ob1"], 8)
        self.assertEqual([cell["noisy"] for cell in cells], [["limit_private"], ["OMPI ob1"], []])
        self.assertEqual([cell.get("limit_shared_ratio") for cell in cells], [4, 2, None])
        self.assertEqual([cell.get("limit_private_ratio") for cell in cells], [1, None, None])

    def test_a_table_is_read_as_it_is_printed(self):
        cells = compare.judged("all_reduce", 2, "float", FOUND, 2)
        columns = ["Tutti", "OMPI ob1", "MPICH", "Gloo"]
        self.assertEqual(compare.table(cells, columns, {"Gloo"}, False), [
            "       bytes     algorithm        Tutti       OMPI ob1          MPICH           Gloo   Tutti/best",
            "           8          ring         2.00           4.00 *         5.00         failed         0.50",
            "        4096          ring        10.00           8.00~*         8.50         failed         1.25",
            "       32768      pairwise         6.00          12.00 *            -         failed         0.50"])
        self.assertEqual(compare.table(cells, ["Tutti"], set(), True), [
            "       bytes     algorithm        Tutti   Tutti/best       shared   Tutti/      private   Tutti/",
            "           8          ring         2.00         0.50         0.50     4.00         2.00~    1.00",
            "        4096          ring        10.00         1.25         5.00     2.00            -        -",
            "       32768      pairwise         6.00         0.50            -        -            -        -"])

    def test_the_summary_counts_what_is_above_the_bar_and_names_the_worst(self):
        cells = compare.judged("all_reduce", 2, "float", FOUND, 2)
        found = compare.summary(cells, "ratio", 1.05)
        self.assertEqual(found, {"cells": 3, "above": 1, "bar": 1.05, "disturbed": 1, "worst": {
            "ratio": 1.25, "op": "all_reduce", "ranks": 2, "bytes": 4096, "best": "OMPI ob1"}})
        self.assertEqual(compare.sentence(found, "the best peer"), "3 cells, 1 above 1.05 times the best peer; the worst 1.25: "
                         "all_reduce of 4096 bytes on 2 ranks (OMPI ob1); others disturbed 1 of them (~)")
        self.assertEqual(compare.sentence(compare.summary(cells, "limit_shared_ratio", 1.25), "the limit"),
                         "2 cells, 2 above 1.25 times the limit; the worst 4.00: all_reduce of 8 bytes on 2 ranks")
        self.assertEqual(compare.summary(cells, "limit_private_ratio", 1.25)["disturbed"], 1)
        self.assertEqual(compare.summary(cells, "ratio", 1.25)["above"], 0)  # at the bar is not above it

    def test_without_peers_there_is_no_best_and_nothing_to_sum_up(self):
        cells = compare.judged("barrier", 2, "float", {"Tutti": {0: [row(1)]}}, 2)
        self.assertIsNone(cells[0]["best"])
        self.assertIsNone(cells[0]["ratio"])
        self.assertEqual(cells[0]["type"], "none")
        self.assertTrue(compare.table(cells, ["Tutti"], set(), False)[1].endswith("1.00            -"))
        self.assertEqual(compare.sentence(compare.summary(cells, "ratio", 1.05), "the best peer"),
                         "no cell that has the best peer beside it")

    def test_a_peer_stays_in_the_table_where_tutti_failed(self):
        cells = compare.judged("barrier", 2, "float", {"Tutti": {}, "MPICH": {0: [row(3)]}}, 2)
        self.assertEqual((cells[0]["best"], cells[0]["ratio"], cells[0]["algorithm"]), ("MPICH", None, "-"))


# Prints a row for each size; what it is called, its launcher and its flags say
# who it stands for, and the plan how long that one takes and what it does wrong.
PROGRAM = """#!%s -SE
import json, os, sys, time
words, program = sys.argv[1:], os.path.basename(sys.argv[0])
after = lambda flag, default: words[words.index(flag) + 1] if flag in words else default
settings = os.environ.get("FAKE_SETTINGS", "")
who = program
for needle, name in (("coll_sm", "sm"), ("pml ucx", "ucx"), ("pml ob1", "ob1")):
    if program == "peer-open-mpi" and needle in settings:
        who = name
        break
who = after("--all-reduce", who)
plan = json.load(open(os.environ["FAKE_PLAN"])).get(who, {})
op, ranks = words[0], int(os.environ.get("FAKE_RANKS") or after("--ranks", "1"))
with open(os.environ["FAKE_LOG"], "a") as log:
    print(who, op, ranks, settings, os.environ.get("MALLOC_PERTURB_", ""), file=log)
print(f"# {program} 9.9: {op}, {ranks} ranks", file=sys.stderr)
if program != "tutti-perf" and "--buffers" in words:
    sys.exit("--buffers is tutti-perf's")
does = plan.get("does", "") if "--sizes" in words else ""
if does == "later" and sum(text.startswith(f"{who} {op} ") for text in open(os.environ["FAKE_LOG"])) > 1:
    sys.exit("it was well before")
if does == "lack":
    sys.exit(77)
if does == "hang":
    open(os.environ["FAKE_LOG"] + ".pid", "w").write(str(os.getpid()))
    time.sleep(1000)
for size in map(int, after("--sizes", "0").split(",")):
    us = plan.get("us", 10.0) * (1 + size / 1e6)
    if does == "fewer" and size > 8:
        break
    print(json.dumps({"op": op, "ranks": 1 if does == "alone" else ranks, "bytes": size, "type": "float", "algorithm": {"library": "l"}.get(after("--buffers", ""), "a") + who[-3:],
                      "usec_median": us, "usec_p99": us, "usec_mean": us, "usec_model": None, "algbw": 1, "busbw": 1,
                      "wrong": 5 if does == "err" else 0}))
    if does == "crash":
        sys.exit("it fell over")
sys.exit(1 if does == "err" else 0)
""" % sys.executable
LAUNCHER = """#!/bin/sh
settings=$*
while [ "${1##*/benchmarks/}" = "$1" ]; do
  [ "$1" = -n ] && FAKE_RANKS=$2
  shift
done
export FAKE_RANKS FAKE_SETTINGS="${settings%%%%/*}"
exec "$@"
""".replace("%%%%", "%%")
LIMIT = r"""
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
int main(int n, char** v) {
  std::string algo, ops, sizes = "0", ranks, root;
  for (int i = 1; i + 1 < n; i += 2) {
    if (!std::strcmp(v[i], "--algo")) algo = v[i + 1];
    if (!std::strcmp(v[i], "--ops")) ops = v[i + 1];
    if (!std::strcmp(v[i], "--sizes")) sizes = v[i + 1];
    if (!std::strcmp(v[i], "--ranks")) ranks = v[i + 1];
    if (!std::strcmp(v[i], "--root")) root = v[i + 1];
  }
  const double us = algo == "push" ? 5 : algo == "pull" ? 4 : algo == "push-nt" ? 8 : algo == "cma" ? 20 : 10;
  for (char* word = std::strtok(sizes.data(), ","); word; word = std::strtok(nullptr, ","))
    std::printf("{\"op\":\"%s\",\"ranks\":%s,\"bytes\":%s,\"bytes_eff\":%s,\"usec_median\":%g,\"usec_p99\":%g,"
                "\"usec_mean\":%g,\"foreign\":0.0,\"ok\":%s}\n",
                ops.c_str(), ranks.c_str(), word, word, us, us, us, root == "fixed" ? "true" : "false");
}
"""
PROGRAMS = ("tutti-perf", "peer-open-mpi", "peer-mpich", "peer-gloo")


class Runs(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.log = self.root / "log"
        for program in PROGRAMS:
            self.put(self.root / "build" / "benchmarks" / program, PROGRAM)
        for launcher in ("mpirun.openmpi", "mpiexec.mpich"):
            self.put(self.root / "bin" / launcher, LAUNCHER)

    def put(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def run_compare(self, *words, plan=None, path=None):
        (self.root / "plan").write_text(json.dumps(plan or {}), encoding="utf-8")
        self.log.write_text("", encoding="utf-8")
        environment = {**os.environ, "PATH": path or f"{self.root / 'bin'}:{os.environ['PATH']}", "FAKE_LOG": str(self.log),
                       "FAKE_PLAN": str(self.root / "plan"), "CXX": "c++", "MALLOC_PERTURB_": "7"}
        for name in ("FAKE_RANKS", "FAKE_SETTINGS"):
            environment.pop(name, None)
        return subprocess.run([sys.executable, str(SCRIPT), "--build", str(self.root / "build"), *words], env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)

    def cells(self, done):
        return [json.loads(text) for text in done.stdout.splitlines()]

    def logged(self):
        return [text.split() for text in self.log.read_text(encoding="utf-8").splitlines()]

    def test_all_take_turns_and_the_least_of_the_peers_is_the_best(self):
        plan = {"tutti-perf": {"us": 6}, "ucx": {"us": 5}, "peer-mpich": {"us": 4}, "bcube": {"us": 3}, "halving_doubling": {"us": 8}}
        done = self.run_compare("--ops", "all_reduce,barrier", "--ranks", "2,3", "--sizes", "8,64", "--rounds", "2", "--json", plan=plan)
        self.assertEqual((done.returncode, done.stderr.count("failed")), (0, 0), done.stderr)
        *cells, last = self.cells(done)
        self.assertEqual([(c["op"], c["ranks"], c["bytes"], c["best"]) for c in cells], [
            ("all_reduce", 2, 8, "Gloo bcube"), ("all_reduce", 2, 64, "Gloo bcube"), ("all_reduce", 3, 8, "Gloo bcube"),
            ("all_reduce", 3, 64, "Gloo bcube"), ("barrier", 2, 0, "MPICH"), ("barrier", 3, 0, "MPICH")])
        self.assertEqual([c["ratio"] for c in cells], [2, 2, 2, 2, 1.5, 1.5])
        self.assertEqual(list(cells[0]["usec"]), ["Tutti", "OMPI ob1", "OMPI ucx", "OMPI sm", "MPICH", "Gloo", "Gloo bcube",
                                                  "Gloo halving", "Gloo chunked"])
        self.assertEqual(list(cells[4]["usec"]), ["Tutti", "OMPI ob1", "OMPI ucx", "OMPI sm", "MPICH", "Gloo"])
        self.assertEqual({k: v for k, v in last["summary"]["peers"].items() if k != "disturbed"}, {
            "cells": 6, "above": 6, "bar": 1.05,
            "worst": {"ratio": 2.0, "op": "all_reduce", "ranks": 2, "bytes": 8, "best": "Gloo bcube"}})
        turn = ["tutti-perf", "ob1", "ucx", "sm", "peer-mpich", "ring", "bcube", "halving_doubling", "ring_chunked"]
        first = [words[0] for words in self.logged()[4:4 + 2 * len(turn)]]  # four said who they are before
        self.assertEqual(first, turn + turn)

    def test_each_setting_reaches_its_launcher(self):
        self.run_compare("--ops", "all_reduce", "--ranks", "3", "--sizes", "8", "--rounds", "1")
        started = {words[0]: (words[2], " ".join(words[3:])) for words in self.logged() if words[1] == "all_reduce"}
        common = "--allow-run-as-root --oversubscribe"
        self.assertEqual(started["ob1"], ("3", f"{common} --mca pml ob1 --mca btl self,vader -n 3"))
        self.assertEqual(started["sm"], ("3", f"{common} --mca pml ob1 --mca btl self,vader --mca coll_sm_priority 100 -n 3"))
        self.assertEqual(started["ucx"], ("3", f"{common} --mca pml ucx --mca pml_ucx_tls any --mca pml_ucx_devices any -n 3"))
        self.assertEqual(started["peer-mpich"], ("3", "-n 3"))
        self.assertEqual(started["tutti-perf"], ("3", ""))  # nor is freed memory filled

    def test_the_tables_go_to_standard_output(self):
        done = self.run_compare("--ops", "all_reduce", "--ranks", "1", "--sizes", "1M,8", "--max", "64K", "--rounds", "1",
                                "--peers", "mpich,gloo b", plan={"peer-mpich": {"us": 20}})
        lines = done.stdout.splitlines()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("# tutti-perf 9.9", lines)
        self.assertIn("# peer-mpich 9.9", lines)
        self.assertIn("all_reduce of float, 1 ranks, median of the calls, us", lines)
        self.assertIn("       bytes     algorithm        Tutti          MPICH     Gloo bcube   Tutti/best", lines)
        shown = lines[-3].replace("~", " ").split()
        self.assertEqual(shown, ["8", "aerf", "10.00", "20.00", "10.00", "*", "1.00"])
        self.assertEqual(lines[-1].split("; others")[0],
                         "# 1 cells, 0 above 1.05 times the best peer; the worst 1.00: all_reduce of 8 bytes on 1 ranks (Gloo bcube)")

    def test_library_buffers_are_tuttis_alone(self):
        done = self.run_compare("--ops", "all_reduce", "--ranks", "2", "--sizes", "8", "--rounds", "1", "--peers", "MPICH", "--buffers", "library")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("0.2 s of calls each, library buffers", done.stdout)
        self.assertIn(["8", "lerf", "10.00", "10.00", "*", "1.00"], [t.replace("~", " ").split() for t in done.stdout.splitlines()])

    def test_a_program_that_fails_is_named_and_the_others_are_measured(self):
        for does, says in (("err", "5 wrong elements of 8 bytes"), ("crash", "exit code 1"), ("fewer", "it measured 8 bytes, not 8, 64"),
                           ("alone", "it ran on 1 ranks")):
            with self.subTest(does):
                done = self.run_compare("--ops", "all_reduce,barrier", "--ranks", "2", "--sizes", "8,64", "--rounds", "2",
                                        "--peers", "OMPI", plan={"ucx": {"us": 1, "does": does}})
                self.assertEqual(done.returncode, 1)
                self.assertIn(f"compare: OMPI ucx failed, all_reduce on 2 ranks: {says}", done.stderr)
                self.assertEqual(done.stderr.splitlines()[-2:], ["compare: failed:", f"  OMPI ucx, all_reduce on 2 ranks: {says}"])
                if does == "crash":
                    self.assertIn("it fell over", done.stderr)
                shown = [text.replace("~", " ").split() for text in done.stdout.splitlines()]
                self.assertIn(["8", "aerf", "10.00", "10.00", "*", "failed", "10.00", "1.00"], shown)
                # It failed once, is not tried again there, and takes part in what comes next.
                self.assertEqual([words[1] for words in self.logged() if words[0] == "ucx"], ["all_reduce", "barrier", "barrier"])

    def test_what_fails_in_a_later_turn_has_failed(self):
        done = self.run_compare("--ops", "all_reduce", "--ranks", "2", "--sizes", "8", "--rounds", "2", "--peers", "OMPI ob1,MPICH",
                                plan={"peer-mpich": {"us": 1, "does": "later"}})
        self.assertEqual(done.returncode, 1)
        self.assertIn("MPICH, all_reduce on 2 ranks: exit code 1", done.stderr)
        self.assertIn(["8", "aerf", "10.00", "10.00", "*", "failed", "1.00"], [t.replace("~", " ").split() for t in done.stdout.splitlines()])

    def test_a_program_that_does_not_end_is_ended(self):
        done = self.run_compare("--ops", "all_reduce", "--ranks", "2", "--sizes", "8", "--rounds", "1", "--peers", "Gloo chunked",
                                "--timeout", "5", plan={"ring_chunked": {"does": "hang"}})
        self.assertEqual(done.returncode, 1)
        self.assertIn("Gloo chunked, all_reduce on 2 ranks: did not end within 5 s", done.stderr)
        with contextlib.suppress(ProcessLookupError):
            os.kill(int((self.root / "log.pid").read_text(encoding="utf-8")), signal.SIGKILL)
            self.fail("it still runs")

    def test_tutti_fails_like_any_other(self):
        done = self.run_compare("--ops", "barrier,all_reduce", "--ranks", "2", "--sizes", "8", "--rounds", "1", "--peers", "MPICH",
                                "--json", plan={"tutti-perf": {"does": "err"}})
        self.assertEqual(done.returncode, 1)
        last = self.cells(done)[-1]
        self.assertEqual(last["failures"], ["Tutti, all_reduce on 2 ranks: 5 wrong elements of 8 bytes"])
        self.assertEqual(last["summary"]["peers"]["cells"], 1)

    @unittest.skipUnless(SPOILED_PERF, "not given")
    def test_a_real_driver_with_wrong_results(self):
        spoiled = self.root / "build" / "benchmarks" / "tutti-perf"
        spoiled.unlink()
        spoiled.symlink_to(SPOILED_PERF)
        done = self.run_compare("--ops", "all_reduce", "--ranks", "2", "--sizes", "4K", "--rounds", "1", "--seconds", "0.001",
                                "--peers", "MPICH")
        self.assertEqual(done.returncode, 1)
        self.assertIn("Tutti, all_reduce on 2 ranks: 3 wrong elements of 4096 bytes", done.stderr)

    def test_who_lacks_a_collective_is_left_out_of_it(self):
        done = self.run_compare("--ops", "reduce", "--ranks", "2", "--sizes", "8", "--rounds", "2", "--peers", "MPICH,OMPI ob1",
                                plan={"peer-mpich": {"does": "lack"}})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("# MPICH has no reduce\n", done.stdout)
        self.assertIn(["8", "aerf", "10.00", "-", "10.00", "*", "1.00"], [t.replace("~", " ").split() for t in done.stdout.splitlines()])

    def test_what_is_not_there_is_left_out_with_a_word(self):
        (self.root / "build" / "benchmarks" / "peer-gloo").unlink()
        empty = self.root / "empty"
        empty.mkdir()
        done = self.run_compare("--ops", "barrier", "--ranks", "2", "--rounds", "1", path=str(empty))
        self.assertEqual(done.returncode, 0, done.stderr)
        for says in ("# Gloo: left out, peer-gloo was not built (needs libgloo-dev)",
                     "# OMPI ob1: left out, there is no mpirun.openmpi nor mpirun",
                     "# MPICH: left out, there is no mpiexec.mpich nor mpiexec.hydra",
                     "# no cell that has the best peer beside it"):
            self.assertIn(says, done.stdout.splitlines())

    def test_the_limit_stands_beside_them(self):
        self.put(self.root / "there" / "limit.cpp", LIMIT)
        done = self.run_compare("--ops", "broadcast,reduce", "--ranks", "2", "--sizes", "8", "--rounds", "2", "--peers", "MPICH", "--json",
                                "--limit", "--limit-dir", str(self.root / "there"), plan={"tutti-perf": {"us": 12}})
        self.assertEqual(done.returncode, 0, done.stderr)
        one, other, last = self.cells(done)
        self.assertEqual({k: v for k, v in one.items() if "limit" in k}, {
            "limit_shared": 4, "limit_shared_ratio": one["usec"]["Tutti"] / 4, "limit_private": 10,
            "limit_private_ratio": one["usec"]["Tutti"] / 10})
        self.assertEqual([k for k in other if "limit" in k], [])  # it has no reduce
        self.assertEqual(list(one["usec"]), ["Tutti", "MPICH"])
        self.assertEqual((last["summary"]["shared"]["above"], last["summary"]["private"]["above"]), (1, 0))
        self.assertEqual(os.listdir(self.root / "there"), ["limit.cpp"])

    def test_what_makes_no_sense_is_said_and_nothing_starts(self):
        broken = self.root / "broken"
        self.put(broken / "limit.cpp", "nonsense")
        for words, says in (
                (["--min", "8"], "unrecognized arguments: --min"),
                (["--round", "8"], "unrecognized arguments: --round"),
                (["all_reduce"], "unrecognized arguments: all_reduce"),
                (["--ops", "all_to_none"], "--ops: 'all_to_none' is none of all_reduce"),
                (["--ranks", "2,x"], "--ranks: '2,x' is no list of numbers"),
                (["--ranks", "0"], "--ranks and --rounds begin at 1"),
                (["--rounds", "0"], "--ranks and --rounds begin at 1"),
                (["--seconds", "0"], "--seconds and --timeout are more than 0"),
                (["--sizes", "8,lots"], "'lots' is not a number of bytes"),
                (["--sizes", "8K", "--max", "4K"], "--max 4K leaves no size"),
                (["--peers", "MPICH,UCC"], "--peers: 'UCC' is none of OMPI ob1, OMPI ucx"),
                (["--limit"], "--limit needs --limit-dir"),
                (["--limit-dir", str(broken)], "--limit-dir is of use with --limit"),
                (["--limit", "--limit-dir", str(self.root)], f"there is no limit.cpp in {self.root}"),
                (["--limit", "--limit-dir", str(broken), "--type", "int"], "its elements are floats"),
                (["--build", "elsewhere"], "tutti-perf was not built in elsewhere: build first")):
            with self.subTest(says):
                done = self.run_compare(*words)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(says, done.stderr)
                self.assertEqual((done.stdout, self.logged()), ("", []))
        done = self.run_compare("--limit", "--limit-dir", str(broken))
        self.assertEqual((done.returncode, done.stdout, self.logged()), (1, "", []))
        self.assertIn("limit.cpp", done.stderr)


if __name__ == "__main__":
    unittest.main()
