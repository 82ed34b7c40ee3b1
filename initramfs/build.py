#!/usr/bin/env python3
"""Builds the RAM image that planetbox boots from: a newc cpio archive, zstd-compressed.

    initramfs/build.py                 # build/initramfs.img and build/vmlinuz, from build-deps/
    initramfs/build.py --planetbox build/planetbox --busybox /bin/busybox \\
        --dropbear /usr/sbin/dropbear --kernel-tree DIR \\
        --output initramfs.img --kernel-out vmlinuz

What goes in is data: initramfs/manifest.txt. The kernel tree is a Debian kernel package unpacked
with `dpkg -x` (boot/vmlinuz-*, lib/modules/*); modules.dep and modules.alias are made from the
modules themselves, so nobody needs to run depmod. The same input gives the same bytes: entries are
sorted, owned by root and dated 0. Only the standard library is used, and the zstd program.

A site adds its own files (CA, rescue keys) as a second, uncompressed cpio behind this one, after zeros
up to a multiple of 4.
"""
import argparse
import fnmatch
import os
import re
import shutil
import stat
import struct
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LIBRARY_DIRS = ['lib', 'usr/lib', 'lib64', 'usr/lib64']


class BuildError(Exception):
    """Bad input; the message names it and the remedy."""


# --- ELF: the two things we need of it -------------------------------------------------------------

class Elf:
    """Section headers and dynamic section of a little-endian ELF file."""

    def __init__(self, path):
        self.path = path
        self.data = Path(path).read_bytes()
        if self.data[:4] != b'\x7fELF' or self.data[5] != 1:
            raise BuildError(f'{path}: is not a little-endian ELF file')
        self.is64 = self.data[4] == 2
        self.machine = struct.unpack_from('<H', self.data, 18)[0]
        if self.is64:
            offset, = struct.unpack_from('<Q', self.data, 40)
            size, count, names = struct.unpack_from('<HHH', self.data, 58)
        else:
            offset, = struct.unpack_from('<I', self.data, 32)
            size, count, names = struct.unpack_from('<HHH', self.data, 46)
        self.headers = [self._header(offset + i * size) for i in range(count)]
        self.names = self._bytes(self.headers[names]) if count else b''

    def _header(self, at):
        if self.is64:
            name, kind, _, _, offset, size, link = struct.unpack_from('<IIQQQQI', self.data, at)
        else:
            name, kind, _, _, offset, size, link = struct.unpack_from('<IIIIIII', self.data, at)
        return name, kind, offset, size, link

    def _bytes(self, header):
        return self.data[header[2]:header[2] + header[3]]

    def section(self, wanted):
        for header in self.headers:
            end = self.names.index(b'\0', header[0])
            if self.names[header[0]:end] == wanted:
                return self._bytes(header)
        return b''

    def interpreter(self):
        return self.section(b'.interp').rstrip(b'\0').decode()

    def needed(self):
        """Names of the shared libraries in DT_NEEDED."""
        out = []
        for header in self.headers:
            if header[1] != 6:  # SHT_DYNAMIC
                continue
            strings = self._bytes(self.headers[header[4]])
            form = '<QQ' if self.is64 else '<II'
            for tag, value in struct.iter_unpack(form, self._bytes(header)):
                if tag == 1:
                    out.append(strings[value:strings.index(b'\0', value)].decode())
        return out


# --- shared libraries of a program -----------------------------------------------------------------

class Libraries:
    """Finds libraries below the given roots, as the dynamic loader would below /."""

    def __init__(self, roots):
        self.roots = [Path(r) for r in roots]

    def find(self, name, machine):
        for root in self.roots:
            for base in LIBRARY_DIRS:
                for folder in [root / base, *sorted((root / base).glob('*-linux-gnu*'))]:
                    path = folder / name
                    if path.is_file() and Elf(path).machine == machine:
                        return path
        raise BuildError(f'{name}: no such library below {", ".join(map(str, self.roots))}; '
                         f'install its package or add --library-root')

    def closure(self, program):
        """{path in the image: source} for everything that `program` loads."""
        first = Elf(program)
        out = {}
        if first.interpreter():
            loader = first.interpreter()
            out[loader] = self.find(os.path.basename(loader), first.machine)
        todo, seen = first.needed(), set()
        while todo:
            name = todo.pop()
            if name in seen or f'/lib64/{name}' in out or f'/lib/{name}' in out:
                continue
            seen.add(name)
            source = self.find(name, first.machine)
            # glibc's loader looks into /lib and /usr/lib whatever the multiarch name is.
            out[f'/lib/{name}'] = source
            todo += Elf(source).needed()
        return out


# --- kernel modules ---------------------------------------------------------------------------------

