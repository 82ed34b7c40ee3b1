"""The examples in contrib/ are accepted by the programs that they are for."""
import os
import re
import unittest

from planetbox import DEPS, ROOT, TestCase, free_port, run

PROMTOOL = os.path.join(DEPS, "peers/usr/bin/promtool")
EXAMPLES = os.path.join(ROOT, "contrib/prometheus")


@unittest.skipUnless(os.path.exists(PROMTOOL), "tools/setup has not fetched promtool")
class Prometheus(TestCase):
    def test_promtool_accepts_rules_and_configuration(self):
        for argv in (["check", "rules", "alerts.yml"], ["check", "config", "scrape.yml"]):
            result = run(PROMTOOL, *argv, cwd=EXAMPLES)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
            self.assertIn("SUCCESS", result.stdout)

    def test_alerts_ask_for_metrics_that_bootd_has(self):
        """Catches a metric that was renamed: its alert would never fire again."""
        port = free_port()
        self.start("up", "--state", self.path("state"), "--listen", "127.0.0.1", "--boot-port",
                   free_port(), "--metrics-listen", f"127.0.0.1:{port}", "--name", "a.example",
                   ).wait_for_line("planetbox is up.", 60)
        from urllib.request import urlopen
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            known = set(re.findall(r"^# TYPE (\S+)", answer.read().decode(), re.M))
        with open(os.path.join(EXAMPLES, "alerts.yml")) as f:
            asked = set(re.findall(r"\b((?:epoxy|bootd)_\w+)", f.read()))
        self.assertTrue(asked)
        self.assertEqual(asked - known, set())


if __name__ == "__main__":
    unittest.main()
