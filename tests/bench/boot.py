"""tools/bench boot: the boot server beside nginx, interleaved, same certificates, same cores.

The server has processor 0 to itself, the load generator processor 1.  Every figure is the median of the
rounds; every ratio is taken within a round.  What the TLS figures could be at best on this machine is
measured in the same run with Mbed TLS's own primitives (build/bench_tls_limit).
"""
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'lib'))
from central import Central, command, reachable  # noqa: E402
from planetbox import BINARY, Daemon, free_port, wait_for  # noqa: E402

ROUNDS = 5
SERVER_CPU, CLIENT_CPU = '0', '1'
HOSTS = 1000
IMAGE_MB, STORM_MB = 32, 16


def pinned(cpu, *command):
    return ['taskset', '-c', cpu, *command]


class Nginx:
    """nginx with one worker, the same two certificates, and a directory of files."""

    def __init__(self, directory, state):
        self.port = free_port()
        self.root = os.path.join(directory, 'www')
        os.makedirs(self.root)
        self.conf = os.path.join(directory, 'nginx.conf')
        with open(self.conf, 'w') as f:
            f.write(f'''
worker_processes 1; daemon off; pid {directory}/nginx.pid; error_log {directory}/nginx.err warn;
events {{ worker_connections 4096; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; keepalive_timeout 75s;
    client_body_temp_path {directory}; proxy_temp_path {directory}; fastcgi_temp_path {directory};
    uwsgi_temp_path {directory}; scgi_temp_path {directory};
    ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache off; ssl_session_tickets off;
    server {{
        listen 127.0.0.1:{self.port} ssl backlog=4096; root {self.root}; default_type text/plain;
        ssl_certificate {state}/tls/rsa.crt; ssl_certificate_key {state}/tls/rsa.key;
        ssl_certificate {state}/tls/ecdsa.crt; ssl_certificate_key {state}/tls/ecdsa.key;
    }}
}}
''')

    def __enter__(self):
        self.process = subprocess.Popen(pinned(SERVER_CPU, 'nginx', '-c', self.conf, '-p', self.root),
                                        start_new_session=True)
        wait_for(lambda: reachable(self.port), 10, 'nginx answers')
        return self

    def __exit__(self, *unused):
        self.process.terminate()
        self.process.wait(10)


def handshakes(port, suite, seconds=3, clients=4):
    """Full TLS 1.2 handshakes a second, and how many clients failed; no session is resumed."""
    command = pinned(CLIENT_CPU, 'openssl', 's_time', '-connect', f'127.0.0.1:{port}', '-new', '-tls1_2',
                     '-time', str(seconds), '-cipher', suite)
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
               for _ in range(clients)]
    total = failed = 0
    for client in running:
        out = client.communicate(timeout=60)[0]
        found = re.search(r'(\d+) connections in (\d+) real seconds', out)
        if found:
            total += int(found.group(1)) / max(int(found.group(2)), 1)
        else:
            failed += 1
    if failed == clients:
        sys.exit(f'openssl s_time said:\n{out}')
    return total, failed


def wrk(url, seconds=3, connections=32, script=None):
    """Requests a second, and how many failed."""
    command = pinned(CLIENT_CPU, 'wrk', '-t1', f'-c{connections}', f'-d{seconds}s', '--timeout', '10s')
    if script:
        command += ['-s', script]
    out = subprocess.run(command + [url], capture_output=True, text=True, timeout=60).stdout
    rate = re.search(r'Requests/sec:\s+([\d.]+)', out)
    if not rate:
        sys.exit(f'wrk said nothing of a rate:\n{out}')
    bad = sum(int(n) for n in re.findall(r'Non-2xx or 3xx responses: (\d+)', out))
    for counts in re.findall(r'Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)', out):
        bad += sum(int(n) for n in counts)
    return float(rate.group(1)), bad


def stream(url, ca):
    """Bytes a second of one download, the client pinned."""
    out = subprocess.run(pinned(CLIENT_CPU, 'curl', '-sS', '--cacert', ca, '-o', '/dev/null', '-w',
                                '%{speed_download} %{http_code} %{size_download}', url),
                         capture_output=True, text=True, timeout=120, check=True).stdout
    speed, code, size = out.split()
    if code != '200' or int(size) < 1 << 20:
        sys.exit(f'{url}: HTTP {code}, {size} bytes')
    return float(speed)


