"""tools/testbed: a central server on loopback, and QEMU machines that boot from their media.

Each machine is a PC with UEFI firmware (OVMF) and its medium, seen through its serial port; what it says
and what central notes of it is printed as it happens.  Software emulation only.
"""
import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time

from central import Central, Failed
from planetbox import BINARY, ROOT
from steps import Steps
from vm import Vm

BUILD = os.path.join(ROOT, 'build')
KERNEL, INITRAMFS = os.path.join(BUILD, 'vmlinuz'), os.path.join(BUILD, 'initramfs.img')
FIRMWARE = '/usr/share/OVMF/OVMF_CODE_4M.fd', '/usr/share/OVMF/OVMF_VARS_4M.fd'
ONLINE_LIMIT = 300      # seconds until every node must be online; a busy machine emulates slowly
DOMAIN = 'testbed.example'


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog='tools/testbed', formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Starts a central server on loopback and boots machines from their media, in QEMU, '
                    'until they are online.',
        epilog='examples:\n'
               '  tools/testbed                  one node from its USB stick: firmware, iPXE, HTTPS, kexec\n'
               '  tools/testbed --direct         skips the firmware: QEMU starts the kernel\n'
               '  tools/testbed --nodes 3 --keep three nodes; then wait until Ctrl-C\n')
    parser.add_argument('--nodes', type=int, default=1, metavar='N', help='how many machines (1)')
    parser.add_argument('--medium', choices=['usb', 'iso', 'bootcd', 'pxe'], default='usb',
                        help='what the machines boot from (usb)')
    parser.add_argument('--direct', action='store_true',
                        help='no firmware: QEMU itself loads the kernel and initramfs of the boot CD')
    parser.add_argument('--keep', action='store_true',
                        help='let everything run until Ctrl-C, and keep the state')
    parser.add_argument('--serial', action='store_true', help='show all that the machines say')
    parser.add_argument('--memory', type=int, default=768, metavar='MIB', help='of each machine (768)')
    args = parser.parse_args()
    if not 1 <= args.nodes <= 16:
        parser.error('--nodes: 1 to 16')
    return args


class Node:
    """One machine: its medium, its QEMU, and what was shown of it so far."""

    def __init__(self, name, args, directory, central):
        self.name, self.args, self.directory, self.central = name, args, directory, central
        self.short = name.split('.')[0]
        self.serial_log = os.path.join(directory, f'{self.short}.serial.log')
        self.shown_lines = self.shown_events = self.saved = 0
        self.online = None
        self.vm = None

    def medium(self):
        kind = self.args.medium
        if self.args.direct:
            # The same files that the boot CD carries, handed to QEMU instead of a boot loader.
            out = os.path.join(self.directory, self.short)
            self.central.planetbox('media', 'pxe', self.name, '--state', self.central.state, '--server',
                                   self.central.url, '-o', out)
            return out
        options = ['--serial', 'ttyS0'] if kind == 'bootcd' else []
        suffix = {'usb': 'usb.img', 'iso': 'iso', 'bootcd': 'bootcd.img', 'pxe': ''}[kind]
        out = self.directory if suffix else os.path.join(self.directory, f'{self.short}.pxe')
        self.central.planetbox('media', kind, self.name, '--state', self.central.state, '--server',
                               self.central.url, '-o', out, *options)
        return os.path.join(out, f'{self.name}.{suffix}') if suffix else out

    def machine(self, medium):
        """QEMU's arguments for the way this machine boots."""
        common = dict(memory=self.args.memory, reboot=True)
        if self.args.direct:
            return Vm(kernel=KERNEL, initrd=self.direct_initrd(medium), append=self.direct_cmdline(),
                      **common)
        variables = os.path.join(self.directory, f'{self.short}.vars.fd')
        shutil.copy(FIRMWARE[1], variables)
        extra = ['-machine', 'q35', '-vga', 'none',
                 '-drive', f'if=pflash,format=raw,unit=0,readonly=on,file={FIRMWARE[0]}',
                 '-drive', f'if=pflash,format=raw,unit=1,file={variables}']
        if self.args.medium == 'pxe':
            return Vm(user_net=f'tftp={medium},bootfile=ipxe-amd64.efi', extra=extra, **common)
        drive = f'if=none,id=medium,format=raw,readonly=on,file={medium}'
        if self.args.medium == 'iso':
            extra += ['-drive', drive + ',media=cdrom', '-device', 'ide-cd,drive=medium,bootindex=1']
        else:
            extra += ['-drive', drive, '-device', 'qemu-xhci',
                      '-device', 'usb-storage,drive=medium,bootindex=1']
        return Vm(extra=extra, **common)

    def direct_initrd(self, medium):
        """The active image's initramfs (with the CA) and the node's own archive, one behind the other."""
        initramfs = os.path.join(self.directory, 'initramfs')
        with open(initramfs, 'wb') as out:
            out.write(self.central.get('/v1/storage/latest/planetbox/initramfs'))
            out.write(b'\0' * (-out.tell() % 4))
            with open(os.path.join(medium, 'host', f'{self.name}.initrd'), 'rb') as own:
                out.write(own.read())
        return initramfs

    def direct_cmdline(self):
        return (f'epoxy.stage1={self.central.url}/v1/boot/{self.name}/stage1.json '
                f'epoxy.hostname={self.name} quiet panic=10')

    def power_on(self, stack):
        self.vm = stack.enter_context(self.machine(self.medium()))

    def follow(self, steps, prefix):
        """Shows what is new; notes when central calls the node online."""
        for at, line in self.vm.lines[self.shown_lines:]:
            if self.args.serial:
                steps.note(f'{prefix}{line}')
            elif 'planetbox: ' in line:
                steps.done(f'{prefix}{line[line.index("planetbox: ") + 11:].strip()}')
        self.shown_lines = len(self.vm.lines)
        with open(self.serial_log, 'ab') as log:
            log.write(self.vm.log[self.saved:])
        self.saved = len(self.vm.log)
        events = self.central.log_of(self.name)['events']
        for event in events[self.shown_events:]:
            code = f" [{event['code']}] {event['meaning']}" if 'code' in event else ''
            steps.done(f"{prefix}central: {event['kind']} {event['detail']}{code}".rstrip())
        self.shown_events = len(events)
        if not self.online and self.status() == 'online':
            self.online = time.monotonic() - self.vm.started
        if self.vm.process.poll() is not None:
            raise Failed(f'{self.name}: its QEMU has ended; it said:\n{self.vm.text[-1500:]}')

    def status(self):
        for host in json.loads(self.central.bootadm('list', self.name, '--json')):
            return host['status']
        return None


