"""planetbox up: first run, second run, renewal, supervision, faults."""
import os
import re
import signal
import socket
import sqlite3
import ssl
import stat
import subprocess
import time
import unittest

from planetbox import BINARY, ROOT, TestCase, can_connect, free_port, need_program, need_root, run, wait_for

READY = "planetbox is up."
PASSWORD = re.compile(r"^Password +(\S+)", re.M)


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(word) for word in f.read().split()]


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def read(path):
    with open(path, "rb") as f:
        return f.read()


class UpCase(TestCase):
    def setUp(self):
        super().setUp()
        self.state = self.path("state")
        self.boot_port, self.metrics_port = free_port(), free_port()

    def options(self, *more):
        return ("up", "--state", self.state, "--listen", "127.0.0.1", "--boot-port", self.boot_port,
                "--metrics-listen", f"127.0.0.1:{self.metrics_port}", *more)

    def up(self, *more, **kwargs):
        daemon = self.start(*self.options("--name", "boot.example,127.0.0.1,::1", *more), **kwargs)
        daemon.wait_for_line(READY, 60)
        return daemon

    def refused(self, *argv, **kwargs):
        """Runs to its end, which must be a failure; returns the one line of complaint."""
        result = self.planetbox(*argv, **kwargs)
        self.assertIn(result.returncode, (1, 2), result.stdout + result.stderr)
        complaints = [line for line in result.stderr.splitlines()
                      if line.startswith("planetbox up: ") and not line.endswith(" ...")]
        self.assertEqual(len(complaints), 1, result.stderr)
        return complaints[0]

    def leaf(self, name):
        return read(os.path.join(self.state, "tls", name + ".crt"))

    def served_certificate(self):
        context = ssl.create_default_context(cafile=os.path.join(self.state, "ca/root.crt"))
        with socket.create_connection(("127.0.0.1", self.boot_port), timeout=5) as raw:
            with context.wrap_socket(raw, server_hostname="boot.example") as tls:
                return tls.getpeercert(binary_form=True)


