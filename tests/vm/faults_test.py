"""Faults that only a whole machine shows: a server that is away, a dead clock, a damaged image.

Each machine is started by QEMU itself with the kernel and initramfs of its boot medium
(`tools/testbed --direct` does the same) and must come `online` by itself once what is wrong is mended.
"""
import os
import shutil
import subprocess
import tempfile
import unittest

from central import Central
from planetbox import BINARY, DEPS, ROOT, TestCase
from vm import Vm

KERNEL_TREE = os.path.join(DEPS, 'kernel')
DOMAIN = 'faults.example'
# The machines that tests run on emulate slowly and are shared; that it happens at all is what counts.
BOOT, STEP = 180, 240
_made = {}


def setUpModule():
    """One RAM image and one state for all."""
    folder = _made['dir'] = tempfile.mkdtemp(prefix='planetbox-faults-')
    unittest.addModuleCleanup(shutil.rmtree, folder, ignore_errors=True)
    if not os.path.isdir(KERNEL_TREE):
        return
    _made['kernel'], _made['image'] = os.path.join(folder, 'vmlinuz'), os.path.join(folder, 'initramfs')
    subprocess.run([os.path.join(ROOT, 'initramfs', 'build.py'), '--quiet', '--level', '1', '--planetbox',
                    BINARY, '--kernel-tree', KERNEL_TREE, '--output', _made['image'], '--kernel-out',
                    _made['kernel']], check=True, timeout=180)
    with Central(folder):
        pass


@unittest.skipUnless(shutil.which('qemu-system-' + os.uname().machine), 'no QEMU here')
@unittest.skipUnless(os.path.isdir(KERNEL_TREE), 'tools/setup has not fetched a kernel')
class Faults(TestCase):
    def setUp(self):
        super().setUp()
        self.central = Central(self.dir)
        shutil.copytree(os.path.join(_made['dir'], 'state'), self.central.state)
        self.central.start()
        self.addCleanup(self.central.__exit__)
        self.node = f'node1.{DOMAIN}'
        for image in 'planetbox', 'stage3':
            self.central.bootadm('image', 'add', image, '--version', '1', '--kernel', _made['kernel'],
                                 '--initramfs', _made['image'], '--cmdline',
                                 'console=ttyS0 loglevel=4 panic=10', '--activate')
        self.central.bootadm('add', self.node, '--auth', 'key')

    def machine(self, **options):
        """The node with its own medium; QEMU hands kernel and initramfs over."""
        medium = self.path('medium')
        self.central.planetbox('media', 'pxe', self.node, '--state', self.central.state, '--server',
                               self.central.url, '-o', medium)
        with open(self.path('initramfs'), 'wb') as out:
            out.write(self.central.get('/v1/storage/latest/planetbox/initramfs'))
            out.write(bytes(-out.tell() % 4))
            with open(os.path.join(medium, 'host', f'{self.node}.initrd'), 'rb') as own:
                out.write(own.read())
        return Vm(_made['kernel'], self.path('initramfs'), memory=768, reboot=True,
                  append=f'epoxy.stage1={self.central.url}/v1/boot/{self.node}/stage1.json '
                         f'epoxy.hostname={self.node} panic=10', **options)

    def events(self):
        return self.central.log_of(self.node)['events']

    def goes_online(self, vm):
        vm.wait_for(r'online: stage3 is done', BOOT + STEP)
        self.assertIn('online', self.central.bootadm('list', self.node))

    def test_server_that_comes_later(self):
        """Catches: a node that hangs silently or gives up where nobody answers."""
        machine = self.machine()
        self.central.__exit__()
        with machine as vm:
            vm.wait_for(r'B04: .*cannot be reached', BOOT)
            self.central.start()
            self.goes_online(vm)

    def test_clock_at_2003(self):
        """Catches: a dead battery that makes every certificate `not yet valid`."""
        with self.machine(rtc='2003-01-01T00:00:00') as vm:
            vm.wait_for(r'clock: says 2003-01-01T', BOOT)
            vm.wait_for(r'clock: 20[23]\d-\d\d-\d\dT\S+, from the boot server', STEP)
            self.goes_online(vm)

    def test_clock_at_2040(self):
        """Catches: the same in the future, where certificates have `expired`; a clock that only goes forward."""
        with self.machine(rtc='2040-06-01T00:00:00') as vm:
            vm.wait_for(r'clock: 202\d-\d\d-\d\dT\S+, from the boot server', BOOT + STEP)
            self.goes_online(vm)

    def test_damaged_initramfs_of_stage3_is_B09_until_it_is_mended(self):
        """Catches: a system that was not what was imported being started; a node that does not come back."""
        machine = self.machine()
        path = os.path.join(self.central.state, 'images', '1', 'stage3', 'initramfs')
        with open(path, 'rb') as f:
            good = f.read()

        def put(data):
            with open(path, 'wb') as f:
                f.write(data)

        middle = len(good) // 2
        put(good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1:])
        with machine as vm:
            vm.wait_for(r'B09: .*SHA-256', BOOT)
            vm.wait_for(r'Trying again', STEP)
            self.assertNotIn('stage3: starting', vm.text)
            log = self.central.bootadm('log', self.node)
            self.assertIn('B09', log)
            self.assertIn('checksum mismatch', log)
            put(good)
            self.goes_online(vm)
        self.assertEqual([e['code'] for e in self.events() if 'code' in e][0], 'B09')


if __name__ == '__main__':
    unittest.main()
