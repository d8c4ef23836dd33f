"""The parent's line on standard input: each `ID WORD` is answered by a JSON line with this process's figures."""
import json
import os
import sys
import threading
import time


def answer_parent(obey, count):
    """`obey(word)` is called with each word, `count()` says how many frames there were. The process ends with its input, however its parent ends."""

    def answer():
        for line in sys.stdin:
            number, word = line.split()
            obey(word)
            figures = {"event": "figures", "id": int(number), "frames": count(), "seconds": time.monotonic(), "cpuSeconds": time.process_time()}
            print(json.dumps(figures), flush=True)
        os._exit(0)

    threading.Thread(target=answer, daemon=True).start()
