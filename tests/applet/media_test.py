"""media: images that mtools, fsck.fat, sfdisk, sgdisk and xorriso find right, the same bytes every time,
and refusals that say what to do.

Most need no state: nodes come from --nodes and --plnode, the CA from openssl.
"""
import glob
import hashlib
import json
import os
import shutil
import stat
import struct
import subprocess
import tempfile
import time
import unittest

from planetbox import BINARY, DEPS, Daemon, TestCase, free_port, need_program, run

IPXE = os.path.join(DEPS, "ipxe", "ipxe-amd64.efi")
IPXE_ARM = os.path.join(DEPS, "ipxe", "ipxe-arm64.efi")
LOADER = os.path.join(DEPS, "systemd-boot", "systemd-bootx64.efi")
ANCHOR = bytes.fromhex("9faf717b7f8ca2f93c256c79f8ac5591895d66d1ff3bee6397a70d29c65eed1a")
KEY = "abc+/def0123456789"
ESP = "@@1M"  # where the partition of a disk image begins


def make_ca(directory, name="ca"):
    """A self-signed RSA root; returns its path and the SHA-256 of its DER form."""
    cert = os.path.join(directory, name + ".crt")
    result = run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650",
                 "-subj", f"/CN={name}", "-keyout", os.path.join(directory, name + ".key"), "-out", cert)
    assert result.returncode == 0, result.stderr
    der = subprocess.run(["openssl", "x509", "-in", cert, "-outform", "der"], capture_output=True,
                         check=True).stdout
    return cert, hashlib.sha256(der).digest()


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).digest()


