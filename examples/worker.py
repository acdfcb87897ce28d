#!/usr/bin/env python3
"""A distchan worker in another language: it takes strings and gives them back in upper case.

Written from PROTOCOL.md alone, with nothing but the standard library; the headings named below are that page's. It never needs
Rust: the fingerprints of the two types are the arguments. It does one job after another, and ends when the server is lost: it cannot
resume its session, which would be optional.

    python3 examples/worker.py HOST:PORT CHANNEL FINGERPRINT_JOB FINGERPRINT_RESULT
"""

import collections
import json
import os
import queue
import socket
import struct
import sys
import threading
import zlib

HELLO, WELCOME, GOODBYE, PING, ACK = 0x01, 0x02, 0x03, 0x04, 0x05
OPEN, OPENED, REFUSED, SCHEMAS, FINISHED, CREDIT, LEAVE = 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16
STARTED, CANCEL, BATCH = 0x18, 0x19, 0x20
FIRST_OF_SESSION = 0x10
VALUE, LAST, FAILED, TIMED = 0, 2, 4, 6

VERSION = 1
CHANNEL = 1  # Our number for the only channel.
MORE, IMMEDIATE_ACK = 1, 2
MAX_FRAME_BODY = 64 * 1024
MAX_REASON = 4 * 1024
ENTRY_COST = 16
MAX_JOBS, MAX_BYTES, MAX_VALUE = 1024, 1024 * 1024, 16 * 1024 * 1024
ACKNOWLEDGE_EVERY = 128 * 1024
TIMEOUT = 10  # Seconds, for the handshake and for the goodbye.
LONGEST = 3 * 24 * 60 * 60  # Seconds, whatever the server says.


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
    """One connection: the preamble, the greeting, then frames. A thread reads them, so that the server's questions are answered while
    this worker works."""

    def __init__(self, address, name):
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host.strip("[]"), int(port)), TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.writing = threading.Lock()
        self.is_done = False
        self.frames = queue.SimpleQueue()
        # How many frames of the session have arrived, how many bytes of them are not acknowledged, and the newest question.
        self.received = self.unsaid = self.ping = 0
        # The server waits for an acknowledgement.
        self.is_awaited = False
        self.greet(name)
        threading.Thread(target=self.read_frames, daemon=True).start()

    def greet(self, name):
        self.socket.sendall(b"distchan" + struct.pack("<HH", VERSION, VERSION))
        magic, lowest, highest = struct.unpack("<8sHH", self.read(12))
        if magic != b"distchan":
            raise Refused("this is no distchan server")
        if not lowest <= VERSION <= highest:
            raise Refused(f"the server speaks versions {lowest} to {highest}, we speak {VERSION}")
        # No signature; no route and no session, since we will not resume.
        self.send(HELLO, 0, string("") + string(name) + string("") + varint(0))
        kind, _, _, body = self.read_frame()
        if kind == GOODBYE:
            raise Refused(farewell(body))
        if kind != WELCOME:
            raise Refused(f"a frame of kind {kind:#x} where the server should greet us")
        welcome = Fields(body)
        _session, _epoch, _key, _received = welcome.number(), welcome.number(), welcome.raw(16), welcome.number()
        _heartbeat, lost_after, _grace = welcome.number(), welcome.number(), welcome.number()
        # The server asks several times in this time: where nothing comes, it is lost.
        self.socket.settimeout(min(max(lost_after, 1) / 1000, LONGEST))
        self.received = self.unsaid = 0

    def read(self, length):
        data = bytearray()
        while len(data) < length:
            piece = self.socket.recv(min(length - len(data), 1 << 16))
            if not piece:
                raise ConnectionError("the server is lost")
            data += piece
        return bytes(data)

    def read_frame(self):
        """The next frame that we know: kind, whether its body goes on, channel, body."""
        while True:
            head = self.read(12)
            length, checksum, kind, flags, channel = struct.unpack("<IIBBH", head)
            if length > MAX_FRAME_BODY:
                raise Refused(f"a frame of {length} bytes")
            body = self.read(length)
            if zlib.crc32(head[:4] + head[8:] + body) != checksum:
                raise Refused("a frame's checksum does not match")
            if kind >= FIRST_OF_SESSION:
                self.received += 1
                self.unsaid += 12 + length
                self.is_awaited |= kind == BATCH and bool(flags & IMMEDIATE_ACK)
            if kind < 0x80:
                return kind, bool(flags & MORE), channel, body

    def read_frames(self):
        """Answers what concerns the connection alone, and hands on the rest."""
        try:
            while True:
                frame = self.read_frame()
                kind, _, _, body = frame
                if kind == PING:
                    self.ping = Fields(body).number()
                # We keep nothing of what we have sent: that it has arrived is no news.
                elif kind != ACK:
                    self.frames.put(frame)
                if kind == GOODBYE:
                    return
                if kind == PING or self.is_awaited or self.unsaid >= ACKNOWLEDGE_EVERY:
                    self.send(ACK, 0, varint(self.received) + varint(self.ping))
                    self.unsaid, self.is_awaited = 0, False
        except (Refused, OSError) as error:
            self.frames.put(error)

    def receive(self, timeout=None):
        """The next frame that concerns our channel, or the goodbye."""
        frame = self.frames.get(timeout=timeout)
        if isinstance(frame, Exception):
            raise frame
        return frame

    def send(self, kind, channel, body=b"", flags=0):
        length = struct.pack("<I", len(body))
        rest = struct.pack("<BBH", kind, flags, channel)
        checksum = zlib.crc32(length + rest + body)
        with self.writing:
            # Nothing is said behind a goodbye.
            if not self.is_done:
                self.socket.sendall(length + struct.pack("<I", checksum) + rest + body)
            self.is_done |= kind == GOODBYE

    def close(self, code, text):
        """Goodbye: who has heard the server's knows that it has taken everything that was sent."""
        self.send(GOODBYE, 0, varint(code) + string(text))
        try:
            while self.receive(TIMEOUT)[0] != GOODBYE:
                pass
        except queue.Empty:
            raise ConnectionError("the server does not say goodbye") from None
        self.socket.close()


