"""Recognisers and voices that speak Wyoming, the protocol of Home Assistant: engines in processes of their own."""
