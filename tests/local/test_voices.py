import pytest

from realtime.local.shapes import VOICES
from realtime.local.voices import language_of, voice


def test_every_voice_name_sounds_different() -> None:
    assert len({voice(name, "en-us").espeak for name in VOICES}) == len(VOICES)


@pytest.mark.parametrize(
    ("text", "instructions", "language"),
    [
        ("Hello", "", "en-us"),
        ("Guten Tag", "Always answer in German.", "de"),
        ("Bonjour", "speak french please", "fr"),
        ("\u4f60\u597d", "", "cmn"),
        ("\u4f60\u597d OK", "Speak English", "cmn"),
        ("\u3053\u3093\u306b\u3061\u306f", "", "ja"),
        ("Hello", "You know French wine", "en-us"),
    ],
)
def test_the_script_or_the_instructions_choose_the_language(
    text: str, instructions: str, language: str
) -> None:
    assert language_of(text, instructions) == language


def test_speed_changes_the_rate_and_very_slow_speech_gets_gaps() -> None:
    assert (voice("alloy", "en-us", 1.0).rate, voice("alloy", "en-us", 1.5).rate) == (170, 255)
    slow = voice("alloy", "en-us", 0.25)
    assert (slow.rate, slow.gap) == (80, 16)
