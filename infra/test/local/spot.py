"""EC2 Spot instance on this machine: its metadata service, and stand-ins for Docker and systemd. The real watcher,
`lib/training/spot-notice.sh`, stops a process as if it were a container.
"""

import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

WATCHER = Path(__file__).parents[2] / "lib/training/spot-notice.sh"
# A process stands for a container: its number is the container's id.
DOCKER = """#!/bin/sh
case $1 in
    ps) echo "$CONTAINER" ;;
    stop) shift 3 && kill -TERM "$@" ;;
esac
"""


class Metadata(BaseHTTPRequestHandler):
    """The metadata service, version 2; its server has the event that the notice comes with."""

    def do_PUT(self) -> None:
        self.answer(200, "a token")

    def do_GET(self) -> None:
        if self.headers["X-aws-ec2-metadata-token"] != "a token":
            self.answer(401, "")
        elif self.path == "/latest/meta-data/spot/instance-action" and self.server.taken_back.is_set():
            self.answer(200, '{"action":"terminate","time":"2026-12-01T12:02:00Z"}')
        else:
            self.answer(404, "")

    def answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_arguments) -> None:
        pass


def take_back(container: subprocess.Popen, tools: Path) -> int:
    """Gives the notice to a machine that runs a container, and returns the container's exit code."""
    tools.mkdir()
    for name, text in {"docker": DOCKER, "systemctl": "#!/bin/sh\n"}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    with ThreadingHTTPServer(("127.0.0.1", 0), Metadata) as server:
        server.taken_back = threading.Event()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        variables = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "IMDS": f"http://127.0.0.1:{server.server_address[1]}",
            "CHECK_SECONDS": "0.1",
            "STOP_TIMEOUT_SECONDS": "110",
            "CONTAINER": str(container.pid),
        }
        watcher = subprocess.Popen([WATCHER], env=variables, stdout=subprocess.DEVNULL)
        server.taken_back.set()
        watcher.wait()
        server.shutdown()
    return container.wait()