def plain_name(path):
    """'…/nf-tables.ko.xz' -> 'nf_tables', the name that the kernel uses."""
    return re.sub(r'\.ko(\.\w+)?$', '', os.path.basename(path)).replace('-', '_')


class Modules:
    """The modules of a kernel tree, and the choice of them that a list of patterns makes."""

    def __init__(self, tree):
        self.tree = Path(tree)
        versions = sorted(p for p in self.tree.glob('lib/modules/*') if (p / 'kernel').is_dir())
        versions += sorted(p for p in self.tree.glob('usr/lib/modules/*') if (p / 'kernel').is_dir())
        if len(versions) != 1:
            raise BuildError(f'{tree}: {len(versions)} module trees in lib/modules; need exactly one '
                             f'(unpack one linux-image package with dpkg -x)')
        self.top = versions[0]
        self.version = self.top.name
        self.paths = {}
        for path in sorted(self.top.rglob('*.ko*')):
            if re.search(r'\.ko(\.(xz|gz|zst))?$', path.name):
                self.paths[plain_name(path)] = path.relative_to(self.top).as_posix()
        builtin = self.top / 'modules.builtin'
        self.builtin = {plain_name(line) for line in builtin.read_text().split()} \
            if builtin.is_file() else set()
        self.info = {}

    def kernel(self):
        for name in [f'vmlinuz-{self.version}', f'vmlinux-{self.version}']:
            if (self.tree / 'boot' / name).is_file():
                return self.tree / 'boot' / name
        if (self.top / 'vmlinuz').is_file():
            return self.top / 'vmlinuz'
        raise BuildError(f'{self.tree}: has no boot/vmlinuz-{self.version}')

    def read(self, name):
        """modinfo: {key: [values]}."""
        if name not in self.info:
            path = self.top / self.paths[name]
            if path.suffix != '.ko':
                raise BuildError(f'{path}: compressed modules are not read; decompress the tree '
                                 f'(unxz, gunzip or zstd -d) first')
            info = {}
            for item in Elf(path).section(b'.modinfo').split(b'\0'):
                key, equals, value = item.partition(b'=')
                if equals:
                    info.setdefault(key.decode(), []).append(value.decode('latin-1'))
            self.info[name] = info
        return self.info[name]

    def depends(self, name):
        names = ','.join(self.read(name).get('depends', [])).replace('-', '_').split(',')
        return [n for n in names if n]

    def soft(self, name):
        """Modules that ought to be there before this one ('softdep=pre: a b post: c')."""
        out, where = [], None
        for word in ' '.join(self.read(name).get('softdep', [])).split():
            if word.endswith(':'):
                where = word
            elif where == 'pre:':
                out.append(word.replace('-', '_'))
        return out

    def choose(self, patterns):
        """Returns (chosen names with all they need, patterns that fit nothing)."""
        chosen, missing = set(), []
        for pattern in patterns:
            wanted = pattern.replace('-', '_')
            if '/' in pattern:
                hits = [n for n, p in self.paths.items()
                        if fnmatch.fnmatchcase(p.removeprefix('kernel/'), pattern)]
            else:
                hits = fnmatch.filter(self.paths, wanted)
            if not hits and not fnmatch.filter(self.builtin, wanted):
                missing.append(pattern)
            chosen.update(hits)
        todo = list(chosen)
        while todo:
            name = todo.pop()
            hard, soft = self.depends(name), self.soft(name)
            for dep in hard:
                if dep not in self.paths and dep not in self.builtin:
                    raise BuildError(f'module {name} needs {dep}, which the kernel tree lacks')
            new = [d for d in hard + soft if d in self.paths and d not in chosen]
            chosen.update(new)
            todo += new
        return sorted(chosen), missing

    def all_depends(self, name):
        """As modules.dep lists them: what must be loaded first comes last."""
        out = []

        def walk(current):
            for dep in self.depends(current):
                if dep in self.paths:
                    if dep in out:
                        out.remove(dep)
                    out.append(dep)
                    walk(dep)
        walk(name)
        return out

    def index_files(self, chosen):
        """modules.dep, .alias, .softdep, .builtin as text: kmod's and busybox's own formats."""
        dep, alias, soft = [], [], []
        for name in chosen:
            needs = ' '.join(self.paths[d] for d in self.all_depends(name))
            dep.append(f'{self.paths[name]}: {needs}'.rstrip())
            alias += [f'alias {a} {name}' for a in self.read(name).get('alias', [])]
            soft += [f'softdep {name} {s}' for s in self.read(name).get('softdep', [])]
        builtin = self.top / 'modules.builtin'
        return {'modules.dep': '\n'.join(dep) + '\n',
                'modules.alias': ''.join(a + '\n' for a in sorted(set(alias))),
                'modules.softdep': ''.join(s + '\n' for s in soft),
                'modules.builtin': builtin.read_text() if builtin.is_file() else ''}

    def firmware(self, chosen):
        return sorted({f for n in chosen for f in self.read(n).get('firmware', [])})


