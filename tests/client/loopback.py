"""The twin behind a real socket of this machine."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx


@contextmanager
def served(twin):
    """Serve it; gives the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do(self):
            request = httpx.Request(
                self.command,
                f"http://{self.headers['Host']}{self.path}",
                headers=list(self.headers.items()),
                content=self.body(int(self.headers.get("Content-Length", 0))),
            )
            try:
                with lock:
                    answer = twin.handle_request(request)
                self.send_response_only(answer.status_code)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in answer.headers and answer.status_code != 204:
                    self.send_header("Content-Length", "0")
                self.end_headers()
                for chunk in answer.stream:
                    self.wfile.write(chunk)
                    self.wfile.flush()
            except (httpx.TransportError, OSError):
                self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do

        def body(self, n_bytes):
            while n_bytes:
                chunk = self.rfile.read1(min(n_bytes, 65536))
                if not chunk:
                    raise httpx.ReadError("the other side is gone")
                n_bytes -= len(chunk)
                yield chunk

        def log_message(self, *args):
            pass

    lock = threading.Lock()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