@unittest.skipUnless(os.path.exists(IPXE), "no iPXE: run tools/setup")
class MediaCase(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ca_dir = tempfile.TemporaryDirectory(prefix="planetbox-test-ca-")
        cls.ca, cls.root = make_ca(cls.ca_dir.name)

    @classmethod
    def tearDownClass(cls):
        cls.ca_dir.cleanup()

    def nodes(self, *objects):
        return self.write("nodes.jsonl", "".join(json.dumps(o) + "\n" for o in objects))

    def media(self, kind, *args, nodes=None, **kwargs):
        nodes = nodes or self.nodes({"hostname": "n1.example", "key": KEY, "node_id": 7})
        return self.planetbox("media", kind, "--nodes", nodes, "--ca", self.ca, "--ipxe", IPXE,
                              "--server", "https://central.example:4430", "-o", self.path("out"), *args,
                              **kwargs)

    def made(self, kind, *args, **kwargs):
        result = self.media(kind, *args, **kwargs)
        self.assertEqual(result.returncode, 0, result.stderr)
        return sorted(glob.glob(self.path("out", "*.i*")))

    def check(self, *files, ca=None):
        result = self.planetbox("media", "check", "--json", "--ca", ca or self.ca, *files)
        return result, [json.loads(line) for line in result.stdout.splitlines()]

    def must(self, *argv):
        result = run(*argv)
        self.assertEqual(result.returncode, 0, f"{argv}: {result.stdout}{result.stderr}")
        return result.stdout + result.stderr

    def mtype(self, image, path, offset=ESP):
        return subprocess.run(["mtype", "-i", image + offset, "::" + path], check=True,
                              capture_output=True).stdout

    def extract_esp(self, image, skip, size):
        out = self.path("esp.img")
        with open(image, "rb") as source, open(out, "wb") as target:
            source.seek(skip)
            target.write(source.read(size))
        return out


@need_program("mtype", "fsck.fat", "sfdisk", "sgdisk", "openssl")
class Usb(MediaCase):
    def test_other_tools_find_it_right(self):
        (image,) = self.made("usb")
        self.assertIn("No errors detected", self.must("sfdisk", "-V", image))
        self.assertIn("No problems found", self.must("sgdisk", "-v", image))
        dump = json.loads(self.must("sfdisk", "--json", image))["partitiontable"]
        part = dump["partitions"][0]
        self.assertEqual(part["type"], "C12A7328-F81F-11D2-BA4B-00A0C93EC93B")
        self.assertEqual(part["start"], 2048)
        esp = self.extract_esp(image, part["start"] * 512, part["size"] * 512)
        self.must("fsck.fat", "-n", esp)
        listing = self.must("mdir", "-/", "-b", "-i", esp, "::")
        for name in ("EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/autoexec.ipxe", "plnode.txt", "README.TXT"):
            self.assertIn("::/" + name, listing)
        # The parameters of its boot sector agree with where the partition is.
        with open(esp, "rb") as f:
            sector = f.read(512)
        self.assertEqual(struct.unpack_from("<I", sector, 28)[0], 2048)

    def test_holds_ipxe_that_trusts_our_ca_and_nothing_else_changed(self):
        (image,) = self.made("usb")
        efi = self.mtype(image, "/EFI/BOOT/BOOTX64.EFI")
        with open(IPXE, "rb") as f:
            stock = f.read()
        self.assertEqual(stock.count(ANCHOR), 1)
        self.assertEqual(efi, stock.replace(ANCHOR, self.root))

    def test_plnode_and_script_are_the_nodes(self):
        nodes = self.nodes({"hostname": "N1.example", "key": KEY, "node_id": 7, "mac": "52:54:00:AA:BB:CC",
                            "ipv4": "192.0.2.5/24,192.0.2.1,192.0.2.53", "server": "https://other.example"})
        (image,) = self.made("usb", nodes=nodes)
        plnode = self.mtype(image, "/plnode.txt").decode()
        self.assertEqual(plnode, f'NODE_ID="7"\nNODE_KEY="{KEY}"\nNET_DEVICE="52:54:00:aa:bb:cc"\n'
                                 'IP_METHOD="static"\nIP_ADDRESS="192.0.2.5"\nIP_GATEWAY="192.0.2.1"\n'
                                 'IP_NETMASK="255.255.255.0"\nIP_NETADDR="192.0.2.0"\n'
                                 'IP_BROADCASTADDR="192.0.2.255"\nIP_DNS1="192.0.2.53"\nHOST_NAME="n1"\n'
                                 'DOMAIN_NAME="example"\nBOOT_SERVER="https://other.example"\n')
        script = self.mtype(image, "/EFI/BOOT/autoexec.ipxe").decode()
        self.assertIn("set host n1.example\nset boot_server https://other.example\n", script)
        self.assertIn("set only_mac 52:54:00:aa:bb:cc\n", script)
        self.assertNotIn("{{", script)
        self.assertNotIn("ifconf --configurator", script)

    def test_script_is_the_golden_one(self):
        (image,) = self.made("usb")
        golden = os.path.join(os.path.dirname(__file__), "..", "..", "ipxe", "golden",
                              "autoexec-dhcp.ipxe")
        with open(golden, encoding="utf-8") as f:
            self.assertEqual(self.mtype(image, "/EFI/BOOT/autoexec.ipxe").decode(), f.read())

    def test_only_the_owner_can_read_it(self):
        (image,) = self.made("usb")
        self.assertEqual(stat.S_IMODE(os.stat(image).st_mode), 0o600)

    def test_same_input_same_bytes_and_every_node_its_own(self):
        objects = [{"hostname": f"n{i}.example", "key": f"{KEY}{i}"} for i in range(100)]
        nodes = self.nodes(*objects)
        first = {f: digest(f) for f in self.made("usb", nodes=nodes)}
        self.assertEqual(len(first), 100)
        self.assertEqual(len(set(first.values())), 100)
        second = {f: digest(f) for f in self.made("usb", nodes=nodes)}
        self.assertEqual(first, second)
        guids = {json.loads(self.must("sfdisk", "--json", f))["partitiontable"]["id"]
                 for f in list(first)[:10]}
        self.assertEqual(len(guids), 10)

    def test_a_thousand_take_less_than_half_a_minute(self):
        nodes = self.nodes(*({"hostname": f"n{i}.example", "key": f"{KEY}{i}"} for i in range(1000)))
        began = time.monotonic()
        files = self.made("usb", nodes=nodes)
        took = time.monotonic() - began
        self.assertEqual(len(files), 1000)
        self.assertLess(took, 30)
        self.assertLess(os.stat(files[0]).st_blocks * 512, 1200 * 1024, "holes are written out")
        print(f"1,000 media in {took:.1f} s")

    def test_sizes_and_both_kinds_of_fat(self):
        for size, fat in (("8M", "16"), ("64M", "32"), ("259M", "16"), ("600M", None)):
            args = ["--size", size] + (["--fat", fat] if fat else [])
            (image,) = self.made("usb", *args)
            unit = {"M": 1 << 20, "G": 1 << 30}[size[-1]]
            self.assertEqual(os.path.getsize(image), int(size[:-1]) * unit)
            self.must("sfdisk", "-V", image)
            part = json.loads(self.must("sfdisk", "--json", image))["partitiontable"]["partitions"][0]
            esp = self.path("sparse.img")
            self.must("dd", f"if={image}", f"of={esp}", "bs=1M", "conv=sparse", "skip=1", "status=none")
            os.truncate(esp, part["size"] * 512)
            self.must("fsck.fat", "-n", esp)
            os.unlink(esp)
            result, (report,) = self.check(image)
            self.assertEqual(result.returncode, 0, report)

    def test_two_kinds_of_machine_on_one_medium(self):
        (image,) = self.made("usb", "--ipxe", IPXE_ARM)
        self.assertIn(self.root, self.mtype(image, "/EFI/BOOT/BOOTAA64.EFI"))
        self.assertIn(self.root, self.mtype(image, "/EFI/BOOT/BOOTX64.EFI"))
        self.assertEqual(self.media("usb", "--ipxe", IPXE).returncode, 1, "twice the same kind")

    def test_from_an_existing_plnode(self):
        plnode = self.write("plnode.txt", f'NODE_ID="3"\nNODE_KEY="{KEY}"\nIP_METHOD="dhcp"\n'
                                          'HOST_NAME="old"\nDOMAIN_NAME="planet.example"\n')
        self.ok("media", "usb", "--plnode", plnode, "--ca", self.ca, "--ipxe", IPXE, "--server",
                "https://c.example", "-o", self.path("out"))
        self.assertIn(b"set host old.planet.example\n",
                      self.mtype(self.path("out/old.planet.example.usb.img"), "/EFI/BOOT/autoexec.ipxe"))

    def test_nodes_on_standard_input(self):
        result = self.planetbox("media", "usb", "--nodes", "-", "--ca", self.ca, "--ipxe", IPXE, "--server",
                                "https://c.example", "-o", self.path("out"), "--json",
                                input='# fleet\n\n{"hostname":"a.example"}\n{"hostname":"b.example"}\n')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual([json.loads(line)["host"] for line in result.stdout.splitlines()],
                         ["a.example", "b.example"])


@need_program("openssl")
class Refusals(MediaCase):
    def refused(self, result, *words, code=1):
        self.assertEqual(result.returncode, code, result.stderr + result.stdout)
        self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)
        self.assertNotIn(KEY, result.stderr)
        self.assertEqual(glob.glob(self.path("out", "*")), [], "something was left behind")

    def test_ipxe_whose_anchor_is_missing_or_double(self):
        with open(IPXE, "rb") as f:
            stock = f.read()
        for name, data, words in (
                ("none.efi", stock.replace(ANCHOR, bytes(32)), ("none.efi", "does not hold", "trixie")),
                ("two.efi", stock + ANCHOR, ("two.efi", "2 times instead of once")),
                ("text.efi", b"hello", ("text.efi", "not an EFI application"))):
            path = self.write(name, data)
            result = self.planetbox("media", "usb", "--nodes", self.nodes({"hostname": "n1.example"}), "--ca",
                                    self.ca, "--ipxe", path, "--server", "https://c.example", "-o",
                                    self.path("out"))
            self.refused(result, *words)

    def test_operators_own_build_that_trusts_us_is_taken(self):
        with open(IPXE, "rb") as f:
            own = self.write("own.efi", f.read().replace(ANCHOR, self.root))
        self.ok("media", "usb", "--nodes", self.nodes({"hostname": "n1.example"}), "--ca", self.ca, "--ipxe",
                own, "--server", "https://c.example", "-o", self.path("out"))

    def test_a_certificate_that_is_no_ca(self):
        leaf = self.path("leaf.crt")
        self.must("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=x",
                  "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", self.path("leaf.key"), "-out",
                  leaf)
        result = self.planetbox("media", "usb", "--nodes", self.nodes({"hostname": "n1.example"}), "--ca",
                                leaf, "--ipxe", IPXE, "--server", "https://c.example", "-o", self.path("out"))
        self.refused(result, "leaf.crt", "no CA")

    def test_bad_nodes(self):
        for node, *words in (
                ({"hostname": "bad_name.example"}, "line 1", "HOST_NAME"),
                ({"hostname": ""}, "HOST_NAME"),
                ({"hostname": "n1.example", "key": "a b"}, "NODE_KEY"),
                ({"hostname": "n1.example", "mac": "1:2"}, "NET_DEVICE"),
                ({"hostname": "n1.example", "ipv4": "192.0.2.5"}, "line 1", "ipv4"),
                ({"hostname": "n1.example", "ipv4": "192.0.2.5/24,10.0.0.1"}, "IP_GATEWAY"),
                ({"hostname": "n1.example", "server": "http://x"}, "BOOT_SERVER"),
                ({"hostname": "n1.example", "ip": "x"}, "line 1", '"ip"'),
                ({"hostname": ["n1"]}, "hostname", "array")):
            with self.subTest(node=node):
                self.refused(self.media("usb", nodes=self.nodes(node)), *words)
        self.refused(self.media("usb", nodes=self.nodes({"hostname": "a.example"}, {"hostname": "A.example"})),
                     "a.example", "twice")
        self.refused(self.media("usb", nodes=self.write("bad", "{nonsense\n")), "line 1")
        self.refused(self.media("usb", nodes=self.write("bad", "two words\n")), "line 1")

    def test_bad_plnode_names_file_line_and_key(self):
        plnode = self.write("plnode.txt", 'HOST_NAME="n1"\nIP_ADRESS="192.0.2.1"\n')
        result = self.planetbox("media", "usb", "--plnode", plnode, "--ca", self.ca, "--ipxe", IPXE, "--server",
                                "https://c.example", "-o", self.path("out"))
        self.refused(result, "plnode.txt line 2", "IP_ADRESS", "spelling")

    def test_nothing_to_make_and_bad_sizes(self):
        base = ["media", "usb", "--ca", self.ca, "--ipxe", IPXE, "-o", self.path("out")]
        self.refused(self.planetbox(*base), "--all", "--nodes")
        for size in ("0", "-5", "12X", "99999999999G", "1M"):
            self.refused(self.media("usb", "--size=" + size), "size" if size != "1M" else "room")
        self.refused(self.media("usb", "--fat", "12"), "FAT12")
        self.refused(self.media("usb", "--fat", "32", "--size", "20M"), "too small", "at least")

    def test_a_full_disk_leaves_nothing(self):
        # A file size limit stands for the full disk: the write fails in the middle of the image.
        nodes = self.nodes({"hostname": "n1.example"})
        result = run("bash", "-c", 'trap "" XFSZ; ulimit -f 500; exec "$@"', "-", BINARY, "media", "usb", "--nodes",
            nodes, "--ca", self.ca, "--ipxe", IPXE, "--server", "https://c.example", "-o", self.path("out"))
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn("n1.example.usb.img", result.stderr)
        self.assertEqual(os.listdir(self.path("out")), [])


