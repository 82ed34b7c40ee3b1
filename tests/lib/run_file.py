"""Runs one Python test file for tools/test: run_file.py FILE RESULTS [CASE].

Writes a line "ok|FAIL|skip SECONDS CASE" for every test case into RESULTS; everything else goes to
stdout. Processes that the tests leave behind become our children and are killed at the end.
"""
import ctypes
import os
import signal
import sys
import time
import unittest

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


class Recorder(unittest.TextTestResult):
    results = None

    def startTest(self, test):
        self._started = time.monotonic()
        self._verdict = "ok"
        super().startTest(test)

    def _note(self, verdict):
        self._verdict = verdict

    def addFailure(self, test, err):
        self._note("FAIL")
        super().addFailure(test, err)

    def addError(self, test, err):
        self._note("FAIL")
        super().addError(test, err)
        # setUpClass and the like fail without a test having been started.
        if not isinstance(test, unittest.TestCase):
            self.results.write(f"FAIL 0 {test}\n")

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self._note("FAIL")
        super().addSubTest(test, subtest, err)

    def addSkip(self, test, reason):
        self._note("skip")
        super().addSkip(test, reason)

    def addUnexpectedSuccess(self, test):
        self._note("FAIL")
        super().addUnexpectedSuccess(test)

    def stopTest(self, test):
        seconds = time.monotonic() - self._started
        self.results.write(f"{self._verdict} {seconds:.2f} {test.id()}\n")
        self.results.flush()
        super().stopTest(test)


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(p) for p in f.read().split()]
    except OSError:
        return []


def kill_leftovers():
    for _ in range(100):
        left = children(os.getpid())
        if not left:
            return
        for pid in left:
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    words = f.read().replace(b"\0", b" ").decode(errors="replace")
                if words:
                    print(f"left running, killed: {words}")
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        # Their children come to us now.
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.02)


def main():
    path, results = sys.argv[1:3]
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that clean-ups run
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, here)
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    loader = unittest.TestLoader()
    if len(sys.argv) > 3:
        loader.testNamePatterns = [f"*{sys.argv[3]}*"]
    Recorder.results = open(results, "w")
    try:
        suite = loader.loadTestsFromName(os.path.basename(path)[:-len(".py")])
        outcome = unittest.TextTestRunner(stream=sys.stdout, verbosity=2,
                                          resultclass=Recorder).run(suite)
    finally:
        kill_leftovers()
    sys.exit(0 if outcome.wasSuccessful() else 1)


main()
