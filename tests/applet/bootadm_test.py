"""bootadm: hosts, inventories, keys and logs, without a server."""
import json
import os
import shutil
import sqlite3
import unittest

from boothost import remove_template, template_state
from planetbox import TestCase


def tearDownModule():
    remove_template()


class Bootadm(TestCase):
    def setUp(self):
        super().setUp()
        self.state = self.path('state')
        shutil.copytree(template_state(), self.state)

    def adm(self, *args, **kwargs):
        return self.ok('bootadm', '--state', self.state, *args, **kwargs)

    def fails(self, *args, code=1, **kwargs):
        result = self.planetbox('bootadm', '--state', self.state, *args, **kwargs)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)
        return result.stderr

    def names(self, *args):
        return [h['hostname'] for h in json.loads(self.adm('list', '--json', *args))]

    def record(self, host):
        return json.loads(self.adm('show', host))

    def test_epoxys_record_form(self):
        """Scripts read these names in this order."""
        self.adm('create', '--hostname', 'N1.Example.org', '--address', '192.0.2.5', '--extensions',
                 'b,a', '--boot-stage2', 'https://x.example/{{VERSION}}/a.json?x=1&y=2')
        text = self.adm('show', 'n1.example.org')
        record = json.loads(text)
        self.assertEqual(list(record)[:10], ['Name', 'IPv4Addr', 'Boot', 'Update', 'ImagesVersion', 'UpdateEnabled',
                                             'Extensions', 'LastSessionCreation', 'LastReport', 'LastSuccess'])
        self.assertIn('\n    "Name": "n1.example.org"', text)
        self.assertEqual(record['LastSuccess'], '0001-01-01T00:00:00Z')
        self.assertEqual(record['Boot'], {'stage2': 'https://x.example/{{VERSION}}/a.json?x=1&y=2'})
        self.assertEqual(record['Extensions'], ['a', 'b'])

    def test_update_changes_what_is_named_and_nothing_else(self):
        """epoxy_admin's update clears the update flag whenever --update is not given."""
        for n in range(3):
            self.adm('add', f'n{n}.example.org', '--ipv4', f'192.0.2.{n}')
        self.adm('update', '--hostname', r'n[01]\.', '--update')
        self.adm('update', '--hostname', '.', '--images-version', '7')
        self.assertEqual([self.record(f'n{n}.example.org')['UpdateEnabled'] for n in range(3)],
                         [True, True, False])
        self.adm('update', 'n0.example.org', '--no-update', '--ipv6', '2001:DB8::0:1')
        record = self.record('n0.example.org')
        self.assertEqual((record['UpdateEnabled'], record['IPv6Addr'], record['IPv4Addr'],
                          record['ImagesVersion']), (False, '2001:db8::1', '192.0.2.0', '7'))
        self.assertEqual(self.adm('update', 'n0.example.org', '--no-update'), 'nothing to change\n')
        self.assertIn('changed update: on → off; ipv6: - → 2001:db8::1'.split(';')[0][8:],
                      self.adm('log', 'n0.example.org'))

    def test_list_and_delete_by_name_and_regex(self):
        for name in ('a1.lga', 'a2.lga', 'b1.par'):
            self.adm('add', name)
        self.assertEqual(self.names(), ['a1.lga', 'a2.lga', 'b1.par'])
        self.assertEqual(self.names('--hostname', r'^a.*lga$'), ['a1.lga', 'a2.lga'])
        self.assertEqual(self.adm('delete', 'b1.par'), 'deleted b1.par\n')
        self.adm('delete', '--hostname', 'lga')
        self.assertEqual(self.names(), [])

    def test_one_bad_host_of_several_changes_nothing(self):
        self.adm('add', 'a.example')
        self.fails('add', 'b.example', 'a.example')
        self.fails('delete', 'a.example', 'no.example')
        self.assertEqual(self.names(), ['a.example'])

    def test_bad_input_is_named_with_a_remedy(self):
        self.adm('add', 'a.example')
        for args, words in ((('add', 'a.example'), 'exists already'),
                            (('add', 'bad_name!'), "host name 'bad_name!'"),
                            (('add', 'b.example', '--ipv4', '300.1.1.1'), "'300.1.1.1' is not an IPv4"),
                            (('add', 'b.example', '--ipv4', '::1'), 'is not an IPv4'),
                            (('add', 'b.example', '--mac', 'xyz'), 'MAC address'),
                            (('add', 'b.example', '--network', '1.2.3.4'), 'address/length,gateway'),
                            (('update', 'a.example', '--boot-state', 'dead'), 'safeboot'),
                            (('update', 'a.example', '--images-version', 'a b'), "'a b'"),
                            (('update', '--hostname', '('), 'regular expression'),
                            (('update', '--hostname', 'zzz'), 'no host matches'),
                            (('update',), 'which hosts?'),
                            (('show', 'x.example'), "'bootadm list'"),
                            (('image', 'activate', '9'), "'bootadm image list'"),
                            (('image', 'rollback',), 'no other version'),
                            (('tokens', 'revoke'), '--all'),
                            (('key', 'x.example'), 'there is no host'),
                            (('extension', 'add', 'x'), '--url or --command'),
                            (('sync', '/nonexistent'), '/nonexistent')):
            self.assertIn(words, self.fails(*args), args)
        self.assertIn('add: --boot-stage1', self.fails('add', 'c.example', '--boot-stage1', 'ftp://x', code=2))
        self.assertIn('nosuch', self.fails('nosuch', code=2))
        self.assertEqual(self.names(), ['a.example'])

    def test_sync(self):
        self.adm('add', 'old.example', '--ipv4', '192.0.2.1')
        self.adm('add', 'keep.example', '--ipv4', '192.0.2.2', '--update', '--extensions', 'x')
        inventory = json.dumps([
            {'hostname': 'keep.example', 'ipv4': '192.0.2.20/26', 'ipv6': '', 'unknown': {'a': 1}},
            {'hostname': 'new.example', 'ipv4': '192.0.2.3', 'ipv6': '2001:db8::3', 'state': 'rins',
             'network': '192.0.2.3/26,192.0.2.62'}])
        path = self.write('inventory.json', inventory)
        diff = '+ new.example\n~ keep.example  ipv4: 192.0.2.2 → 192.0.2.20\n'
        kept = '- old.example  (kept; --remove deletes)\n'
        self.assertEqual(self.adm('sync', path, '--dry-run'), diff + kept)
        self.assertEqual(self.names(), ['keep.example', 'old.example'])
        self.assertEqual(self.adm('sync', '-', input=inventory), diff + kept)
        self.assertEqual(self.names(), ['keep.example', 'new.example', 'old.example'])
        record = self.record('keep.example')
        self.assertEqual((record['UpdateEnabled'], record['Extensions']), (True, ['x']))
        self.assertEqual(self.record('new.example')['BootState'], 'reinstall')
        self.assertEqual(self.adm('sync', path, '--remove'), '- old.example\n')
        self.assertEqual(self.adm('sync', path, '--remove'), '')
        for bad, words in (('[{"hostname":"a"},{"hostname":"A"}]', 'there twice'),
                           ('[{"ipv4":"1.2.3.4"}]', 'without a "hostname"'), ('{}', 'JSON array'),
                           ('[', 'line 1'), ('[{"hostname":"a","ipv4":"x"}]', "a: IPv4 address: 'x'")):
            self.assertIn(words, self.fails('sync', '-', input=bad))
        self.assertEqual(len(self.names()), 2)

    def test_sync_of_a_thousand_hosts_is_one_transaction(self):
        many = [{'hostname': f'n{n}.example', 'ipv4': f'10.0.{n // 250}.{n % 250}'} for n in range(1000)]
        self.adm('sync', '-', input=json.dumps(many))
        self.assertEqual(len(self.names()), 1000)

    def test_key_is_printed_once_and_stored_as_a_hash(self):
        self.adm('add', 'a.example')
        key = self.adm('key', 'a.example').strip()
        self.assertRegex(key, r'^[A-Za-z0-9_-]{43}$')
        self.assertTrue(self.record('a.example')['HasKey'])
        self.assertEqual(self.record('a.example')['Auth'], 'key')
        for name in os.listdir(self.state):
            if name.startswith('state.db'):
                with open(f'{self.state}/{name}', 'rb') as f:
                    self.assertNotIn(key.encode(), f.read())

    def test_a_half_imported_image_is_no_image(self):
        self.write('k', b'kernel')
        self.fails('image', 'add', '--version', '1', '--kernel', self.path('k'), '--initramfs', '/nonexistent')
        self.assertEqual(json.loads(self.adm('image', 'list', '--json')), [])
        self.assertEqual(os.listdir(self.state + '/images'), [])
        for bad in ('../x', 'latest', '', 'a/b', '.hidden'):
            self.fails('image', 'add', '--version', bad, '--kernel', self.path('k'))

    def test_the_log_of_a_host_is_bounded(self):
        self.adm('add', 'a.example')
        db = sqlite3.connect(self.state + '/state.db')
        node = db.execute("SELECT id FROM node").fetchone()[0]
        db.executemany("INSERT INTO boot_event VALUES (?, ?, 0, 'x', '', '', '')",
                       [(node, n) for n in range(2, 5000)])
        db.commit()
        db.close()
        for flag in ('--update', '--no-update') * 9:
            self.adm('update', 'a.example', flag)
        self.assertLessEqual(len(json.loads(self.adm('log', 'a.example', '--json'))['events']), 256 + 16)


if __name__ == '__main__':
    unittest.main()