@need_program("xorriso", "mtype", "fsck.fat", "sgdisk")
class Iso(MediaCase):
    def test_xorriso_reads_it_and_finds_the_efi_boot_image(self):
        (image,) = self.made("iso")
        report = self.must("xorriso", "-indev", image, "-report_el_torito", "plain", "-report_system_area",
                           "plain", "-ls", "/", "--")
        self.assertRegex(report, r"El Torito boot img :   1  UEFI  y   none")
        self.assertIn("El Torito img path :   1  /EFIBOOT.IMG", report)
        self.assertIn("Volume id    : 'PLANETBOX'", report)
        for name in ("EFIBOOT.IMG", "PLNODE.TXT", "README.TXT"):
            self.assertIn(f"'{name}'", report)
        self.must("xorriso", "-indev", image, "-osirrox", "on", "-extract", "/EFIBOOT.IMG",
                  self.path("efi.img"), "-extract", "/PLNODE.TXT", self.path("plnode.txt"))
        self.must("fsck.fat", "-n", self.path("efi.img"))
        self.assertIn(self.root, self.mtype(self.path("efi.img"), "/EFI/BOOT/BOOTX64.EFI", ""))
        with open(self.path("plnode.txt"), encoding="utf-8") as f:
            self.assertIn(KEY, f.read())

    def test_it_is_a_disk_too(self):
        (image,) = self.made("iso")
        self.assertIn("No problems found", self.must("sgdisk", "-v", image))
        self.assertIn("No errors detected", self.must("sfdisk", "-V", image))
        result, (report,) = self.check(image)
        self.assertEqual((result.returncode, report["kind"], report["host"]), (0, "iso", "n1.example"))


