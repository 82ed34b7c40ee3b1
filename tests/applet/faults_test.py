"""What goes wrong between central and a node: a real `planetbox up`, and the real client on this host.

The client runs actions of the tests' own (they copy what was downloaded, nothing else) and without
the right to restart or kexec the machine.  What one program does alone when something is wrong is in
bootd_test.py and bootclient_test.py; here both are real, and what lies between or beneath them fails.
"""
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import tempfile
import threading
import time
import unittest
import urllib.parse

from central import Central
from planetbox import BINARY, TestCase, need_program, need_root, run, wait_for
from wire import Wire

NAMES = '127.0.0.1,localhost'
PATIENCE = 120      # seconds; the machines that tests run on are slow and shared
_template = {}


def setUpModule():
    """One state for all, because an RSA key takes its time."""
    _template['dir'] = tempfile.mkdtemp(prefix='planetbox-faults-')
    unittest.addModuleCleanup(shutil.rmtree, _template['dir'], ignore_errors=True)
    with Central(_template['dir'], names=NAMES):
        pass


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)


@need_program('setpriv')
class FaultCase(TestCase):
    """One central server, and clients that stand for nodes."""

    options = ()

    def setUp(self):
        super().setUp()
        self.central = Central(self.dir, names=NAMES, options=self.options)
        self.place_state()
        self.central.start()
        self.addCleanup(self.central.__exit__)
        self.kernel, self.initramfs = os.urandom(300_001), os.urandom(200_002)

    def place_state(self):
        shutil.copytree(os.path.join(_template['dir'], 'state'), self.central.state)

    # --- central ---

    def host(self, name, *options):
        """A record whose every stage is the tests' own action, never one that bootd makes: those kexec."""
        action = '/v1/storage/{{VERSION}}/planetbox/copy.json'
        self.central.bootadm('add', name, *(options or ('--ipv4', '127.0.0.1')), '--boot-stage1-json', action,
                             '--boot-stage2', action, '--boot-stage3', action)
        return name

    def image(self, version='1', *options, server=None, **more):
        """An image whose first action copies kernel and initramfs below self.dir/got."""
        base = f'{server or self.central.url}/v1/storage/{version}/planetbox'
        action = {'v1': {
            'files': {'vmlinuz': {'url': f'{base}/vmlinuz'}, 'initramfs': {'url': f'{base}/initramfs'}},
            'commands': [['cp', '{{.files.vmlinuz.name}}', self.path('got', 'vmlinuz')],
                         ['cp', '{{.files.initramfs.name}}', self.path('got', 'initramfs')]]}}
        action['v1'].update(more)
        self.write('k', self.kernel)
        self.write('i', self.initramfs)
        self.write('copy.json', json.dumps(action, indent=4))
        self.central.bootadm('image', 'add', '--version', version, '--kernel', self.path('k'),
                             '--initramfs', self.path('i'), '--file',
                             f"copy.json={self.path('copy.json')}", '--activate', *options)

    def on_disk(self, name, version='1'):
        return os.path.join(self.central.state, 'images', version, 'planetbox', name)

    def bootd(self):
        """Its process id; `up` may be about to start it."""
        return wait_for(lambda: next((pid for name, pid in self.central.children().items()
                                      if name.endswith('bootd')), None), 60, 'bootd runs', every=0.005)

    def kill_bootd(self):
        os.kill(self.bootd(), signal.SIGKILL)

    def healthy(self):
        wait_for(lambda: self.central.get('/_ah/health') == b'ok', 60, 'the server answers again')

    def request(self, method, url, form=None, timeout=30):
        context = ssl.create_default_context(cafile=self.central.ca)
        connection = http.client.HTTPSConnection('127.0.0.1', self.central.port, context=context,
                                                 timeout=timeout)
        try:
            body = urllib.parse.urlencode(form) if form is not None else None
            connection.request(method, urllib.parse.urlsplit(url).path, body,
                               {'Content-Type': 'application/x-www-form-urlencoded'})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def post(self, url, form=None):
        return self.request('POST', url, form or {})

    def stage1(self, host):
        return self.post(f'/v1/boot/{host}/stage1.json')

    def codes(self, host):
        return [event['code'] for event in self.central.log_of(host)['events'] if 'code' in event]

    # --- the node ---

    def client(self, host, *options, server=None, ca=None):
        """The command line that boots `host` here."""
        url = f'{server or self.central.url}/v1/boot/{host}/stage1.json'
        cmdline = self.write(f'{host}.cmdline', f'epoxy.stage1={url}\n')
        return ['setpriv', '--bounding-set=-sys_boot', '--inh-caps=-sys_boot', BINARY, 'bootclient',
                '-cmdline', cmdline, '-action=epoxy.stage1', '-add-kargs', '--ca', ca or self.central.ca,
                '--plnode', self.path('plnode.txt'), *options]

    def boot(self, host, *options, **kwargs):
        shutil.rmtree(self.path('got'), ignore_errors=True)
        os.makedirs(self.path('got'))
        return run(*self.client(host, '-retry=false', *options, **kwargs), timeout=PATIENCE)

    def boots(self, host, *options, **kwargs):
        """It works, and what it would start is what was imported."""
        result = self.boot(host, *options, **kwargs)
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(self.path('got', 'vmlinuz'), 'rb') as f:
            self.assertEqual(f.read(), self.kernel)
        with open(self.path('got', 'initramfs'), 'rb') as f:
            self.assertTrue(f.read().startswith(self.initramfs))
        return result

    def refuses(self, host, code, *options, **kwargs):
        """It fails with this code, and nothing was executed."""
        result = self.boot(host, *options, **kwargs)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn(f'bootclient: {code}: ', result.stderr)
        self.assertEqual(os.listdir(self.path('got')), [], 'something was executed')
        return result