# --- the archive ------------------------------------------------------------------------------------

class Image:
    """Entries by path; directories that are missing on the way are made."""

    def __init__(self):
        self.entries = {}

    def add(self, path, mode, data=b'', rdev=(0, 0)):
        path = path.strip('/')
        if not path or '..' in path.split('/'):
            raise BuildError(f'{path!r}: is not a path for the image')
        parent = os.path.dirname(path)
        if parent and parent not in self.entries:
            self.add(parent, stat.S_IFDIR | 0o755)
        self.entries[path] = (mode, data, rdev)

    def file(self, path, mode, data):
        self.add(path, stat.S_IFREG | mode, data)

    def link(self, path, target):
        self.add(path, stat.S_IFLNK | 0o777, target.encode())

    def cpio(self):
        out = bytearray()
        for number, (path, (mode, data, rdev)) in enumerate(sorted(self.entries.items()), 1):
            cpio_entry(out, path, number, mode, data, rdev)
        cpio_entry(out, 'TRAILER!!!', 0, 0, b'', (0, 0))
        return bytes(out)


def cpio_entry(out, path, number, mode, data, rdev):
    name = path.encode() + b'\0'
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (number, mode, 0, 0, links, 0, len(data), 0, 0, rdev[0], rdev[1], len(name), 0)
    out += b'070701' + b''.join(b'%08X' % f for f in fields) + name
    out += bytes(-len(out) % 4)
    out += data
    out += bytes(-len(out) % 4)


def compress(data, level):
    """zstd without a time, a name or threads: the bytes depend on the input and zstd's version."""
    if not shutil.which('zstd'):
        raise BuildError('the zstd program is missing; install the zstd package')
    return subprocess.run(['zstd', '-q', '-c', f'-{level}', '--single-thread', '--no-check'],
                          input=data, stdout=subprocess.PIPE, check=True).stdout


# --- the manifest -----------------------------------------------------------------------------------

class Builder:
    def __init__(self, sources, libraries, modules, firmware_dirs):
        self.sources = sources      # name -> file, for "@name"
        self.libraries = libraries
        self.modules = modules      # Modules or None
        self.firmware_dirs = [Path(d) for d in firmware_dirs]
        self.image = Image()
        self.patterns = []
        self.notes = []

    def source(self, word, folder):
        if not word.startswith('@'):
            return folder / word
        return self.sources.get(word[1:])

    def read_manifest(self, path):
        path = Path(path)
        for number, line in enumerate(path.read_text().splitlines(), 1):
            words = line.split('#', 1)[0].split()
            if not words:
                continue
            optional = words[0].endswith('?')
            method = getattr(self, 'do_' + words[0].rstrip('?'), None)
            try:
                if method is None:
                    raise BuildError(f'unknown word "{words[0]}"')
                method(path.parent, optional, *words[1:])
            except BuildError as error:
                raise BuildError(f'{path.name}:{number}: {error}') from None
            except (TypeError, ValueError) as error:
                raise BuildError(f'{path.name}:{number}: {line.strip()!r}: {error}') from None

    def wanted(self, word, folder, optional):
        source = self.source(word, folder)
        if source is None or not Path(source).is_file():
            if not optional:
                raise BuildError(f'{word}: ' + (f'{source} is not a file' if source else
                                                f'not given; use --{word[1:]} FILE'))
            self.notes.append(f'left out: {word} (not given)')
            return None
        return Path(source)

    def do_dir(self, folder, optional, path, mode='0755'):
        self.image.add(path, stat.S_IFDIR | int(mode, 8))

    def do_node(self, folder, optional, path, mode, kind, major, minor):
        bits = {'c': stat.S_IFCHR, 'b': stat.S_IFBLK}[kind]
        self.image.add(path, bits | int(mode, 8), b'', (int(major), int(minor)))

    def do_file(self, folder, optional, path, mode, source):
        found = self.wanted(source, folder, optional)
        if found:
            self.image.file(path, int(mode, 8), found.read_bytes())

    def do_program(self, folder, optional, path, source):
        found = self.wanted(source, folder, optional)
        if not found:
            return
        self.image.file(path, 0o755, found.read_bytes())
        for name, library in self.libraries.closure(found).items():
            self.image.file(name, 0o755, Path(library).read_bytes())

    def do_link(self, folder, optional, path, target):
        self.image.link(path, target)

    def do_links(self, folder, optional, where, target, *names):
        for name in names:
            self.image.link(f'{where}/{name}', target)

    def do_module(self, folder, optional, *patterns):
        self.patterns += patterns

    def add_modules(self):
        chosen, missing = self.modules.choose(self.patterns)
        top = f'lib/modules/{self.modules.version}'
        for name in chosen:
            path = self.modules.paths[name]
            self.image.file(f'{top}/{path}', 0o644, (self.modules.top / path).read_bytes())
        for name, text in self.modules.index_files(chosen).items():
            self.image.file(f'{top}/{name}', 0o644, text.encode('latin-1'))
        self.notes.append(f'kernel {self.modules.version}: {len(chosen)} modules')
        if missing:
            self.notes.append('this kernel has no: ' + ' '.join(missing))
        self.add_firmware(chosen)

    def add_firmware(self, chosen):
        absent = []
        for name in self.modules.firmware(chosen):
            hits = [p for d in self.firmware_dirs for p in sorted(d.glob(name)) if p.is_file()]
            for hit in hits:
                for folder in self.firmware_dirs:
                    if hit.is_relative_to(folder):
                        self.image.file(f'lib/firmware/{hit.relative_to(folder)}', 0o644,
                                        hit.read_bytes())
            if not hits:
                absent.append(name)
        if absent:
            self.notes.append(f'{len(absent)} firmware files that its modules may ask for are not '
                              f'included (--firmware-dir)')


