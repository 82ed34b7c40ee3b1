"""bootd as ePoxy's server: stages, ids, reports, and what happens when things go wrong."""
import json
import re
import shutil
import signal
import threading
import unittest

from boothost import BootTestCase, remove_template
from planetbox import BINARY, run, wait_for

HOST = 'n1.lga01.example.org'
ID = r'[A-Za-z0-9_-]{27}'


def tearDownModule():
    remove_template()


class Stage1(BootTestCase):
    def test_ipxe_script_is_epoxys_to_the_byte(self):
        """A changed line, order or escape breaks scripts of existing images."""
        self.adm('add', HOST, '--ipv4', '127.0.0.1', '--extensions', 'b_op,a_op',
                 '--boot-stage1', 'https://s.example/{{VERSION}}/x.ipxe?a=1&b=%20c', '--images-version', 'v1.2')
        answer = self.get(f'/v1/boot/{HOST}/stage1.ipxe')
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers['Content-Type'], 'text/plain; charset=us-ascii')
        base = f'https://127.0.0.1:{self.port}/v1/boot/{HOST}/'
        expected = ('#!ipxe\n\nset stage1chain_url https://s.example/v1.2/x.ipxe?a=1&b=%20c\n'
                    f'set stage2_url {base}ID/stage2\nset stage3_url {base}ID/stage3\n'
                    f'set report_url {base}ID/report\nset images_version v1.2\n'
                    f'set a_op_url {base}ID/extension/a_op\nset b_op_url {base}ID/extension/b_op\n'
                    '\nchain ${stage1chain_url}\n')
        self.assertEqual(re.sub(f'/{ID}/', '/ID/', answer.text), expected)
        self.assertEqual(len(set(re.findall(f'/({ID})/', answer.text))), 4)

    def test_json_is_epoxys_to_the_byte(self):
        self.adm('add', HOST, '--ipv4', '127.0.0.1', '--boot-stage1-json', 'https://s.example/a?x=1&y=%41')
        answer = self.post(f'/v1/boot/{HOST}/stage1.json')
        self.assertEqual(answer.headers['Content-Type'], 'application/json; charset=utf-8')
        self.assertIn('"chain": "https://s.example/a?x=1&y=%41"', answer.text)
        self.assertEqual(answer.text, json.dumps(answer.json, indent=4))
        self.assertEqual(list(answer.json['kargs']), sorted(answer.json['kargs']))

    def test_get_and_both_posts_collect_the_same_facts(self):
        """Stock iPXE cannot POST; the facts in a query must count the same."""
        self.adm('add', HOST, '--ipv4', '127.0.0.1')
        path = f'/v1/boot/{HOST}/stage1.ipxe'
        facts = {'mac': '52:54:00:12:34:56', 'product': 'PowerEdge & co', 'secret': 'no'}
        want = {'mac': '52:54:00:12:34:56', 'product': 'PowerEdge & co'}

        def collected():
            return self.adm_json('show', HOST)[0]['record']['CollectedInformation']

        self.assertEqual(self.get(path + '?mac=52:54:00:12:34:56&product=PowerEdge%20%26%20co&secret=no'
                                  '&key=abc').status, 200)
        self.assertEqual(collected(), want)
        self.assertEqual(self.get(path + '?mac=00:00:00:00:00:01').status, 200)
        self.assertEqual(self.post(path, facts).status, 200)
        self.assertEqual(collected(), want)
        self.assertEqual(self.get(path + '?mac=00:00:00:00:00:01').status, 200)
        multipart = ''.join(f'--B\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'
                            for k, v in facts.items()) + '--B--\r\n'
        answer = self.request('POST', path, multipart, {'Content-Type': 'multipart/form-data; boundary=B'})
        self.assertEqual(answer.status, 200)
        self.assertEqual(collected(), want)

    def test_order_and_words_of_refusals(self):
        self.adm('add', HOST, '--ipv4', '127.0.0.9')
        unknown = self.get('/v1/boot/no.such.host/stage1.ipxe')
        self.assertEqual(unknown.status, 404)
        self.assertTrue(unknown.text.startswith('#!ipxe\n'))
        self.assertIn('does not know no.such.host', unknown.text)
        self.assertEqual(self.post('/v1/boot/no.such.host/x/stage2').status, 404)
        for path in ('stage1.ipxe', 'stage1.json', 'x/stage2', 'x/report', 'x/extension/'):
            refused = self.post(f'/v1/boot/{HOST}/{path}')
            self.assertEqual((refused.status, refused.text), (403, 'Caller cannot access host\n'), path)
        wrong = self.post(f'/v1/boot/{HOST}/wrong/stage2', source='127.0.0.9')
        self.assertEqual((wrong.status, wrong.text),
                         (403, 'Given session ID does not match host record\n'))
        self.assertEqual(self.get('/v1/boot/x').status, 404)
        for method, path, allow in (('PUT', f'/v1/boot/{HOST}/stage1.ipxe', 'GET, HEAD, POST'),
                                    ('GET', f'/v1/boot/{HOST}/x/stage2', 'POST'),
                                    ('POST', '/v1/storage/x', 'GET, HEAD')):
            answer = self.request(method, path)
            self.assertEqual((answer.status, answer.headers['Allow']), (405, allow))

    def test_head_makes_no_ids(self):
        self.adm('add', HOST, '--ipv4', '127.0.0.1')
        ids = self.stage1(HOST)
        self.assertEqual(self.request('HEAD', f'/v1/boot/{HOST}/stage1.ipxe').status, 200)
        self.assertEqual(self.post(ids['epoxy.stage2']).status, 200)

    def test_node_key(self):
        """With a key issued, the address alone is not enough; an older key lives for its grace."""
        self.adm('add', HOST)
        key = self.adm('key', HOST).strip()
        path = f'/v1/boot/{HOST}/stage1.ipxe'
        self.assertEqual(self.get(path).status, 403)
        self.assertEqual(self.get(f'{path}?key={key}').status, 200)
        self.assertEqual(self.get(f'{path}?key={key[:-1]}x').status, 403)
        self.assertEqual(self.post(f'/v1/boot/{HOST}/stage1.json', {'key': key}).status, 200)
        newer = self.adm('key', HOST).strip()
        self.assertEqual(self.get(f'{path}?key={key}').status, 200)
        self.assertEqual(self.get(f'{path}?key={newer}').status, 200)
        newest = self.adm('key', HOST, '--grace', '0s').strip()
        self.assertEqual(self.get(f'{path}?key={newest}').status, 200)
        self.assertNotIn(key, self.bootd.output() + self.adm('log', HOST))

    def test_boot_states(self):
        self.adm('add', HOST, '--ipv4', '127.0.0.1', '--boot-stage1-json', 'https://s.example/boot',
                 '--update-stage1-json', 'https://s.example/update', '--boot-stage1', '/here.ipxe')

        def chain():
            return self.post(f'/v1/boot/{HOST}/stage1.json').json['v1']['chain']

        self.assertEqual(chain(), 'https://s.example/boot')
        for state in ('reinstall', 'rins', 'upgrade'):
            self.adm('update', HOST, '--boot-state', state)
            self.assertEqual(chain(), 'https://s.example/update', state)
        self.adm('update', HOST, '--boot-state', 'dbg')
        self.assertTrue(chain().endswith('/v1/storage/latest/planetbox/rescue.json'))
        self.adm('update', HOST, '--boot-state', 'disabled')
        self.assertEqual(self.post(f'/v1/boot/{HOST}/stage1.json').status, 403)
        script = self.get(f'/v1/boot/{HOST}/stage1.ipxe').text
        self.assertIn('disabled', script)
        self.assertNotIn('/stage2', script)
        self.adm('update', HOST, '--boot-state', 'boot')
        script = self.get(f'/v1/boot/{HOST}/stage1.ipxe').text
        self.assertIn(f'stage1chain_url https://127.0.0.1:{self.port}/here.ipxe\n', script)

    def test_static_network_stands_behind_epoxys_lines(self):
        self.adm('add', HOST, '--network', '127.0.0.1/8,127.0.0.254,9.9.9.9', '--network',
                 '2001:db8::5/64,2001:db8::1')
        self.assertIn('set epoxy_ipv4 127.0.0.1/8,127.0.0.254,9.9.9.9\n'
                      'set epoxy_ipv6 2001:db8::5/64,2001:db8::1,9.9.9.9\n\nchain',
                      self.get(f'/v1/boot/{HOST}/stage1.ipxe').text)


