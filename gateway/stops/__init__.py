"""Stops: consumers, or recipients by prefix, for which nothing is sent until an operator starts them again."""
