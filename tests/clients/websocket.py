"""A WebSocket client that nobody here wrote (https://websockets.readthedocs.io), made to misbehave.

Reads a list of cases from its input, `{"url", "origin", "bytes"}`. For each it opens a socket, sends these bytes below its own framing, and reads to
the end. Writes how each ended: `{"code", "reason"}` as the client understood it, both null where the connection just went, or the
`{"status", "type"}` of a refusal.
"""

import base64
import json
import sys

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

PATIENCE_S = 15


def ending(case):
    quiet = {"compression": None, "proxy": None, "ping_interval": None, "open_timeout": PATIENCE_S}
    try:
        with connect(case["url"], origin=case["origin"], **quiet) as socket:
            socket.socket.sendall(base64.b64decode(case["bytes"]))
            while True:
                socket.recv(timeout=PATIENCE_S)
    except InvalidStatus as refusal:
        return {"status": refusal.response.status_code, "type": json.loads(refusal.response.body)["type"]}
    except ConnectionClosed as closed:
        said = closed.rcvd
        return {"code": said and said.code, "reason": said and said.reason}
    except OSError as error:
        return {"code": None, "reason": str(error)}


json.dump([ending(case) for case in json.load(sys.stdin)], sys.stdout)
