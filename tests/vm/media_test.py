"""Real firmware (OVMF) on the media that `media` makes: each one finds its boot server over HTTPS by the
fleet's own CA, brings its key and its plnode.txt along, and says in words what goes wrong.

The server is Python's here, so that it can also be the wrong one.
"""
import glob
import http.server
import os
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest
import urllib.parse

from planetbox import DEPS, TestCase, free_port, need_program, run
from vm import Vm

OVMF = "/usr/share/ovmf/OVMF.fd"
KERNEL = os.path.join(DEPS, "kernel", "vmlinuz")
BUSYBOX = os.path.join(DEPS, "image", "bin", "busybox")
MAC = "52:54:00:12:34:56"
KEY = "abc+/def0123456789"
INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc none /proc
echo "HOST-LINE $(/bin/busybox grep HOST_NAME /etc/planetbox/plnode.txt)"
echo "KEY-LINE $(/bin/busybox grep -c NODE_KEY /etc/planetbox/plnode.txt)"
echo "MODE-LINE $(/bin/busybox stat -c %a /etc/planetbox/plnode.txt)"
echo "CMDLINE $(/bin/busybox cat /proc/cmdline)"
/bin/busybox poweroff -f
"""


class BootServer:
    """HTTPS with a certificate for the host as QEMU's guests see it: 10.0.2.2, or fec0::2 for ::1."""

    def __init__(self, directory, v6=False):
        guest, host, family = (("fec0::2", "::1", socket.AF_INET6) if v6 else
                               ("10.0.2.2", "127.0.0.1", socket.AF_INET))

        def openssl(*args):
            result = run("openssl", *args, cwd=directory)
            assert result.returncode == 0, result.stderr
        for name in ("ca", "other"):
            openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", f"/CN={name}",
                    "-keyout", name + ".key", "-out", name + ".crt")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=boot", "-keyout", "server.key",
                "-out", "server.csr")
        with open(os.path.join(directory, "ext"), "w", encoding="ascii") as f:
            f.write(f"subjectAltName=IP:{guest}\nextendedKeyUsage=serverAuth\n")
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "365", "-extfile", "ext", "-out", "server.crt")
        self.ca, self.other_ca = (os.path.join(directory, n) for n in ("ca.crt", "other.crt"))
        chain = os.path.join(directory, "chain.pem")
        with open(chain, "wb") as out:
            for name in ("server.crt", "ca.crt"):
                with open(os.path.join(directory, name), "rb") as f:
                    out.write(f.read())
        self.files = {}     # path -> bytes
        self.requests = []  # (path, query as a dictionary)
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                url = urllib.parse.urlsplit(self.path)
                server.requests.append((url.path, dict(urllib.parse.parse_qsl(url.query))))
                body = server.files.get(url.path)
                self.send_response(200 if body is not None else 404)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

        class Server(http.server.ThreadingHTTPServer):
            address_family = family

        self.http = Server((host, 0), Handler)
        self.http.daemon_threads = True
        self.http.handle_error = lambda *args: None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, os.path.join(directory, "server.key"))
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True,
                                               do_handshake_on_connect=False)
        self.url = f"https://{f'[{guest}]' if v6 else guest}:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


def busybox_initramfs(directory):
    """A RAM image that says what it was given and powers off."""
    root = os.path.join(directory, "root")
    for name in ("bin", "proc", "dev"):
        os.makedirs(os.path.join(root, name))
    subprocess.run(["cp", BUSYBOX, os.path.join(root, "bin", "busybox")], check=True)
    with open(os.path.join(root, "init"), "w", encoding="ascii") as f:
        f.write(INIT)
    os.chmod(os.path.join(root, "init"), 0o755)
    out = os.path.join(directory, "initramfs")
    with open(out, "wb") as f:
        subprocess.run("find . -mindepth 1 | sort | cpio -o -H newc --quiet", shell=True, cwd=root, stdout=f,
                       check=True)
    return out


