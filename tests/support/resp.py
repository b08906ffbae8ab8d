"""RESP2 and RESP3 from the client's side, keeping every byte: for tests that compare replies.

A reply is a Reply(kind, value): kind is the type byte as a string ("+", "-", ":", "$", "*", "%", "~", ",", "#",
"_", "(", "=", ">"), value is bytes, None for a null, or a list of replies (a map's keys and values in turn).
Two replies are equal when the bytes on the wire were, whatever the server's way to cut them into packets.
"""

import socket
from collections import namedtuple

Reply = namedtuple("Reply", "kind value")

READ_BYTES = 1 << 18


class ConnectionLost(Exception):
    """The server closed the connection, or did not answer in time."""


def encode(arguments):
    """A command as a client sends it."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        parts.append(b"$%d\r\n%b\r\n" % (len(argument), argument))
    return b"".join(parts)


class Connection:
    """A socket and the bytes that came from it."""

    def __init__(self, port, timeout=30.0):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.at = 0

    def close(self):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise ConnectionLost(str(error)) from error

    def command(self, *arguments):
        """Sends one command given as strings, bytes or numbers, and returns its reply."""
        self.send(encode([to_bytes(argument) for argument in arguments]))
        return self.read()

    def fill(self):
        if self.at > READ_BYTES:
            del self.buffer[: self.at]
            self.at = 0
        try:
            data = self.socket.recv(READ_BYTES)
        except OSError as error:
            raise ConnectionLost(str(error) or "no answer in time") from error
        if not data:
            raise ConnectionLost("closed by the server")
        self.buffer += data

    def line(self):
        while True:
            end = self.buffer.find(b"\r\n", self.at)
            if end >= 0:
                text = bytes(self.buffer[self.at : end])
                self.at = end + 2
                return text
            self.fill()

    def exactly(self, size):
        while len(self.buffer) - self.at < size + 2:
            self.fill()
        data = bytes(self.buffer[self.at : self.at + size])
        self.at += size + 2
        return data

    def read(self):
        """The next reply."""
        line = self.line()
        kind, rest = chr(line[0]) if line else "?", line[1:]
        if kind in "+-:,#_(":
            return Reply(kind, rest)
        if kind in "$=":
            size = int(rest)
            return Reply(kind, None if size < 0 else self.exactly(size))
        if kind in "*~>%":
            count = int(rest)
            if kind == "%":
                count *= 2
            return Reply(kind, None if count < 0 else [self.read() for _ in range(count)])
        raise ConnectionLost(f"not RESP: {line[:100]!r}")


def to_bytes(argument):
    if isinstance(argument, bytes):
        return argument
    return str(argument).encode()


def show(reply):
    """A reply in redis-cli's manner, on one line: "text", (integer) 1, OK, (error) ERR …, [a, b], {k: v}."""
    kind, value = reply
    if kind == "$":
        return "(nil)" if value is None else quote(value)
    if kind in "*~>":
        if value is None:
            return "(nil array)"
        opening, closing = {"*": "[]", "~": ("set{", "}"), ">": ("push[", "]")}[kind]
        return opening + ", ".join(map(show, value)) + closing
    if kind == "%":
        pairs = zip(value[::2], value[1::2])
        return "{" + ", ".join(f"{show(key)}: {show(item)}" for key, item in pairs) + "}"
    text = (value or b"").decode("latin-1")
    names = {":": "(integer) ", "-": "(error) ", ",": "(double) ", "#": "(boolean) ", "(": "(big) ", "=": "(verbatim) "}
    return "(null)" if kind == "_" else names.get(kind, "") + text


def quote(data):
    out = ['"']
    for byte in data:
        if byte in b'"\\':
            out.append("\\" + chr(byte))
        elif 32 <= byte < 127:
            out.append(chr(byte))
        else:
            out.append({10: "\\n", 13: "\\r", 9: "\\t", 7: "\\a", 8: "\\b"}.get(byte, f"\\x{byte:02x}"))
    return "".join(out) + '"'


def split_words(line):
    """The words of a line as redis-cli reads them: bare, 'single' and "double" quotes with \\xHH; as bytes."""
    words, at, size = [], 0, len(line)
    escapes = {"n": b"\n", "r": b"\r", "t": b"\t", "b": b"\b", "a": b"\a"}
    while True:
        while at < size and line[at].isspace():
            at += 1
        if at == size:
            return words
        word = bytearray()
        while at < size and not line[at].isspace():
            mark = line[at]
            if mark not in "\"'":
                word += mark.encode()
                at += 1
                continue
            at += 1
            while at < size and line[at] != mark:
                if mark == '"' and line[at] == "\\" and line[at + 1 : at + 2] == "x":
                    word.append(int(line[at + 2 : at + 4], 16))
                    at += 4
                elif line[at] == "\\" and at + 1 < size and (mark == '"' or line[at + 1] == "'"):
                    word += escapes.get(line[at + 1], line[at + 1].encode()) if mark == '"' else b"'"
                    at += 2
                else:
                    word += line[at].encode()
                    at += 1
            if at == size:
                raise ValueError(f"a quote is not closed: {line}")
            at += 1
        words.append(bytes(word))
