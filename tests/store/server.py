"""A server on loopback that speaks S3's protocol, with faults on demand."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree as ET

from localbucket import S3_NAMESPACE, S3Error, S3Handler

KEY = "emeritus-test"


@dataclass
class ObjectStoreServer:
    """Its buckets are folders below *folder*, open to damage.

    *faults* are asked about each request, with its method and path, and may answer with what to do:
    a number (answer with that status), ``"cut"`` (break off in the middle of the body), ``"stall"`` (say
    nothing for a while), or None. *requests* is what was asked.
    """

    port: int
    folder: Path
    faults: list[Callable[[str, str], int | str | None]] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)

    def url(self, bucket: str, prefix: str = "emeritus") -> str:
        """The address of a bucket, for `open_blobs`; it is made when it is not there."""
        (self.folder / bucket).mkdir(exist_ok=True)
        return (
            f"s3://{bucket}/{prefix}?endpoint=http://127.0.0.1:{self.port}&region=us-east-1&keys=OBJECT_STORE"
        )

    def file(self, bucket: str, path: str, prefix: str = "emeritus") -> Path:
        """Where the bytes of a blob lie."""
        return self.folder / bucket / prefix / path


class Handler(S3Handler):
    """What the server's package leaves out: keys, faults, and removing several objects at once."""

    server_: ClassVar[ObjectStoreServer]
    disable_nagle_algorithm = True  # it writes head and body apart, which would wait for each other

    def log_request(self, *args: object) -> None:
        """Say nothing."""

    def _dispatch(self, action: Callable[[str, str], None]) -> None:
        self.server_.requests.append((self.command, self.path))
        answers = [fault(self.command, self.path) for fault in self.server_.faults]
        self._fault = next((each for each in answers if each is not None), None)
        if f"Credential={KEY}/" not in self.headers.get("Authorization", ""):
            self._fault = 403
        super()._dispatch(self._faulty if isinstance(self._fault, int) else action)
        if self._fault == "stall":
            self.close_connection = True

    def _post_request(self, bucket: str, key: str) -> None:
        if "delete" not in self.query:
            super()._post_request(bucket, key)
            return
        answer = ET.Element("DeleteResult", xmlns=S3_NAMESPACE)
        for each in ET.fromstring(self._read_body()).iterfind("{*}Object/{*}Key"):
            self._object_path(bucket, each.text).unlink(missing_ok=True)
            ET.SubElement(ET.SubElement(answer, "Deleted"), "Key").text = each.text
        self._send_xml(answer)

    def _faulty(self, bucket: str, key: str) -> None:
        self._read_body()
        code = "InvalidAccessKeyId" if self._fault == 403 else "InternalError"
        raise S3Error(HTTPStatus(self._fault), code, "As a test told it to.")

    def _send_headers(self, *args: object, **options: object) -> None:
        if self._fault == "stall":
            time.sleep(1.5)
        super()._send_headers(*args, **options)

    def _send_file(self, status, file, start, length, headers, include_body) -> None:
        if self._fault != "cut":
            super()._send_file(status, file, start, length, headers, include_body)
            return
        self._send_headers(status, length, headers)
        file.seek(start)
        self.wfile.write(file.read(length // 2))
        self.close_connection = True


@contextmanager
def serve(folder: Path) -> Iterator[ObjectStoreServer]:
    """Serve the buckets below *folder* as long as the block lasts."""
    server = ObjectStoreServer(0, folder)
    handler = type("OurHandler", (Handler,), {"server_": server, "data_root": folder})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        listening.daemon_threads = True
        server.port = listening.server_port
        thread = threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        listening.shutdown()
        thread.join()
