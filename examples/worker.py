#!/usr/bin/env python3
"""A distchan worker in another language: it takes strings and gives them back in upper case.

Written from PROTOCOL.md alone, with nothing but the standard library; the headings named below are that page's. It never needs
Rust: the fingerprints of the two types are the arguments. It does one job after another and keeps nothing when the server is lost.

    python3 examples/worker.py HOST:PORT CHANNEL FINGERPRINT_JOB FINGERPRINT_RESULT
"""

import collections
import json
import os
import socket
import struct
import sys
import zlib

HELLO, WELCOME, GOODBYE = 0x01, 0x02, 0x03
OPEN, OPENED, REFUSED, SCHEMAS, FINISHED, CREDIT, LEAVE = 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16
BATCH = 0x20
VALUE, LAST, FAILED = 0, 2, 4

VERSION = 1
CHANNEL = 1  # Our number for the only channel.
MORE = 1
MAX_FRAME_BODY = 64 * 1024
MAX_REASON = 4 * 1024
ENTRY_COST = 16
MAX_JOBS, MAX_BYTES, MAX_VALUE = 1024, 1024 * 1024, 16 * 1024 * 1024
TIMEOUT = 10  # Seconds, for the handshake and for the goodbye.


class Refused(Exception):
    """The server does not want us, or one of the two broke the protocol."""


# --- Conventions -----------------------------------------------------------------------------------------------------


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def zigzag(number):
    return number * 2 if number >= 0 else -number * 2 - 1


def unzigzag(number):
    return number >> 1 if number & 1 == 0 else -(number >> 1) - 1


def string(value):
    data = value if isinstance(value, bytes) else value.encode()
    return varint(len(data)) + data


class Fields:
    """Takes fields off the front of a body. What stands behind those that we know is from a later version."""

    def __init__(self, body):
        self.rest = body

    def raw(self, length):
        if length > len(self.rest):
            raise Refused("a message is cut short")
        taken, self.rest = self.rest[:length], self.rest[length:]
        return taken

    def number(self):
        value = 0
        for shift in range(0, 70, 7):
            byte = self.raw(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
        if byte >= 0x80 or value >= 1 << 64:
            raise Refused("a number does not fit 64 bits")
        return value

    def bytes(self):
        return self.raw(self.number())

    def text(self):
        return self.bytes().decode()


# --- Frames ----------------------------------------------------------------------------------------------------------


class Connection:
    """One connection: the preamble, then frames."""

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host.strip("[]"), int(port)), TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(b"distchan" + struct.pack("<HH", VERSION, VERSION))
        magic, lowest, highest = struct.unpack("<8sHH", self.read(12))
        if magic != b"distchan":
            raise Refused("this is no distchan server")
        if not lowest <= VERSION <= highest:
            raise Refused(f"the server speaks versions {lowest} to {highest}, we speak {VERSION}")

    def read(self, length):
        data = bytearray()
        while len(data) < length:
            piece = self.socket.recv(min(length - len(data), 1 << 16))
            if not piece:
                raise ConnectionError("the server is lost")
            data += piece
        return bytes(data)

    def send(self, kind, channel, body=b"", flags=0):
        length = struct.pack("<I", len(body))
        rest = struct.pack("<BBH", kind, flags, channel)
        checksum = zlib.crc32(length + rest + body)
        self.socket.sendall(length + struct.pack("<I", checksum) + rest + body)

    def receive(self):
        """The next frame that we know: kind, whether its body goes on, channel, body."""
        while True:
            head = self.read(12)
            length, checksum, kind, flags, channel = struct.unpack("<IIBBH", head)
            if length > MAX_FRAME_BODY:
                raise Refused(f"a frame of {length} bytes")
            body = self.read(length)
            if zlib.crc32(head[:4] + head[8:] + body) != checksum:
                raise Refused("a frame's checksum does not match")
            if kind < 0x80:
                return kind, bool(flags & MORE), channel, body

    def close(self, code, text):
        """Goodbye: who has heard the server's knows that it has taken everything that was sent."""
        self.socket.settimeout(TIMEOUT)
        self.send(GOODBYE, 0, varint(code) + string(text))
        while self.receive()[0] != GOODBYE:
            pass
        self.socket.close()


# --- Batches ---------------------------------------------------------------------------------------------------------


def parse_jobs(body):
    """The attempt, and the jobs with their payloads."""
    (table_length,) = struct.unpack("<I", body[-4:])
    payload = Fields(body[: len(body) - 4 - table_length])
    table = Fields(body[len(body) - 4 - table_length : -4])
    attempt, job, jobs = table.number(), 0, []
    while table.rest:
        key, length = table.number(), table.number()
        if key & 7 != VALUE:
            raise Refused("an entry that is no job")
        job = (job + unzigzag(key >> 3)) % (1 << 64)
        jobs.append((job, payload.raw(length)))
    return attempt, jobs


