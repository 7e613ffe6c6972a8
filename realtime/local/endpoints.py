"""Ears and mouth behind OpenAI-compatible HTTP endpoints."""

import asyncio
import io
import json
import secrets
import wave
from typing import Any

from realtime.local.audio import BYTES_PER_MS
from realtime.local.ears import BYTES_PER_S, LONGEST_S, EarsFailed, Heard, Utterance, settle
from realtime.local.http import Endpoint, HttpFailed, post
from realtime.local.mouth import MouthFailed, Speech
from realtime.local.voices import Voice
from realtime.local.word_times import spread_words

EARS_LIMIT_S = 30.0
MOUTH_LIMIT_S = 30.0
SPEECH_LIMIT_BYTES = 16 * 1024 * 1024
TEXT_LIMIT_BYTES = 1024 * 1024


def wav(pcm: bytes, rate: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(rate)
        stream.writeframes(pcm)
    return out.getvalue()


def multipart(fields: dict[str, str], file: bytes) -> tuple[bytes, str]:
    """Form fields and one WAV file -> (body, content type)."""
    boundary = secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    parts.append(
        f"--{boundary}\r\n"
        'Content-Disposition: form-data; name="file"; filename="speech.wav"\r\n'
        "Content-Type: audio/wav\r\n\r\n".encode()
    )
    parts += [file, f"\r\n--{boundary}--\r\n".encode()]
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"


class EndpointEars:
    """`endpoint.base` + /audio/transcriptions."""

    name = "transcription endpoint"
    ready = True

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def start(self) -> None:
        return None

    async def close(self) -> None:
        return None

    def health(self) -> dict[str, Any]:
        return {"name": self.name, "model": self._endpoint.model, "ready": True}

    def open(self, language: str | None) -> Utterance:
        return _EndpointUtterance(self._endpoint, language)


class _EndpointUtterance:
    def __init__(self, endpoint: Endpoint, language: str | None) -> None:
        self.result: asyncio.Future[Heard] = asyncio.get_running_loop().create_future()
        self._endpoint, self._language = endpoint, language
        self._pcm = bytearray()
        self._task: asyncio.Task[None] | None = None

    def feed(self, pcm: bytes) -> None:
        if len(self._pcm) < LONGEST_S * BYTES_PER_S:
            self._pcm += pcm

    def finish(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._recognise())

    def cancel(self) -> None:
        self.result.cancel()
        if self._task is not None:
            self._task.cancel()

    async def _recognise(self) -> None:
        fields = {"model": self._endpoint.model, "response_format": "json"}
        if self._language:
            fields["language"] = self._language
        body, content_type = multipart(fields, wav(bytes(self._pcm), BYTES_PER_S // 2))
        url = self._endpoint.url("/audio/transcriptions")
        try:
            async with asyncio.timeout(EARS_LIMIT_S):
                async with post(url, body, content_type, key=self._endpoint.key) as answer:
                    found = json.loads(await answer.body(TEXT_LIMIT_BYTES))
            settle(self.result, Heard(str(found["text"]).strip()))
        except HttpFailed as problem:
            settle(self.result, EarsFailed("transcription_failed", str(problem)))
        except TimeoutError:
            settle(self.result, EarsFailed("recogniser_slow", "Transcription took too long."))
        except (ValueError, KeyError, TypeError):
            message = "The transcription endpoint did not answer with a text."
            settle(self.result, EarsFailed("transcription_failed", message))


class EndpointMouth:
    """`endpoint.base` + /audio/speech, asked for raw PCM16 at 24 kHz.

    `voice` replaces the GA voice names where the endpoint has others.
    """

    name = "speech endpoint"
    ready = True

    def __init__(self, endpoint: Endpoint, voice: str = "") -> None:
        self._endpoint, self._voice = endpoint, voice

    def start(self) -> None:
        return None

    async def close(self) -> None:
        return None

    def health(self) -> dict[str, Any]:
        return {"name": self.name, "model": self._endpoint.model, "ready": True}

    async def say(self, text: str, voice: Voice) -> Speech:
        request = {
            "model": self._endpoint.model,
            "voice": self._voice or voice.name,
            "input": text.strip(),
            "response_format": "pcm",
            "speed": voice.speed,
        }
        url = self._endpoint.url("/audio/speech")
        try:
            async with asyncio.timeout(MOUTH_LIMIT_S):
                body = json.dumps(request).encode()
                async with post(url, body, "application/json", key=self._endpoint.key) as answer:
                    pcm = await answer.body(SPEECH_LIMIT_BYTES)
        except HttpFailed as problem:
            raise MouthFailed(f"The speech endpoint failed. {problem}") from None
        except TimeoutError:
            raise MouthFailed("The speech endpoint took too long.", "synthesis_slow") from None
        pcm = pcm[: len(pcm) - len(pcm) % 2]
        if not pcm:
            raise MouthFailed("The speech endpoint sent no audio.")
        return Speech(pcm, spread_words(text, len(pcm) / BYTES_PER_MS))
