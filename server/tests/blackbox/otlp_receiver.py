#!/usr/bin/env python3
"""An OpenTelemetry receiver made of OpenTelemetry's own Python messages (opentelemetry-proto).

Prints the port it listens on. GET /received answers what came so far, as JSON; POST /v1/traces and /v1/metrics
take OTLP over HTTP, and answer 503 to as many as the first argument says.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = {"/v1/traces": ExportTraceServiceRequest, "/v1/metrics": ExportMetricsServiceRequest}

lock = threading.Lock()
received = {"/v1/traces": [], "/v1/metrics": [], "headers": []}
refuse = int(sys.argv[1]) if len(sys.argv) > 1 else 0


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        with lock:
            body = json.dumps(received).encode()
        self.answer(200, body)

    def do_POST(self):
        global refuse
        body = self.rfile.read(int(self.headers["content-length"]))
        with lock:
            if refuse > 0:
                refuse -= 1
                return self.answer(503)
            request = KINDS[self.path]()
            request.ParseFromString(body)
            received[self.path].append(MessageToDict(request))
            received["headers"].append(dict(self.headers.items()))
        self.answer(200)


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
print(server.server_address[1], flush=True)
server.serve_forever()
