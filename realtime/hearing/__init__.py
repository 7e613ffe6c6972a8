"""Voice activity detection: whether and when somebody speaks. No Django, and nothing else of ours.

`vad` says how likely a short frame is speech, `turns` where speech starts and stops. Shared by the
embedded provider (`realtime.local`), which is a server with turn detection, and by the bridge
(`realtime.bridge.own_turns`), which finds the turns for providers that have none.
"""
