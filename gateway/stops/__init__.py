"""Stops: consumers, or recipients by prefix, for which nothing is sent until they are started again."""
