"""What the tests of bootd share: one server a class, and requests as a booting machine makes them.

    class Stages(BootTestCase):
        def test_one(self):
            self.adm('add', 'n1.example', '--ipv4', '127.0.0.1')
            ids = self.stage1('n1.example')
            self.assertEqual(self.post(ids['epoxy.stage2']).status, 200)

Machines with different addresses are told apart by their source address in 127.0.0.0/8.
"""
import http.client
import json
import os
import shutil
import ssl
import tempfile
import urllib.parse

from planetbox import BINARY, Daemon, TestCase, free_port

_made = {}


def template_state():
    """A state with its CA, made once for all tests of this process (an RSA key takes a second)."""
    if 'dir' not in _made:
        _made['dir'] = tempfile.mkdtemp(prefix='planetbox-state-')
        state = os.path.join(_made['dir'], 'state')
        log = os.path.join(_made['dir'], 'up.log')
        up = Daemon([BINARY, 'up', '--state', state, '--listen', '127.0.0.1', '--boot-port', free_port(),
                     '--api-port', free_port(), '--name', '127.0.0.1,localhost,::1',
                     '--metrics-listen', f'127.0.0.1:{free_port()}', '--admin', 'a@example.org'], log)
        try:
            up.wait_for_line('planetbox is up', 60)
        finally:
            up.stop()
    return os.path.join(_made['dir'], 'state')


def remove_template():
    if 'dir' in _made:
        shutil.rmtree(_made.pop('dir'), ignore_errors=True)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)


class BootTestCase(TestCase):
    options = ()

    def setUp(self):
        super().setUp()
        self.state = self.path('state')
        shutil.copytree(template_state(), self.state)
        self.trust = ssl.create_default_context(cafile=self.state + '/ca/root.crt')
        self.start_bootd(*self.options)

    def start_bootd(self, *options, listen='127.0.0.1'):
        self.metrics_port = free_port()
        self.port = free_port()
        self.bootd = self.start('bootd', '--state', self.state, '--listen', listen, '--port', self.port,
                                '--metrics-listen', f'127.0.0.1:{self.metrics_port}', *options)
        self.bootd.wait_for_line('ready')

    def adm(self, *args):
        return self.ok('bootadm', '--state', self.state, *args)

    def adm_json(self, *args):
        return json.loads(self.adm('--json', *args))

    def request(self, method, path, body=None, headers=None, source='127.0.0.1', to='127.0.0.1'):
        connection = http.client.HTTPSConnection(to, self.port, context=self.trust, timeout=30,
                                                 source_address=(source, 0))
        try:
            connection.request(method, path, body, headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, **kwargs):
        return self.request('GET', path, **kwargs)

    def post(self, url, form=None, **kwargs):
        """To a path or to a URL that the server gave out."""
        path = urllib.parse.urlsplit(url)
        target = path.path + ('?' + path.query if path.query else '')
        headers = {'Content-Type': 'application/x-www-form-urlencoded'}
        return self.request('POST', target, urllib.parse.urlencode(form or {}), headers, **kwargs)

    def stage1(self, host, **kwargs):
        """The kernel arguments that stage1.json hands out."""
        answer = self.post(f'/v1/boot/{host}/stage1.json', **kwargs)
        self.assertEqual(answer.status, 200, answer.text)
        return answer.json['kargs']

    def metrics(self):
        connection = http.client.HTTPConnection('127.0.0.1', self.metrics_port, timeout=10)
        connection.request('GET', '/metrics')
        try:
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def log_details(self, host):
        return [e['detail'] for e in self.adm_json('log', host)['events']]