@unittest.skipUnless(os.path.exists(LOADER), "no systemd-boot: run tools/setup")
@need_program("mtype", "cpio")
class Bootcd(MediaCase):
    def test_loader_kernel_initramfs_and_the_nodes_cpio(self):
        kernel, initramfs = self.write("vmlinuz", os.urandom(200000)), self.write("initramfs", os.urandom(900000))
        keys = self.write("keys", "ssh-ed25519 AAAA admin\n")
        result = self.planetbox("media", "bootcd", "--nodes",
                                self.nodes({"hostname": "n1.example", "key": KEY,
                                            "ipv4": "192.0.2.5/24,192.0.2.1"}),
                                "--ca", self.ca, "--server", "https://c.example:4430", "-o", self.path("out"),
                                "--loader", LOADER, "--kernel", kernel, "--initramfs", initramfs, "--serial",
                                "ttyS0", "--cmdline", "quiet", "--rescue-keys", keys)
        self.assertEqual(result.returncode, 0, result.stderr)
        image = self.path("out/n1.example.bootcd.img")
        entry = self.mtype(image, "/loader/entries/planetbox.conf").decode()
        self.assertEqual(entry, "title planetbox: n1.example\nlinux /planetbox/vmlinuz\n"
                                "initrd /planetbox/initramfs\ninitrd /planetbox/node.cpio\n"
                                "options epoxy.stage1=https://c.example:4430/v1/boot/n1.example/stage1.json "
                                "epoxy.hostname=n1.example epoxy.ipv4=192.0.2.5/24,192.0.2.1 panic=30 "
                                "console=tty0 console=ttyS0,115200 quiet\n")
        self.assertIn(b"planetbox.rescue", self.mtype(image, "/loader/entries/rescue.conf"))
        for path, source in (("/planetbox/vmlinuz", kernel), ("/planetbox/initramfs", initramfs),
                             ("/EFI/BOOT/BOOTX64.EFI", LOADER)):
            with open(source, "rb") as f:
                self.assertEqual(self.mtype(image, path), f.read())
        cpio = self.mtype(image, "/planetbox/node.cpio")
        listing = subprocess.run(["cpio", "-itv"], input=cpio, capture_output=True, check=True).stdout.decode()
        self.assertRegex(listing, r"-rw-------.*etc/planetbox/plnode.txt")
        self.assertIn("etc/planetbox/ca.pem", listing)
        self.assertIn("etc/planetbox/rescue_keys", listing)
        result, (report,) = self.check(image)
        self.assertEqual((result.returncode, report["kind"]), (0, "bootcd"))

    def test_a_private_key_is_not_put_on_a_medium(self):
        result = self.planetbox("media", "bootcd", "--nodes", self.nodes({"hostname": "n1.example"}), "--ca",
                                self.ca, "--server", "https://c.example", "--loader", LOADER, "--kernel",
                                self.write("k", "k"), "--initramfs", self.write("i", "i"), "--rescue-keys",
                                self.write("id", "-----BEGIN OPENSSH PRIVATE KEY-----\n"))
        self.assertEqual(result.returncode, 1)
        self.assertIn("private key", result.stderr)