def host_name(number):
    return f'node{number:04d}.storm.example'


def add_hosts(central, count):
    inventory = [{'hostname': host_name(i), 'ipv4': '127.0.0.1', 'auth': 'address'} for i in range(count)]
    central.bootadm('sync', '-', input=json.dumps(inventory))


def add_image(central, directory, name, size):
    """An image of random bytes; returns its path on the server and its file here."""
    path = os.path.join(directory, name)
    with open(path, 'wb') as f:
        f.write(os.urandom(size))
    central.bootadm('image', 'add', name, '--version', 'v1', '--file', f'image={path}', '--no-overlay')
    return f'/v1/storage/v1/{name}/image', path


def interleave(ours, theirs, rounds=ROUNDS):
    """Runs the two in turn; returns medians of ours, theirs and of the ratios, and the failures of ours."""
    a, b, bad = [], [], 0
    for _ in range(rounds):
        value, failed = ours()
        a.append(value)
        bad += failed
        value, failed = theirs()
        b.append(value)
        bad += failed
    ratios = [x / y for x, y in zip(a, b)]
    return statistics.median(a), statistics.median(b), ratios, bad


def row(name, ours, theirs, ratios, unit, note=''):
    print(f'{name:<34} {ours:>12,.0f} {theirs:>12,.0f} {unit:<6} {statistics.median(ratios):6.2f}x '
          f'({min(ratios):.2f}–{max(ratios):.2f})  {note}', flush=True)


def rss_kib(pid, field='VmRSS'):
    with open(f'/proc/{pid}/status') as f:
        return int(re.search(rf'{field}:\s+(\d+)', f.read()).group(1))


def bench_stage1(central, nginx, directory, limit):
    body = central.get(f'/v1/boot/{host_name(0)}/stage1.ipxe')
    with open(os.path.join(nginx.root, 'stage1.ipxe'), 'wb') as f:
        f.write(body)
    script = os.path.join(directory, 'hosts.lua')
    with open(script, 'w') as f:
        f.write('local i = 0\n'
                'request = function()\n'
                f'  i = (i + 1) % {HOSTS}\n'
                '  return wrk.format("GET", string.format('
                '"/v1/boot/node%04d.storm.example/stage1.ipxe?mac=52:54:00:12:34:56&serial=x", i))\n'
                'end\n')
    for connections in (32, 256):
        ours, theirs, ratios, bad = interleave(
            lambda: wrk(f'https://127.0.0.1:{central.port}/', connections=connections, script=script),
            lambda: wrk(f'https://127.0.0.1:{nginx.port}/stage1.ipxe', connections=connections))
        row(f'stage1, keep-alive, {connections} connections', ours, theirs, ratios, 'req/s',
            f'{bad} failed; beside a static file of nginx; goal 0.4x and 15,000/s-class')


def bench_handshake(central, nginx, directory, limit):
    for name, suite, key in (('ECDHE-RSA', 'ECDHE-RSA-AES256-GCM-SHA384', 'rsa'),
                             ('ECDHE-ECDSA', 'ECDHE-ECDSA-AES256-GCM-SHA384', 'ecdsa')):
        ours, theirs, ratios, bad = interleave(lambda: handshakes(central.port, suite),
                                               lambda: handshakes(nginx.port, suite))
        best = limit[f'{key}_p256_handshakes_per_second']
        row(f'full handshakes, {name}', ours, theirs, ratios, 'conn/s',
            f'{bad} failed; {ours / best:.2f}x of what Mbed TLS can do ({best:,.0f}/s); goal 0.85x of that')


def bench_stream(central, nginx, directory, limit):
    path, file = add_image(central, directory, 'bench', IMAGE_MB << 20)
    shutil.copy(file, os.path.join(nginx.root, 'image'))
    ca = os.path.join(central.state, 'ca', 'root.crt')
    ours, theirs, ratios, _ = interleave(
        lambda: (stream(f'https://127.0.0.1:{central.port}{path}', ca), 0),
        lambda: (stream(f'https://127.0.0.1:{nginx.port}/image', ca), 0))
    best = limit['aes256_gcm_bytes_per_second']
    row(f'one {IMAGE_MB} MB image', ours / 1e6, theirs / 1e6, ratios, 'MB/s',
        f'{ours / best:.2f}x of Mbed TLS\'s AES-256-GCM ({best / 1e6:,.0f} MB/s); goal 0.85x of that')


