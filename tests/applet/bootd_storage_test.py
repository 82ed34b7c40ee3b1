"""bootd's storage: images, generated actions, the proxy in front of an upstream; and extensions."""
import hashlib
import hmac
import http.client
import http.server
import json
import os
import socketserver
import threading
import time
import unittest

from boothost import Answer, BootTestCase, remove_template
from planetbox import ROOT, free_port, run, wait_for

HOST = 'n1.example.org'


def tearDownModule():
    remove_template()


class Upstream:
    """An HTTP server of the test's own: path -> body, and what was asked."""

    def __init__(self, handler=None):
        upstream = self
        self.files, self.asked, self.bodies, self.gate = {}, [], [], threading.Event()
        self.gate.set()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_GET(self):
                upstream.asked.append((self.path, dict(self.headers)))
                upstream.gate.wait(20)
                body = upstream.files.get(self.path)
                status = 200 if body is not None else 404
                etag = '"%s"' % hashlib.sha256(body or b'').hexdigest()[:8]
                if status == 200 and self.headers.get('If-None-Match') == etag:
                    status, body = 304, b''
                self.send_response(status)
                self.send_header('ETag', etag)
                self.send_header('Content-Length', str(len(body or b'')))
                self.end_headers()
                self.wfile.write(body or b'')

            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length']))
                upstream.asked.append((self.path, dict(self.headers)))
                upstream.bodies.append(body)
                upstream.gate.wait(20)
                status, reply = handler(self.path, body)
                self.send_response(status)
                self.send_header('Content-Type', 'application/json')
                self.send_header('Content-Length', str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *unused):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True

        self.server = Server(('127.0.0.1', 0), Handler)
        self.url = f'http://127.0.0.1:{self.server.server_port}'
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Images(BootTestCase):
    def setUp(self):
        super().setUp()
        self.kernel = os.urandom(300_001)
        self.initramfs = os.urandom(70_003)
        self.write('k', self.kernel)
        self.write('i', self.initramfs)

    def add(self, version, *more):
        return self.adm('image', 'add', '--version', version, '--kernel', self.path('k'), '--initramfs',
                        self.path('i'), *more)

    def test_serves_what_was_added_with_the_site_overlay_behind(self):
        self.add('1.0', '--activate')
        kernel = self.get('/v1/storage/latest/planetbox/vmlinuz')
        self.assertEqual((kernel.status, kernel.body), (200, self.kernel))
        self.assertEqual(kernel.headers['ETag'], '"%s"' % hashlib.sha256(self.kernel).hexdigest())
        initramfs = self.get('/v1/storage/1.0/planetbox/initramfs').body
        self.assertTrue(initramfs.startswith(self.initramfs))
        overlay = initramfs[len(self.initramfs) + 1:]
        self.assertTrue(overlay.startswith(b'070701'), 'the archive must begin at a multiple of four')
        with open(self.state + '/ca/root.crt', 'rb') as f:
            self.assertIn(f.read(), overlay)
        listed = run('cpio', '-it', '--quiet', input=overlay, text=False)
        if listed.returncode == 0:
            self.assertEqual(listed.stdout.decode().split(),
                             ['etc', 'etc/planetbox', 'etc/planetbox/ca.pem', 'etc/planetbox/build-time'])

    def test_range_etag_and_head(self):
        self.add('1.0')
        path = '/v1/storage/1.0/planetbox/vmlinuz'
        part = self.get(path, headers={'Range': 'bytes=100-199'})
        self.assertEqual((part.status, part.body), (206, self.kernel[100:200]))
        self.assertEqual(part.headers['Content-Range'], 'bytes 100-199/300001')
        self.assertEqual(self.get(path, headers={'Range': 'bytes=300000-'}).body, self.kernel[-1:])
        self.assertEqual(self.get(path, headers={'Range': 'bytes=300001-'}).status, 416)
        etag = part.headers['ETag']
        self.assertEqual(self.get(path, headers={'If-None-Match': etag}).status, 304)
        self.assertEqual(self.get(path, headers={'Range': 'bytes=1-2', 'If-Range': '"x"'}).status, 200)
        head = self.request('HEAD', path)
        self.assertEqual((head.status, head.body, head.headers['Content-Length']), (200, b'', '300001'))

    def test_no_way_out_of_the_images(self):
        self.add('1.0')
        for path in ('../state.db', '1.0/../../state.db', '1.0/planetbox/../../../ca/root.key',
                     '%2e%2e/state.db', '1.0/planetbox/%2e%2e%2f%2e%2e%2fstate.db', '1.0//vmlinuz',
                     '1.0/planetbox/vmlinuz%00', '/etc/passwd', '.', ''):
            answer = self.get('/v1/storage/' + path)
            self.assertIn(answer.status, (400, 404, 501), path)
            self.assertNotIn(b'SQLite', answer.body)

    def test_actions_carry_hashes_and_a_version(self):
        self.add('1.0')
        self.add('2.0', '--activate')
        digest = hashlib.sha256(self.kernel).hexdigest()
        base = f'https://127.0.0.1:{self.port}/v1/storage/2.0/planetbox'
        action = self.get('/v1/storage/latest/planetbox/stage2to3.json').json['v1']
        self.assertEqual(action['files']['vmlinuz'], {'url': base + '/vmlinuz', 'sha256': digest})
        served = self.get('/v1/storage/2.0/planetbox/initramfs').body
        self.assertEqual(action['files']['initramfs']['sha256'], hashlib.sha256(served).hexdigest())
        self.assertNotIn('epoxy.stage2', ' '.join(action['vars']['cmdline']))
        first = self.get('/v1/storage/latest/planetbox/stage1to2.json').json['v1']
        self.assertIn('epoxy.stage2={{kargs `epoxy.stage2`}}', first['vars']['cmdline'])
        script = self.get('/v1/storage/latest/planetbox/stage1to2.ipxe')
        self.assertEqual(script.headers['Content-Type'], 'text/plain; charset=us-ascii')
        self.assertIn(f'--name vmlinuz {base}/vmlinuz console=tty0', script.text)
        self.assertNotIn('rescue', script.text)
        self.assertIn('planetbox.rescue', self.get('/v1/storage/latest/planetbox/rescue.ipxe').text)
        self.assertIn('commands', self.get('/v1/storage/latest/planetbox/stage3post.json').json['v1'])

    def test_generated_actions_are_the_golden_ones(self):
        """A node in the field runs these: a change of a template must be seen and wanted."""
        self.write('k', b'kernel')
        self.write('i', b'initramfs')
        self.adm('extension', 'add', 'allocate_k8s_token', '--command', '/bin/true')
        self.add('2026.11', '--no-overlay')
        for name in ('stage1to2.ipxe', 'rescue.ipxe', 'stage1to2.json', 'stage2to3.json', 'stage3post.json',
                     'rescue.json'):
            text = self.get(f'/v1/storage/2026.11/planetbox/{name}').text
            text = text.replace(f'127.0.0.1:{self.port}', 'boot.example.org')
            golden = os.path.join(ROOT, 'ipxe', 'golden', name)
            if os.environ.get('PLANETBOX_WRITE_GOLDEN'):
                with open(golden, 'w', encoding='utf-8') as f:
                    f.write(text)
            with open(golden, encoding='utf-8') as f:
                self.assertEqual(text, f.read(), name)

    def test_own_actions_win_and_get_the_hashes_they_lack(self):
        base = f'https://127.0.0.1:{self.port}/v1/storage'
        own = {'v1': {'files': {'a': {'url': f'{base}/1.0/planetbox/vmlinuz'},
                                'b': {'url': 'https://elsewhere.example/x'},
                                'c': {'url': f'{base}/1.0/planetbox/vmlinuz', 'sha256': 'mine'}},
                      'commands': [['true']], 'vars': {'x': '{{kargs `a&b`}} %20'}}}
        self.write('own.json', json.dumps(own))
        self.add('1.0', '--file', f"stage2to3.json={self.path('own.json')}")
        action = self.get('/v1/storage/1.0/planetbox/stage2to3.json').json
        own['v1']['files']['a']['sha256'] = hashlib.sha256(self.kernel).hexdigest()
        self.assertEqual(action, own)

    def test_versions_are_immutable_and_rollback_is_one_command(self):
        self.add('1.0', '--activate')
        self.write('k', b'new kernel')
        again = self.planetbox('bootadm', '--state', self.state, 'image', 'add', '--version', '1.0', '--kernel',
                               self.path('k'), '--initramfs', self.path('i'))
        self.assertEqual(again.returncode, 1)
        self.assertIn('versions do not change', again.stderr)
        self.add('2.0', '--activate')
        latest = '/v1/storage/latest/planetbox/vmlinuz'
        self.assertEqual(self.get(latest).body, b'new kernel')
        self.assertEqual(self.adm('image', 'rollback'), 'active 1.0\n')
        self.assertEqual(self.get(latest).body, self.kernel)
        self.assertEqual(self.get('/v1/storage/2.0/planetbox/vmlinuz').body, b'new kernel')
        self.adm('image', 'gc', '--keep', '0')
        gone = self.get('/v1/storage/2.0/planetbox/vmlinuz')
        self.assertEqual(gone.status, 501)
        self.assertIn("no image version '2.0'", gone.text)
        self.assertEqual(self.get('/v1/storage/1.0/planetbox/nope').status, 404)
        self.assertFalse(os.path.exists(self.state + '/images/2.0'))

    def test_damage_is_found(self):
        self.add('1.0')
        with open(self.state + '/images/1.0/planetbox/vmlinuz', 'r+b') as f:
            f.seek(1000)
            f.write(b'\0\0\0\0')
        result = self.planetbox('bootadm', '--state', self.state, 'image', 'check')
        self.assertEqual(result.returncode, 1)
        self.assertIn('vmlinuz: is not what was added', result.stderr)

    def test_plain_http_serves_what_is_verified_later_and_nothing_else(self):
        self.bootd.stop()
        plain = free_port()
        self.start_bootd('--plain-port', plain)
        self.add('1.0')
        self.adm('add', HOST, '--ipv4', '127.0.0.1')

        def get(path):
            connection = http.client.HTTPConnection('127.0.0.1', plain, timeout=10)
            connection.request('GET', path)
            try:
                return Answer(connection.getresponse())
            finally:
                connection.close()

        self.assertEqual(get('/v1/storage/1.0/planetbox/vmlinuz').body, self.kernel)
        self.assertEqual(get('/v1/storage/1.0/planetbox/stage1to2.json').status, 404)
        refused = get(f'/v1/boot/{HOST}/stage1.ipxe')
        self.assertEqual((refused.status, refused.text), (403, 'This needs HTTPS\n'))

    def test_the_log_names_what_was_fetched(self):
        self.add('1.0', '--activate')
        self.adm('add', HOST, '--ipv4', '127.0.0.1')
        self.stage1(HOST)
        self.get('/v1/storage/1.0/planetbox/vmlinuz')
        wait_for(lambda: any('fetched 1.0/planetbox/vmlinuz (293' in d for d in self.log_details(HOST)), 5,
                 'the download in the log')