@need_program("mcopy", "openssl")
class Check(MediaCase):
    def test_says_what_is_on_it_in_words(self):
        (image,) = self.made("usb")
        text = self.ok("media", "check", "--ca", self.ca, image)
        for words in ("usb for n1.example", "https://central.example:4430", "network dhcp", "sound",
                      "trusts the CA"):
            self.assertIn(words, text)
        self.assertNotIn(KEY, text)
        self.assertIn(hashlib.sha256(KEY.encode()).hexdigest()[:8], text)

    def test_another_ca_stock_ipxe_changed_files_and_garbage(self):
        (image,) = self.made("usb")
        other, _ = make_ca(self.dir, "other")
        result, (report,) = self.check(image, ca=other)
        self.assertEqual(result.returncode, 1)
        self.assertIn("another fleet", " ".join(report["problems"]))
        self.must("mcopy", "-o", "-i", image + ESP, IPXE, "::/EFI/BOOT/BOOTX64.EFI")
        result, (report,) = self.check(image)
        self.assertIn("trusts its makers' CA", " ".join(report["problems"]))
        for data in (b"", b"x" * 5000, os.urandom(3 << 20)):
            result, reports = self.check(self.write("garbage", data))
            self.assertEqual((result.returncode, reports), (1, []))
            self.assertEqual(len(result.stderr.splitlines()), 1)

    def test_survives_every_kind_of_damage(self):
        (image,) = self.made("usb")
        with open(image, "rb") as f:
            good = f.read()
        for at in list(range(440, 1200, 37)) + list(range(1 << 20, (1 << 20) + 36000, 997)):
            bad = bytearray(good)
            bad[at] ^= 0xff
            result, _ = self.check(self.write("bad", bytes(bad)))
            self.assertIn(result.returncode, (0, 1), f"byte {at}: {result.stderr}")


