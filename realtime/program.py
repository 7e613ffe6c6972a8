"""What programs of ours that run beside the site have in common: see `realtime.beside`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import NoReturn, TypeVar

T = TypeVar("T")


def answer_all(questions: Iterable[T], answer: Callable[[T], bytes]) -> NoReturn:
    """Write the answer to each question on standard output, in turn, until there are no more: then
    this process is gone, also in the middle of an answer."""
    # Who stops the site may signal all of its processes. There is work here until the site is gone,
    # and this process is then.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    asked: SimpleQueue[T] = SimpleQueue()
    threading.Thread(target=_answer, args=(asked, answer), daemon=True).start()
    for question in questions:
        asked.put(question)
    os._exit(0)


def _answer(asked: SimpleQueue[T], answer: Callable[[T], bytes]) -> None:
    try:
        while True:
            sys.stdout.buffer.write(answer(asked.get()))
            sys.stdout.buffer.flush()
    except BrokenPipeError:
        pass  # nobody hears the answer: the questions have ended as well
    except BaseException:
        # Who asked learns of it: nobody may wait for an answer that will not come.
        sys.excepthook(*sys.exc_info())
        os._exit(1)
