"""pymemcache's client against the server: every command it has, and the contents, not only the lengths."""

import argparse
import random
import sys
import time

from pymemcache.client.base import Client
from pymemcache.exceptions import MemcacheServerError


def check(condition, what):
    if not condition:
        sys.exit(f"pymemcache: {what}")


def same(got, want, what):
    check(got == want, f"{what}: {got!r:.80}, not {want!r:.80}")


def values(client, rng):
    kept = {}
    for n in [0, 1, 100, 16383, 16384, 70000, 1 << 20] + [rng.randrange(5000) for _ in range(300)]:
        key, value = f"v{rng.randrange(120)}", rng.randbytes(n)
        check(client.set(key, value, noreply=rng.random() < 0.5), "set")
        kept[key] = value
    for key, value in kept.items():
        same(client.get(key), value, key)
    many = client.get_many(list(kept))
    same(many, kept, "get_many")
    big = {f"m{i}": b"%d" % (i * i) for i in range(3000)}
    same(client.set_many(big, noreply=False), [], "set_many")
    same(client.get_many(list(big)), big, "get_many of 3000 keys")


def commands(client):
    same(client.add("a", b"1", noreply=False), True, "add")
    same(client.add("a", b"2", noreply=False), False, "add again")
    same(client.replace("a", b"3", noreply=False), True, "replace")
    same(client.replace("none", b"3", noreply=False), False, "replace nothing")
    same(client.append("a", b"4", noreply=False), True, "append")
    same(client.prepend("a", b"2", noreply=False), True, "prepend")
    value, cas = client.gets("a")
    same(value, b"234", "gets")
    same(client.cas("a", b"5", cas, noreply=False), True, "cas")
    same(client.cas("a", b"6", cas, noreply=False), False, "cas again")
    same(client.cas("none", b"6", cas, noreply=False), None, "cas of nothing")
    same(client.incr("a", 10), 15, "incr")
    same(client.decr("a", 20), 0, "decr")
    same(client.touch("a", 100, noreply=False), True, "touch")
    same(client.touch("none", 100, noreply=False), False, "touch nothing")
    same(client.raw_command(b"gat 0 a", end_tokens=b"END\r\n"), b"VALUE a 0 2\r\n0 \r\n", "gat")
    same(client.delete("a", noreply=False), True, "delete")
    same(client.delete("a", noreply=False), False, "delete again")
    client.set("f", b"x", flags=0xFFFFFFFF, noreply=False)
    same(client.raw_command(b"get f", end_tokens=b"END\r\n"), b"VALUE f 4294967295 1\r\nx\r\n", "flags")
    check(client.version().startswith(b"ouzel-cached"), "version")
    stats = client.stats()
    check(stats[b"curr_items"] > 0 and stats[b"threads"] == 2, f"stats: {stats}")
    same(client.stats("settings")[b"item_size_max"], 1 << 20, "stats settings")
    client.raw_command(b"verbosity 0")


def errors(client):
    try:
        client.set("big", b"x" * ((1 << 20) + 1), noreply=False)
        sys.exit("pymemcache: too large a value was stored")
    except MemcacheServerError as e:
        same(e.args[0], b"object too large for cache", "the error")
    same(client.get("big"), None, "the stream is in step")


def expiry(client):
    client.set("soon", b"x", expire=1, noreply=False)
    same(client.get("soon"), b"x", "not yet over")
    begun = time.monotonic()
    while client.get("soon") is not None:
        check(time.monotonic() - begun < 20, "it never ends")
        time.sleep(0.05)
    client.set("gone", b"x", noreply=False)
    same(client.flush_all(noreply=False), True, "flush_all")
    same(client.get("gone"), None, "flushed")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--label", default="")
    args = parser.parse_args()
    client = Client(("127.0.0.1", args.port), timeout=30, connect_timeout=10, no_delay=True)
    values(client, random.Random(1))
    commands(client)
    errors(client)
    expiry(client)
    print(f"{args.label}: pymemcache: every command, every byte right")


main()