class FirstRun(UpCase):
    def test_everything_is_there_and_closed_to_others(self):
        up = self.up("--site", "demo")
        output = up.output()
        modes = {"": 0o700, "ca": 0o700, "ca/root.key": 0o600, "tls": 0o700, "tls/rsa.key": 0o600,
                 "tls/ecdsa.key": 0o600, "keys": 0o700, "keys/sign.key": 0o600, "state.db": 0o600,
                 "ca/root.crt": 0o644, "images": 0o755, "cache": 0o755}
        for name, mode in modes.items():
            found = stat.S_IMODE(os.stat(os.path.join(self.state, name)).st_mode)
            self.assertEqual(oct(found), oct(mode), name)
        password = PASSWORD.search(output).group(1)
        self.assertEqual(output.count(password), 1)
        # Nothing that can open a door is kept in clear.
        up.stop()
        for directory, _, files in os.walk(self.state):
            for name in files:
                self.assertNotIn(password.encode(), read(os.path.join(directory, name)), name)
        with sqlite3.connect(os.path.join(self.state, "state.db")) as db:
            self.assertEqual(db.execute(
                "SELECT email, login_base, is_primary FROM person JOIN person_role USING (person_id) "
                "JOIN person_site USING (person_id) JOIN site USING (site_id) WHERE role_id = 10"
            ).fetchall(), [("root@localhost.localdomain", "demo", 1)])

    @need_program("openssl")
    def test_openssl_accepts_both_chains_for_every_name(self):
        self.up()
        root = os.path.join(self.state, "ca/root.crt")
        for kind in ("rsa", "ecdsa"):
            chain = os.path.join(self.state, "tls", kind + ".crt")
            for check in (["-verify_hostname", "boot.example"], ["-verify_ip", "127.0.0.1"],
                          ["-verify_ip", "::1"]):
                result = run("openssl", "verify", "-x509_strict", "-purpose", "sslserver",
                             "-CAfile", root, *check, chain)
                self.assertEqual(result.returncode, 0, f"{kind} {check}: {result.stdout}{result.stderr}")
            other = run("openssl", "verify", "-CAfile", root, "-verify_hostname", "other.example", chain)
            self.assertNotEqual(other.returncode, 0)
            self.assertEqual(read(chain).count(b"BEGIN CERTIFICATE"), 2)  # leaf and root, for iPXE

    @need_program("openssl")
    def test_the_fingerprint_it_shows_is_the_root_s(self):
        output = self.up().output()
        shown = re.search(r"SHA-256 ([0-9A-F:]{95})", output).group(1)
        result = run("openssl", "x509", "-in", os.path.join(self.state, "ca/root.crt"), "-noout",
                     "-fingerprint", "-sha256")
        self.assertIn(shown, result.stdout)

    def test_health_answers_over_the_pinned_ca(self):
        self.up()
        context = ssl.create_default_context(cafile=os.path.join(self.state, "ca/root.crt"))
        with socket.create_connection(("127.0.0.1", self.boot_port), timeout=5) as raw:
            with context.wrap_socket(raw, server_hostname="127.0.0.1") as tls:
                tls.sendall(b"GET /_ah/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                answer = tls.recv(4096)
        self.assertTrue(answer.startswith(b"HTTP/1.1 200"), answer)

    def test_systemd_is_told_when_all_is_ready_and_when_it_stops(self):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(listener.close)
        listener.bind(self.path("notify"))
        listener.settimeout(60)
        up = self.start(*self.options("--name", "a.example"),
                        env={"NOTIFY_SOCKET": self.path("notify"), "WATCHDOG_USEC": "600000"})
        said = []
        while "READY=1" not in " ".join(said):
            said.append(listener.recv(4096).decode())
        self.assertTrue(can_connect(self.boot_port))  # ready means: bootd serves
        while not said[-1].startswith("WATCHDOG=1"):
            said.append(listener.recv(4096).decode())
        up.send(signal.SIGTERM)
        while "STOPPING=1" not in said:
            said.append(listener.recv(4096).decode())
        self.assertEqual(up.process.wait(5), 0)

    def test_in_the_journal_there_is_no_password(self):
        # systemd tells by JOURNAL_STREAM that standard output is its journal.
        log = self.path("journal")
        with open(log, "wb") as out:
            info = os.fstat(out.fileno())
            process = subprocess.Popen([BINARY, *map(str, self.options("--name", "a.example"))],
                                       stdout=out, stderr=out,
                                       env={**os.environ,
                                            "JOURNAL_STREAM": f"{info.st_dev}:{info.st_ino}"})
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            wait_for(lambda: READY.encode() in read(log), 60)
        kept = os.path.join(self.state, "initial-admin-password")
        self.assertEqual(stat.S_IMODE(os.stat(kept).st_mode), 0o600)
        self.assertGreater(len(read(kept).strip()), 20)
        self.assertNotIn(read(kept).strip(), read(log))
        self.assertIn(kept.encode(), read(log))


class SecondRun(UpCase):
    def test_takes_what_is_there(self):
        self.up().stop()
        files = ["ca/root.crt", "ca/root.key", "tls/rsa.crt", "tls/rsa.key", "tls/ecdsa.crt",
                 "keys/sign.key", "keys/sign.pub"]
        before = {name: read(os.path.join(self.state, name)) for name in files}
        # No options: names, ports and addresses come from the state.
        again = self.start("up", "--state", self.state)
        again.wait_for_line(READY)
        self.assertIsNone(PASSWORD.search(again.output()))
        self.assertIn(f"https://boot.example:{self.boot_port}", again.output())
        self.assertTrue(can_connect(self.boot_port))
        self.assertEqual(before, {name: read(os.path.join(self.state, name)) for name in files})

    def test_is_ready_at_once(self):
        """Catches keys, hashes or migrations that are made anew at each start."""
        self.up().stop()
        best = 60.0
        for _ in range(5):
            began = time.monotonic()
            up = self.start("up", "--state", self.state)
            wait_for(lambda: READY in up.output(), 10, every=0.001)
            best = min(best, time.monotonic() - began)
            up.stop()
        self.assertLess(best, 0.25)

    def test_other_names_mean_other_certificates_of_the_same_ca(self):
        self.up().stop()
        root, rsa = read(os.path.join(self.state, "ca/root.crt")), self.leaf("rsa")
        again = self.start("up", "--state", self.state, "--name", "other.example,127.0.0.1")
        again.wait_for_line(READY, 60)
        self.assertIn("the names changed", again.output())
        self.assertIn("https://other.example:", again.output())
        self.assertNotEqual(self.leaf("rsa"), rsa)
        self.assertEqual(read(os.path.join(self.state, "ca/root.crt")), root)
        again.stop()
        third = self.start("up", "--state", self.state)
        third.wait_for_line(READY)
        self.assertNotIn("issued", third.output())

    def test_damaged_server_key_is_replaced_damaged_root_is_not(self):
        self.up().stop()
        self.write("state/tls/ecdsa.key", "garbage", 0o600)
        again = self.start("up", "--state", self.state)
        again.wait_for_line(READY, 60)
        self.assertIn("issued a server certificate", again.output())
        again.stop()
        self.write("state/ca/root.crt", "garbage")
        self.assertIn("restore ca/ from a backup", self.refused("up", "--state", self.state))

    def test_a_state_of_a_newer_planetbox_is_refused(self):
        self.up().stop()
        with sqlite3.connect(os.path.join(self.state, "state.db")) as db:
            db.execute("PRAGMA user_version = 1000000")
        self.assertIn("newer", self.refused("up", "--state", self.state))

    def test_an_administrator_is_made_once(self):
        secret = self.write("secret", "long enough password\n", 0o600)
        self.up("--admin", "Boss@Example.org", "--admin-password-file", secret).stop()
        again = self.start("up", "--state", self.state, "--admin", "second@example.org")
        again.wait_for_line(READY)
        self.assertIn("there is an administrator already", again.output())
        again.stop()
        with sqlite3.connect(os.path.join(self.state, "state.db")) as db:
            self.assertEqual(db.execute("SELECT email FROM person").fetchall(),
                             [("boss@example.org",)])


class Renewal(UpCase):
    def test_beside_a_running_server(self):
        self.up()
        root, leaves = read(os.path.join(self.state, "ca/root.crt")), (self.leaf("rsa"), self.leaf("ecdsa"))
        shown = self.served_certificate()
        output = self.ok("up", "--state", self.state, "--renew", timeout=60)
        self.assertIn("told planetbox up", output)
        self.assertNotEqual(self.leaf("rsa"), leaves[0])
        self.assertNotEqual(self.leaf("ecdsa"), leaves[1])
        self.assertEqual(read(os.path.join(self.state, "ca/root.crt")), root)
        wait_for(lambda: self.served_certificate() != shown, 10, "bootd shows the new certificate")

    def test_without_one(self):
        self.up().stop()
        before = self.leaf("rsa")
        self.assertIn("issued rsa: as asked", self.ok("up", "--state", self.state, "--renew", timeout=60))
        self.assertNotEqual(self.leaf("rsa"), before)

    def test_needs_a_state_and_refuses_other_changes_beside_a_running_server(self):
        self.assertIn("no CA here", self.refused("up", "--state", self.state, "--renew"))
        self.assertFalse(os.path.exists(self.state))
        self.up()
        self.assertIn("stop it first to change --name",
                      self.refused("up", "--state", self.state, "--renew", "--name", "x.example"))

    @need_root()
    def test_root_renews_a_state_of_the_service_s_user_for_that_user(self):
        self.up().stop()
        os.chmod(self.dir, 0o711)
        for directory, names, files in os.walk(self.state):
            for name in [""] + names + files:
                os.chown(os.path.join(directory, name), 12345, 12345)
        self.ok("up", "--state", self.state, "--renew", timeout=60)
        for name in ("tls/rsa.key", "tls/rsa.crt", "tls/ecdsa.key", "state.db", "lock"):
            self.assertEqual(os.stat(os.path.join(self.state, name)).st_uid, 12345, name)


class Supervision(UpCase):
    def test_a_killed_daemon_comes_back(self):
        up = self.up()
        first = children_of(up.pid)
        self.assertEqual(len(first), 1)
        os.kill(first[0], signal.SIGKILL)
        wait_for(lambda: children_of(up.pid) not in ([], first), 10, "another bootd")
        wait_for(lambda: up.output().count("a daemon is ready") == 2, 10)
        self.assertTrue(can_connect(self.boot_port))
        self.assertIn("signal: killed", up.output())

    def test_a_daemon_that_hangs_is_replaced(self):
        """Catches a watchdog that nobody feeds or nobody reads; takes its 30 seconds."""
        up = self.up()
        hanging = children_of(up.pid)[0]
        os.kill(hanging, signal.SIGSTOP)
        up.wait_for_line("its watchdog fell silent", 45)
        wait_for(lambda: up.output().count("a daemon is ready") == 2, 10)
        self.assertFalse(alive(hanging))
        self.assertTrue(can_connect(self.boot_port))

    def test_children_die_with_it_and_the_next_one_starts(self):
        up = self.up()
        child = children_of(up.pid)[0]
        os.kill(up.pid, signal.SIGKILL)
        up.process.wait()
        wait_for(lambda: not alive(child), 5, "bootd dies with up")
        again = self.start("up", "--state", self.state)
        again.wait_for_line(READY)

    def test_sigterm_and_sigint_end_all_within_five_seconds(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            up = self.up()
            child = children_of(up.pid)[0]
            self.assertEqual(up.stop(number, 5.0), 0)
            self.assertFalse(alive(child))

    def test_a_daemon_that_does_not_stop_is_killed(self):
        up = self.up()
        child = children_of(up.pid)[0]
        os.kill(child, signal.SIGSTOP)
        self.assertEqual(up.stop(signal.SIGTERM, 5.5), 0)
        self.assertFalse(alive(child))
        self.assertIn("does not stop; killing it", up.output())

    def test_sighup_reaches_the_daemons_and_rereads_the_names(self):
        up = self.start(*self.options())
        up.wait_for_line(READY, 60)
        child = children_of(up.pid)
        self.write("state/planetbox.conf", "name = renamed.example,127.0.0.1\n")
        up.send(signal.SIGHUP)
        up.wait_for_line("the names changed", 30)
        # What bootadm and media make URLs of has changed, too.
        def stored():
            with sqlite3.connect(os.path.join(self.state, "state.db")) as db:
                return db.execute("SELECT value FROM central_setting WHERE key = 'name'").fetchall()
        wait_for(lambda: stored() == [("renamed.example,127.0.0.1",)], 10)
        self.assertEqual(children_of(up.pid), child)  # reloaded, not restarted

    def test_two_on_one_state(self):
        up = self.up()
        complaint = self.refused("up", "--state", self.state, "--boot-port", free_port())
        self.assertIn(f"(pid {up.pid}) runs on this state", complaint)
        self.assertTrue(can_connect(self.boot_port))

    def test_a_mistake_in_bootd_s_own_file_is_not_tried_again(self):
        self.up().stop()
        self.write("state/bootd.conf", "no-such-option = 1\n")
        result = self.planetbox("up", "--state", self.state)
        self.assertEqual(result.returncode, 1)
        self.assertIn("bootd.conf: line 1: there is no option 'no-such-option'", result.stderr)
        self.assertEqual(result.stderr.count("a daemon did not start"), 1)

    def test_a_daemon_that_cannot_start_ends_it(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", self.boot_port))
            taken.listen()
            result = self.planetbox(*self.options("--name", "a.example"), timeout=60)
        self.assertEqual(result.returncode, 1)
        self.assertIn("a daemon does not start, giving up", result.stderr)
        self.assertIn(str(self.boot_port), result.stderr)
        self.up().stop()  # nothing is left in the way


class Mistakes(UpCase):
    def untouched(self, *argv):
        complaint = self.refused(*argv)
        self.assertFalse(os.path.exists(self.state), complaint)
        return complaint

    def test_in_options_are_found_before_anything_is_made(self):
        self.assertIn("both 4000", self.untouched("up", "--state", self.state, "--boot-port", 4000,
                                                  "--api-port", 4000))
        self.assertIn("is no port", self.untouched("up", "--state", self.state, "--boot-port", 0))
        self.assertIn("neither a host name nor an address",
                      self.untouched("up", "--state", self.state, "--name", "*.example"))
        self.assertIn("does not look like an e-mail",
                      self.untouched("up", "--state", self.state, "--admin", "boss"))
        self.assertIn("no login base", self.untouched("up", "--state", self.state, "--site", "No"))
        self.assertIn("No such file", self.untouched("up", "--state", self.state, "--config",
                                                     self.path("none")))
        self.assertIn("No such file", self.untouched("up", "--state", self.state,
                                                     "--admin-password-file", self.path("none")))

    def test_in_the_file_are_named_by_line(self):
        conf = self.write("conf", "# mine\nboot_port = 4000\n")
        self.assertIn("conf:2: unknown key 'boot_port'; did you mean 'boot-port'?",
                      self.untouched("up", "--state", self.state, "--config", conf))

    def test_somebody_else_s_directory(self):
        self.write("state/thesis.tex", "x")
        self.assertIn("thesis.tex", self.refused("up", "--state", self.state))
        self.assertEqual(os.listdir(self.state), ["thesis.tex"])

    def test_password_files(self):
        empty = self.write("empty", "\n", 0o600)
        self.assertIn("holds no password",
                      self.untouched("up", "--state", self.state, "--admin-password-file", empty))
        open_to_all = self.write("open", "long enough password\n", 0o644)
        up = self.up("--admin-password-file", open_to_all)
        self.assertIn("can be read by others", up.output())
        self.assertNotIn("long enough", up.output())

    @need_root()
    def test_a_full_disk_leaves_nothing_half_done(self):
        os.mkdir(self.state)
        # Pages: too few for the CA, for the server certificates, for the registry.
        for size in ("12k", "24k", "40k", "64k"):
            with self.subTest(size):
                self.assertEqual(run("mount", "-t", "tmpfs", "-o", f"size={size}", "planetbox-test",
                                     self.state).returncode, 0)
                try:
                    complaint = self.refused(*self.options("--name", "a.example"), timeout=60)
                    self.assertRegex(complaint, "(?i)no space left|disk is full|disk full")
                    run("mount", "-o", "remount,size=16m", self.state)
                    up = self.start(*self.options("--name", "a.example"))
                    up.wait_for_line(READY, 60)
                    up.stop()
                finally:
                    run("umount", "-l", self.state)


class ConfigurationFile(UpCase):
    def test_says_the_same_as_the_options(self):
        secret = self.write("secret", "long enough password\n", 0o600)
        conf = self.write("planetbox.conf", f"""
            # everything by file
            listen = 127.0.0.1
            boot-port = {self.boot_port}
            metrics-listen = 127.0.0.1:{self.metrics_port}
            name = boot.example, 127.0.0.1, ::1
            admin = boss@example.org
            admin-password-file = "{secret}"
            site = demo
            """)
        by_file = self.start("up", "--state", self.state, "--config", conf)
        by_file.wait_for_line(READY, 60)
        summary = by_file.output().split(READY)[1].replace(self.state, "STATE")
        by_file.stop()
        first, self.state = self.state, self.path("other")
        by_options = self.up("--admin", "boss@example.org", "--admin-password-file", secret,
                             "--site", "demo")
        other = by_options.output().split(READY)[1].replace(self.state, "STATE")
        hide = lambda text: re.sub(r"SHA-256 .*", "", text)
        self.assertEqual(hide(summary), hide(other))
        by_options.stop()
        rows = []
        for state in (first, self.state):
            with sqlite3.connect(os.path.join(state, "state.db")) as db:
                rows.append(db.execute("SELECT key, value FROM central_setting "
                                       "WHERE key NOT IN ('name') ORDER BY 1").fetchall() +
                            db.execute("SELECT email, login_base FROM person, site").fetchall())
        self.assertEqual(rows[0], rows[1])

    def test_the_example_in_contrib_is_right(self):
        """Catches a key of the example that is not (or no longer) understood."""
        text = read(os.path.join(ROOT, "contrib/planetbox.conf")).decode()
        told = re.sub(r"^#([a-z-]+ = )", r"\1", text, flags=re.M)
        self.assertEqual(len(re.findall(r"^[a-z-]+ = ", told, re.M)), 8)
        complaint = self.refused("up", "--state", self.state, "--config", self.write("conf", told))
        # Everything was accepted, up to the password file that is not there.
        self.assertIn("password file: /run/credentials/planetbox-admin: No such file", complaint)

    def test_in_the_state_is_read_by_itself_and_the_command_line_wins(self):
        os.mkdir(self.state)
        other = free_port()
        self.write("state/planetbox.conf", f"boot-port = {other}\nname = file.example\n")
        up = self.up()
        self.assertIn(f"https://boot.example:{self.boot_port}", up.output())
        up.stop()
        again = self.start("up", "--state", self.state)
        again.wait_for_line(READY, 60)
        self.assertIn(f"https://file.example:{other}", again.output())


if __name__ == "__main__":
    unittest.main()
