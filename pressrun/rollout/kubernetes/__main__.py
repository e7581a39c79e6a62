"""`python -m pressrun.rollout.kubernetes`: what the controller's Deployment runs."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket

from pressrun.rollout.kubernetes.cluster import inside
from pressrun.rollout.kubernetes.controller import Controller
from pressrun.rollout.kubernetes.leading import Leading
from pressrun.rollout.kubernetes.names import CONTROLLER, CONTROLLER_PORT

_log = logging.getLogger(__name__)


def main() -> None:
    parser = argparse.ArgumentParser(prog="pressrun.rollout.kubernetes", description="Controls rollouts in a cluster.")
    parser.add_argument("--namespace", default=os.environ.get("POD_NAMESPACE", "pressrun"))
    parser.add_argument("--port", type=int, default=CONTROLLER_PORT)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("leaderelection").setLevel(logging.WARNING)
    api = inside(given.namespace)
    identity = os.environ.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}"
    leading = Leading(api.client, name=CONTROLLER, namespace=given.namespace, identity=identity)
    status = 1
    try:
        asyncio.run(Controller(api, leading).run(port=given.port))
        status = 0
    except Exception:
        _log.exception("the controller ends")
    finally:
        # A tick that hangs ends here, as by SIGKILL, rather than go on while the interpreter takes itself apart.
        logging.shutdown()
        os._exit(status)


if __name__ == "__main__":
    main()
