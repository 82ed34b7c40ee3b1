"""An HTTP(S) server that does what a test says, and certificates for it from openssl.

    pki = Pki(directory)
    server = ScriptServer(tls=pki.server())
    server.json("/v1/boot/n/ID/stage2", {"v1": {...}})
    server.file("/image", data)
    ... server.requests holds what was asked: .method .path .headers .form
"""
import json
import os
import socket
import ssl
import subprocess
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Pki:
    """A CA and certificates for 127.0.0.1, made by openssl."""

    def __init__(self, directory, name="test CA"):
        self.dir = directory
        os.makedirs(directory, exist_ok=True)
        self.ca = self.path("ca.pem")
        self._run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                  "-keyout", self.path("ca.key"), "-out", self.ca, "-days", "3650",
                  "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE")

    def path(self, name):
        return os.path.join(self.dir, name)

    @staticmethod
    def _run(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True)

    def server(self, name="server", names="IP:127.0.0.1", start=None, end=None):
        """(certificate, key) files; start and end as YYYYMMDDhhmmssZ."""
        key, csr, cert = (self.path(f"{name}.{ext}") for ext in ("key", "csr", "pem"))
        self._run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                  "-keyout", key, "-out", csr, "-subj", "/CN=test server")
        conf = self.path(f"{name}.cnf")
        with open(conf, "w") as f:
            f.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={self.path('index.txt')}\n"
                    f"new_certs_dir={self.dir}\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n"
                    f"unique_subject=no\nx509_extensions=x\n[p]\ncommonName=supplied\n"
                    f"[x]\nsubjectAltName={names}\nextendedKeyUsage=serverAuth\n")
        open(self.path("index.txt"), "a").close()
        dates = ["-startdate", start] if start else []
        dates += ["-enddate", end] if end else ["-days", "30"]
        self._run("ca", "-batch", "-notext", "-config", conf, "-in", csr, "-out", cert,
                  "-cert", self.ca, "-keyfile", self.path("ca.key"), *dates)
        return cert, key


class Request:
    def __init__(self, method, target, headers, body):
        self.method = method
        self.target = target
        self.path = urllib.parse.urlsplit(target).path
        self.headers = headers
        self.body = body
        self.form = dict(urllib.parse.parse_qsl(body.decode("latin-1"), keep_blank_values=True))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def _serve(self):
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(self.command, self.path, self.headers, self.rfile.read(length))
        script = self.server.script
        with script.lock:
            script.requests.append(request)
            route = script.routes.get(request.path)
            if isinstance(route, list):  # one answer a request, the last stays
                route = route.pop(0) if len(route) > 1 else route[0]
        if route is None:
            route = (404, {}, b"no such thing\n")
        if callable(route):
            route = route(self, request)
            if route is None:
                return
        self.answer(*route)

    do_GET = do_POST = do_HEAD = _serve

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def break_off(self, status, headers, body, after):
        """Promises all of `body`, sends `after` bytes and ends the connection."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:after])
        self.wfile.flush()
        self.close_connection = True


class ScriptServer:
    def __init__(self, test, tls=None, port=0):
        self.lock = threading.Lock()
        self.requests = []
        self.routes = {}
        self.http = ThreadingHTTPServer(("127.0.0.1", port), _Handler, bind_and_activate=True)
        self.http.daemon_threads = True
        self.http.script = self
        self.http.handle_error = lambda *args: None  # a client that hangs up is part of the tests
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True,
                                                   do_handshake_on_connect=False)
        self.port = self.http.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        thread = threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        test.addCleanup(thread.join)
        test.addCleanup(self.http.server_close)
        test.addCleanup(self.http.shutdown)

    def route(self, path, route):
        self.routes[path] = route
        return self.url + path

    def json(self, path, value, status=200):
        return self.route(path, (status, {"Content-Type": "application/json"},
                                 json.dumps(value).encode()))

    def file(self, path, data, etag='"v1"'):
        """A file with Range and If-Range."""
        def serve(_handler, request):
            start = request.headers.get("Range", "bytes=0-")[len("bytes="):].split("-")[0]
            if request.headers.get("If-Range", etag) != etag or int(start) == 0:
                return 200, {"ETag": etag}, data
            return 206, {"ETag": etag, "Content-Range":
                         f"bytes {start}-{len(data) - 1}/{len(data)}"}, data[int(start):]
        return self.route(path, serve)

    def asked(self, path=None):
        with self.lock:
            return [r for r in self.requests if path is None or r.path == path]


def refused_port():
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
