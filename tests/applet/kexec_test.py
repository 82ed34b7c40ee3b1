"""kexec's command line and its errors. What it starts is tested in a virtual machine."""
import os
import unittest

from planetbox import TestCase


class Kexec(TestCase):
    def fails(self, code, words, *args):
        result = self.planetbox("kexec", *args)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertIn(words, result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, "one line: " + result.stderr)

    def test_a_kernel_must_be_named_and_exist(self):
        self.fails(2, "which KERNEL?")
        self.fails(2, "which KERNEL?", "-l")
        self.fails(2, "which KERNEL?", "--force", "--initrd=x")
        self.fails(1, self.path("none"), "-l", self.path("none"))
        kernel = self.write("k", "x")
        self.fails(1, self.path("none"), "-l", kernel, "--initrd", self.path("none"))

    def test_options_of_kexec_tools_are_understood(self):
        kernel = self.write("k", b"\0" * 4096)
        for words in (["-l", kernel, "--append=quiet"], ["-s", "-l", "--initrd=" + kernel, kernel],
                      ["-l", "-t", "bzImage", kernel, "--command-line", "a='b c' \"d\" [e]"],
                      ["-d", "-a", "-i", "-l", "--ramdisk", kernel, "--reuse-cmdline", kernel]):
            with self.subTest(words=words):
                # Zeros are no kernel, and a test machine need not know kexec: it comes this far.
                self.fails(1, "kexec: ", *words)
        self.fails(2, "--load-panic", "-p", kernel)
        self.fails(2, "--bogus", "--bogus", kernel)

    def test_a_command_line_that_is_too_long_is_told_with_its_limit(self):
        arm64 = bytearray(4096)
        arm64[0x38:0x3C] = b"ARM\x64"
        kernel = self.write("k", bytes(arm64))
        self.fails(1, "the command line has 3000 bytes; this kernel takes 2047", "-l", kernel,
                   "--command-line=" + "x" * 3000)

    def test_nothing_is_loaded(self):
        result = self.planetbox("kexec", "--status")
        self.assertIn(result.returncode, (0, 2))
        self.assertEqual(result.returncode == 2, not os.path.exists("/sys/kernel/kexec_loaded"))


if __name__ == "__main__":
    unittest.main()
