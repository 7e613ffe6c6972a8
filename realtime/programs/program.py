"""The side of the program: see `realtime.programs.beside`."""

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
    """Write the answer to each question on standard output, until there are no more. Then this
    process ends, even in the middle of an answer."""
    # Stopping the site may signal all of its processes. There is work here until the site is gone,
    # and this process ends then.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_questions, daemon=True).start()
    try:
        for question in questions:
            sys.stdout.buffer.write(answer(question))
            sys.stdout.buffer.flush()
    except BrokenPipeError:
        pass  # nobody hears the answer: there will be no more questions either
    except BaseException:
        # The asking process notices: nobody may wait for an answer that will not come.
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def _end_with_questions() -> None:
    end = select.poll()
    # Nothing but the end, which is always reported: this thread does not wake for each question.
    end.register(sys.stdin, 0)
    end.poll()
    os._exit(0)
