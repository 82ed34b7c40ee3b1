"""What the Python tests share. Standard library only.

    from planetbox import TestCase

    class Hello(TestCase):
        def test_says_hello(self):
            result = self.planetbox("bootadm", "host", "list", "--state", self.dir)
            self.assertEqual(result.returncode, 0, result.stderr)

        def test_serves(self):
            port = free_port()
            server = self.start("bootd", "--state", self.dir, "--port", str(port))
            wait_for(lambda: can_connect(port), 5, "bootd listens")

Every test gets a directory of its own (self.dir) that is removed afterwards, unless it failed.
Whatever self.start() started is stopped, by its own process id. Nothing here sleeps blindly: wait
for what is to happen, with a deadline.
"""
import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("PLANETBOX", os.path.join(ROOT, "build", "planetbox"))
DEPS = os.path.join(ROOT, "build-deps")
DATA = os.path.join(ROOT, "tests", "data")


def wait_for(predicate, deadline=10.0, what="what the test waits for", every=0.02):
    """Calls predicate until it is true and returns that value; AssertionError after `deadline` s.

    An OSError of the predicate (refused connection, missing file) means "not yet".
    """
    end = time.monotonic() + deadline
    problem = ""
    while True:
        try:
            value = predicate()
            if value:
                return value
        except OSError as error:
            problem = f" (last: {error})"
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {deadline} s{problem}")
        time.sleep(every)


def free_port(kind=socket.SOCK_STREAM, host="127.0.0.1"):
    """A port nobody listens on now. Ask late and bind soon."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def can_connect(port, host="127.0.0.1"):
    with socket.create_connection((host, port), timeout=1):
        return True


def run(*argv, input=None, timeout=30, env=None, cwd=None, text=True):
    """Runs a command to its end; never raises for an exit code. Time-out is an error."""
    return subprocess.run([str(a) for a in argv], input=input, timeout=timeout, text=text, cwd=cwd,
                          env=merged_env(env), capture_output=True)


def merged_env(extra):
    env = dict(os.environ)
    env.update(extra or {})
    return env


def need_root(reason="needs root"):
    return unittest.skipUnless(os.geteuid() == 0, reason)


def need_program(*names):
    missing = [n for n in names if not shutil.which(n)]
    return unittest.skipIf(missing, "not installed: " + ", ".join(missing))


class Daemon:
    """A process in the background with its output in a file."""

    def __init__(self, argv, log, env=None, cwd=None, stdin=subprocess.DEVNULL, pass_fds=()):
        self.argv = [str(a) for a in argv]
        self.log = log
        with open(log, "ab") as out:
            # A session of its own, so that stop() reaches its children and nobody else.
            self.process = subprocess.Popen(self.argv, stdout=out, stderr=out, stdin=stdin,
                                            env=merged_env(env), cwd=cwd, pass_fds=pass_fds,
                                            start_new_session=True)
        self.pid = self.process.pid

    def running(self):
        return self.process.poll() is None

    def output(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def wait_for_line(self, text, deadline=10.0):
        """Waits until the output holds `text`; fails at once when the process is gone."""
        def seen():
            if text in self.output():
                return True
            if not self.running():
                raise AssertionError(f"{self.argv[0]} ended with {self.process.returncode} before "
                                     f"it said {text!r}; it said:\n{self.output()}")
            return False
        wait_for(seen, deadline, f"{text!r} in the output of {os.path.basename(self.argv[0])}")

    def send(self, number):
        """Sends a signal to the process itself."""
        os.kill(self.pid, number)

    def stop(self, number=signal.SIGTERM, deadline=5.0):
        """Asks it to end and returns its exit code; kills its session if it does not."""
        if self.running():
            self.process.send_signal(number)
        try:
            return self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{' '.join(self.argv[:2])} did not end within {deadline} s of "
                                 f"{signal.Signals(number).name}") from None
        finally:
            self.kill()

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


class TestCase(unittest.TestCase):
    """unittest.TestCase with a directory, the executable, and clean-up."""

    maxDiff = 4000

    def setUp(self):
        super().setUp()
        self.dir = tempfile.mkdtemp(prefix="planetbox-test-")
        self._daemons = []
        self.addCleanup(self._clean)

    def _clean(self):
        for daemon in reversed(self._daemons):
            daemon.kill()
        if self._failed():
            for daemon in self._daemons:
                print(f"--- output of {' '.join(daemon.argv[:3])}\n{daemon.output()[-6000:]}",
                      file=sys.stderr)
            print(f"--- kept: {self.dir}", file=sys.stderr)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def _failed(self):
        result = getattr(self._outcome, "result", None)
        if result is None:
            return False
        return any(test is self for test, _ in result.failures + result.errors)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, text, mode=0o644):
        """Writes a file below self.dir and returns its path."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(path, mode)
        return path

    def planetbox(self, *args, **kwargs):
        """Runs `planetbox ARGS` to its end: .returncode, .stdout, .stderr."""
        return run(BINARY, *args, **kwargs)

    def ok(self, *args, **kwargs):
        """The same, and it must succeed; returns what it printed."""
        result = self.planetbox(*args, **kwargs)
        self.assertEqual(result.returncode, 0, f"planetbox {' '.join(map(str, args))}: "
                                               f"{result.stderr}")
        return result.stdout

    def start(self, *args, **kwargs):
        """Starts `planetbox ARGS` in the background; stopped when the test ends."""
        return self.start_program(BINARY, *args, **kwargs)

    def start_program(self, *argv, **kwargs):
        log = self.path(f"daemon-{len(self._daemons)}.log")
        daemon = Daemon(argv, log, **kwargs)
        self._daemons.append(daemon)
        return daemon


def read_available(fd, timeout=0.0):
    """What can be read from a descriptor now."""
    out = b""
    while select.select([fd], [], [], timeout)[0]:
        chunk = os.read(fd, 65536)
        if not chunk:
            break
        out += chunk
    return out
