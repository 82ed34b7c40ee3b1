#!/usr/bin/env python3
"""Builds everything and runs the tests.

    tools/test [--fast] [--list] [PATTERN[:CASE]]...

    --fast     without virtual machines, and fuzzers only over their corpus
    PATTERN    only test files with this in their name (unit/http, applet/, vm/boot_test.py);
               :CASE picks cases inside them by a part of their name

Kinds: check (layers, size, format), unit and fuzz (under AddressSanitizer and UBSan, in build-san/),
applet (the real executable), netns (root), vm (QEMU). The output of everything is kept in
build/test-logs/; what fails is shown. The last line says how many cases passed and failed.
"""
import argparse
import concurrent.futures
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOGS = os.path.join(ROOT, "build", "test-logs")
SAN = os.path.join(ROOT, "build-san")
JOBS = min(os.cpu_count() or 1, 4)
FUZZ_SECONDS = 5
# Nobody waits longer than this for one file of tests.
LIMITS = {"check": 120, "unit": 300, "fuzz": 120, "applet": 600, "netns": 600, "vm": 1500}

print_lock = threading.Lock()
running = set()  # process groups, for a Ctrl-C
started = time.monotonic()


def say(text):
    with print_lock:
        print(text, flush=True)


class Outcome:
    def __init__(self, passed=0, failed=0, skipped=0, note=""):
        self.passed, self.failed, self.skipped, self.note = passed, failed, skipped, note


class Job:
    """One program whose exit code and output say how its cases went."""

    def __init__(self, kind, name, argv, read=None, case=""):
        self.kind, self.name, self.argv, self.case = kind, name, argv, case
        self.read = read or read_exit_code
        self.log = os.path.join(LOGS, f"{kind}-{name}.log")
        self.results = self.log[:-4] + ".results"

    @property
    def title(self):
        return f"{self.kind}/{self.name}"


# --- how outcomes are read ------------------------------------------------------------------------

def read_exit_code(job, code, output):
    return Outcome(passed=int(code == 0), failed=int(code != 0))


def read_doctest(job, code, output):
    match = re.search(r"test cases:\s*(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed\s*"
                      r"\|\s*(\d+) skipped", output)
    if not match:
        return Outcome(failed=1, note="ended early")
    _, passed, failed, _ = map(int, match.groups())
    # A sanitizer's complaint at exit fails the program though every case passed.
    if code and not failed:
        return Outcome(passed, 1, note="exit code " + str(code))
    return Outcome(passed, failed)


def read_python(job, code, output):
    outcome = Outcome()
    try:
        with open(job.results) as lines:
            for line in lines:
                verdict, _, case = line.split(" ", 2)
                if verdict == "ok":
                    outcome.passed += 1
                elif verdict == "skip":
                    outcome.skipped += 1
                else:
                    outcome.failed += 1
                    outcome.note += (", " if outcome.note else "") + case.strip().split(".", 1)[-1]
    except OSError:
        pass
    if code and not outcome.failed:
        outcome.failed += 1
        outcome.note = f"exit code {code}"
    return outcome


# --- running --------------------------------------------------------------------------------------

def sanitizer_env():
    env = dict(os.environ)
    env["ASAN_OPTIONS"] = "abort_on_error=0:detect_stack_use_after_return=1:strict_string_checks=1"
    env["UBSAN_OPTIONS"] = "print_stacktrace=1"
    symbolizer = shutil.which("llvm-symbolizer-19")
    if symbolizer:
        env["ASAN_SYMBOLIZER_PATH"] = symbolizer
    return env


def run_job(job):
    begin = time.monotonic()
    env = sanitizer_env() if job.kind in ("unit", "fuzz") else dict(os.environ)
    if os.path.exists(job.results):
        os.remove(job.results)
    note = ""
    with open(job.log, "wb") as log:
        process = subprocess.Popen(job.argv, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT,
                                   env=env, stdin=subprocess.DEVNULL, start_new_session=True)
        running.add(process.pid)
        try:
            code = process.wait(LIMITS[job.kind])
        except subprocess.TimeoutExpired:
            note = f"not done after {LIMITS[job.kind]} s"
            os.killpg(process.pid, signal.SIGTERM)
            try:
                code = process.wait(10) or 1
            except subprocess.TimeoutExpired:
                code = 1
        finally:
            kill_group(process.pid)
            process.wait()
            running.discard(process.pid)
    with open(job.log, errors="replace") as log:
        output = log.read()
    outcome = job.read(job, code, output)
    if note:
        outcome.note = note
        outcome.failed = outcome.failed or 1
    report(job, outcome, time.monotonic() - begin, output)
    return outcome


