"""`serve --workers 2`: one address, two processes that take calls, and what keeps them alive.

The tests share one site and run in order.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from django.core.management import call_command
from django.test import RequestFactory

from realtime.calls import live
from realtime.management.commands import serve
from realtime.management.commands.serve import chores_program, worker_program
from realtime.serving import supervisor
from realtime.serving.child import Child, Program
from realtime.serving.supervisor import Supervisor
from realtime.serving.worker import Server, config_of_server
from realtime.views import readyz
from tests.processes import children, command
from tests.scripted import Expect, ScriptedProvider, Send, session_created
from tests.servers import Redis
from tests.site import DATABASE, Caller, Person, Site

WITHIN = 40


@pytest.fixture(scope="module")
def site(redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("site")
    with Site(folder, workers=2, voice=True, REDIS_URL=redis.url) as running:
        yield running


@pytest.fixture(scope="module")
def ann(site: Site) -> Person:
    return site.person("ann")


def eventually(found: Callable[[], object], seconds: float = WITHIN) -> None:
    """Poll until it is true."""
    until = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < until, "it never came about"
        time.sleep(0.02)


def test_each_worker_answers_and_the_embedded_provider_runs_once(site: Site, ann: Person) -> None:
    first, second = site.workers()
    for silent in (first, second):
        os.kill(silent, signal.SIGSTOP)
        try:
            assert [ann.get("/livez").status for _ in range(3)] == [200] * 3
        finally:
            os.kill(silent, signal.SIGCONT)
    running = [command(pid) for pid in beside(site)]
    assert sum("realtime.local" in each for each in running) == 1
    assert len(chores(site)) == 1
    assert len(loaded(site)) == 3  # one more than take calls
    theirs = [command(pid) for worker in (first, second) for pid in children(worker)]
    assert not any("realtime.local" in each for each in theirs)


def beside(site: Site) -> list[int]:
    assert site.process is not None
    return children(site.process.pid)


def loaded(site: Site) -> set[int]:
    """The processes that take calls, and the one that waits to."""
    return {pid for pid in beside(site) if "--inherit" in command(pid)}


def chores(site: Site) -> list[int]:
    return [pid for pid in beside(site) if "chores_program" in command(pid)]


def runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def hang_up_in_each(site: Site, ann: Person) -> None:
    """A call with the embedded provider in each worker."""
    for worker in site.workers():
        async with site.dial(worker, ann.new_conversation(), ann.cookie) as call:
            assert (await call.start())["type"] == "nextvoice.ready"
            await call.send({"type": "nextvoice.hang_up"})
            assert await call.ended(WITHIN) == ("hang_up", 1000)


def figures(ann: Person) -> dict[str, float]:
    lines = ann.get("/metrics").body.decode().splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in pairs}


async def test_whichever_worker_is_asked_tells_the_figures_of_all(site: Site, ann: Person) -> None:
    counted = ("nextvoice_calls_started_total", 'nextvoice_calls_ended_total{reason="hang_up"}')
    before = await asyncio.to_thread(figures, ann)

    def told() -> list[float]:
        now = figures(ann)
        rise = [now.get(name, 0) - before.get(name, 0) for name in counted]
        return [*rise, now["nextvoice_calls_live"], now["nextvoice_redis_up"]]

    await hang_up_in_each(site, ann)
    await asyncio.to_thread(eventually, lambda: told() == [2, 2, 0, 1])
    for silent in site.workers():
        os.kill(silent, signal.SIGSTOP)
        try:
            assert told() == [2, 2, 0, 1]
        finally:
            os.kill(silent, signal.SIGCONT)


def test_each_figure_is_told_once_however_often_and_of_whom_it_is_asked(
    site: Site, ann: Person
) -> None:
    for silent in (*site.workers(), *site.workers()):
        os.kill(silent, signal.SIGSTOP)
        try:
            told = ann.get("/metrics").body.decode()
        finally:
            os.kill(silent, signal.SIGCONT)
    names = re.findall(r"^# TYPE (\S+)", told, re.MULTILINE)
    assert len({*names}) == len(names)
    assert "pid=" not in told


async def test_what_a_call_leaves_on_disk_is_for_nobody_else(site: Site, ann: Person) -> None:
    await hang_up_in_each(site, ann)
    made = [each for each in (site.folder / "data").rglob("*") if DATABASE not in each.name]
    assert made
    assert [str(each) for each in made if each.stat().st_mode & 0o077] == []


def test_a_killed_worker_is_replaced_by_the_one_that_waits_while_the_other_goes_on(
    site: Site, ann: Person
) -> None:
    killed, other = site.workers()
    (waits,) = loaded(site) - {killed, other}
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: killed not in site.workers(), 1)
    assert ann.get("/readyz").status == 200
    eventually(lambda: len(site.workers()) == 2)
    assert set(site.workers()) == {other, waits}
    eventually(lambda: len(loaded(site)) == 3)


def test_a_killed_embedded_provider_is_replaced_at_the_same_address(site: Site) -> None:
    def embedded() -> list[int]:
        found = beside(site)
        return [pid for pid in found if "realtime.local" in command(pid)]

    (killed,) = embedded()
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: embedded() not in ([], [killed]))


async def test_a_deploy_replaces_every_worker_and_refuses_nobody(site: Site, ann: Person) -> None:
    """SIGHUP: the old ones end when new ones answer; a call is told to come back, and can. What
    removes whatever is kept no longer follows the new settings as well."""
    before, answers, done = {*loaded(site), *chores(site)}, list[int](), asyncio.Event()

    async def probe() -> None:
        while not done.is_set():
            answers.append(await asyncio.to_thread(site.ready))

    async with ScriptedProvider([Send(session_created()), Expect("session.update")]) as provider:
        site.provider(provider.url)
        thread = ann.new_conversation()
        async with Caller.dial(site.url, thread, ann.cookie) as call:
            await call.start()
            probing = asyncio.create_task(probe())
            assert site.process is not None
            site.process.send_signal(signal.SIGHUP)
            assert await call.ended(WITHIN) == ("server_stopping", 1012)
            async with Caller.dial(site.url, thread, ann.cookie) as again:
                assert (await again.start())["type"] == "nextvoice.ready"
            await asyncio.to_thread(eventually, lambda: not any(map(runs, before)))
            done.set()
            await probing
    assert set(answers) == {200}
    assert len(chores(site)) == 1


async def test_stopping_is_known_at_once_and_ends_every_call(site: Site, ann: Person) -> None:
    async with ScriptedProvider([Send(session_created()), Expect("session.update")]) as provider:
        site.provider(provider.url)
        async with Caller.dial(site.url, ann.new_conversation(), ann.cookie) as call:
            await call.start()
            workers = site.workers()
            assert site.process is not None
            site.process.send_signal(signal.SIGTERM)
            ended = asyncio.create_task(asyncio.to_thread(site.process.wait, 30))
            answers = [200]
            while not ended.done():
                answers.append(await asyncio.to_thread(site.ready))
            # It says that it is going while it still answers, and never takes that back.
            assert list(dict.fromkeys(answers)) == [200, 503, 0]
            assert 200 not in answers[answers.index(503) :]
            assert await call.ended(WITHIN) == ("server_stopping", 1012)
        assert await ended == 0
    assert not any(map(runs, workers))
    site.kill()
    rows = site.run(
        "from realtime.models import CallRecord\n"
        "tell(list(CallRecord.objects.order_by('started').values_list('state', 'end_reason')))"
    )
    assert rows[-1] == ["ended", "server_stopping"]
    assert "live" not in [state for state, _reason in rows]
    site.start()


@pytest.mark.parametrize(("workers", "heard"), [("2", 0), ("1", 2)])
def test_a_deploy_before_there_are_workers_to_replace_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, workers: str, heard: int
) -> None:
    """A site alone has none to replace: to it SIGHUP is a terminal that is closed. What came while
    the program was loaded has waited."""
    told: list[int] = []
    before = signal.signal(signal.SIGHUP, lambda number, _frame: told.append(number))
    monkeypatch.setattr(serve, "_check", lambda workers: signal.raise_signal(signal.SIGHUP))
    monkeypatch.setattr(serve, "_serve_alone", lambda sock: None)
    monkeypatch.setattr(serve, "_serve_with", lambda sock, workers: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    signal.raise_signal(signal.SIGHUP)
    try:
        call_command("serve", "--port", "0", "--workers", workers)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert len(told) == heard


@pytest.fixture
def with_terminal() -> Iterator[None]:
    """Processes that begin now hear of their terminal's end, also where ours does not (nohup)."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