def farewell(body):
    fields = Fields(body)
    return f"the server says goodbye with code {fields.number()}: {fields.text()}"


# --- Batches ---------------------------------------------------------------------------------------------------------


def parse_jobs(body):
    """The attempt, and the jobs with their payloads."""
    (table_length,) = struct.unpack("<I", body[-4:])
    payload = Fields(body[: len(body) - 4 - table_length])
    table = Fields(body[len(body) - 4 - table_length : -4])
    attempt, job, jobs = table.number(), 0, []
    while table.rest:
        key, length = table.number(), table.number()
        if key & 7 == TIMED:
            _millis_left = table.number()  # What is done too late has no effect.
        elif key & 7 != VALUE:
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
        fields = [string(name), b"\0", string("json"), job, result, string(b"")]
        numbers = [1, MAX_JOBS, MAX_BYTES, MAX_VALUE, TIMEOUT * 1000]
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
            raise Refused(farewell(body))
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
                raise Refused(farewell(body))
            elif kind != CANCEL:  # We do not stop: the answer frees the job's place, and has no effect.
                raise Refused(f"an unexpected frame of kind {kind:#x}")

    def work(self, body):
        attempt, jobs = parse_jobs(body)
        for job, payload in jobs:
            # One by one, although a message can name many: who dies is held responsible for what it had begun, and not for the rest.
            started = [attempt, 1, zigzag(job), 0]
            self.connection.send(STARTED, CHANNEL, b"".join(map(varint, started)))
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
        connection = Connection(address, f"{socket.gethostname()}:{os.getpid()} (python)")
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
