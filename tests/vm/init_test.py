"""init as PID 1 of the RAM image, in QEMU with Debian's kernel: what a node does by itself."""
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from planetbox import DEPS, ROOT, BINARY, TestCase  # noqa: E402
from vm import Vm, free_port  # noqa: E402

KERNEL_TREE = os.path.join(DEPS, "kernel")
STATIC = "epoxy.ipv4=10.0.2.77/24,10.0.2.2,10.0.2.3"
# The machines that tests run on are slow and shared; what matters is that it happens at all.
BOOT = 120
STEP = 60

SERVICES = """\
tick     always  respawn  /bin/sh -c "echo tick-$$; sleep 0.3"
orphans  always  once     /bin/sh -c "for i in 1 2 3 4 5; do (sleep 0.1 &) ; done; echo orphans-made"
broken   always  sometimes /bin/true
never    karg:nosuch once /bin/sh -c "echo never-ran"
steady   karg:steady respawn /bin/sh -c "trap 'echo steady-told; exit 0' TERM; echo steady-up; while :; do sleep 0.2; done"
"""


def cpio(files):
    """A newc archive of {path: (mode, bytes)}: what a site adds behind the image."""
    out = bytearray()
    done = set()

    def entry(path, mode, data):
        name = path.encode() + b"\0"
        fields = (len(done) + 1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        out.extend(b"070701" + b"".join(b"%08X" % f for f in fields) + name)
        out.extend(bytes(-len(out) % 4))
        out.extend(data)
        out.extend(bytes(-len(out) % 4))

    for path, (mode, data) in files.items():
        parent = os.path.dirname(path)
        if parent and parent not in done:
            done.add(parent)
            entry(parent, 0o040755, b"")
        entry(path, 0o100000 | mode, data)
        done.add(path)
    entry("TRAILER!!!", 0, b"")
    return bytes(out)


@unittest.skipUnless(shutil.which("qemu-system-" + os.uname().machine), "no QEMU here")
@unittest.skipUnless(os.path.isdir(KERNEL_TREE), "tools/setup has not fetched a kernel")
class InitTest(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = os.path.join(ROOT, "build", "vm-test-init")
        os.makedirs(cls.folder, exist_ok=True)
        cls.kernel = os.path.join(cls.folder, "vmlinuz")
        cls.image = os.path.join(cls.folder, "initramfs.img")
        subprocess.run([os.path.join(ROOT, "initramfs", "build.py"), "--quiet", "--level", "1",
                        "--planetbox", BINARY, "--kernel-tree", KERNEL_TREE, "--output", cls.image,
                        "--kernel-out", cls.kernel], check=True, timeout=120)

    def machine(self, append, files=None, **options):
        image = self.image
        if files:
            image = os.path.join(self.dir, "image")
            with open(self.image, "rb") as generic, open(image, "wb") as out:
                data = generic.read()
                out.write(data + bytes(-len(data) % 4) + cpio(files))
        return Vm(self.kernel, image, append=append, **options)

    def test_static_network_of_both_families_and_a_shell(self):
        # Catches: addresses, routes, resolv.conf, host name, console shell, orderly power-off.
        with self.machine(f"planetbox.rescue {STATIC} epoxy.ipv6=fec0::77/64,fec0::2 "
                          "epoxy.hostname=n1.example") as vm:
            vm.wait_for(r"planetbox: \[ *[\d.]+\] start: planetbox .* rescue$", BOOT)
            vm.wait_for(r"network: 10\.0\.2\.77/24, fec0::77/64 via eth0 \(epoxy\.ipv4\)", STEP)
            vm.wait_for(r"waiting for help", STEP)
            vm.type("\n")
            vm.wait_for(r"# ", STEP)
            vm.type("ip -4 route; ip -6 route; cat /etc/resolv.conf; hostname; echo end-of-facts\n")
            facts = vm.wait_for(r"(?s)default via 10\.0\.2\.2 .*^end-of-facts", STEP).group()
            self.assertIn("default via fec0::2", facts)
            self.assertIn("nameserver 10.0.2.3", facts)
            self.assertIn("n1.example", facts)
            vm.type("tty; echo pid1=$(readlink /proc/1/exe)\n")
            vm.wait_for(r"/dev/ttyS0", STEP)
            vm.wait_for(r"pid1=/bin/planetbox", STEP)
            vm.type("poweroff\n")
            vm.wait_for(r"shutdown: power off", STEP)
            vm.wait_for(r"shutdown: done: power off", STEP)
            self.assertEqual(vm.wait_exit(STEP), 0)

    def test_dhcp_and_services(self):
        # Catches: lease not applied, respawn or condition ignored, a wrong line that stops the rest,
        # orphans left as zombies, services not told of the end.
        with self.machine("planetbox.rescue steady", files={
                "etc/planetbox/services": (0o644, SERVICES.encode())}) as vm:
            vm.wait_for(r"services: services line 3: unknown mode .*sometimes", BOOT)
            vm.wait_for(r"tick-\d+", STEP)
            vm.wait_for(r"network: 10\.0\.2\.15/24 via eth0 \(DHCP\)", STEP)
            first = vm.wait_for(r"tick-(\d+)\s", STEP).group(1)
            vm.wait_for(r"tick: ended \(exit status 0\), again in", STEP)
            again = vm.wait_for(r"tick-(\d+)\s", STEP).group(1)
            self.assertNotEqual(first, again)
            vm.type("\n")
            vm.wait_for(r"# ", STEP)
            vm.type("sleep 1; echo zombies=$(grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l)\n")
            vm.wait_for(r"zombies=0", STEP)
            self.assertIn("orphans-made", vm.text)
            self.assertIn("steady-up", vm.text)
            self.assertNotIn("never-ran", vm.text)
            vm.type("reboot\n")
            vm.wait_for(r"shutdown: reboot: asked by SIGTERM", STEP)
            vm.wait_for(r"steady-told", STEP)
            vm.wait_for(r"shutdown: done: reboot", STEP)
            vm.wait_exit(STEP)

    def test_epoxy_ip_and_ctrl_alt_del(self):
        # Catches: the older form of M-Lab's media, and Ctrl-Alt-Del that would cut the machine off.
        with self.machine("planetbox.rescue epoxy.ip=10.0.2.78::10.0.2.2:255.255.255.0:old:eth0:off:10.0.2.3") as vm:
            vm.wait_for(r"network: 10\.0\.2\.78/24 via eth0 \(epoxy\.ip\)", BOOT)
            vm.wait_for(r"waiting for help", STEP)
            vm.type("\n")
            vm.wait_for(r"# ", STEP)
            vm.type("kill -INT 1\n")
            vm.wait_for(r"shutdown: reboot: Ctrl-Alt-Del", STEP)
            vm.wait_exit(STEP)

    def test_no_card_says_so_and_tries_again(self):
        # Catches: a silent hang, an init that ends (kernel panic), no second attempt, no rescue.
        with self.machine("epoxy.stage2=https://10.0.2.2:9/x", nic=None) as vm:
            vm.wait_for(r"network: waiting for a network card .*s left\)", BOOT)
            vm.wait_for(r"failed: B01 No network interface has a link\..*no network card", BOOT)
            vm.wait_for(r"retry: in [\d.]+ s", STEP)
            vm.wait_for(r"network: waiting for a network card", STEP)
            self.assertNotIn("panic", vm.text)

    def test_wrong_address_is_told_and_dhcp_used(self):
        # Catches: a typing error on a medium that makes a node unreachable.
        with self.machine("planetbox.rescue epoxy.ipv4=10.0.2.77/99,10.0.2.2") as vm:
            vm.wait_for(r"failed: B14 .*epoxy\.ipv4: bad prefix length .*trying DHCP", BOOT)
            vm.wait_for(r"network: 10\.0\.2\.15/24 via eth0 \(DHCP\)", STEP)

    def test_dead_clock_starts_from_the_build_time(self):
        # Catches: a machine with an empty battery that would refuse every certificate.
        with self.machine(f"planetbox.rescue {STATIC}", rtc="2003-01-01T00:00:00",
                          files={"etc/planetbox/build-time": (0o644, b"1790000000\n")}) as vm:
            vm.wait_for(r"clock: says 2003-01-01T00:00:\d\dZ, which cannot be; "
                        r"starting from 2026-09-21T", BOOT)
            vm.wait_for(r"waiting for help", BOOT)
            vm.type("\n")
            vm.wait_for(r"# ", STEP)
            vm.type("date -u +year=%Y\n")
            vm.wait_for(r"year=2026", STEP)

    def test_rescue_ssh_takes_the_key_and_no_password(self):
        # Catches: sshd that does not come up, that takes passwords, or that takes any key.
        key = os.path.join(self.dir, "key")
        other = os.path.join(self.dir, "other")
        for path in (key, other):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
        with open(key + ".pub", "rb") as file:
            public = file.read()
        port = free_port()

        def ssh(identity, *command, extra=()):
            return subprocess.run(
                ["ssh", "-F", "none", "-p", str(port), "-i", identity, "-o", "IdentitiesOnly=yes",
                 "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                 "-o", "BatchMode=yes", "-o", "ConnectTimeout=40", "-o", "IdentityAgent=none", *extra,
                 "root@127.0.0.1", *command], capture_output=True, text=True, timeout=120)

        # QEMU forwards the port to the address that its DHCP hands out.
        with self.machine("planetbox.rescue", ports={22: port}, files={
                "etc/planetbox/rescue_keys": (0o644, b"# admins\n" + public)}) as vm:
            vm.wait_for(r"rescue: ssh as root with the rescue key: 1 key$", BOOT)
            vm.wait_for(r"waiting for help", BOOT)
            good = ssh(key, "echo in as $(id -u); cat /proc/1/comm")
            self.assertEqual(good.returncode, 0, good.stderr + vm.text[-1500:])
            self.assertIn("in as 0", good.stdout)
            wrong = ssh(other, "echo in")
            self.assertNotIn("in\n", wrong.stdout)
            self.assertIn("Permission denied", wrong.stderr)
            self.assertNotIn("password", wrong.stderr.split("Permission denied")[1])
            ssh(key, "reboot")
            vm.wait_for(r"shutdown: reboot", STEP)

    def test_hardware_watchdog_is_petted(self):
        # Catches: a watchdog that is armed and then forgotten: it would reset a healthy node.
        with self.machine(f"planetbox.rescue planetbox.watchdog=10 {STATIC}",
                          files={"etc/planetbox/services": (
                              0o644, b"x always once /bin/sh -c \"sleep 25; echo still-here\"\n")},
                          extra=("-device", "i6300esb", "-action", "watchdog=reset")) as vm:
            vm.wait_for(r"waiting for help", BOOT)
            if "watchdog: resets" not in vm.text:
                self.skipTest("this kernel has no driver for QEMU's watchdog")
            vm.wait_for(r"still-here", BOOT)


if __name__ == "__main__":
    unittest.main()
