"""bootd and bootclient together: the way of a machine through its stages, without a machine; and what bootd
does when its disk is full or it is killed in the middle."""
import json
import os
import re
import signal
import subprocess
import threading
import unittest

from boothost import BootTestCase, remove_template
from planetbox import need_root, run, wait_for

HOST = 'n1.example.org'


def tearDownModule():
    remove_template()


class WholeBoot(BootTestCase):
    def setUp(self):
        super().setUp()
        self.kernel = os.urandom(200_000)
        self.write('k', self.kernel)
        self.write('i', b'initramfs')
        image = '/v1/storage/{{VERSION}}/planetbox/'
        self.adm('add', HOST, '--update', '--boot-stage1-json', image + 'stage1to2.json', '--boot-stage2',
                 image + 'stage2to3.json', '--boot-stage3', image + 'stage3post.json')
        self.key = self.adm('key', HOST).strip()
        self.write('plnode.txt', f'NODE_KEY="{self.key}"\nHOST_NAME="n1"\nDOMAIN_NAME="example.org"\n')
        names = ('epoxy.stage2', 'epoxy.stage3', 'epoxy.report')
        words = ' '.join(f'{name}={{{{kargs `{name}`}}}}' for name in names)
        self.action('stage1to2.json', [['sh', '-c', f'printf %s "{words}" > {self.path("cmdline2")}']])
        self.action('stage2to3.json', [['cp', '{{.files.kernel.name}}', self.path('fetched')]],
                    {'kernel': {'url': f'https://127.0.0.1:{self.port}/v1/storage/1/planetbox/vmlinuz'}})
        self.action('stage3post.json', [['true']])
        own = [f'{n}={self.path(n)}' for n in ('stage1to2.json', 'stage2to3.json', 'stage3post.json')]
        self.adm('image', 'add', '--version', '1', '--kernel', self.path('k'), '--initramfs', self.path('i'),
                 '--activate', *[word for file in own for word in ('--file', file)])
        self.write('cmdline1', f'quiet epoxy.stage1=https://127.0.0.1:{self.port}/v1/boot/{HOST}/stage1.json\n')

    def action(self, name, commands, files=None):
        self.write(name, json.dumps({'v1': {'files': files or {}, 'commands': commands}}))

    def client(self, action, cmdline, *more):
        return self.planetbox('bootclient', '--ca', self.state + '/ca/root.crt', '--cmdline', self.path(cmdline),
                              '--plnode', self.path('plnode.txt'), '-action', action, '-retry=false', *more,
                              timeout=60)

    def test_to_online(self):
        first = self.client('epoxy.stage1', 'cmdline1', '-add-kargs')
        self.assertEqual(first.returncode, 0, first.stderr)
        second = self.client('epoxy.stage2', 'cmdline2')
        self.assertEqual(second.returncode, 0, second.stderr)
        with open(self.path('fetched'), 'rb') as f:
            self.assertEqual(f.read(), self.kernel)
        third = self.client('epoxy.stage3', 'cmdline2')
        self.assertEqual(third.returncode, 0, third.stderr)
        listed = self.adm_json('list', HOST)[0]
        self.assertEqual(listed['status'], 'online')
        self.assertFalse(listed['record']['UpdateEnabled'])
        again = self.client('epoxy.stage3', 'cmdline2')
        self.assertEqual(again.returncode, 1)
        self.assertNotIn(self.key, self.bootd.output())

    def test_a_kernel_changed_on_the_servers_disk_is_refused_and_said(self):
        with open(self.state + '/images/1/planetbox/vmlinuz', 'r+b') as f:
            f.seek(100_000)
            f.write(b'evil')
        self.client('epoxy.stage1', 'cmdline1', '-add-kargs')
        result = self.client('epoxy.stage2', 'cmdline2')
        self.assertEqual(result.returncode, 1)
        self.assertFalse(os.path.exists(self.path('fetched')))
        self.assertEqual(self.adm_json('list', HOST)[0]['status'], 'failed B09')
        self.assertIn('SHA-256', self.adm('log', HOST))

    def test_a_machine_with_another_key_learns_nothing(self):
        self.write('plnode.txt', f'NODE_KEY="{"x" * 43}"\nHOST_NAME="n1"\nDOMAIN_NAME="example.org"\n')
        self.assertEqual(self.client('epoxy.stage1', 'cmdline1', '-add-kargs').returncode, 1)
        self.assertFalse(os.path.exists(self.path('cmdline2')))
        wait_for(lambda: 'its node key is wrong or too old' in self.adm('log', HOST), 5, 'the reason in the log')


class Killed(BootTestCase):
    def test_in_the_middle_of_many_stage1(self):
        """Whoever got an answer holds ids that work after the restart; nobody's work twice."""
        hosts = [f'n{n}.example.org' for n in range(40)]
        for host in hosts:
            self.adm('add', host, '--ipv4', '127.0.0.1')
        answered, lock, enough = {}, threading.Lock(), threading.Event()

        def boot(host):
            for _ in range(50):
                try:
                    ids = self.stage1(host)
                except OSError:
                    return
                with lock:
                    answered.setdefault(host, []).append(ids)
                    if len(answered) == len(hosts):
                        enough.set()

        threads = [threading.Thread(target=boot, args=(host,)) for host in hosts]
        for thread in threads:
            thread.start()
        self.assertTrue(enough.wait(60), 'every host was answered once')
        self.bootd.send(signal.SIGKILL)
        self.bootd.process.wait()
        for thread in threads:
            thread.join()
        self.start_bootd()
        for host in hosts:
            codes = [self.post(ids['epoxy.stage2']).status for ids in answered[host]]
            # The last answered set works, unless one was committed behind it whose answer was lost.
            self.assertLessEqual(codes.count(200), 1, host)
            self.assertEqual(codes[:-1].count(200), 0, host)
        works = [self.post(answered[host][-1]['epoxy.stage2']).status for host in hosts]
        self.assertGreater(works.count(200), len(hosts) // 3)


@need_root('mounts a file system')
class FullDisk(BootTestCase):
    def test_stage1_fails_cleanly_and_recovers(self):
        self.bootd.stop()
        small = self.path('small')
        os.mkdir(small)
        self.assertEqual(run('mount', '-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', small).returncode, 0)
        self.addCleanup(subprocess.run, ['umount', '-l', small], check=True)
        subprocess.run(['cp', '-a', self.state, small + '/state'], check=True)
        self.state = small + '/state'
        self.adm('add', HOST, '--ipv4', '127.0.0.1')
        self.start_bootd()
        before = self.stage1(HOST)
        filler = small + '/filler'
        with open(filler, 'wb', buffering=0) as f:
            try:
                while True:
                    f.write(b'x' * 4096)
            except OSError:
                pass
        codes = set()
        for _ in range(600):  # the log has some room left
            answer = self.post(f'/v1/boot/{HOST}/stage1.json')
            codes.add(answer.status)
            if answer.status != 200:
                break
            before = answer.json['kargs']
        self.assertEqual(codes - {200}, {500})
        self.assertEqual(self.get('/_ah/health').text, 'ok')
        os.unlink(filler)
        self.assertEqual(self.post(before['epoxy.stage2']).status, 200)
        self.assertTrue(re.match('https://', self.stage1(HOST)['epoxy.stage2']))


if __name__ == '__main__':
    unittest.main()
