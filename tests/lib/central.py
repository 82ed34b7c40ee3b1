"""A central server for the testbed, the benchmarks and the tests: `planetbox up` on loopback.

    with Central(directory) as central:
        central.bootadm('add', 'node1.testbed.example', '--ipv4', '127.0.0.1')
        print(central.url)

Ends with everything it started.
"""
import json
import os
import subprocess
import urllib.request
import ssl

from planetbox import BINARY, Daemon, can_connect, free_port, wait_for

# How QEMU's user network sees the host's loopback, and how programs on the host do.
NAMES = '10.0.2.2,127.0.0.1,localhost'


class Failed(Exception):
    """A command that should have worked: the message is what a person needs to know."""


def command(*argv, timeout=120, input=None, prefix=()):
    """Runs `planetbox ARGV` to its end and returns what it printed; Failed with its own words."""
    argv = [str(a) for a in argv]
    done = subprocess.run([*prefix, BINARY, *argv], capture_output=True, text=True, timeout=timeout,
                          input=input)
    if done.returncode:
        raise Failed(f"planetbox {' '.join(argv[:3])}: {done.stderr.strip()}")
    return done.stdout


class Central:
    def __init__(self, directory, names=NAMES, prefix=(), listen='127.0.0.1', options=()):
        self.state = os.path.join(directory, 'state')
        self.log = os.path.join(directory, 'central.log')
        self.names = names
        self.prefix = list(prefix)      # e.g. taskset -c 0
        self.listen = listen
        self.options = list(options)
        self.port, self.metrics_port = free_port(), free_port()
        self.daemon = None

    @property
    def url(self):
        """As nodes in QEMU see it."""
        return f"https://{self.names.split(',')[0]}:{self.port}"

    @property
    def ca(self):
        return os.path.join(self.state, 'ca', 'root.crt')

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *unused):
        if self.daemon:
            try:
                self.daemon.stop()
            finally:
                self.daemon = None

    def start(self):
        self.daemon = Daemon(
            [*self.prefix, BINARY, 'up', '--state', self.state, '--listen', self.listen,
             '--boot-port', self.port, '--api-port', free_port(), '--name', self.names,
             '--metrics-listen', f'127.0.0.1:{self.metrics_port}',
             '--admin', 'admin@testbed.example', *self.options], self.log)
        try:
            wait_for(self._ready, 30, 'the central server answers')
        except AssertionError as error:
            self.daemon.kill()
            raise Failed(f'{error}; it said:\n{self.daemon.output()[-2000:]}') from None

    def _ready(self):
        if not self.daemon.running():
            raise AssertionError(f'planetbox up ended with {self.daemon.process.returncode}')
        return self.get('/_ah/health') == b'ok'

    def get(self, path, timeout=10):
        """GET over HTTPS, trusting this server's own CA only."""
        trust = ssl.create_default_context(cafile=self.ca)
        with urllib.request.urlopen(f'https://127.0.0.1:{self.port}{path}', timeout=timeout,
                                    context=trust) as answer:
            return answer.read()

    def metrics(self):
        with urllib.request.urlopen(f'http://127.0.0.1:{self.metrics_port}/metrics', timeout=10) as r:
            return r.read().decode()

    def planetbox(self, *argv, **kwargs):
        return command(*argv, **kwargs)

    def bootadm(self, verb, *argv, **kwargs):
        return command('bootadm', '--state', self.state, verb, *argv, **kwargs)

    def log_of(self, host):
        """The events of one host, oldest first."""
        return json.loads(self.bootadm('log', host, '--json'))

    def children(self):
        """Process ids of the daemons that `up` runs, by name of their applet."""
        found = {}
        with open(f'/proc/{self.daemon.pid}/task/{self.daemon.pid}/children') as f:
            for pid in f.read().split():
                with open(f'/proc/{pid}/cmdline', 'rb') as c:
                    words = c.read().split(b'\0')
                found[words[0].decode()] = int(pid)
        return found


def reachable(port):
    try:
        return can_connect(port)
    except OSError:
        return False
