"""The catalog as a service: requests in, answers out. Thin: parse, decide, call, stream."""