class Ids(BootTestCase):
    def setUp(self):
        super().setUp()
        self.adm('add', HOST, '--ipv4', '127.0.0.1')

    def test_retries_of_a_stage_work_and_going_back_does_not(self):
        """epoxy_client repeats a failed stage with the same id: that must not strand the machine."""
        ids = self.stage1(HOST)
        for _ in range(3):
            self.assertEqual(self.post(ids['epoxy.stage2']).status, 200)
        self.assertEqual(self.post(ids['epoxy.report'], {'message': 'error: x'}).status, 204)
        self.assertEqual(self.post(ids['epoxy.stage2']).status, 200)
        self.assertEqual(self.post(ids['epoxy.stage3']).status, 200)
        self.assertEqual(self.post(ids['epoxy.stage2']).status, 403)
        self.assertEqual(self.post(ids['epoxy.stage3']).status, 200)
        self.assertEqual(self.post(ids['epoxy.report'], {'message': 'success'}).status, 204)
        for name in ('epoxy.stage2', 'epoxy.stage3', 'epoxy.report'):
            self.assertEqual(self.post(ids[name], {'message': 'success'}).status, 403, name)
        self.assertEqual(self.adm_json('list', HOST)[0]['status'], 'online')

    def test_success_of_stage2_does_not_end_the_boot(self):
        """A stage that starts the next kernel in the background reports success first."""
        self.adm('update', HOST, '--update')
        ids = self.stage1(HOST)
        self.post(ids['epoxy.stage2'])
        self.assertEqual(self.post(ids['epoxy.report'], {'message': 'success'}).status, 204)
        self.assertEqual(self.post(ids['epoxy.report'], {'message': 'success'}).status, 403)
        self.assertTrue(self.adm_json('show', HOST)[0]['record']['UpdateEnabled'])
        self.assertEqual(self.post(ids['epoxy.stage3']).status, 200)
        self.assertEqual(self.post(ids['epoxy.report'], {'message': 'success'}).status, 204)
        self.assertFalse(self.adm_json('show', HOST)[0]['record']['UpdateEnabled'])

    def test_reinstall_becomes_boot_after_one_success_only(self):
        self.adm('update', HOST, '--boot-state', 'reinstall')
        ids = self.stage1(HOST)
        self.post(ids['epoxy.stage3'])
        self.post(ids['epoxy.report'], {'message': 'error: disk'})
        self.assertEqual(self.adm_json('show', HOST)[0]['record']['BootState'], 'reinstall')
        self.post(ids['epoxy.report'], {'message': 'success'})
        record = self.adm_json('show', HOST)[0]['record']
        self.assertEqual(record['BootState'], 'boot')
        self.assertNotEqual(record['LastSuccess'], '0001-01-01T00:00:00Z')

    def test_bound_to_host_stage_and_address(self):
        self.adm('add', 'other.example.org', '--ipv4', '127.0.0.1')
        self.stage1('other.example.org')
        ids = self.stage1(HOST)
        stage2 = re.search(f'/({ID})/', ids['epoxy.stage2'])[1]
        self.assertEqual(self.post(f'/v1/boot/other.example.org/{stage2}/stage2').status, 403)
        self.assertEqual(self.post(f'/v1/boot/{HOST}/{stage2}/stage3').status, 403)
        self.assertEqual(self.post(f'/v1/boot/{HOST}/{stage2}/report', {'message': 'success'}).status, 403)
        self.assertEqual(self.post(ids['epoxy.stage2'], source='127.0.0.2').status, 403)
        self.assertEqual(self.post(ids['epoxy.stage2']).status, 200)

    def test_a_host_known_by_key_is_bound_to_the_address_of_its_stage1(self):
        self.adm('add', 'k.example.org')
        key = self.adm('key', 'k.example.org').strip()
        ids = self.stage1('k.example.org', form={'key': key}, source='127.0.0.7')
        self.assertEqual(self.post(ids['epoxy.stage2'], source='127.0.0.8').status, 403)
        self.assertEqual(self.post(ids['epoxy.stage2'], source='127.0.0.7').status, 200)

    def test_stage1_again_kills_the_old_set_and_revoke_every_set(self):
        old = self.stage1(HOST)
        new = self.stage1(HOST)
        self.assertEqual(self.post(old['epoxy.stage2']).status, 403)
        self.assertEqual(self.post(new['epoxy.stage2']).status, 200)
        self.adm('tokens', 'revoke', HOST)
        self.assertEqual(self.post(new['epoxy.stage2']).status, 403)

    def test_of_concurrent_stage1_exactly_one_set_is_valid(self):
        sets = []
        threads = [threading.Thread(target=lambda: sets.append(self.stage1(HOST))) for _ in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len({s['epoxy.stage2'] for s in sets}), 24)
        self.assertEqual([self.post(s['epoxy.stage2']).status for s in sets].count(200), 1)

    def test_kill_9_takes_back_no_id_and_gives_none_back(self):
        """An id that was answered is committed, and a used report stays used."""
        ids = self.stage1(HOST)
        done = self.stage1_and_finish('other2.example.org')
        self.bootd.send(signal.SIGKILL)
        self.bootd.process.wait()
        self.start_bootd()
        self.assertEqual(self.post(ids['epoxy.stage2']).status, 200)
        self.assertEqual(self.post(done['epoxy.report'], {'message': 'success'}).status, 403)
        self.assertEqual(self.post(done['epoxy.stage2']).status, 403)

    def stage1_and_finish(self, host):
        self.adm('add', host, '--ipv4', '127.0.0.1')
        ids = self.stage1(host)
        self.post(ids['epoxy.stage3'])
        self.assertEqual(self.post(ids['epoxy.report'], {'message': 'success'}).status, 204)
        return ids

    def test_database_logs_and_metrics_hold_no_id(self):
        ids = self.stage1(HOST)
        tokens = [re.search(f'/({ID})/', url)[1] for name, url in ids.items() if url.startswith('https')]
        self.post(ids['epoxy.stage2'])
        self.post(ids['epoxy.report'], {'message': 'error: GET ' + ids['epoxy.stage3'] + ' failed',
                                        'code': 'B10', 'debug.config': json.dumps(ids)})
        log = self.adm('log', HOST)
        self.assertIn('/***/stage3 failed', log)
        self.assertIn('A download broke off', log)
        self.assertIn('failed B10', self.adm('list'))
        self.bootd.stop()
        everything = self.bootd.output() + log
        for name in ('state.db', 'state.db-wal'):
            try:
                with open(f'{self.state}/{name}', 'rb') as f:
                    everything += f.read().decode('latin-1')
            except FileNotFoundError:
                pass
        for token in tokens:
            self.assertNotIn(token, everything)

    def test_metrics_name_what_happened(self):
        ids = self.stage1(HOST)
        self.get(f'/v1/boot/{HOST}/stage1.ipxe')
        self.post(ids['epoxy.stage2'])
        text = self.metrics()
        self.assertIn(f'epoxy_stage1_total{{machine="{HOST}"}} 2', text)
        self.assertIn('epoxy_request_duration_seconds_count{code="200"} 1', text)
        self.assertIn('bootd_tokens_refused_total{reason="unknown"} 1', text)
        if shutil.which('promtool'):
            checked = run('promtool', 'check', 'metrics', input=text)
            self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)


