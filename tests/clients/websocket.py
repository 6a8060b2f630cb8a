"""An independent WebSocket client (https://websockets.readthedocs.io) that violates the protocol.

Reads a list of cases from standard input, `{"url", "origin", "bytes"}`. For each it opens a socket,
sends these bytes below the library's own framing, and reads until the socket is closed. Writes the
end of each: `{"code", "reason"}` as the client received them, both null if the connection was closed
without them, or the `{"status", "type"}` of a refusal.
"""

import base64
import json
import sys

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

TIMEOUT_S = 15


def run(case):
    options = {"compression": None, "proxy": None, "ping_interval": None, "open_timeout": TIMEOUT_S}
    try:
        with connect(case["url"], origin=case["origin"], **options) as socket:
            socket.socket.sendall(base64.b64decode(case["bytes"]))
            while True:
                socket.recv(timeout=TIMEOUT_S)
    except InvalidStatus as refusal:
        problem = json.loads(refusal.response.body)
        return {"status": refusal.response.status_code, "type": problem["type"]}
    except ConnectionClosed as closed:
        close = closed.rcvd
        return {"code": close and close.code, "reason": close and close.reason}
    except OSError as error:
        return {"code": None, "reason": str(error)}


json.dump([run(case) for case in json.load(sys.stdin)], sys.stdout)
