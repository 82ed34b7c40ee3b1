"""Network namespaces for tests/netns: made per test, removed with everything in them.

    @need_root()
    class Links(TestCase):
        def test_two_hosts(self):
            a, b = Namespace(self), Namespace(self)
            connect(a, "eth0", "10.99.0.1/24", b, "eth0", "10.99.0.2/24")
            a.run("ping", "-c1", "10.99.0.2")
            server = b.start(self, BINARY, "bootd", ...)

Addresses are private to the namespaces; nothing here touches the machine's own network.
"""
import os
import subprocess

from planetbox import Daemon, run

_count = 0


class Namespace:
    def __init__(self, test):
        global _count
        _count += 1
        self.name = f"pbtest-{os.getpid()}-{_count}"
        self._must("ip", "netns", "add", self.name)
        test.addCleanup(self.remove)
        self.run("ip", "link", "set", "lo", "up")

    @staticmethod
    def _must(*argv):
        result = run(*argv)
        if result.returncode:
            raise AssertionError(f"{' '.join(argv)}: {result.stderr}")

    def argv(self, *argv):
        return ["ip", "netns", "exec", self.name, *[str(a) for a in argv]]

    def try_run(self, *argv, **kwargs):
        """Runs a command inside; returns the result whatever the exit code."""
        return run(*self.argv(*argv), **kwargs)

    def run(self, *argv, **kwargs):
        """The same, and it must succeed; returns what it printed."""
        result = self.try_run(*argv, **kwargs)
        if result.returncode:
            raise AssertionError(f"in {self.name}: {' '.join(map(str, argv))}: {result.stderr}")
        return result.stdout

    def start(self, test, *argv, **kwargs):
        """Starts a program inside, in the background; stopped when the test ends."""
        return test.start_program(*self.argv(*argv), **kwargs)

    def remove(self):
        pids = run("ip", "netns", "pids", self.name).stdout.split()
        for pid in pids:
            subprocess.run(["kill", "-9", pid], capture_output=True, check=False)
        run("ip", "netns", "del", self.name)


def connect(a, a_dev, a_address, b, b_dev, b_address):
    """A veth pair between two namespaces, up and with addresses (None: no address)."""
    a.run("ip", "link", "add", a_dev, "type", "veth", "peer", "name", b_dev, "netns", b.name)
    for space, device, address in ((a, a_dev, a_address), (b, b_dev, b_address)):
        if address:
            options = ["nodad"] if ":" in address else []
            space.run("ip", "address", "add", address, "dev", device, *options)
        space.run("ip", "link", "set", device, "up")