def check_tools():
    missing = [f for f in (BINARY, KERNEL, INITRAMFS, *FIRMWARE) if not os.path.exists(f)]
    if missing:
        raise Failed(f'{missing[0]} is missing; run tools/setup and tools/build')


def run(args, directory, steps, stack):
    check_tools()
    steps.running('the central server makes its keys')
    central = stack.enter_context(Central(directory))
    steps.done(f'central server up at {central.url} (state: {central.state})')
    central.bootadm('image', 'add', 'planetbox', '--version', 'testbed', '--kernel', KERNEL,
                    '--initramfs', INITRAMFS, '--cmdline', 'console=ttyS0 quiet panic=10', '--activate')
    steps.done('image "planetbox" imported: kernel, initramfs, this site\'s CA')
    nodes = []
    for number in range(1, args.nodes + 1):
        name = f'node{number}.{DOMAIN}'
        central.bootadm('add', name, '--auth', 'key')
        nodes.append(Node(name, args, directory, central))
    for node in nodes:
        node.power_on(stack)
        steps.done(f'{node.short}: power on, from {"the kernel" if args.direct else args.medium}')
    deadline = time.monotonic() + ONLINE_LIMIT
    while not all(node.online for node in nodes):
        for node in nodes:
            node.vm.pump(0.2 / len(nodes))
            node.follow(steps, f'{node.short}: ' if len(nodes) > 1 else '')
        waiting = [node.short for node in nodes if not node.online]
        if waiting and time.monotonic() > deadline:
            raise Failed(f'{", ".join(waiting)}: not online within {ONLINE_LIMIT} s; '
                         f'see {nodes[0].serial_log} and: build/planetbox bootadm --state '
                         f'{central.state} log {nodes[0].name}')
        if waiting:
            steps.running(f'waiting for {", ".join(waiting)}')
    return central, nodes


def summarize(args, directory, central, nodes, steps):
    print()
    for node in nodes:
        print(f'{node.name} is online, {node.online:.1f} s after power-on '
              f'({"direct" if args.direct else args.medium}).')
    print(f'All in {steps.elapsed():.1f} s.')
    if not args.keep:
        print('Everything is stopped and removed again; with --keep it stays until Ctrl-C.')
        return
    print(f'\nRunning until Ctrl-C.  Where to look:\n'
          f'  build/planetbox bootadm --state {central.state} list\n'
          f'  build/planetbox bootadm --state {central.state} log {nodes[0].name}\n'
          f'  curl --cacert {central.ca} https://127.0.0.1:{central.port}/_ah/health\n'
          f'  curl http://127.0.0.1:{central.metrics_port}/metrics\n'
          f'  {nodes[0].serial_log}   what the machine said\n'
          f'  {central.log}   what the server said', flush=True)
    while True:
        for node in nodes:
            node.vm.pump(0.5)
            node.follow(steps, f'{node.short}: ')


def main():
    args = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *unused: sys.exit(143))
    directory = tempfile.mkdtemp(prefix='planetbox-testbed-')
    steps = Steps()
    keep = args.keep
    try:
        with contextlib.ExitStack() as stack:
            central, nodes = run(args, directory, steps, stack)
            summarize(args, directory, central, nodes, steps)
        return 0
    except KeyboardInterrupt:
        steps.note('stopped; nothing is left running')
        return 130 if not keep else 0
    except (Failed, AssertionError) as error:
        keep = True
        print(f'\ntools/testbed: {error}', file=sys.stderr)
        print(f'Kept for a look: {directory}', file=sys.stderr)
        return 1
    finally:
        if not keep:
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == '__main__':
    sys.exit(main())
