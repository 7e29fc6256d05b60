"""Unit tests of `gateway/identity`."""
