"""Three servers behind pymemcache's HashClient: one is killed, the others serve, and the client recovers."""

import re
import subprocess
import sys
import time

from pymemcache.client.hash import HashClient

KEYS = {f"key-{i}": b"value %d" % i for i in range(600)}


def check(condition, what):
    if not condition:
        sys.exit(f"ring: {what}")


def start(program, port=0):
    args = [program, "-p", str(port), "-l", "127.0.0.1", "-t", "1", "-m", "16"]
    child = subprocess.Popen(args, stdout=subprocess.PIPE, text=True)
    told = child.stdout.readline()
    found = re.match(r"listening on 127\.0\.0\.1:(\d+) ", told)
    check(found, f"it said {told!r}")
    return child, int(found.group(1))


def main():
    program = sys.argv[1]
    servers = [start(program) for _ in range(3)]
    try:
        ring = HashClient(
            [("127.0.0.1", port) for _, port in servers],
            retry_attempts=1,
            retry_timeout=0.2,
            dead_timeout=4,
            timeout=10,
            connect_timeout=5,
            ignore_exc=True,
        )
        for key, value in KEYS.items():
            check(ring.set(key, value, noreply=False), f"set {key}")
        check(ring.get_many(list(KEYS)) == KEYS, "not all came back")
        held = {port: sum(c.get(k) is not None for k in KEYS) for (_, port), c in zip(servers, clients(servers))}
        check(sum(held.values()) == len(KEYS) and min(held.values()) > 50, f"the keys lie {held}")

        killed, port = servers[1]
        killed.kill()
        killed.wait()
        begun = time.monotonic()
        while True:
            got = {k: v for k in KEYS if (v := ring.get(k)) is not None}
            check(all(KEYS[k] == v for k, v in got.items()), "a wrong value")
            if len(got) >= len(KEYS) - held[port]:
                break
            check(time.monotonic() - begun < 30, f"{len(got)} of {len(KEYS) - held[port]} are served")
        hold_all(ring, begun, "two servers")

        servers[1] = start(program, port)
        while clients(servers)[1].stats()[b"cmd_set"] == 0:
            hold_all(ring, begun, "servers, one of them new,")
        hold_all(ring, begun, "three servers")
        print(f"HashClient over three servers: {held[port]} keys lost with one, all others served, and back")
    finally:
        for child, _ in servers:
            child.kill()
            child.wait()


def hold_all(ring, begun, who):
    """Sets all keys until all are found: what is set while the ring changes may lie where nobody looks."""
    while True:
        stored = all(ring.set(k, v, noreply=False) for k, v in KEYS.items())
        if stored and all(ring.get(k) == v for k, v in KEYS.items()):
            return
        check(time.monotonic() - begun < 90, f"{who} do not hold all")


def clients(servers):
    from pymemcache.client.base import Client

    return [Client(("127.0.0.1", port), timeout=10) for _, port in servers]


main()
