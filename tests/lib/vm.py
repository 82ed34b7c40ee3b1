"""QEMU virtual machines for tests: start one, follow its serial port, always end it.

    with Vm(kernel, initrd, append='planetbox.rescue', ports={22: 2222}) as vm:
        vm.wait_for(r'network: (\\S+) via eth0', 30)
        vm.type('poweroff\\n')
        vm.wait_exit(20)

Software emulation only: the machines that tests run on may have a /dev/kvm that hangs. Every wait has
a deadline and, when it passes, the exception shows the end of what the machine said.
"""
import os
import re
import selectors
import signal
import socket
import subprocess
import time

ANSI = re.compile(rb'\x1b\[[0-9;?]*[A-Za-z]|\x1bc')


class VmTimeout(AssertionError):
    pass


def free_port():
    """A TCP port of the loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class Vm:
    """One machine. `nic` is QEMU's model, None for no network card; `extra` are further arguments."""

    def __init__(self, kernel=None, initrd=None, append='', memory=512, nic='virtio-net-pci',
                 user_net='', ports=None, rtc=None, extra=(), console='ttyS0', cpus=1,
                 reboot=False):
        arch = os.uname().machine
        self.command = [f'qemu-system-{arch}', '-accel', 'tcg', '-m', str(memory), '-smp', str(cpus),
                        '-nodefaults', '-display', 'none', '-serial', 'stdio', '-monitor', 'none']
        if not reboot:
            self.command += ['-no-reboot']
        # All that the emulator can do: QEMU's default PC is one of 2003, without AES and RDRAND, and a
        # kernel without RDRAND takes seconds to gather its first randomness.
        self.command += ['-cpu', 'max']
        if arch == 'aarch64':
            self.command += ['-machine', 'virt']
        if kernel:
            self.command += ['-kernel', str(kernel), '-append',
                             f'console={console} loglevel=4 {append}'.strip()]
        if initrd:
            self.command += ['-initrd', str(initrd)]
        if nic:
            forwards = ''.join(f',hostfwd=tcp:127.0.0.1:{host}-:{guest}'
                               for guest, host in (ports or {}).items())
            self.command += ['-netdev', f'user,id=n0{forwards}{"," + user_net if user_net else ""}',
                             '-device', f'{nic},netdev=n0']
        if rtc:
            self.command += ['-rtc', f'base={rtc}']
        self.command += list(extra)
        self.log = b''        # everything it said, without escape sequences
        self.lines = []       # (seconds since start, line)
        self.seen = 0         # wait_for() looks on from here
        self.process = None

    def __enter__(self):
        self.started = time.monotonic()
        # Its own session: a Ctrl-C for the test must not race with our own clean-up.
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, start_new_session=True)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)
        return self

    def __exit__(self, *unused):
        self.stop()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process:
            self.selector.close()
            self.process.stdout.close()
            self.process.stdin.close()
            self.process = None

    @property
    def text(self):
        return self.log.decode('utf-8', 'replace')

    def pump(self, seconds):
        """Reads what is there within `seconds`; False at the end of file."""
        if not self.selector.select(seconds):
            return True
        data = self.process.stdout.read(65536)
        if data is None:
            return True
        if not data:
            return False
        before = self.log.rfind(b'\n') + 1
        self.log += ANSI.sub(b'', data).replace(b'\r\n', b'\n')
        now = time.monotonic() - self.started
        *whole, _ = self.log[before:].decode('utf-8', 'replace').split('\n')
        self.lines += [(now, line) for line in whole]
        return True

    def wait_for(self, pattern, seconds):
        """Waits until `pattern` (a regular expression, by lines) shows behind the last match."""
        wanted = re.compile(pattern, re.MULTILINE)
        deadline = time.monotonic() + seconds
        open_end = True
        while True:
            # Firmware draws lines in bytes that are no UTF-8; the count must be of what was received.
            text = self.log[self.seen:].decode('utf-8', 'surrogateescape')
            match = wanted.search(text)
            if match:
                self.seen += len(text[:match.end()].encode('utf-8', 'surrogateescape'))
                return match
            left = deadline - time.monotonic()
            if left <= 0 or not open_end:
                why = f'not within {seconds} s' if open_end else 'the machine ended before'
                raise VmTimeout(f'{pattern!r}: {why}; the last it said:\n{self.text[-3000:]}')
            open_end = self.pump(min(left, 1))

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def wait_exit(self, seconds):
        """Waits until the machine has powered itself off; returns QEMU's exit code."""
        deadline = time.monotonic() + seconds
        while self.pump(0.2) or self.process.poll() is None:
            if self.process.poll() is not None and not self.selector.select(0):
                break
            if time.monotonic() > deadline:
                raise VmTimeout(f'did not end within {seconds} s; the last it said:\n'
                                f'{self.text[-3000:]}')
        return self.process.wait(5)
