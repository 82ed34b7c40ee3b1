"""bootclient against a server that the test scripts: epoxy_client's behaviour, and its faults mended.

The messages are those of epoxy_client, as it was seen to say them.
"""
import hashlib
import json
import os
import shutil
import signal
import tempfile
import time
import unittest

from planetbox import BINARY, TestCase, wait_for
from script_server import Pki, ScriptServer, refused_port

STAGE = "/v1/boot/n1.example/SECRETSECRETSECRETSECRETSEC/stage2"
REPORT = "/v1/boot/n1.example/REPORTREPORTREPORTREPORTREP/report"
SECRETS = ("SECRETSECRET", "REPORTREPORT", "NODEKEYNODEKEY")

PKI = {}


def setUpModule():
    directory = tempfile.mkdtemp(prefix="planetbox-pki-")
    unittest.addModuleCleanup(shutil.rmtree, directory)
    PKI["ours"] = Pki(os.path.join(directory, "ours"))
    PKI["tls"] = PKI["ours"].server()
    PKI["theirs"] = Pki(os.path.join(directory, "theirs"), "another CA")


def sha(data):
    return hashlib.sha256(data).hexdigest()


class Client(TestCase):
    def setUp(self):
        super().setUp()
        self.server = ScriptServer(self, tls=PKI["tls"])
        self.server.route(REPORT, (204, {}, b""))
        self.kargs = {"epoxy.stage2": self.server.url + STAGE,
                      "epoxy.report": self.server.url + REPORT}
        self.ca = PKI["ours"].ca

    def arguments(self, *options):
        line = " ".join(f"{k}={v}" for k, v in self.kargs.items())
        cmdline = self.write("cmdline", line + "\n")
        os.makedirs(self.path("tmp"), exist_ok=True)
        return ["bootclient", "-cmdline", cmdline, "--ca", self.ca, "--plnode",
                self.path("plnode.txt"), *options]

    def environment(self, **more):
        return {"TMPDIR": self.path("tmp"), **more}

    def run_client(self, *options, retry=False, env=None, timeout=30):
        options = options if retry else ("-retry=false", *options)
        result = self.planetbox(*self.arguments(*options), env=self.environment(**(env or {})),
                                timeout=timeout)
        for secret in SECRETS:
            self.assertNotIn(secret, result.stdout + result.stderr)
        return result

    def reports(self):
        return [request.form for request in self.server.asked(REPORT)]

    def action(self, *commands, **more):
        self.server.json(STAGE, {"v1": {"commands": list(commands), **more}})

    def fails_with(self, message, code, *options, **kwargs):
        """Runs; it must fail, and report this."""
        result = self.run_client(*options, **kwargs)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertEqual([r["message"] for r in self.reports()], ["error: " + message],
                         result.stderr)
        self.assertEqual(self.reports()[0]["code"], code)
        self.assertIn(f"Result: error: {message}", result.stderr)
        self.assertIn(f"bootclient: {code}: ", result.stderr)
        self.assertEqual(os.listdir(self.path("tmp")), [], "temporary files stayed")
        return result

    def works(self, *options, **kwargs):
        result = self.run_client(*options, **kwargs)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(os.listdir(self.path("tmp")), [], "temporary files stayed")
        return result


