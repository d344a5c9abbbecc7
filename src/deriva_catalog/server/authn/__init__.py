"""Who sends a request: accounts, sessions, access tokens, and logging in with a provider.

Start with `Sessions`: it tells who sends a request, and logs people in and out. `routes` answers
``/authn``; `door` refuses what is out of a token's scope or comes from another site.
"""
