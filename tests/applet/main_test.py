"""The multiplexer itself: names, links, usage."""
import os
import subprocess

from planetbox import BINARY, TestCase, run


class Multiplexer(TestCase):
    def names(self):
        return self.ok("--list").split()

    def test_list_is_sorted_and_help_names_them(self):
        names = self.names()
        self.assertEqual(names, sorted(names))
        usage = self.ok("--help")
        for name in names:
            self.assertIn(f"  {name} ", usage)

    def test_version(self):
        self.assertRegex(self.ok("--version"), r"^planetbox \d+\.\d+\.\d+ \([0-9a-z]+\)\n$")

    def test_unknown_name_exits_127_with_the_nearest(self):
        result = self.planetbox("no-such-applet-at-all")
        self.assertEqual(result.returncode, 127)
        self.assertIn("no-such-applet-at-all", result.stderr)
        self.assertEqual(result.stdout, "")
        for name in self.names():
            result = self.planetbox(name + "q")
            self.assertEqual(result.returncode, 127)
            self.assertIn(f"did you mean '{name}'", result.stderr)

    def test_no_argument_and_bad_option_exit_2(self):
        self.assertEqual(self.planetbox().returncode, 2)
        result = self.planetbox("--lst")
        self.assertEqual(result.returncode, 2)
        self.assertIn("--lst", result.stderr)

    def test_install_makes_links_that_work(self):
        # Hard links need the executable's own file system, so it is copied there first.
        copy = self.path("planetbox")
        subprocess.run(["cp", BINARY, copy], check=True)
        for mode in ([], ["-s"]):
            into = self.path("bin" + "".join(mode))
            os.mkdir(into)
            for _ in range(2):  # the second time over the first one's links
                result = run(copy, "--install", *mode, into)
                self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(sorted(os.listdir(into)), self.names())
            for name in self.names():
                link = os.path.join(into, name)
                self.assertEqual(os.path.islink(link), bool(mode))
                through_link = run(link, "--help")
                self.assertEqual(through_link.returncode, 0, through_link.stderr)
                self.assertEqual(through_link.stdout, self.ok(name, "--help"))

    def test_install_bad_usage(self):
        self.assertEqual(self.planetbox("--install").returncode, 2)
        self.assertEqual(self.planetbox("--install", "a", "b").returncode, 2)
        result = self.planetbox("--install", self.path("missing"))
        if self.names():
            self.assertNotEqual(result.returncode, 0)
            self.assertIn("missing", result.stderr)

    def test_every_applet_explains_itself_and_refuses_nonsense(self):
        for name in self.names():
            with self.subTest(applet=name):
                text = self.ok(name, "--help")
                self.assertTrue(text.startswith(f"Usage: planetbox {name}"), text)
                self.assertLessEqual(max(map(len, text.split("\n"))), 120)
                result = self.planetbox(name, "--no-such-option-here")
                self.assertEqual(result.returncode, 2)
                self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
                self.assertIn("--no-such-option-here", result.stderr)
                self.assertIn(f"planetbox {name}", result.stderr)
                page = self.ok(name, "--help-man")
                self.assertTrue(page.startswith(".TH "), page[:80])

    def test_completion_of_bash(self):
        script = self.write("completion", self.ok("--completion", "bash"))
        names = self.names()
        ask = (f"PATH={os.path.dirname(BINARY)}:$PATH; . {script}; COMP_WORDS=(planetbox ''); "
               "COMP_CWORD=1; _planetbox; printf '%s\\n' \"${COMPREPLY[@]}\"")
        words = run("bash", "-c", ask).stdout.split()
        self.assertTrue(set(names) <= set(words))
        self.assertIn("--install", words)
        for shell in ("zsh", "fish"):
            self.assertIn("--help-words", self.ok("--completion", shell))
        self.assertEqual(self.planetbox("--completion", "tcsh").returncode, 2)