def build_time(given):
    """Unix seconds for /etc/planetbox/build-time: the lower bound of a clock that says nonsense."""
    if given is not None:
        return given
    if os.environ.get('SOURCE_DATE_EPOCH'):
        return int(os.environ['SOURCE_DATE_EPOCH'])
    done = subprocess.run(['git', 'log', '-1', '--format=%ct'], cwd=HERE, capture_output=True,
                          text=True, check=False)
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip() else 0


def write_if_changed(path, data):
    path = Path(path)
    if not path.is_file() or path.read_bytes() != data:
        temporary = path.with_name(path.name + '.new')
        temporary.write_bytes(data)
        os.replace(temporary, path)


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--manifest', default=HERE / 'manifest.txt', help='what goes in')
    deps = ROOT / 'build-deps'
    parser.add_argument('--planetbox', default=ROOT / 'build/planetbox', help='the static executable')
    parser.add_argument('--busybox', default=deps / 'image/bin/busybox', help='a static busybox')
    parser.add_argument('--dropbear', default=deps / 'image/usr/sbin/dropbear',
                        help='dropbear for the rescue sshd; "" leaves it out')
    parser.add_argument('--with', dest='extra', action='append', default=[], metavar='NAME=FILE',
                        help='a source that the manifest calls @NAME')
    parser.add_argument('--library-root', action='append', default=[], metavar='DIR',
                        help='look for shared libraries below DIR before /')
    parser.add_argument('--kernel-tree', default=deps / 'kernel',
                        help='an unpacked linux-image package; "" for an image without modules')
    parser.add_argument('--firmware-dir', action='append', default=[], metavar='DIR')
    parser.add_argument('--build-time', type=int, metavar='SECONDS')
    parser.add_argument('--level', type=int, default=19, help='zstd level')
    parser.add_argument('--output', default=ROOT / 'build/initramfs.img', help='the image')
    parser.add_argument('--kernel-out', default=ROOT / 'build/vmlinuz',
                        help='copy the kernel here; "" for no copy')
    parser.add_argument('--quiet', action='store_true')
    return parser.parse_args(argv)


def run(argv):
    args = parse_arguments(argv)
    sources = {'planetbox': args.planetbox, 'busybox': args.busybox}
    if args.dropbear:
        sources['dropbear'] = args.dropbear
    for item in args.extra:
        name, equals, file = item.partition('=')
        if not equals:
            raise BuildError(f'--with {item}: must be NAME=FILE')
        sources[name] = file
    modules = Modules(args.kernel_tree) if args.kernel_tree else None
    builder = Builder(sources, Libraries([*args.library_root, '/']), modules, args.firmware_dir)
    builder.read_manifest(args.manifest)
    builder.image.file('etc/planetbox/build-time', 0o644, b'%d\n' % build_time(args.build_time))
    if modules:
        builder.add_modules()
        if args.kernel_out:
            write_if_changed(args.kernel_out, modules.kernel().read_bytes())
    raw = builder.image.cpio()
    packed = compress(raw, args.level)
    write_if_changed(args.output, packed)
    if not args.quiet:
        print(f'{args.output}: {len(packed) / 2**20:.2f} MiB ({len(raw) / 2**20:.2f} MiB unpacked, '
              f'{len(builder.image.entries)} entries)')
        for note in builder.notes:
            print('  ' + note)
    return 0


def main():
    try:
        return run(sys.argv[1:])
    except (BuildError, OSError, subprocess.CalledProcessError) as error:
        print(f'initramfs/build.py: {error}', file=sys.stderr)
        return 1


if __name__ == '__main__':
    sys.exit(main())
