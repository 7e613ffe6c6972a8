"""What programs of ours that run beside the site have in common: see `realtime.programs.beside`."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from typing import NoReturn, TypeVar

T = TypeVar("T")


def answer_all(questions: Iterable[T], answer: Callable[[T], bytes]) -> NoReturn:
    """Write the answer to each question on standard output, in turn, until there are no more: then
    this process is gone, also in the middle of an answer."""
    # Who stops the site may signal all of its processes. There is work here until the site is gone,
    # and this process is then.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_questions, daemon=True).start()
    try:
        for question in questions:
            sys.stdout.buffer.write(answer(question))
            sys.stdout.buffer.flush()
    except BrokenPipeError:
        pass  # nobody hears the answer: the questions have ended as well
    except BaseException:
        # Who asked learns of it: nobody may wait for an answer that will not come.
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def _end_with_questions() -> None:
    end = select.poll()
    # Of nothing but the end, which is always told: this thread does not wake with each question.
    end.register(sys.stdin, 0)
    end.poll()
    os._exit(0)
