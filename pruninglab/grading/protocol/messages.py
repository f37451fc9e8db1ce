"""Messages between the grader and the sandbox: JSON and raw bytes over a socket, never pickles.

A message is a JSON object and a list of byte strings (the numbers of tensors). Whatever arrives is
checked before it is used: the other side may be anybody.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any

MAX_HEADER = 8 * 2**20  # bytes of JSON
MAX_BODY = 256 * 2**20  # bytes of tensors
CHUNK = 1 << 20
Message = dict[str, Any]


class Closed(ConnectionError):
    """The other side is gone."""


class BadMessage(ValueError):
    """What arrived is no message."""


class Late(TimeoutError):
    """The other side took too long. (A student's function may raise TimeoutError itself.)"""


class Wire:
    """One end of the connection.

    Args:
        connection: one socket of a pair; blocking.

    >>> a, b = (Wire(end) for end in socket.socketpair())
    >>> a.send({"hello": 1}, [b"numbers"])
    >>> b.receive()
    ({'hello': 1}, [b'numbers'])
    >>> a.close(), b.close()
    (None, None)
    """

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def send(self, message: Message, parts: list[bytes], deadline: float | None = None) -> None:
        """Send a message.

        Raises:
            Closed: nobody listens.
            Late: the other side does not read (see `receive`).
        """
        header = json.dumps([message, [len(part) for part in parts]]).encode()
        data = b"".join([struct.pack(">I", len(header)), header, *parts])
        try:
            self._wait(deadline)
            self.connection.sendall(data)
        except TimeoutError as error:
            raise Late(str(error)) from None
        except OSError as error:
            raise Closed(str(error)) from None

    def receive(self, deadline: float | None = None) -> tuple[Message, list[bytes]]:
        """The next message.

        Args:
            deadline: on the clock `time.monotonic`; None waits for ever.

        Raises:
            Closed: the other side has ended.
            BadMessage: something else than a message arrived.
            Late: nothing complete arrived in time.
        """
        (size,) = struct.unpack(">I", self._read(4, deadline))
        if size > MAX_HEADER:
            raise BadMessage(f"a message of {size} bytes")
        try:
            message, sizes = json.loads(self._read(size, deadline))
            sizes = [int(n) for n in sizes]
        except (ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
            raise BadMessage(f"no message: {type(error).__name__}") from None
        if not isinstance(message, dict) or min(sizes, default=0) < 0 or sum(sizes) > MAX_BODY:
            raise BadMessage("a message of the wrong kind or size")
        return message, [self._read(n, deadline) for n in sizes]

    def _read(self, size: int, deadline: float | None) -> bytes:
        data = bytearray()
        while len(data) < size:
            self._wait(deadline)
            try:
                chunk = self.connection.recv(min(CHUNK, size - len(data)))
            except TimeoutError as error:
                raise Late(str(error)) from None
            except OSError as error:
                raise Closed(str(error)) from None
            if not chunk:
                raise Closed("the other side has ended")
            data += chunk
        return bytes(data)

    def _wait(self, deadline: float | None) -> None:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise Late("no time left")
        self.connection.settimeout(left)

    def close(self) -> None:
        """Hang up."""
        self.connection.close()
