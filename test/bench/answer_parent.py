"""Answers the parent's requests on standard input: each line `ID WORD` gets a JSON line with this process's figures."""
import json
import os
import sys
import threading
import time


def answer_parent(obey, count):
    """Calls `obey(word)` with each word; `count()` returns the number of frames so far. The process ends when its input ends, even if its parent crashes."""

    def answer():
        for line in sys.stdin:
            number, word = line.split()
            obey(word)
            figures = {"event": "figures", "id": int(number), "frames": count(), "seconds": time.monotonic(), "cpuSeconds": time.process_time()}
            print(json.dumps(figures), flush=True)
        os._exit(0)

    threading.Thread(target=answer, daemon=True).start()