@unittest.skipUnless(os.path.exists(IPXE), "no iPXE: run tools/setup")
@need_program("mtype")
class State(TestCase):
    """Nodes, keys and CA of a central server's state."""

    @classmethod
    def setUpClass(cls):
        cls.template = tempfile.TemporaryDirectory(prefix="planetbox-test-state-")
        log = os.path.join(cls.template.name, "log")
        state = os.path.join(cls.template.name, "state")
        up = Daemon([BINARY, "up", "--state", state, "--listen", "127.0.0.1", "--boot-port", free_port(),
                     "--metrics-listen", "none", "--name", "central.example", "--admin", "a@b.example"], log)
        try:
            up.wait_for_line("planetbox is up", 60)
        finally:
            up.stop()

    @classmethod
    def tearDownClass(cls):
        cls.template.cleanup()

    def setUp(self):
        super().setUp()
        self.state = self.path("state")
        shutil.copytree(os.path.join(self.template.name, "state"), self.state)

    def adm(self, *args):
        return self.ok("bootadm", "--state", self.state, *args)

    def media(self, *args):
        return self.planetbox("media", "usb", "--state", self.state, "-o", self.path("out"), *args)

    def made(self, *args):
        result = self.media(*args)
        self.assertEqual(result.returncode, 0, result.stderr)
        return {os.path.basename(f): digest(f) for f in glob.glob(self.path("out", "*"))}

    def plnode(self, host):
        text = subprocess.run(["mtype", "-i", self.path(f"out/{host}.usb.img") + ESP, "::/plnode.txt"],
                              check=True, capture_output=True, text=True).stdout
        return dict(line.split("=", 1) for line in text.replace('"', "").splitlines())

    def test_record_key_server_and_ca_come_from_the_state(self):
        self.adm("add", "n1.example", "--mac", "52:54:00:00:00:01", "--ipv4", "192.0.2.5", "--network",
                 "192.0.2.5/24,192.0.2.1,192.0.2.53")
        self.made("n1.example")
        node = self.plnode("n1.example")
        self.assertEqual((node["NET_DEVICE"], node["IP_METHOD"], node["IP_ADDRESS"], node["IP_DNS1"]),
                         ("52:54:00:00:00:01", "static", "192.0.2.5", "192.0.2.53"))
        self.assertRegex(node["BOOT_SERVER"], r"^https://central\.example:\d+$")
        self.assertRegex(node["NODE_KEY"], r"^[A-Za-z0-9_-]{43}$")
        self.assertRegex(node["KEY_RENEWAL_DATE"], r"^\d{4}/\d\d/\d\d at \d\d:\d\d \+0000$")
        text = self.ok("media", "check", "--state", self.state, self.path("out/n1.example.usb.img"))
        self.assertIn("sound", text)
        self.assertIn("a node key was issued", self.adm("log", "n1.example"))
        self.assertNotIn(node["NODE_KEY"], self.adm("log", "n1.example") + self.adm("show", "n1.example"))

    def test_all_of_them_again_are_the_same_bytes(self):
        self.adm("add", *(f"n{i}.example" for i in range(20)))
        first = self.made("--all")
        self.assertEqual(len(first), 20)
        self.assertEqual(self.made("--all"), first)
        self.assertEqual(self.made("n3.example", "n7.example"), first)

    def test_a_new_key_only_when_asked_for(self):
        self.adm("add", "n1.example")
        self.made("n1.example")
        old = self.plnode("n1.example")["NODE_KEY"]
        self.made("n1.example", "--new-key")
        new = self.plnode("n1.example")["NODE_KEY"]
        self.assertNotEqual(new, old)
        self.made("n1.example")
        self.assertEqual(self.plnode("n1.example")["NODE_KEY"], new)

    def test_a_key_that_was_not_made_here_is_not_guessed(self):
        self.adm("add", "n1.example")
        self.adm("key", "n1.example")
        result = self.media("n1.example")
        self.assertEqual(result.returncode, 1)
        self.assertIn("--new-key", result.stderr)
        self.made("n1.example", "--new-key")

    def test_an_unknown_host_stops_the_call_before_any_key_is_issued(self):
        self.adm("add", "n1.example")
        result = self.media("n1.example", "gone.example")
        self.assertEqual(result.returncode, 1)
        self.assertIn("gone.example: there is no such host", result.stderr)
        self.assertNotIn("key was issued", self.adm("log", "n1.example"))
        self.assertEqual(self.media("bad name").returncode, 1)

    def test_no_state(self):
        result = self.planetbox("media", "usb", "n1.example", "--state", self.path("nowhere"))
        self.assertEqual(result.returncode, 1)
        self.assertIn(self.path("nowhere"), result.stderr)