async def test_a_terminal_that_is_closed_ends_every_call_of_a_site_alone(
    tmp_path: Path, with_terminal: None
) -> None:
    """It sends SIGHUP, as does who takes one process for several."""
    with Site(tmp_path, people=("ann",)) as alone:
        person = Person(alone.url)
        person.cookies["sessionid"] = alone.sessions["ann"]
        async with ScriptedProvider([Send(session_created()), Expect("session.update")]) as told:
            alone.provider(told.url)
            async with Caller.dial(alone.url, person.new_conversation(), person.cookie) as call:
                await call.start()
                assert alone.process is not None
                alone.process.send_signal(signal.SIGHUP)
                assert await call.ended(WITHIN) == ("server_stopping", 1012)
        assert await asyncio.to_thread(alone.process.wait, 30) == 0


def test_probes_hear_of_a_stop_before_anything_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the signal's own handler: no event loop has to come round to it."""
    monkeypatch.setattr(live, "_stopping", False)
    told: list[tuple[bool, bool]] = []
    server = Server(config_of_server(), lambda: None)

    def next_handler(self: object, sig: int, frame: object) -> None:
        told.append((live.stopping(), server.should_exit))

    monkeypatch.setattr(uvicorn.Server, "handle_exit", next_handler)
    server.handle_exit(signal.SIGTERM, None)
    assert told == [(True, False)]
    answer = readyz(RequestFactory().get("/readyz"))
    assert (answer.status_code, answer.content) == (503, b'{"status": "stopping"}')