@need_program("qemu-system-x86_64", "openssl", "cpio")
@unittest.skipUnless(os.path.exists(OVMF), "no OVMF")
class Firmware(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.TemporaryDirectory(prefix="planetbox-test-media-")
        cls.server = BootServer(cls.shared.name)
        cls.initramfs = busybox_initramfs(cls.shared.name)

    @classmethod
    def tearDownClass(cls):
        cls.server.close()
        cls.shared.cleanup()

    def setUp(self):
        super().setUp()
        self.server.files = {"/v1/boot/n1.example/stage1.ipxe":
                             b"#!ipxe\necho STAGE1 of ${host} with ${plnode_image}\nimgstat\nprompt wait\n"}
        self.server.requests.clear()

    def medium(self, kind, *args, ca=None, **node):
        nodes = self.write("nodes.jsonl", '{"hostname":"n1.example","key":"%s","mac":"%s"%s}\n' % (
            KEY, MAC, "".join(f',"{k}":"{v}"' for k, v in node.items())))
        self.ok("media", kind, "--nodes", nodes, "--ca", ca or self.server.ca, "--server", self.server.url,
                "-o", self.path("out"), *args)
        return self.path("out") if kind == "pxe" else glob.glob(self.path("out", "n1.*"))[0]

    def boot(self, *extra, user_net="", memory=256):
        # No option ROM: QEMU's own iPXE must not be what boots.
        return Vm(nic=f"virtio-net-pci,romfile=,mac={MAC}", memory=memory, user_net=user_net,
                  extra=["-bios", OVMF, *extra])

    @staticmethod
    def usb(image):
        return ["-device", "qemu-xhci", "-drive", f"if=none,id=stick,format=raw,readonly=on,file={image}",
                "-device", "usb-storage,drive=stick,bootindex=0"]

    def assert_asked(self):
        (path, query), *_ = self.server.requests
        self.assertEqual(path, "/v1/boot/n1.example/stage1.ipxe")
        self.assertEqual(query["key"], KEY)
        self.assertEqual(query["mac"], MAC)
        self.assertEqual(query["platform"], "efi")
        self.assertTrue(query["manufacturer"])

    def test_usb_reaches_linux_with_plnode(self):
        """The whole way: firmware, iPXE, TLS, kernel; and the file of the medium is in the RAM image."""
        with open(KERNEL, "rb") as f:
            self.server.files["/vmlinuz"] = f.read()
        with open(self.initramfs, "rb") as f:
            self.server.files["/initramfs"] = f.read()
        self.server.files["/v1/boot/n1.example/stage1.ipxe"] = (
            "#!ipxe\nkernel --name vmlinuz ${boot_server}/vmlinuz initrd=initrd.magic console=ttyS0 loglevel=3\n"
            "initrd ${boot_server}/initramfs\nboot\n").encode()
        with self.boot(*self.usb(self.medium("usb")), memory=512) as vm:
            vm.wait_for(r"planetbox: this is n1\.example", 25)
            vm.wait_for(r"planetbox: running the boot script", 15)
            vm.wait_for(r'HOST-LINE HOST_NAME="n1"', 40)
            vm.wait_for(r"KEY-LINE 1", 5)
            vm.wait_for(r"MODE-LINE 600", 5)
        self.assert_asked()
        self.assertNotIn(KEY.encode(), vm.log, "the key shows on the console")

    def test_a_server_of_another_ca_is_refused(self):
        with self.boot(*self.usb(self.medium("usb", ca=self.server.other_ca))) as vm:
            vm.wait_for(r"0216eb8f", 35)
            vm.wait_for(r"\[B05\] The certificate of the server is not from the CA that this medium trusts", 5)
            vm.wait_for(r"next try in 15000 ms", 5)
        self.assertEqual(self.server.requests, [], "a request was made before the server was trusted")

    def test_an_unknown_host_is_told_and_the_menu_comes_on_a_key(self):
        self.server.files.clear()
        with self.boot(*self.usb(self.medium("usb"))) as vm:
            vm.wait_for(r"\[B08\] The boot server does not know n1\.example", 35)
            vm.wait_for(r"press m for a menu", 5)
            vm.type("m")
            vm.wait_for(r"iPXE command line", 5)

    def test_a_network_card_that_the_record_does_not_name(self):
        """After a repair the card is another one: it is told, and used."""
        image = self.medium("usb")
        with Vm(nic="virtio-net-pci,romfile=,mac=52:54:00:99:99:99", memory=256,
                extra=["-bios", OVMF, *self.usb(image)]) as vm:
            vm.wait_for(rf"no interface has the address {MAC}", 30)
            vm.wait_for(r"STAGE1 of n1\.example", 20)
        self.assertEqual(self.server.requests[0][1]["mac"], "52:54:00:99:99:99")

    def test_no_network_card_at_all(self):
        with Vm(nic=None, memory=256, extra=["-bios", OVMF, *self.usb(self.medium("usb"))]) as vm:
            vm.wait_for(r"\[B01\] No network interface was found", 30)
            vm.wait_for(r"next try in 15000 ms", 5)

    def test_iso_as_a_cd_with_a_static_address(self):
        image = self.medium("iso", ipv4="10.0.2.77/24,10.0.2.2,10.0.2.3")
        with self.boot("-drive", f"if=none,id=cd,media=cdrom,format=raw,readonly=on,file={image}", "-device",
                       "ide-cd,drive=cd,bootindex=0") as vm:
            vm.wait_for(r"STAGE1 of n1\.example with plnode\.txt", 40)
            vm.wait_for(r'plnode\.txt : \d+ bytes "/etc/planetbox/plnode\.txt mode=600 mkdir=-1"', 5)
        self.assert_asked()
        self.assertEqual(self.server.requests[0][1]["ip"], "10.0.2.77")

    def test_a_network_without_ipv4(self):
        server = BootServer(self.dir, v6=True)
        self.addCleanup(server.close)
        server.files = dict(self.server.files)
        image = self.medium("usb", ca=server.ca, server=server.url, ipv6="fec0::55/64,fec0::2")
        with self.boot(*self.usb(image), user_net="ipv4=off,ipv6=on") as vm:
            vm.wait_for(r"STAGE1 of n1\.example", 60)
        self.assertEqual(server.requests[0][1]["key"], KEY)

    def test_iso_copied_to_a_stick(self):
        with self.boot(*self.usb(self.medium("iso"))) as vm:
            vm.wait_for(r"STAGE1 of n1\.example", 40)

    def test_pxe_finds_the_nodes_script_by_its_mac(self):
        directory = self.medium("pxe")
        with self.boot("-global", "virtio-net-pci.bootindex=0",
                       user_net=f"tftp={directory},bootfile=ipxe-x86_64.efi") as vm:
            vm.wait_for(rf"looking for the boot script of {MAC}", 40)
            vm.wait_for(r"STAGE1 of n1\.example with plnode\.txt", 20)
        self.assert_asked()

    def test_bootcd_needs_no_ipxe(self):
        image = self.medium("bootcd", "--kernel", KERNEL, "--initramfs", self.initramfs, "--serial", "ttyS0",
                            "--cmdline", "loglevel=3")
        with self.boot(*self.usb(image), memory=512) as vm:
            vm.wait_for(r'HOST-LINE HOST_NAME="n1"', 40)
            vm.wait_for(r"MODE-LINE 600", 5)
            line = vm.wait_for(r"CMDLINE .*\n", 5).group()
        self.assertIn(f"epoxy.stage1={self.server.url}/v1/boot/n1.example/stage1.json", line)


@need_program("qemu-system-x86_64", "cpio")
@unittest.skipUnless(os.path.exists(OVMF), "no OVMF")
class Central(TestCase):
    """The same with the real server: what `up`, `bootadm` and `media` make of a state fits together."""

    def setUp(self):
        super().setUp()
        self.state, self.port = self.path("state"), free_port()
        self.server = self.start("up", "--state", self.state, "--listen", "127.0.0.1", "--boot-port",
                                 self.port, "--metrics-listen", "none", "--name", "10.0.2.2", "--admin",
                                 "a@b.example")
        self.server.wait_for_line("planetbox is up", 60)

    def adm(self, *args):
        return self.ok("bootadm", "--state", self.state, *args)

    def boot(self, image, memory=512, rtc=None):
        return Vm(nic=f"virtio-net-pci,romfile=,mac={MAC}", memory=memory, rtc=rtc,
                  extra=["-bios", OVMF, *Firmware.usb(image)])

    def test_from_the_medium_to_linux_by_bootd(self):
        self.adm("add", "n1.example", "--mac", MAC)
        self.adm("image", "add", "--version", "v1", "--kernel", KERNEL, "--initramfs",
                 busybox_initramfs(self.dir), "--activate")
        self.ok("media", "usb", "n1.example", "--state", self.state, "-o", self.path("out"))
        with self.boot(self.path("out/n1.example.usb.img")) as vm:
            vm.wait_for(r"planetbox: running the boot script", 40)
            vm.wait_for(r'HOST-LINE HOST_NAME="n1"', 60)
            vm.wait_for(r"MODE-LINE 600", 5)
            line = vm.wait_for(r"CMDLINE .*\n", 5).group()
        self.assertIn(f"epoxy.stage2=https://10.0.2.2:{self.port}/v1/boot/n1.example/", line)
        self.assertIn(MAC, self.adm("show", "n1.example"))

    def test_a_machine_whose_clock_is_wrong(self):
        """A dead battery's 2003 does not matter; a clock beyond the certificate's life is named."""
        self.adm("add", "n1.example")
        self.ok("media", "usb", "n1.example", "--state", self.state, "-o", self.path("out"))
        image = self.path("out/n1.example.usb.img")
        with self.boot(image, memory=256, rtc="2003-01-01T00:00:00") as vm:
            vm.wait_for(r"planetbox: running the boot script", 45)
        with self.boot(image, memory=256, rtc="2040-01-01T00:00:00") as vm:
            vm.wait_for(r"\[B06\] The certificate of the server is not valid at this time", 45)

    def test_the_medium_of_a_deleted_node_and_a_replaced_key(self):
        self.adm("add", "n1.example")
        self.ok("media", "usb", "n1.example", "--state", self.state, "-o", self.path("out"))
        # The grace time of the old key is over at once (it counts in seconds).
        self.ok("media", "usb", "n1.example", "--state", self.state, "-o", self.path("new"), "--new-key",
                "--grace", "1ms")
        with self.boot(self.path("out/n1.example.usb.img"), memory=256) as vm:
            vm.wait_for(r"\[B07\] The boot server refused this node", 45)
        self.adm("delete", "n1.example")
        result = self.planetbox("media", "usb", "n1.example", "--state", self.state)
        self.assertEqual(result.returncode, 1)
        self.assertIn("n1.example: there is no such host", result.stderr)
        with self.boot(self.path("new/n1.example.usb.img"), memory=256) as vm:
            vm.wait_for(r"\[B08\] The boot server does not know n1\.example", 45)


if __name__ == "__main__":
    unittest.main()