def body_of(attempt, answers):
    table, previous = varint(attempt), 0
    for job, kind, data in answers:
        table += varint(zigzag(job - previous) << 3 | kind) + varint(len(data))
        previous = job
    return b"".join(data for _, _, data in answers) + table + struct.pack("<I", len(table))


# --- The life of a job -----------------------------------------------------------------------------------------------


class Worker:
    """One channel, opened."""

    def __init__(self, connection):
        self.connection = connection
        self.granted = self.spent = 0
        self.max_value = MAX_VALUE
        self.partial = b""
        # Answers that wait for credit: attempt, job, kind, payload.
        self.answers = collections.deque()

    def open(self, name, job, result):
        self.connection.send(HELLO, 0, string("") + string(f"{socket.gethostname()}:{os.getpid()} (python)"))
        self.expect(WELCOME)
        fields = [string(name), b"\0", string("json"), job, result, string(b"")]
        numbers = [1, MAX_JOBS, MAX_BYTES, MAX_VALUE, TIMEOUT * 1000]
        # From here on the server may take its time: for the channel to be opened there, then between two jobs.
        self.connection.socket.settimeout(None)
        self.connection.send(OPEN, CHANNEL, b"".join(fields) + b"".join(map(varint, numbers)))
        opened = Fields(self.expect(OPENED))
        if opened.bytes():
            raise Refused("the server transforms this channel's bytes")
        self.max_value, self.granted = opened.number(), opened.number()

    def expect(self, wanted):
        kind, _, _, body = self.connection.receive()
        if kind == REFUSED:
            fields = Fields(body)
            reason = f"the server refuses with code {fields.number()}: {fields.text()}"
            if fields.raw(1) != b"\0":
                self.connection.send(SCHEMAS, CHANNEL, string(b"") + string(b""))
            self.connection.close(0, "")
            raise Refused(reason)
        if kind == GOODBYE:
            fields = Fields(body)
            raise Refused(f"the server says goodbye with code {fields.number()}: {fields.text()}")
        if kind != wanted:
            raise Refused(f"a frame of kind {kind:#x} where {wanted:#x} was expected")
        return body

    def run(self):
        """Works until the channel is finished."""
        while True:
            self.send_answers()
            kind, more, _, body = self.connection.receive()
            if kind == BATCH:
                self.partial += body
                if not more:
                    self.work(self.partial)
                    self.partial = b""
            elif kind == CREDIT:
                self.granted = max(self.granted, Fields(body).number())
            elif kind == FINISHED:
                self.connection.send(LEAVE, CHANNEL)
                return
            elif kind == GOODBYE:
                fields = Fields(body)
                raise Refused(f"the server says goodbye with code {fields.number()}: {fields.text()}")
            else:
                raise Refused(f"an unexpected frame of kind {kind:#x}")

    def work(self, body):
        attempt, jobs = parse_jobs(body)
        for job, payload in jobs:
            kind, data = self.answer(payload)
            self.answers.append((attempt, job, kind, data))

    def answer(self, payload):
        try:
            result = json.dumps(json.loads(payload).upper(), ensure_ascii=False).encode()
        except Exception as error:  # Whatever is wrong with a job is that job's failure, and not ours.
            reason = f"{type(error).__name__}: {error}".encode(errors="replace")[:MAX_REASON]
            return FAILED, reason.decode(errors="ignore").encode()
        if len(result) > self.max_value:
            return FAILED, f"its result has {len(result)} bytes, {self.max_value} are allowed".encode()
        return LAST, result

    def send_answers(self):
        while self.answers and self.spent < self.granted:
            attempt, size, together = self.answers[0][0], 0, []
            while self.answers and self.spent < self.granted:
                its_attempt, job, kind, data = self.answers[0]
                # An entry of the table has at most 20 bytes, the rest of it at most 9.
                size += len(data) + 20
                if together and (its_attempt != attempt or size + 9 > MAX_FRAME_BODY):
                    break
                self.answers.popleft()
                self.spent += ENTRY_COST + len(data)
                together.append((job, kind, data))
            self.send_body(body_of(attempt, together))

    def send_body(self, body):
        while len(body) > MAX_FRAME_BODY:
            self.connection.send(BATCH, CHANNEL, body[:MAX_FRAME_BODY], MORE)
            body = body[MAX_FRAME_BODY:]
        self.connection.send(BATCH, CHANNEL, body)


def main(address, channel, job, result):
    try:
        connection = Connection(address)
        worker = Worker(connection)
        worker.open(channel, bytes.fromhex(job), bytes.fromhex(result))
        worker.run()
        connection.close(0, "")
    except (Refused, OSError) as error:
        sys.exit(f"worker.py: {error}")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
