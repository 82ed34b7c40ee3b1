"""A wire between a client and a server on loopback that changes, cuts or holds what passes.

    wire = Wire(server_port)
    wire.flip_at = 100      # of each connection's bytes from the server, the one at 100 is changed
    wire.cut_at = 5000      # each connection ends after so many
    wire.hold_at = 10000    # nothing beyond passes (all connections together); .held tells
    ... wire.url ... wire.close()
"""
import socket
import threading


class Wire:
    def __init__(self, server_port, host='127.0.0.1'):
        self.server_port = server_port
        self.flip_at = self.cut_at = self.hold_at = None
        self.held = False
        self.passed = 0
        self.closed = threading.Event()
        self.sockets = []
        self.threads = []
        self.listener = socket.create_server((host, 0))
        self.listener.settimeout(0.1)
        self.port = self.listener.getsockname()[1]
        self.url = f'https://{host}:{self.port}'
        self._thread(self._accept)

    def close(self):
        self.closed.set()
        for each in self.sockets:
            self._end(each)
        for thread in self.threads:
            thread.join(10)
        for each in [self.listener, *self.sockets]:
            each.close()

    def _thread(self, target, *args):
        thread = threading.Thread(target=target, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    @staticmethod
    def _end(*sockets):
        for each in sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self):
        while not self.closed.is_set():
            try:
                client, _ = self.listener.accept()
            except OSError:     # the time-out, too
                continue
            self.sockets.append(client)
            try:
                server = socket.create_connection(('127.0.0.1', self.server_port), timeout=10)
            except OSError:
                self._end(client)
                continue
            server.settimeout(None)
            self.sockets.append(server)
            self._thread(self._pass, client, server, False)
            self._thread(self._pass, server, client, True)

    def _pass(self, source, target, from_server):
        seen = 0
        try:
            while data := source.recv(16384):
                if from_server:
                    data = self._change(bytearray(data), seen)
                    seen += len(data)
                target.sendall(data)
                if from_server and self.cut_at is not None and seen >= self.cut_at:
                    break
        except OSError:
            pass
        self._end(source, target)

    def _change(self, data, seen):
        flip, cut = self.flip_at, self.cut_at
        if flip is not None and seen <= flip < seen + len(data):
            data[flip - seen] ^= 0x20
        if cut is not None:
            del data[max(0, cut - seen):]
        self.passed += len(data)
        while self.hold_at is not None and self.passed > self.hold_at and not self.closed.is_set():
            self.held = True
            self.closed.wait(0.02)
        return data
