"""A caller beside the load that reads every answer to the last byte, as wrk does not."""

import http.client
import threading

from .http import wire_length

PAUSE = 0.05  # seconds between its calls


class Witness(threading.Thread):
    """Asks with each key in turn until it is told to stop; `fault` is the first wrong answer."""

    def __init__(self, peer, scenario, keys):
        super().__init__(daemon=True)
        self.peer, self.scenario, self.keys = peer, scenario, keys
        self.calls = 0
        self.length = 0  # bytes of a right answer, head and body
        self.fault = None
        self.over = threading.Event()

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.peer.port, timeout=10)
        try:
            while not self.over.wait(PAUSE) and not self.fault:
                self.ask(connection)
        except (OSError, http.client.HTTPException) as error:
            self.fault = f"a caller beside the load: {error or type(error).__name__}"
        finally:
            connection.close()

    def ask(self, connection):
        scenario = self.scenario
        headers = {"X-API-Key": self.keys[self.calls % len(self.keys)]}
        if scenario.body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(scenario.method, self.peer.prefix + scenario.path, scenario.body, headers)
        answer = connection.getresponse()
        body = answer.read()
        self.calls += 1
        if answer.status != 200 or body != scenario.answer:
            self.fault = f"a caller beside the load got status {answer.status} and {len(body)} bytes"
        self.length = wire_length(answer, body)

    def stop(self):
        self.over.set()
        self.join()