class Proxy(BootTestCase):
    def setUp(self):
        self.upstream = Upstream()
        self.options = ('--storage-prefix-url', self.upstream.url + '/bucket')
        super().setUp()
        self.addCleanup(self.upstream.close)

    def test_one_fetch_for_many_and_again_from_the_disk(self):
        body = os.urandom(400_000)
        self.upstream.files['/bucket/v1/a%20b/x.img'] = body
        self.upstream.gate.clear()
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(
            self.get('/v1/storage/v1/a%20b/x.img?secret=1'))) for _ in range(10)]
        for thread in threads:
            thread.start()
        wait_for(lambda: self.upstream.asked, 10, 'upstream is asked')
        self.upstream.gate.set()
        for thread in threads:
            thread.join()
        self.assertEqual([(a.status, a.body == body) for a in answers], [(200, True)] * 10)
        self.assertEqual([path for path, _ in self.upstream.asked], ['/bucket/v1/a%20b/x.img'])
        part = self.get('/v1/storage/v1/a%20b/x.img', headers={'Range': 'bytes=5-9'})
        self.assertEqual((part.status, part.body), (206, body[5:10]))
        self.assertEqual(len(self.upstream.asked), 1)
        self.bootd.stop()
        self.start_bootd(*self.options)
        self.assertEqual(self.get('/v1/storage/v1/a%20b/x.img').body, body)
        self.assertEqual(len(self.upstream.asked), 1)

    def test_errors_are_relayed_and_an_unreachable_upstream_is_502(self):
        self.assertEqual(self.get('/v1/storage/nope').status, 404)
        self.upstream.files['/bucket/kept'] = b'kept'
        self.assertEqual(self.get('/v1/storage/kept').body, b'kept')
        self.bootd.stop()
        self.start_bootd('--storage-prefix-url', f'http://127.0.0.1:{free_port()}')
        self.assertEqual(self.get('/v1/storage/other').status, 502)
        self.assertEqual(self.get('/v1/storage/kept').body, b'kept')