def damages(size):
    """What can be wrong with a file, by name: every class of place and of length."""
    def flip(at):
        return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
    return {'first byte': flip(0), 'middle byte': flip(size // 2), 'last byte': flip(size - 1),
            'a byte short': lambda data: data[:-1], 'half': lambda data: data[:size // 2],
            'empty': lambda data: b'', 'a byte long': lambda data: data + b'\0'}


def read(path):
    with open(path, 'rb') as f:
        return f.read()


def overwrite(path, data):
    with open(path, 'wb') as f:
        f.write(data)


class Disk(FaultCase):
    """Somebody or something changes what lies in central's image directory."""

    def setUp(self):
        super().setUp()
        self.image()
        self.node = self.host('n1.example.org')

    def test_damaged_kernel_and_initramfs_are_B09(self):
        """Catches: a hash taken when serving instead of importing, a check of the length only."""
        for name in ('vmlinuz', 'initramfs'):
            good = read(self.on_disk(name))
            for what, damage in damages(len(good)).items():
                with self.subTest(f'{name}: {what}'):
                    overwrite(self.on_disk(name), damage(good))
                    result = self.refuses(self.node, 'B09')
                    self.assertIn('error: checksum mismatch', result.stderr)
            overwrite(self.on_disk(name), good)
        self.assertEqual(set(self.codes(self.node)), {'B09'})
        self.assertIn('SHA-256', self.central.bootadm('log', self.node))
        self.boots(self.node)

    def test_node_that_tries_again_uses_the_ids_of_its_last_stage1(self):
        """Catches: ids of the first answer kept, which the next stage 1 has killed: reports are lost."""
        path = self.on_disk('initramfs')
        good = read(path)
        overwrite(path, good[:-1])
        os.makedirs(self.path('got'))
        client = self.start_program(*self.client(self.node, '--retry-interval', '1s'))
        wait_for(lambda: len(self.codes(self.node)) >= 2, PATIENCE, 'two failures in the log', every=0.2)
        overwrite(path, good)
        wait_for(lambda: not client.running(), PATIENCE, 'the client is done')
        self.assertEqual(client.process.returncode, 0, client.output())
        self.assertNotIn('not delivered', client.output())
        self.assertIn('online', self.central.bootadm('list', self.node))

    def test_kernel_and_initramfs_swapped_are_B09(self):
        """Catches: hashes looked up by content instead of by the name of the file."""
        one, two, aside = self.on_disk('vmlinuz'), self.on_disk('initramfs'), self.path('aside')
        os.rename(one, aside), os.rename(two, one), os.rename(aside, two)
        self.refuses(self.node, 'B09')

    def test_damaged_action_is_not_served(self):
        """Catches: an action read from disk and believed; its commands run as root on the node."""
        path, evil = self.on_disk('copy.json'), self.path('got', 'evil')
        good = read(path)
        changes = damages(len(good))
        changes['another command'] = lambda data: data.replace(
            b'"commands": [', b'"commands": [["touch", "%s"],' % evil.encode(), 1)
        changes['another hash'] = lambda data: data.replace(
            b'"vmlinuz": {', b'"vmlinuz": {"sha256": "' + b'0' * 64 + b'",', 1)
        for what, change in changes.items():
            with self.subTest(what):
                self.assertNotEqual(change(good), good)
                overwrite(path, change(good))
                result = self.refuses(self.node, 'B15')
                self.assertIn('is not what was imported (SHA-256)', result.stderr)
        self.assertIn('image check', self.boot(self.node).stderr)
        overwrite(path, good)
        self.boots(self.node)

    def test_damaged_script_is_not_served(self):
        """Catches: the same for iPXE, which checks nothing by itself."""
        script = b'#!ipxe\nkernel /one\nboot\n'
        self.write('s', script)
        self.central.bootadm('image', 'add', '--version', '2', '--file', f"stage1to2.ipxe={self.path('s')}")
        url = '/v1/storage/2/planetbox/stage1to2.ipxe'
        self.assertEqual(self.central.get(url), script)
        for what, damage in damages(len(script)).items():
            with self.subTest(what):
                overwrite(self.on_disk('stage1to2.ipxe', '2'), damage(script))
                self.assertEqual(self.request('GET', url).status, 500)

    def test_missing_file_is_told(self):
        """Catches: a hang or a made-up action where a file of the image is gone."""
        for name in ('copy.json', 'vmlinuz'):
            with self.subTest(name):
                os.rename(self.on_disk(name), self.path('aside'))
                self.refuses(self.node, 'B10')
                os.rename(self.path('aside'), self.on_disk(name))


class Versions(FaultCase):
    def test_unknown_version_is_told_by_name(self):
        """Catches: falling back to another version silently."""
        self.image()
        node = self.host('n1.example.org', '--ipv4', '127.0.0.1', '--images-version', 'nope')
        result = self.refuses(node, 'B15')
        self.assertIn("there is no image version 'nope'", result.stderr)
        self.assertEqual(self.codes(node), ['B15'])

    def test_rollback_serves_the_old_version_with_hashes_that_fit(self):
        """Catches: the new version's hashes with the old version's files, or the other way round."""
        node = self.host('n1.example.org')
        old = self.kernel, self.initramfs
        self.image('1')
        new = self.kernel, self.initramfs = os.urandom(310_000), os.urandom(210_000)
        self.image('2')
        self.boots(node)
        fetched = self.write('action.json', self.central.get('/v1/storage/latest/planetbox/copy.json'))
        self.assertEqual(self.central.bootadm('image', 'rollback'), 'active 1\n')
        self.kernel, self.initramfs = old
        self.boots(node)
        # A node that had fetched its action before the rollback ends what it began.
        self.kernel, self.initramfs = new
        cmdline = self.write('c', f'epoxy.stage2=file://{fetched}\n')
        command = self.client(node, '-retry=false')
        command[command.index('-cmdline') + 1] = cmdline
        command[command.index('-action=epoxy.stage1')] = '-action=epoxy.stage2'
        self.assertEqual(run(*command, timeout=PATIENCE).returncode, 0)
        self.assertEqual(read(self.path('got', 'vmlinuz')), self.kernel)


class OnTheWire(FaultCase):
    """Something between node and server changes bytes or ends connections."""

    def setUp(self):
        super().setUp()
        self.wire = Wire(self.central.port)
        self.addCleanup(self.wire.close)
        self.node = self.host('n1.example.org')

    def test_changed_bytes_before_any_answer_execute_nothing(self):
        """Catches: an answer used before the record that holds it was authenticated."""
        self.image(server=self.wire.url)
        for at in (0, 3, 20, 200, 1500, 1900, 2400):
            with self.subTest(at=at):
                self.wire.flip_at = at
                result = self.boot(self.node, '--request-timeout', '20s', server=self.wire.url)
                self.assertEqual(os.listdir(self.path('got')), [])
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertRegex(result.stderr, r'bootclient: B(04|05|06|10|15): ')
        self.wire.flip_at = None
        self.boots(self.node, server=self.wire.url)

    def test_downloads_get_through_a_wire_that_breaks_or_changes(self):
        """Catches: a download that starts over each time, or that keeps what was not authenticated."""
        self.image(server=self.wire.url)
        for what in ('flip_at', 'cut_at'):
            with self.subTest(what):
                self.wire.flip_at = self.wire.cut_at = None
                setattr(self.wire, what, 120_000)
                result = self.boots(self.node, server=self.wire.url)
                self.assertIn('trying again', result.stderr)


class Killed(FaultCase):
    def test_half_a_download_goes_on_where_it_was(self):
        """Catches: a node that starts anew, gives up or joins wrong parts when bootd is killed."""
        self.kernel = os.urandom(3_000_000)
        wire = Wire(self.central.port)
        self.addCleanup(wire.close)
        wire.hold_at = 1_000_000    # nothing beyond this passes until the test says so
        self.image(server=wire.url)
        node = self.host('n1.example.org')
        os.makedirs(self.path('got'))
        client = self.start_program(*self.client(node, '-retry=false', server=wire.url))
        wait_for(lambda: wire.held, PATIENCE, 'the middle of the download')
        self.kill_bootd()
        wire.hold_at = None
        wait_for(lambda: not client.running(), PATIENCE, 'the client is done')
        self.assertEqual(client.process.returncode, 0, client.output())
        self.assertEqual(read(self.path('got', 'vmlinuz')), self.kernel)
        self.assertIn('status=206', self.central.daemon.output())

    def test_a_storm_of_stage1_survives_kills(self):
        """Catches: an id that was answered but not kept, a second valid set, a used id used again."""
        self.image(commands=[['true']])
        nodes = [self.host(f'n{i}.example.org') for i in range(3)]
        sets, stop = {node: [] for node in nodes}, threading.Event()

        def ask(node):
            while not stop.is_set():
                try:
                    answer = self.stage1(node)
                except OSError:
                    continue
                except http.client.HTTPException:
                    continue
                if answer.status == 200:
                    sets[node].append(answer.json['kargs'])

        threads = [threading.Thread(target=ask, args=(node,)) for node in nodes for _ in range(2)]
        clients = []
        for thread in threads:
            thread.start()
        try:
            for kill in range(3):
                target = (kill + 1) * 5
                wait_for(lambda: all(len(s) >= target for s in sets.values()), PATIENCE, 'the storm blows')
                self.kill_bootd()
                name = self.host(f'c{kill}.example.org')
                clients.append(self.start_program(*self.client(name, '--retry-interval', '1s')))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        for client in clients:
            wait_for(lambda: not client.running(), PATIENCE, 'the node goes on by itself')
            self.assertEqual(client.process.returncode, 0, client.output())
        self.healthy()
        # Several at once for the last time: exactly one set of all that were ever given out is valid.
        last = [threading.Thread(target=lambda n=node: sets[n].append(self.stage1(n).json['kargs']))
                for node in nodes for _ in range(4)]
        for thread in last:
            thread.start()
        for thread in last:
            thread.join()
        for node in nodes:
            statuses = [self.post(ids['epoxy.stage3']).status for ids in sets[node]]
            self.assertEqual(statuses.count(200), 1, node)
            self.assertEqual(set(statuses), {200, 403}, node)
            valid = sets[node][statuses.index(200)]
            self.assertEqual(self.post(valid['epoxy.report'], {'message': 'success'}).status, 204)
            sets[node] = [valid] + sets[node]
        self.kill_bootd()
        self.healthy()
        for node in nodes:
            for name in ('epoxy.stage2', 'epoxy.stage3', 'epoxy.report'):
                self.assertEqual(self.post(sets[node][0][name], {'message': 'success'}).status, 403, name)


@need_root('mounts a small file system')
class FullDisk(FaultCase):
    def place_state(self):
        os.makedirs(self.central.state)
        mounted = run('mount', '-t', 'tmpfs', '-o', 'size=6m,mode=0755', 'none', self.central.state)
        if mounted.returncode:
            self.skipTest('cannot mount here: ' + mounted.stderr.strip())
        self.addCleanup(run, 'umount', '-l', self.central.state)
        run('cp', '-a', os.path.join(_template['dir'], 'state', '.'), self.central.state)

    def fill(self):
        with open(os.path.join(self.central.state, 'filler'), 'ab', buffering=0) as f:
            for size in (65536, 4096, 512, 1):
                try:
                    while True:
                        f.write(bytes(size))
                except OSError:
                    pass

    def test_nothing_acknowledged_is_lost_and_it_recovers(self):
        """Catches: an answer that leaves before the commit that failed, a server that dies or stays sick."""
        node = self.host('n1.example.org')
        pid = self.bootd()
        acknowledged = self.stage1(node).json['kargs']
        self.fill()
        refused = 0
        for _ in range(3000):
            answer = self.stage1(node)
            if answer.status == 200:
                acknowledged = answer.json['kargs']
                continue
            self.assertIn(answer.status, (500, 503))
            self.assertNotIn(b'epoxy.stage2', answer.body)
            refused += 1
            if refused >= 3:
                break
        self.assertGreaterEqual(refused, 3, 'the disk was never full')
        self.assertEqual(self.central.get('/_ah/health'), b'ok')
        os.remove(os.path.join(self.central.state, 'filler'))
        # The set that was acknowledged last is the valid one: the failed ones have replaced nothing.
        wait_for(lambda: self.post(acknowledged['epoxy.stage2']).status == 200, 30, 'it works again')
        again = self.stage1(node)
        self.assertEqual(again.status, 200)
        self.assertEqual(self.post(acknowledged['epoxy.stage2']).status, 403)
        self.assertEqual(self.post(again.json['kargs']['epoxy.stage3']).status, 200)
        self.assertEqual(self.bootd(), pid, 'bootd died of it')


class Trust(FaultCase):
    def setUp(self):
        super().setUp()
        self.image()
        self.node = self.host('n1.example.org')

    def test_medium_of_another_central_is_B05(self):
        """Catches: a client that falls back to other roots than the one it was given."""
        run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=planetbox', '-keyout',
            self.path('key'), '-out', self.path('other.crt'))
        self.refuses(self.node, 'B05', ca=self.path('other.crt'))
        self.assertEqual({e['kind'] for e in self.central.log_of(self.node)['events']}, {'admin'})
        self.boots(self.node)

    def test_name_that_the_certificate_does_not_have_is_B05(self):
        """Catches: a chain that is checked and a name that is not."""
        wire = Wire(self.central.port, host='127.0.0.2')
        self.addCleanup(wire.close)
        self.refuses(self.node, 'B05', server=wire.url)
        self.assertEqual({e['kind'] for e in self.central.log_of(self.node)['events']}, {'admin'})

    @need_program('openssl')
    def test_expired_certificate_is_B06_until_up_renews_it(self):
        """Catches: a certificate out of its time accepted, or told as something else; no way to mend it."""
        for kind in ('rsa', 'ecdsa'):
            self.expire(kind)
        os.kill(self.bootd(), signal.SIGHUP)
        wait_for(lambda: 'B06: ' in self.boot(self.node).stderr, 60, 'the client meets the old certificate')
        self.refuses(self.node, 'B06')
        self.central.planetbox('up', '--state', self.central.state, '--renew')
        wait_for(lambda: self.boot(self.node).returncode == 0, 60, 'the renewed certificate is in use')
        self.boots(self.node)

    def expire(self, kind):
        """Replaces central's certificate by one of the same CA and key that ended in 2020."""
        cert, key = (os.path.join(self.central.state, 'tls', f'{kind}.{ext}') for ext in ('crt', 'key'))
        ca_key = os.path.join(self.central.state, 'ca', 'root.key')
        conf = self.write('ca.cnf', f"[ca]\ndefault_ca=d\n[d]\ndatabase={self.path('index.txt')}\n"
                          f'new_certs_dir={self.dir}\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n'
                          'unique_subject=no\nx509_extensions=x\n[p]\ncommonName=supplied\n'
                          '[x]\nsubjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n')
        self.write('index.txt', '')
        for argv in (['req', '-new', '-key', key, '-subj', '/CN=127.0.0.1', '-out', self.path('csr')],
                     ['ca', '-batch', '-notext', '-config', conf, '-in', self.path('csr'), '-out',
                      self.path('old.crt'), '-cert', self.central.ca, '-keyfile', ca_key, '-startdate',
                      '20200101000000Z', '-enddate', '20200201000000Z']):
            made = run('openssl', *argv)
            self.assertEqual(made.returncode, 0, made.stderr)
        overwrite(cert, read(self.path('old.crt')) + read(self.central.ca))


class Unwelcome(FaultCase):
    def test_medium_of_a_deleted_node_is_404_and_B08(self):
        """Catches: a node that lives on after its record, or that does not say why it stands still."""
        self.image()
        node = self.host('n1.example.org', '--auth', 'key')
        key = self.central.bootadm('key', node).strip()
        self.write('plnode.txt', f'NODE_ID="1"\nNODE_KEY="{key}"\nHOST_NAME="n1"\nDOMAIN_NAME="example.org"\n')
        self.boots(node)
        ids = self.post(f'/v1/boot/{node}/stage1.json', {'key': key}).json['kargs']
        self.central.bootadm('delete', node)
        result = self.refuses(node, 'B08')
        self.assertIn('Unknown host: n1.example.org', result.stderr)
        self.assertNotIn(key, result.stderr + self.central.daemon.output())
        script = self.request('GET', f'/v1/boot/{node}/stage1.ipxe')
        self.assertEqual(script.status, 404)
        self.assertTrue(script.body.startswith(b'#!ipxe\n'))
        self.assertEqual(self.post(ids['epoxy.stage2']).status, 404)
        # The name given anew is another node: nothing of the old one opens it.
        self.host(node, '--auth', 'key')
        self.central.bootadm('key', node)
        self.assertEqual(self.post(ids['epoxy.stage2']).status, 403)
        self.refuses(node, 'B07')

    def rss(self):
        with open(f'/proc/{self.bootd()}/status') as f:
            return int(re.search(r'VmRSS:\s+(\d+) kB', f.read())[1]) / 1024

    def tls(self, timeout=20):
        context = ssl.create_default_context(cafile=self.central.ca)
        raw = socket.create_connection(('127.0.0.1', self.central.port), timeout=timeout)
        return context.wrap_socket(raw, server_hostname='127.0.0.1')

    def answer_to(self, connection, data):
        """The first line of what comes back, b'' when the connection just ends."""
        try:
            connection.sendall(data)
            if not isinstance(connection, ssl.SSLSocket):
                connection.shutdown(socket.SHUT_WR)     # half a record would be waited for
        except OSError:
            pass
        try:
            return connection.recv(65536).split(b'\r\n')[0]
        except (ConnectionError, ssl.SSLError):
            return b''
        finally:
            connection.close()

    def test_garbage_leaves_it_answering(self):
        """Catches: a crash, an endless wait, or memory that grows with what strangers send."""
        pid, rng = self.bootd(), random.Random(7)
        head = b'POST /v1/boot/n1/stage1.json HTTP/1.1\r\nHost: localhost\r\n'
        garbage = {
            'random': rng.randbytes(5000),
            'NULs': bytes(40_000),
            'NUL in the path': b'GET /_ah/he\0alth HTTP/1.1\r\nHost: localhost\r\n\r\n',
            'huge path': b'GET /' + b'a' * 300_000 + b' HTTP/1.1\r\nHost: localhost\r\n\r\n',
            'huge header': b'GET / HTTP/1.1\r\nHost: localhost\r\nX: ' + b'b' * 2_000_000 + b'\r\n\r\n',
            'many headers': b'GET / HTTP/1.1\r\n' + b'A: b\r\n' * 50_000 + b'\r\n',
            'bad chunk size': head + b'Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n',
            'endless chunk': head + b'Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n' + b'x' * 99_999,
            'negative chunk': head + b'Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n',
            'two lengths': head + b'Content-Length: 5\r\nContent-Length: 7\r\n\r\nhello',
            'length and chunks': head + b'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
            'negative length': head + b'Content-Length: -1\r\n\r\n',
            'length of ages': head + b'Content-Length: 99999999999999999999999\r\n\r\n',
            'too long a body': head + b'Content-Length: 9000000\r\n\r\n' + b'x' * 200_000,
            'HTTP/9': b'GET / HTTP/9.9\r\n\r\n',
            'bare LF': b'GET /_ah/health HTTP/1.1\nHost: a\n\n\n\x80\xff\n\n',
            'HTTP/2': b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
        }
        self.central.get('/_ah/health')
        before = self.rss()
        for name, data in garbage.items():
            with self.subTest(name):
                line = self.answer_to(self.tls(), data)
                if name != 'bare LF':
                    self.assertRegex(line, rb'^(HTTP/1\.[01] (4\d\d|505|501) .*)?$')
        for i in range(60):
            raw = socket.create_connection(('127.0.0.1', self.central.port), timeout=20)
            self.answer_to(raw, (b'\x16\x03\x01' if i % 2 else b'') + rng.randbytes(1 + i * 50))
            text = bytearray(head + b'Content-Length: 30\r\n\r\nkey=aaaaaaaaaaaaaaaaaaaaaaaaaaaa')
            for _ in range(1 + i % 7):
                text[rng.randrange(len(text))] = rng.randrange(256)
            context = self.tls()
            context.sendall(bytes(text))
            context.close()
            with socket.create_connection(('127.0.0.1', self.central.metrics_port), timeout=20) as plain:
                plain.sendall(rng.randbytes(300))
        started = time.monotonic()
        self.assertEqual(self.central.get('/_ah/health'), b'ok')
        self.assertLess(time.monotonic() - started, 10)
        self.assertIn('bootd_', self.central.metrics())
        self.assertLess(self.rss() - before, 24, 'MiB more than before')
        self.assertEqual(self.bootd(), pid, 'bootd died of it')

    def test_slow_senders_do_not_keep_others_out(self):
        """Catches: a worker a connection, or memory a connection without bound."""
        pid, before, slow = self.bootd(), self.rss(), []
        try:
            for i in range(150):
                connection = self.tls() if i % 3 else socket.create_connection(
                    ('127.0.0.1', self.central.port), timeout=20)
                connection.sendall(b'\x16' if i % 3 == 0 else b'GET /_ah/hea')
                slow.append(connection)
            for connection in slow:
                if isinstance(connection, ssl.SSLSocket):
                    connection.sendall(b'l')
            self.assertEqual(self.central.get('/_ah/health'), b'ok')
            self.assertLess(self.rss() - before, 24, 'MiB for 150 connections')
        finally:
            for connection in slow:
                connection.close()
        self.assertEqual(self.bootd(), pid)


if __name__ == '__main__':
    unittest.main()