def bench_storm(central, nginx, directory, limit):
    path, _ = add_image(central, directory, 'storm', STORM_MB << 20)
    out = subprocess.run(pinned(CLIENT_CPU, os.path.join(ROOT, 'build', 'bench_storm'),
                                '--url', f'https://127.0.0.1:{central.port}',
                                '--ca', os.path.join(central.state, 'ca', 'root.crt'),
                                '--count', str(HOSTS), '--image', path),
                         capture_output=True, text=True, timeout=900)
    if not out.stdout:
        sys.exit(f'storm: {out.stderr}')
    result = json.loads(out.stdout)
    spread = result['slowest_seconds'] / result['fastest_seconds']
    peak = rss_kib(central.children()['bootd'], 'VmHWM')
    print(f'storm of {result["nodes"]} nodes, {STORM_MB} MB each: {result["failed"]} failed, '
          f'{result["seconds"]:.1f} s, {result["image_bytes"] / result["seconds"] / 1e6:.0f} MB/s, '
          f'slowest/fastest {spread:.2f} (goal ≤ 3), server peak {peak / 1024:.0f} MiB (goal ≤ 200)')
    for message, count in result['failures'].items():
        print(f'    {count} × {message}')


def bench_media(central, nginx, directory, limit):
    out = os.path.join(directory, 'media')
    begun = time.monotonic()
    command('media', 'usb', '--state', central.state, '--all', '--server',
            f'https://127.0.0.1:{central.port}', '-o', out, timeout=300)
    seconds = time.monotonic() - begun
    count = len([f for f in os.listdir(out) if f.endswith('.img')])
    print(f'media: {count} USB images in {seconds:.1f} s (goal: 1,000 in ≤ 30 s)')


def bench_idle(central, nginx, directory, limit):
    starts, sizes = [], []
    for round_number in range(ROUNDS):
        log = os.path.join(directory, f'idle{round_number}.log')
        begun = time.monotonic()
        daemon = Daemon([BINARY, 'bootd', '--state', central.state, '--listen', '127.0.0.1', '--port',
                         free_port(), '--metrics-listen', f'127.0.0.1:{free_port()}'], log)
        try:
            wait_for(lambda: '"ready"' in daemon.output(), 10, 'bootd is ready', every=0.001)
            starts.append(time.monotonic() - begun)
            sizes.append(rss_kib(daemon.pid))
        finally:
            daemon.stop()
    print(f'bootd: idle {statistics.median(sizes) / 1024:.1f} MiB RSS (goal ≤ 12), start to ready '
          f'{statistics.median(starts) * 1000:.0f} ms (goal ≤ 50)')


PARTS = {'stage1': bench_stage1, 'handshake': bench_handshake, 'stream': bench_stream,
         'idle': bench_idle, 'media': bench_media, 'storm': bench_storm}


def main():
    wanted = sys.argv[1:] or list(PARTS)
    unknown = [name for name in wanted if name not in PARTS]
    if unknown:
        sys.exit(f'tools/bench boot: no part {unknown[0]!r}; there are: {" ".join(PARTS)}')
    with tempfile.TemporaryDirectory(prefix='planetbox-bench.', dir='/dev/shm') as directory:
        limit = json.loads(subprocess.run(
            pinned(SERVER_CPU, os.path.join(ROOT, 'build', 'bench_tls_limit')),
            capture_output=True, text=True, check=True).stdout)
        with Central(directory, names='127.0.0.1,localhost', prefix=pinned(SERVER_CPU)) as central:
            add_hosts(central, HOSTS)
            with Nginx(directory, central.state) as nginx:
                print(f'{"":<34} {"planetbox":>12} {"nginx":>12}        ratio (min–max)')
                for name in wanted:
                    PARTS[name](central, nginx, directory, limit)


if __name__ == '__main__':
    main()
