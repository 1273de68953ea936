"""A local stand-in for an Absorb portal and a Salesforce org, served over real HTTP on loopback.

Nothing outside this package, the command line, the demo and the tests may import it: the connector
has no code path that knows it is talking to a sandbox.
"""