class Running(Client):
    def test_success_is_reported_with_what_it_was_about(self):
        self.action("true okay")
        result = self.works()
        self.assertIn("Result: success", result.stderr)
        self.assertEqual([r.method for r in self.server.asked(STAGE)], ["POST"])
        self.assertEqual(self.server.asked(STAGE)[0].body, b"")
        [report] = self.reports()
        self.assertEqual(report["message"], "success")
        self.assertEqual(report["stage"], "stage2")
        self.assertNotIn("code", report)
        self.assertGreaterEqual(int(report["uptime"]), 0)
        config = json.loads(report["debug.config"])
        self.assertEqual(config["v1"], {"commands": ["true okay"]})
        for secret in SECRETS:
            self.assertNotIn(secret, report["debug.config"])

    def test_chain_is_followed_by_get_and_commands_run_in_order(self):
        self.kargs["who"] = "node"
        self.server.json(STAGE, {"v1": {"chain": self.server.url + "/two", "commands": ["false"]}})
        self.server.json("/two", {"v1": {"chain": self.server.url + "/three"}})
        self.server.json("/three", {"v1": {
            "vars": {"list": ["a", "{{kargs `who`}}", 7]},
            "env": {"GREETING": "hello {{.vars.list}}"},
            "commands": ["# a comment", "echo 'one  two' {{.vars.list}}",
                         ["sh", "-c", "echo $GREETING; echo to stderr >&2"],
                         "echo [{{kargs `missing`}}] {{.vars.missing}}"]}})
        result = self.works()
        self.assertEqual(result.stdout,
                         "one  two a node 7\nhello a node 7\n[] <no value>\n")
        self.assertIn("to stderr\n", result.stderr)
        self.assertEqual([(r.method, r.path) for r in self.server.asked()],
                         [("POST", STAGE), ("GET", "/two"), ("GET", "/three"), ("POST", REPORT)])

    def test_words_are_templated_twice_and_arrays_printed_like_go(self):
        self.kargs["t"] = "{{kargs`u`}}"
        self.kargs["u"] = "x"
        self.action("echo {{kargs `t`}}", ["echo", 1e21, None, True, [1, "a"], 0.5, 1000000])
        self.assertEqual(self.works().stdout, "x\n1e+21 <nil> true [1 a] 0.5 1e+06\n")

    def test_path_of_the_action_is_used_and_the_own_environment_stays(self):
        self.write("bin/greet", "#!/bin/sh\necho greeted $KEEP $PATH\n", 0o755)
        self.action("greet", env={"PATH": self.path("bin") + ":/bin:/usr/bin"})
        result = self.works(env={"KEEP": "kept"})
        self.assertEqual(result.stdout, f"greeted kept {self.path('bin')}:/bin:/usr/bin\n")

    def test_add_kargs_come_from_the_first_answer_and_replace_nothing(self):
        self.kargs["have"] = "mine"
        last = {"kargs": {"late": "no"}, "v1": {"commands": [
            "echo {{kargs `have`}} {{kargs `new`}} [{{kargs `late`}}]"]}}
        self.server.json(STAGE, {"kargs": {"have": "theirs", "new": "1"},
                                 "v1": {"chain": self.server.url + "/last"}})
        self.server.json("/last", last)
        self.assertEqual(self.works("-add-kargs").stdout, "mine 1 []\n")
        self.assertEqual(self.works("-add-kargs=false").stdout, "mine []\n")

    def test_dryrun_runs_and_reports_nothing(self):
        self.action("touch " + self.path("made"),
                    files={"f": {"url": self.server.url + "/f", "sha256": "0" * 64}})
        result = self.works("-dryrun")
        self.assertIn('Command: "touch"', result.stderr)
        self.assertFalse(os.path.exists(self.path("made")))
        self.assertEqual([r.path for r in self.server.asked()], [STAGE])

    def test_action_and_report_names_and_a_file_url(self):
        action = self.write("a.json", json.dumps({"v1": {"commands": ["echo local"]}}))
        self.kargs = {"my.action": "file://" + action, "my.report": self.server.url + REPORT}
        result = self.works("-action", "my.action", "--report=my.report")
        self.assertEqual(result.stdout, "local\n")
        self.assertEqual(self.reports()[0]["stage"], "action")

    def test_node_key_goes_with_stage1_over_https_only(self):
        self.write("plnode.txt", 'NODE_ID="7"\nNODE_KEY="NODEKEYNODEKEYNODEKEYNODEKEY"\n'
                                 'HOST_NAME="n1"\nDOMAIN_NAME="example"\n')
        self.kargs["epoxy.stage1"] = self.server.url + "/v1/boot/n1.example/stage1.json"
        self.server.json("/v1/boot/n1.example/stage1.json", {"v1": {}})
        self.action()
        self.works("-action=epoxy.stage1")
        self.works("-action=epoxy.stage2")
        first, second = [r for r in self.server.asked() if r.path != REPORT]
        self.assertEqual(first.form, {"key": "NODEKEYNODEKEYNODEKEYNODEKEY"})
        self.assertEqual(second.form, {})
        plain = ScriptServer(self)
        plain.json("/x", {"v1": {}})
        self.kargs["epoxy.stage1"] = plain.url + "/x"
        self.works("-action=epoxy.stage1", "--allow-http")
        self.assertEqual(plain.asked("/x")[0].form, {})


