"""SVOX Pico by py-nanotts: small synthetic voices in six languages."""
