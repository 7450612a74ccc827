"""The grammar of HTTP/1: request lines, header lines, chunks, response heads.

Nothing here knows a socket, so that whatever reads or writes heads uses the same rules: the server,
the aiohttp application, the explainer and the linter.
"""
