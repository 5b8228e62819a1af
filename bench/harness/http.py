"""One request at a time, for setting up and for checking answers."""

import http.client
import json


def wire_length(answer, body):
    """Bytes of an answer as they come over the connection, when it has a Content-Length."""
    head = f"HTTP/1.1 {answer.status} {answer.reason}\r\n"
    return len(head) + sum(len(name) + len(value) + 4 for name, value in answer.getheaders()) + 2 + len(body)


def ask(port, method, path, headers=None, body=None):
    """Status, headers and body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"not an HTTP answer: {error!r}") from error
    finally:
        connection.close()


def ask_json(port, method, path, token=None, value=None):
    headers = {"Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    body = None
    if value is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(value)
    status, _, answer = ask(port, method, path, headers, body)
    if not 200 <= status < 300:
        raise OSError(f"{method} {path} answers {status}: {answer[:300].decode(errors='replace')}")
    return json.loads(answer)
