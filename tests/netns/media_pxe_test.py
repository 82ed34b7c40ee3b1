"""The PXE directory of `media pxe` behind a real dnsmasq, asked by a real DHCP and TFTP client the way
UEFI firmware asks: who gets iPXE, who gets nothing, and are the files the ones that were made.
"""
import json
import os
import shutil
import subprocess
import unittest

from netns import Namespace, connect
from planetbox import DEPS, TestCase, need_program, need_root, run, wait_for

IPXE = os.path.join(DEPS, "ipxe", "ipxe-amd64.efi")
IPXE_ARM = os.path.join(DEPS, "ipxe", "ipxe-arm64.efi")
MAC = "52:54:00:00:00:05"
SCRIPT = """#!/bin/sh
[ "$1" = bound ] || exit 0
{ echo "ip=$ip"; echo "boot_file=$boot_file"; echo "siaddr=$siaddr"; echo "hostname=$hostname"; } > "$ANSWER"
"""


@need_root()
@need_program("dnsmasq", "busybox", "openssl", "ip")
@unittest.skipUnless(os.path.exists(IPXE), "no iPXE: run tools/setup")
class Dnsmasq(TestCase):
    def setUp(self):
        super().setUp()
        ca = self.path("ca.crt")
        result = run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=x",
                     "-keyout", self.path("ca.key"), "-out", ca)
        self.assertEqual(result.returncode, 0, result.stderr)
        nodes = self.write("nodes", json.dumps({"hostname": "n5.example", "key": "abcdefghijklmnop0123",
                                                "mac": MAC, "ipv4": "10.98.0.55/24,10.98.0.1"}) + "\n" +
                           json.dumps({"hostname": "n6.example"}) + "\n")
        self.out = self.path("pxe")
        self.ok("media", "pxe", "--nodes", nodes, "--ca", ca, "--ipxe", IPXE, "--ipxe", IPXE_ARM, "--server",
                "https://central.example:4430", "-o", self.out)
        # What the snippet leaves to the operator: where to listen, which addresses to give.
        self.conf = self.write("dnsmasq.conf", "port=0\ninterface=eth0\nbind-interfaces\n"
                               "dhcp-range=10.98.0.100,10.98.0.200,255.255.255.0,1h\nleasefile-ro\n"
                               f"user=root\nconf-file={self.out}/dnsmasq.conf\n")
        self.server, self.client = Namespace(self), Namespace(self)
        connect(self.server, "eth0", "10.98.0.1/24", self.client, "eth0", None)
        self.dnsmasq = self.server.start(self, "dnsmasq", "--no-daemon", "--conf-file=" + self.conf,
                                         "--pid-file=" + self.path("pid"), "--log-facility=-")
        self.dnsmasq.wait_for_line("sockets bound exclusively to interface eth0")
        script = self.write("udhcpc.sh", SCRIPT, 0o755)
        self.answer = self.path("answer")
        self.udhcpc = ["busybox", "udhcpc", "-f", "-n", "-q", "-i", "eth0", "-t", "5", "-T", "1", "-s", script]

    def ask(self, architecture, mac=None):
        """What DHCP answers to firmware of that kind: {"ip", "boot_file", "siaddr", "hostname"}."""
        if mac:
            self.client.run("ip", "link", "set", "eth0", "address", mac)
        result = self.client.try_run(*self.udhcpc, "-V", f"PXEClient:Arch:{architecture:05}:UNDI:003016",
                                     "-x", f"0x5d:{architecture:04x}", env={"ANSWER": self.answer})
        self.assertEqual(result.returncode, 0, result.stderr + self.dnsmasq.output())
        with open(self.answer, encoding="ascii") as f:
            return dict(line.strip().split("=", 1) for line in f)

    def fetch(self, name):
        target = self.path("fetched")
        self.client.run("busybox", "tftp", "-g", "-r", name, "-l", target, "10.98.0.1")
        with open(target, "rb") as f:
            return f.read()

    def test_dnsmasq_accepts_the_configuration(self):
        result = run("dnsmasq", "--test", "--conf-file=" + self.conf)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_uefi_firmware_gets_the_ipxe_of_its_kind_and_others_get_none(self):
        for architecture, name in ((7, "ipxe-x86_64.efi"), (9, "ipxe-x86_64.efi"), (11, "ipxe-arm64.efi"),
                                   (0, ""), (6, "")):
            with self.subTest(architecture=architecture):
                answer = self.ask(architecture)
                self.assertEqual(answer["boot_file"], name)
                if name:
                    self.assertEqual(answer["siaddr"], "10.98.0.1")

    def test_a_known_machine_gets_the_address_and_name_of_its_record(self):
        answer = self.ask(7, mac=MAC)
        self.assertEqual(answer["ip"], "10.98.0.55")
        self.assertEqual(answer["hostname"], "n5")
        self.assertNotEqual(self.ask(7, mac="52:54:00:00:00:99")["ip"], "10.98.0.55")

    def test_tftp_hands_out_what_was_made(self):
        self.client.run("ip", "address", "add", "10.98.0.9/24", "dev", "eth0")
        wait_for(lambda: self.client.try_run("ping", "-c1", "-W1", "10.98.0.1").returncode == 0, 10, "the link")
        for name in ("ipxe-x86_64.efi", "autoexec.ipxe", "mac/52-54-00-00-00-05.ipxe", "host/n5.example.ipxe",
                     "host/n5.example.plnode.txt", "host/n6.example.initrd"):
            with open(os.path.join(self.out, name), "rb") as f:
                self.assertEqual(self.fetch(name), f.read(), name)

    def test_a_service_user_may_read_the_files(self):
        """dnsmasq drops to a user of its own; only that the directory is reached is the operator's part."""
        os.chmod(self.dir, 0o755)
        for name in ("ipxe-x86_64.efi", "host/n5.example.ipxe", "mac/52-54-00-00-00-05.ipxe"):
            result = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "cat",
                                     os.path.join(self.out, name)], capture_output=True, check=False)
            self.assertEqual(result.returncode, 0, result.stderr)

    def test_the_nodes_initrd_is_an_archive_for_the_kernel(self):
        if not shutil.which("cpio"):
            self.skipTest("no cpio")
        with open(os.path.join(self.out, "host", "n5.example.initrd"), "rb") as f:
            listing = subprocess.run(["cpio", "-it"], input=f.read(), capture_output=True, check=True).stdout
        self.assertEqual(listing.decode().split(), ["etc", "etc/planetbox", "etc/planetbox/plnode.txt",
                                                    "etc/planetbox/ca.pem"])


if __name__ == "__main__":
    unittest.main()
