"""Makes a ready server go wrong: PRESSRUN_TEST_FAULT is crash, slow, errors or unready, from:NUMBER."""

import os
import time

FAULT, _, AFTER = os.environ.get("PRESSRUN_TEST_FAULT", "").partition(":")
WARM_UP = 3
calls = 0


def spoil() -> None:
    from pressrun.serving import app, scoring

    original = scoring.score

    def score(bundle: object, batch: object) -> object:
        global calls
        calls += 1
        if calls > WARM_UP + int(AFTER or 0):
            happen(calls)
        return original(bundle, batch)

    scoring.score = score
    if FAULT == "unready":
        app.App._ready = lambda self, hosted=None: app.Reply(status=503, body={"ready": False})


def happen(number: int) -> None:
    if FAULT == "crash":
        print("the tokenizer met an article that it cannot bear", flush=True)
        os._exit(3)
    if FAULT == "slow":
        time.sleep(0.12)
    if FAULT == "errors" and number % 2:
        raise RuntimeError("the model cannot answer this article")


if FAULT:
    spoil()
