"""The app behind a real server."""

import threading
import time

from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection

from app import projects
from app.db import Base, Database
from app.main import create_app
from app.serving import server
from app.settings import Settings


class Service:
    """The app behind a real server in a thread of this process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.app = create_app(settings)
        self.everything: Database = self.app.state.database
        self.database = self.everything.of(projects.DEFAULT)
        if self.database.engine.dialect.name == "sqlite":
            event.listen(self.database.engine, "connect", _wait_for_no_disk)
        self._server = server(
            settings,
            self.app,
            host="127.0.0.1",
            port=0,
            log_level="warning",
            timeout_graceful_shutdown=5,
        )
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self) -> "Service":
        self._thread.start()
        deadline = time.monotonic() + 120.0
        while not self._server.started:
            assert self._thread.is_alive(), "the server did not start"
            assert time.monotonic() < deadline, "the server did not start in 120 s"
            time.sleep(0.005)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        scheme = "http" if self.settings.tls_cert is None else "https"
        self.url = f"{scheme}://127.0.0.1:{port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=30.0)


def _wait_for_no_disk(connection: DBAPIConnection, _: object) -> None:
    """What a power cut would leave is nothing that a thread of this process can show."""
    connection.cursor().execute("PRAGMA synchronous = OFF")


def emptied(service: Service) -> Service:
    """A service with nothing in its tables."""
    with service.everything.writing() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(table.delete())
    service.app.state.guard.forget()
    return service
