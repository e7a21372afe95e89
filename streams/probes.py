"""A worker's answers over HTTP: `/metrics` for Prometheus, `/live` and `/ready` for probes."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

import orjson
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from bizops.errors import ServiceError

__all__ = ["Watched", "serve"]

TIMEOUT_S = 5.0


class Watched(Protocol):
    """What the answers are made of."""

    def why_not_live(self) -> list[str]:
        """Why a restart would help."""

    def why_not_ready(self) -> list[str]:
        """Why what is stored may not be up to date."""


def serve(
    watched: Watched, registry: CollectorRegistry, host: str, port: int
) -> ThreadingHTTPServer:
    """Answer in threads of its own until the process ends.

    Parameters
    ----------
    port
        0 for any that is free; ``server_address`` of what is returned has it.

    Raises
    ------
    ServiceError
        If the address is taken or is not of this machine.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = TIMEOUT_S

        def do_GET(self) -> None:
            status, kind, body = answer(self.path, self.headers.get("Accept"), watched, registry)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing: a line each few seconds tells nobody anything."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise ServiceError(
            f"metrics cannot be served on {host}:{port}: {error.strerror}; "
            "set BIZOPS_METRICS_PORT to a free port"
        ) from None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()
    return server


def answer(
    path: str, accept: str | None, watched: Watched, registry: CollectorRegistry
) -> tuple[int, str, bytes]:
    """Status, content type and body for one path."""
    path = path.partition("?")[0]
    if path == "/metrics":
        encode, kind = choose_encoder(accept or "")
        return 200, kind, encode(registry)
    if path not in ("/live", "/ready"):
        return 404, "text/plain", b"have /live, /metrics, /ready\n"
    reasons = watched.why_not_live() if path == "/live" else watched.why_not_ready()
    content = {path[1:]: not reasons, "reasons": reasons}
    return (503 if reasons else 200), "application/json", orjson.dumps(content) + b"\n"
