"""pylibmc, that is libmemcached, against the server."""

import argparse
import random
import sys

import pylibmc


def same(got, want, what):
    if got != want:
        sys.exit(f"pylibmc: {what}: {got!r:.80}, not {want!r:.80}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--label", default="")
    args = parser.parse_args()
    behaviors = {"tcp_nodelay": True, "cas": True, "ketama": True}
    client = pylibmc.Client([f"127.0.0.1:{args.port}"], binary=False, behaviors=behaviors)
    rng = random.Random(1)
    kept = {f"p{i}": rng.randbytes(rng.randrange(40000)) for i in range(200)}
    for key, value in kept.items():
        same(client.set(key, value), True, "set")
    for key, value in kept.items():
        same(client.get(key), value, key)
    same(client.get_multi(list(kept)), kept, "get_multi")
    same(client.set_multi({"a": 1, "b": "text"}), [], "set_multi")
    same(client.get_multi(["a", "b", "none"]), {"a": 1, "b": "text"}, "get_multi of other types")
    same(client.incr("a", 4), 5, "incr")
    same(client.decr("a", 2), 3, "decr")
    same(client.add("a", 1), False, "add")
    same(client.replace("none", 1), False, "replace")
    client.set("t", "12")
    same(client.append("t", "3"), True, "append")
    same(client.prepend("t", "0"), True, "prepend")
    same(client.get("t"), "0123", "joined")
    value, cas = client.gets("t")
    same(client.cas("t", "new", cas), True, "cas")
    same(client.cas("t", "newer", cas), False, "cas again")
    same(client.touch("t", 100), True, "touch")
    same(client.delete("t"), True, "delete")
    same(client.delete("t"), False, "delete again")
    same(len(client.get_stats()), 1, "stats")
    same(client.flush_all(), True, "flush_all")
    same(client.get("p1"), None, "flushed")
    print(f"{args.label}: pylibmc: every command, every byte right")


main()
