class CallConsumer:
    @classmethod
    def as_asgi(cls):
        return cls
