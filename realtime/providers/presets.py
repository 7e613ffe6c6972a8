"""The services we know, so that adding one means choosing it and pasting a key.

Facts: the vendors' documentation and SDK types as of November 2026; end dates are what the vendors
announced. Words in capitals in an address are to be replaced. All of it can be edited in the form.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Any

from django.utils.translation import gettext_lazy as _

from realtime.features import FORMATS, TURNS, embedded_features
from realtime.providers.preset import Preset, PresetModel

# fmt: off
OPENAI_VOICES = (
    "marin", "cedar", "alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse",
)
# Hints a transcription model takes; the most spoken ones.
LANGUAGES = [
    "en", "zh", "es", "fr", "de", "pt", "it", "nl", "pl", "ru", "uk", "tr", "ar", "he", "hi", "id",
    "ja", "ko", "vi", "th", "sv", "da", "nb", "fi", "cs", "el", "hu", "ro",
]
# fmt: on
BETA_VOICES = OPENAI_VOICES[2:]
TRANSCRIBERS = ["gpt-transcribe", "gpt-live-transcribe", "gpt-4o-transcribe"]
GEMINI = "google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


def _openai_features(**more: Any) -> dict[str, Any]:
    return {
        "turn_detection": list(TURNS),
        "text": True,
        "images": True,
        "tools": True,
        "instructions": True,
        "formats": list(FORMATS),
        "noise_reduction": ["near_field", "far_field"],
        "speed": [0.25, 1.5],
        "transcription_models": TRANSCRIBERS[1:],
        "languages": LANGUAGES,
        "max_output_tokens": 4096,
        **more,
    }


def _openai(name: str, label: str, context: int, ends: date | None = None) -> PresetModel:
    return PresetModel(
        name=name,
        label=label,
        voices=OPENAI_VOICES,
        transcription_model=TRANSCRIBERS[0],
        context_tokens=context,
        ends=ends,
        usual=name.startswith("gpt-realtime-2.1"),
        features=_openai_features(),
    )


def _azure(name: str, label: str, context: int, ends: date | None = None) -> PresetModel:
    # On Azure transcription needs a deployment of its own, whose name nobody can know.
    return PresetModel(
        name=name,
        label=label,
        voices=OPENAI_VOICES,
        context_tokens=context,
        ends=ends,
        usual=name == "gpt-realtime-2.1",
        features={
            key: value
            for key, value in _openai_features().items()
            if key not in ("transcription_models", "languages")
        },
    )


def _plain(*turns: str, **more: Any) -> dict[str, Any]:
    return {
        "turn_detection": [*turns, "none"],
        "text": False,
        "instructions": True,
        "formats": ["audio/pcm"],
        **more,
    }


def _qwen(name: str, label: str, usual: bool = False) -> PresetModel:
    return PresetModel(
        name=name,
        label=label,
        voices=("Cherry", "Serena", "Ethan", "Chelsie"),
        transcription_model="qwen3-asr-flash-realtime" if usual else "gummy-realtime-v1",
        usual=usual,
        features=_plain("server_vad", text=True, images=True),
    )


QWEN_MODELS = (
    _qwen("qwen3.8-omni-flash-realtime", "Qwen3.8 Omni Flash", usual=True),
    _qwen("qwen3-omni-flash-realtime", "Qwen3 Omni Flash"),
    _qwen("qwen-omni-turbo-realtime", "Qwen Omni Turbo"),
)

PRESETS = (
    Preset(
        id="openai",
        label="OpenAI",
        dialect="openai_ga",
        url="wss://api.openai.com/v1/realtime",
        note=_("Create a key at platform.openai.com, under API keys."),
        models=(
            _openai("gpt-realtime-2.1", "GPT Realtime 2.1", 128_000),
            _openai("gpt-realtime-2.1-mini", "GPT Realtime 2.1 mini", 128_000),
            _openai("gpt-realtime-2", "GPT Realtime 2", 128_000),
            _openai("gpt-realtime-1.5", "GPT Realtime 1.5", 32_000),
            _openai("gpt-realtime", "GPT Realtime", 32_000, date(2027, 1, 20)),
            _openai("gpt-realtime-mini", "GPT Realtime mini", 32_000, date(2027, 1, 20)),
        ),
    ),
    Preset(
        id="azure",
        label="Azure OpenAI",
        dialect="azure_ga",
        url="wss://RESOURCE.openai.azure.com/openai/v1/realtime",
        replace="RESOURCE",
        note=_(
            "Replace RESOURCE with the name of your resource. A model's name is that of your "
            "deployment; rename it below if yours is called something else."
        ),
        models=(
            _azure("gpt-realtime-2.1", "GPT Realtime 2.1", 128_000, date(2027, 6, 25)),
            _azure("gpt-realtime-2.1-mini", "GPT Realtime 2.1 mini", 128_000, date(2027, 6, 25)),
            _azure("gpt-realtime-2", "GPT Realtime 2", 128_000, date(2027, 1, 20)),
            _azure("gpt-realtime-1.5", "GPT Realtime 1.5", 32_000, date(2027, 8, 24)),
            _azure("gpt-realtime", "GPT Realtime", 32_000, date(2027, 3, 2)),
            _azure("gpt-realtime-mini", "GPT Realtime mini", 32_000, date(2027, 6, 15)),
        ),
    ),
    Preset(
        id="azure_preview",
        label=_("Azure OpenAI, preview API"),
        dialect="azure_preview",
        url="wss://RESOURCE.openai.azure.com/openai/realtime",
        replace="RESOURCE",
        api_version="2025-04-01-preview",
        note=_(
            "Microsoft ended this API on 30 April 2026; use the one above where you can. Replace "
            "RESOURCE with the name of your resource and enter your deployment below."
        ),
        models=(
            PresetModel(
                name="gpt-4o-realtime-preview",
                label="GPT-4o Realtime",
                voices=BETA_VOICES,
                transcription_model="whisper-1",
                context_tokens=128_000,
                usual=True,
                features=_plain("server_vad", "semantic_vad", text=True, tools=True),
            ),
        ),
    ),
    Preset(
        id="voice_live",
        label="Azure Voice Live",
        dialect="voice_live",
        url="wss://RESOURCE.services.ai.azure.com/voice-live/realtime",
        replace="RESOURCE",
        api_version="2026-07-15",
        note=_("Replace RESOURCE with the name of your Azure AI resource."),
        models=(
            PresetModel(
                name="gpt-realtime-2.1",
                label="GPT Realtime 2.1",
                voices=OPENAI_VOICES,
                context_tokens=128_000,
                usual=True,
                features=_plain("server_vad", "semantic_vad", text=True, tools=True),
            ),
        ),
    ),
    Preset(
        id="gemini",
        label="Google Gemini Live",
        dialect="gemini",
        url=f"wss://generativelanguage.googleapis.com/ws/{GEMINI}",
        note=_("Create a key in Google AI Studio."),
        models=tuple(
            PresetModel(
                name=name,
                label=label,
                voices=("Puck", "Charon", "Kore", "Fenrir", "Aoede", "Leda", "Orus", "Zephyr"),
                ends=ends,
                usual=name == "gemini-3.8-live",
                features=_plain("server_vad", images=True, tools=True),
            )
            for name, label, ends in (
                ("gemini-3.8-live", "Gemini 3.8 Live", None),
                ("gemini-3.8-live-extended-thinking", "Gemini 3.8 Live, thinking longer", None),
                (
                    "gemini-live-2.5-flash-native-audio",
                    "Gemini Live 2.5 Flash",
                    date(2026, 12, 13),
                ),
            )
        ),
    ),
    Preset(
        id="xai",
        label="xAI Grok Voice",
        dialect="xai",
        url="wss://api.x.ai/v1/realtime",
        note=_("Create a key at console.x.ai."),
        models=(
            PresetModel(
                name="grok-voice-latest",
                label="Grok Voice",
                voices=("Ara", "Rex", "Sal", "Eve", "Leo"),
                usual=True,
                features=_plain("server_vad", text=True, tools=True, formats=list(FORMATS)),
            ),
        ),
    ),
    Preset(
        id="minimax",
        label="MiniMax",
        dialect="minimax",
        url="wss://api.minimax.chat/ws/v1/realtime",
        note=_("This service does not notice when you stop speaking, so this site does."),
        models=(
            PresetModel(
                name="abab6.5s-chat",
                label="MiniMax abab6.5s",
                voices=("female-yujie", "male-qn-qingse"),
                usual=True,
                features=_plain("server_vad", text=True),
            ),
        ),
    ),
    Preset(
        id="qwen_intl",
        label=_("Qwen, international"),
        dialect="qwen",
        url="wss://dashscope-intl.aliyuncs.com/api-ws/v1/realtime",
        note=_("For keys of Alibaba Cloud Model Studio outside China."),
        models=QWEN_MODELS,
    ),
    Preset(
        id="qwen",
        label=_("Qwen, China"),
        dialect="qwen",
        url="wss://dashscope.aliyuncs.com/api-ws/v1/realtime",
        note=_("For keys of Alibaba Cloud Model Studio in China."),
        models=QWEN_MODELS,
    ),
    Preset(
        id="glm",
        label="GLM Realtime",
        dialect="glm",
        url="wss://open.bigmodel.cn/api/paas/v4/realtime",
        note=_("It remembers about two minutes of a conversation."),
        models=tuple(
            PresetModel(
                name=name,
                label=label,
                voices=("tongtong", "xiaochen", "female-tianmei", "female-shaonv"),
                usual=name == "glm-realtime",
                features=_plain("server_vad", tools=True),
            )
            for name, label in (
                ("glm-realtime", "GLM Realtime"),
                ("glm-realtime-flash", "GLM Realtime Flash"),
            )
        ),
    ),
    Preset(
        id="stepfun",
        label="StepFun",
        dialect="stepfun",
        url="wss://api.stepfun.com/v1/realtime",
        note=_("With a key of the international site, write api.stepfun.ai in the address."),
        models=tuple(
            PresetModel(
                name=name,
                label=label,
                voices=("qingchunshaonv", "wenrounansheng"),
                usual=name == "step-audio-2",
                features=_plain("server_vad", tools=True),
            )
            for name, label in (
                ("step-audio-2", "Step Audio 2"),
                ("step-audio-2-mini", "Step Audio 2 mini"),
            )
        ),
    ),
    Preset(
        id="self_hosted",
        label=_("A server of your own"),
        dialect="openai_ga",
        url="wss://HOST/v1/realtime",
        replace="HOST",
        needs_key=False,
        note=_("Any server that speaks OpenAI Realtime, such as LocalAI. Enter its model below."),
    ),
    Preset(
        id="self_hosted_beta",
        label=_("A server of your own, older protocol"),
        dialect="openai_beta",
        url="wss://HOST/v1/realtime",
        replace="HOST",
        needs_key=False,
        note=_("For servers with the events of the beta, such as Speaches. Enter its model below."),
    ),
    Preset(
        id="embedded",
        label=_("The built-in demo voice"),
        dialect="openai_ga",
        url="embedded:",
        needs_key=False,
        inside=True,
        note=_("Runs beside this site; needs no key and no network."),
        models=(
            PresetModel(
                name="nextvoice-demo",
                label="Demo voice",
                voices=("alloy", "marin", "cedar"),
                transcription_model="nextvoice-demo",
                usual=True,
                features=embedded_features(),
            ),
        ),
    ),
)


@cache
def placeholders() -> frozenset[str]:
    """Words in the addresses of presets that people have to replace."""
    return frozenset(preset.replace for preset in PRESETS if preset.replace)


def presets(*, inside: bool) -> list[Preset]:
    """Presets that can be offered; with `inside`, those for the own network too."""
    return [preset for preset in PRESETS if inside or not preset.inside]


def preset_of(name: str, *, inside: bool) -> Preset | None:
    """The preset of this id, if it is offered."""
    return next((preset for preset in presets(inside=inside) if preset.id == name), None)
