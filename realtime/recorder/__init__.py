"""The recorder: a tap that turns what happens in a call into messages and recordings.

`tap` follows the call's events, `microphone` cuts the person's turns out of their audio, `items`
keeps the order of the conversation, `keeper` writes rows and recordings. All of it runs on the
event loop and only appends: rows go to the `store`, audio to `tracks`.
"""

from realtime.recorder.tap import Recorder

__all__ = ["Recorder"]