def kill_group(pid):
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def report(job, outcome, seconds, output):
    words = []
    if outcome.failed:
        words.append(f"{outcome.failed} FAILED")
    words.append(f"{outcome.passed} ok")
    if outcome.skipped:
        words.append(f"{outcome.skipped} skipped")
    line = f"{job.title:<44} {', '.join(words):<22} {seconds:6.1f} s"
    if outcome.note:
        line += f"  {outcome.note}"
    if outcome.failed:
        shown = output.rstrip().split("\n")[-80:]
        line += "\n" + "\n".join("    " + text for text in shown)
        line += f"\n    log: {os.path.relpath(job.log, ROOT)}"
    say(line)


def run_all(jobs):
    # Two virtual machines at once starve each other on two cores, so they go one at a time (one less
    # than there are cores), beside everything else. Checks and units first: they are quick and tell most.
    order = {"check": 0, "unit": 1, "fuzz": 2, "applet": 3, "netns": 4, "vm": 5}
    machines = [job for job in jobs if job.kind == "vm"]
    others = sorted((job for job in jobs if job.kind != "vm"), key=lambda job: order[job.kind])
    lanes = max(1, JOBS - 1)
    total = Outcome()
    with concurrent.futures.ThreadPoolExecutor(lanes) as vm_pool, \
            concurrent.futures.ThreadPoolExecutor(lanes if machines else JOBS) as pool:
        running_jobs = [vm_pool.submit(run_job, job) for job in machines]
        running_jobs += [pool.submit(run_job, job) for job in others]
        for outcome in (future.result() for future in running_jobs):
            total.passed += outcome.passed
            total.failed += outcome.failed
            total.skipped += outcome.skipped
    return total


# --- what there is --------------------------------------------------------------------------------

def stem(path):
    return os.path.basename(path).split(".")[0]


def find_jobs(fast, fuzzing):
    jobs = [
        Job("check", "layers", [os.path.join(ROOT, "tools", "check-layers")]),
        Job("check", "size", [os.path.join(ROOT, "tools", "size-report")]),
        Job("check", "format", [os.path.join(ROOT, "tools", "format"), "--check"]),
    ]
    for source in sorted(glob.glob(os.path.join(ROOT, "tests/unit/*_test.cc"))):
        jobs.append(Job("unit", stem(source), [os.path.join(SAN, stem(source))], read_doctest))
    for source in sorted(glob.glob(os.path.join(ROOT, "tests/fuzz/*_fuzz.cc"))) if fuzzing else []:
        jobs.append(Job("fuzz", stem(source), fuzz_command(stem(source), fast)))
    for kind in ("applet", "netns") + (() if fast else ("vm",)):
        for source in sorted(glob.glob(os.path.join(ROOT, "tests", kind, "*_test.py"))):
            job = Job(kind, stem(source), None, read_python)
            job.source = source
            jobs.append(job)
    return jobs


def fuzz_command(name, fast):
    # The corpus in the tree stays as it is; what is found goes into a directory that is thrown away.
    # One seed, so that a failure can be had again; long hunts with others are for a machine of their own.
    corpus = os.path.join(ROOT, "tests", "fuzz", "corpus", name[:-len("_fuzz")])
    script = ('set -e; found=$(mktemp -d); trap \'rm -rf "$found"\' EXIT; binary=$1; corpus=$2; '
              'seconds=$3; artifacts=$4; [ -d "$corpus" ] || { echo "no corpus $corpus"; exit 1; }; '
              '"$binary" -runs=0 -artifact_prefix="$artifacts" -rss_limit_mb=2048 "$corpus"; '
              'if [ "$seconds" -gt 0 ]; then "$binary" -seed=1 -max_total_time="$seconds" -timeout=10 '
              '-rss_limit_mb=2048 -artifact_prefix="$artifacts" "$found" "$corpus"; fi')
    return ["bash", "-c", script, "fuzz", os.path.join(SAN, name), corpus,
            str(0 if fast else FUZZ_SECONDS), os.path.join(LOGS, name + "-")]