@need_program("cpio")
class Pxe(MediaCase):
    def test_directory(self):
        nodes = self.nodes({"hostname": "n1.example", "key": KEY, "mac": "52:54:00:00:00:01"},
                           {"hostname": "n2.example", "key": KEY + "2"})
        result = self.media("pxe", nodes=nodes)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(sorted(os.listdir(self.path("out"))),
                         ["autoexec.ipxe", "dnsmasq.conf", "host", "ipxe-x86_64.efi", "mac"])
        self.assertEqual(sorted(os.listdir(self.path("out/host"))),
                         [f"n{i}.example.{kind}" for i in (1, 2) for kind in ("initrd", "ipxe", "plnode.txt")])
        with open(self.path("out/ipxe-x86_64.efi"), "rb") as f:
            self.assertEqual(f.read().count(self.root), 1)
        with open(self.path("out/mac/52-54-00-00-00-01.ipxe"), encoding="utf-8") as f:
            self.assertIn("host/n1.example.ipxe", f.read())
        with open(self.path("out/host/n1.example.initrd"), "rb") as f:
            listing = subprocess.run(["cpio", "-it"], input=f.read(), capture_output=True, check=True).stdout
        self.assertIn(b"etc/planetbox/plnode.txt", listing)


if __name__ == "__main__":
    unittest.main()
