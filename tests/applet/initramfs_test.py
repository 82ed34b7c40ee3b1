"""The RAM image: what initramfs/build.py makes of the manifest, and our hooks in other people's images."""
import importlib.util
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from planetbox import BINARY, DEPS, ROOT, TestCase  # noqa: E402

BUILD = os.path.join(ROOT, "initramfs", "build.py")
KERNEL = os.path.join(DEPS, "kernel")
MAKERS = os.path.join(DEPS, "image-makers")
MIB = 1 << 20

spec = importlib.util.spec_from_file_location("initramfs_build", BUILD)
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)


def entries(cpio):
    """{path: (mode, size, data)} of a newc archive, checked on the way."""
    out, at = {}, 0
    while True:
        assert cpio[at:at + 6] == b"070701", f"no header at {at}"
        field = [int(cpio[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        name = cpio[at + 110:at + 110 + field[11] - 1].decode()
        start = (at + 110 + field[11] + 3) & ~3
        if name == "TRAILER!!!":
            return out
        assert name not in out, f"{name} twice"
        assert field[2:4] == [0, 0] and field[5] == 0, f"{name}: owner or time"
        out[name] = (field[1], field[6], cpio[start:start + field[6]])
        at = (start + field[6] + 3) & ~3


def unpack(path):
    return subprocess.run(["zstd", "-dqc", path], stdout=subprocess.PIPE, check=True).stdout


@unittest.skipUnless(os.path.isdir(KERNEL), "tools/setup has not run")
class ImageTest(TestCase):
    def make(self, name, *words):
        path = os.path.join(self.dir, name)
        done = subprocess.run([BUILD, "--planetbox", BINARY, "--output", path, "--kernel-out", "",
                               "--build-time", "1790000000", *words], capture_output=True, text=True,
                              timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        return path, done.stdout

    def test_same_input_same_bytes(self):
        # Catches: times, directory order, user ids or threads that leak into the image.
        one, _ = self.make("one", "--level", "3")
        environment = dict(os.environ, PYTHONHASHSEED="12345")
        two = os.path.join(self.dir, "two")
        subprocess.run([BUILD, "--planetbox", BINARY, "--output", two, "--kernel-out", "",
                        "--build-time", "1790000000", "--level", "3", "--quiet"], check=True,
                       env=environment, timeout=300, umask=0o077)
        with open(one, "rb") as a, open(two, "rb") as b:
            self.assertEqual(a.read(), b.read())

    def test_size_without_modules(self):
        # Catches: an image that outgrows what a slow site can load (issue: 4 MiB).
        path, _ = self.make("small", "--kernel-tree", "")
        self.assertLessEqual(os.path.getsize(path), 4 * MIB)

    def test_content(self):
        # Catches: a broken manifest: no init, no console, dangling links, missing libraries.
        path, said = self.make("image", "--level", "1")
        image = entries(unpack(path))
        self.assertEqual(image["init"][2], b"bin/planetbox")
        self.assertEqual(image["dev/console"][0], 0o020600)
        self.assertEqual(image["etc/planetbox/build-time"][2], b"1790000000\n")
        with open(BINARY, "rb") as file:
            self.assertEqual(image["bin/planetbox"][2], file.read())
        for name, (mode, _, data) in image.items():
            if mode & 0o170000 == 0o120000:
                target = os.path.normpath(os.path.join(os.path.dirname(name), data.decode()))
                self.assertIn(target, image, f"{name} -> {data.decode()}")
        for needed in build.Elf(os.path.join(DEPS, "image/usr/sbin/dropbear")).needed():
            self.assertIn(f"lib/{needed}", image)
        self.assertIn("this kernel has no:", said)

    def test_modules_come_with_what_they_need(self):
        # Catches: an index that names what is not there; a dependency left behind.
        path, _ = self.make("image", "--level", "1")
        image = entries(unpack(path))
        top = next(n for n in image if n.endswith("/modules.dep")).removesuffix("modules.dep")
        listed = {}
        for line in image[top + "modules.dep"][2].decode().splitlines():
            module, _, needs = line.partition(":")
            listed[module] = needs.split()
        for module, needs in listed.items():
            for name in [module, *needs]:
                self.assertIn(top + name, image)
                self.assertIn(name, listed)
        net = next(m for m in listed if m.endswith("/virtio_net.ko"))
        self.assertTrue(any(n.endswith("/failover.ko") for n in listed[net]))
        self.assertIn("virtio_net", image[top + "modules.alias"][2].decode())
        # The same dependencies as depmod finds, whatever its order.
        with open(os.path.join(KERNEL, "lib/modules", os.path.basename(top.rstrip("/")),
                               "modules.dep")) as file:
            theirs = dict(line.strip().split(":", 1) for line in file)
        for module, needs in listed.items():
            self.assertEqual(sorted(needs), sorted(theirs[module].split()), module)

    def test_bad_input_is_named(self):
        # Catches: a traceback, or half an image, where a sentence should be.
        cases = [(["--kernel-tree", self.dir], "exactly one"),
                 (["--busybox", os.path.join(self.dir, "none")], "busybox"),
                 (["--with", "nonsense"], "NAME=FILE")]
        manifest = os.path.join(self.dir, "manifest")
        with open(manifest, "w") as file:
            file.write("dir /x\nfrobnicate /y\n")
        cases.append((["--manifest", manifest], 'manifest:2: unknown word "frobnicate"'))
        for words, message in cases:
            done = subprocess.run([BUILD, "--planetbox", BINARY, "--output",
                                   os.path.join(self.dir, "bad"), "--kernel-out", "", *words],
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 1, words)
            self.assertIn(message, done.stderr)
            self.assertNotIn("Traceback", done.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.dir, "bad")))


# A mount namespace of its own lets the makers see themselves and the kernel's modules below /usr,
# and our hooks where an administrator would put them, without touching this machine.
IN_NAMESPACE = r"""
set -e
S=$1 makers=$2 kernel=$3 hooks=$4
mkdir "$S/u" "$S/w" "$S/eu" "$S/ew"
mount -t overlay o -o "lowerdir=$makers/usr:$kernel:/usr,upperdir=$S/u,workdir=$S/w" /usr
mount -t overlay o -o "lowerdir=$makers/etc:/etc,upperdir=$S/eu,workdir=$S/ew" /etc
mount --bind "$kernel/boot" /boot
export V=$(cat "$kernel/version")
depmod "$V"
"""


def can_overlay():
    return os.geteuid() == 0 and os.path.isdir(MAKERS) and shutil.which("unshare") and \
        "overlay" in open("/proc/filesystems").read()


@unittest.skipUnless(os.path.isdir(KERNEL) and can_overlay(), "needs root, overlayfs and tools/setup")
class HooksTest(TestCase):
    def make(self, commands):
        config = os.path.join(self.dir, "etc-planetbox")
        os.mkdir(config)
        with open(os.path.join(config, "ca.pem"), "w") as file:
            file.write("the CA\n")
        done = subprocess.run(
            ["unshare", "-m", "bash", "-c", IN_NAMESPACE + commands, "make", self.dir, MAKERS, KERNEL,
             os.path.join(ROOT, "initramfs", "hooks")], capture_output=True, text=True, timeout=500,
            env=dict(os.environ, PLANETBOX=os.path.abspath(BINARY), PLANETBOX_ETC=config))
        self.assertEqual(done.returncode, 0, done.stdout[-3000:] + done.stderr[-3000:])
        listing = subprocess.run(f"zcat {self.dir}/image | cpio -itv --quiet", shell=True, check=True,
                                 capture_output=True, text=True).stdout
        return listing

    def check_common(self, listing):
        for path in ("usr/bin/planetbox", "etc/planetbox/ca.pem"):
            self.assertRegex(listing, rf"(?m) {path}$")
        self.assertRegex(listing, r"(?m) usr/bin/bootclient -> .*planetbox$")
        self.assertRegex(listing, r"(?m) usr/sbin/kexec -> .*planetbox$")
        self.assertIn("virtio_net.ko", listing)

    def test_initramfs_tools(self):
        listing = self.make('cp -r "$hooks"/initramfs-tools/* /etc/initramfs-tools/\n'
                            'mkinitramfs -c gzip -o "$S/image" "$V"\n')
        self.check_common(listing)
        self.assertRegex(listing, r"(?m) scripts/init-premount/planetbox$")

    def test_dracut(self):
        listing = self.make(
            'cp -r "$hooks"/dracut/90planetbox /usr/lib/dracut/modules.d/\n'
            'dracut --no-hostonly --no-early-microcode --tmpdir "$S" --kver "$V" --gzip --quiet '
            '--add-drivers virtio_net --modules "base kernel-modules network network-legacy '
            'planetbox" "$S/image"\n')
        self.check_common(listing)
        self.assertRegex(listing, r"(?m) usr/lib/dracut/hooks/cmdline/20-planetbox-cmdline\.sh$")
        self.assertRegex(listing, r"(?m) usr/lib/dracut/hooks/initqueue/online/50-planetbox-stage\.sh$")


class HookScriptsTest(TestCase):
    def test_shells_take_them(self):
        # Catches: a syntax error that only a machine in a rack would meet.
        shell = shutil.which("dash") or shutil.which("sh")
        for folder, _, names in os.walk(os.path.join(ROOT, "initramfs")):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    first = file.readline()
                if first.startswith(b"#!/bin/sh"):
                    subprocess.run([shell, "-n", path], check=True)
                elif first.startswith(b"#!/bin/bash"):
                    subprocess.run(["bash", "-n", path], check=True)

    def test_dracut_network_words(self):
        # Catches: ePoxy's address put wrongly into dracut's ip=.
        script = os.path.join(ROOT, "initramfs/hooks/dracut/90planetbox/planetbox-cmdline.sh")
        with open(script) as file:
            text = file.read().replace("/etc/cmdline.d", self.dir + "/cmdline.d")
        run = os.path.join(self.dir, "run.sh")
        with open(run, "w") as file:
            file.write("getarg() { for word in $CMDLINE; do case $word in \"$1\"*) "
                       "echo \"${word#\"$1\"}\"; return 0;; esac; done; return 1; }\n"
                       f"hookdir={self.dir}; mkdir -p $hookdir/initqueue/finished\n" + text +
                       f"\ncat {self.dir}/cmdline.d/* 2>/dev/null; echo root=$root\n")
        cases = {
            "epoxy.stage2=u epoxy.ipv4=10.0.0.2/24,10.0.0.1,1.1.1.1,8.8.8.8 epoxy.hostname=n1":
                "rd.neednet=1\nip=10.0.0.2::10.0.0.1:24:n1:eth0:none\nnameserver=1.1.1.1\n"
                "nameserver=8.8.8.8\nroot=planetbox\n",
            "epoxy.stage2=u epoxy.ipv4=10.0.0.2/24,10.0.0.1":
                "rd.neednet=1\nip=10.0.0.2::10.0.0.1:24::eth0:none\nroot=planetbox\n",
            "epoxy.stage1=u epoxy.interface=eth3":
                "rd.neednet=1\nip=eth3:dhcp\nroot=planetbox\n",
            "quiet": "root=\n",
        }
        for cmdline, expected in cases.items():
            shutil.rmtree(self.dir + "/cmdline.d", ignore_errors=True)
            done = subprocess.run(["sh", run], env=dict(os.environ, CMDLINE=cmdline),
                                  capture_output=True, text=True, check=True)
            self.assertEqual(done.stdout, expected, cmdline)


if __name__ == "__main__":
    unittest.main()
