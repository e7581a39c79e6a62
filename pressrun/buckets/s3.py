"""`python -m pressrun.buckets.s3`: moto's S3 on the loopback address.

moto checks a conditional write and then makes it, in two steps of which another request may come between; writes take
turns here, as if the store were one place, which is what S3 promises.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from pressrun.buckets.running import end_with_starter, options
from pressrun.buckets.servers import BucketServer, serve

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def one_write_at_a_time(application: Application) -> Application:
    """The application, with requests that change something one after the other."""
    lock = threading.Lock()

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return application(environ, start_response)
        with lock:
            return list(application(environ, start_response))

    return answer


def main() -> None:
    """Serves until it is ended."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    given = options()
    application = one_write_at_a_time(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", given.port, application, threaded=True, request_handler=MotoRequestHandler)
    end_with_starter(given)
    serve(BucketServer(kind="s3", endpoint=f"http://127.0.0.1:{server.server_port}"), server.serve_forever, given)


if __name__ == "__main__":
    main()