class Failing(Client):
    def test_action_that_the_command_line_does_not_name(self):
        del self.kargs["epoxy.stage2"]
        self.fails_with("Action URL key not found", "B11")

    def test_failed_command_names_itself_and_stops_the_rest(self):
        self.action("false", "touch " + self.path("made"))
        self.fails_with('["false"] : exit status 1', "B12")
        self.assertFalse(os.path.exists(self.path("made")))

    def test_command_killed_by_a_signal(self):
        self.action(["sh", "-c", "kill -9 $$"])
        self.fails_with('["sh" "-c" "kill -9 $$"] : signal: killed', "B12")

    def test_program_that_is_not_in_the_path(self):
        self.action("true", env={"PATH": "/nonexistent"})
        self.fails_with('["true"] : exec: "true": executable file not found in $PATH', "B12")

    def test_program_that_is_not_there(self):
        self.action("/nonexistent/x y")
        self.fails_with('["/nonexistent/x" "y"] : fork/exec /nonexistent/x: '
                        'no such file or directory', "B12")

    def test_limit_kills_the_command_and_what_it_started(self):
        pid_file = self.path("pid")
        self.action(["sh", "-c", f"sleep 600 & echo $! > {pid_file}; wait"])
        start = time.monotonic()
        self.fails_with(f'["sh" "-c" "sleep 600 & echo $! > {pid_file}; wait"] : signal: killed',
                        "B12", "--command-timeout", "500ms")
        self.assertLess(time.monotonic() - start, 10)
        with open(pid_file) as f:
            pid = int(f.read())
        wait_for(lambda: not alive(pid), 5, "the grandchild is gone")

    def test_quote_that_is_not_closed(self):
        self.action("echo 'a")
        self.fails_with("EOF found when expecting closing quote", "B11")

    def test_variable_of_a_wrong_type(self):
        self.action("true", vars={"a": 3})
        self.fails_with("Unsupported type: float64 3", "B11")

    def test_template_form_that_is_not_known_is_named(self):
        self.action("echo {{if .vars.a}}x{{end}}")
        self.fails_with("template: {{if .vars.a}} is not understood; known are {{kargs `name`}}, "
                        "{{.vars.name}}, {{.files.name.KEY}}, {{`text`}} and comments", "B11")

    def test_action_without_v1_is_reported_not_a_crash(self):
        self.server.json(STAGE, {"kargs": {"a": "b"}})
        self.fails_with('action: there is no "v1", so there is nothing to do', "B11")

    def test_answer_that_is_no_json(self):
        self.server.route(STAGE, (200, {}, b"<html>"))
        result = self.run_client()
        self.assertEqual(result.returncode, 1)
        self.assertTrue(self.reports()[0]["message"].startswith("error: action: JSON: line 1"))

    def test_statuses_of_the_stage_request(self):
        for status, code in ((404, "B08"), (403, "B07"), (500, "B15"), (302, "B15")):
            with self.subTest(status=status):
                self.server.requests.clear()
                self.server.route(STAGE, (status, {}, b"Caller cannot access host\n"))
                result = self.fails_with(
                    f"Bad status code: got {status}, expected 200 code", code)
                self.assertIn("the server says: Caller cannot access host", result.stderr)

    def test_missing_link_of_a_chain(self):
        self.server.json(STAGE, {"v1": {"chain": self.server.url + "/gone"}})
        self.fails_with("server returned 404 Not Found", "B10")

    def test_chain_that_leads_back(self):
        self.server.json(STAGE, {"v1": {"chain": self.server.url + "/a"}})
        self.server.json("/a", {"v1": {"chain": self.server.url + "/b"}})
        self.server.json("/b", {"v1": {"chain": self.server.url + "/a"}})
        self.fails_with(f"chain: it leads back to {self.server.url}/a", "B11")

    def test_chain_without_end(self):
        self.server.json(STAGE, {"v1": {"chain": self.server.url + "/0"}})
        for i in range(20):
            self.server.json(f"/{i}", {"v1": {"chain": f"{self.server.url}/{i + 1}"}})
        self.fails_with("chain: longer than 10 actions", "B11")
        self.server.requests.clear()
        self.fails_with("chain: longer than 3 actions", "B11", "--max-chain=3")

    def test_no_report_address_is_told_and_changes_nothing_else(self):
        del self.kargs["epoxy.report"]
        self.action("echo done")
        self.assertIn("Action URL key not found", self.works().stderr)
        self.action("false")
        self.assertEqual(self.run_client().returncode, 1)

    def test_missing_command_line_file(self):
        result = self.planetbox("bootclient", "-cmdline", self.path("none"))
        self.assertEqual(result.returncode, 1)
        self.assertIn(self.path("none"), result.stderr)
        self.assertEqual(self.planetbox("bootclient", "-bogus").returncode, 2)


