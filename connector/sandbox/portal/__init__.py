"""The Absorb portal: its data, the generator that makes it up, and its Integration API."""

from connector.sandbox.portal.state import Portal as Portal