class Extensions(BootTestCase):
    def setUp(self):
        super().setUp()
        self.upstream = Upstream(self.answer)
        self.addCleanup(self.upstream.close)
        self.adm('add', HOST, '--ipv4', '127.0.0.1', '--extensions', 'op,cmd,slow,gone')

    @staticmethod
    def answer(path, body):
        name = json.loads(body)['v1']['hostname']
        return (418, b'{"for": "%s"}' % name.encode()) if path == '/op' else (404, b'backend says no')

    def test_url_gets_epoxys_question_signed(self):
        self.adm('extension', 'add', 'op', '--url', self.upstream.url + '/op')
        secret = self.adm_json('extension', 'list', '--show-secret')[0]['secret']
        ids = self.stage1(HOST)
        answer = self.post(ids['epoxy.op'] + '?p=a%26b')
        self.assertEqual((answer.status, answer.json), (418, {'for': HOST}))
        body = self.upstream.bodies[0]
        question = json.loads(body)['v1']
        self.assertEqual(sorted(question), ['hostname', 'ipv4_address', 'ipv6_address', 'last_boot', 'raw_query'])
        self.assertEqual((question['hostname'], question['ipv4_address'], question['raw_query']),
                         (HOST, '127.0.0.1', 'p=a%26b'))
        headers = {k.lower(): v for k, v in self.upstream.asked[0][1].items()}
        stamp, signature = headers['planetbox-signature'].split(',')
        self.assertLess(abs(time.time() - int(stamp[2:])), 60)
        good = hmac.new(secret.encode(), stamp[2:].encode() + b'.' + body, hashlib.sha256).hexdigest()
        self.assertEqual(signature, 'v1=' + good)

    def test_refusals(self):
        self.adm('extension', 'add', 'op', '--url', self.upstream.url + '/op', '--max-age', '1s')
        self.adm('extension', 'add', 'cmd', '--command', '/bin/cat')
        self.adm('update', HOST, '--extensions', 'op,gone')
        self.adm('extension', 'add', 'far', '--url', f'http://127.0.0.1:{free_port()}/')
        ids = self.stage1(HOST)
        base = ids['epoxy.op'][:-len('op')]
        self.assertEqual(self.post(base).text, 'Zero length operation is invalid\n')
        unknown = self.post(base + 'gone')
        self.assertEqual((unknown.status, unknown.text), (500, 'Unknown Extension for operation: gone\n'))
        self.assertEqual(self.post(base + 'cmd').status, 403)
        self.assertEqual(self.post(base[:-20] + 'x' * 9 + base[-11:] + 'op').status, 403)
        wait_for(lambda: self.post(base + 'op').status == 408, 5, 'the machine has booted too long ago')
        self.adm('update', HOST, '--extensions', 'far')
        self.assertEqual(self.post(self.stage1(HOST)['epoxy.far']).status, 502)

    def test_command_answers_its_own_host_only(self):
        """ePoxy's extension server keeps one answer for all: two machines can get each other's token."""
        script = self.write('join', '#!/bin/sh\nread -r l; host=$(cat); sleep 0.2\n'
                            'printf "%s" "$host" | sed -n \'s/.*"hostname": "\\(.*\\)",/{"for": "\\1"}/p\'\n',
                            0o755)
        self.adm('extension', 'add', 'cmd', '--command', script)
        hosts = [f'n{i}.example.net' for i in range(8)]
        for host in hosts:
            self.adm('add', host, '--ipv4', '127.0.0.1', '--extensions', 'cmd')
        urls = {host: self.stage1(host)['epoxy.cmd'] for host in hosts}
        answers = {}
        threads = [threading.Thread(target=lambda h=h: answers.update({h: self.post(urls[h]).json}))
                   for h in hosts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, {host: {'for': host} for host in hosts})

    def test_the_example_hands_out_join_parameters(self):
        kubeadm = self.write('kubeadm', '#!/bin/sh\nprintf "%s\\n" "$*" > "$0.args"\n'
                             'echo "kubeadm join 192.0.2.1:6443 --token abcdef.0123456789abcdef '
                             '--discovery-token-ca-cert-hash sha256:00ff "\n', 0o755)
        self.bootd.stop()
        os.environ['KUBEADM'] = kubeadm
        self.addCleanup(os.environ.pop, 'KUBEADM')
        self.start_bootd()
        self.adm('extension', 'add', 'cmd', '--command', os.path.join(ROOT, 'contrib/extensions/kubeadm-join'))
        answer = self.post(self.stage1(HOST)['epoxy.cmd'])
        self.assertEqual(answer.json, {'api_address': '192.0.2.1:6443', 'token': 'abcdef.0123456789abcdef',
                                       'ca_hash': 'sha256:00ff'})
        with open(kubeadm + '.args') as f:
            self.assertEqual(f.read(), 'token create --ttl 5m --print-join-command --description '
                             f'Allow {HOST} to join the cluster\n')

    def test_a_slow_command_is_killed_and_a_failing_one_is_500(self):
        marker = self.path('pid')
        self.adm('extension', 'add', 'slow', '--command', '/bin/sh', '--command', '-c', '--command',
                 f'echo $$ > {marker}; sleep 60 & wait', '--deadline', '500ms')
        self.adm('extension', 'add', 'cmd', '--command', '/bin/false')
        self.adm('extension', 'add', 'gone', '--command', '/nonexistent/x')
        ids = self.stage1(HOST)
        started = time.monotonic()
        self.assertEqual(self.post(ids['epoxy.slow']).status, 504)
        self.assertLess(time.monotonic() - started, 5)
        with open(marker) as f:
            pid = int(f.read())
        wait_for(lambda: not os.path.exists(f'/proc/{pid}'), 5, 'the command is gone')
        self.assertEqual(self.post(ids['epoxy.cmd']).status, 500)
        self.assertEqual(self.post(ids['epoxy.gone']).status, 500)


if __name__ == '__main__':
    unittest.main()
