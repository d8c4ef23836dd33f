"""Runs the peers of one test file: imports VidGear once, then forks a process per peer, which saves the second that the import takes.

Reads orders from standard input, one JSON object per line: {id, script, argument, folder, environment, socket}. A forked process connects to `socket`
twice, for its standard input and output and for its standard error, and runs the script as `python -u script argument` would. Prints {id, pid} per
order and {pid, code, signal} when a process has ended. Ends, and kills its processes, when standard input ends.
"""
import ctypes
import gc
import json
import os
import random
import runpy
import select
import signal
import socket
import sys

import vidgear.gears  # noqa: F401  Does not create a ZeroMQ context, which must not exist before a fork.

PR_SET_PDEATHSIG = 1


def become(order):
    """Turns the forked process into a peer."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for number in (signal.SIGCHLD, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)
    signal.set_wakeup_fd(-1)
    for role, targets in (("out", (0, 1)), ("err", (2,))):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(order["socket"])
        connection.sendall(f"{order['id']} {role}\n".encode())
        for target in targets:
            os.dup2(connection.fileno(), target)
        connection.close()
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    random.seed()
    sys.path[0] = order["folder"]
    sys.argv = [order["script"], order["argument"]]


def serve():
    """Forks a process for each order. Returns the order in the forked process, and None when standard input has ended."""
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running = set()
    received = b""
    while True:
        ready, _, _ = select.select([0, wake], [], [])
        if wake in ready:
            os.read(wake, 4096)
            for pid in list(running):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended == pid:
                    running.discard(pid)
                    code = os.waitstatus_to_exitcode(status)
                    print(json.dumps({"pid": pid, "code": code if code >= 0 else None, "signal": -code if code < 0 else None}), flush=True)
        if 0 in ready:
            chunk = os.read(0, 1 << 16)
            if not chunk:
                for pid in running:
                    os.kill(pid, signal.SIGKILL)
                return None
            *lines, received = (received + chunk).split(b"\n")
            for line in lines:
                order = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    os.close(wake)
                    os.close(waker)
                    become(order)
                    return order
                running.add(pid)
                print(json.dumps({"id": order["id"], "pid": pid}), flush=True)


# Otherwise the garbage collector of each process would copy the memory of all modules, in 0.1 s until it has exited.
gc.collect()
gc.freeze()
order = serve()
if order is not None:
    runpy.run_path(order["script"], run_name="__main__")
