"""The units in systemd/: they parse, name what exists, and are sandboxed. systemd itself does not run."""
import glob
import os
import re
import unittest

from planetbox import BINARY, ROOT, TestCase, need_program, run

UNITS = os.path.join(ROOT, "systemd")
# systemd-analyze's exposure times ten; what has the capability for low ports cannot be at zero.
MOST_EXPOSED = {"planetbox.service": 20, "planetbox-bootd.service": 20, "planetbox-renew.service": 15}


class Units(TestCase):
    def setUp(self):
        super().setUp()
        self.units = []
        for source in sorted(glob.glob(os.path.join(UNITS, "*.service")) +
                             glob.glob(os.path.join(UNITS, "*.timer"))):
            with open(source) as f:
                # verify insists on programs that are there.
                text = f.read().replace("/usr/bin/planetbox", BINARY)
            self.units.append(self.write(os.path.basename(source), text))

    @need_program("systemd-analyze")
    def test_verify_has_nothing_to_say(self):
        """Catches unknown directives, misspelt values, missing programs."""
        result = run("systemd-analyze", "verify", "--man=no", *self.units)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))

    @need_program("systemd-analyze")
    def test_sandbox_does_not_erode(self):
        for unit, most in MOST_EXPOSED.items():
            with self.subTest(unit):
                result = run("systemd-analyze", "security", "--offline=true",
                             f"--threshold={most}", self.path(unit))
                self.assertEqual(result.returncode, 0, result.stdout[-300:])

    def test_every_command_line_is_understood(self):
        """Catches an option that a unit uses and the applet has not (any more)."""
        for source in self.units:
            with open(source) as f:
                commands = re.findall(rf"^ExecStart={re.escape(BINARY)} (.*)$", f.read(), re.M)
            for command in commands:
                applet, *words = command.split()
                if applet not in self.ok("--list").split():
                    continue
                help_text = self.ok(applet, "--help")
                for word in words:
                    if word.startswith("-"):
                        name = "--" + word.lstrip("-").split("=")[0]
                        self.assertIn(name, help_text, f"{os.path.basename(source)}: {command}")


if __name__ == "__main__":
    unittest.main()
