"""Replaces systemd: a datagram socket in the file system. Prints each report as a JSON line. Options (JSON, first argument): path."""
import json
import socket
import sys

reports = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
reports.bind(json.loads(sys.argv[1])["path"])
print(json.dumps({"event": "ready"}), flush=True)
while True:
    # Descriptors that are sent with a report (BARRIER=1) are closed, which confirms to the sender that the report was read.
    print(json.dumps({"event": "report", "text": reports.recv(4096).decode()}), flush=True)
