#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An HTTP server on the loopback address that does what it is told, faults included.

    fault_server.py ROUTES.json LOG        prints its port; ends when standard input is closed, or after ten minutes

ROUTES.json: {"/path": [answer, answer, ...]}; the answers are given in turn, the last one again and again.
An answer: {"status": 200, "headers": {...}, "file": PATH} and any of
    "range": false       ignore Range
    "redirect": URL      status 302; HOST in it stands for http://127.0.0.1:PORT
    "drop_after": N      close the connection after N bytes of the body
    "stall_after": N     send N bytes and then nothing
    "silent": true       no answer at all
    "pause_ms": N        wait before every 64 KB
A proxy is asked with CONNECT; the path is then "host:port", and it never connects: it answers what the route says.
LOG gets one JSON line a request: {"path", "range", "if_range", "authorization"}.
"""
import http.server
import json
import os
import re
import socketserver
import sys
import threading
import time

ROUTES = json.load(open(sys.argv[1]))
LOCK = threading.Lock()
END = threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        with LOCK:
            with open(sys.argv[2], "a") as log:
                seen = {"path": self.path}
                for key, header in (("range", "Range"), ("if_range", "If-Range"), ("authorization", "Authorization")):
                    seen[key] = self.headers.get(header)
                log.write(json.dumps(seen) + "\n")
            answers = ROUTES.get(self.path, [{"status": 404}])
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.answer(answer)

    do_CONNECT = do_GET

    def answer(self, answer):
        if answer.get("silent"):
            END.wait(60)
            self.close_connection = True
            return
        headers = dict(answer.get("headers", {}))
        status = answer.get("status", 200)
        body = open(answer["file"], "rb").read() if "file" in answer else answer.get("text", "").encode()
        if "redirect" in answer:
            status = answer.get("status", 302)
            headers["Location"] = answer["redirect"].replace("HOST", "http://127.0.0.1:%d" % self.server.server_address[1])
        start = self.headers.get("Range")
        if status == 200 and start and answer.get("range", True):
            first = int(re.match(r"bytes=(\d+)-$", start)[1])
            condition = self.headers.get("If-Range")
            if condition is None or condition == headers.get("ETag"):
                if first >= len(body):
                    status, headers["Content-Range"] = 416, "bytes */%d" % len(body)
                    body = b""
                else:
                    status = 206
                    headers["Content-Range"] = "bytes %d-%d/%d" % (first, len(body) - 1, len(body))
                    body = body[first:]
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        limit = min(answer.get("drop_after", len(body)), answer.get("stall_after", len(body)))
        for at in range(0, limit, 65536):
            time.sleep(answer.get("pause_ms", 0) / 1000)
            self.wfile.write(body[at:min(at + 65536, limit)])
        self.wfile.flush()
        if "stall_after" in answer:
            END.wait(60)
        if "drop_after" in answer or "stall_after" in answer:
            self.close_connection = True


class Server(socketserver.ThreadingTCPServer):  # http.server's own asks the name server who we are
    daemon_threads = True

    def handle_error(self, *_):
        pass


def main():
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    end = threading.Timer(600, lambda: os._exit(0))
    end.daemon = True
    end.start()
    os.write(1, b"%d\n" % server.server_address[1])  # in one piece: who reads it may close the pipe after that
    sys.stdin.read()
    os._exit(0)


main()
