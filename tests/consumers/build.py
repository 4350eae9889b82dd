"""Builds a program of another project on Tutti, and runs it on 2 ranks.
Usage: build.py WAY ROOT FOLDER COMPILER...

install  makes the prefix that the others use
pkgconf  plain compiler and pkg-config
headers  the same where nothing was compiled once: the headers alone, in one
         file and in two, and the headers with one object of tutti.cpp
cmake    find_package(tutti)
meson    dependency('tutti') with this tree as subproject, nothing installed
train    pkg-config's tutti-train, and the CMake component
"""
import os
import pathlib
import shutil
import subprocess
import sys

WAY, ROOT, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
COMPILER = sys.argv[4:]
PREFIX = FOLDER / "prefix"
HEADERS = FOLDER / "prefix-headers"
HERE = ROOT / "tests" / "consumers"
# What sanitizers and others put here is for this build, not for theirs.
ENVIRONMENT = {**os.environ, "CXX": " ".join(COMPILER), "PKG_CONFIG_PATH": f"{PREFIX / 'lib' / 'pkgconfig'}:{PREFIX / 'share' / 'pkgconfig'}"}
SKIPPED = 77


def call(*words, folder=None):
    words = [str(word) for word in words]
    print("$", *words, flush=True)
    done = subprocess.run(words, env=ENVIRONMENT, cwd=folder, capture_output=True, text=True)
    print(done.stdout + done.stderr, flush=True)
    if done.returncode:
        sys.exit(f"{words[0]} ended with {done.returncode}")
    return done.stdout


def fresh(name):
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def flags(*words):
    return call("pkg-config", *words).split()


def must_print(expected, *words):
    printed = call(*words)
    if printed != expected:
        sys.exit(f"printed '{printed}', not '{expected}'")


def install_into(prefix, *options):
    build = fresh("build")
    shutil.rmtree(prefix, ignore_errors=True)
    call("meson", "setup", build, ROOT, f"--prefix={prefix}", "--libdir=lib", "-Dtests=false", "-Dexamples=false",
         "-Dbenchmarks=false", *options)
    call("meson", "install", "-C", build)
    installed = {path.relative_to(prefix / "include").as_posix() for path in (prefix / "include").rglob("*.hpp")}
    here = {path.relative_to(ROOT / "include").as_posix() for path in (ROOT / "include").rglob("*.hpp")}
    if installed != here:
        sys.exit(f"headers not installed, or too many: {sorted(installed ^ here)}")


def install():
    install_into(PREFIX)


def pkgconf():
    program = fresh("pkgconf") / "hello"
    call(*COMPILER, "-std=c++20", HERE / "hello.cpp", "-o", program, *flags("--cflags", "--libs", "tutti"))
    must_print("3\n", program, "--ranks", "2")
    # Collectives ask for UCX and nothing else.
    needed = call("objdump", "-p", program)
    for library in ("dnnl", "libz.", "pmix", "mpi"):
        if library in needed:
            sys.exit(f"hello is linked with {library}")


def headers():
    install_into(HEADERS, "-Dcompiled=false")
    ENVIRONMENT["PKG_CONFIG_PATH"] = str(HEADERS / "share" / "pkgconfig")
    if list(HEADERS.rglob("*.a")) or "TUTTI_COMPILED" in call("pkg-config", "--cflags", "tutti"):
        sys.exit("something was compiled")
    folder = fresh("headers")
    taken = flags("--cflags", "--libs", "tutti")
    for name in ("hello", "second"):
        call(*COMPILER, "-std=c++20", "-c", HERE / f"{name}.cpp", "-o", folder / f"{name}.o", *taken)
    call(*COMPILER, folder / "hello.o", "-o", folder / "hello", *taken)
    must_print("3\n", folder / "hello", "--ranks", "2")
    # What is not inline shows where two files hold it.
    call(*COMPILER, folder / "hello.o", folder / "second.o", "-o", folder / "both", *taken)
    must_print("3\n", folder / "both", "--ranks", "2")
    call(*COMPILER, "-std=c++20", "-c", HEADERS / "include" / "tutti" / "tutti.cpp", "-o", folder / "tutti.o", *taken)
    call(*COMPILER, "-std=c++20", "-DTUTTI_COMPILED", HERE / "hello.cpp", folder / "tutti.o", "-o", folder / "once", *taken)
    must_print("3\n", folder / "once", "--ranks", "2")
    build = fresh("headers_cmake")
    if shutil.which("cmake"):
        call("cmake", "-G", "Ninja", "-S", HERE / "cmake", "-B", build, f"-DCMAKE_PREFIX_PATH={HEADERS}")
        call("cmake", "--build", build)
        must_print("3\n", build / "hello", "--ranks", "2")


def cmake():
    if not shutil.which("cmake"):
        sys.exit(SKIPPED)
    build = fresh("cmake")
    call("cmake", "-G", "Ninja", "-S", HERE / "cmake", "-B", build, f"-DCMAKE_PREFIX_PATH={PREFIX}")
    call("cmake", "--build", build)
    must_print("3\n", build / "hello", "--ranks", "2")


def meson():
    project = fresh("meson")
    (project / "subprojects").mkdir()
    (project / "subprojects" / "tutti").symlink_to(ROOT)
    shutil.copy(HERE / "meson" / "meson.build", project)
    shutil.copy(HERE / "hello.cpp", FOLDER)  # the project names it ../hello.cpp
    ENVIRONMENT["PKG_CONFIG_PATH"] = ""
    said = call("meson", "setup", project / "build", project)
    if "Executing subproject tutti" not in said:
        sys.exit("the subproject was not taken")
    call("meson", "compile", "-C", project / "build")
    must_print("3\n", project / "build" / "hello", "--ranks", "2")


def train():
    program = fresh("train") / "digits"
    libraries = flags("--cflags", "--libs", "tutti-train")
    if "-ldnnl" not in libraries or "-lz" not in libraries:
        sys.exit("tutti-train does not name oneDNN and zlib")
    call(*COMPILER, "-std=c++20", HERE / "digits.cpp", "-o", program, *libraries)
    must_print("data\n", program)
    if shutil.which("cmake"):
        build = fresh("train_cmake")
        call("cmake", "-G", "Ninja", "-S", HERE / "cmake", "-B", build, f"-DCMAKE_PREFIX_PATH={PREFIX}", "-DTRAIN=ON")
        call("cmake", "--build", build, "--target", "digits")
        must_print("data\n", build / "digits")


FOLDER.mkdir(exist_ok=True)
if WAY not in ("install", "meson", "headers") and not PREFIX.exists():
    install()
{"install": install, "pkgconf": pkgconf, "headers": headers, "cmake": cmake, "meson": meson, "train": train}[WAY]()