class Files(Client):
    def setUp(self):
        super().setUp()
        self.data = os.urandom(700_000)

    def use(self, data=None, url=None, **spec):
        """An action that copies its file to self.dir."""
        url = url or self.server.file("/image", self.data)
        spec = {"url": url, "sha256": sha(data or self.data), **spec}
        spec = {k: v for k, v in spec.items() if v is not None}
        self.action(["cp", "{{.files.image.name}}", self.path("copy")], files={"image": spec})

    def check_copy(self):
        with open(self.path("copy"), "rb") as f:
            self.assertEqual(f.read(), self.data)

    def test_file_is_loaded_checked_and_removed_afterwards(self):
        self.use()
        result = self.works()
        self.check_copy()
        self.assertIn("SHA-256 fits", result.stderr)
        config = json.loads(self.reports()[0]["debug.config"])
        self.assertRegex(config["v1"]["files"]["image"]["name"], r"/image-[0-9a-f]+$")

    def test_address_is_a_template_with_variables(self):
        self.kargs["version"] = "v7"
        self.server.file("/v7/x/image", self.data)
        self.action(["cp", "{{.files.image.name}}", self.path("copy")], vars={"dir": "x"},
                    files={"image": {"url": self.server.url +
                                     "/{{kargs `version`}}/{{.vars.dir}}/image",
                                     "sha256": sha(self.data)}})
        self.works()
        self.check_copy()

    def test_any_changed_byte_is_a_checksum_mismatch(self):
        for at in (0, 1, 4096, 350_000, len(self.data) - 1):
            with self.subTest(at=at):
                changed = bytearray(self.data)
                changed[at] ^= 1
                self.server.requests.clear()
                self.use(url=self.server.file("/image", bytes(changed)))
                self.fails_with("checksum mismatch", "B09")
        self.server.requests.clear()
        self.use(url=self.server.file("/image", self.data[:-1]))
        self.fails_with("checksum mismatch", "B09")
        self.assertFalse(os.path.exists(self.path("copy")))

    def test_file_without_hash_needs_the_flag(self):
        self.use(sha256=None)
        self.fails_with('file "image" has no sha256, and nothing unchecked is started '
                        '(--allow-unhashed lifts this)', "B11")
        self.assertEqual(self.server.asked("/image"), [])
        self.works("--allow-unhashed")
        self.check_copy()

    def test_hash_that_is_none(self):
        self.use(sha256="abc")
        self.fails_with('file "image": its sha256 is not 64 hex digits', "B11")

    def test_file_without_url(self):
        self.action("true", files={"image": {"sha256": "0" * 64}})
        self.fails_with("URL key not found in file spec", "B11")

    def test_file_that_is_not_there(self):
        self.use(url=self.server.url + "/none")
        self.fails_with("server returned 404 Not Found", "B10")

    def test_half_a_download_is_resumed(self):
        self.use()
        whole = self.server.routes["/image"]
        self.server.routes["/image"] = [
            lambda h, r: h.break_off(200, {"ETag": '"v1"'}, self.data, 300_000), whole]
        result = self.works()
        self.check_copy()
        ranges = [r.headers.get("Range") for r in self.server.asked("/image")]
        self.assertEqual(ranges, [None, "bytes=300000-"])
        self.assertEqual(self.server.asked("/image")[1].headers["If-Range"], '"v1"')
        self.assertIn("trying again", result.stderr)

    def test_file_that_changed_in_the_middle_is_loaded_anew(self):
        old = os.urandom(len(self.data))
        self.use()
        whole = self.server.file("/image", self.data, etag='"v2"') and self.server.routes["/image"]
        self.server.routes["/image"] = [
            lambda h, r: h.break_off(200, {"ETag": '"v1"'}, old, 300_000), whole]
        self.works()
        self.check_copy()

    def test_busy_server_is_asked_again(self):
        self.use()
        whole = self.server.routes["/image"]
        self.server.routes["/image"] = [(503, {}, b""), (503, {}, b""), whole]
        self.works()
        self.check_copy()

    def test_plain_http_only_for_what_a_hash_vouches_for(self):
        plain = ScriptServer(self)
        plain.file("/image", self.data)
        self.use(url=plain.url + "/image")
        self.works()
        self.check_copy()
        self.server.requests.clear()
        self.use(url=plain.url + "/image", sha256=None)
        self.fails_with('file "image": http without a sha256 is refused', "B11", "--allow-unhashed")

    def test_full_disk_is_told(self):
        self.use()
        os.makedirs(self.path("tmp"), exist_ok=True)
        # A limit on the size of files stands for the full disk.
        result = self.planetbox(*self.arguments("-retry=false"), env=self.environment())
        self.assertEqual(result.returncode, 0)
        limited = ["sh", "-c", 'trap "" XFSZ; ulimit -f 200; exec "$@"', "sh", BINARY,
                   *self.arguments("-retry=false")]
        daemon = self.start_program(*limited, env=self.environment())
        wait_for(lambda: not daemon.running(), 20, "bootclient ends")
        self.assertEqual(daemon.process.returncode, 1)
        self.assertIn("File too large", daemon.output())
        self.assertIn("File too large", self.reports()[-1]["message"])


