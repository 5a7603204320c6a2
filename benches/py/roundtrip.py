"""Writes random values with pymemcache, reads them back, and compares every byte.

Sizes run from 0 B to 1 MiB, skewed towards small (the logarithm is uniform), with the sizes at which
buffers end always among them. The same seed sends the same bytes.
"""

import argparse
import hashlib
import math
import random
import sys
import time

from pymemcache.client.base import Client

LARGEST = 1 << 20
EDGES = [0, 1, 2, 63, 64, 65, 4095, 4096, 4097, 16383, 16384, 16385, 65535, 65536, 65537, LARGEST - 1, LARGEST]
KEYS = 500
BATCH = 50


def sizes(count, rng):
    """The sizes to send: the edges first, then at random."""
    for i in range(count):
        if i < len(EDGES):
            yield EDGES[i]
        else:
            yield min(LARGEST, int(math.exp(rng.uniform(0, math.log(LARGEST + 2)))) - 1)


def fail(message):
    print(f"roundtrip: {message}", file=sys.stderr)
    sys.exit(1)


def compare(key, want, got):
    if got is None:
        fail(f"{key}: {len(want)} bytes written, nothing found")
    if got != want:
        at = next((i for i, (a, b) in enumerate(zip(want, got)) if a != b), min(len(want), len(got)))
        fail(f"{key}: {len(want)} bytes written, {len(got)} read, first difference at byte {at}")


def check_commands(client):
    """The commands that are not get and set."""
    client.set("counter", b"41", noreply=False)
    if client.incr("counter", 1) != 42:
        fail("incr of 41 by 1 is not 42")
    if not client.delete("counter", noreply=False) or client.get("counter") is not None:
        fail("a deleted key is still there")
    if client.delete("counter", noreply=False):
        fail("a missing key was deleted")
    if client.incr("counter", 1) is not None:
        fail("a missing key was incremented")
    if not client.version():
        fail("version says nothing")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--values", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--label", default="")
    args = parser.parse_args()

    rng = random.Random(args.seed)
    client = Client((args.host, args.port), connect_timeout=10, timeout=30, no_delay=True)
    start = time.monotonic()
    check_commands(client)

    written = 0
    stored = {}  # key -> digest of what it must hold
    batch = {}

    def read_batch():
        for key, value in batch.items():
            compare(key, value, client.get(key))
        batch.clear()

    for n, size in enumerate(sizes(args.values, rng)):
        key, value = f"py{n % KEYS}", rng.randbytes(size)
        # Without a reply every other time: then the answer to the next get must still fit.
        if not client.set(key, value, noreply=n % 2 == 1):
            fail(f"{key}: {size} bytes were not stored")
        written += size
        batch[key] = value
        stored[key] = hashlib.blake2b(value).digest()
        if len(batch) == BATCH:
            read_batch()
    read_batch()

    for key, digest in stored.items():
        got = client.get(key)
        if got is None or hashlib.blake2b(got).digest() != digest:
            fail(f"{key}: differs at the end of the run")
        client.delete(key, noreply=False)
    client.quit()
    took = time.monotonic() - start
    print(
        f"{args.label:<6} pymemcache: {args.values} values of 0 B to 1 MiB, {written / 1e6:.0f} MB, "
        f"in {took:.1f} s: no difference"
    )


if __name__ == "__main__":
    main()
