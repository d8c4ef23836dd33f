"""HTTP cameras with protocol errors, on Python's sockets: one path for each error. Prints {event: "ready", port}.

Options (JSON, first argument): user, password (for /digest-md5, /digest-sha256 and /basic).
"""
import base64
import hashlib
import json
import re
import socket
import sys
import threading
import time

import numpy as np
import simplejpeg

options = json.loads(sys.argv[1])
JPEG = simplejpeg.encode_jpeg(np.ascontiguousarray((np.arange(240 * 320 * 3) % 251).astype(np.uint8).reshape(240, 320, 3)), colorspace="BGR")
HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=cam\r\n\r\n"


def part(kind=b"image/jpeg", length=len(JPEG), before=b"--cam\r\n", after=b"\r\n", end=b"\r\n", more=b""):
    lines = [b"Content-Type: " + kind] + ([] if length is None else [b"Content-Length: %d" % length])
    return before + b"".join(line + end for line in lines) + more + end + JPEG + after


STREAMS = {
    "jpg": (HEAD, part(b"image/jpg")),
    "type-with-size": (HEAD, part(b"image/jpeg;size=")),
    "no-first-boundary": (HEAD, part(before=b"", after=b"\r\n--cam\r\n")),
    "no-boundary": (HEAD, part(before=b"")),
    "lf-before-boundary": (HEAD, part(length=None, after=b"\n")),
    "nothing-before-boundary": (HEAD, part(length=None, after=b"")),
    "short-length": (HEAD, part(length=len(JPEG) - 20)),
    "long-length": (HEAD, part(length=len(JPEG) + 20)),
    "empty-line": (HEAD, part(more=b"\r\n")),
    "lf": (HEAD.replace(b"\r\n", b"\n"), part(before=b"--cam\n", after=b"\n", end=b"\n")),
    "dashes": (HEAD.replace(b"=cam", b"=--cam"), part()),
    "icy": (b"ICY 200 OK\r\nicy-name: camera\r\n: nameless\r\nContent-Type: multipart/x-mixed-replace; boundary=cam\r\n\r\n", part()),
    "untyped": (b"HTTP/1.0 200 OK\r\n\r\n", part()),
    "texts": (HEAD, b"--cam\r\nContent-Type: text/plain\r\n\r\nmotion\r\n" + part()),
    "padded": (HEAD, part(after=b"\0" * 3000)),
}


def chunk(data):
    return b"%x\r\n" % len(data) + data + b"\r\n"


def is_allowed(header, kind, path):
    """Verifies credentials, independently of the gateway."""
    user, password = options["user"], options["password"]
    if kind == "basic":
        return header == "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    fields = dict((name, quoted or plain) for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,"]+))', header))
    digest = lambda text: (hashlib.sha256 if kind == "digest-sha256" else hashlib.md5)(text.encode()).hexdigest()
    if fields.get("nonce") != "n0nce" or fields.get("uri") != path:
        return False
    ha1, ha2 = digest(f"{user}:cam:{password}"), digest(f"GET:{path}")
    return fields.get("response") == digest(f"{ha1}:n0nce:{fields.get('nc')}:{fields.get('cnonce')}:auth:{ha2}")


CHALLENGES = {"basic": 'Basic realm="cam"', "digest-md5": 'Digest realm="cam", nonce="n0nce", qop="auth"', "digest-sha256": 'Digest realm="cam", nonce="n0nce", qop="auth", algorithm=SHA-256'}


def answer(connection):
    request = b""
    while b"\r\n\r\n" not in request:
        received = connection.recv(4096)
        if not received:
            return
        request += received
    path = request.split(b" ")[1].decode()
    name = path.strip("/").split("?")[0]
    head, body = STREAMS.get(name, (HEAD, part()))
    if name in ("picture", "still"):
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: image/jpeg\r\n\r\n" + JPEG)
        return
    if name == "redirected":
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /jpg\r\n\r\n")
        return
    if name in CHALLENGES:
        found = re.search(rb"^Authorization: (.*)\r$", request, re.MULTILINE | re.IGNORECASE)
        if found is None or not is_allowed(found[1].decode(), name, path):
            connection.sendall(f"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {CHALLENGES[name]}\r\n\r\n".encode())
            return
    if name == "chunked":
        head, body = HEAD.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n").replace(b"1.0", b"1.1"), b"".join(chunk(body[at:at + 1000]) for at in range(0, len(body), 1000))
    connection.sendall(head)
    while True:
        connection.sendall(body)
        time.sleep(0.1)


def serve(connection):
    try:
        answer(connection)
    except OSError:
        pass
    finally:
        connection.close()


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(64)
print(json.dumps({"event": "ready", "port": listener.getsockname()[1]}), flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