def test_who_follows_the_settings_reads_the_file_of_them_afresh(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setenv("TIME_ZONE", "Europe/Berlin")
    monkeypatch.setenv("METRICS_TOKEN", "of-the-file")
    settings.FROM_FILE = {"METRICS_TOKEN"}
    with socket.create_server(("127.0.0.1", 0)) as sock:
        program = worker_program(sock, {"LOCAL_VOICE_URL": "ws://127.0.0.1:1"}, lambda pid: None)
    assert program.environment is not None
    assert program.environment["LOCAL_VOICE_URL"] == "ws://127.0.0.1:1"
    for environment in (program.environment, chores_program().environment):
        assert environment is not None
        assert environment["TIME_ZONE"] == "Europe/Berlin"
        assert "METRICS_TOKEN" not in environment


async def test_a_program_has_just_the_environment_it_is_given(tmp_path: Path) -> None:
    told = tmp_path / "told"
    code = f"import os; open({str(told)!r}, 'w').write(repr(sorted(os.environ)))"
    child = await Child.start(Program("x", ["-c", code], environment={"ONE": "1"}))
    assert await child.wait() == 0
    assert "ONE" in told.read_text() and "PATH" not in told.read_text()


def test_workers_end_with_their_supervisor(site: Site) -> None:
    """A supervisor that is killed leaves no process that would hold the port."""
    eventually(lambda: len(loaded(site)) == 3)
    workers = loaded(site)
    assert site.process is not None
    site.process.kill()
    site.process.wait()
    site.process = None
    eventually(lambda: not any(map(runs, workers)))
    site.start()


UP = "import os, time; os.write(0, b'r'); time.sleep(600)"


@pytest.mark.parametrize(
    ("code", "healthy", "waits"),
    [
        # Who comes up and is killed later, again and again, is replaced at once each time.
        (UP, 0.0, ["0"] * 5),
        (UP, 600.0, ["0", "0.01", "0.02", "0.02", "0.02"]),
        # Who does not come up would only be the next one to fail.
        ("raise SystemExit(3)", 600.0, ["0", "0.01", "0.02", "0.02", "0.02"]),
    ],
    ids=["killed later", "killed at once", "never up"],
)
async def test_only_who_dies_early_is_waited_for(
    code: str,
    healthy: float,
    waits: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(supervisor, "HEALTHY_SECONDS", healthy)
    monkeypatch.setattr(supervisor, "BACK_OFF_SECONDS", (0.0, 0.0, 0.01, 0.02))
    place = supervisor.Place(Program("worker", ["-c", code]))
    keeping = asyncio.create_task(place.keep(asyncio.get_running_loop().create_future()))

    def ends() -> list[str]:
        return re.findall(r"starts in (\S+) s", caplog.text)

    async with asyncio.timeout(WITHIN):
        for number in range(len(waits)):
            while len(ends()) <= number:
                if caplog.text.count(" is ready") > number:
                    place.send(signal.SIGKILL)
                await asyncio.sleep(0.02)
    await place.stop(signal.SIGKILL)
    await keeping
    assert ends()[: len(waits)] == waits


async def test_a_spare_one_that_died_or_is_out_of_date_is_not_taken() -> None:
    before, ends = set(children(os.getpid())), list[int]()

    def running() -> set[int]:
        return set(children(os.getpid())) - before

    spare = supervisor.Spare(Program("worker", ["-c", UP], on_end=ends.append))
    taken = [await spare.take()]
    await spare.prepare()
    (waiting,) = running() - {taken[0].pid}
    os.kill(waiting, signal.SIGKILL)
    await asyncio.to_thread(eventually, lambda: not spare.waits)
    taken.append(await spare.take())
    await spare.prepare()
    await spare.close()
    assert (len(ends), ends[0]) == (2, waiting)
    await spare.prepare()
    assert running() == {child.pid for child in taken}
    for child in taken:
        await child.stop(signal.SIGKILL)


async def test_places_that_fill_at_the_same_time_have_one_spare() -> None:
    before = set(children(os.getpid()))
    spare = supervisor.Spare(Program("worker", ["-c", UP]))
    await asyncio.gather(*(spare.prepare() for _ in range(3)))
    assert len(set(children(os.getpid())) - before) == 1
    await spare.close()


async def test_where_no_process_can_be_started_it_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    start, full = asyncio.create_subprocess_exec, iter([True, False, True, False])

    async def starts(*args: Any, **options: Any) -> asyncio.subprocess.Process:
        if next(full):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return await start(*args, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", starts)
    monkeypatch.setattr(supervisor, "SPARE_SECONDS", 0.1)
    program = Program("worker", ["-c", UP])
    spare = supervisor.Spare(program)
    place = supervisor.Place(program, spare)
    first: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    keeping = asyncio.create_task(place.keep(first))
    async with asyncio.timeout(WITHIN):
        while "no spare worker" not in caplog.text:  # noqa: ASYNC110 (a test may poll)
            await asyncio.sleep(0.02)
    assert first.result() is False
    assert "no worker can be started" in caplog.text
    assert not keeping.done()
    await asyncio.to_thread(eventually, lambda: spare.waits)
    await spare.close()
    await place.stop(signal.SIGKILL)
    await keeping


async def test_who_dies_while_it_is_replaced_has_one_successor(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr(supervisor, "BACK_OFF_SECONDS", (0.0,))
    before, may_come = set(children(os.getpid())), tmp_path / "come"
    may_come.touch()
    code = f"import os, time\nwhile not os.path.exists({str(may_come)!r}): time.sleep(0.01)\n{UP}"
    place = supervisor.Place(Program("worker", ["-c", code]))
    first: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    keeping = asyncio.create_task(place.keep(first))

    def running() -> set[int]:
        return set(children(os.getpid())) - before

    async with asyncio.timeout(WITHIN):
        assert await first
        may_come.unlink()
        (old,) = running()
        replacing = asyncio.create_task(place.replace())
        while len(running()) == 1:  # noqa: ASYNC110 (a test may poll)
            await asyncio.sleep(0.02)
        os.kill(old, signal.SIGKILL)
        while "another one starts" not in caplog.text:  # noqa: ASYNC110 (a test may poll)
            await asyncio.sleep(0.02)
        may_come.touch()
        assert await replacing
    await asyncio.to_thread(eventually, lambda: len(running()) == 1)
    await place.stop(signal.SIGKILL)
    await keeping


async def test_where_new_settings_are_no_good_everything_stays_and_one_waits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "BACK_OFF_SECONDS", (0.0,))
    monkeypatch.setattr(supervisor, "SPARE_SECONDS", 0.1)
    before, good = set(children(os.getpid())), tmp_path / "good"
    good.touch()
    code = f"import os\nif not os.path.exists({str(good)!r}): raise SystemExit(3)\n"
    code += f"open(f'{tmp_path}/{{os.getpid()}}', 'x')\n{UP}"
    chores = Program("chores", ["-c", UP], follows=True)
    site = Supervisor(Program("worker", ["-c", code]), 2, [chores])
    serving = asyncio.create_task(site.run())

    def running() -> set[int]:
        return set(children(os.getpid())) - before

    def whole() -> bool:
        read = [pid for pid in running() if (tmp_path / str(pid)).exists()]
        return (len(read), len(running())) == (3, 4)

    async with asyncio.timeout(WITHIN):
        await asyncio.to_thread(eventually, whole)
        old = running()
        good.unlink()
        await site._replace()
        assert running() == old
        # Who dies then has the one that waits in its place, and a new one can only wait later.
        holder = site._workers[0]._holder
        assert holder is not None
        os.kill(holder.pid, signal.SIGKILL)
        await asyncio.to_thread(eventually, lambda: "until a spare worker starts" in caplog.text)
        assert re.search(r"the spare worker \d+ ended with status 3", caplog.text)
        good.touch()
        await asyncio.to_thread(eventually, whole)
        old = running()
        await site._replace()
        await asyncio.to_thread(eventually, whole)
        assert not running() & old
        os.kill(os.getpid(), signal.SIGTERM)
        assert await serving
    assert not running()


async def test_settings_that_change_while_workers_are_replaced_are_read_as_well(
    tmp_path: Path,
) -> None:
    before, setting, read = set(children(os.getpid())), tmp_path / "setting", tmp_path / "read"
    code = f"import os\nvalue = open({str(setting)!r}).read()\n"
    code += f"open(f'{read}/{{os.getpid()}}', 'w').write(value)\n{UP}"
    setting.write_text("one")
    read.mkdir()
    site = Supervisor(Program("worker", ["-c", code]), 2)
    serving = asyncio.create_task(site.run())

    def have(value: str) -> bool:
        paths = [read / str(pid) for pid in set(children(os.getpid())) - before]
        return [path.exists() and path.read_text() for path in paths] == [value] * 3

    async with asyncio.timeout(WITHIN):
        await asyncio.to_thread(eventually, lambda: have("one"))
        setting.write_text("two")
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.to_thread(eventually, lambda: len([*read.iterdir()]) > 3)
        setting.write_text("three")
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.to_thread(eventually, lambda: have("three"))
        os.kill(os.getpid(), signal.SIGTERM)
        assert await serving


async def test_who_is_stopped_before_a_worker_came_up_has_not_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    before = set(children(os.getpid()))
    site = Supervisor(Program("worker", ["-c", "import time; time.sleep(600)"]), 2)
    serving = asyncio.create_task(site.run())
    await asyncio.to_thread(eventually, lambda: len(set(children(os.getpid())) - before) == 2)
    for number in (signal.SIGTERM, signal.SIGHUP):  # as some who stop services send them
        os.kill(os.getpid(), number)
    async with asyncio.timeout(WITHIN):
        assert await serving
    assert "replacing" not in caplog.text
    assert set(children(os.getpid())) == before


async def test_a_supervisor_gives_up_when_no_worker_comes_up() -> None:
    hopeless = Program("worker", ["-c", "raise SystemExit(3)"])
    assert await Supervisor(hopeless, 2).run() is False