class Trust(Client):
    def test_server_of_another_ca_is_refused(self):
        self.ca = PKI["theirs"].ca
        self.action("touch " + self.path("made"))
        result = self.run_client()
        self.assertEqual(result.returncode, 1)
        self.assertIn("B05: ", result.stderr)
        self.assertEqual(self.server.asked(), [])
        self.assertFalse(os.path.exists(self.path("made")))

    def test_certificate_out_of_its_time(self):
        for name, start, end in (("old", "20200101000000Z", "20200201000000Z"),
                                 ("new", "20400101000000Z", "20400201000000Z")):
            with self.subTest(name):
                other = ScriptServer(self, tls=PKI["ours"].server(name, start=start, end=end))
                self.kargs["epoxy.stage2"] = other.url + STAGE
                result = self.run_client()
                self.assertEqual(result.returncode, 1)
                self.assertIn("B06: ", result.stderr)
                self.assertEqual(other.asked(), [])

    def test_certificate_for_another_name(self):
        other = ScriptServer(self, tls=PKI["ours"].server("name", names="DNS:elsewhere.example"))
        self.kargs["epoxy.stage2"] = other.url + STAGE
        result = self.run_client()
        self.assertEqual(result.returncode, 1)
        self.assertIn("B05: ", result.stderr)

    def test_nobody_listens(self):
        self.kargs["epoxy.stage2"] = f"https://127.0.0.1:{refused_port()}{STAGE}"
        result = self.run_client()
        self.assertEqual(result.returncode, 1)
        self.assertIn("B04: ", result.stderr)
        self.assertEqual(self.reports()[0]["code"], "B04")

    def test_chain_to_plain_http_is_refused(self):
        plain = ScriptServer(self)
        plain.json("/x", {"v1": {"commands": ["touch " + self.path("made")]}})
        self.server.json(STAGE, {"v1": {"chain": plain.url + "/x"}})
        self.assertEqual(self.run_client().returncode, 1)
        self.assertEqual(plain.asked(), [])
        self.server.route(STAGE, (307, {"Location": plain.url + "/x"}, b""))
        self.assertEqual(self.run_client().returncode, 1)
        self.assertEqual(plain.asked(), [])
        self.assertFalse(os.path.exists(self.path("made")))


class Clock(Client):
    """Only cases in which the clock is right already: nothing here may set this machine's."""

    def set_clock(self, *options):
        return self.planetbox(*self.arguments("--set-clock", *options), env=self.environment())

    def test_clock_that_agrees_with_the_server_is_left_alone(self):
        self.server.route("/_ah/health", (200, {}, b"ok"))
        result = self.set_clock()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("agrees with the boot server", result.stderr)
        self.assertEqual([r.path for r in self.server.asked()], ["/_ah/health"])

    def test_an_expired_certificate_of_the_pinned_ca_may_tell_the_time(self):
        """Else a dead battery clock could never be mended: nothing is valid in 2003."""
        old = PKI["ours"].server("clock", start="20200101000000Z", end="20200201000000Z")
        other = ScriptServer(self, tls=old)
        self.kargs["epoxy.stage2"] = other.url + STAGE
        result = self.set_clock()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("agrees with the boot server", result.stderr)

    def test_nobody_else_may_tell_it(self):
        self.ca = PKI["theirs"].ca
        result = self.set_clock()
        self.assertEqual(result.returncode, 1)
        self.assertIn("the clock is left alone", result.stderr)
        self.assertEqual(self.server.asked(), [])
        self.ca = PKI["ours"].ca
        for url in (f"https://127.0.0.1:{refused_port()}/x", "http://127.0.0.1/x", "file:///x"):
            with self.subTest(url=url):
                self.kargs = {"epoxy.stage2": url}
                result = self.set_clock()
                self.assertEqual(result.returncode, 1)
                self.assertIn("the clock is left alone", result.stderr)


