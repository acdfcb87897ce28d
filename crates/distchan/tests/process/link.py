#!/usr/bin/env python3
"""A bad network link in user space, between two TUN devices: loss, delay, jitter (and so reordering), duplication.

    link.py NAME_A NAME_B --seed N --loss PERCENT --delay MS --jitter MS --duplicate PERCENT

It makes both devices, says "ready", and relays packets from each to the other until its standard input ends; then it says what it did.
The devices may be moved to network namespaces meanwhile. The same seed gives the same choices, packet by packet. Standard library only.
"""

import argparse
import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
LARGEST_PACKET = 65536
# Packets that are on their way at once; beyond that they are lost, as in a router.
LONGEST_QUEUE = 4096


def open_tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


class Link:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.queue = []
        self.count = 0
        self.lost = self.doubled = self.carried = 0

    def take(self, packet, to, now):
        """A packet has come: decides what becomes of it."""
        if self.random.random() * 100 < self.options.loss or len(self.queue) >= LONGEST_QUEUE:
            self.lost += 1
            return
        copies = 1
        if self.random.random() * 100 < self.options.duplicate:
            copies, self.doubled = 2, self.doubled + 1
        for _ in range(copies):
            delay = self.options.delay + (2 * self.random.random() - 1) * self.options.jitter
            self.count += 1
            heapq.heappush(self.queue, (now + max(delay, 0) / 1000, self.count, to, packet))

    def give(self, now):
        """Writes what is due; returns how long until the next is."""
        while self.queue and self.queue[0][0] <= now:
            _, _, to, packet = heapq.heappop(self.queue)
            try:
                os.write(to, packet)
                self.carried += 1
            except OSError:
                # The device is not up, or its queue is full.
                self.lost += 1
        return self.queue[0][0] - now if self.queue else None


def relay(link, ends):
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    while True:
        readable, _, _ = select.select([*ends, 0], [], [], link.give(time.monotonic()))
        if 0 in readable and not os.read(0, 1):
            return
        now = time.monotonic()
        for end in readable:
            while end != 0:
                try:
                    packet = os.read(end, LARGEST_PACKET)
                except OSError:
                    break
                link.take(packet, other[end], now)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs=2)
    for option in ("seed", "loss", "delay", "jitter", "duplicate"):
        parser.add_argument(f"--{option}", type=float, default=0)
    options = parser.parse_args()
    link = Link(options)
    ends = [open_tun(name) for name in options.names]
    print("ready", flush=True)
    relay(link, ends)
    print(f"carried {link.carried} lost {link.lost} doubled {link.doubled}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