def choose(jobs, patterns):
    for job in jobs:
        if job.kind in ("applet", "netns", "vm"):
            job.argv = [sys.executable, os.path.join(ROOT, "tests/lib/run_file.py"), job.source,
                        job.results]
    if not patterns:
        return jobs
    chosen = []
    for job in jobs:
        for pattern in patterns:
            name, _, case = pattern.partition(":")
            if name.removeprefix("tests/").removesuffix(".py").removesuffix(".cc") not in job.title:
                continue
            if case and job.kind == "unit":
                job.argv = job.argv + [f"--test-case=*{case}*"]
            elif case and job.read is read_python:
                job.argv = job.argv + [case]
            chosen.append(job)
            break
    return chosen


# --- building -------------------------------------------------------------------------------------

def build_step(title, argv, log, env=None):
    begin = time.monotonic()
    with open(os.path.join(tempfile.gettempdir() if not log else LOGS, log or "x.log"), "w") as out:
        code = subprocess.run(argv, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, check=False,
                              env=env, stdin=subprocess.DEVNULL).returncode
        path = out.name
    say(f"{title:<44} {'done' if code == 0 else 'FAILED':<22} {time.monotonic() - begin:6.1f} s")
    if code:
        with open(path) as out:
            lines = out.read().rstrip().split("\n")
        # Of a long build only what went wrong.
        wrong = [i for i, line in enumerate(lines) if line.startswith("FAILED") or "error:" in line]
        first = wrong[0] if wrong else max(0, len(lines) - 60)
        say("\n".join("    " + line for line in lines[first:first + 80]))
        say(f"    log: {os.path.relpath(path, ROOT)}")
    return code == 0


def configure_sanitized():
    """Configures build-san/ unless it is; returns whether there are fuzzers."""
    clang = shutil.which("clang++-19")
    if os.path.exists(os.path.join(SAN, "build.ninja")):
        return clang is not None
    env = dict(os.environ)
    ccache = "ccache " if shutil.which("ccache") else ""
    if clang:
        env.update(CC=ccache + "clang-19", CXX=ccache + "clang++-19")
    else:
        say("no clang 19 here: sanitizers by GCC, no fuzzing")
        env.update(CC=ccache + "gcc", CXX=ccache + "g++")
    argv = ["meson", "setup", SAN, "-Dstatic=false", "-Db_sanitize=address,undefined",
            "-Doptimization=1", "-Ddebug=true", "-Db_lundef=false", "-Dunit_tests=true",
            f"-Dfuzzers={'true' if clang else 'false'}"]
    if not build_step("configure build-san", argv, "configure-san.log", env):
        shutil.rmtree(SAN, ignore_errors=True)
        finish(Outcome(failed=1))
    return clang is not None


def build(jobs_wanted):
    say("build (the first time takes minutes)")
    os.makedirs(os.path.dirname(LOGS), exist_ok=True)
    if not build_step("build", [os.path.join(ROOT, "tools", "build")], None):
        finish(Outcome(failed=1))
    os.makedirs(LOGS, exist_ok=True)
    fuzzing = configure_sanitized() if {"unit", "fuzz"} & jobs_wanted else False
    if {"unit", "fuzz"} & jobs_wanted:
        if not build_step("build-san", ["ninja", "-C", SAN, f"-j{os.cpu_count() or 1}"], "build-san.log"):
            finish(Outcome(failed=1))
    return fuzzing


def finish(total):
    for pid in list(running):
        kill_group(pid)
    say(f"all in {time.monotonic() - started:.0f} s")
    line = f"{total.passed} passed, {total.failed} failed"
    if total.skipped:
        line += f", {total.skipped} skipped"
    say(line)
    sys.stdout.flush()
    os._exit(1 if total.failed else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--list", action="store_true", help="name the test files and stop")
    parser.add_argument("pattern", nargs="*")
    args = parser.parse_args()
    jobs = choose(find_jobs(args.fast, True), args.pattern)
    if args.list:
        print("\n".join(job.title for job in jobs))
        return
    if not jobs:
        sys.exit(f"tools/test: no test file matches {' '.join(args.pattern)}; see --list")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: finish(Outcome(failed=1)))
    fuzzing = build({job.kind for job in jobs})
    if not fuzzing:
        jobs = [job for job in jobs if job.kind != "fuzz"]
    finish(run_all(jobs))


main()