class Retrying(Client):
    def test_tries_again_and_reports_each_time(self):
        once = {"v1": {"commands": ["false"]}}
        self.server.json(STAGE, {"v1": {"commands": ["true"]}})
        good = self.server.routes[STAGE]
        self.server.json(STAGE, once)
        self.server.routes[STAGE] = [self.server.routes[STAGE], (500, {}, b""), good]
        result = self.works("--retry-interval", "50ms", retry=True)
        self.assertEqual([r["message"] for r in self.reports()],
                         ['error: ["false"] : exit status 1',
                          "error: Bad status code: got 500, expected 200 code", "success"])
        self.assertIn("Trying again in", result.stderr)

    def test_gives_up_after_its_time(self):
        self.action("false")
        result = self.run_client("--retry-interval=50ms", "--give-up-after=300ms", retry=True)
        self.assertEqual(result.returncode, 1)
        self.assertGreaterEqual(len(self.reports()), 2)

    def test_goes_on_by_itself_when_the_server_is_back(self):
        port = refused_port()
        self.kargs["epoxy.stage2"] = f"https://127.0.0.1:{port}{STAGE}"
        client = self.start(*self.arguments("--retry-interval=100ms"), env=self.environment())
        client.wait_for_line("B04: ")
        back = ScriptServer(self, tls=PKI["tls"], port=port)
        back.json(STAGE, {"v1": {"commands": ["true"]}})
        wait_for(lambda: not client.running(), 20, "bootclient succeeds")
        self.assertEqual(client.process.returncode, 0, client.output())

    def test_refused_repetition_goes_on_with_the_first_answer(self):
        flag = self.path("flag")
        self.server.json(STAGE, {"v1": {"commands": [f"test -e {flag}"]}})
        self.server.routes[STAGE] = [self.server.routes[STAGE], (403, {}, b"replayed\n")]
        client = self.start(*self.arguments("--retry-interval=50ms"), env=self.environment())
        client.wait_for_line("going on with the answer from before")
        self.write("flag", "")
        wait_for(lambda: not client.running(), 20, "bootclient succeeds")
        self.assertEqual(client.process.returncode, 0, client.output())

    def test_report_that_is_refused_for_a_moment_is_repeated(self):
        self.action("true")
        self.server.routes[REPORT] = [(503, {}, b""), (204, {}, b"")]
        self.works()
        self.assertEqual(len(self.reports()), 2)

    def test_stops_at_once_when_told_and_leaves_nothing(self):
        pid_file = self.path("pid")
        self.action(["sh", "-c", f"echo $$ > {pid_file}; exec sleep 600"],
                    files={"f": {"url": self.server.file("/f", b"x"), "sha256": sha(b"x")}})
        client = self.start(*self.arguments(), env=self.environment())
        wait_for(lambda: os.path.getsize(pid_file), 10, "the command runs")
        with open(pid_file) as f:
            pid = int(f.read())
        self.assertEqual(client.stop(signal.SIGTERM), 1)
        wait_for(lambda: not alive(pid), 5, "the command is gone")
        self.assertEqual(os.listdir(self.path("tmp")), [])
        self.assertEqual(self.reports(), [])