class ShortLives(BootTestCase):
    options = ('--session-lifetime', '1s')

    def test_ids_expire(self):
        self.adm('add', HOST, '--ipv4', '127.0.0.1')
        ids = self.stage1(HOST)
        self.assertEqual(self.post(ids['epoxy.stage2']).status, 200)
        wait_for(lambda: self.post(ids['epoxy.stage2']).status == 403, 5, 'the id expires')
        words = 'stage2 refused: the id has expired; the machine must start again at stage 1'
        wait_for(lambda: words in self.log_details(HOST), 5, 'the reason in the log')


class Version6(BootTestCase):
    def test_ipv6_machine_and_urls(self):
        self.bootd.stop()
        self.start_bootd(listen='::1')
        self.adm('add', HOST, '--ipv6', '0:0::1')
        ids = self.stage1(HOST, to='::1', source='::1')
        self.assertTrue(ids['epoxy.stage2'].startswith(f'https://[::1]:{self.port}/v1/boot/'))
        self.assertEqual(self.post(ids['epoxy.stage2'], to='::1', source='::1').status, 200)


class WithoutState(unittest.TestCase):
    def test_says_what_to_run_first(self):
        result = run(BINARY, 'bootd', '--state', '/nonexistent/state')
        self.assertEqual(result.returncode, 1)
        self.assertIn('planetbox up', result.stderr)


if __name__ == '__main__':
    unittest.main()
