"""Race test: calls that start at once in several processes, for one last place or cent.

    python -m tests.races 200        # rounds, on the site of DATABASE_URL and DATA_DIR

Each round has its own account with one place, or one cent, left. Prints as JSON how many calls were
admitted in each round.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import uuid
from decimal import Decimal

PROCESSES, STARTS = 5, 10  # each, so 50 in a round
CENT = Decimal("0.01")


def race(rounds: int, env: dict[str, str]) -> list[int]:
    """Run rounds in separate processes; returns how many calls were admitted in each round."""
    run = [sys.executable, "-m", "tests.races"]
    # Not the test settings, with which each process would have its own data folder.
    env = {**env, "DJANGO_SETTINGS_MODULE": "nextvoice.settings"}
    subprocess.run([*run, "prepare", str(rounds)], env=env, check=True)
    racers = [
        subprocess.Popen([*run, "start"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(PROCESSES)
    ]
    let_in = []
    try:
        assert [_answer(racer) for racer in racers] == ["ready"] * PROCESSES
        for number in range(1, rounds + 1):
            for racer in racers:
                assert racer.stdin is not None
                racer.stdin.write(b"%d\n" % number)
                racer.stdin.flush()
            let_in.append(sum(int(_answer(racer)) for racer in racers))
    finally:
        for racer in racers:
            racer.kill()
            racer.wait()
    return let_in


def _answer(racer: subprocess.Popen[bytes]) -> str:
    assert racer.stdout is not None
    return racer.stdout.readline().decode().strip()


def _prepare(rounds: int) -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from chats.models import Account
    from realtime.models import Quota

    for number in range(1, rounds + 1):
        account = Account.objects.create(pk=number, name=f"Round {number}", slug=f"round-{number}")
        money = {"money_per_day": CENT} if number % 2 else {"calls_at_once": 1}
        Quota.objects.create(account=account, **money)


def _start() -> None:
    """Start calls for each round number on standard input."""
    print("ready", flush=True)
    for line in sys.stdin:
        number, let_in = int(line), list[bool]()
        together = threading.Barrier(STARTS)
        starts = [
            threading.Thread(target=_start_one, args=(number, together, let_in))
            for _ in range(STARTS)
        ]
        for each in starts:
            each.start()
        for each in starts:
            each.join()
        print(sum(let_in) if len(let_in) == STARTS else -1000, flush=True)


def _start_one(number: int, together: threading.Barrier, let_in: list[bool]) -> None:
    from django.utils import timezone

    from realtime.db import with_connection
    from realtime.money.quotas import admit
    from realtime.money.terms import OverQuota, Wish

    wish = Wish(uuid.uuid4(), account_id=number, user_id=number, ahead=5 * CENT)
    together.wait()
    try:
        with_connection(admit, wish, timezone.now())
        let_in.append(True)
    except OverQuota:
        let_in.append(False)


def main() -> None:
    """The command line."""
    task, *numbers = sys.argv[1:]
    if task not in ("prepare", "start"):
        print(json.dumps(race(int(task), dict(os.environ))))
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nextvoice.settings")
    import django

    django.setup()
    if task == "prepare":
        _prepare(int(numbers[0]))
    else:
        _start()


if __name__ == "__main__":
    main()