class Production(Client):
    """Actions in the manner of those that M-Lab's images carry."""

    HANDED = ["epoxy.ip", "epoxy.ipv4", "epoxy.ipv6", "epoxy.interface", "epoxy.hostname",
              "epoxy.stage3", "epoxy.report", "epoxy.allocate_k8s_token", "epoxy.server",
              "epoxy.project", "epoxy.images_version"]

    def setUp(self):
        super().setUp()
        self.kernel, self.initram = os.urandom(50_000), os.urandom(90_000)
        self.kargs.update({
            "epoxy.ipv4": "192.0.2.7/24,192.0.2.1,8.8.8.8,8.8.4.4", "epoxy.ipv6": "",
            "epoxy.interface": "eth0", "epoxy.hostname": "n1.example",
            "epoxy.stage3": self.server.url + STAGE.replace("stage2", "stage3"),
            "epoxy.project": "test", "epoxy.images_version": "v1.2",
            "epoxy.allocate_k8s_token": self.server.url + "/v1/boot/n1/SECRETSECRET1/extension/x"})

    def kexec_action(self, initrd_words):
        base = self.server.url + "/{{kargs `epoxy.images_version`}}/"
        return {"v1": {
            "env": {"PATH": "/bin:/usr/bin:/usr/local/bin"},
            "files": {"vmlinuz": {"url": base + "k", "sha256": sha(self.kernel)},
                      "initram": {"url": base + "i", "sha256": sha(self.initram)}},
            "vars": {"kargs": [f"{name}={{{{kargs `{name}`}}}}" for name in self.HANDED],
                     "cmdline": "net.ifnames=0 autoconf=0"},
            "commands": ["# Start the next kernel.",
                         [self.path("sbin/kexec"), "--force",
                          "--command-line={{.vars.kargs}} {{.vars.cmdline}}", *initrd_words,
                          "{{.files.vmlinuz.name}}"]]}}

    def serve(self, action):
        self.server.file("/v1.2/k", self.kernel)
        self.server.file("/v1.2/i", self.initram)
        self.server.json(STAGE, action)

    def test_kexec_gets_files_and_command_line(self):
        """Another kexec program: it is called as kexec-tools would be."""
        self.write("sbin/kexec", f"""#!/bin/sh
printf '%s\\n' "$@" > {self.path('args')}
for word; do case $word in --initrd=*) initrd=${{word#--initrd=}};; /*) file=$word;; esac; done
cat "$initrd" > {self.path('initrd')}; cat "$file" > {self.path('kernel')}
""", 0o755)
        self.serve(self.kexec_action(["--initrd={{.files.initram.name}}"]))
        self.works()
        with open(self.path("args")) as f:
            force, line, initrd, kernel = f.read().splitlines()
        self.assertEqual(force, "--force")
        want = " ".join(f"{n}={self.kargs.get(n, '')}" for n in self.HANDED)
        self.assertEqual(line, f"--command-line={want} net.ifnames=0 autoconf=0")
        for name, data in (("initrd", self.initram), ("kernel", self.kernel)):
            with open(self.path(name), "rb") as f:
                self.assertEqual(f.read(), data)

    def test_own_kexec_tells_the_report_why_it_failed(self):
        """No kexec program, or a link to us: the applet does it. Random bytes are no kernel."""
        for link in (False, True):
            with self.subTest(link=link):
                if link:
                    os.makedirs(self.path("sbin"), exist_ok=True)
                    os.symlink(BINARY, self.path("sbin/kexec"))
                self.server.requests.clear()
                self.serve(self.kexec_action(["--initrd", "{{.files.initram.name}}"]))
                result = self.run_client()
                self.assertEqual(result.returncode, 1)
                [report] = self.reports()
                self.assertEqual(report["code"], "B13")
                self.assertRegex(report["message"],
                                 r'^error: \["/.*/kexec" "--force" "--command-line=epoxy.ip= .*'
                                 r' : exit status 1: kexec: .+')
                for secret in SECRETS:
                    self.assertNotIn(secret, report["message"])

    def test_stage3_script_gets_its_words(self):
        script = self.write("setup.sh", "#!/bin/sh\nfor w; do echo \"<$w>\"; done\n", 0o755)
        self.action(f"{script} {{{{kargs `epoxy.project`}}}} {{{{kargs `epoxy.ipv4`}}}} "
                    "{{kargs `epoxy.hostname`}} {{kargs `epoxy.allocate_k8s_token`}}",
                    env={"PATH": "/bin:/usr/bin:/usr/local/bin"})
        result = self.planetbox(*self.arguments("-retry=false"), env=self.environment())
        self.assertEqual(result.stdout.splitlines(), [
            "<test>", f"<{self.kargs['epoxy.ipv4']}>", "<n1.example>",
            f"<{self.kargs['epoxy.allocate_k8s_token']}>"])


def alive(pid):
    """Runs; a zombie that nobody reaps does not count."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    unittest.main()
